"""What disks hold, as the record of who wrote to them until when. Snapshots, backup points and restores copy
that record; whoever serves a disk's bytes makes them from it."""

from __future__ import annotations

from datetime import datetime

from ..records.backup import IncludedDisk
from ..records.compute import Contents, Disk, Snapshot, VirtualMachine, Written
from ..world import World

WRITING = ("running", "starting", "stopping")
"""Power states of a machine that may write to its disks."""


def contents(world: World, disk: Disk, at: datetime | None = None) -> Contents:
    """What the disk holds now, or held `at` a moment that is over."""
    moment = at or world.clock.now()
    spans = list(disk.held)
    if disk.managed_by is not None:
        spans.append(
            Written(disk.unique_id, _written_until(world, disk.managed_by, moment), disk.written_since)
        )
    return _until(spans, moment)


def _written_until(world: World, vm_id: str, moment: datetime) -> datetime:
    vm = world.store.find(VirtualMachine, vm_id)
    if vm is None or vm.power in WRITING:
        return moment
    return min(moment, vm.changed_at or vm.time_created)


def _until(spans: Contents, moment: datetime) -> Contents:
    """Without what was written later. A span in which nothing can have been written is none."""
    cut = [
        Written(one.disk, min(one.until, moment), one.since)
        for one in spans
        if one.since is None or one.since < moment
    ]
    return [one for one in cut if one.since is None or one.since < one.until]


def of_source(world: World, source: Disk | Snapshot) -> Contents:
    """What a snapshot or a disk taken from this one now holds."""
    if isinstance(source, Disk):
        return contents(world, source)
    if source.holds:
        return list(source.holds)
    disk = world.store.find(Disk, source.source_disk_id)
    if disk is not None and disk.unique_id == source.source_unique_id:
        return contents(world, disk, source.taken_at)
    return [Written(source.source_unique_id, source.taken_at)]


def of_point(world: World, vm_id: str, disk: IncludedDisk, taken_at: datetime) -> Contents:
    if disk.holds:
        return list(disk.holds)
    disk_id = f"{vm_id.partition('/virtualMachines/')[0]}/disks/{disk.name}"
    source = world.store.find(Disk, disk_id)
    return contents(world, source, taken_at) if source else [Written(disk_id.lower(), taken_at)]


def attach(world: World, disk: Disk, vm_id: str) -> None:
    disk.managed_by, disk.written_since = vm_id, world.clock.now()
    world.store.save(disk)


def detach(world: World, disk: Disk) -> None:
    """It keeps what it holds."""
    disk.held = contents(world, disk)
    disk.managed_by = disk.written_since = None
    world.store.save(disk)
