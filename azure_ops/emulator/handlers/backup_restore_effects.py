"""What a restore leaves in the world: disks, a machine with its interface, a machine with other disks."""

from __future__ import annotations

from ..records.backup import IncludedDisk, ProtectedItem, RecoveryPoint
from ..records.compute import DataDisk, Disk, NetworkInterface, VirtualMachine
from ..records.restores import RestoreOrder
from ..world import World
from .addresses import free_address, new_mac
from .disk_contents import attach, detach, of_point
from .restore_point_ids import disk_restore_point_id

UNKNOWN_SIZE_GB = {"Linux": 30, "Windows": 127}
"""Of an OS disk whose size nobody noted; a data disk gets the default of 1,023."""


def disks_of(order: RestoreOrder, point: RecoveryPoint) -> list[IncludedDisk]:
    """The OS disk first, then what was chosen of the others."""
    return [
        disk
        for disk in sorted(point.disks, key=lambda disk: disk.lun)
        if disk.lun == -1 or order.luns is None or disk.lun in order.luns
    ]


def size_of(item: ProtectedItem, disk: IncludedDisk) -> int:
    return disk.size_gb or (UNKNOWN_SIZE_GB.get(item.os_type, 30) if disk.lun == -1 else 1023)


def make_disks(world: World, order: RestoreOrder, item: ProtectedItem, point: RecoveryPoint) -> None:
    """Unattached, in the target group; the order remembers them."""
    at = world.clock.now()
    zones = point.zones if order.zones is None else order.zones
    for number, disk in enumerate(disks_of(order, point)):
        record = Disk(
            id=_disk_id(world, order, item, disk, number),
            location=order.region,
            size_gb=size_of(item, disk),
            sku=disk.sku,
            os_type=item.os_type if disk.lun == -1 else None,
            zones=list(zones),
            time_created=at,
            unique_id=world.store.new_guid(),
            create_option="Empty" if order.from_vault else "Restore",
            source_id=None if order.from_vault else disk_restore_point_id(item, point, disk, order.region),
            held=of_point(world, item.vm_id, disk, point),
        )
        world.store.save(record)
        order.disk_ids.append(record.id)


def _disk_id(world: World, order: RestoreOrder, item: ProtectedItem, disk: IncludedDisk, number: int) -> str:
    target = order.vm_id or item.vm_id
    kind = "osdisk" if disk.lun == -1 else f"datadisk-{number - 1:03}"
    name = f"{target.rsplit('/', 1)[-1].lower()}-{kind}-{world.clock.now():%Y%m%d-%H%M%S}"
    disk_id = f"{order.group_id}/providers/Microsoft.Compute/disks/{name}"
    if world.store.find(Disk, disk_id) is None:
        return disk_id
    return f"{disk_id}-{world.store.random.getrandbits(32):08x}"  # two restores in one second


def make_machine(world: World, order: RestoreOrder, item: ProtectedItem, point: RecoveryPoint) -> None:
    """Of the restored disks, running, with one interface in the chosen subnet."""
    at = world.clock.now()
    source = world.store.find(VirtualMachine, item.vm_id)
    vm = VirtualMachine(
        id=order.vm_id,
        location=order.region,
        size=point.vm_size or (source.size if source else "Standard_D2s_v5"),
        os_type=item.os_type,
        os_disk_id=order.disk_ids[0],
        data_disks=_attachments(order, point),
        nic_ids=[_make_nic(world, order)],
        zones=list(point.zones if order.zones is None else order.zones),
        tags=dict(source.tags) if source else {},
        time_created=at,
        vm_id=world.store.new_guid(),
        changed_at=at,
    )
    world.store.save(vm)
    _attach(world, order.disk_ids, vm.id)


def _attachments(order: RestoreOrder, point: RecoveryPoint) -> list[DataDisk]:
    disks = disks_of(order, point)
    pairs = zip(disks[1:], order.disk_ids[1:], strict=True)
    return [DataDisk(disk.lun, disk_id) for disk, disk_id in pairs]


def _make_nic(world: World, order: RestoreOrder) -> str:
    subnet_id, address = free_address(world, order.network_id, order.subnet_id.rsplit("/", 1)[-1])
    name = f"{order.vm_id.rsplit('/', 1)[-1]}-nic-{world.store.new_guid().replace('-', '')}"
    nic = NetworkInterface(
        id=f"{order.group_id}/providers/Microsoft.Network/networkInterfaces/{name}",
        location=order.region,
        subnet_id=subnet_id,
        private_ip=address,
        mac=new_mac(world),
        vm_id=order.vm_id,
    )
    world.store.save(nic)
    return nic.id


def replace_disks(world: World, order: RestoreOrder, vm: VirtualMachine, point: RecoveryPoint) -> None:
    """The old disks stay behind, attached to nothing. Where the point holds no disk, nothing changes."""
    attached = _attachments(order, point)
    luns = {disk.lun for disk in attached}
    replaced = [vm.os_disk_id, *(disk.disk_id for disk in vm.data_disks if disk.lun in luns)]
    _attach(world, replaced, None)
    kept = [disk for disk in vm.data_disks if disk.lun not in luns]
    vm.os_disk_id = order.disk_ids[0]
    vm.data_disks = sorted([*attached, *kept], key=lambda disk: disk.lun)
    _attach(world, order.disk_ids, vm.id)
    set_power(world, vm, order.power_before or vm.power)


def set_power(world: World, vm: VirtualMachine, power: str) -> None:
    vm.power, vm.changed_at = power, world.clock.now()
    vm.version += 1
    world.store.save(vm)


def _attach(world: World, disk_ids: list[str], vm_id: str | None) -> None:
    for disk_id in disk_ids:
        disk = world.store.find(Disk, disk_id)
        if disk is None:
            continue
        if vm_id is None:
            detach(world, disk)
        else:
            attach(world, disk, vm_id)
