"""NTFS on the disk: boot sector, records of the master file table, attributes and their runs."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from .damage import Damaged
from .devices import Device

STANDARD, LIST, FILE_NAME, VOLUME_NAME, VOLUME, DATA, INDEX_ROOT, INDEX, BITMAP, REPARSE = (
    0x10, 0x20, 0x30, 0x60, 0x70, 0x80, 0x90, 0xA0, 0xB0, 0xC0,
)  # fmt: skip
COMPRESSED, ENCRYPTED = 0x00FF, 0x4000
NUMBER = (1 << 48) - 1
Run = tuple[int, int, int | None]
"""First cluster of the file, count, cluster of the volume; None is a hole."""


@dataclass(frozen=True)
class Attribute:
    type: int
    name: str
    flags: int
    value: bytes | None
    """None where the value lies outside of the record."""
    first: int = 0
    raw_runs: bytes = b""
    unit: int = 0
    """Clusters of a compression unit, as a power of two."""
    size: int = 0
    valid: int = 0


@dataclass(frozen=True)
class Record:
    number: int
    sequence: int
    links: int
    in_use: bool
    is_directory: bool
    base: int
    attributes: tuple[Attribute, ...]


class Volume:
    def __init__(self, device: Device) -> None:
        self.device = device
        boot = device.read(0, 512)
        if boot[3:11] != b"NTFS    ":
            raise Damaged("the boot sector is gone")
        sector, per_cluster = struct.unpack_from("<HB", boot, 11)
        sectors, table, _ = struct.unpack_from("<QQQ", boot, 0x28)
        record, index = struct.unpack_from("<b3xb", boot, 0x40)
        self.serial = struct.unpack_from("<Q", boot, 0x48)[0]
        if sector not in (512, 1024, 2048, 4096):
            raise Damaged("the boot sector's measures make no sense")
        self.cluster = sector * (per_cluster if per_cluster <= 0x80 else 1 << 256 - per_cluster)
        self.record_size = record * self.cluster if record > 0 else 1 << -record
        self.index_size = index * self.cluster if index > 0 else 1 << -index
        self.size = sectors * sector
        if not (512 <= self.cluster <= 1 << 21 and 512 <= self.record_size <= 65536):
            raise Damaged("the boot sector's measures make no sense")
        if not (512 <= self.index_size <= 65536 and self.size <= device.size):
            raise Damaged("the boot sector's measures make no sense")
        self.clusters = self.size // self.cluster
        self._table: list[tuple[int, int, int]] = []
        self.record = lru_cache(8192)(self._record)
        self._learn_table(table * self.cluster)

    def _learn_table(self, place: int) -> None:
        """Where the master file table is: its own first record says so, maybe in more records."""
        first = self.parse(0, self.device.read(place, self.record_size))
        data = [part for part in first.attributes if part.type == DATA and not part.name]
        if not data or data[0].value is not None:
            raise Damaged("the master file table does not say where it is")
        self._set_table(data)
        self._set_table(self.parts(first, DATA))
        self.records = data[0].size // self.record_size

    def _set_table(self, parts: list[Attribute]) -> None:
        self._table = [
            (start * self.cluster, count * self.cluster, place * self.cluster)
            for start, count, place in self.runs(parts)
            if place is not None
        ]

    def record_place(self, number: int) -> int:
        at = number * self.record_size
        for start, length, place in self._table:
            if start <= at < start + length:
                return int(place + at - start)
        raise Damaged(f"there is no record {number}")

    def table_pieces(self) -> list[tuple[int, int, int]]:
        """(offset in the table, length, place) of all records."""
        return self._table

    def _record(self, number: int) -> Record:
        return self.parse(number, self.device.read(self.record_place(number), self.record_size))

    def parse(self, number: int, raw: bytes) -> Record:
        if raw[:4] != b"FILE":
            raise Damaged(f"record {number} of the master file table is damaged or was never used")
        raw = fixed_up(raw)
        sequence, links, at, flags = struct.unpack_from("<HHHH", raw, 16)
        base = struct.unpack_from("<Q", raw, 32)[0]
        return Record(
            number, sequence, links, bool(flags & 1), bool(flags & 2), base, tuple(_attributes(raw, at))
        )

    def parts(self, record: Record, kind: int, name: str = "") -> list[Attribute]:
        """The parts of an attribute in order, also those in other records."""
        found = [part for part in record.attributes if part.type == kind and part.name == name]
        for other in self.extensions(record):
            found += [part for part in other.attributes if part.type == kind and part.name == name]
        return sorted(found, key=lambda part: part.first)

    def extensions(self, record: Record) -> list[Record]:
        """The other records of a file with many attributes or fragments."""
        lists = [part for part in record.attributes if part.type == LIST]
        if not lists:
            return []
        if lists[0].value is not None:
            raw = lists[0].value
        else:
            raw = self.read(lists[:1], 0, min(lists[0].size, 1 << 20))
        numbers: dict[int, int] = {}
        at = 0
        while at + 26 <= len(raw):
            length = struct.unpack_from("<H", raw, at + 4)[0]
            reference = struct.unpack_from("<Q", raw, at + 16)[0]
            if length < 26:
                break
            if reference & NUMBER != record.number:
                numbers.setdefault(reference & NUMBER, reference)
            at += length
        found = []
        for number in numbers:
            other = self.record(number)
            if other.base & NUMBER != record.number or not other.in_use:
                raise Damaged(f"record {number} does not belong to the file that names it")
            found.append(other)
        return found

    def runs(self, parts: list[Attribute]) -> list[Run]:
        """All runs of an attribute, without gaps between its parts."""
        found: list[Run] = []
        end = 0
        for part in parts:
            if part.value is not None:
                raise Damaged("a file has its content both inside and outside of its record")
            if part.first != end:
                raise Damaged("a part of the file's map is missing")
            for count, place in _decode(part.raw_runs):
                if place is not None and (place < 0 or place + count > self.clusters):
                    raise Damaged("the file has clusters outside of the volume")
                found.append((end, count, place))
                end += count
        return found

    def read(self, parts: list[Attribute], offset: int, length: int) -> bytes:
        """Plain content; what lies in holes or beyond the valid length is zeros."""
        if not parts:
            return b""
        if parts[0].value is not None:
            return parts[0].value[offset : offset + length]
        data = bytearray(length)
        for start, count, place in self.runs(parts):
            low = max(start * self.cluster, offset)
            high = min((start + count) * self.cluster, offset + length, parts[0].valid)
            if place is not None and low < high:
                at = place * self.cluster + low - start * self.cluster
                data[low - offset : high - offset] = self.device.read(at, high - low)
        return bytes(data)


def fixed_up(raw: bytes) -> bytes:
    """The last two bytes of each sector put back; a mismatch is a torn write."""
    at, count = struct.unpack_from("<HH", raw, 4)
    if count < 2 or at + 2 * count > len(raw) or (count - 1) * 512 > len(raw):
        raise Damaged("the check values of a record are damaged")
    mark = raw[at : at + 2]
    data = bytearray(raw)
    for number in range(1, count):
        end = number * 512
        if raw[end - 2 : end] != mark:
            raise Damaged("a record was written only in part")
        data[end - 2 : end] = raw[at + 2 * number : at + 2 * number + 2]
    return bytes(data)


def file_names(number: int, raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Reference and value of each name in a raw record, without the cost of parsing the whole of it."""
    sequence, _, at, flags = struct.unpack_from("<HHHH", raw, 16)
    if not flags & 1:
        return
    raw = fixed_up(raw)
    base = struct.unpack_from("<Q", raw, 32)[0] or sequence << 48 | number
    while at + 24 <= len(raw):
        kind, length = struct.unpack_from("<II", raw, at)
        if kind > FILE_NAME or length < 24:
            return
        if kind == FILE_NAME and not raw[at + 8]:
            size, start = struct.unpack_from("<IH", raw, at + 16)
            if start + size <= length:
                yield base, raw[at + start : at + start + size]
        at += length


