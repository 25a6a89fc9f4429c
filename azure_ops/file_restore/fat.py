"""FAT12, FAT16 and FAT32 with long names. An entry's id is the place of its directory entry, the root's 0."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from .damage import Damaged
from .devices import Device, shifted
from .entries import Entry, FileSystemInfo, Kind, Run
from .file_system import Content, Name, check_name, read_runs

ROOT = 0
_READ_ONLY, _HIDDEN, _SYSTEM, _LABEL, _DIRECTORY, _LONG = 0x01, 0x02, 0x04, 0x08, 0x10, 0x0F
_NOTES = {_READ_ONLY: "read-only", _HIDDEN: "hidden", _SYSTEM: "system"}
_MOST_ENTRIES = 1 << 16
Piece = tuple[int, int, int]


class Fat:
    def __init__(self, device: Device) -> None:
        self._device = device
        boot = device.read(0, 512)
        sector, per_cluster, reserved, tables, root_entries, small_total = struct.unpack_from(
            "<HBHBHH", boot, 11
        )
        table_sectors = struct.unpack_from("<H", boot, 22)[0]
        total = small_total or struct.unpack_from("<I", boot, 32)[0]
        wide = not table_sectors
        if wide:
            table_sectors = struct.unpack_from("<I", boot, 36)[0]
        if sector not in (512, 1024, 2048, 4096) or not per_cluster or not table_sectors or not tables:
            raise Damaged("the boot sector's measures make no sense")
        self._cluster = sector * per_cluster
        self._table = reserved * sector
        self._root = (reserved + tables * table_sectors) * sector
        self._root_length = root_entries * 32
        self._data = self._root + -(-self._root_length // sector) * sector
        self._clusters = (total * sector - self._data) // self._cluster
        if total * sector > device.size or self._clusters <= 0:
            raise Damaged("the volume is larger than its partition")
        self._bits = 32 if wide else 12 if self._clusters < 4085 else 16
        if self._clusters * self._bits > 8 * table_sectors * sector:
            raise Damaged("the table is too short for the volume")
        self._root_cluster = struct.unpack_from("<I", boot, 44)[0] if wide else 0
        at = 67 if wide else 39
        serial = struct.unpack_from("<I", boot, at)[0]
        label = boot[at + 4 : at + 15].decode("cp437").strip()
        banners = ["FAT keeps times without a zone; they are shown as UTC."]
        if self._bits > 12 and not self._next(1) & (1 << self._bits - (5 if wide else 1)):
            banners.append("The volume was in use when the point was made; what was open may be incomplete.")
        self.info = FileSystemInfo(
            f"FAT{self._bits}", "" if label == "NO NAME" else label,
            f"{serial >> 16:04X}-{serial & 0xFFFF:04X}",
            total * sector, self._cluster, ROOT, case_sensitive=False, has_owners=False,
            banners=tuple(banners),
        )  # fmt: skip

    def _next(self, cluster: int) -> int:
        if self._bits == 32:
            return int(struct.unpack("<I", self._device.read(self._table + 4 * cluster, 4))[0]) & 0x0FFFFFFF
        if self._bits == 16:
            return int(struct.unpack("<H", self._device.read(self._table + 2 * cluster, 2))[0])
        pair = struct.unpack("<H", self._device.read(self._table + cluster * 3 // 2, 2))[0]
        return int(pair >> 4 if cluster & 1 else pair & 0xFFF)

    def _chain(self, cluster: int, most: int) -> Iterator[Piece]:
        """Pieces of a file of at most `most` clusters as (offset, length, place)."""
        end = {12: 0xFF8, 16: 0xFFF8, 32: 0x0FFFFFF8}[self._bits]
        first, count, number = cluster, 0, 0
        at = cluster
        while at < end and number < most:
            if not 2 <= at < self._clusters + 2:
                raise Damaged("a chain of clusters leads outside of the volume")
            if count and at != first + count:
                yield self._piece(first, count, number)
                first, count = at, 0
            count += 1
            number += 1
            at = self._next(at)
        if number == most and at < end and most >= self._clusters:
            raise Damaged("a chain of clusters goes in circles")
        if count:
            yield self._piece(first, count, number)

    def _piece(self, first: int, count: int, end: int) -> Piece:
        place = self._data + (first - 2) * self._cluster
        return (end - count) * self._cluster, count * self._cluster, place

    def _directory_pieces(self, identity: int) -> Iterator[Piece]:
        if identity == ROOT and self._bits != 32:
            yield 0, self._root_length, self._root
            return
        cluster = self._root_cluster
        if identity != ROOT:
            raw = self._raw(identity)
            if not raw[11] & _DIRECTORY:
                raise Damaged("not a directory")
            cluster = self._first(raw)
        most = -(-_MOST_ENTRIES * 32 // self._cluster)
        yield from self._chain(cluster, max(1, min(self._clusters, most)))

    def _raw(self, identity: int) -> bytes:
        if identity % 32:
            raise Damaged("not an entry of a directory")
        return self._device.read(identity, 32)

    def _first(self, raw: bytes) -> int:
        high, low = struct.unpack_from("<H4xH", raw, 20)
        return int(high << 16 | low) if self._bits == 32 else int(low)

    def names(self, directory: int) -> Iterator[Name]:
        long: dict[int, bytes] = {}
        checksum = -1
        for _, length, place in self._directory_pieces(directory):
            for start in range(0, length, 1 << 16):
                block = self._device.read(place + start, min(1 << 16, length - start))
                for at in range(0, len(block), 32):
                    raw = block[at : at + 32]
                    if raw[0] == 0:
                        return
                    if raw[0] == 0xE5:
                        long = {}
                    elif raw[11] & 0x3F == _LONG:
                        if raw[0] & 0x40:
                            long, checksum = {}, raw[13]
                        if raw[13] == checksum:
                            long[raw[0] & 0x3F] = raw[1:11] + raw[14:26] + raw[28:32]
                    elif raw[11] & _LABEL:
                        long = {}
                    else:
                        name = _name(raw, long if checksum == _checksum(raw[:11]) else {})
                        long = {}
                        if name not in (b".", b".."):
                            check_name(name)
                            kind: Kind = "directory" if raw[11] & _DIRECTORY else "file"
                            yield Name(name, place + start + at, kind)

    def entry(self, identity: int, name: bytes = b"") -> Entry:
        if identity == ROOT:
            return Entry(name, ROOT, "directory")
        raw = self._raw(identity)
        tenths, time, date, accessed, _, changed_time, changed_date, _, size = struct.unpack_from(
            "<BHHHHHHHI", raw, 13
        )
        is_directory = bool(raw[11] & _DIRECTORY)
        created = _time(date, time, tenths)
        modified = _time(changed_date, changed_time, 0)
        return Entry(
            name, identity, "directory" if is_directory else "file", 0 if is_directory else size,
            modified_ns=modified or 0, accessed_ns=_time(accessed, 0, 0) or 0, changed_ns=modified or 0,
            created_ns=created, allocated=-(-size // self._cluster) * self._cluster,
            notes=tuple(text for bit, text in _NOTES.items() if raw[11] & bit),
        )  # fmt: skip

    def _pieces(self, identity: int) -> tuple[list[Piece], int]:
        raw = self._raw(identity)
        size = struct.unpack_from("<I", raw, 28)[0]
        if not size:
            return [], 0
        pieces = list(self._chain(self._first(raw), min(self._clusters, -(-size // self._cluster))))
        if sum(length for _, length, _ in pieces) < size:
            raise Damaged("the file's chain of clusters ends before the file does")
        return pieces, size

    def content(self, identity: int) -> Content:
        pieces, size = self._pieces(identity)
        found: list[Run] = []
        for start, length, place in pieces:
            found += shifted(self._device.runs(place, min(length, size - start)), start)
        return Content(tuple(found))

    def read(self, identity: int, offset: int, length: int) -> bytes:
        pieces, size = self._pieces(identity)
        return read_runs(self._device, pieces, offset, max(0, min(length, size - offset)))

    def xattrs(self, identity: int) -> tuple[tuple[str, bytes], ...]:
        return ()

    def prefetch_entries(self, identities: Iterable[int]) -> None:
        places = {identity >> 18 for identity in identities}
        end = self._device.size
        self._device.prefetch([(at << 18, min(1 << 18, end - (at << 18))) for at in sorted(places)])

    def prefetch_names(self, directories: Iterable[int]) -> None:
        wanted = []
        for identity in directories:
            try:
                wanted += [(place, length) for _, length, place in self._directory_pieces(identity)]
            except Damaged:
                continue
        self._device.prefetch(wanted)

    def scan(self) -> None:
        return None


def _checksum(short: bytes) -> int:
    value = 0
    for byte in short:
        value = (((value & 1) << 7) + (value >> 1) + byte) & 0xFF
    return value


def _name(raw: bytes, long: dict[int, bytes]) -> bytes:
    if long and set(long) == set(range(1, len(long) + 1)):
        units = b"".join(long[number] for number in sorted(long))
        text = units.decode("utf-16-le", "surrogatepass").split("\0")[0]
        return text.encode("utf-8", "surrogatepass")
    first = b"\xe5" if raw[0] == 0x05 else raw[:1]
    base = (first + raw[1:8]).decode("cp437").rstrip(" ")
    extension = raw[8:11].decode("cp437").rstrip(" ")
    base = base.lower() if raw[12] & 0x08 else base
    extension = extension.lower() if raw[12] & 0x10 else extension
    return (f"{base}.{extension}" if extension else base).encode()


def _time(date: int, time: int, tenths: int) -> int | None:
    try:
        moment = datetime(
            1980 + (date >> 9),
            date >> 5 & 15,
            date & 31,
            time >> 11,
            time >> 5 & 63,
            (time & 31) * 2,
            tzinfo=UTC,
        )
    except ValueError:
        return None
    return int(moment.timestamp()) * 1_000_000_000 + tenths * 10_000_000
