"""Restores ticked entries to a place: planned by the reader in waves, fetched in order of the disk by many
parallel range reads, written beside and renamed when complete. A later run of the same restore goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent import futures
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from .destination import NameChoices, cannot_write, safe_parts
from .disks import Disk
from .entries import BYTES, READER, ZEROS, Entry, Planned, Run
from .folder_output import Folder
from .problems import FileRestoreError
from .ranges import Fetch, Piece, fetches, pieces_of
from .reader import Reader
from .reports import Options, Progress, Report
from .target import Opener, Output, Target

_T = TypeVar("_T")
WORKERS = 12
WAVE = 20_000
WAVE_RUNS = 200_000
_DECODED_AT_ONCE = 1 << 20
_NEWS_S = 0.1
_FINISHED_AT_ONCE = 256
_NAMES_TRIED = 1000


@dataclass
class _Wave:
    targets: dict[int, Target] = field(default_factory=dict)
    pieces: list[Piece] = field(default_factory=list)
    entries: int = 0

    @property
    def is_full(self) -> bool:
        return self.entries >= WAVE or len(self.pieces) >= WAVE_RUNS


class Extraction:
    def __init__(
        self,
        disks: Sequence[Disk],
        volume: str,
        ticked: Sequence[tuple[bytes, int]],
        place: Path | Opener,
        options: Options | None = None,
        progress: Callable[[Progress], None] | None = None,
        without: Sequence[bytes] = (),
        new_reader: Callable[[], Reader] | None = None,
    ) -> None:
        """`ticked` are paths with ids: the place, a folder or what opens another one, gets the same tree,
        directories above them included. `without` are paths below them that are left out. `new_reader` where
        it is no disks that are read."""
        self._disks = list(disks)
        self._new_reader = new_reader or (lambda: Reader(self._disks))
        self._volume = volume
        self._ticked = list(ticked)
        self._without = sorted(without)
        self._above = {above for path, _ in ticked for above in _ancestors(path)}
        self._open = Folder(place) if isinstance(place, Path) else place
        self._options = options or Options()
        self._tell = progress
        self._told_at = 0.0
        self._running = asyncio.Event()
        self._running.set()
        self._report = Report()
        self.progress = Progress()
        self._threads = futures.ThreadPoolExecutor(1, "restore")
        self._decoded_last: list[Target] = []
        self._under_way: set[futures.Future[Any]] = set()
        self._number = 0
        self._places: dict[bytes, tuple[bytes, ...]] = {b"": ()}
        """Where each directory of the plan really is."""
        self._directories: list[tuple[tuple[bytes, ...], bytes, Planned]] = []
        self._symlinks: list[tuple[tuple[bytes, ...], Planned]] = []
        self._hard_links: list[tuple[tuple[bytes, ...], Planned]] = []
        self._first_of: dict[int, tuple[bytes, ...] | None] = {}
        """Files with several names: id → where the first one is, once it is."""

    def pause(self) -> None:
        """No new request is sent; what is under way is written."""
        self._running.clear()

    def go_on(self) -> None:
        self._running.set()

    async def run(self) -> Report:
        """Cancel its task to stop; run a new one over the same place to go on."""
        output: Output | None = None
        try:
            async with self._new_reader() as planner, self._new_reader() as decoder:
                info = await planner.open(self._volume)
                output = await self._open_output(info.uuid)
                if planner.living:
                    await asyncio.to_thread(output.source_is_living)
                self._threads = futures.ThreadPoolExecutor(output.threads, "restore")
                async for wave in self._waves(planner, output):
                    await self._fetch_wave(wave, output, decoder)
                await self._decode_all(self._decoded_last, output, decoder)
            self.progress.checking = True
            await self._in_thread(self._complete, output)
            self._news(last=True)
            return self._report
        except OSError as exc:
            raise cannot_write(self._open.shown, exc) from exc
        finally:
            if output is not None:
                output.stop()
                await asyncio.to_thread(futures.wait, list(self._under_way))
                with contextlib.suppress(OSError):  # on a full disk; what stopped the restore is told already
                    await asyncio.to_thread(output.close)
            self._threads.shutdown(wait=False)

    async def _open_output(self, file_system: str) -> Output:
        """Another machine may take long to answer: what opens after a cancellation is closed at once."""
        opening = asyncio.ensure_future(asyncio.to_thread(self._opened, file_system))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_opened)
            raise

    def _opened(self, file_system: str) -> Output:
        job = {
            "volume": self._volume,
            "of": [disk.source.name for disk in self._disks if not disk.inside],
            "file_system": file_system,
            "disks": [disk.size for disk in self._disks if not disk.inside],
            "ticked": [[os.fsdecode(name), number] for name, number in self._ticked],
            "conflict": self._options.conflict,
        }
        if self._without:
            job["without"] = [os.fsdecode(path) for path in self._without]
        if self._open.name:
            job["place"] = self._open.name
        name = hashlib.sha256(json.dumps(job).encode()).hexdigest()[:12]
        return self._open.open(name, job, self._options, self._report)

    async def _waves(self, planner: Reader, output: Output) -> AsyncIterator[_Wave]:
        wave = _Wave()
        async for items in planner.plan(self._volume, self._ticked, self._without):
            await self._in_thread(self._take_all, items, wave, output)
            self._news()
            if wave.is_full:
                yield wave
                wave = _Wave()
        self.progress.planned = True
        yield wave

    def _take_all(self, items: Sequence[Planned], wave: _Wave, output: Output) -> None:
        for item in items:
            self._take(item, wave, output)

    def _take(self, item: Planned, wave: _Wave, output: Output) -> None:
        number, self._number = self._number, self._number + 1
        entry = item.entry
        if entry.problem:
            self._report.lost(item.path, f"not readable: {entry.problem}")
            return
        if not item.path:
            return
        above, _, _ = item.path.rpartition(b"/")
        place = self._place_of(above, output)
        if place is None:
            self._report.lost(item.path, "its folder could not be made")
            return
        try:
            parts = (*place, safe_parts(item.path)[-1])
        except FileRestoreError as exc:
            self._report.lost(item.path, str(exc))
            return
        for note in entry.notes:
            if note.startswith("extended attributes not readable"):
                self._report.lost(item.path, note)
        if entry.kind == "directory":
            self._take_directory(item, parts, output)
        elif entry.kind == "symlink":
            self._symlinks.append((parts, item))
        elif entry.kind != "file":
            self._report.lost(item.path, f"{entry.kind}s are not made")
        elif entry.refused:
            self._report.lost(item.path, entry.refused)
        elif entry.links > 1 and entry.id in self._first_of:
            self._hard_links.append((parts, item))
        else:
            self._take_file(number, item, parts, wave, output)

    def _place_of(self, path: bytes, output: Output) -> tuple[bytes, ...] | None:
        """Where a directory of the plan really is; one above a ticked entry is made when it is needed."""
        known = self._places.get(path)
        if known is not None or path not in self._above:
            return known
        above = self._place_of(path.rpartition(b"/")[0], output)
        if above is None:
            return None
        try:
            parts = (*above, safe_parts(path)[-1])
        except FileRestoreError:
            return None
        try:
            made = output.make_directory(parts)
        except OSError as exc:
            if exc.errno in _FATAL:
                raise
            return None
        self._places[path] = made
        return made

    def _take_directory(self, item: Planned, parts: tuple[bytes, ...], output: Output) -> None:
        try:
            made = output.make_directory(parts)
        except OSError as exc:
            if exc.errno in _FATAL:
                raise
            self._report.lost(item.path, (exc.strerror or str(exc)).lower())
            return
        self._places[item.path] = made
        self._directories.append((made, item.path, item))
        self._report.directories += 1

    def _take_file(
        self, number: int, item: Planned, parts: tuple[bytes, ...], wave: _Wave, output: Output
    ) -> None:
        entry, ledger = item.entry, output.ledger
        try:
            self._check_runs(item)
        except FileRestoreError as exc:
            self._report.lost(item.path, exc.title)
            return
        self.progress.files += 1
        self.progress.size += entry.size
        wave.entries += 1
        if entry.links > 1:
            self._first_of[entry.id] = None
        target = Target(number, parts, item)
        output.reserve(target)
        done = ledger.done.get(number)
        if done is None and (intended := ledger.intended.get(number)) is not None:
            path, digest, _ = intended
            there = tuple(os.fsencode(path).split(b"/"))
            if _is_choice(there, parts) and output.has_name(target, there, digest):
                ledger.finished(number, os.fsencode(path), digest, entry.size)
                done = ledger.done[number]
        if done is not None:
            there = tuple(os.fsencode(done[0]).split(b"/"))
            if _is_choice(there, parts) and output.is_there(target, there, done[1]):
                self._first_of[entry.id] = there
                self._report.resumed += 1
                self._count_done(entry.size)
                return
        if output.leaves_out(parts):
            self._report.skipped += 1
            self._count_done(entry.size)
            return
        target.proofs.update(ledger.proofs.get(number, {}))
        wave.targets[number] = target
        for piece in pieces_of(number, item.runs, [disk.source for disk in self._disks]):
            for offset, length in ledger.missing(number, piece.offset, piece.length):
                position = piece.position + offset - piece.offset
                wave.pieces.append(Piece(piece.disk, position, length, number, offset))

    def _check_runs(self, item: Planned) -> None:
        """The reader is not trusted to stay within the disks and the file."""
        end = 0
        for run in item.runs:
            within = run.offset >= end and run.length >= 0 and run.offset + run.length <= item.entry.size
            if run.disk == BYTES:
                within = within and len(run.data) == run.length
            elif run.disk not in (ZEROS, READER):
                within = (
                    within
                    and 0 <= run.disk < len(self._disks)
                    and run.position >= 0
                    and run.position + run.length <= self._disks[run.disk].size
                )
            if not within:
                raise FileRestoreError("not readable: its parts lie outside of the disk or of the file.")
            end = run.offset + run.length

    async def _fetch_wave(self, wave: _Wave, output: Output, decoder: Reader) -> None:
        todo = list(fetches(wave.pieces, lambda disk, *place: self._disks[disk].cache.holds(*place)))
        wave.pieces = []
        for fetch in todo:
            for piece in fetch.pieces:
                wave.targets[piece.item].waiting += 1
        empty = [target for target in wave.targets.values() if not target.waiting]
        queue = iter(todo)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(WORKERS, len(todo))):
                    group.create_task(self._work(queue, wave, output))
                decoded = [target for target in empty if target.item.through_reader]
                plain = [target for target in empty if not target.item.through_reader]
                for first in range(0, len(plain), _FINISHED_AT_ONCE):
                    await self._finish(plain[first : first + _FINISHED_AT_ONCE], output)
                if output.decodes_last:
                    self._decoded_last += decoded
                else:
                    await self._decode_all(decoded, output, decoder)
        except BaseExceptionGroup as errors:
            raise _first(errors) from errors
        finally:
            # Threads go on when their tasks are cancelled; what they write counts, too.
            await asyncio.to_thread(futures.wait, list(self._under_way))
            output.keep(wave.targets.values())

    async def _decode_all(self, targets: list[Target], output: Output, decoder: Reader) -> None:
        for target in targets:
            await self._decode(target, output, decoder)
            await self._finish([target], output)

    async def _in_thread(self, work: Callable[..., _T], *arguments: object) -> _T:
        future = self._threads.submit(work, *arguments)
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        waited = asyncio.wrap_future(future)
        waited.add_done_callback(lambda done: done.cancelled() or done.exception())
        # A cancelled task leaves the write to its thread: bytes that are here are not fetched again.
        return await asyncio.shield(waited)

    async def _work(self, queue: Iterator[Fetch], wave: _Wave, output: Output) -> None:
        for fetch in queue:
            await self._running.wait()
            disk = self._disks[fetch.disk]
            if fetch.at_hand:
                data = await disk.cache.read(fetch.position, fetch.length)
            else:
                data = await disk.source.read(fetch.position, fetch.length, verified=True)
                self.progress.requests += 1
                self.progress.bytes_fetched += fetch.length
            await self._finish(await self._in_thread(output.scatter, fetch, data, wave.targets), output)
            self._news()

    async def _decode(self, target: Target, output: Output, decoder: Reader) -> None:
        entry = target.item.entry
        try:
            if decoder.living:
                await self._in_thread(output.begin_anew, target)
            for run in target.item.runs or (Run(0, entry.size, READER),):
                if run.disk == READER:
                    await self._decode_run(run, target, output, decoder)
            if decoder.living:
                (now,) = await decoder.entries(self._volume, (entry.id,))
                if (now.size, now.modified_ns, now.changed_ns) != _version(entry):
                    raise FileRestoreError(now.problem or "it changed while it was being copied")
        except FileRestoreError as exc:
            target.failed = exc.title

    async def _decode_run(self, run: Run, target: Target, output: Output, decoder: Reader) -> None:
        at, end = run.offset, run.offset + run.length
        while at < end:
            await self._running.wait()
            wanted = min(_DECODED_AT_ONCE, end - at)
            data = await decoder.read(self._volume, target.item.entry.id, at, wanted)
            if not data:
                raise FileRestoreError("it ends too early")
            await self._in_thread(output.put, target, [(at, memoryview(data))])
            at += len(data)

    async def _finish(self, targets: list[Target], output: Output) -> None:
        if targets:
            await self._in_thread(_finish_all, targets, output)
        for target in targets:
            self._account(target)

    def _account(self, target: Target) -> None:
        entry = target.item.entry
        for what in target.not_carried:
            self._report.lost(target.item.path, f"not carried: {what}")
        if target.failed:
            self._report.lost(target.item.path, target.failed)
        elif target.placed is None:
            self._report.skipped += 1
        else:
            self._report.files += 1
            self._report.size += entry.size
            if entry.links > 1:
                self._first_of[entry.id] = target.placed
        self.progress.path = target.item.path
        self._finished(entry.size)

    def _finished(self, size: int) -> None:
        self._count_done(size)
        self._report.bytes_fetched = self.progress.bytes_fetched
        self._report.requests = self.progress.requests
        self._news()

    def _count_done(self, size: int) -> None:
        self.progress.files_done += 1
        self.progress.bytes_done += size

    def _news(self, last: bool = False) -> None:
        now = time.monotonic()
        if self._tell and (last or now - self._told_at >= _NEWS_S):
            self._told_at = now
            self._tell(self.progress)

    def _complete(self, output: Output) -> None:
        self._links_and_directories(output)
        output.complete()

    def _links_and_directories(self, output: Output) -> None:
        for parts, item in self._hard_links:
            output.hard_link(parts, item, self._first_of.get(item.entry.id))
        for parts, item in self._symlinks:
            output.symlink(parts, item)
        for parts, path, item in reversed(self._directories):
            output.directory(parts, path, item)


def _is_choice(there: tuple[bytes, ...], parts: tuple[bytes, ...]) -> bool:
    """A file of this name may have been put there. In a living folder numbers name other files later."""
    names = islice(NameChoices(parts[-1]), _NAMES_TRIED)
    return there[:-1] == parts[:-1] and there[-1] in names


def _version(entry: Entry) -> tuple[int, int, int]:
    return entry.size, entry.modified_ns, entry.changed_ns


def _ancestors(path: bytes) -> Iterator[bytes]:
    while b"/" in path:
        path = path.rpartition(b"/")[0]
        yield path


def _close_opened(opening: asyncio.Future[Output]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        with contextlib.suppress(OSError):
            opening.result().close()


def _finish_all(targets: list[Target], output: Output) -> None:
    for target in targets:
        if not target.failed:
            try:
                output.finish(target)
            except OSError as exc:
                if exc.errno in _FATAL:
                    raise
                target.failed = (exc.strerror or str(exc)).lower()
        if target.failed:
            output.discard(target)


_FATAL = {28, 30, 122, 5}
"""Full, read-only, over quota, device failed: the next file would not fare better."""


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
