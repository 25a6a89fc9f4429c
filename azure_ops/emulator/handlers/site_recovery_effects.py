"""What a drill, a failover and a commit do to the machines of the target region.

The scenarios of `site_recovery_failover` call these at their steps, and `site_recovery_seeds` for fleets.
"""

from __future__ import annotations

from datetime import datetime

from ..records.compute import DataDisk, Disk, NetworkInterface, VirtualMachine, Written
from ..records.site_recovery import (
    FAILOVER_COMMIT_PENDING,
    FAILOVER_COMMITTED,
    ReplicatedItem,
    ReplicatedNic,
    StoredPoint,
)
from ..world import World
from .addresses import free_address, new_mac
from .disk_contents import contents
from .site_recovery import points_of
from .site_recovery_details import location_of, recovery_name, target_disk_id, test_name
from .site_recovery_ids import last
from .site_recovery_replication import Point, replicated_until

FRESH_ENOUGH_S = 60
"""With nothing newer than that to process, Latest falls back to the newest processed point."""


def _in_group(item: ReplicatedItem, kind: str, name: str) -> str:
    return f"{item.recovery_group_id}/providers/{kind}/{name}"


def _zones(item: ReplicatedItem) -> list[str]:
    return [item.recovery_zone] if item.recovery_zone else []


def test_vm_id(item: ReplicatedItem) -> str:
    return _in_group(item, "Microsoft.Compute/virtualMachines", test_name(item))


def recovery_vm_id(item: ReplicatedItem) -> str:
    return _in_group(item, "Microsoft.Compute/virtualMachines", recovery_name(item))


def name_is_taken(world: World, item: ReplicatedItem) -> bool:
    """A machine of the recovery VM's name that no failover of this item made."""
    ours = (item.recovery_vm_id.lower(), item.vm_id.lower(), item.left_vm_id.lower())
    return recovery_vm_id(item).lower() not in ours and (
        world.store.find(VirtualMachine, recovery_vm_id(item)) is not None
    )


# machines ---------------------------------------------------------------------------------------------------


def _make_disks(
    world: World,
    item: ReplicatedItem,
    vm_id: str,
    suffix: str,
    at: datetime,
    location: str,
    point_at: datetime,
) -> list[Disk]:
    made = []
    for disk in item.disks:
        source = world.store.find(Disk, disk.disk_id)
        lost = [Written(disk.disk_id.lower(), point_at)]
        record = Disk(
            id=target_disk_id(item, disk, suffix),
            location=location,
            size_gb=disk.size_gb,
            sku=disk.account_type,
            os_type=item.os_type if disk.is_os else None,
            managed_by=vm_id,
            zones=_zones(item),
            time_created=at,
            unique_id=world.store.new_guid(),
            create_option="Copy",
            source_id=target_disk_id(item, disk, "-ASRReplica"),
            hyper_v_generation=item.generation,
            held=contents(world, source, point_at) if source else lost,
            written_since=at,
        )
        world.store.save(record)
        made.append(record)
    return made


def _make_nic(
    world: World, item: ReplicatedItem, nic: ReplicatedNic, vm_id: str, network_id: str, suffix: str
) -> str:
    subnet_id, address = free_address(world, network_id, nic.recovery_subnet)
    record = NetworkInterface(
        id=_in_group(item, "Microsoft.Network/networkInterfaces", last(nic.nic_id) + suffix),
        location=location_of(world, item.recovery_container_id),
        subnet_id=subnet_id,
        private_ip=address,
        mac=new_mac(world),
        vm_id=vm_id,
    )
    world.store.save(record)
    return record.id


def _make_vm(
    world: World,
    item: ReplicatedItem,
    vm_id: str,
    network_id: str,
    suffixes: tuple[str, str],
    at: datetime,
    power: str,
    point_at: datetime,
) -> VirtualMachine:
    """From the disks of the target: attached, no OS profile, no image; tags copied. `suffixes` name the disks
    and the interfaces."""
    location = location_of(world, item.recovery_container_id)
    disks = _make_disks(world, item, vm_id, suffixes[0], at, location, point_at)
    nics = [_make_nic(world, item, nic, vm_id, network_id, suffixes[1]) for nic in item.nics]
    by_role = sorted(zip(item.disks, disks, strict=True), key=lambda pair: not pair[0].is_os)
    vm = VirtualMachine(
        id=vm_id,
        location=location,
        size=item.recovery_vm_size,
        os_type=item.os_type,
        os_disk_id=by_role[0][1].id,
        data_disks=[DataDisk(lun, disk.id) for lun, (_, disk) in enumerate(by_role[1:])],
        nic_ids=nics,
        power=power,
        tags=dict(item.tags),
        zones=_zones(item),
        time_created=at,
        vm_id=world.store.new_guid(),
        changed_at=at,
    )
    world.store.save(vm)
    return vm


