"""Tar as POSIX.1-2001 has it (pax): times to the nanosecond, names of any bytes, extended attributes as GNU
tar and libarchive write them, holes as the sparse format 1.0 of GNU tar.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterator

from .member import CAPABILITY, Layout, Member, Segment, data_of

_BLOCK = 512
_TYPES = {
    "file": tarfile.REGTYPE, "directory": tarfile.DIRTYPE, "symlink": tarfile.SYMTYPE,
    "hard link": tarfile.LNKTYPE,
}  # fmt: skip
_READ = 1 << 20
_HASHED_AT_MOST = 64 << 30


class Tar:
    ending = ".tar"
    links_are_copies = False
    with_crc = False

    def __init__(self, special_modes: bool = False) -> None:
        self._special_modes = special_modes

    def layout(self, member: Member) -> Layout:
        header = len(self.header(member, 0))
        if member.kind != "file":
            return Layout(header, b"", (), header)
        sparse, prefix = _sparse(member), b""
        data = data_of(member.item)
        if sparse:
            prefix = _map(data, member.item.entry.size)
        segments, at = [], 0
        for offset, length in data:
            segments.append(Segment(offset, length, at))
            at += length
        return Layout(header, prefix, tuple(segments), header + len(prefix) + _padded(at))

    def header(self, member: Member, crc: int) -> bytes:
        entry = member.item.entry
        info = tarfile.TarInfo(os.fsdecode(member.name))
        info.type = _TYPES[member.kind]
        info.mode = member.mode
        info.uid, info.gid = entry.uid or 0, entry.gid or 0
        info.mtime = max(0, entry.modified_ns // 10**9)
        info.linkname = _text(member.target)
        records = {"mtime": _time(entry.modified_ns), "atime": _time(entry.accessed_ns)}
        if member.kind != "hard link":
            for name, value in member.item.xattrs:
                if name != CAPABILITY or self._special_modes:
                    records[f"SCHILY.xattr.{name}"] = _text(value)
        if member.kind == "file":
            info.size = entry.size
            if _sparse(member):
                data = data_of(member.item)
                info.size = len(_map(data, entry.size)) + sum(length for _, length in data)
                records |= {
                    "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": info.name,
                    "GNU.sparse.realsize": str(entry.size),
                }  # fmt: skip
                above, _, last = info.name.rpartition("/")
                info.name = f"{above or '.'}/GNUSparseFile.0/{last}"
        info.pax_headers = records
        return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")

    def crc_of(self, header: bytes) -> int:
        return 0

    def written(self, member: Member, at: int, crc: int) -> None:
        return

    def end(self, at: int) -> Iterator[bytes]:
        yield bytes(2 * _BLOCK)
        yield bytes(-(at + 2 * _BLOCK) % tarfile.RECORDSIZE)

    def not_carried(self, member: Member) -> Iterator[str]:
        if any(name == CAPABILITY for name, _ in member.item.xattrs) and not self._special_modes:
            yield "capabilities"

    def notes(self) -> Iterator[str]:
        return iter(())

    def digests(self, path: int) -> Iterator[tuple[int, str]]:
        with (
            open(os.dup(path), "rb") as file,
            tarfile.open(fileobj=file, mode="r:", encoding="utf-8", errors="surrogateescape") as archive,
        ):
            while (info := archive.next()) is not None:
                # The list of all members is of no use here, and long.
                vars(archive)["members"] = []
                if not info.isreg() or info.size > _HASHED_AT_MOST:
                    continue
                digest = hashlib.sha256()
                content = archive.extractfile(info)
                while content is not None and (data := content.read(_READ)):
                    digest.update(data)
                yield info.offset, digest.hexdigest()


def _sparse(member: Member) -> bool:
    if member.kind != "file":
        return False
    return sum(length for _, length in data_of(member.item)) < member.item.entry.size


def _map(data: list[tuple[int, int]], size: int) -> bytes:
    ranges = data if data and sum(data[-1]) == size else [*data, (size, 0)]
    lines = [len(ranges), *(number for one in ranges for number in one)]
    text = "".join(f"{number}\n" for number in lines).encode()
    return text.ljust(_padded(len(text)), b"\0")


def _padded(length: int) -> int:
    return -(-length // _BLOCK) * _BLOCK


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _time(ns: int) -> str:
    sign, ns = ("-", -ns) if ns < 0 else ("", ns)
    return f"{sign}{ns // 10**9}.{ns % 10**9:09}"
