"""ext2, ext3 and ext4, read as the Linux kernel does after it has replayed the journal."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from functools import lru_cache

from . import ext4_blocks, ext4_xattrs
from .damage import Damaged, NotReadable
from .devices import Device, OverlaidDevice
from .entries import BYTES, KIND_OF_TYPE, Entry, FileSystemInfo, Kind, Run
from .ext4_layout import (
    APPEND,
    COMPRESSED,
    ENCRYPTED,
    EXTENTS,
    IMMUTABLE,
    INCOMPAT_FILETYPE,
    INCOMPAT_RECOVER,
    INLINE,
    VERITY,
    Inode,
    Layout,
)  # fmt: skip
from .file_system import LONGEST_TARGET, Content, Name, check_name, on_disks, read_runs
from .jbd2 import Journal

ROOT = 2
_KINDS: dict[int, Kind] = {
    1: "file", 2: "directory", 3: "character device", 4: "block device", 5: "fifo", 6: "socket", 7: "symlink",
}  # fmt: skip
_CHUNK = 1 << 18


class Ext4:
    def __init__(self, device: Device) -> None:
        layout = Layout(device)
        banners: list[str] = []
        if layout.incompatible & INCOMPAT_RECOVER:
            layout = _replayed(layout, banners)
        if layout.state & 2:
            banners.append("The kernel had found errors in this file system before the point was made.")
        self._layout = layout
        self._inode = lru_cache(20_000)(layout.inode)
        self.info = FileSystemInfo(
            _version(layout),
            layout.label,
            layout.uuid,
            layout.size,
            layout.block_size,
            ROOT,
            banners=tuple(banners),
        )

    def names(self, directory: int) -> Iterator[Name]:
        inode = self._inode(directory)
        if inode.mode & 0xF000 != 0x4000:
            raise Damaged("not a directory")
        if inode.flags & ENCRYPTED:
            raise NotReadable("the directory is encrypted (fscrypt)")
        if inode.flags & INLINE:
            data = self._inline(inode)
            yield from self._in_block(data[4:60])
            yield from self._in_block(data[60:])
            return
        layout = self._layout
        size = layout.block_size
        pieces = list(self._pieces(inode))
        layout.device.prefetch([(place, length) for _, length, place in pieces])
        damage = 0
        for _, length, place in pieces:
            for start in range(0, length, _CHUNK):
                chunk = layout.device.read(place + start, min(_CHUNK, length - start))
                for at in range(0, len(chunk), size):
                    try:
                        yield from self._in_block(chunk[at : at + size])
                    except Damaged:
                        damage += 1
        if damage:
            raise Damaged(f"{damage} blocks of the directory are damaged; entries are missing")

    def _in_block(self, raw: bytes) -> Iterator[Name]:
        typed = self._layout.incompatible & INCOMPAT_FILETYPE
        at = 0
        while at + 8 <= len(raw):
            number, length, name_length, kind = struct.unpack_from("<IHBB", raw, at)
            if length in (0, 65535) and len(raw) == 65536:
                length = 65536
            if length < 8 or length % 4 or at + length > len(raw) or 8 + name_length > length:
                raise Damaged("a block of the directory is damaged")
            name = raw[at + 8 : at + 8 + name_length]
            if number and name not in (b".", b".."):
                check_name(name)
                yield Name(name, number, _KINDS.get(kind & 7, "unknown") if typed else "unknown")
            at += length

    def entry(self, identity: int, name: bytes = b"") -> Entry:
        inode = self._inode(identity)
        kind = KIND_OF_TYPE.get(inode.mode & 0xF000)
        if kind is None:
            raise Damaged(f"inode {identity} is of no known type")
        target, problem = b"", ""
        if kind == "symlink":
            try:
                target = self._target(inode)
            except Damaged as exc:
                problem = str(exc)
        notes = [
            text
            for bit, text in ((IMMUTABLE, "immutable"), (APPEND, "append only"), (VERITY, "fs-verity"))
            if inode.flags & bit
        ]
        refused = "encrypted (fscrypt)" if inode.flags & ENCRYPTED else ""
        if inode.flags & COMPRESSED and kind == "file":
            refused = "compressed with an ext2 extension that is not read"
        return Entry(
            name, identity, kind, inode.size, inode.mode & 0o7777, inode.uid, inode.gid, inode.modified_ns,
            inode.accessed_ns, inode.changed_ns, inode.created_ns, inode.links, target, inode.sectors * 512,
            tuple(notes), refused, problem,
        )  # fmt: skip

    def _target(self, inode: Inode) -> bytes:
        if inode.flags & ENCRYPTED:
            return b""
        if inode.size > LONGEST_TARGET:
            raise Damaged("the target of the link is longer than a path can be")
        if inode.flags & INLINE:
            return self._inline(inode)[: inode.size]
        if inode.size < 60 and not inode.flags & EXTENTS:
            return inode.block[: inode.size]
        return read_runs(self._layout.device, self._pieces(inode), 0, inode.size)

    def _inline(self, inode: Inode) -> bytes:
        data = inode.block
        for name, value in ext4_xattrs.in_body(inode.body, self._attribute_inode):
            if name == ext4_xattrs.INLINE_DATA:
                data += value
        return data

    def _pieces(self, inode: Inode) -> Iterator[tuple[int, int, int]]:
        size = self._layout.block_size
        for first, count, place in ext4_blocks.mapped(self._layout, inode):
            yield first * size, count * size, place * size

    def content(self, identity: int) -> Content:
        inode = self._inode(identity)
        if inode.flags & ENCRYPTED:
            raise NotReadable("encrypted (fscrypt)")
        if inode.flags & COMPRESSED:
            raise NotReadable("compressed with an ext2 extension that is not read")
        if inode.flags & INLINE:
            data = self._inline(inode)[: inode.size]
            if len(data) < inode.size:
                raise Damaged("the file's inline data is cut short")
            return Content((Run(0, len(data), BYTES, 0, data),) if data else ())
        return Content(on_disks(self._layout.device, self._pieces(inode), inode.size))

    def read(self, identity: int, offset: int, length: int) -> bytes:
        inode = self._inode(identity)
        length = max(0, min(length, inode.size - offset))
        if inode.flags & (ENCRYPTED | COMPRESSED):
            raise NotReadable("encrypted (fscrypt) or compressed")
        if inode.flags & INLINE:
            return self._inline(inode)[offset : min(offset + length, inode.size)]
        return read_runs(self._layout.device, self._pieces(inode), offset, length)

    def xattrs(self, identity: int) -> tuple[tuple[str, bytes], ...]:
        inode = self._inode(identity)
        found = list(ext4_xattrs.in_body(inode.body, self._attribute_inode))
        if inode.attributes:
            if inode.attributes >= self._layout.blocks:
                raise Damaged("the extended attributes lie outside of the volume")
            size = self._layout.block_size
            block = self._layout.device.read(inode.attributes * size, size)
            found += ext4_xattrs.in_block(block, self._attribute_inode)
        return tuple(
            (name, ext4_xattrs.acl_for_linux(value) if name.startswith("system.posix_acl") else value)
            for name, value in found
            if name != ext4_xattrs.INLINE_DATA
        )

    def _attribute_inode(self, number: int) -> bytes:
        inode = self._inode(number)
        if inode.size > LONGEST_TARGET:
            raise Damaged("an extended attribute is longer than it can be")
        return read_runs(self._layout.device, self._pieces(inode), 0, inode.size)

    def prefetch_entries(self, identities: Iterable[int]) -> None:
        self._layout.prefetch_inodes(identities)

    def prefetch_names(self, directories: Iterable[int]) -> None:
        wanted = []
        for number in directories:
            try:
                inode = self._inode(number)
                if not inode.flags & INLINE:
                    wanted += [(place, length) for _, length, place in self._pieces(inode)]
            except Damaged:
                continue
        self._layout.device.prefetch(wanted)

    def scan(self) -> None:
        return None


def _version(layout: Layout) -> str:
    if layout.incompatible & (0x40 | 0x80 | 0x200):
        return "ext4"
    return "ext3" if layout.journal else "ext2"


def _replayed(layout: Layout, banners: list[str]) -> Layout:
    """The layout as it will be once the journal is replayed, through an overlay."""
    size = layout.block_size
    inode = layout.inode(layout.journal)
    places: dict[int, tuple[int, int]] = {}
    starts = []
    for first, count, place in ext4_blocks.mapped(layout, inode):
        places[first] = (count, place)
        starts.append(first)

    def place_of(number: int) -> int:
        for first, (count, place) in places.items():
            if first <= number < first + count:
                return int((place + number - first) * size)
        raise Damaged("the journal has a hole")

    def read(number: int) -> bytes:
        at = place_of(number)
        return layout.device.read(at, size)

    try:
        replay = Journal(inode.size, read, place_of).replay()
    except (Damaged, NotReadable) as exc:
        banners.append(
            f"The journal was not replayed ({exc}): the last changes before this point may be missing."
        )
        return layout
    if replay.is_torn:
        banners.append("The journal ends with a damaged transaction; it and what follows are left out.")
    if replay.fast_commits:
        banners.append(
            "The journal ends with fast commits, which are not replayed: the last seconds are missing."
        )
    if not replay.blocks:
        return layout
    banners.append(
        f"The point was taken while the file system was in use; its journal ({replay.transactions:,} "
        f"transactions, {len(replay.blocks):,} blocks) is replayed in memory."
    )
    return Layout(OverlaidDevice(layout.device, size, replay.blocks))
