"""What a volume holds, told by its first bytes."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from .devices import Device
from .entries import VolumeState

HEAD = 68 * 1024
"""All signatures but one lie within; btrfs has the farthest."""
ILR = "Restore the disk and attach it to a machine, or use Azure Backup's own file recovery script."


@dataclass(frozen=True)
class Signature:
    description: str
    state: VolumeState
    reason: str = ""


READABLE = {"ext4", "xfs", "NTFS", "FAT"}
LVM2 = "LVM2 physical volume"
_BY_MAGIC: list[tuple[int, bytes, Signature]] = [
    (0, b"LUKS\xba\xbe", Signature("LUKS", "encrypted", f"Encrypted with LUKS. {ILR}")),
    (3, b"-FVE-FS-", Signature("BitLocker", "encrypted", f"Encrypted with BitLocker. {ILR}")),
    (3, b"NTFS    ", Signature("NTFS", "readable")),
    (3, b"EXFAT   ", Signature("exFAT", "unsupported", f"exFAT is not read. {ILR}")),
    (3, b"ReFS\0", Signature("ReFS", "unsupported", f"ReFS is not read. {ILR}")),
    (0, b"XFSB", Signature("xfs", "readable")),
    (65536 + 64, b"_BHRfS_M", Signature("btrfs", "unsupported", f"btrfs is not read. {ILR}")),
    (4096, b"\xfc\x4e\x2b\xa9", Signature("md-raid", "unsupported", f"A member of a Linux RAID. {ILR}")),
    (0, b"\xfc\x4e\x2b\xa9", Signature("md-raid", "unsupported", f"A member of a Linux RAID. {ILR}")),
    (4096 - 10, b"SWAPSPACE2", Signature("swap", "unsupported", "Swap space holds no files.")),
    (65536 - 10, b"SWAPSPACE2", Signature("swap", "unsupported", "Swap space holds no files.")),
    (0, b"SPACEDB ", Signature("Storage Spaces", "unsupported", f"A member of a Storage Spaces pool. {ILR}")),
    (0, b"hsqs", Signature("squashfs", "unsupported", "squashfs is not read.")),
    (32769, b"CD001", Signature("ISO 9660", "unsupported", "ISO 9660 is not read.")),
    (6 * 512, b"PRIVHEAD", Signature("dynamic disk", "unsupported", f"A Windows dynamic disk (LDM). {ILR}")),
]
_BY_TYPE = {
    "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3": Signature(
        "dynamic disk", "unsupported", f"A Windows dynamic disk (LDM). {ILR}"
    ),
    "af9b60a0-1431-4f62-bc68-3311714a69ad": Signature(
        "dynamic disk", "unsupported", f"A Windows dynamic disk (LDM). {ILR}"
    ),
    "42": Signature("dynamic disk", "unsupported", f"A Windows dynamic disk (LDM). {ILR}"),
    "e75caf8f-f680-4cee-afa3-b001e56efc2d": Signature(
        "Storage Spaces", "unsupported", f"A member of a Storage Spaces pool. {ILR}"
    ),
    "a19d880f-05fc-4d3b-a006-743f0f84911e": Signature(
        "md-raid", "unsupported", f"A member of a Linux RAID. {ILR}"
    ),
    "fd": Signature("md-raid", "unsupported", f"A member of a Linux RAID. {ILR}"),
    "e3c9e316-0b5c-4db8-817d-f92df00215ae": Signature("reserved", "empty", "Reserved by Windows; no files."),
    "21686148-6449-6e6f-744e-656564454649": Signature("BIOS boot", "empty", "A boot loader; no files."),
    "9e1a2d38-c612-4316-aa26-8b49521e5a8b": Signature("PReP boot", "empty", "A boot loader; no files."),
}


def recognize(device: Device, partition_type: str = "") -> Signature:
    """What is on the volume. Types of partitions count where their members cannot be told by content."""
    by_type = _BY_TYPE.get(partition_type)
    if by_type is not None:
        return by_type
    head = device.read(0, min(HEAD, device.size))
    if is_physical_volume(head):
        return Signature(LVM2, "container")
    for offset, magic, signature in _BY_MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return signature
    if head[1080:1082] == b"\x53\xef":
        return Signature("ext4", "readable")
    if looks_like_fat(head):
        return Signature("FAT", "readable")
    if not any(head):
        return Signature("empty", "empty", "No file system: the volume begins with zeros.")
    return Signature("unknown", "unsupported", f"No known file system begins here. {ILR}")


def is_physical_volume(head: bytes) -> bool:
    return any(
        head[sector : sector + 8] == b"LABELONE" and head[sector + 24 : sector + 32] == b"LVM2 001"
        for sector in range(0, 2048, 512)
    )


def looks_like_fat(head: bytes) -> bool:
    if len(head) < 512 or head[510:512] != b"\x55\xaa" or head[0] not in (0xEB, 0xE9):
        return False
    sector, cluster, reserved, tables = struct.unpack_from("<HBHB", head, 11)
    if sector not in (512, 1024, 2048, 4096) or not cluster or cluster & (cluster - 1):
        return False
    return bool(reserved) and tables in (1, 2) and (head[54:57] == b"FAT" or head[82:87] == b"FAT32")
