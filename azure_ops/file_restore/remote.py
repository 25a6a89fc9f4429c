"""A folder of another machine, over SFTP: each file into a part beside its place, read back, renamed when
it is what was written. The state that a later run goes on from is on this machine.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .destination import NameChoices
from .entries import BYTES, Planned
from .folder_output import why_not_linked
from .ledger import Ledger
from .member import CAPABILITY, mode_of
from .problems import FileRestoreError
from .reports import Options, Report
from .sftp_client import LATEST, Machine, Sftp, Status, TooLate
from .target import HOLES_HASHED_AT_MOST, Output, Parts, Target

_ENDS_WITHIN_S = 5.0
"""What is under way when it is stopped may still arrive; a dead line is not waited for."""
_ZEROS = bytes(1 << 20)


@dataclass(frozen=True)
class Remote:
    machine: Machine
    path: str
    state: Path
    """A folder of this machine."""

    @property
    def name(self) -> str:
        return f"sftp://{self.machine.shown}/{self.path}"

    @property
    def shown(self) -> str:
        return f"{self.machine.shown}:{self.path}"

    def open(self, name: str, job: dict[str, Any], options: Options, report: Report) -> Output:
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        line = Sftp(self.machine)
        try:
            root = make_folders(line, os.fsencode(self.path))
            return RemoteOutput(line, root, name, Ledger(self.state, name, job), options, report, self.shown)
        except BaseException:
            line.close()
            raise


def make_folders(line: Sftp, path: bytes) -> bytes:
    """With those above it; links on the way are followed: the user wrote this path."""
    missing = []
    at = line.whole_path(path)
    while (status := line.status(at, follow=True)) is None and at.strip(b"/"):
        missing.append(at)
        at = os.path.dirname(at)
    if status is not None and not status.is_directory:
        raise OSError(errno.ENOTDIR, f"{at.decode('utf-8', 'backslashreplace')} is no folder")
    for folder in reversed(missing):
        line.make_directory(folder)
    return line.whole_path(path)


class RemoteOutput(Output):
    threads = 12
    """Each of them mostly waits for the line."""

    def __init__(
        self, line: Sftp, root: bytes, name: str, ledger: Ledger, options: Options, report: Report, shown: str
    ) -> None:
        super().__init__(ledger, options, report)
        self._line = line
        self._root = root
        self._name = name.encode()
        self._shown = shown
        self._may_give_away = True

    def stop(self) -> None:
        super().stop()
        self._line.end_within(_ENDS_WITHIN_S)

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._line.close()

    def _path(self, parts: Parts) -> bytes:
        return b"/".join((self._root.rstrip(b"/"), *parts))

    def make_directory(self, parts: Parts) -> Parts:
        for name in NameChoices(parts[-1]):
            path = self._path((*parts[:-1], name))
            status = self._line.status(path)
            if status is None:
                self._line.make_directory(path)
            if status is None or status.is_directory:
                return (*parts[:-1], name)
        raise AssertionError("names do not end")

    def leaves_out(self, parts: Parts) -> bool:
        return self._conflict(parts) == "skip" and self._line.status(self._path(parts)) is not None

    def takes_for_same(self, one: Parts, other: Parts) -> bool:
        """A server says no number of a file: another spelling of a name of ours tells."""
        swapped = (*one[:-1], one[-1].swapcase())
        return swapped != one and self._line.status(self._path(swapped)) is not None

    def is_there(self, target: Target, path: Parts, digest: str) -> bool:
        status = self._line.status(self._path(path))
        return status is not None and _looks_like(status, target)

    def has_name(self, target: Target, path: Parts, digest: str) -> bool:
        target.digest = digest
        try:
            status = self._line.status(self._path(path))
            return status is not None and self._is_it(path, status, target)
        finally:
            target.digest = ""

    def _intend(self, placed: Parts, target: Target) -> None:
        with self._lock:
            size = target.item.entry.size
            self.ledger.intend(target.number, b"/".join(placed), target.digest, size)

    def _part(self, target: Target) -> bytes:
        return self._path((*target.parts[:-1], b".azrecover-%s-%d.part" % (self._name, target.number)))

    @contextlib.contextmanager
    def _opened(self, target: Target) -> Iterator[bytes]:
        handle = self._line.open_part(self._part(target))
        try:
            yield handle
        except OSError as exc:
            if exc.errno == errno.EREMOTEIO and self._line.free(self._root) == 0:
                # Servers say no more than that it failed.
                raise OSError(errno.ENOSPC, "no space left") from exc
            raise
        finally:
            with contextlib.suppress(FileRestoreError):
                self._line.close_file(handle)

    def begin_anew(self, target: Target) -> None:
        target.proofs.clear()
        with self._lock:
            self.ledger.begins_anew(target.number)
        with self._opened(target) as handle:
            self._line.cut(handle, 0)

    def put(self, target: Target, parts: list[tuple[int, memoryview]]) -> None:
        with self._opened(target) as handle:
            for offset, part in parts:
                self._line.write(handle, offset, part)
                target.proofs[offset, len(part)] = hashlib.sha256(part).hexdigest()

    def finish(self, target: Target) -> None:
        item, entry = target.item, target.item.entry
        with self._opened(target) as handle:
            for run in item.runs:
                if run.disk == BYTES:
                    self._line.write(handle, run.offset, memoryview(run.data))
                    target.proofs[run.offset, run.length] = hashlib.sha256(run.data).hexdigest()
            self._line.cut(handle, entry.size)
            self._read_back(target, handle)
            self._line.flush(handle)
        self._apply(self._part(target), item, target.not_carried)
        placed = self._placed(target)
        with self._lock:
            target.placed = placed
            target.unsaved, target.proofs = [], {}
            if placed is not None:
                self._is_named(placed)
                self.ledger.finished(target.number, b"/".join(placed), target.digest, entry.size)

    def _read_back(self, target: Target, handle: bytes) -> None:
        """Every range is what was sent, the holes between them zeros; the hash is of what was read."""
        size, whole, at = target.item.entry.size, hashlib.sha256(), 0
        holes = size - sum(length for _, length in target.proofs)
        for (offset, length), proof in sorted(target.proofs.items()):
            if holes <= HOLES_HASHED_AT_MOST:
                _add_zeros(whole, offset - at)
            found = hashlib.sha256()
            for block in self._line.read(handle, offset, length):
                found.update(block)
                whole.update(block)
            if found.hexdigest() != proof:
                self.ledger.begins_anew(target.number)
                raise FileRestoreError(
                    f"What {self._shown} gives back is not what was written to it.",
                    "Its disk may be failing. Restore again: the file begins anew.",
                )
            at = offset + length
        if holes > HOLES_HASHED_AT_MOST:
            target.not_carried.append("a hash (its holes are too large)")
            return
        _add_zeros(whole, size - at)
        target.digest = whole.hexdigest()

    def _apply(self, path: bytes, item: Planned, lost: list[str]) -> None:
        entry = item.entry
        mode, taken = mode_of(item, self.options.carry.special_modes)
        lost += taken
        lost += ["capabilities" if name == CAPABILITY else f"attribute {name}" for name, _ in item.xattrs]
        if entry.uid is not None and entry.gid is not None:
            try:
                if not self._may_give_away:
                    raise PermissionError
                self._line.own(path, entry.uid, entry.gid)
            except OSError:
                self._may_give_away = False
                lost.append(f"owner {entry.uid}:{entry.gid}")
        try:
            self._line.set_mode_and_times(path, mode, entry.accessed_ns, entry.modified_ns)
        except TooLate:
            lost.append("times")
        except OSError as exc:
            lost.append(f"mode and times ({(exc.strerror or str(exc)).lower()})")

    def _placed(self, target: Target) -> Parts | None:
        part = self._part(target)
        wanted = self._path(target.parts)
        conflict = self._conflict(target.parts)
        if conflict == "overwrite":
            existing = self._line.status(wanted)
            if existing is None or not existing.is_directory:
                self._intend(target.parts, target)
                self._line.replace(part, wanted)
                return target.parts
        for name in NameChoices(target.parts[-1]):
            placed = (*target.parts[:-1], name)
            existing = self._line.status(self._path(placed))
            if existing is None:
                self._intend(placed, target)
                self._line.rename(part, self._path(placed))
                return placed
            if self._is_it(placed, existing, target):
                # From a run that ended before it could note it.
                self._line.remove(part)
                return placed
            if conflict == "skip":
                self._line.remove(part)
                return None
        raise AssertionError("names do not end")

    def _is_it(self, parts: Parts, existing: Status, target: Target) -> bool:
        if not target.digest or not _looks_like(existing, target):
            return False
        handle = self._line.open_to_read(self._path(parts))
        try:
            digest = hashlib.sha256()
            for block in self._line.read(handle, 0, target.item.entry.size):
                digest.update(block)
            return digest.hexdigest() == target.digest
        finally:
            self._line.close_file(handle)

    def discard(self, target: Target) -> None:
        self.ledger.begins_anew(target.number)
        with contextlib.suppress(OSError):
            self._line.remove(self._part(target))

    def hard_link(self, parts: Parts, item: Planned, first: Parts | None) -> None:
        self._stop_here()
        if first is None:
            self.report.lost(item.path, "another name of a file that was not restored")
            return
        try:
            to = self._free_name(parts)
            if to is None:
                self.report.skipped += 1
                return
            self._line.link(self._path(first), to)
            self.report.links += 1
        except OSError as exc:
            self.report.lost(item.path, f"hard link not made: {(exc.strerror or str(exc)).lower()}")

    def symlink(self, parts: Parts, item: Planned) -> None:
        self._stop_here()
        if reason := why_not_linked(item, self.options):
            self.report.lost(item.path, reason)
            return
        entry = item.entry
        try:
            path = self._path(parts)
            if (status := self._line.status(path)) is None or not self._leads_there(
                path, status, entry.target
            ):
                to = self._free_name(parts)
                if to is None:
                    self.report.skipped += 1
                    return
                self._line.symlink(entry.target, to)
                path = to
            self.report.links += 1
            self._line.set_times_of_link(path, entry.accessed_ns, entry.modified_ns)
        except OSError as exc:
            self.report.lost(item.path, f"link: {(exc.strerror or str(exc)).lower()}")

    def _leads_there(self, path: bytes, status: Status, target: bytes) -> bool:
        return status.is_link and self._line.read_link(path) == target

    def _free_name(self, parts: Parts) -> bytes | None:
        """Where a link of this name goes; None where the one that is there stays."""
        path = self._path(parts)
        existing = self._line.status(path)
        if existing is not None and self.options.conflict == "skip":
            return None
        if existing is not None and self.options.conflict == "overwrite" and not existing.is_directory:
            self._line.remove(path)
        names = (self._path((*parts[:-1], name)) for name in NameChoices(parts[-1]))
        return next(name for name in names if self._line.status(name) is None)

    def directory(self, parts: Parts, path: bytes, item: Planned) -> None:
        self._stop_here()
        lost: list[str] = []
        self._apply(self._path(parts), item, lost)
        for what in lost:
            self.report.lost(path, f"not carried: {what}")

    def complete(self) -> None:
        self.report.losses.insert(0, "over SFTP times are to the second")
        self.ledger.write(self.report.losses)
        for listed in (self.ledger.manifest, self.ledger.losses):
            part = self._path((b".azrecover-%s.list" % self._name,))
            with contextlib.suppress(FileNotFoundError):
                self._line.remove(part)
            handle = self._line.open_part(part)
            self._line.write(handle, 0, memoryview(listed.read_bytes()))
            self._line.close_file(handle)
            self._line.replace(part, self._path((os.fsencode(listed.name),)))
        super().complete()

    def _stop_here(self) -> None:
        if self.stopped:
            raise FileRestoreError("Stopped.")


def _looks_like(status: Status, target: Target) -> bool:
    entry = target.item.entry
    modified = entry.modified_ns // 10**9
    same_time = status.modified == modified or not 0 <= modified <= LATEST
    return status.is_file and status.size == entry.size and same_time


def _add_zeros(digest: hashlib._Hash, length: int) -> None:
    while length > 0:
        some = min(length, len(_ZEROS))
        digest.update(memoryview(_ZEROS)[:some])
        length -= some
