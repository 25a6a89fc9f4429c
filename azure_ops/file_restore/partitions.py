"""Partition tables: GPT with sectors of 512 or 4,096 bytes, and MBR with its chain of logical partitions."""

from __future__ import annotations

import struct
import uuid
import zlib
from dataclasses import dataclass

from .damage import Damaged
from .devices import Device

MOST_ENTRIES = 1024
LOGICAL_AT_MOST = 128


@dataclass(frozen=True)
class Partition:
    number: int
    start: int
    length: int
    type: str
    """GPT: the type's GUID in lower case; MBR: two hexadecimal digits."""
    name: str = ""
    uuid: str = ""


def read_gpt(disk: Device) -> list[Partition] | None:
    """None where there is no GPT; the spare table at the end is taken when the first is damaged."""
    found = False
    for sector in (512, 4096):
        if disk.size < 6 * sector:
            continue
        for place in (sector, disk.size - sector):
            if place != sector and not found:
                continue
            header = disk.read(place, 92)
            found = found or header[:8] == b"EFI PART"
            if header[:8] == b"EFI PART" and _is_whole(header):
                try:
                    return _gpt_entries(disk, header, sector)
                except Damaged:
                    continue
        if found:
            raise Damaged("both partition tables of the disk (GPT) are damaged")
    return None


def _is_whole(header: bytes) -> bool:
    length, checksum = struct.unpack_from("<II", header, 12)
    if not 92 <= length <= 512:
        return False
    blank = header[:16] + bytes(4) + header[20:92]
    return bool(length != 92 or zlib.crc32(blank) == checksum)


def _gpt_entries(disk: Device, header: bytes, sector: int) -> list[Partition]:
    first, count, width, checksum = struct.unpack_from("<QIII", header, 72)
    if not (128 <= width <= 4096 and 0 < count <= MOST_ENTRIES):
        raise Damaged("the partition table's own measures make no sense")
    table = disk.read(first * sector, count * width)
    if zlib.crc32(table) != checksum:
        raise Damaged("the partition table's checksum does not fit")
    found = []
    for number in range(count):
        raw = table[number * width : (number + 1) * width]
        if raw[:16] == bytes(16):
            continue
        start, end = struct.unpack_from("<QQ", raw, 32)
        length = (end - start + 1) * sector
        if end < start or start * sector >= disk.size:
            continue
        found.append(
            Partition(
                number + 1,
                start * sector,
                min(length, disk.size - start * sector),
                str(uuid.UUID(bytes_le=raw[:16])),
                raw[56:128].decode("utf-16-le", "replace").split("\0")[0],
                str(uuid.UUID(bytes_le=raw[16:32])),
            )
        )
    return found


def read_mbr(disk: Device) -> list[Partition] | None:
    """None where the first sector is no partition table."""
    if disk.size < 1024:
        return None
    entries = _mbr_entries(disk, 0)
    if entries is None or not any(kind for kind, _, _ in entries):
        return None
    found = []
    for number, (kind, start, sectors) in enumerate(entries, 1):
        if kind in (0x05, 0x0F, 0x85):
            found += _logical(disk, start)
        elif kind and sectors:
            found += _partition(disk, number, kind, start, sectors)
    return found or None


def _mbr_entries(disk: Device, sector: int) -> list[tuple[int, int, int]] | None:
    raw = disk.read(sector * 512, 512)
    if raw[510:] != b"\x55\xaa":
        return None
    entries = []
    for number in range(4):
        entry = raw[446 + 16 * number : 462 + 16 * number]
        if entry[0] not in (0, 0x80):
            return None
        entries.append((entry[4], *struct.unpack_from("<II", entry, 8)))
    return entries


def _partition(disk: Device, number: int, kind: int, start: int, sectors: int) -> list[Partition]:
    if start == 0 or start * 512 >= disk.size:
        return []
    length = min(sectors * 512, disk.size - start * 512)
    return [Partition(number, start * 512, length, f"{kind:02x}")]


def _logical(disk: Device, base: int) -> list[Partition]:
    found: list[Partition] = []
    seen: set[int] = set()
    at = base
    while at not in seen and len(seen) < LOGICAL_AT_MOST and (at + 1) * 512 <= disk.size:
        seen.add(at)
        entries = _mbr_entries(disk, at)
        if entries is None:
            break
        kind, start, sectors = entries[0]
        if kind and sectors:
            found += _partition(disk, 5 + len(found), kind, at + start, sectors)
        kind, start, _ = entries[1]
        if kind not in (0x05, 0x0F, 0x85) or not start:
            break
        at = base + start
    return found
