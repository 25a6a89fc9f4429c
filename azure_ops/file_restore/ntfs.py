"""NTFS of Windows 2000 and later. $LogFile is not replayed; a volume that was in use is said to be so."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from . import ntfs_names
from .damage import Damaged, NotReadable
from .devices import Device, shifted
from .entries import BYTES, ZEROS, Entry, FileSystemInfo, Kind, Run
from .file_system import LONGEST_TARGET, Content, Name
from .lznt1 import decompress
from .ntfs_records import (
    COMPRESSED,
    DATA,
    ENCRYPTED,
    NUMBER,
    REPARSE,
    STANDARD,
    VOLUME,
    VOLUME_NAME,
    Attribute,
    Record,
    Volume,
    file_names,
)  # fmt: skip

_ROOT = 5
_VOLUME, _LOG = 3, 2
_EPOCH_NS = 11644473600 * 1_000_000_000
_FLAGS = {0x1: "read-only", 0x2: "hidden", 0x4: "system", 0x800: "compressed", 0x4000: "encrypted"}
_SYSTEM, _REPARSE_FLAG = 0x4, 0x400
_DIRTY, _CLEAN_LOG, _NO_CLIENT = 0x1, 0x2, 0xFFFF
_SCAN = 1 << 20
_LARGEST_STREAM = 64 * 1024


class Ntfs:
    def __init__(self, device: Device) -> None:
        self._volume = volume = Volume(device)
        root = volume.record(_ROOT)
        about = volume.record(_VOLUME)
        label = b"".join(part.value or b"" for part in volume.parts(about, VOLUME_NAME))
        self.info = FileSystemInfo(
            "NTFS", label.decode("utf-16-le", "replace"), f"{volume.serial:016x}", volume.size,
            volume.cluster, root.sequence << 48 | _ROOT, case_sensitive=False, has_owners=False,
            banners=tuple(_banners(volume, about)),
        )  # fmt: skip

    def _record(self, identity: int) -> Record:
        record = self._volume.record(identity & NUMBER)
        if not record.in_use or record.base or record.sequence != identity >> 48:
            raise Damaged("the file was deleted; only its name is left")
        return record

    def names(self, directory: int) -> Iterator[Name]:
        record = self._record(directory)
        if not record.is_directory:
            raise Damaged("not a directory")
        return ntfs_names.names(self._volume, record)

    def entry(self, identity: int, name: bytes = b"") -> Entry:
        record = self._record(identity)
        volume = self._volume
        standard = _value(volume.parts(record, STANDARD))
        created, modified, changed, accessed, flags = struct.unpack_from("<QQQQI", standard)
        data = volume.parts(record, DATA)
        size = data[0].size if data else 0
        kind: Kind = "directory" if record.is_directory else "file"
        target, refused = b"", ""
        points = volume.parts(record, REPARSE)
        if points and flags & _REPARSE_FLAG:
            found, refused = ntfs_names.reparse(volume.read(points, 0, min(points[0].size, 1 << 14)))
            if found is not None:
                kind, target, size = "symlink", found, len(found)
            elif record.is_directory:
                refused = ""
        elif flags & _SYSTEM and data and data[0].value:
            found = ntfs_names.interix_target(data[0].value)
            if found is not None and len(found) <= LONGEST_TARGET:
                kind, target, size = "symlink", found, len(found)
        if kind == "file" and data and data[0].flags & ENCRYPTED:
            refused = "encrypted by Windows (EFS)"
        notes = [text for bit, text in _FLAGS.items() if flags & bit]
        streams = [part.name for part in self._streams(record)]
        if streams:
            notes.append(f"{len(streams)} alternate stream{'s' if len(streams) > 1 else ''}")
        return Entry(
            name, identity, kind, 0 if kind == "directory" else size, 0, None, None, _time(modified),
            _time(accessed), _time(changed), _time(created), record.links, target, self._allocated(data),
            tuple(notes), refused,
        )  # fmt: skip

    def _allocated(self, data: list[Attribute]) -> int:
        if not data or data[0].value is not None:
            return 0
        runs = self._volume.runs(data)
        return int(sum(count for _, count, place in runs if place is not None) * self._volume.cluster)

    def _streams(self, record: Record) -> list[Attribute]:
        records = [record, *self._volume.extensions(record)]
        return [
            part
            for one in records
            for part in one.attributes
            if part.type == DATA and part.name and not part.first
        ]

    def _data(self, identity: int) -> list[Attribute]:
        refused = self.entry(identity).refused
        if refused:
            raise NotReadable(refused)
        record = self._record(identity)
        if record.is_directory:
            raise Damaged("a directory")
        return self._volume.parts(record, DATA)

    def content(self, identity: int) -> Content:
        data = self._data(identity)
        if not data:
            return Content(())
        if data[0].value is not None:
            return Content((Run(0, data[0].size, BYTES, 0, data[0].value),) if data[0].size else ())
        if data[0].flags & COMPRESSED:
            return Content((), through_reader=True)
        found: list[Run] = []
        cluster = self._volume.cluster
        end = min(data[0].valid, data[0].size)
        for first, count, place in self._volume.runs(data):
            length = min(count * cluster, end - first * cluster)
            if place is None or length <= 0:
                continue
            runs = shifted(self._volume.device.runs(place * cluster, length), first * cluster)
            found += [run for run in runs if run.disk != ZEROS]
        return Content(tuple(found))

    def read(self, identity: int, offset: int, length: int) -> bytes:
        data = self._data(identity)
        if not data:
            return b""
        length = max(0, min(length, data[0].size - offset))
        if data[0].value is None and data[0].flags & COMPRESSED:
            return self._decompressed(data, offset, length)
        return self._volume.read(data, offset, length)

    def _decompressed(self, data: list[Attribute], offset: int, length: int) -> bytes:
        volume = self._volume
        clusters = 1 << data[0].unit
        unit = clusters * volume.cluster
        if not 0 < data[0].unit <= 8 or unit > 1 << 24:
            raise NotReadable("compressed in units that are not known")
        places: dict[int, int] = {}
        for first, count, place in volume.runs(data):
            if place is not None:
                low, high = max(first, offset // volume.cluster - clusters), first + count
                high = min(high, (offset + length) // volume.cluster + clusters + 1)
                places |= {number: place + number - first for number in range(low, high)}
        found = bytearray()
        start = offset // unit
        for number in range(start, (offset + length + unit - 1) // unit):
            parts = [places[at] for at in range(number * clusters, (number + 1) * clusters) if at in places]
            raw = b"".join(volume.device.read(place * volume.cluster, volume.cluster) for place in parts)
            if len(parts) < clusters and raw:
                raw = decompress(raw, unit)
            found += raw.ljust(unit, b"\0")
        whole = found[offset - start * unit : offset - start * unit + length]
        if data[0].valid < offset + length:
            keep = max(0, data[0].valid - offset)
            whole[keep:] = bytes(len(whole) - keep)
        return bytes(whole)

    def xattrs(self, identity: int) -> tuple[tuple[str, bytes], ...]:
        """Alternate streams, named as other systems name them; large ones are left out and noted."""
        return tuple(
            (f"user.{part.name}", self._volume.read([part], 0, part.size))
            for part in self._streams(self._record(identity))
            if part.size <= _LARGEST_STREAM and not part.flags & (COMPRESSED | ENCRYPTED)
        )

    def prefetch_entries(self, identities: Iterable[int]) -> None:
        places = set()
        for identity in identities:
            try:
                places.add(self._volume.record_place(identity & NUMBER) >> 18)
            except Damaged:
                continue
        end = self._volume.device.size
        self._volume.device.prefetch([(at << 18, min(1 << 18, end - (at << 18))) for at in sorted(places)])

    def prefetch_names(self, directories: Iterable[int]) -> None:
        wanted = []
        for identity in directories:
            try:
                blocks = self._volume.parts(self._record(identity), 0xA0, "$I30")
                wanted += [
                    (place * self._volume.cluster, count * self._volume.cluster)
                    for _, count, place in self._volume.runs(blocks)
                    if place is not None
                ]
            except Damaged:
                continue
        self._volume.device.prefetch(wanted)

    def scan(self) -> Iterator[tuple[Name, int]]:
        volume = self._volume
        pieces = [
            (offset + start, min(_SCAN, length - start), place + start)
            for offset, length, place in volume.table_pieces()
            for start in range(0, length, _SCAN)
        ]
        for number, (offset, length, place) in enumerate(pieces):
            if number % 8 == 0:
                volume.device.prefetch([(place, length) for _, length, place in pieces[number : number + 16]])
            raw = volume.device.read(place, length)
            for at in range(0, len(raw) - volume.record_size + 1, volume.record_size):
                index = (offset + at) // volume.record_size
                if index >= ntfs_names.FIRST_OF_USERS and raw[at : at + 4] == b"FILE":
                    yield from self._scanned(index, raw[at : at + volume.record_size])

    def _scanned(self, number: int, raw: bytes) -> Iterator[tuple[Name, int]]:
        try:
            for base, value in file_names(number, raw):
                name = ntfs_names.file_name(value, base)
                if name is not None:
                    yield name, int.from_bytes(value[:8], "little")
        except (Damaged, struct.error):
            return


def _value(parts: list[Attribute]) -> bytes:
    if not parts or parts[0].value is None or len(parts[0].value) < 36:
        raise Damaged("the file's record lacks its times")
    return parts[0].value


def _time(value: int) -> int:
    return value * 100 - _EPOCH_NS


def _banners(volume: Volume, about: Record) -> Iterator[str]:
    information = volume.parts(about, VOLUME)
    value = (information[0].value if information else None) or b""
    if len(value) >= 12 and struct.unpack_from("<H", value, 10)[0] & _DIRTY:
        yield "Windows had marked this volume for a check (dirty) when the point was made."
    try:
        clean = _log_is_closed(volume)
    except (Damaged, struct.error):
        yield "The volume's log ($LogFile) cannot be read: the last changes may be missing."
        return
    if not clean:
        yield (
            "The volume was in use and its log ($LogFile) is not replayed: changes of the last moments "
            "before this point may be missing or torn."
        )


def _log_is_closed(volume: Volume) -> bool:
    log = volume.parts(volume.record(_LOG), DATA)
    raw = volume.read(log, 0, 4096)
    if raw[:4] == b"\xff\xff\xff\xff" or not any(raw):
        return True
    if raw[:4] not in (b"RSTR", b"CHKD"):
        raise Damaged("its first page is damaged")
    area = struct.unpack_from("<H", raw, 24)[0]
    _, _, _, in_use, flags = struct.unpack_from("<QHHHH", raw, area)
    return bool(in_use == _NO_CLIENT or flags & _CLEAN_LOG)
