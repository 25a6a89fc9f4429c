"""What the restores from a backup say and refuse, without a network."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from azure_ops.actions import by_id, replace_disks, restore_disks, restore_places, restore_vm, restoring
from azure_ops.errors import NotFound, Refused
from azure_ops.model import (
    Backup,
    CheckState,
    Disk,
    Field,
    FleetItem,
    Job,
    JobError,
    JobKind,
    JobState,
    Option,
    PointSource,
    PointTier,
    PowerState,
    RecoveryPoint,
    Replication,
)
from azure_ops.restore_rules import RestorePoint
from azure_ops.services import places
from azure_ops.services.backup_job_documents import backup_job
from azure_ops.services.restores import restore_point, verdicts
from tui.wording import errors

NOW = datetime(2026, 8, 22, 14, 0, tzinfo=UTC)
GROUP = "/subscriptions/s/resourceGroups/g"
VM = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/web-01"
NETWORK = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/net"


def vm(**changes: object) -> FleetItem:
    made = FleetItem(
        key=VM.lower(),
        id=VM,
        name="web-01",
        subscription_id="s",
        resource_group="g",
        power_state=PowerState.RUNNING,
        disks=(
            Disk(id="/disks/os", name="os", size_gb=30, sku="Premium_LRS"),
            Disk(id="/disks/data", name="data", lun=0, size_gb=64, sku="Premium_LRS"),
        ),
        backup=Backup(item_id="i", vault_id="v", protection_state="Protected", last_point_at=NOW),
    )
    return msgspec.structs.replace(made, **changes)


def point(name: str = "1", hours: int = 2, tiers: str = "InstantRP HardenedRP", **more: Any) -> RecoveryPoint:
    """Tiers are valid unless another status follows a colon."""
    pairs = (word.partition(":") for word in tiers.split())
    return RecoveryPoint(
        id=f"/points/{name}",
        name=name,
        source=PointSource.BACKUP,
        taken_at=NOW - timedelta(hours=hours),
        tiers=tuple(PointTier(name=tier, status=status or "Valid") for tier, _, status in pairs),
        **{"consistency": "AppConsistent", **more},
    )


@pytest.mark.parametrize("action", ["restore-disks", "restore-vm"])
@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (vm(), None),
        (vm(exists=False), None),
        (vm(backup=None), "not backed up"),
        (vm(backup=Backup(item_id="i", vault_id="v", protection_state="IRPending")), "no recovery point yet"),
        (
            vm(backup=Backup(item_id="i", vault_id="v", soft_deleted=True)),
            "undelete them first",
        ),
        (Job(id="/j", kind=JobKind.BACKUP, operation="Backup", state=JobState.RUNNING), "virtual machines"),
    ],
)
def test_a_machine_that_is_gone_can_be_restored_and_one_without_points_not(
    action: str, target: FleetItem | Job, reason: str | None
) -> None:
    given = by_id(action).why_not(target)
    assert (given is None) if reason is None else reason in (given or "")


def test_points_newest_first_with_what_each_loses_and_without_those_that_no_tier_holds() -> None:
    old = point("3", 60, "InstantRP:Deleted HardenedRP", disks_included=1, disks_attached=2)
    crash = point("2", 3, expires_at=NOW + timedelta(days=30), consistency="CrashConsistent")
    lost = point("4", 1, "InstantRP:Deleted")
    options = restoring.point_options([old, point(), lost, crash], NOW)
    assert [option.value for option in options] == ["1", "2", "3"]
    assert options[0].label == "2026-08-22 12:00 UTC  AppConsistent, snapshot + vault"
    assert options[0].note == "loses the 2h since"
    assert options[1].note == "loses the 3h since, kept until 2026-09-21, as after a power cut"
    assert options[2].label.endswith(", vault")
    assert options[2].note == "loses the 2d 12h since, 1 of 2 disks only"


def test_a_point_as_the_service_writes_it() -> None:
    tiers = [{"type": "InstantRP", "status": "Valid"}]
    properties = {
        "recoveryPointTime": "2026-08-22T12:00:00.0000000Z",
        "recoveryPointTierDetails": tiers,
        "isSourceVMEncrypted": False,
        "isManagedVirtualMachine": True,
        "securityType": "None",
        "virtualMachineSize": "Standard_D2s_v5",
        "osType": "Windows",
    }
    found = restore_point({"id": "/p/1", "name": "1", "properties": properties}, "it")
    assert (found.managed, found.encrypted, found.size) == (True, False, "Standard_D2s_v5")
    with pytest.raises(NotFound, match="it tells no time"):
        restore_point({"id": "/p/1", "name": "1", "properties": {}}, "it")


def test_checks_tell_a_crash_and_disks_that_are_not_in_it() -> None:
    odd = point(consistency="CrashConsistent", disks_included=1, disks_attached=3)
    checks = restoring.point_checks(RestorePoint(point=odd, private_access=True))
    assert [check.state for check in checks] == [CheckState.WARNING] * 3
    assert "1 of 3" in checks[1].detail
    assert [check.state for check in restoring.point_checks(RestorePoint(point=point()))] == [CheckState.OK]


def test_the_service_s_verdicts_become_checks() -> None:
    told = [{"code": "UserErrorX", "message": "No.", "recommendations": ["Do this.", "Or that."]}]
    found = verdicts({"validateOperationResponse": {"validationResults": told}})
    assert found == (JobError(code="UserErrorX", message="No.", recommendation="Do this. Or that."),)
    (check,) = restoring.verdict_checks(found)
    assert (check.state, check.detail, check.fix) == (
        CheckState.FAILED,
        "No. (UserErrorX)",
        "Do this. Or that.",
    )
    assert verdicts({}) == ()
    assert restoring.verdict_checks(())[0].state is CheckState.OK


def test_a_free_name_is_proposed() -> None:
    assert restore_vm.free_name("web-01", []) == "web-01-restored"
    taken = ["WEB-01-restored", "web-01-restored-2"]
    assert restore_vm.free_name("web-01", taken) == "web-01-restored-3"
    assert restore_vm.free_name("qa[red]x", []) == "qa-red-x-restored"
    assert restore_vm.free_name("本番", []) == "vm-restored"
    long = restore_vm.free_name("w" * 80, [])
    assert len(long) == restore_vm.LONGEST_NAME
    assert restore_vm.checked_name(f" {long} ") == long


def test_names_are_compared_with_the_fleet() -> None:
    assert "choose another name" in restore_vm.taken("WEB-01", GROUP, [vm()])[0]
    assert restore_vm.taken("web-01", GROUP, [vm(exists=False)]) == ()
    assert restore_vm.taken("web-01", f"{GROUP}2", [vm()]) == ()
    found = RestorePoint(point=point(), os_type="Windows")
    elsewhere = restore_vm.name_checks("web-01", found, [vm()])
    assert [check.state for check in elsewhere] == [CheckState.WARNING]
    long = restore_vm.name_checks("a-name-for-windows", found, [])
    assert [check.state for check in long] == [CheckState.OK, CheckState.WARNING]


def test_a_running_twin_in_the_same_network_is_a_warning() -> None:
    subnet = f"{NETWORK}/subnets/web"
    assert restore_vm.twin_check(vm(), NETWORK, subnet).state is CheckState.WARNING
    assert restore_vm.twin_check(vm(), f"{NETWORK}-drill", subnet).state is CheckState.OK
    stopped = vm(power_state=PowerState.DEALLOCATED)
    assert restore_vm.twin_check(stopped, NETWORK, subnet).state is CheckState.OK
    assert restore_vm.twin_check(vm(), NETWORK, "").state is CheckState.OK


def test_disks_are_replaced_only_where_there_is_a_machine_at_rest() -> None:
    assert replace_disks.why_not(vm()) is None
    assert "restore it as a new one" in (replace_disks.why_not(vm(exists=False)) or "")
    assert "not backed up" in (replace_disks.why_not(vm(exists=False, backup=None)) or "")
    job = Job(
        id="/j", kind=JobKind.BACKUP, operation="Backup", title="Back up", state=JobState.RUNNING,
        target_key=VM.lower(),
    )  # fmt: skip
    assert replace_disks.in_the_way(vm(), [job])[0].startswith("Back up of it is running")
    ended = msgspec.structs.replace(job, state=JobState.SUCCEEDED)
    other = msgspec.structs.replace(job, target_key="/other")
    assert replace_disks.in_the_way(vm(), [ended, other]) == ()


def test_a_replacement_warns_of_other_disks_and_of_replication() -> None:
    assert replace_disks.further_checks(vm(), RestorePoint(point=point(disks_included=2))) == ()
    odd = vm(replication=Replication(item_id="r", vault_id="v"))
    checks = replace_disks.further_checks(odd, RestorePoint(point=point(disks_included=1)))
    assert [check.label for check in checks] == ["The point has the disks that the VM has", "Not replicated"]
    assert "1 in the point, 2 attached now" in checks[0].detail
    assert "2h ago" in replace_disks.loss_line(vm(), RestorePoint(point=point()), NOW)


def test_what_it_costs() -> None:
    assert "about 94 GB of Premium_LRS" in restore_disks.cost_line(vm())
    assert "about 30 GB" in restore_disks.cost_line(vm(), luns=())
    assert "the source's sizes" in restore_disks.cost_line(vm(disks=()))


def test_a_place_is_one_of_the_list() -> None:
    options = (Option(value="/A", label="a"), Option(value="/B", label="b"))
    field = Field(id="group", label="Resource group", options=options)
    assert restore_places.answer(field, "/b") == "/B"
    assert places.chosen(options, "/b/") == "/B"
    assert places.chosen(options, "/c") == "/A"
    for given in ("", "/c"):
        with pytest.raises(Refused, match="not one of those"):
            restore_places.answer(field, given)


def test_signed_addresses_are_told_without_their_signature() -> None:
    uri = "https://acc.blob.core.windows.net/c/azuredeploy1.json?sv=2018-03-28&sr=b&sig=SECRET%3D&se=2026"
    bag = {"Create VM Template Blob Uri": uri, "Recovery point time ": "8/22/2026 12:00:00 PM"}
    job = backup_job(
        {
            "id": f"{GROUP}/providers/Microsoft.RecoveryServices/vaults/v/backupJobs/1",
            "properties": {
                "operation": "Restore",
                "status": "Completed",
                "extendedInfo": {"propertyBag": bag},
            },
        }
    )
    lines = "\n".join(line.text for line in errors(None, job).lines)
    assert "Template: https://acc.blob.core.windows.net/c/azuredeploy1.json" in lines
    assert "Recovery point time: 8/22/2026 12:00:00 PM" in lines
    assert "?" not in lines
    assert "SECRET" not in lines


def test_disks_are_chosen_by_lun_and_the_os_disk_is_always_among_them() -> None:
    field = restore_disks.disks_field(vm())
    assert field is not None
    assert (field.many, field.default, [option.value for option in field.options]) == (True, "0", ["0"])
    assert restore_disks.chosen_luns(vm(), None) is None
    assert restore_disks.chosen_luns(vm(), "0") is None
    assert restore_disks.chosen_luns(vm(), "") == ()
    three = vm(
        disks=(
            Disk(id="/o", name="os"),
            *(Disk(id=f"/{lun}", name=f"data{lun}", lun=lun) for lun in (0, 1, 4)),
        )
    )
    assert restore_disks.chosen_luns(three, "4,0") == (0, 4)
    for given in ("2", "x", "-1"):
        with pytest.raises(Refused, match="no data disk at LUN"):
            restore_disks.chosen_luns(three, given)
    gone = vm(disks=(), exists=False)
    assert restore_disks.disks_field(gone) is None
    assert restore_disks.chosen_luns(gone, "3") is None
