"""Directories of NTFS, and what reparse points mean."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from .damage import Damaged
from .file_system import Name, check_name
from .ntfs_records import BITMAP, INDEX, INDEX_ROOT, NUMBER, Record, Volume, fixed_up

FIRST_OF_USERS = 16
"""Records before hold NTFS's own files."""
_DOS_ONLY = 2
_DIRECTORY = 0x10000000
_REPARSE_FLAG = 0x400
_SYMLINK, _MOUNT_POINT, _LINUX_SYMLINK = 0xA000000C, 0xA0000003, 0xA000001D
_REFUSED = {
    0x80000017: "compressed by Windows (WOF, CompactOS), which is not decoded",
    0x80000013: "deduplicated by Windows, which is not decoded",
    0x8000001B: "a link to a Store application",
    0x80000023: "a socket of Linux on Windows",
    0x80000024: "a pipe of Linux on Windows",
    0x80000025: "a device of Linux on Windows",
    0x80000026: "a device of Linux on Windows",
}
_INTERIX = b"IntxLNK\x01"


def names(volume: Volume, directory: Record) -> Iterator[Name]:
    roots = volume.parts(directory, INDEX_ROOT, "$I30")
    if not roots or roots[0].value is None:
        raise Damaged("the directory has no index")
    yield from _node(roots[0].value, 16)
    blocks = volume.parts(directory, INDEX, "$I30")
    if not blocks:
        return
    used = volume.parts(directory, BITMAP, "$I30")
    bitmap = volume.read(used, 0, min(used[0].size, 1 << 20)) if used else b""
    size = volume.index_size
    volume.device.prefetch(
        [
            (place * volume.cluster, count * volume.cluster)
            for _, count, place in volume.runs(blocks)
            if place is not None
        ]
    )
    damage = 0
    for number in range(min(blocks[0].size // size, 8 * len(bitmap))):
        if not bitmap[number >> 3] >> (number & 7) & 1:
            continue
        raw = volume.read(blocks, number * size, size)
        try:
            if raw[:4] != b"INDX":
                raise Damaged("a block of the directory is damaged")
            yield from _node(fixed_up(raw), 24)
        except (Damaged, struct.error):
            damage += 1
    if damage:
        raise Damaged(f"{damage} blocks of the directory are damaged; entries are missing")


def _node(raw: bytes, header: int) -> Iterator[Name]:
    start, total = struct.unpack_from("<II", raw, header)
    at, end = header + start, min(header + total, len(raw))
    while at + 16 <= end:
        reference, length, key, flags = struct.unpack_from("<QHHH", raw, at)
        if flags & 2:
            return
        if length < 16 or at + length > end or key + 16 > length:
            raise Damaged("a block of the directory is damaged")
        if reference & NUMBER >= FIRST_OF_USERS:
            found = file_name(raw[at + 16 : at + 16 + key], reference)
            if found:
                yield found
        at += length


def file_name(value: bytes, reference: int) -> Name | None:
    """The name of a $FILE_NAME; None where it is only the short one for DOS."""
    if len(value) < 66:
        raise Damaged("a name is damaged")
    flags = struct.unpack_from("<I", value, 56)[0]
    length, space = value[64:66]
    if space == _DOS_ONLY:
        return None
    raw = value[66 : 66 + 2 * length]
    if len(raw) < 2 * length:
        raise Damaged("a name is damaged")
    name = raw.decode("utf-16-le", "surrogatepass").encode("utf-8", "surrogatepass")
    check_name(name)
    if flags & _REPARSE_FLAG:
        return Name(name, reference, "unknown")
    return Name(name, reference, "directory" if flags & _DIRECTORY else "file")


def reparse(value: bytes) -> tuple[bytes | None, str]:
    """Target where it is a link, else why it is refused."""
    tag, length = struct.unpack_from("<IH", value)
    data = value[8 : 8 + length]
    if tag in (_SYMLINK, _MOUNT_POINT):
        substitute_at, substitute, shown_at, shown = struct.unpack_from("<HHHH", data)
        start = 12 if tag == _SYMLINK else 8
        raw = data[start + shown_at : start + shown_at + shown]
        if not raw:
            raw = data[start + substitute_at : start + substitute_at + substitute]
        return raw.decode("utf-16-le", "surrogatepass").encode("utf-8", "surrogatepass"), ""
    if tag == _LINUX_SYMLINK:
        return data[4:], ""
    if tag & 0xFFFF0FFF == 0x9000001A:
        return None, "kept in the cloud (OneDrive or Azure Files); its bytes are not on this disk"
    return None, _REFUSED.get(tag, f"a reparse point of a kind that is not known ({tag:#010x})")


def interix_target(data: bytes) -> bytes | None:
    """Links as ntfs-3g and Services for Unix write them."""
    if not data.startswith(_INTERIX):
        return None
    return data[len(_INTERIX) :].decode("utf-16-le", "surrogatepass").encode("utf-8", "surrogatepass")
