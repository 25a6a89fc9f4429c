"""Which blocks a file of ext4 has: extent trees, and the older maps of direct and indirect blocks."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from .damage import Damaged
from .ext4_layout import EXTENTS, Inode, Layout

_MAGIC = 0xF30A
_UNWRITTEN = 32768
Blocks = tuple[int, int, int]
"""First block of the file, count, first block of the volume."""


def mapped(layout: Layout, inode: Inode) -> Iterator[Blocks]:
    """Written blocks in order of the file; holes and unwritten extents are left out: they read as zeros."""
    if inode.flags & EXTENTS:
        return _checked(layout, _extents(layout, inode.block, 5, set()))
    return _checked(layout, _joined(_indirect(layout, inode)))


def _checked(layout: Layout, found: Iterator[Blocks]) -> Iterator[Blocks]:
    end = 0
    for first, count, place in found:
        if first < end:
            raise Damaged("the extents of the file overlap")
        if place <= 0 or place + count > layout.blocks:
            raise Damaged("the file has blocks outside of the volume")
        end = first + count
        yield first, count, place


def _extents(layout: Layout, node: bytes, most: int, seen: set[int]) -> Iterator[Blocks]:
    magic, entries, _, depth = struct.unpack_from("<HHHH", node)
    if magic != _MAGIC or depth > most or 12 + 12 * entries > len(node):
        raise Damaged("the extent tree of the file is damaged")
    children = []
    for number in range(entries):
        at = 12 + 12 * number
        if depth == 0:
            first, count, high, low = struct.unpack_from("<IHHI", node, at)
            if count > _UNWRITTEN:
                continue
            yield first, count, low | high << 32
        else:
            low, high = struct.unpack_from("<IH", node, at + 4)
            children.append(low | high << 32)
    if depth:
        size = layout.block_size
        layout.device.prefetch([(block * size, size) for block in children if 0 < block < layout.blocks])
        for block in children:
            if block in seen or not 0 < block < layout.blocks:
                raise Damaged("the extent tree of the file goes in circles")
            seen.add(block)
            yield from _extents(layout, layout.device.read(block * size, size), depth - 1, seen)


def _indirect(layout: Layout, inode: Inode) -> Iterator[Blocks]:
    pointers = struct.unpack("<15I", inode.block)
    per_block = layout.block_size // 4
    total = -(-inode.size // layout.block_size)
    for number, place in enumerate(pointers[:12]):
        if place and number < total:
            yield number, 1, place
    first = 12
    for level, place in enumerate(pointers[12:], 1):
        if place and first < total:
            yield from _below(layout, place, level, first, total, set())
        first += per_block**level


def _below(
    layout: Layout, place: int, level: int, first: int, total: int, above: set[int]
) -> Iterator[Blocks]:
    if place in above or place >= layout.blocks:
        raise Damaged("the block map of the file goes in circles or outside of the volume")
    raw = layout.device.read(place * layout.block_size, layout.block_size)
    pointers = struct.unpack(f"<{len(raw) // 4}I", raw)
    span = len(pointers) ** (level - 1)
    for number, pointer in enumerate(pointers):
        at = first + number * span
        if not pointer or at >= total:
            continue
        if level == 1:
            yield at, 1, pointer
        else:
            yield from _below(layout, pointer, level - 1, at, total, above | {place})


def _joined(blocks: Iterator[Blocks]) -> Iterator[Blocks]:
    held: Blocks | None = None
    for first, count, place in blocks:
        if held and held[0] + held[1] == first and held[2] + held[1] == place:
            held = held[0], held[1] + count, held[2]
            continue
        if held:
            yield held
        held = first, count, place
    if held:
        yield held
