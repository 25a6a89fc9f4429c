"""A folder of this machine: each file into a part beside its place, renamed when it is whole. Links come
after all files, so that nothing is ever written through one, then the attributes of directories, which
until then only this user can enter.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import attributes
from .destination import Destination, leaves, shown
from .entries import BYTES, Planned
from .ledger import Ledger
from .member import data_of
from .reports import Options, Report
from .target import Hash, Output, Parts, Read, Target, write_all

_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK}
_COPIED = 1 << 20


@dataclass(frozen=True)
class Folder:
    path: Path
    name: str = ""

    @property
    def shown(self) -> str:
        return str(self.path)

    def open(self, name: str, job: dict[str, Any], options: Options, report: Report) -> Output:
        destination = Destination(self.path)
        try:
            return FolderOutput(destination, name, Ledger(self.path, name, job), options, report)
        except BaseException:
            destination.close()
            raise


class FolderOutput(Output):
    def __init__(
        self, destination: Destination, name: str, ledger: Ledger, options: Options, report: Report
    ) -> None:
        super().__init__(ledger, options, report)
        self._destination = destination
        self._name = name.encode()

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._destination.close()

    def make_directory(self, parts: Parts) -> Parts:
        return self._destination.make_directory(parts, self.options.conflict)

    def leaves_out(self, parts: Parts) -> bool:
        return self._conflict(parts) == "skip" and self._destination.status(parts) is not None

    def takes_for_same(self, one: Parts, other: Parts) -> bool:
        ours, theirs = self._destination.status(one), self._destination.status(other)
        return ours is not None and theirs is not None and os.path.samestat(ours, theirs)

    def is_there(self, target: Target, path: Parts, digest: str) -> bool:
        if not self._looks_like(target, path):
            return False
        if self.ledger.doubtful and not self._has_hash(target, path, digest):
            self._destination.remove(path)
            return False
        # A run that was killed behind the name has left the part.
        self._destination.remove(self._part(target))
        return True

    def has_name(self, target: Target, path: Parts, digest: str) -> bool:
        if self._destination.status(self._part(target)) is not None and not digest:
            return False
        return self._looks_like(target, path) and (not digest or self._has_hash(target, path, digest))

    def _looks_like(self, target: Target, path: Parts) -> bool:
        entry, status = target.item.entry, self._destination.status(path)
        return status is not None and status.st_size == entry.size and status.st_mtime_ns == entry.modified_ns

    def _has_hash(self, target: Target, path: Parts, digest: str) -> bool:
        descriptor = self._destination.open_file(path)
        try:
            return Hash().rest(_read(descriptor), target.item.entry.size) == digest
        finally:
            os.close(descriptor)

    def _part(self, target: Target) -> Parts:
        return (*target.parts[:-1], b".azrecover-%s-%d.part" % (self._name, target.number))

    def _open(self, target: Target) -> int:
        with self._lock:
            return self._destination.open_part(self._part(target), target.parts)

    def begin_anew(self, target: Target) -> None:
        descriptor = self._open(target)
        try:
            os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def put(self, target: Target, parts: list[tuple[int, memoryview]]) -> None:
        descriptor = self._open(target)
        try:
            for offset, part in parts:
                write_all(descriptor, part, offset)
                target.hash.add(offset, part, _read(descriptor))
        finally:
            os.close(descriptor)

    def finish(self, target: Target) -> None:
        item, entry = target.item, target.item.entry
        descriptor = self._open(target)
        try:
            for run in item.runs:
                if run.disk == BYTES:
                    write_all(descriptor, memoryview(run.data), run.offset)
            os.ftruncate(descriptor, entry.size)
            self._hash(target, _read(descriptor))
            target.not_carried += attributes.apply(descriptor, entry, item.xattrs, self.options.carry)
        finally:
            os.close(descriptor)
        with self._lock:
            conflict = self._conflict(target.parts)
            target.placed = self._destination.place(
                self._part(target),
                target.parts,
                conflict,
                intend=lambda placed: self.ledger.intend(
                    target.number, b"/".join(placed), target.digest, entry.size
                ),
                note=lambda placed: self.ledger.finished(
                    target.number, b"/".join(placed), target.digest, entry.size
                ),
            )
            target.unsaved = []
            if target.placed is not None:
                self._is_named(target.placed)

    def discard(self, target: Target) -> None:
        with self._lock:
            self._destination.remove(self._part(target))

    def hard_link(self, parts: Parts, item: Planned, first: Parts | None) -> None:
        if first is None:
            self.report.lost(item.path, "another name of a file that was not restored")
            return
        try:
            made = self._destination.link(first, parts, self._conflict(parts))
        except OSError as exc:
            if exc.errno in _NO_LINKS and self._copied(first, parts, item):
                return
            self.report.lost(item.path, f"hard link not made: {(exc.strerror or str(exc)).lower()}")
            return
        self.report.links += made
        self.report.skipped += not made

    def _copied(self, first: Parts, parts: Parts, item: Planned) -> bool:
        """Where the place has no hard links (FAT, some network folders), each name gets its own bytes."""
        part = (*parts[:-1], b".azrecover-%s-copy.part" % self._name)
        self._destination.remove(part)
        source, descriptor = self._destination.open_file(first), self._destination.open_part(part, parts)
        try:
            os.ftruncate(descriptor, item.entry.size)
            for offset, length in data_of(item):
                for start in range(offset, offset + length, _COPIED):
                    data = os.pread(source, min(_COPIED, offset + length - start), start)
                    write_all(descriptor, memoryview(data), start)
            lost = list(attributes.apply(descriptor, item.entry, item.xattrs, self.options.carry))
        finally:
            os.close(source)
            os.close(descriptor)
        placed = self._destination.place(part, parts, self._conflict(parts), intend=_nothing, note=_nothing)
        if placed is None:
            self.report.skipped += 1
            return True
        self.report.links += 1
        for what in ("hard link (it has its own copy)", *lost):
            self.report.lost(item.path, f"not carried: {what}")
        return True

    def directory(self, parts: Parts, path: bytes, item: Planned) -> None:
        try:
            descriptor = self._destination.directory(parts)
            for what in attributes.apply(descriptor, item.entry, item.xattrs, self.options.carry):
                self.report.lost(path, f"not carried: {what}")
        except OSError as exc:
            self.report.lost(path, f"not carried: all of its attributes ({exc.strerror})")

    def symlink(self, parts: Parts, item: Planned) -> None:
        target = item.entry.target
        if reason := why_not_linked(item, self.options):
            self.report.lost(item.path, reason)
            return
        try:
            made = self._destination.symlink(target, parts, self.options.conflict)
            if made is None:
                self.report.skipped += 1
                return
            self.report.links += 1
            above = self._destination.directory(made[:-1])
            times = (item.entry.accessed_ns, item.entry.modified_ns)
            if item.entry.uid is not None and item.entry.gid is not None:
                self._give_away(made, item, above)
            for name, _ in item.xattrs:
                self.report.lost(item.path, f"not carried: attribute {name}")
            os.utime(made[-1], ns=times, dir_fd=above, follow_symlinks=False)
        except (OSError, OverflowError) as exc:
            self.report.lost(item.path, f"link: {exc.strerror if isinstance(exc, OSError) else exc}")

    def _give_away(self, made: Parts, item: Planned, above: int) -> None:
        uid, gid = item.entry.uid or 0, item.entry.gid or 0
        if self.options.carry.owners:
            os.chown(made[-1], uid, gid, dir_fd=above, follow_symlinks=False)
        elif (uid, gid) != (os.geteuid(), os.getegid()):
            self.report.lost(item.path, f"not carried: owner {uid}:{gid}")


def why_not_linked(item: Planned, options: Options) -> str:
    target = item.entry.target
    if not target or b"\0" in target:
        return "a link without a target"
    if leaves(item.path, target) and not options.outside_links:
        return f"link not made, it leads outside: {shown(target)}"
    return ""


def _nothing(placed: Parts) -> None:
    """A link's copy is made again by a later run, as links are."""


def _read(descriptor: int) -> Read:
    return lambda offset, length: os.pread(descriptor, length, offset)