def _remove_vm(world: World, vm_id: str) -> None:
    """With its disks and interfaces."""
    vm = world.store.find(VirtualMachine, vm_id) if vm_id else None
    if vm is None:
        return
    for disk_id in (vm.os_disk_id, *(disk.disk_id for disk in vm.data_disks)):
        if (disk := world.store.find(Disk, disk_id)) is not None:
            world.store.delete(disk)
    remove_machine(world, vm)


def remove_machine(world: World, vm: VirtualMachine) -> None:
    """With its interfaces; its disks stay, attached to nothing."""
    for disk_id in (vm.os_disk_id, *(disk.disk_id for disk in vm.data_disks)):
        if (disk := world.store.find(Disk, disk_id)) is not None:
            disk.managed_by = None
            world.store.save(disk)
    for nic_id in vm.nic_ids:
        if (nic := world.store.find(NetworkInterface, nic_id)) is not None:
            world.store.delete(nic)
    world.store.delete(vm)


def set_power(world: World, vm_id: str, power: str, at: datetime) -> bool:
    """False when there is no such machine (any more)."""
    vm = world.store.find(VirtualMachine, vm_id)
    if vm is None:
        return False
    vm.power, vm.changed_at = power, at
    vm.version += 1
    world.store.save(vm)
    return True


def keep_running(world: World, vm_id: str, at: datetime) -> None:
    """A shutdown that was given up half-way."""
    vm = world.store.find(VirtualMachine, vm_id)
    if vm is not None and vm.power == "deallocating":
        set_power(world, vm_id, "running", at)


# a drill ----------------------------------------------------------------------------------------------------


def make_test_vm(
    world: World, item: ReplicatedItem, network_id: str, at: datetime, power: str, *, point_at: datetime
) -> None:
    suffixes = ("-ASRtest", "-test")
    vm = _make_vm(world, item, test_vm_id(item), network_id, suffixes, at, power, point_at)
    item.test_vm_id, item.test_network_used_id = vm.id, network_id
    world.store.save(item)


def remove_test_vm(world: World, item: ReplicatedItem) -> None:
    _remove_vm(world, item.test_vm_id)
    item.test_vm_id = item.test_network_used_id = ""
    world.store.save(item)


# a failover -------------------------------------------------------------------------------------------------


def latest_point(world: World, item: ReplicatedItem, at: datetime) -> Point:
    """The point that "latest" means: pending data is processed into a new one where there is any."""
    points = points_of(world, item, at)
    reached = replicated_until(item, at)
    if points and (reached - points[-1].at).total_seconds() < FRESH_ENOUGH_S:
        return points[-1]
    stored = StoredPoint(guid=world.store.new_guid(), at=reached)
    item.stored_points.append(stored)
    world.store.save(item)
    return Point(stored.guid, stored.at, False)


def make_recovery_vm(
    world: World, item: ReplicatedItem, at: datetime, power: str, *, point_at: datetime
) -> None:
    vm_id = recovery_vm_id(item)
    vm = _make_vm(world, item, vm_id, item.recovery_network_id, ("", ""), at, power, point_at)
    item.recovery_vm_id, item.left_vm_id = vm.id, ""
    item.recovery_disk_ids = [target_disk_id(item, disk) for disk in item.disks]
    world.store.save(item)


def remove_recovery_vm(world: World, item: ReplicatedItem) -> None:
    _remove_vm(world, item.recovery_vm_id)
    item.recovery_vm_id, item.recovery_disk_ids = "", []
    world.store.save(item)


def mark_failed_over(world: World, item: ReplicatedItem, point: Point | None, started_at: datetime) -> None:
    item.state = FAILOVER_COMMIT_PENDING
    item.last_failover_at = started_at
    if point is not None:
        item.failover_point, item.failover_point_at = point.guid, point.at
    world.store.save(item)


def mark_committed(world: World, item: ReplicatedItem) -> None:
    """The points are gone with the commit, and so are the replica disks."""
    item.state = FAILOVER_COMMITTED
    item.stored_points = []
    remove_replicas(world, item)
    world.store.save(item)


def remove_replicas(world: World, item: ReplicatedItem) -> None:
    for disk in item.disks:
        if (replica := world.store.find(Disk, target_disk_id(item, disk, "-ASRReplica"))) is not None:
            world.store.delete(replica)
