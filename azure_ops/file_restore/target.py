"""Writing of one wave's files, in threads: each into a part beside its place, renamed when it is whole."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from . import attributes
from .destination import Conflict, Destination
from .entries import BYTES, ZEROS, Entry, Planned
from .ledger import Ledger
from .ranges import Fetch, Piece

_REMEMBER_FROM = 16 << 20
_REMEMBER_EACH = 32 << 20
_HOLES_HASHED_AT_MOST = 64 << 30
"""The zeros of a sparse file of terabytes would be counted for hours."""


class Hash:
    """SHA-256 of a file whose parts arrive almost in order: counted while the next ones are on their way."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._reached = 0
        self._arrived: dict[int, int] = {}
        self._lock = threading.Lock()

    def add(self, offset: int, part: memoryview, descriptor: int) -> None:
        """Takes the part, and what lies behind it and came before it."""
        with self._lock:
            if offset != self._reached:
                self._arrived[offset] = len(part)
                return
            self._digest.update(part)
            self._reached += len(part)
            while (length := self._arrived.pop(self._reached, None)) is not None:
                self._read(descriptor, length)

    def _read(self, descriptor: int, length: int) -> None:
        end = self._reached + length
        while self._reached < end:
            data = os.pread(descriptor, min(1 << 20, end - self._reached), self._reached)
            if not data:
                raise OSError(errno.EIO, "the part that is written became shorter")
            self._digest.update(data)
            self._reached += len(data)

    def rest(self, descriptor: int, size: int) -> str:
        with self._lock:
            self._read(descriptor, size - self._reached)
            return self._digest.hexdigest()


@dataclass
class Target:
    number: int
    parts: tuple[bytes, ...]
    item: Planned
    waiting: int = 0
    digest: str = ""
    hash: Hash = field(default_factory=lambda: Hash())
    failed: str = ""
    placed: tuple[bytes, ...] | None = None
    not_carried: list[str] = field(default_factory=list)
    unsaved: list[tuple[int, int]] = field(default_factory=list)
    """Ranges that are written, not yet noted in the ledger."""


class Writer:
    def __init__(
        self, destination: Destination, ledger: Ledger, name: str, conflict: Conflict, carry: attributes.Carry
    ) -> None:
        self._destination = destination
        self._ledger = ledger
        self._name = name.encode()
        self._conflict = conflict
        self._carry = carry
        self._lock = threading.Lock()
        """Over directories, ledger and counts; never held while bytes are written."""

    def _part(self, target: Target) -> tuple[bytes, ...]:
        return (*target.parts[:-1], b".azrecover-%s-%d.part" % (self._name, target.number))

    def _open(self, target: Target) -> int:
        with self._lock:
            return self._destination.open_part(self._part(target), target.parts)

    def is_there(self, path: bytes, entry: Entry, digest: str) -> bool:
        """What an earlier run made and nobody has touched since; one that lost bytes with the power goes."""
        parts = tuple(path.split(b"/"))
        status = self._destination.status(parts)
        if status is None or status.st_size != entry.size or status.st_mtime_ns != entry.modified_ns:
            return False
        if not self._ledger.doubtful:
            return True
        descriptor = self._destination.open_file(parts)
        try:
            if Hash().rest(descriptor, entry.size) == digest:
                return True
        finally:
            os.close(descriptor)
        self._destination.remove(parts)
        return False

    def scatter(self, fetch: Fetch, data: bytes, targets: dict[int, Target]) -> list[Target]:
        """Puts a range where it belongs; returns the files that have all their bytes now."""
        view = memoryview(data)
        by_item: dict[int, list[Piece]] = {}
        for piece in fetch.pieces:
            by_item.setdefault(piece.item, []).append(piece)
        complete = []
        for number, pieces in by_item.items():
            target = targets[number]
            descriptor = self._open(target)
            try:
                for piece in pieces:
                    start = piece.position - fetch.position
                    part = view[start : start + piece.length]
                    _write_all(descriptor, part, piece.offset)
                    target.hash.add(piece.offset, part, descriptor)
                self._remember(target, pieces)
            finally:
                os.close(descriptor)
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
            self._ledger.wrote(target.number, offset, length)
        target.unsaved = []
        self._ledger.flush()

    def keep(self, targets: Iterable[Target]) -> None:
        """At a stop: what unfinished large files have by now is not fetched again."""
        for target in targets:
            if target.unsaved and target.placed is None and not target.failed:
                with self._lock:
                    self._save(target)

    def begin_anew(self, target: Target) -> None:
        """What an earlier run has written of it is not of this version."""
        descriptor = self._open(target)
        try:
            os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def write(self, target: Target, offset: int, data: bytes) -> None:
        descriptor = self._open(target)
        try:
            _write_all(descriptor, memoryview(data), offset)
        finally:
            os.close(descriptor)

    def finish(self, target: Target) -> None:
        """The file is whole: its length, attributes and name."""
        item, entry = target.item, target.item.entry
        descriptor = self._open(target)
        try:
            for run in item.runs:
                if run.disk == BYTES:
                    _write_all(descriptor, memoryview(run.data), run.offset)
            os.ftruncate(descriptor, entry.size)
            if not target.digest:
                holes = entry.size - sum(run.length for run in item.runs if run.disk != ZEROS)
                decoded = item.through_reader and not item.runs
                if decoded or holes <= _HOLES_HASHED_AT_MOST:
                    target.digest = target.hash.rest(descriptor, entry.size)
                else:
                    target.not_carried.append("a hash (its holes are too large)")
            target.not_carried += attributes.apply(descriptor, entry, item.xattrs, self._carry)
        finally:
            os.close(descriptor)
        with self._lock:
            target.placed = self._destination.place(self._part(target), target.parts, self._conflict)
            target.unsaved = []
            if target.placed is not None:
                self._ledger.finished(target.number, b"/".join(target.placed), target.digest, entry.size)

    def discard(self, target: Target) -> None:
        with self._lock:
            self._destination.remove(self._part(target))


def _write_all(descriptor: int, view: memoryview, offset: int) -> None:
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
