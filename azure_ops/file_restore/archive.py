"""One tar or zip file: all files into one part, each where the plan places it, whatever comes first from the
disk. At the end the whole is read again with the standard library, and renamed when every hash is right.

A later run writes to the same places; where one died in the middle the next goes on.
"""

from __future__ import annotations

import errno
import os
import tarfile
import threading
import zipfile
import zlib
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .destination import Destination, shown
from .entries import BYTES, Planned
from .folder_output import why_not_linked
from .ledger import WHOLE, Ledger
from .member import Format, Layout, Member, mode_of
from .problems import FileRestoreError
from .reports import Options, Report
from .tar_format import Tar
from .target import Hash, Output, Parts, Read, Target, write_all
from .zip_format import LONGEST_NAME, Zip

Kind = Literal["tar", "zip"]
_COPIED = 1 << 20


@dataclass(frozen=True)
class Archive:
    """Opens the part beside the file of this path."""

    path: Path
    kind: Kind

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def shown(self) -> str:
        return str(self.path)

    def open(self, name: str, job: dict[str, Any], options: Options, report: Report) -> Output:
        folder = Destination(self.path.parent)
        wanted = (os.fsencode(self.path.name),)
        try:
            part = (b".azrecover-%s.part" % name.encode(),)
            state = (b".azrecover-%s.state" % name.encode(),)
            taken = options.conflict == "skip" and folder.status(wanted) is not None
            if taken and folder.status(state) is None:
                raise FileRestoreError(f"{self.path} is there already.", "Choose another name.")
            ledger = Ledger(self.path.parent, name, job, self.path.name)
            _take_back(folder, part, ledger)
            descriptor = folder.open_part(part, wanted)
            try:
                if not os.fstat(descriptor).st_size:
                    # The part that it speaks of is gone.
                    ledger.know_nothing()
                special = options.carry.special_modes
                form: Format = Tar(special) if self.kind == "tar" else Zip()
                return ArchiveOutput(folder, descriptor, (part, wanted), form, ledger, options, report)
            except BaseException:
                os.close(descriptor)
                raise
        except BaseException:
            folder.close()
            raise


def _take_back(folder: Destination, part: Parts, ledger: Ledger) -> None:
    """A run that was killed behind the archive's name is gone on with in the same file."""
    intended = ledger.intended.get(WHOLE)
    if intended is None or folder.status(part) is not None:
        return
    made, number, size = intended
    status = folder.status((os.fsencode(made),))
    if status is not None and (str(status.st_ino), status.st_size) == (number, size):
        os.rename(folder.folder / made, folder.folder / os.fsdecode(part[0]))


@dataclass
class _Placed:
    member: Member
    layout: Layout
    at: int

    @property
    def content_at(self) -> int:
        return self.at + self.layout.content_at


