"""Directories of XFS: short ones in the inode, and blocks of entries; the hash index is not needed."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from .damage import Damaged
from .entries import Kind
from .file_system import Name, check_name
from .xfs_layout import LOCAL, Inode, Layout

_KINDS: dict[int, Kind] = {
    1: "file", 2: "directory", 3: "character device", 4: "block device", 5: "fifo", 6: "socket", 7: "symlink",
}  # fmt: skip
_LEAVES = 1 << 35
"""Where the index of a directory begins; entries lie before."""


def names(layout: Layout, inode: Inode) -> Iterator[Name]:
    if inode.data.format == LOCAL:
        yield from _short(layout, inode.data.raw)
        return
    damage = 0
    for raw in _blocks(layout, inode):
        try:
            yield from _in_block(layout, raw)
        except (Damaged, struct.error):
            damage += 1
    if damage:
        raise Damaged(f"{damage} blocks of the directory are damaged; entries are missing")


def entry_pieces(layout: Layout, inode: Inode) -> list[tuple[int, int, int]]:
    """(offset in the directory, length, place) of the blocks that hold entries."""
    size = layout.block_size
    return [
        (first * size, count * size, place)
        for first, count, place in layout.pieces(inode.data)
        if first * size < _LEAVES
    ]


def _blocks(layout: Layout, inode: Inode) -> Iterator[bytes]:
    pieces = entry_pieces(layout, inode)
    layout.device.prefetch([(place, length) for _, length, place in pieces])
    held = b""
    size = layout.directory_size
    for _, length, place in pieces:
        for start in range(0, length, 65536):
            held += layout.device.read(place + start, min(65536, length - start))
            while len(held) >= size:
                yield held[:size]
                held = held[size:]


def _short(layout: Layout, raw: bytes) -> Iterator[Name]:
    count, wide = raw[0], raw[1]
    width, form = (8, ">Q") if wide else (4, ">I")
    at = 2 + width
    for _ in range(count or wide):
        if at + 3 > len(raw):
            raise Damaged("the directory is damaged")
        length = raw[at]
        name = raw[at + 3 : at + 3 + length]
        at += 3 + length
        kind: Kind = "unknown"
        if layout.typed:
            kind = _KINDS.get(raw[at], "unknown")
            at += 1
        number = struct.unpack_from(form, raw, at)[0]
        at += width
        check_name(name)
        yield Name(name, number, kind)


def _in_block(layout: Layout, raw: bytes) -> Iterator[Name]:
    magic = raw[:4]
    if magic not in ((b"XDB3", b"XDD3") if layout.crc else (b"XD2B", b"XD2D")):
        raise Damaged("a block of the directory is damaged")
    at, end = 64 if layout.crc else 16, len(raw)
    if magic in (b"XDB3", b"XD2B"):
        end -= 8 + 8 * struct.unpack_from(">I", raw, len(raw) - 8)[0]
    while at + 8 <= end:
        tag, length = struct.unpack_from(">HH", raw, at)
        if tag == 0xFFFF:
            if length < 8:
                raise Damaged("a block of the directory is damaged")
            at += length
            continue
        number, name_length = struct.unpack_from(">QB", raw, at)
        name = raw[at + 9 : at + 9 + name_length]
        kind: Kind = _KINDS.get(raw[at + 9 + name_length], "unknown") if layout.typed else "unknown"
        if len(name) != name_length or at + 9 + name_length > end:
            raise Damaged("a block of the directory is damaged")
        if name not in (b".", b".."):
            check_name(name)
            yield Name(name, number, kind)
        at += 8 + 1 + name_length + layout.typed + 2 + 7 & ~7
