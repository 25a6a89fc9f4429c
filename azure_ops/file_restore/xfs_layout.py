"""XFS on the disk: superblock, inodes, the extents of a fork."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .damage import Damaged, NotReadable
from .devices import Device

_BIGTIME_EPOCH_NS = (1 << 31) * 1_000_000_000
_FTYPE, _META_UUID, _KNOWN = 0x1, 0x4, 0xFF
_REALTIME, IMMUTABLE, APPEND = 0x1, 0x8, 0x10
_BIGTIME, _NREXT64 = 0x8, 0x10
LOCAL, EXTENTS, BTREE = 1, 2, 3
Piece = tuple[int, int, int]
"""First block of the file, count, place in bytes on the device."""


@dataclass(frozen=True)
class Fork:
    format: int
    extents: int
    raw: bytes


@dataclass(frozen=True)
class Inode:
    number: int
    mode: int
    uid: int
    gid: int
    links: int
    size: int
    blocks: int
    flags: int
    accessed_ns: int
    modified_ns: int
    changed_ns: int
    created_ns: int | None
    data: Fork
    attributes: Fork | None


class Layout:
    def __init__(self, device: Device) -> None:
        self.device = device
        raw = device.read(0, 512)
        if raw[:4] != b"XFSB":
            raise Damaged("the superblock is gone")
        self.block_size, self.blocks = struct.unpack_from(">IQ", raw, 4)
        self.uuid = str(uuid.UUID(bytes=raw[32:48]))
        self.log_start, self.root = struct.unpack_from(">QQ", raw, 48)
        self.group_blocks, self.groups = struct.unpack_from(">II", raw, 84)
        self.log_blocks, version, self.sector, self.inode_size, self.inodes_per_block = struct.unpack_from(
            ">IHHHH", raw, 96
        )
        self.label = raw[108:120].split(b"\0")[0].decode("utf-8", "replace")
        block_log, _, _, self._inodes_log, self._group_log = raw[120:125]
        self.crc = version & 0xF == 5
        self.directory_size = self.block_size << raw[192]
        features2, _, _, _, incompatible = struct.unpack_from(">5I", raw, 200)
        self.meta_uuid = raw[248:264] if self.crc and incompatible & _META_UUID else raw[32:48]
        self.typed = bool(incompatible & _FTYPE) if self.crc else bool(features2 & 0x200)
        if version & 0xF not in (4, 5):
            raise NotReadable(f"XFS of version {version & 0xF} is not read")
        if self.crc and incompatible & ~_KNOWN:
            raise NotReadable(f"XFS with unknown features ({incompatible & ~_KNOWN:#x}) is not read")
        sane = (
            self.block_size == 1 << block_log
            and 512 <= self.block_size <= 65536
            and 256 <= self.inode_size <= 2048
            and self.directory_size <= 65536
            and self.group_blocks
            and self.groups
            and (self.groups - 1) * self.group_blocks < self.blocks
            and self.group_blocks <= 1 << self._group_log
            and self.inodes_per_block == self.block_size // self.inode_size == 1 << self._inodes_log
        )
        if not sane:
            raise Damaged("the superblock's measures make no sense")
        self.size = self.blocks * self.block_size

    def place(self, block: int) -> int:
        """A block number of the file system, group and block within it, as a place on the device."""
        group, within = block >> self._group_log, block & (1 << self._group_log) - 1
        if group >= self.groups or within >= self.group_blocks:
            raise Damaged("a block lies outside of the volume")
        return int((group * self.group_blocks + within) * self.block_size)

    def inode_place(self, number: int) -> int:
        block, index = number >> self._inodes_log, number & (1 << self._inodes_log) - 1
        return int(self.place(block) + index * self.inode_size)

    def prefetch_inodes(self, numbers: Iterable[int]) -> None:
        places = set()
        for number in numbers:
            try:
                places.add(self.inode_place(number) >> 18)
            except Damaged:
                continue
        end = self.device.size
        self.device.prefetch([(at << 18, min(1 << 18, end - (at << 18))) for at in sorted(places)])

    def inode(self, number: int) -> Inode:
        raw = self.device.read(self.inode_place(number), self.inode_size)
        magic, mode, version, form, old_links, uid, gid, links = struct.unpack_from(">HHBBHIII", raw)
        if magic != 0x494E:
            raise Damaged(f"inode {number} is damaged or not in use")
        size, blocks, _, extents, attribute_extents, offset, attribute_form = struct.unpack_from(
            ">QQIIHBb", raw, 56
        )
        flags = struct.unpack_from(">H", raw, 90)[0]
        flags2, start = 0, 100
        created = None
        if version >= 3:
            start = 176
            flags2 = struct.unpack_from(">Q", raw, 120)[0]
            if struct.unpack_from(">Q", raw, 152)[0] != number:
                raise Damaged(f"inode {number} says that it is another one")
            created = _time(raw, 144, flags2)
        if flags2 & _NREXT64:
            extents, attribute_extents = (
                struct.unpack_from(">Q", raw, 24)[0],
                struct.unpack_from(">I", raw, 76)[0],
            )
        end = start + 8 * offset if offset else len(raw)
        if end > len(raw):
            raise Damaged(f"inode {number} is damaged")
        if flags & _REALTIME and mode & 0xF000 == 0x8000:
            form = -1
        attributes = Fork(attribute_form, attribute_extents, raw[end:]) if offset else None
        return Inode(
            number, mode, uid, gid, old_links if version == 1 else links, size, blocks, flags,
            _time(raw, 32, flags2), _time(raw, 40, flags2), _time(raw, 48, flags2), created,
            Fork(form, extents, raw[start:end]), attributes,
        )  # fmt: skip

    def pieces(self, fork: Fork) -> Iterator[Piece]:
        """Written blocks in order; holes and unwritten extents are left out: they read as zeros."""
        end = 0
        for raw in self._records(fork):
            for at in range(0, len(raw) - 15, 16):
                high, low = struct.unpack_from(">QQ", raw, at)
                first = high >> 9 & (1 << 54) - 1
                block = (high & 0x1FF) << 43 | low >> 21
                count = low & 0x1FFFFF
                if first < end or not count:
                    raise Damaged("the extents of the file overlap")
                end = first + count
                if high >> 63:
                    continue
                place = self.place(block)
                self.place(block + count - 1)
                yield first, count, place

    def _records(self, fork: Fork) -> Iterator[bytes]:
        if fork.format == EXTENTS:
            if fork.extents * 16 > len(fork.raw):
                raise Damaged("the inode has more extents than room for them")
            yield fork.raw[: fork.extents * 16]
        elif fork.format == BTREE:
            level, count = struct.unpack_from(">HH", fork.raw)
            most = (len(fork.raw) - 4) // 16
            if not count <= most or not 0 < level < 10:
                raise Damaged("the root of the extent tree is damaged")
            start = 4 + 8 * most
            pointers = struct.unpack_from(f">{count}Q", fork.raw, start)
            yield from self._below(pointers, level - 1, set())
        elif fork.format == -1:
            raise NotReadable("on the realtime device of XFS, which is not read")
        elif fork.format != LOCAL:
            raise Damaged("the inode has a form that is not known")

    def _below(self, pointers: Iterable[int], level: int, seen: set[int]) -> Iterator[bytes]:
        places = [self.place(pointer) for pointer in pointers]
        self.device.prefetch([(place, self.block_size) for place in places])
        for place in places:
            if place in seen:
                raise Damaged("the extent tree goes in circles")
            seen.add(place)
            raw = self.device.read(place, self.block_size)
            magic, found, count = struct.unpack_from(">4sHH", raw)
            head = 72 if self.crc else 24
            most = (self.block_size - head) // 16
            if magic != (b"BMA3" if self.crc else b"BMAP") or found != level or count > most:
                raise Damaged("a block of the extent tree is damaged")
            if level == 0:
                yield raw[head : head + 16 * count]
            else:
                below = struct.unpack_from(f">{count}Q", raw, head + 8 * most)
                yield from self._below(below, level - 1, seen)


def _time(raw: bytes, at: int, flags2: int) -> int:
    if flags2 & _BIGTIME:
        return int(struct.unpack_from(">Q", raw, at)[0]) - _BIGTIME_EPOCH_NS
    seconds, nanoseconds = struct.unpack_from(">iI", raw, at)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)