def _attributes(raw: bytes, at: int) -> Iterator[Attribute]:
    while at + 16 <= len(raw):
        kind, length, outside, name_length, name_at, flags = struct.unpack_from("<IIBBHH", raw, at)
        if kind == 0xFFFFFFFF:
            return
        if length < 16 or at + length > len(raw):
            raise Damaged("an attribute of the record is damaged")
        body = raw[at : at + length]
        name = body[name_at : name_at + 2 * name_length].decode("utf-16-le", "surrogatepass")
        if not outside:
            size, start = struct.unpack_from("<IH", body, 16)
            if start + size > length:
                raise Damaged("an attribute of the record is cut short")
            yield Attribute(kind, name, flags, body[start : start + size], size=size, valid=size)
        else:
            first, _, runs_at, unit = struct.unpack_from("<QQHB", body, 16)
            _, size, valid = struct.unpack_from("<QQQ", body, 40)
            yield Attribute(kind, name, flags, None, first, body[runs_at:], unit, size, valid)
        at += length


def _decode(raw: bytes) -> Iterator[tuple[int, int | None]]:
    at, place = 0, 0
    while at < len(raw) and raw[at]:
        widths = raw[at]
        count_width, place_width = widths & 15, widths >> 4
        at += 1
        count = int.from_bytes(raw[at : at + count_width], "little")
        at += count_width
        if not 0 < count_width <= 8 or place_width > 8 or at + place_width > len(raw) or not count:
            raise Damaged("the file's map of clusters is damaged")
        if not place_width:
            yield count, None
            continue
        place += int.from_bytes(raw[at : at + place_width], "little", signed=True)
        at += place_width
        yield count, place
