"""Zip without compression, as Info-ZIP and Python read it: sizes beyond 4 GiB, modes, links, owners
and times to the second.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import time
import zipfile
from collections.abc import Iterator

from .member import Layout, Member, Segment

_LOCAL, _CENTRAL = struct.Struct("<IHHHHHIIIHH"), struct.Struct("<IHHHHHHIIIHHHHHII")
_CRC_AT = 14
_END, _END64, _LOCATOR = struct.Struct("<IHHHHIIH"), struct.Struct("<IQHHIIQQQQ"), struct.Struct("<IIQI")
_BIG, _MANY = 0xFFFFFFFF, 0xFFFF
_UTF8 = 0x800
_UNIX = 3 << 8
_DOS_DIRECTORY = 0x10
_TYPES = {"file": stat.S_IFREG, "directory": stat.S_IFDIR, "symlink": stat.S_IFLNK, "hard link": stat.S_IFREG}
_FIRST_YEAR = 1980
_READ = 1 << 20
LONGEST_NAME = 0xF000


class Zip:
    ending = ".zip"
    links_are_copies = True
    with_crc = True

    def __init__(self) -> None:
        self._central: list[bytes] = []

    def layout(self, member: Member) -> Layout:
        header, size = len(self.header(member, 0)), _size(member)
        segments = (Segment(0, size, 0),) if size else ()
        return Layout(header, b"", segments, header + size)

    def header(self, member: Member, crc: int) -> bytes:
        size, name = _size(member), _name(member)
        extra = _times(member, central=False) + _owner(member)
        if size >= _BIG:
            extra = struct.pack("<HHQQ", 1, 16, size, size) + extra
        shown = min(size, _BIG)
        date, clock = _dos_time(member)
        fixed = _LOCAL.pack(
            0x04034B50, 45 if size >= _BIG else 20, _flags(name), 0, clock, date, crc, shown, shown,
            len(name), len(extra),
        )  # fmt: skip
        return fixed + name + extra + (member.target if member.kind == "symlink" else b"")

    def crc_of(self, header: bytes) -> int:
        return int(struct.unpack_from("<I", header, _CRC_AT)[0])

    def written(self, member: Member, at: int, crc: int) -> None:
        size, name = _size(member), _name(member)
        big = b""
        if size >= _BIG:
            big += struct.pack("<QQ", size, size)
        if at >= _BIG:
            big += struct.pack("<Q", at)
        extra = _times(member, central=True) + _owner(member)
        if big:
            extra = struct.pack("<HH", 1, len(big)) + big + extra
        date, clock = _dos_time(member)
        outside = (_TYPES[member.kind] | member.mode) << 16 | (_DOS_DIRECTORY * (member.kind == "directory"))
        fixed = _CENTRAL.pack(
            0x02014B50, _UNIX | 45, 45 if big else 20, _flags(name), 0, clock, date, crc, min(size, _BIG),
            min(size, _BIG), len(name), len(extra), 0, 0, 0, outside, min(at, _BIG),
        )  # fmt: skip
        self._central.append(fixed + name + extra)

    def end(self, at: int) -> Iterator[bytes]:
        count, length = len(self._central), 0
        for one in self._central:
            length += len(one)
            yield one
        if count >= _MANY or length >= _BIG or at >= _BIG:
            yield _END64.pack(0x06064B50, 44, _UNIX | 45, 45, 0, 0, count, count, length, at)
            yield _LOCATOR.pack(0x07064B50, 0, at + length, 1)
        shown = min(count, _MANY)
        yield _END.pack(0x06054B50, 0, 0, shown, shown, min(length, _BIG), min(at, _BIG), 0)

    def not_carried(self, member: Member) -> Iterator[str]:
        for name, _ in member.item.xattrs:
            yield f"attribute {name}"
        if member.kind == "hard link":
            yield "hard link (it has its own copy)"
        if not _fits(member.item.entry.modified_ns):
            yield "times"
        if b"\\" in member.name:
            yield "its name (a backslash became %5C)"
        elif not _flags(_name(member)):
            yield "its name in every reader (it is not UTF-8)"

    def notes(self) -> Iterator[str]:
        yield "in a zip file times are to the second, and holes are zeros"

    def digests(self, path: int) -> Iterator[tuple[int, str]]:
        with open(os.dup(path), "rb") as file, zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                if info.is_dir() or stat.S_ISLNK(info.external_attr >> 16):
                    continue
                digest = hashlib.sha256()
                with archive.open(info) as content:
                    while data := content.read(_READ):
                        digest.update(data)
                yield info.header_offset, digest.hexdigest()


def _size(member: Member) -> int:
    if member.kind == "symlink":
        return len(member.target)
    return 0 if member.kind == "directory" else member.item.entry.size


def _name(member: Member) -> bytes:
    # Readers take a backslash for a slash: what stands before it would be a folder, or lead out of one.
    name = member.name.replace(b"\\", b"%5C")
    return name + b"/" if member.kind == "directory" else name


def _flags(name: bytes) -> int:
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return 0
    return _UTF8


def _fits(ns: int) -> bool:
    return -(1 << 31) <= ns // 10**9 < 1 << 31


def _times(member: Member, *, central: bool) -> bytes:
    entry = member.item.entry
    if not _fits(entry.modified_ns):
        return b""
    modified = entry.modified_ns // 10**9
    if central or not _fits(entry.accessed_ns):
        return struct.pack("<HHBi", 0x5455, 5, 1, modified)
    return struct.pack("<HHBii", 0x5455, 9, 3, modified, entry.accessed_ns // 10**9)


def _owner(member: Member) -> bytes:
    entry = member.item.entry
    if entry.uid is None or entry.gid is None:
        return b""
    return struct.pack("<HHBBIBI", 0x7875, 11, 1, 4, entry.uid, 4, entry.gid)


def _dos_time(member: Member) -> tuple[int, int]:
    """In UTC: the same on every machine, and readers that know the exact time do not look at it."""
    ns = member.item.entry.modified_ns
    first, last = 315_532_800, 4_354_819_199
    at = time.gmtime(min(max(ns // 10**9, first), last))
    return (at.tm_year - _FIRST_YEAR) << 9 | at.tm_mon << 5 | at.tm_mday, (
        at.tm_hour << 11 | at.tm_min << 5 | at.tm_sec // 2
    )
