"""Reasons, choices and words of the actions, without a network."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from azure_ops.actions import ALL, by_id, replicated
from azure_ops.actions.backup_now import parse_expiry
from azure_ops.actions.snapshot_disks import LONGEST_NAME, snapshot_name
from azure_ops.actions.spec import Context, Draft
from azure_ops.engine.console import Board
from azure_ops.engine.planner import PLAN_GOOD_S, Planner, assemble
from azure_ops.errors import Refused
from azure_ops.model import (
    Backup,
    Disk,
    FleetItem,
    Job,
    JobKind,
    JobState,
    PointSource,
    PowerState,
    RecoveryPoint,
    ReplicatedDisk,
    Replication,
    Risk,
)

TAG = "5f1d4b0e-9f0a-4d0f-8c1a-2b0112345678"
NOW = datetime(2026, 8, 22, 14, 0, tzinfo=UTC)
VM = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/web-01"


def replication(**changes: object) -> Replication:
    made = Replication(
        item_id="/subscriptions/s/v/item",
        vault_id="/subscriptions/s/v",
        protection_state="Protected",
        protection_state_text="Protected",
        allowed_operations=("UnplannedFailover", "TestFailover"),
        rpo_s=250,
        rpo_calculated_at=NOW - timedelta(seconds=190),
        disks=(ReplicatedDisk(name="os", pending_at_source_mb=1.5, pending_in_staging_mb=30.0),),
    )
    return msgspec.structs.replace(made, **changes)


def vm(**changes: object) -> FleetItem:
    made = FleetItem(
        key=VM.lower(),
        id=VM,
        name="web-01",
        subscription_id="s",
        resource_group="g",
        disks=(Disk(id="/disks/os", name="os"),),
        backup=Backup(item_id="i", vault_id="v", protection_state="Protected"),
        replication=replication(),
    )
    return msgspec.structs.replace(made, **changes)


def point(minutes_ago: int, consistency: str = "CrashConsistent") -> RecoveryPoint:
    return RecoveryPoint(
        id=f"/points/{minutes_ago}",
        name=str(minutes_ago),
        source=PointSource.REPLICATION,
        taken_at=NOW - timedelta(minutes=minutes_ago),
        consistency=consistency,
    )


def job(**changes: object) -> Job:
    made = Job(
        id="/v/backupJobs/1", kind=JobKind.BACKUP, operation="Backup", state=JobState.RUNNING, can_cancel=True
    )
    return msgspec.structs.replace(made, **changes)


def test_ids_are_unique_and_every_action_is_whole() -> None:
    assert len({action.id for action in ALL}) == len(ALL)
    for action in ALL:
        assert by_id(action.id) is action
        assert action.plan
        assert bool(action.run) is bool(action.find) is not action.opens
        assert action.permissions
        assert action.risk > Risk.LOOK
    with pytest.raises(Refused):
        by_id("format-everything")


@pytest.mark.parametrize(
    ("action", "target", "reason"),
    [
        ("backup-now", vm(), None),
        ("backup-now", vm(backup=None), "not backed up"),
        ("backup-now", vm(exists=False), "gone"),
        (
            "backup-now",
            vm(backup=Backup(item_id="i", vault_id="v", protection_state="ProtectionStopped")),
            "stopped",
        ),
        ("snapshot-disks", vm(), None),
        ("snapshot-disks", vm(disks=()), "no managed disks"),
        ("snapshot-disks", vm(exists=False), "gone"),
        ("test-failover", vm(), None),
        ("test-failover", vm(replication=None), "not replicated"),
        ("test-failover", vm(replication=replication(allowed_operations=())), "Azure says: Protected"),
        ("clean-up-test-failover", vm(), "no test failover"),
        (
            "clean-up-test-failover",
            vm(replication=replication(allowed_operations=("TestFailoverCleanup",))),
            None,
        ),
        ("failover", vm(), None),
        (
            "failover",
            vm(replication=replication(allowed_operations=(), current_scenario="TestFailover")),
            "TestFailover still runs on it",
        ),
        ("commit-failover", vm(), "no failover to commit"),
        ("commit-failover", vm(replication=replication(allowed_operations=("Commit",))), None),
        ("cancel-job", job(), None),
        ("cancel-job", job(state=JobState.SUCCEEDED), "has ended"),
        ("cancel-job", job(state=JobState.CANCELLING), "already"),
        ("cancel-job", job(can_cancel=False), "does not allow"),
        ("cancel-job", job(kind=JobKind.DISK), "cannot cancel"),
        ("cancel-job", vm(), "choose a job"),
        ("failover", job(), "virtual machines"),
    ],
)
def test_a_reason_is_given_at_once(action: str, target: FleetItem | Job, reason: str | None) -> None:
    given = by_id(action).why_not(target)
    if reason is None:
        assert given is None
    else:
        assert given is not None
        assert reason in given


def test_points_are_offered_with_what_each_loses() -> None:
    points = [point(5), point(65), point(120, "ApplicationConsistent")]
    field = replicated.points_field(points, vm(), NOW)
    assert [option.value for option in field.options] == [
        "latest",
        "latest-processed",
        "latest-app-consistent",
        "/points/5",
        "/points/65",
        "/points/120",
    ]
    assert field.default == "latest"
    notes = {option.value: option.note for option in field.options}
    assert notes["latest-processed"] == "13:55:00 UTC: loses the 5m since"
    assert notes["latest-app-consistent"] == "12:00:00 UTC: loses the 2h since"
    assert notes["/points/65"] == "12:55:00 UTC: loses the 1h 5m since"


def test_what_does_not_exist_is_not_offered() -> None:
    values = [option.value for option in replicated.points_field([], vm(), NOW).options]
    assert values == ["latest"]
    for_many = [option.value for option in replicated.points_field([], None, NOW).options]
    assert for_many == ["latest", "latest-processed", "latest-app-consistent"]


def test_the_loss_counts_the_age_of_the_figure_too() -> None:
    line = replicated.loss_line(replication(), None, NOW)
    assert line == (
        "Up to 7m 20s of data is lost: RPO 4m 10s, calculated 3m 10s ago; "
        "1.5 MB wait at the source, 30.0 MB in staging."
    )
    assert "no figure" in replicated.loss_line(replication(rpo_s=None), None, NOW)
    assert "2h ago) is lost" in replicated.loss_line(replication(), point(120), NOW)


@pytest.mark.parametrize(
    ("power", "words"),
    [
        (PowerState.RUNNING, "goes on running"),
        (PowerState.DEALLOCATED, "stays deallocated"),
        (PowerState.UNKNOWN, "left as it is"),
    ],
)
@pytest.mark.parametrize("action", ["backup-now", "snapshot-disks"])
async def test_only_a_running_vm_goes_on_running(action: str, power: PowerState, words: str) -> None:
    context = Context(session=cast(Any, SimpleNamespace(service_now=lambda: NOW)), jobs={})
    item_id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.RecoveryServices/vaults/v/backupJobs/i"
    plan = by_id(action).plan
    assert plan is not None
    disk = Disk(id=VM.replace("virtualMachines", "disks"), name="os")
    item = vm(power_state=power, disks=(disk,), backup=Backup(item_id=item_id, vault_id="v"))
    draft = await plan(context, item, {})
    assert any(words in line for line in draft.consequences)
    assert power is PowerState.RUNNING or not any("running" in line for line in draft.consequences)


async def test_what_a_cancellation_stops_is_named_as_a_job() -> None:
    job_id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.RecoveryServices/vaults/v/backupJobs/i"
    plan = by_id("cancel-job").plan
    assert plan is not None
    target = job(id=job_id, title="Back up", target_name="batch-01")
    draft = await plan(Context(session=cast(Any, None), jobs={}), target, {})
    assert draft.consequences[0] == "Azure is asked to stop the job 'Back up' of batch-01."
    assert draft.steps[0].title == "Cancellation of job 'Back up' of batch-01"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"operation": "Backup"}, "stays as a recovery point"),
        ({"operation": "Restore"}, "Disks and machines that were made already remain"),
        ({"operation": "Restore", "properties": {"Job Type": "Replace disks"}}, "the VM may be left stopped"),
        ({"operation": "ConfigureBackup"}, "stays changed"),
    ],
)
async def test_what_remains_of_a_cancelled_job_depends_on_what_it_did(
    more: dict[str, Any], said: str
) -> None:
    job_id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.RecoveryServices/vaults/v/backupJobs/i"
    plan = by_id("cancel-job").plan
    assert plan is not None
    draft = await plan(Context(session=cast(Any, None), jobs={}), job(id=job_id, **more), {})
    assert said in draft.consequences[1]
    assert ("recovery point" in draft.consequences[1]) == (more["operation"] == "Backup")


def test_an_expiry_is_a_day_within_reach() -> None:
    assert parse_expiry("", NOW) == datetime(2026, 9, 21, tzinfo=UTC)
    assert parse_expiry(" 2026-08-23 ", NOW) == datetime(2026, 8, 23, tzinfo=UTC)
    for answer in ("2026-08-22", "2026-13-01", "23.08.2026", "9999-01-01", "x" * 500):
        with pytest.raises(Refused) as caught:
            parse_expiry(answer, NOW)
        assert len(caught.value.title) < 100
        assert ("an earlier" in caught.value.hint) == (answer == "9999-01-01")


@pytest.mark.parametrize(
    "disk",
    ["web-01_OsDisk_1_0123456789abcdef", "x" * 200, "本番データ🐘", "../../etc", "a b\nc", "", "-.-"],
)
def test_a_snapshot_name_is_one_that_azure_takes(disk: str) -> None:
    name = snapshot_name(disk, NOW, TAG)
    assert 0 < len(name) <= LONGEST_NAME
    assert name.endswith("-20260822-140000-5f1d")
    assert name[0].isalnum()
    assert all(letter.isascii() and (letter.isalnum() or letter in "_.-") for letter in name)


def test_snapshots_of_disks_whose_names_differ_only_at_the_end_have_different_names() -> None:
    vm_name = "a-virtual-machine-with-a-name-that-is-as-long-as-azure-allows-it"
    disks = [f"{vm_name}_DataDisk_{lun}" for lun in range(3)] + ["data 1", "data-1"]
    assert len({snapshot_name(disk, NOW, TAG) for disk in disks}) == len(disks)
    assert snapshot_name("web-01_OsDisk", NOW, TAG) == "web-01_OsDisk-20260822-140000-5f1d"


def test_a_plan_that_lay_open_for_long_is_shown_anew() -> None:
    planner = Planner(cast(Any, None), cast(Any, None), Board(service_now=lambda: NOW))
    kept = assemble(by_id("failover"), {}, [vm()], [Draft()], [[]], NOW)
    planner._plans[kept.plan.id] = kept
    planner._shown_at[kept.plan.id] = time.monotonic() - PLAN_GOOD_S + 5
    assert planner.outdated(kept, [vm()][: len(kept.targets)]) == []
    planner._shown_at[kept.plan.id] -= 10
    assert planner.outdated(kept, [vm()][: len(kept.targets)]) == [
        "the plan was made 10m 5s ago: what is lost may be more now"
    ]
