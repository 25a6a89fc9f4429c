"""What is on the opened disks: partitions, logical volumes, file systems; what is not read, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from . import encrypted, lvm
from .damage import Damaged, NotReadable
from .devices import Device, part_of
from .entries import Volume
from .partitions import Partition, read_gpt, read_mbr
from .signatures import HEAD, LVM2, READABLE, Signature, looks_like_fat, recognize


@dataclass(frozen=True)
class Found:
    volume: Volume
    device: Device | None
    """None where nothing can be read of it."""
    locked: Device | None = None
    """Of an encrypted volume: its bytes as they are on the disks."""


_FOREIGN = [
    (0, b"vhdxfile", "a VHDX file; only raw images and fixed VHD are read"),
    (0, b"QFI\xfb", "a qcow2 file; convert it to raw (qemu-img convert -O raw)"),
    (0, b"KDMV", "a VMDK file; convert it to raw (qemu-img convert -O raw)"),
    (0, b"conectix", "a dynamic VHD file; only raw images and fixed VHD are read"),
]


def scan(disks: list[Device], inside: Sequence[str] = ()) -> dict[str, Found]:
    """Everything found, by key, in the order in which it is shown.

    `inside` names for the last disks the encrypted volumes whose content they are.
    """
    found: dict[str, Found] = {}
    physical: list[lvm.PhysicalVolume] = []
    for disk in disks:
        disk.prefetch([(0, min(HEAD, disk.size))])
    own = len(disks) - len(inside)
    for number, disk in enumerate(disks[:own]):
        _scan_disk(f"disk{number}", disk, found, physical)
    contents: dict[str, dict[str, Found]] = {}
    for volume, disk in zip(inside, disks[own:], strict=True):
        contents[volume] = {}
        _scan_disk(volume + encrypted.UNLOCKED, disk, contents[volume], physical, volume)
    _scan_groups(physical, found)
    return _with_contents(found, contents)


def _with_contents(found: dict[str, Found], contents: dict[str, dict[str, Found]]) -> dict[str, Found]:
    """What is in an unlocked volume stands behind it."""
    whole: dict[str, Found] = {}
    todo = list(found.items())
    while todo:
        key, one = todo.pop(0)
        if key in contents and one.locked is not None:
            description = f"{one.volume.description}, unlocked"
            volume = msgspec.structs.replace(
                one.volume, description=description, state="container", unlock="", reason=""
            )
            one = Found(volume, None)
            todo = [*contents[key].items(), *todo]
        whole[key] = one
    return whole


def _scan_disk(
    key: str,
    disk: Device,
    found: dict[str, Found],
    physical: list[lvm.PhysicalVolume],
    parent: str = "",
) -> None:
    head = disk.read(0, min(HEAD, disk.size))
    for offset, magic, reason in _FOREIGN:
        if head[offset : offset + len(magic)] == magic:
            reason = f"This is {reason}."
            _add(found, Volume(key, parent, "disk image", "unsupported", disk.size, reason=reason))
            return
    try:
        table, partitions = "GPT", read_gpt(disk)
        if partitions is None and not _is_file_system(disk, head):
            table, partitions = "MBR", read_mbr(disk)
    except Damaged as exc:
        _add(found, Volume(key, parent, "GPT", "unsupported", disk.size, reason=f"Not readable: {exc}."))
        return
    if partitions is None:
        _examine(key, parent, disk, "", found, physical)
        return
    _add(found, Volume(key, parent, table, "container", disk.size))
    devices = [(item, part_of(disk, item.start, item.length)) for item in partitions]
    disk.prefetch([(item.start, min(HEAD, item.length)) for item in partitions])
    for item, device in devices:
        _examine(f"{key}/p{item.number}", key, device, item.type, found, physical, item)


def _is_file_system(disk: Device, head: bytes) -> bool:
    """NTFS and FAT carry the same two bytes at the end of the first sector as a partition table."""
    return looks_like_fat(head) or recognize(disk).description in {*READABLE, LVM2, "BitLocker", "LUKS"}


def _examine(
    key: str,
    parent: str,
    device: Device,
    kind: str,
    found: dict[str, Found],
    physical: list[lvm.PhysicalVolume],
    partition: Partition | None = None,
) -> None:
    try:
        signature = recognize(device, kind)
        if signature.description == LVM2:
            physical.append(lvm.read_physical_volume(device))
    except Damaged as exc:
        signature = Signature("damaged", "unsupported", f"Not readable: {exc}.")
    volume = Volume(
        key,
        parent,
        signature.description,
        signature.state,
        device.size,
        label=partition.name if partition else "",
        uuid=partition.uuid if partition else "",
        reason=signature.reason,
    )
    found[key] = _found(volume, device)


def _found(volume: Volume, device: Device) -> Found:
    if volume.state == "readable":
        return Found(volume, device)
    volume = encrypted.described(volume, device)
    return Found(volume, None, device if volume.unlock else None)


def _scan_groups(physical: list[lvm.PhysicalVolume], found: dict[str, Found]) -> None:
    try:
        groups = lvm.assemble(physical)
    except (Damaged, NotReadable) as exc:
        key = "lvm"
        _add(found, Volume(key, "", "LVM2 volume group", "unsupported", 0, reason=f"Not readable: {exc}."))
        return
    for group in groups:
        size = sum(volume.size for volume in group.volumes)
        group_key = _free_key(group.name, found)
        _add(found, Volume(group_key, "", "LVM2 volume group", "container", size))
        for logical in group.volumes:
            if logical.device is not None:
                logical.device.prefetch([(0, min(HEAD, logical.device.size))])
        for logical in group.volumes:
            key = f"{group_key}/{logical.name}"
            if logical.device is None:
                state = "incomplete" if "none of the opened disks" in logical.reason else "unsupported"
                reason = f"Not readable: {logical.reason}."
                _add(found, Volume(key, group_key, "logical volume", state, logical.size, reason=reason))  # type: ignore[arg-type]
                continue
            signature = recognize(logical.device)
            volume = Volume(
                key,
                group_key,
                signature.description,
                signature.state,
                logical.size,
                label=logical.name,
                uuid=logical.uuid,
                reason=signature.reason,
            )
            found[key] = _found(volume, logical.device)


def _free_key(name: str, found: dict[str, Found]) -> str:
    """Two groups of one name (a disk and its copy) stay apart."""
    key, number = name, 2
    while key in found:
        key, number = f"{name}#{number}", number + 1
    return key


def _add(found: dict[str, Found], volume: Volume) -> None:
    found[volume.key] = Found(volume, None)
