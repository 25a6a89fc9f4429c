"""ext2, ext3 and ext4 on the disk: superblock, group descriptors, inodes."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from .damage import Damaged, NotReadable
from .devices import Device

INCOMPAT_RECOVER = 0x4
INCOMPAT_FILETYPE = 0x2
_META_BG, _64BIT, _LARGEDIR = 0x10, 0x80, 0x4000
_REFUSED = {0x1: "compression", 0x8: "a journal device", 0x1000: "data in directories"}
_KNOWN = 0x2 | 0x4 | 0x10 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x2000 | 0x4000 | 0x8000 | 0x10000 | 0x20000
_SPARSE_SUPER, _SPARSE_SUPER2, _HAS_JOURNAL = 0x1, 0x200, 0x4
IMMUTABLE, APPEND, ENCRYPTED, EXTENTS, INLINE, VERITY, COMPRESSED = (
    0x10, 0x20, 0x800, 0x80000, 0x10000000, 0x100000, 0x4,
)  # fmt: skip
_INODE = struct.Struct("<HHIIIIIHHIII60sIIIIHHHHHH")
_EXTRA = struct.Struct("<HHIIIII")


@dataclass(frozen=True)
class Inode:
    number: int
    mode: int
    uid: int
    gid: int
    size: int
    links: int
    sectors: int
    flags: int
    block: bytes
    attributes: int
    """Block of extended attributes, or 0."""
    accessed_ns: int
    changed_ns: int
    modified_ns: int
    created_ns: int | None
    body: bytes
    """What follows the fixed fields in the inode: attributes kept there."""


class Layout:
    def __init__(self, device: Device) -> None:
        self.device = device
        raw = device.read(1024, 1024)
        if raw[56:58] != b"\x53\xef":
            raise Damaged("the superblock is gone")
        self.inode_count, blocks_low = struct.unpack_from("<II", raw, 0)
        self.first_block, log_size = struct.unpack_from("<II", raw, 0x14)
        self.blocks_per_group = struct.unpack_from("<I", raw, 0x20)[0]
        self.inodes_per_group = struct.unpack_from("<I", raw, 0x28)[0]
        revision = struct.unpack_from("<I", raw, 0x4C)[0]
        self.inode_size = struct.unpack_from("<H", raw, 0x58)[0] if revision else 128
        self.compatible, self.incompatible, self.read_only = struct.unpack_from("<III", raw, 0x5C)
        self.uuid = str(uuid.UUID(bytes=raw[0x68:0x78]))
        self.label = raw[0x78:0x88].split(b"\0")[0].decode("utf-8", "replace")
        self.journal = struct.unpack_from("<I", raw, 0xE0)[0] if self.compatible & _HAS_JOURNAL else 0
        self.state = struct.unpack_from("<H", raw, 0x3A)[0]
        self._check(log_size)
        self.block_size = 1024 << log_size
        wide = self.incompatible & _64BIT
        self.blocks = blocks_low | (struct.unpack_from("<I", raw, 0x150)[0] << 32 if wide else 0)
        self._width = (struct.unpack_from("<H", raw, 0xFE)[0] or 32) if wide else 32
        self._first_meta = struct.unpack_from("<I", raw, 0x104)[0]
        self._backups = struct.unpack_from("<II", raw, 0x24C)
        if not 32 <= self._width <= 1024 or not self.blocks_per_group or not self.inodes_per_group:
            raise Damaged("the superblock's measures make no sense")
        if not 128 <= self.inode_size <= self.block_size:
            raise Damaged("the superblock's size of an inode makes no sense")
        self._per_block = self.block_size // self._width
        self._tables: dict[int, int] = {}
        self.size = self.blocks * self.block_size

    def _check(self, log_size: int) -> None:
        if log_size > 6:
            raise Damaged("the superblock's block size makes no sense")
        for bit, name in _REFUSED.items():
            if self.incompatible & bit:
                raise NotReadable(f"ext4 with {name} is not read")
        if self.incompatible & ~_KNOWN:
            raise NotReadable(f"ext4 with unknown features ({self.incompatible & ~_KNOWN:#x}) is not read")

    def _has_superblock(self, group: int) -> bool:
        if self.compatible & _SPARSE_SUPER2:
            return group == 0 or group in self._backups
        if group <= 1 or not self.read_only & _SPARSE_SUPER:
            return True
        return any(_is_power(group, base) for base in (3, 5, 7))

    def _descriptor_block(self, number: int) -> int:
        # With 1 KiB blocks and clusters the first block is 0 but the superblock is block 1.
        extra = 1 if self.block_size == 1024 and self.first_block == 0 else 0
        if not self.incompatible & _META_BG or number < self._first_meta:
            return int(self.first_block + 1 + number + extra)
        group = number * self._per_block
        start = self.first_block + group * self.blocks_per_group
        return int(start + self._has_superblock(group) + (extra if group == 0 else 0))

    def inode_table(self, group: int) -> int:
        table = self._tables.get(group)
        if table is None:
            number = group // self._per_block
            raw = self.device.read(self._descriptor_block(number) * self.block_size, self.block_size)
            first = number * self._per_block
            for within in range(self._per_block):
                low = struct.unpack_from("<I", raw, within * self._width + 8)[0]
                high = (
                    struct.unpack_from("<I", raw, within * self._width + 0x28)[0] if self._width >= 64 else 0
                )
                self._tables[first + within] = low | high << 32
            table = self._tables[group]
        if not 0 < table < self.blocks:
            raise Damaged("the inode table lies outside of the volume")
        return table

    def inode_place(self, number: int) -> int:
        if not 0 < number <= self.inode_count:
            raise Damaged(f"there is no inode {number}")
        group, index = divmod(number - 1, self.inodes_per_group)
        return int(self.inode_table(group) * self.block_size + index * self.inode_size)

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
        (
            mode, uid, size, accessed, changed, modified, _, gid, links, sectors, flags, _, block,
            _, attributes, size_high, _, sectors_high, attributes_high, uid_high, gid_high, _, _,
        ) = _INODE.unpack_from(raw)  # fmt: skip
        extra = struct.unpack_from("<H", raw, 128)[0] if self.inode_size > 128 else 0
        if extra > self.inode_size - 128:
            raise Damaged("the inode's extra size makes no sense")
        created: int | None = None
        changed_x = modified_x = accessed_x = 0
        if extra >= 16:
            _, _, changed_x, modified_x, accessed_x, born, born_x = _EXTRA.unpack_from(raw, 128)
            created = _time(born, born_x) if extra >= 24 else None
        if mode & 0xF000 == 0x8000 or self.incompatible & _LARGEDIR:
            size |= size_high << 32
        return Inode(
            number, mode, uid | uid_high << 16, gid | gid_high << 16, size, links,
            sectors | sectors_high << 32, flags, block, attributes | attributes_high << 32,
            _time(accessed, accessed_x),
            _time(changed, changed_x), _time(modified, modified_x), created,
            raw[128 + extra :] if extra else b"",
        )  # fmt: skip


def _time(seconds: int, extra: int) -> int:
    """Nanoseconds since 1970: the low two bits of the extra field carry the epoch, the others nanoseconds."""
    signed = seconds - (1 << 32) if seconds & 0x80000000 else seconds
    return (signed + ((extra & 3) << 32)) * 1_000_000_000 + (extra >> 2)


def _is_power(number: int, base: int) -> bool:
    value = base
    while value < number:
        value *= base
    return value == number
