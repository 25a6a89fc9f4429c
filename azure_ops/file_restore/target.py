"""Where files are written to, in threads: what every kind of place has in common, and the count of hashes."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from .destination import Conflict
from .entries import ZEROS, Planned
from .ledger import Ledger
from .ranges import Fetch, Piece
from .reports import Options, Report

Parts = tuple[bytes, ...]
Read = Callable[[int, int], bytes]
"""Offset and length in a file → its bytes, fewer at its end."""

_REMEMBER_FROM = 16 << 20
_REMEMBER_EACH = 32 << 20
HOLES_HASHED_AT_MOST = 64 << 30
"""The zeros of a sparse file of terabytes would be counted for hours."""


class Hash:
    """SHA-256 of a file whose parts arrive almost in order: counted while the next ones are on their way."""

    def __init__(self, *, with_crc: bool = False) -> None:
        self._digest = hashlib.sha256()
        self._with_crc = with_crc
        self.crc = 0
        self._reached = 0
        self._arrived: dict[int, int] = {}
        self._lock = threading.Lock()

    def add(self, offset: int, part: memoryview, read: Read) -> None:
        """Takes the part, and what lies behind it and came before it."""
        with self._lock:
            if offset != self._reached:
                self._arrived[offset] = len(part)
                return
            self._update(part)
            self._reached += len(part)
            while (length := self._arrived.pop(self._reached, None)) is not None:
                self._read(read, length)

    def _read(self, read: Read, length: int) -> None:
        end = self._reached + length
        while self._reached < end:
            data = read(self._reached, min(1 << 20, end - self._reached))
            if not data:
                raise OSError(errno.EIO, "the part that is written became shorter")
            self._update(data)
            self._reached += len(data)

    def rest(self, read: Read, size: int) -> str:
        with self._lock:
            self._read(read, size - self._reached)
            return self._digest.hexdigest()

    def _update(self, data: bytes | memoryview) -> None:
        self._digest.update(data)
        if self._with_crc:
            self.crc = zlib.crc32(data, self.crc)


@dataclass
class Target:
    number: int
    parts: Parts
    item: Planned
    waiting: int = 0
    digest: str = ""
    hash: Hash = field(default_factory=lambda: Hash())
    failed: str = ""
    placed: Parts | None = None
    not_carried: list[str] = field(default_factory=list)
    unsaved: list[tuple[int, int]] = field(default_factory=list)
    """Ranges that are written, not yet noted in the ledger."""
    proofs: dict[tuple[int, int], str] = field(default_factory=dict)
    """Hashes of ranges that are written, where they have to be read back."""


class Opener(Protocol):
    @property
    def name(self) -> str:
        """Tells it from other places whose state is in the same folder; else empty."""

    @property
    def shown(self) -> str:
        """In messages."""

    def open(self, name: str, job: dict[str, Any], options: Options, report: Report) -> Output:
        """For the restore of this name: a new place, or what an earlier run left there."""


class Output:
    """A place that files are restored to. All of it may wait for a disk or a line: called in threads."""

    threads = 2
    """More of them hinder each other on a disk: the work is many short system calls."""
    decodes_last = False
    """Files whose content may turn out unreadable come after all others."""

    def __init__(self, ledger: Ledger, options: Options, report: Report) -> None:
        self.ledger = ledger
        self.options = options
        self.report = report
        self.stopped = False
        """Long work ends soon, with any FileRestoreError."""
        self._lock = threading.Lock()
        """Over names, ledger and counts; never held while bytes are written."""
        self._named = {_folded(os.fsencode(path)): os.fsencode(path) for path, _, _ in ledger.done.values()}
        """What this restore made, by what a place that does not tell A from a takes its name for."""

    def make_directory(self, parts: Parts) -> Parts:
        """Makes it, or takes the one that is there; returns where it really is."""
        raise NotImplementedError

    def leaves_out(self, parts: Parts) -> bool:
        """The name is taken and what has it stays."""
        raise NotImplementedError

    def _is_named(self, placed: Parts) -> None:
        path = b"/".join(placed)
        self._named[_folded(path)] = path

    def _conflict(self, parts: Parts) -> Conflict:
        """Where the name is taken by another file of this restore, which the place takes for the same, both
        are kept: nobody asked for less."""
        path = b"/".join(parts)
        other = self._named.get(_folded(path))
        if other is None or other == path or self.options.conflict == "keep both":
            return self.options.conflict
        same = self.takes_for_same(tuple(other.split(b"/")), parts)
        return "keep both" if same else self.options.conflict

    def takes_for_same(self, one: Parts, other: Parts) -> bool:
        """The place does not tell two paths apart that differ in case alone."""
        raise NotImplementedError

    def source_is_living(self) -> None:
        """Told before all files: this plan may not be that of an earlier run."""

    def reserve(self, target: Target) -> None:
        """Told of every file in the order of the plan, whether it is there or not."""

    def is_there(self, target: Target, path: Parts, digest: str) -> bool:
        """What an earlier run made and nobody has touched since; one that lost bytes with the power goes."""
        raise NotImplementedError

    def begin_anew(self, target: Target) -> None:
        """What an earlier run has written of it is not of this version."""
        raise NotImplementedError

    def has_name(self, target: Target, path: Parts, digest: str) -> bool:
        """An earlier run was killed when it gave the file this name, and it has got it."""
        return False

    def put(self, target: Target, parts: list[tuple[int, memoryview]]) -> None:
        """Writes bytes of a file where they belong."""
        raise NotImplementedError

    def finish(self, target: Target) -> None:
        """The file is whole: its hash, attributes and name. `placed` stays None where it was skipped."""
        raise NotImplementedError

    def discard(self, target: Target) -> None:
        raise NotImplementedError

    def hard_link(self, parts: Parts, item: Planned, first: Parts | None) -> None:
        """`first` is where the file's first name was restored to."""
        raise NotImplementedError

    def symlink(self, parts: Parts, item: Planned) -> None:
        raise NotImplementedError

    def directory(self, parts: Parts, path: bytes, item: Planned) -> None:
        """All below it is written: its attributes."""
        raise NotImplementedError

    def complete(self) -> None:
        self.ledger.complete(self.report.losses)
        self.report.manifest = self.ledger.manifest

    def stop(self) -> None:
        """Nothing new is begun; called from outside the threads, before they are waited for."""
        self.stopped = True

    def close(self) -> None:
        self.ledger.close()

    def scatter(self, fetch: Fetch, data: bytes, targets: dict[int, Target]) -> list[Target]:
        """Puts a range where it belongs; returns the files that have all their bytes now."""
        view = memoryview(data)
        by_item: dict[int, list[Piece]] = {}
        for piece in fetch.pieces:
            by_item.setdefault(piece.item, []).append(piece)
        complete = []
        for number, pieces in by_item.items():
            target = targets[number]
            starts = [(piece, piece.position - fetch.position) for piece in pieces]
            self.put(target, [(piece.offset, view[start : start + piece.length]) for piece, start in starts])
            self._remember(target, pieces)
            with self._lock:
                target.waiting -= len(pieces)
                if not target.waiting:
                    complete.append(target)
        return complete

    def _remember(self, target: Target, pieces: list[Piece]) -> None:
        if target.item.entry.size < _REMEMBER_FROM:
            return
        with self._lock:
            target.unsaved += [(piece.offset, piece.length) for piece in pieces]
            enough = sum(length for _, length in target.unsaved) >= _REMEMBER_EACH
            if enough:
                self._save(target)

    def _save(self, target: Target) -> None:
        for offset, length in target.unsaved:
            self.ledger.wrote(target.number, offset, length, target.proofs.get((offset, length), ""))
        target.unsaved = []
        self.ledger.flush()

    def keep(self, targets: Iterable[Target]) -> None:
        """At a stop: what unfinished large files have by now is not fetched again."""
        for target in targets:
            if target.unsaved and target.placed is None and not target.failed:
                with self._lock:
                    self._save(target)

    def _hash(self, target: Target, read: Read) -> None:
        item, size = target.item, target.item.entry.size
        holes = size - sum(run.length for run in item.runs if run.disk != ZEROS)
        decoded = item.through_reader and not item.runs
        if decoded or holes <= HOLES_HASHED_AT_MOST:
            target.digest = target.hash.rest(read, size)
        else:
            target.not_carried.append("a hash (its holes are too large)")


def _folded(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape").casefold()


def write_all(descriptor: int, view: memoryview, offset: int) -> None:
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
