"""What counts as left open, what ends it and what says so: on tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from azure_ops.actions import by_id
from azure_ops.backup_policies import BackupPolicy, promise
from azure_ops.loose_ends import Kind, LooseEnd, loose_ends
from azure_ops.model import (
    Backup,
    Disk,
    FleetItem,
    Job,
    JobError,
    JobKind,
    JobState,
    Leftovers,
    ManagedDisk,
    Operation,
    Phase,
    Replication,
    Schedule,
    Trace,
)

NOW = datetime(2026, 8, 22, 14, tzinfo=UTC)
VAULT = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.RecoveryServices/vaults/rsv"
POLICY = f"{VAULT}/backupPolicies/Daily"
GROUP = "/subscriptions/s/resourceGroups/rg-Restored"
DAILY = Leftovers(schedules=(Schedule(policy_id=POLICY.upper(), every_s=86400),))


def ago(**time: float) -> datetime:
    return NOW - timedelta(**time)


def vm(name: str = "web", **more: Any) -> FleetItem:
    facts = {"key": name, "id": f"/{name}", "name": name, "subscription_id": "s", "resource_group": "g"}
    return FleetItem(**{**facts, **more})


def backup(**more: Any) -> Backup:
    facts: dict[str, Any] = {
        "item_id": f"{VAULT}/i", "vault_id": VAULT, "policy_name": "Daily", "protection_state": "Protected",
        "last_status": "Completed", "last_backup_at": ago(hours=3), "last_point_at": ago(hours=3),
    }  # fmt: skip
    return Backup(**{**facts, **more})


def replication(**more: Any) -> Replication:
    return Replication(**{"item_id": f"{VAULT}/r", "vault_id": VAULT, "active_location": "Primary", **more})


def operation(**more: Any) -> Operation:
    facts: dict[str, Any] = {
        "id": "1", "action": "restore-disks", "title": "Restore of disks of web", "target_key": "web",
        "target_name": "web", "phase": Phase.FAILED, "created_at": ago(hours=1), "message": "no quota",
    }  # fmt: skip
    return Operation(**{**facts, **more})


def job(**more: Any) -> Job:
    facts: dict[str, Any] = {
        "id": f"{VAULT}/backupJobs/1", "kind": JobKind.BACKUP, "operation": "Restore", "vault_id": VAULT,
        "state": JobState.FAILED, "target_name": "web", "target_key": "web", "started_at": ago(hours=2),
    }  # fmt: skip
    return Job(**{**facts, **more})


def disk(name: str = "web-osdisk-20260822-120000", **more: Any) -> ManagedDisk:
    facts: dict[str, Any] = {
        "id": f"{GROUP}/providers/Microsoft.Compute/disks/{name}", "name": name, "size_gb": 30,
        "sku": "Premium_LRS", "state": "Unattached", "created_at": ago(hours=2),
    }  # fmt: skip
    return ManagedDisk(**{**facts, **more})


def trace(**more: Any) -> Trace:
    facts: dict[str, Any] = {
        "operation_id": "1", "action": "restore-disks", "title": "Restore of disks of web", "by": "ann",
        "target_key": "web", "target_name": "web", "began_at": ago(minutes=125), "ended_at": ago(hours=1),
    }  # fmt: skip
    return Trace(**{**facts, **more})


def found(*items: FleetItem, **more: Any) -> list[LooseEnd]:
    facts: dict[str, Any] = {"jobs": (), "operations": (), "leftovers": DAILY} | more
    return loose_ends(items, now=NOW, **facts)


def told(*items: FleetItem, **more: Any) -> list[tuple[Kind, str]]:
    return [(end.kind, end.action) for end in found(*items, **more)]


GONE = {"exists": False}
NEVER = {"last_point_at": None, "last_backup_at": None, "last_status": "", "protection_state": "IRPending"}
ROWS: list[tuple[str, FleetItem, list[tuple[Kind, str]]]] = [
    ("all is well", vm(backup=backup(), replication=replication()), []),
    ("nothing protects it", vm(), []),
    ("failed", vm(backup=backup(last_status="Failed")), [(Kind.BACKUP_FAILED, "backup-now")]),
    ("a warning is no failure", vm(backup=backup(last_status="CompletedWithWarnings")), []),
    ("late, but not yet", vm(backup=backup(last_point_at=ago(hours=27))), []),
    ("stale", vm(backup=backup(last_point_at=ago(hours=29))), [(Kind.BACKUP_STALE, "backup-now")]),
    ("of an unread policy", vm(backup=backup(last_point_at=ago(days=9), policy_name="Other")), []),
    (
        "stale, the VM gone",
        vm(backup=backup(last_point_at=ago(days=9)), **GONE),
        [(Kind.BACKUP_STALE, "stop-protection")],
    ),
    ("never a point", vm(backup=backup(**NEVER)), [(Kind.NO_POINT, "backup-now")]),
    (
        "stopped",
        vm(backup=backup(protection_state="ProtectionStopped")),
        [(Kind.STOPPED, "resume-protection")],
    ),
    (
        "stopped, the VM gone",
        vm(backup=backup(protection_state="ProtectionStopped"), **GONE),
        [(Kind.STOPPED, "delete-backups")],
    ),
    (
        "deleted",
        vm(
            backup=backup(
                soft_deleted=True, protection_state="ProtectionStopped", purged_at=NOW + timedelta(days=3)
            )
        ),
        [(Kind.SOFT_DELETED, "undelete-backups")],
    ),
    (
        "test open",
        vm(replication=replication(allowed_operations=("TestFailoverCleanup",))),
        [(Kind.TEST_OPEN, "clean-up-test-failover")],
    ),
    (
        "uncommitted",
        vm(replication=replication(allowed_operations=("Commit",), active_location="Recovery")),
        [(Kind.FAILOVER_UNCOMMITTED, "commit-failover")],
    ),
    (
        "not protected again",
        vm(replication=replication(active_location="Recovery")),
        [(Kind.NOT_REPROTECTED, "")],
    ),
    (
        "being protected again",
        vm(replication=replication(active_location="Recovery", current_scenario="SwitchProtection")),
        [],
    ),
    (
        "two at once",
        vm(backup=backup(last_status="Failed"), replication=replication(allowed_operations=("Commit",))),
        [(Kind.FAILOVER_UNCOMMITTED, "commit-failover"), (Kind.BACKUP_FAILED, "backup-now")],
    ),
]


@pytest.mark.parametrize(("case", "item", "wanted"), ROWS, ids=[row[0] for row in ROWS])
def test_rows(case: str, item: FleetItem, wanted: list[tuple[Kind, str]]) -> None:
    assert told(item) == wanted
    for end in found(item):
        assert end.name == item.name
        assert end.vault == "rsv"
        if end.action:
            assert by_id(end.action).why_not(item) is None, "the key that is shown must be possible"


def test_days_that_are_left_are_told() -> None:
    (end,) = found(vm(backup=backup(soft_deleted=True, purged_at=NOW + timedelta(days=3, hours=2))))
    assert end.until == NOW + timedelta(days=3, hours=2)
    assert "gone for good in 3d 2h" in end.what


@pytest.mark.parametrize(
    ("begun", "wanted"),
    [(ago(hours=1), []), (ago(hours=27), []), (ago(hours=29), [Kind.NO_POINT])],
)
def test_a_first_backup_may_wait_for_its_time(begun: datetime, wanted: list[Kind]) -> None:
    item = vm(backup=backup(**NEVER))
    configured = job(operation="ConfigureBackup", state=JobState.SUCCEEDED, started_at=begun)
    assert [end.kind for end in found(item, jobs=(configured,))] == wanted
    ours = operation(action="protect", phase=Phase.SUCCEEDED, service_created_at=begun)
    assert [end.kind for end in found(item, operations=(ours,))] == wanted


@pytest.mark.parametrize(
    ("policy", "hours"),
    [
        ({"frequency": "Daily", "run_at": ("17:00",)}, 24),
        ({"frequency": "Hourly", "interval_h": 4, "window_h": 12}, 12),
        ({"frequency": "Hourly", "interval_h": 4, "window_h": 24}, 4),
        ({"frequency": "Weekly", "run_on": ("Sunday",)}, 168),
        ({"frequency": "Weekly", "run_on": ("Monday", "Thursday")}, 96),
        ({"frequency": "Weekly", "run_on": ("Saturday", "Monday", "Sunday")}, 120),
        ({"frequency": "", "run_on": ()}, 24),
    ],
)
def test_what_a_policy_promises(policy: dict[str, Any], hours: int) -> None:
    assert promise(BackupPolicy(id=POLICY, name="Daily", **policy)).every_s == hours * 3600


# operations and jobs ----------------------------------------------------------------------------------------


def test_operations_in_doubt_and_failed() -> None:
    doubt = operation(phase=Phase.UNKNOWN, message="in doubt")
    (end,) = found(operations=(doubt,))
    assert (end.kind, end.action) == (Kind.OPERATION_UNKNOWN, "")
    assert "journal give-up 1" in end.way_out
    assert told(operations=(operation(),)) == [(Kind.OPERATION_FAILED, "restore-disks")]
    for phase in (Phase.SUCCEEDED, Phase.CANCELLED, Phase.GIVEN_UP, Phase.RUNNING):
        assert told(operations=(operation(phase=phase),)) == []
    not_done = operation(phase=Phase.NOT_SENT)
    assert told(operations=(not_done,)) == [(Kind.OPERATION_FAILED, "restore-disks")], "it was wanted"
    assert told(operations=(operation(created_at=ago(hours=73)),)) == [], "history"


@pytest.mark.parametrize(
    ("again", "count"),
    [
        ({"phase": Phase.SUCCEEDED}, 0),
        ({"phase": Phase.RUNNING}, 0),
        ({"phase": Phase.FAILED}, 1),
        ({"phase": Phase.NOT_SENT}, 1),
        ({"phase": Phase.SUCCEEDED, "target_key": "other"}, 1),
        ({"phase": Phase.SUCCEEDED, "action": "restore-vm"}, 1),
    ],
)
def test_what_was_tried_again_is_said_once(again: dict[str, Any], count: int) -> None:
    later = operation(id="2", created_at=ago(minutes=5), **again)
    assert len(found(operations=(operation(), later))) == count


def test_a_backup_of_ours_that_failed_is_said_by_its_row() -> None:
    item = vm(backup=backup(last_status="Failed"))
    ours = operation(action="backup-now", job_id=job().id)
    assert told(item, operations=(ours,), jobs=(job(operation="Backup"),)) == [
        (Kind.BACKUP_FAILED, "backup-now")
    ]


def test_jobs_of_others() -> None:
    failed = job(errors=(JobError(code="x", message="no room"),))
    (end,) = found(jobs=(failed,))
    assert (end.kind, end.what) == (Kind.JOB_FAILED, "Restore failed: no room")
    better = job(id=f"{VAULT}/backupJobs/2", state=JobState.SUCCEEDED, started_at=ago(hours=1))
    assert found(jobs=(failed, better)) == []
    assert found(jobs=(failed, replace(better, target_key="other"))) != []
    assert found(jobs=(job(started_at=ago(hours=80)),)) == []
    assert [end.kind for end in found(jobs=(failed,), operations=(operation(job_id=failed.id.upper()),))] == [
        Kind.OPERATION_FAILED
    ], "ours is told as ours"
    waiting = job(kind=JobKind.REPLICATION, operation="TestFailover", state=JobState.SUSPENDED)
    assert told(jobs=(waiting,)) == [(Kind.JOB_SUSPENDED, "")]
    assert told(jobs=(replace(waiting, can_cancel=True),)) == [(Kind.JOB_SUSPENDED, "cancel-job")]
    item = vm(replication=replication(allowed_operations=("TestFailoverCleanup",)))
    assert told(item, jobs=(replace(waiting, target_key=""),)) == [(Kind.TEST_OPEN, "clean-up-test-failover")]


# what restores have left ------------------------------------------------------------------------------------

POINT = "/subscriptions/s/resourceGroups/AzureBackupRG_weu_1/providers/Microsoft.Compute/restorePointCollections/AzureBackup_web_17/restorePoints/AzureBackup_2026/diskRestorePoints/d"  # noqa: E501
RESTORED, REPLACED = (Kind.DISK_RESTORED, "our journal"), (Kind.DISK_REPLACED, "our journal")
BY_JOB = (Kind.DISK_RESTORED, "Azure Backup's restore of 2026-08-22 12:00 UTC")
BY_POINT = (Kind.DISK_RESTORED, "it was made from a restore point")
DONE = job(state=JobState.SUCCEEDED, ended_at=ago(hours=1, minutes=50))
RUNNING = replace(DONE, state=JobState.RUNNING, ended_at=None)
NEW_VM = replace(RUNNING, properties={"Target VM Name": "Copy"})
DISKS: list[tuple[str, ManagedDisk, tuple[Trace, ...], tuple[Job, ...], tuple[Kind, str] | None]] = [
    ("nothing ties it", disk("spare"), (), (), None),
    ("made in our group in our minutes", disk("x"), (trace(group_id=GROUP.upper()),), (), RESTORED),
    ("made there before", disk("x", created_at=ago(days=2)), (trace(group_id=GROUP),), (), None),
    ("made elsewhere", disk("x"), (trace(group_id=f"{GROUP}-2"),), (), None),
    ("the VM had it", disk("x"), (trace(action="replace-disks", disk_ids=(disk("x").key,)),), (), REPLACED),
    ("by a job and its name", disk(), (), (DONE,), BY_JOB),
    ("a job of another VM", disk(), (), (replace(DONE, target_name="app"),), None),
    ("a job that is no restore", disk(), (), (replace(DONE, operation="Backup"),), None),
    ("a job at another time", disk(created_at=ago(days=1)), (), (DONE,), None),
    ("a job, but any name", disk("spare"), (), (DONE,), None),
    ("from a restore point", disk("x", made_from=POINT), (), (), BY_POINT),
    ("a restore of it still runs", disk(), (), (RUNNING,), None),
    ("one that runs, from a restore point", disk("x", made_from=POINT), (), (RUNNING,), None),
    ("one that runs and ours beside it", disk(), (trace(group_id=GROUP),), (RUNNING,), None),
    ("one that runs, as a new VM", disk("copy-osdisk-20260822-120000"), (trace(group_id=GROUP),), (NEW_VM,),
     None),
    ("one of another VM runs", disk(), (), (DONE, replace(RUNNING, target_name="app")), BY_JOB),
    ("one that began later runs", disk(), (), (DONE, replace(RUNNING, started_at=ago(hours=1))), BY_JOB),
    ("Site Recovery's own copy", disk("web-ASRReplica", made_from=POINT), (trace(group_id=GROUP),), (), None),
]  # fmt: skip


@pytest.mark.parametrize("case", DISKS, ids=[case[0] for case in DISKS])
def test_disks(
    case: tuple[str, ManagedDisk, tuple[Trace, ...], tuple[Job, ...], tuple[Kind, str] | None],
) -> None:
    _, one, traces, jobs, wanted = case
    ends = found(leftovers=Leftovers(disks=(one,), traces=traces), jobs=jobs)
    if wanted is None:
        assert ends == []
        return
    (end,) = ends
    assert end.kind is wanted[0]
    assert end.facts[0].startswith(wanted[1])
    assert (end.action, end.costs) == ("delete-disk", "30 GB Premium_LRS: a price is not known here")
    assert by_id("delete-disk").why_not(one) is None


def test_a_disk_that_a_vm_holds_by_now_is_none() -> None:
    left = Leftovers(disks=(disk("x"),), traces=(trace(group_id=GROUP),))
    holder = vm(disks=(Disk(id=disk("x").id.upper(), name="x"),))
    assert found(holder, leftovers=left) == []


@pytest.mark.parametrize(
    ("more", "count"),
    [({}, 1), ({"backup": backup()}, 0), ({"replication": replication()}, 0), ({"exists": False}, 0)],
)
def test_a_restored_machine_is_open_until_something_protects_it(more: dict[str, Any], count: int) -> None:
    left = Leftovers(traces=(trace(action="restore-vm", vm_id="/NEW"),))
    ends = found(vm("new", key="/new", **more), leftovers=left)
    assert [end.kind for end in ends] == [Kind.VM_RESTORED] * count


STOPPED = {"protection_state": "ProtectionStopped", "last_backup_at": ago(days=12), "policy_name": ""}


def disabled(**more: Any) -> Job:
    return job(
        **{"operation": "DisableBackup", "state": JobState.SUCCEEDED, "started_at": ago(hours=5), **more}
    )


@pytest.mark.parametrize(
    ("facts", "since"),
    [
        ({"jobs": (disabled(),)}, ago(hours=5)),
        ({"jobs": (disabled(), disabled(started_at=ago(days=3)))}, ago(hours=5)),
        (
            {
                "operations": (
                    operation(
                        action="stop-protection", phase=Phase.SUCCEEDED, service_created_at=ago(hours=2)
                    ),
                )
            },
            ago(hours=2),
        ),
        ({}, None),
        ({"jobs": (disabled(state=JobState.FAILED),)}, None),
        ({"jobs": (disabled(target_key="other"),)}, None),
        ({"jobs": (disabled(started_at=ago(days=13)),)}, None),
        ({"jobs": (disabled(), job(operation="ConfigureBackup", started_at=ago(hours=4)))}, None),
    ],
    ids=[
        "a job",
        "the last job",
        "an operation",
        "untold",
        "failed",
        "another's",
        "before a backup",
        "resumed since",
    ],
)
def test_a_stop_is_as_old_as_somebody_tells_and_never_as_its_last_backup(
    facts: dict[str, Any], since: datetime | None
) -> None:
    (end,) = found(vm(backup=backup(**STOPPED)), **facts)
    assert (end.kind, end.since) == (Kind.STOPPED, since)
    assert ("since some time after 2026-08-10 14:00 UTC" in end.what) is (since is None)


def test_the_most_urgent_comes_first_and_the_oldest_of_a_kind() -> None:
    items = (
        vm("stopped", backup=backup(protection_state="ProtectionStopped")),
        vm("new", backup=backup(last_status="Failed", last_backup_at=ago(hours=1))),
        vm("old", backup=backup(last_status="Failed", last_backup_at=ago(hours=9))),
        vm("open", replication=replication(allowed_operations=("Commit",))),
    )
    assert [end.name for end in found(*items)] == ["open", "old", "new", "stopped"]
    assert len({end.key for end in found(*items)}) == 4


# why a disk is not deleted ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"attached_to": "/x/virtualMachines/web-01"}, "attached to web-01"),
        ({"state": "Reserved"}, "in use: Reserved"),
        ({"state": "ActiveSAS"}, "in use: ActiveSAS"),
        ({"state": ""}, "its state is not told"),
        ({"name": "web-ASRReplica"}, "Site Recovery"),
    ],
)
def test_why_a_disk_is_not_deleted(more: dict[str, str], reason: str) -> None:
    assert reason in str(by_id("delete-disk").why_not(disk(**{"name": "x", **more})))


def test_only_disks_are_deleted() -> None:
    assert "disks" in str(by_id("delete-disk").why_not(vm()))
