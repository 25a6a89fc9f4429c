"""What disks hold, as the record of who wrote to them until when. Snapshots, backup points and restores copy
that record; whoever serves a disk's bytes makes them from it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from ..records.backup import IncludedDisk, RecoveryPoint
from ..records.compute import RED_HAT, Contents, Disk, Snapshot, VirtualMachine, Written
from ..world import World

WRITING = ("running", "starting", "stopping")
"""Power states of a machine that may write to its disks."""
CRASH_CONSISTENT = "CrashConsistent"


def contents(world: World, disk: Disk, at: datetime | None = None, *, flushed: bool = False) -> Contents:
    """What the disk holds now, or held `at` a moment that is over. `flushed`: its machine was asked to write
    down everything first, as for a consistent backup."""
    moment = at or world.clock.now()
    spans = list(disk.held)
    if disk.managed_by is not None:
        vm = world.store.find(VirtualMachine, disk.managed_by)
        writing = vm is None or vm.power in WRITING
        until = moment if vm is None or writing else min(moment, vm.changed_at or vm.time_created)
        image = spans[0].image if spans else _image(vm, disk)
        torn = writing and not flushed
        spans.append(Written(disk.unique_id, until, disk.written_since, image, torn))
    return _until(spans, moment, flushed)


def _image(vm: VirtualMachine | None, disk: Disk) -> str:
    if vm is None:
        return ""
    if vm.os_type == "Windows":
        return "windows" if disk.os_type else "data-ntfs"
    if disk.os_type is None:
        return "data-ext4"
    return "rhel" if vm.image is not None and vm.image.publisher == RED_HAT.publisher else "ubuntu"


def _until(spans: Contents, moment: datetime, flushed: bool) -> Contents:
    """Without what was written later. A span in which nothing can have been written is none."""
    cut = [
        one if one.until <= moment else msgspec.structs.replace(one, until=moment, torn=not flushed)
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


def of_point(world: World, vm_id: str, disk: IncludedDisk, point: RecoveryPoint) -> Contents:
    if disk.holds:
        return list(disk.holds)
    disk_id = f"{vm_id.partition('/virtualMachines/')[0]}/disks/{disk.name}"
    source = world.store.find(Disk, disk_id)
    if source is None:
        return [Written(disk_id.lower(), point.taken_at)]
    return contents(world, source, point.taken_at, flushed=point.consistency != CRASH_CONSISTENT)


def attach(world: World, disk: Disk, vm_id: str) -> None:
    disk.managed_by, disk.written_since = vm_id, world.clock.now()
    world.store.save(disk)


def detach(world: World, disk: Disk) -> None:
    """It keeps what it holds."""
    disk.held = contents(world, disk, flushed=True)
    disk.managed_by = disk.written_since = None
    world.store.save(disk)
