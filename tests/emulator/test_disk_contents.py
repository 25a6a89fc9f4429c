"""A restored disk holds what its source held at the point; so do snapshots, and disks that were replaced."""

from __future__ import annotations

from datetime import timedelta

from azure_ops.emulator.handlers.backup_restore_runs import start_restore
from azure_ops.emulator.handlers.backup_runs import start_backup
from azure_ops.emulator.handlers.disk_contents import contents, of_point, of_source
from azure_ops.emulator.records.backup import RecoveryPoint
from azure_ops.emulator.records.compute import Disk, Snapshot, StorageAccount, VirtualMachine, Written
from azure_ops.emulator.records.restores import RestoreOrder
from azure_ops.emulator.records.tenancy import ResourceGroup

from .small_world import COMPUTE, GROUP, NOW, SmallWorld, ask, small_world

ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/staging"


def backed_up() -> tuple[SmallWorld, RecoveryPoint]:
    small = small_world()
    small.world.store.save(StorageAccount(id=ACCOUNT, location="westeurope", time_created=NOW))
    small.world.store.save(ResourceGroup(id=GROUP, location="westeurope"))
    return small, back_up(small)


def back_up(small: SmallWorld) -> RecoveryPoint:
    start_backup(small.world, small.item, NOW + timedelta(days=60))
    small.advance(3 * 3600)
    return small.item.recovery_points[-1]


def restore(small: SmallWorld, point: RecoveryPoint, kind: str, group: str = GROUP) -> list[Disk]:
    """The disks that it made, the OS disk first."""
    vm_id = small.vm.id if kind == "OriginalLocation" else ""
    order = RestoreOrder(
        kind=kind,
        point=point.name,
        region="westeurope",
        storage_account_id=ACCOUNT,
        group_id=group,
        vm_id=vm_id,
    )
    job = start_restore(small.world, small.item, point, order, "")
    small.advance(3600)
    assert job.restore is not None
    done = small.world.store.find(type(job), job.id)
    assert done is not None
    assert done.status == "Completed", done.errors
    assert done.restore is not None
    return [found(small, disk_id) for disk_id in done.restore.disk_ids]


def found(small: SmallWorld, disk_id: str) -> Disk:
    disk = small.world.store.find(Disk, disk_id)
    assert disk is not None
    return disk


def test_a_restored_disk_holds_what_the_source_held_at_the_point_and_nothing_later() -> None:
    small, point = backed_up()
    at_point = contents(small.world, small.os_disk, point.taken_at, flushed=True)
    small.advance(86_400)
    now = contents(small.world, small.os_disk)
    os_disk, data_disk = restore(small, point, "RestoreDisks")
    written = Written(small.os_disk.unique_id, point.taken_at, image="ubuntu")
    assert contents(small.world, os_disk) == at_point == [written]
    assert contents(small.world, os_disk) != now
    assert contents(small.world, data_disk)[0].disk == found(small, small.vm.data_disks[0].disk_id).unique_id
    small.advance(86_400)
    assert contents(small.world, os_disk) == at_point


def test_the_point_keeps_what_it_holds_when_the_source_is_gone() -> None:
    small, point = backed_up()
    at_point = contents(small.world, small.os_disk, point.taken_at, flushed=True)
    small.world.store.delete(small.os_disk)
    assert of_point(small.world, small.vm.id, point.disks[0], point) == at_point


def test_replaced_disks_keep_what_was_written_and_the_new_ones_go_on_from_the_point() -> None:
    small, point = backed_up()
    before = contents(small.world, small.os_disk, point.taken_at, flushed=True)
    old, new = small.os_disk.id, restore(small, point, "OriginalLocation")[0]
    left = found(small, old)
    assert left.managed_by is None
    kept = contents(small.world, left)
    assert kept[-1].until > point.taken_at
    small.advance(86_400)
    assert contents(small.world, left) == kept
    assert contents(small.world, left, point.taken_at, flushed=True) == before
    written = contents(small.world, new)
    assert written[:-1] == before
    assert (written[-1].disk, written[-1].since) == (new.unique_id, new.written_since)

    again = back_up(small)
    second = restore(small, again, "RestoreDisks")[0]
    at_second = contents(small.world, found(small, new.id), again.taken_at, flushed=True)
    assert contents(small.world, second) == at_second
    assert [one.disk for one in contents(small.world, second)] == [small.os_disk.unique_id, new.unique_id]


def test_a_machine_that_stands_still_writes_nothing() -> None:
    small, _ = backed_up()
    vm = small.world.store.find(VirtualMachine, small.vm.id)
    assert vm is not None
    vm.power, vm.changed_at = "deallocated", small.world.clock.now()
    small.world.store.save(vm)
    stopped = contents(small.world, small.os_disk)
    small.advance(86_400)
    assert contents(small.world, small.os_disk) == stopped


def test_a_snapshot_holds_what_the_disk_held_when_it_was_taken() -> None:
    small, _ = backed_up()
    body = {
        "location": "westeurope",
        "properties": {"creationData": {"createOption": "Copy", "sourceResourceId": small.os_disk.id}},
    }
    ask(small, "PUT", f"{COMPUTE}/snapshots/now?api-version=2025-01-02", body)
    taken = contents(small.world, small.os_disk)
    small.advance(3600)
    snapshot = small.world.store.find(Snapshot, f"{COMPUTE}/snapshots/now")
    assert snapshot is not None
    assert of_source(small.world, snapshot) == taken
    first = Written(small.os_disk.unique_id, small.snapshot.taken_at, image="ubuntu", torn=True)
    assert of_source(small.world, small.snapshot) == [first]
