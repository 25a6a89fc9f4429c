"""Disks in memory: partition tables and LVM2 metadata by hand, for what no tool here makes."""

from __future__ import annotations

import struct
import uuid
import zlib
from collections.abc import Iterable

from azure_ops.file_restore import lvm
from azure_ops.file_restore.devices import inside
from azure_ops.file_restore.entries import Range, Run

SECTOR = 512


class MemoryDisk:
    """A device of the reader's side over bytes; it notes what is read."""

    def __init__(self, data: bytes | bytearray, number: int = 0) -> None:
        self.data = data
        self.number = number
        self.touched: list[Range] = []

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        inside(self, offset, length)
        self.touched.append((offset, length))
        return bytes(self.data[offset : offset + length])

    def runs(self, offset: int, length: int) -> list[Run]:
        inside(self, offset, length)
        return [Run(0, length, self.number, offset)] if length else []

    def prefetch(self, ranges: Iterable[Range]) -> None:
        return None


def gpt(size: int, partitions: list[tuple[str, int, int, str]], sector: int = SECTOR) -> bytearray:
    """(type, first sector, sectors, name) → a disk with both tables."""
    disk = bytearray(size)
    table = bytearray(128 * 128)
    for number, (kind, first, count, name) in enumerate(partitions):
        entry = (
            uuid.UUID(kind).bytes_le
            + uuid.uuid4().bytes_le
            + struct.pack("<QQQ", first, first + count - 1, 0)
        )
        entry += name.encode("utf-16-le").ljust(72, b"\0")
        table[number * 128 : (number + 1) * 128] = entry
    last = size // sector - 1
    for mine, other, at in ((1, last, 2), (last, 1, last - 128 * 128 // sector)):
        head = b"EFI PART" + struct.pack("<IIIIQQQQ", 0x10000, 92, 0, 0, mine, other, 34, last - 34)
        head += uuid.uuid4().bytes_le + struct.pack("<QIII", at, 128, 128, zlib.crc32(table))
        head = head[:16] + struct.pack("<I", zlib.crc32(head)) + head[20:]
        disk[mine * sector : mine * sector + 92] = head
        disk[at * sector : at * sector + len(table)] = table
    disk[450:451], disk[510:512] = b"\xee", b"\x55\xaa"
    return disk


def mbr(
    size: int, partitions: list[tuple[int, int, int]], at: int = 0, disk: bytearray | None = None
) -> bytearray:
    """(type, first sector, sectors), up to four, in the sector `at`."""
    disk = bytearray(size) if disk is None else disk
    for number, (kind, first, count) in enumerate(partitions):
        place = at * SECTOR + 446 + 16 * number
        disk[place : place + 16] = struct.pack("<BxxxBxxxII", 0, kind, first, count)
    disk[at * SECTOR + 510 : at * SECTOR + 512] = b"\x55\xaa"
    return disk


def physical_volume(
    disk: bytearray, identity: str, text: str, *, area: int = 4096, room: int = 65536, at: int = 512
) -> None:
    """Writes label, header and the group's description; the text begins at `at` of its ring."""
    disk[SECTOR : SECTOR + 32] = b"LABELONE" + struct.pack("<QIII", 1, 0, 32, 0x204D564C) + b" 001"
    disk[SECTOR + 24 : SECTOR + 32] = b"LVM2 001"
    header = identity.replace("-", "").encode() + struct.pack("<Q", len(disk))
    header += struct.pack("<QQQQ", area + room, 0, 0, 0) + struct.pack("<QQQQ", area, room, 0, 0)
    disk[SECTOR + 32 : SECTOR + 32 + len(header)] = header
    raw = text.encode() + b"\0"
    head = struct.pack("<I", 0) + b" LVM2 x[5A%r0N*>" + struct.pack("<IQQ", 1, area, room)
    head += struct.pack("<QQII", at, len(raw), lvm._crc(raw), 0)
    disk[area : area + len(head)] = head
    before = raw[: room - at]
    disk[area + at : area + at + len(before)] = before
    disk[area + SECTOR : area + SECTOR + len(raw) - len(before)] = raw[len(before) :]
