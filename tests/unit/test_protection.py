"""Policies in words, choices of disks, reasons and losses of protection: all of it pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from azure_ops.actions import by_id, disk_choice, policy_choice
from azure_ops.actions.delete_backups import deletion_losses
from azure_ops.backup_policies import (
    BackupPolicy,
    Guard,
    Retention,
    VaultSafety,
    extent,
    keeps_less,
    loss_of_points,
    meaning,
)
from azure_ops.errors import NotAllowed, Refused
from azure_ops.model import (
    Backup,
    Disk,
    DiskChoice,
    FleetItem,
    PointSource,
    RecoveryPoint,
    Vault,
)
from azure_ops.services import graph_rows, protection
from azure_ops.services.azure_failures import from_refusal
from azure_ops.services.backup_documents import backup
from azure_ops.services.backup_documents import disk_choice as choice_of
from azure_ops.services.backup_policy_documents import policy, vault_safety
from azure_ops.services.inventory import best_of_each

NOW = datetime(2026, 8, 22, 14, 0, tzinfo=UTC)
VAULT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.RecoveryServices/vaults/rsv-weu"
VM = "/subscriptions/s/resourceGroups/Web/providers/Microsoft.Compute/virtualMachines/App-01"


def protected(**changes: Any) -> Backup:
    made = Backup(item_id="i", vault_id=VAULT, protection_state="Protected", policy_name="gold")
    return msgspec.structs.replace(made, **changes)


def vm(**changes: Any) -> FleetItem:
    disks = (
        Disk(id="/disks/os", name="os"),
        Disk(id="/disks/a", name="data-a", lun=0, size_gb=64),
        Disk(id="/disks/b", name="data-b", lun=3, size_gb=128),
    )
    made = FleetItem(
        key=VM.lower(), id=VM, name="App-01", subscription_id="s", resource_group="Web",
        location="westeurope", disks=disks, backup=protected(),
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def gold(**changes: Any) -> BackupPolicy:
    made = BackupPolicy(
        id=f"{VAULT}/backupPolicies/gold", name="gold", frequency="Daily", run_at=("17:00",), time_zone="UTC",
        instant_days=2, retention=(Retention(rule="daily", count=30, unit="Days"),),
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def points(*days_ago: int) -> list[RecoveryPoint]:
    return [
        RecoveryPoint(
            id=str(day),
            name=str(day),
            source=PointSource.BACKUP,
            taken_at=NOW - timedelta(days=day, minutes=5),
        )
        for day in days_ago
    ]


YEARS = (
    Retention(rule="daily", count=7, unit="Days"),
    Retention(rule="weekly", count=1, unit="Weeks"),
    Retention(rule="yearly", count=10, unit="Years"),
)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (
            gold(),
            "daily at 17:00 UTC; instant restore 2 days; keeps daily points 30 days; "
            "standard (V1): at most one backup a day",
        ),
        (
            gold(frequency="Weekly", run_on=("Sunday", "Friday"), instant_days=5, retention=YEARS),
            "weekly on Sunday, Friday at 17:00 UTC; instant restore 5 days; keeps daily points 7 days, "
            "weekly points 1 week, yearly points 10 years; standard (V1): at most one backup a day",
        ),
        (
            gold(kind="V2", frequency="Hourly", interval_h=4, window_h=12, instant_days=7),
            "every 4 h from 17:00 UTC for 12 h; instant restore 7 days; keeps daily points 30 days; "
            "enhanced (V2): from it no way back to standard",
        ),
    ],
)
def test_a_policy_says_what_it_means(made: BackupPolicy, said: str) -> None:
    assert meaning(made) == said


def test_policies_are_read_from_their_documents() -> None:
    rule = {
        "retentionTimes": ["2026-01-01T05:30:00Z"],
        "retentionDuration": {"count": 4, "durationType": "Weeks"},
    }
    document = {
        "id": f"{VAULT}/backupPolicies/w",
        "name": "w",
        "properties": {
            "backupManagementType": "AzureIaasVM",
            "policyType": "V2",
            "schedulePolicy": {
                "scheduleRunFrequency": "Weekly",
                "weeklySchedule": {
                    "scheduleRunDays": ["Monday"],
                    "scheduleRunTimes": ["2026-01-01T05:30:00Z"],
                },
            },
            "retentionPolicy": {"weeklySchedule": rule},
            "timeZone": "Pacific Standard Time",
            "instantRpRetentionRangeInDays": 5,
            "protectedItemsCount": 3,
        },
    }
    read = policy(document)
    assert read is not None
    assert meaning(read).startswith("weekly on Monday at 05:30 Pacific Standard Time; instant restore 5 days")
    assert (read.vault_id, read.items, read.kind) == (VAULT, 3, "V2")
    assert policy({"properties": {"backupManagementType": "AzureWorkload"}}) is None
    assert policy({"properties": {"backupManagementType": "AzureIaasVM"}}) == BackupPolicy(id="", name="")


def test_what_less_retention_loses() -> None:
    week = gold(name="week", retention=(Retention(rule="daily", count=7, unit="Days"),))
    assert keeps_less(week, gold())
    assert not keeps_less(gold(), week)
    assert not keeps_less(gold(), gold())
    assert keeps_less(gold(), gold(retention=YEARS)), "a rule that is missing keeps nothing"
    made = points(0, 1, 8, 20)
    assert loss_of_points(week, made, NOW) == (
        "2 of 4 recovery points are older than the 7 days of week: Azure removes what is older."
    )
    assert "a longer rule" in loss_of_points(gold(retention=YEARS), made, NOW)
    assert loss_of_points(gold(), made, NOW) == ""
    assert extent(made) == "4 recovery points, 2026-08-02 to 2026-08-22"
    assert extent(points(1)) == "1 recovery point, 2026-08-21"
    assert extent([]) == "no recovery point"


@pytest.mark.parametrize(
    ("answers", "choice", "said"),
    [
        ({}, None, "all disks"),
        ({"disks": "all", "leave-out": ""}, None, "all disks"),
        ({"disks": "os"}, DiskChoice(only_these=True), "the OS disk only"),
        ({"disks": "all", "leave-out": " 3 "}, DiskChoice(luns=(3,)), "all but LUN 3 (data-b)"),
        (
            {"disks": "keep", "leave-out": "3,0 3"},
            DiskChoice(luns=(0, 3)),
            "all but LUN 0 (data-a), LUN 3 (data-b)",
        ),
    ],
)
def test_disks_are_chosen_by_lun(answers: dict[str, str], choice: DiskChoice | None, said: str) -> None:
    assert disk_choice.chosen(vm(), answers) == choice
    assert disk_choice.wording(choice, vm().disks) == said
    assert bool(disk_choice.loss(vm(), choice)) is (choice is not None)


@pytest.mark.parametrize("answer", ["1", "-1", "os", "0;3", "0x0", "1" * 300])
def test_a_lun_that_is_not_there_is_refused(answer: str) -> None:
    with pytest.raises(Refused) as caught:
        disk_choice.chosen(vm(), {"disks": "all", "leave-out": answer})
    assert len(caught.value.title) < 120
    with pytest.raises(Refused):
        disk_choice.chosen(vm(), {"disks": "os", "leave-out": "0"})


def test_a_vm_without_data_disks_is_not_asked_about_them() -> None:
    plain = vm(disks=vm().disks[:1])
    assert disk_choice.fields([plain]) == ()
    assert [field.id for field in disk_choice.fields([vm()])] == ["disks", "leave-out"]
    assert [field.id for field in disk_choice.fields([vm(), plain])] == ["disks"]
    left_out = msgspec.structs.replace(plain, backup=protected(disks=DiskChoice(only_these=True)))
    assert disk_choice.fields([left_out], keep=True)[0].options[0].value == "keep"


def test_the_document_of_a_choice() -> None:
    assert choice_of({}) is None
    assert choice_of({"diskLunList": [], "isInclusionList": False}) is None
    assert choice_of({"diskLunList": [], "isInclusionList": True}) == DiskChoice(only_these=True)
    assert choice_of({"diskLunList": [1], "isInclusionList": False}) == DiskChoice(luns=(1,))


def test_a_vault_takes_machines_of_its_region_and_subscription_only() -> None:
    vault = Vault(id=VAULT, name="rsv-weu", location="West Europe", subscription_id="S", resource_group="g")
    assert policy_choice.fits(vault, vm())
    assert not policy_choice.fits(vault, vm(location="northeurope"))
    assert not policy_choice.fits(vault, vm(subscription_id="other"))


def test_the_proposed_policy_is_the_one_most_machines_have_or_the_one_in_force() -> None:
    two = [gold(items=1), gold(id=f"{VAULT}/backupPolicies/silver", name="silver", items=9)]
    assert policy_choice.field(two).default.endswith("/silver")
    field = policy_choice.field(two, current=["GOLD"])
    assert field.default.endswith("/gold")
    assert field.options[0].label == "rsv-weu · gold (now)"
    assert field.options[1].note.endswith("; 9 VMs")
    with pytest.raises(Refused):
        policy_choice.field([])


STOPPED = {"protection_state": "ProtectionStopped", "policy_name": ""}
DELETED = {**STOPPED, "soft_deleted": True}
ROWS = {
    "none": vm(backup=None),
    "protected": vm(),
    "stopped": vm(backup=protected(**STOPPED)),
    "suspended": vm(backup=protected(protection_state="BackupsSuspended")),
    "deleted": vm(backup=protected(**DELETED)),
    "gone": vm(exists=False),
    "gone, deleted": vm(exists=False, backup=protected(**DELETED)),
}
POSSIBLE = {
    "protect": {"none"},
    "change-policy": {"protected"},
    "stop-protection": {"protected", "gone"},
    "resume-protection": {"stopped", "suspended"},
    "delete-backups": {"protected", "stopped", "suspended", "gone"},
    "undelete-backups": {"deleted", "gone, deleted"},
    "backup-now": {"protected"},
}


@pytest.mark.parametrize("action", POSSIBLE)
def test_each_state_allows_what_it_allows_and_says_why_not(action: str) -> None:
    reasons = {name: by_id(action).why_not(row) for name, row in ROWS.items()}
    assert {name for name, reason in reasons.items() if reason is None} == POSSIBLE[action]


def test_a_deletion_says_how_many_points_and_until_when_they_are_kept() -> None:
    def losses(**safety: Any) -> tuple[str, ...]:
        return deletion_losses(vm(), points(0, 1), VaultSafety(**safety), NOW)

    kept = losses(soft_delete="Enabled", soft_delete_days=30)
    assert "2 recovery points, 2026-08-21 to 2026-08-22" in kept[0]
    assert "until 2026-09-21 14:00 UTC (30 days)" in kept[1]
    assert "nobody can bring them back" in losses(soft_delete="Disabled")[1]
    assert "not known" in losses()[1]


def test_what_a_vault_says_of_deletion() -> None:
    settings = {"softDeleteState": "Disabled", "softDeleteRetentionPeriodInDays": 0}
    document = {
        "properties": {"securitySettings": {"softDeleteSettings": settings, "immutabilitySettings": None}}
    }
    read = vault_safety(document)
    assert (read.soft_delete_off, read.soft_delete_days, read.immutable) == (True, 14, False)
    assert VaultSafety(immutability="Locked").immutable
    assert not VaultSafety(immutability="Disabled").immutable


def test_a_guard_is_asked_by_the_end_of_the_operations_name() -> None:
    guard = Guard(
        id="/g", requests={"x/protecteditems/write": "w", "x/write#stopprotectionwithretaindata": "s"}
    )
    assert guard.request_for("protectedItems/write") == "w"
    assert guard.request_for("#stopProtectionWithRetainData") == "s"
    assert guard.request_for("protectedItems/delete") == ""


def test_the_item_of_a_vm_is_named_after_it() -> None:
    assert protection.item_id_of(VAULT, VM) == (
        f"{VAULT}/backupFabrics/Azure/protectionContainers/IaasVMContainer;iaasvmcontainerv2;web;app-01"
        "/protectedItems/VM;iaasvmcontainerv2;web;app-01"
    )


def test_a_soft_deleted_item_knows_when_it_is_purged_in_both_sources() -> None:
    properties = {
        "isScheduledForDeferredDelete": True,
        "deferredDeleteTimeInUTC": "2026-08-20T14:00:00Z",
        "softDeleteRetentionPeriod": 14,
        "policyType": "V2",
        "sourceResourceId": VM,
        "backupManagementType": "AzureIaasVM",
        "extendedProperties": {"diskExclusionProperties": {"diskLunList": [1], "isInclusionList": False}},
    }
    read = backup({"id": "i", "properties": properties})
    row = graph_rows.BackupRow(
        id="i", kind="AzureIaasVM", source=VM, deleted=True, deleted_at="2026-08-20T14:00:00Z",
        deleted_days=14, policy_kind="V2", disks=graph_rows.DisksRow(luns=[1], only_these=False),
    )  # fmt: skip
    assert graph_rows.backup(row) == (VM.lower(), read)
    assert read.purged_at == datetime(2026, 9, 3, 14, 0, tzinfo=UTC)
    assert "2026-09-03 14:00 UTC" in read.notes[0].message
    lived = backup({"id": "i", "properties": {**properties, "isScheduledForDeferredDelete": False}})
    assert (lived.purged_at, lived.notes) == (None, ())


def test_a_deleted_item_does_not_hide_the_living_one_of_another_vault() -> None:
    dead, alive = protected(soft_deleted=True, item_id="a"), protected(item_id="b")
    for order in ((dead, alive), (alive, dead)):
        assert best_of_each([("k", one) for one in order]) == {"k": alive}
    assert best_of_each([("k", dead)]) == {"k": dead}


def test_a_linked_refusal_names_the_action_that_is_missing() -> None:
    message = (
        "The client has permission to perform action 'a/write' on scope '/vault', however it does not have "
        "permission to perform action 'guard/read' on the linked scope(s) '/guard'."
    )
    error = SimpleNamespace(
        response=SimpleNamespace(
            headers={}, json=lambda: {"error": {"code": "LinkedAuthorizationFailed", "message": message}}
        ),
        status_code=403,
    )
    found = from_refusal(error, "Backup item")
    assert isinstance(found, NotAllowed)
    assert found.missing_action == "guard/read"
    assert "at /guard" in found.hint
