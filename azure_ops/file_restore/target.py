"""Writing of one wave's files, in threads: each into a part beside its place, renamed when it is whole."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from . import attributes
from .destination import Conflict, Destination
from .entries import BYTES, Entry, Planned
from .ledger import Ledger
from .ranges import Fetch, Piece

_REMEMBER_FROM = 16 << 20
_REMEMBER_EACH = 32 << 20
_HASHED_AT_MOST = 64 << 30
"""Of a sparse file of terabytes the zeros would be counted for hours."""


@dataclass
class Target:
    number: int
    parts: tuple[bytes, ...]
    item: Planned
    waiting: int = 0
    digest: str = ""
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
            return self._destination.open_part(self._part(target))

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
            if _digest(descriptor) == digest:
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
                    if piece.length == target.item.entry.size and len(target.item.runs) == 1:
                        target.digest = hashlib.sha256(part).hexdigest()
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
                if entry.size <= _HASHED_AT_MOST:
                    target.digest = _digest(descriptor)
                else:
                    target.not_carried.append("a hash (the file is too large)")
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


def _digest(descriptor: int) -> str:
    digest = hashlib.sha256()
    at = 0
    while data := os.pread(descriptor, 1 << 20, at):
        digest.update(data)
        at += len(data)
    return digest.hexdigest()