class ArchiveOutput(Output):
    decodes_last = True

    def __init__(
        self,
        folder: Destination,
        descriptor: int,
        names: tuple[Parts, Parts],
        form: Format,
        ledger: Ledger,
        options: Options,
        report: Report,
    ) -> None:
        super().__init__(ledger, options, report)
        self._folder = folder
        self._part, self._wanted = names
        self._descriptor = descriptor
        self._form = form
        self._end = 0
        self._later_end = 0
        """Where files end that an earlier run decoded."""
        self._placed: dict[int, _Placed] = {}
        """Number in the plan → where it is, of files under way."""
        self._files: dict[Parts, _Placed] = {}
        """Files with several names that are there."""
        self._digests: dict[int, str] = {}
        """Position in the archive → what has to be found there."""
        self._growing = threading.Lock()

    def close(self) -> None:
        try:
            super().close()
        finally:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1
            self._folder.close()

    def source_is_living(self) -> None:
        # A file that has changed or gone since would stay in the archive beside its new version.
        self.ledger.know_nothing()
        os.ftruncate(self._descriptor, 0)

    def make_directory(self, parts: Parts) -> Parts:
        if len(b"/".join(parts)) > LONGEST_NAME:
            raise OSError(errno.ENAMETOOLONG, "its path is too long")
        return parts

    def leaves_out(self, parts: Parts) -> bool:
        return False

    def takes_for_same(self, one: Parts, other: Parts) -> bool:
        return False

    def _member(
        self, parts: Parts, item: Planned, kind: str, target: bytes = b""
    ) -> tuple[Member, list[str]]:
        mode, lost = mode_of(item, self.options.carry.special_modes)
        if kind == "symlink":
            mode, lost = 0o777, []
        member = Member(b"/".join(parts), item, mode, kind, target)
        return member, [*lost, *self._form.not_carried(member)]

    def _place(self, member: Member) -> _Placed:
        layout = self._form.layout(member)
        with self._growing:
            placed = _Placed(member, layout, self._end)
            self._end += layout.length
        return placed

    def reserve(self, target: Target) -> None:
        target.hash = Hash(with_crc=self._form.with_crc)
        member, target.not_carried = self._member(target.parts, target.item, "file")
        if not target.item.through_reader:
            self._placed[target.number] = self._place(member)

    def _of(self, target: Target) -> _Placed:
        """A file that is decoded gets its place when its first byte comes: it may turn out unreadable."""
        placed = self._placed.get(target.number)
        if placed is None:
            self._end = max(self._end, self._later_end)
            # What an earlier run left here unfinished would stand where this file has holes.
            os.ftruncate(self._descriptor, self._end)
            member, _ = self._member(target.parts, target.item, "file")
            placed = self._placed[target.number] = self._place(member)
        return placed

    def is_there(self, target: Target, path: Parts, digest: str) -> bool:
        at = self.ledger.places.get(target.number)
        if target.item.through_reader:
            if at is None:
                return False
            member, _ = self._member(target.parts, target.item, "file")
            placed = _Placed(member, self._form.layout(member), at)
            self._later_end = max(self._later_end, at + placed.layout.length)
        else:
            placed = self._placed[target.number]
        if self.ledger.doubtful and digest:
            try:
                if Hash().rest(self._read(placed), target.item.entry.size) != digest:
                    return False
            except OSError:
                return False
        header = os.pread(self._descriptor, placed.layout.header_length, placed.at)
        if len(header) < placed.layout.header_length:
            return False
        self._is_written(target, placed, digest, self._form.crc_of(header))
        return True

    def _is_written(self, target: Target, placed: _Placed, digest: str, crc: int) -> None:
        self._form.written(placed.member, placed.at, crc)
        if digest:
            self._digests[placed.at] = digest
        if target.item.entry.links > 1:
            self._files[target.parts] = placed
        self._placed.pop(target.number, None)

    def put(self, target: Target, parts: list[tuple[int, memoryview]]) -> None:
        placed = self._of(target)
        read = self._read(placed)
        for offset, part in parts:
            for start, length, at in _within(placed, offset, len(part)):
                write_all(self._descriptor, part[start - offset : start - offset + length], at)
            target.hash.add(offset, part, read)

    def begin_anew(self, target: Target) -> None:
        """Its place is new in every run."""

    def _read(self, placed: _Placed) -> Read:
        """Of a member, holes as zeros."""
        size = placed.member.item.entry.size

        def read(offset: int, length: int) -> bytes:
            length = min(length, size - offset)
            data = bytearray(length)
            for start, some, at in _within(placed, offset, length):
                found = os.pread(self._descriptor, some, at)
                data[start - offset : start - offset + len(found)] = found
            return bytes(data)

        return read

    def finish(self, target: Target) -> None:
        item, entry = target.item, target.item.entry
        placed = self._of(target)
        for run in item.runs:
            if run.disk == BYTES:
                for start, length, at in _within(placed, run.offset, run.length):
                    first = start - run.offset
                    write_all(self._descriptor, memoryview(run.data)[first : first + length], at)
        self._grow_to(placed.at + placed.layout.length)
        self._hash(target, self._read(placed))
        header = self._form.header(placed.member, target.hash.crc)
        write_all(self._descriptor, memoryview(header + placed.layout.prefix), placed.at)
        with self._lock:
            target.placed = target.parts
            target.unsaved = []
            at = placed.at if item.through_reader else -1
            self.ledger.finished(target.number, placed.member.name, target.digest, entry.size, at)
            self._is_written(target, placed, target.digest, target.hash.crc)

    def _grow_to(self, length: int) -> None:
        """Zeros at the end of a file are no bytes that anybody writes."""
        with self._growing:
            if os.fstat(self._descriptor).st_size < length:
                os.ftruncate(self._descriptor, length)

    def discard(self, target: Target) -> None:
        placed = self._placed.pop(target.number, None)
        if placed is None:
            return
        if not target.item.through_reader:
            raise FileRestoreError(f"{shown(target.item.path)} could not be written.", "Restore again.")
        # Nothing comes behind it yet; what it left would be taken for zeros of the next one.
        self._end = placed.at
        os.ftruncate(self._descriptor, placed.at)

    def hard_link(self, parts: Parts, item: Planned, first: Parts | None) -> None:
        source = self._files.get(first) if first is not None else None
        if source is None:
            self.report.lost(item.path, "another name of a file that was not restored")
            return
        self._end = max(self._end, self._later_end)
        member, lost = self._member(parts, item, "hard link", source.member.name)
        crc = 0
        if self._form.links_are_copies:
            placed, crc = self._place(member), self._copied_crc(source)
            self._copy(source, placed)
            self._digests[placed.at] = self._digests.get(source.at, "")
        else:
            placed = self._place(member)
        self._write_header(placed, crc)
        for what in lost:
            self.report.lost(item.path, f"not carried: {what}")
        self.report.links += 1

    def _copied_crc(self, source: _Placed) -> int:
        header = os.pread(self._descriptor, source.layout.header_length, source.at)
        return self._form.crc_of(header)

    def _copy(self, source: _Placed, to: _Placed) -> None:
        for one, other in zip(source.layout.segments, to.layout.segments, strict=True):
            for start in range(0, one.length, _COPIED):
                self._stop_here()
                length = min(_COPIED, one.length - start)
                data = os.pread(self._descriptor, length, source.content_at + one.at + start)
                write_all(self._descriptor, memoryview(data), to.content_at + other.at + start)

    def _write_header(self, placed: _Placed, crc: int) -> None:
        self._stop_here()
        header = self._form.header(placed.member, crc)
        write_all(self._descriptor, memoryview(header), placed.at)
        self._form.written(placed.member, placed.at, crc)

    def symlink(self, parts: Parts, item: Planned) -> None:
        if reason := why_not_linked(item, self.options):
            self.report.lost(item.path, reason)
            return
        target = item.entry.target
        self._add(parts, item, "symlink", target, zlib.crc32(target))
        self.report.links += 1

    def directory(self, parts: Parts, path: bytes, item: Planned) -> None:
        self._add(parts, item, "directory")

    def _add(self, parts: Parts, item: Planned, kind: str, target: bytes = b"", crc: int = 0) -> None:
        self._end = max(self._end, self._later_end)
        member, lost = self._member(parts, item, kind, target)
        self._write_header(self._place(member), crc)
        for what in lost:
            self.report.lost(item.path, f"not carried: {what}")

    def complete(self) -> None:
        self._end = at = max(self._end, self._later_end)
        os.ftruncate(self._descriptor, at)
        for block in self._form.end(self._end):
            write_all(self._descriptor, memoryview(block), at)
            at += len(block)
        self._check()
        os.fsync(self._descriptor)
        conflict = self.options.conflict
        if conflict == "skip":
            conflict = "keep both"
        status = os.fstat(self._descriptor)

        def tell(placed: Parts) -> None:
            self.ledger.intend(WHOLE, b"/".join(placed), str(status.st_ino), status.st_size)

        made = self._folder.place(self._part, self._wanted, conflict, intend=tell, note=tell)
        assert made is not None
        self.report.made = self._folder.folder / os.fsdecode(made[-1])
        for note in self._form.notes():
            self.report.losses.insert(0, note)
        self.ledger.name_after(self.report.made.name)
        super().complete()

    def _check(self) -> None:
        """All of it, as somebody else's reader sees it."""
        expected = {at: digest for at, digest in self._digests.items() if digest}
        try:
            for at, digest in self._form.digests(self._descriptor):
                self._stop_here()
                if expected.pop(at, digest) != digest:
                    raise self._spoilt()
        except (tarfile.TarError, zipfile.BadZipFile, ValueError, EOFError) as exc:
            raise self._spoilt() from exc
        if expected:
            raise self._spoilt()

    def _spoilt(self) -> FileRestoreError:
        self.ledger.forget()
        return FileRestoreError(
            "The archive does not hold what was written to it.",
            "The folder's disk may be failing, or somebody changed the file. Restore again: it begins anew.",
        )

    def _stop_here(self) -> None:
        if self.stopped:
            raise FileRestoreError("Stopped.")


def _within(placed: _Placed, offset: int, length: int) -> list[tuple[int, int, int]]:
    """Offset in the file, length, position in the archive of what of a range is no hole."""
    segments = placed.layout.segments
    found = []
    number = max(0, bisect_right(segments, offset, key=lambda segment: segment.offset) - 1)
    for segment in segments[number:]:
        if segment.offset >= offset + length:
            break
        start, end = max(offset, segment.offset), min(offset + length, segment.offset + segment.length)
        if start < end:
            found.append((start, end - start, placed.content_at + segment.at + start - segment.offset))
    return found
