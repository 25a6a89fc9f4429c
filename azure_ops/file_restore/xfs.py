"""XFS of versions 4 and 5, read as the Linux kernel does after it has replayed the log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from . import xfs_directories, xfs_log, xfs_xattrs
from .damage import Damaged, NotReadable
from .devices import Device
from .entries import BYTES, KIND_OF_TYPE, Entry, FileSystemInfo, Run
from .file_system import LONGEST_TARGET, Content, Name, on_disks, read_runs
from .xfs_layout import APPEND, IMMUTABLE, LOCAL, Inode, Layout


class Xfs:
    def __init__(self, device: Device) -> None:
        banners: list[str] = []
        self._layout = layout = xfs_log.replayed(Layout(device), banners)
        self._inode = lru_cache(20_000)(layout.inode)
        self.info = FileSystemInfo(
            "xfs", layout.label, layout.uuid, layout.size, layout.block_size, layout.root,
            banners=tuple(banners),
        )  # fmt: skip

    def names(self, directory: int) -> Iterator[Name]:
        inode = self._inode(directory)
        if inode.mode & 0xF000 != 0x4000:
            raise Damaged("not a directory")
        return xfs_directories.names(self._layout, inode)

    def entry(self, identity: int, name: bytes = b"") -> Entry:
        inode = self._inode(identity)
        kind = KIND_OF_TYPE.get(inode.mode & 0xF000)
        if kind is None:
            raise Damaged(f"inode {identity} is of no known type")
        target, problem, refused = b"", "", ""
        if kind == "symlink":
            try:
                target = self._target(inode)
            except Damaged as exc:
                problem = str(exc)
        if inode.data.format == -1:
            refused = "on the realtime device of XFS, which is not read"
        notes = [
            text for bit, text in ((IMMUTABLE, "immutable"), (APPEND, "append only")) if inode.flags & bit
        ]
        return Entry(
            name, identity, kind, inode.size, inode.mode & 0o7777, inode.uid, inode.gid, inode.modified_ns,
            inode.accessed_ns, inode.changed_ns, inode.created_ns, inode.links, target,
            inode.blocks * self._layout.block_size, tuple(notes), refused, problem,
        )  # fmt: skip

    def _target(self, inode: Inode) -> bytes:
        if inode.size > LONGEST_TARGET:
            raise Damaged("the target of the link is longer than a path can be")
        if inode.data.format == LOCAL:
            return inode.data.raw[: inode.size]
        target = b""
        for _, length, place in self._pieces(inode):
            # Each extent is one buffer of the kernel's and carries one header.
            raw = self._layout.device.read(place, min(length, LONGEST_TARGET))
            if self._layout.crc:
                if raw[:4] != b"XSLM":
                    raise Damaged("the target of the link is damaged")
                raw = raw[56:]
            target += raw
        if len(target) < inode.size:
            raise Damaged("the target of the link is cut short")
        return target[: inode.size]

    def _pieces(self, inode: Inode) -> Iterator[tuple[int, int, int]]:
        size = self._layout.block_size
        for first, count, place in self._layout.pieces(inode.data):
            yield first * size, count * size, place

    def content(self, identity: int) -> Content:
        inode = self._inode(identity)
        if inode.data.format == -1:
            raise NotReadable("on the realtime device of XFS, which is not read")
        if inode.data.format == LOCAL:
            data = inode.data.raw[: inode.size]
            return Content((Run(0, len(data), BYTES, 0, data),) if data else ())
        return Content(on_disks(self._layout.device, self._pieces(inode), inode.size))

    def read(self, identity: int, offset: int, length: int) -> bytes:
        inode = self._inode(identity)
        length = max(0, min(length, inode.size - offset))
        return read_runs(self._layout.device, self._pieces(inode), offset, length)

    def xattrs(self, identity: int) -> tuple[tuple[str, bytes], ...]:
        return xfs_xattrs.attributes(self._layout, self._inode(identity).attributes)

    def prefetch_entries(self, identities: Iterable[int]) -> None:
        self._layout.prefetch_inodes(identities)

    def prefetch_names(self, directories: Iterable[int]) -> None:
        wanted = []
        for number in directories:
            try:
                inode = self._inode(number)
                if inode.data.format != LOCAL:
                    pieces = xfs_directories.entry_pieces(self._layout, inode)
                    wanted += [(place, length) for _, length, place in pieces]
            except (Damaged, NotReadable):
                continue
        self._layout.device.prefetch(wanted)

    def scan(self) -> None:
        return None
