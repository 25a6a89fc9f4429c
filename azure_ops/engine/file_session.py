"""The disks that a console has opened: what is on them, listings, search, pieces of files, counts.

Each kind of question has a reader process of its own, started when it is first asked, so that a long search
never keeps a listing waiting; all of them share the disks' bounded caches.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ..errors import InvalidState
from ..file_model import (
    LINES_SHOWN,
    READ_AT_ONCE,
    FileChoice,
    FileCount,
    FileEntry,
    FileHit,
    FileSystemView,
    FileVolume,
    PlannedFile,
)
from ..file_places import Place
from ..file_restore import pipe
from ..file_restore.disks import Disk
from ..file_restore.entries import Entry, Hit, Planned
from ..file_restore.problems import FileRestoreError
from ..file_restore.reader import Reader
from .file_hashes import FileHash
from .file_names import names_of
from .file_streams import Stream

if TYPE_CHECKING:
    from ..file_restore.folder import Folder
    from .file_places import TakenNames

ANSWERS_WITHIN_S = 0.3
"""A part of a long answer goes out after so long, even if it is empty."""
PARTS_AT_ONCE = 4
"""Of up to 512 entries each."""
MOST_VOLUMES = 512
MOST_TICKED = 10_000
LONGEST_PATH = 64 * 1024
LONGEST_SHOWN = 4096
"""Bytes of a path or of a link's target that go to a console: hostile disks have thousands of longer ones."""
MOST_BANNERS = 20

Hits = tuple[tuple[Hit, ...], str]


class FileSession:
    def __init__(
        self,
        id: str,
        sources: tuple[str, ...],
        disks: Sequence[Disk] = (),
        folder: Folder | None = None,
        *,
        title: str = "",
        notes: tuple[str, ...] = (),
        release: Callable[[bool], Awaitable[None]] | None = None,
    ) -> None:
        """`release` lets go of what the disks needed besides, once they are closed; True keeps what a restore
        of files needs to go on later."""
        self.title = title
        self.notes = notes
        self._release = release
        self.id = id
        self.sources = sources
        self.disks = list(disks)
        self.folder = folder
        """In place of disks."""
        self._readers: dict[str, Reader] = {}
        self._listing: tuple[object, Stream[pipe.Part]] | None = None
        self._search: tuple[object, Stream[Hits]] | None = None
        self._counting: tuple[object, asyncio.Task[None]] | None = None
        self._count = FileCount()
        self._hashing: FileHash | None = None

    def new_reader(self) -> Reader:
        if self.folder is None:
            return Reader(self.disks)
        from ..file_restore.folder_reader import FolderReader

        return FolderReader(self.folder)

    def _reader(self, purpose: str) -> Reader:
        if purpose not in self._readers:
            self._readers[purpose] = self.new_reader()
        return self._readers[purpose]

    @property
    def reader_pids(self) -> list[int]:
        return [reader.process_id for reader in self._readers.values() if reader.process_id]

    def add(self, disk: Disk) -> None:
        """The content of a volume that was unlocked."""
        self.disks.append(disk)
        for reader in self._readers.values():
            reader.add_disk(disk)

    async def volumes(self) -> tuple[FileVolume, ...]:
        found = await self._reader("look").volumes()
        return tuple(
            FileVolume(
                key=one.key, parent=one.parent, description=one.description, state=one.state, size=one.size,
                label=one.label, uuid=one.uuid, reason=one.reason, facts=one.facts, unlock=one.unlock,
            )
            for one in found[:MOST_VOLUMES]
        )  # fmt: skip

    async def identified(self) -> tuple[FileVolume, ...]:
        """The volumes with what their file systems call themselves, and where they were mounted."""
        volumes = await self.volumes()
        if self.folder is not None:
            return volumes
        reader = self._reader("identify")
        try:
            names = await names_of(reader, volumes)
        finally:
            await reader.close()
            self._readers.pop("identify", None)
        return tuple(names.get(one.key, one) for one in volumes)

    async def open(self, volume: str) -> FileSystemView:
        info = await self._reader("look").open(volume)
        return FileSystemView(
            volume=volume, kind=info.kind, root=info.root, label=info.label, uuid=info.uuid, size=info.size,
            case_sensitive=info.case_sensitive,
            banners=tuple(banner[:LONGEST_SHOWN] for banner in info.banners[:MOST_BANNERS]),
        )  # fmt: skip

    async def list(self, volume: str, directory: int, more: bool) -> tuple[tuple[FileEntry, ...], str, bool]:
        key = (volume, directory)
        if not more:
            if self._listing is not None:
                await self._listing[1].close()
            self._listing = (key, Stream(self._reader("list").list(volume, directory)))
        if self._listing is None or self._listing[0] != key:
            raise _over("listing")
        parts, unfinished = await self._listing[1].take(PARTS_AT_ONCE, ANSWERS_WITHIN_S)
        entries = tuple(_entry(entry) for part in parts for entry in part.entries)
        return entries, _joined(part.problem for part in parts), unfinished

    async def find(
        self, volume: str, directory: int, path: bytes, pattern: str, more: bool
    ) -> tuple[tuple[FileHit, ...], str, bool]:
        key = (volume, directory, path, pattern)
        if not more:
            if self._search is not None:
                await self._search[1].close()
            searching = self._reader("find").search(volume, directory, pattern, path)
            self._search = (key, Stream(searching))
        if self._search is None or self._search[0] != key:
            raise _over("search")
        parts, unfinished = await self._search[1].take(PARTS_AT_ONCE, ANSWERS_WITHIN_S)
        hits = [hit for one, _ in parts for hit in one]
        shown = [hit for hit in hits if len(hit.path) <= LONGEST_SHOWN]
        problems = [problem for _, problem in parts]
        if len(shown) < len(hits):
            problems.append(f"{len(hits) - len(shown):,} found whose paths are too long to be shown")
        found = tuple(FileHit(path=hit.path, entry=_entry(hit.entry)) for hit in shown)
        return found, _joined(problems), unfinished

    async def look_up(self, volume: str, path: bytes) -> tuple[FileEntry, ...]:
        if len(path) > LONGEST_PATH:
            raise FileRestoreError("The path is too long.", "Name a shorter one.")
        return tuple(_entry(entry) for entry in await self._reader("look").lookup(volume, path, follow=True))

    async def read(self, volume: str, identity: int, offset: int, length: int) -> bytes:
        return await self._reader("look").read(volume, identity, offset, min(length, READ_AT_ONCE))

    async def hash(self, volume: str, identity: int, more: bool) -> tuple[int, str]:
        """Bytes that were read, and the SHA-256 once they are all. Nothing is read between two questions."""
        hashing = self._hashing
        if not more:
            hashing = self._hashing = FileHash(self._reader("hash"), volume, identity)
        if hashing is None or not hashing.is_of(volume, identity):
            raise _over("reading")
        return await hashing.go_on(ANSWERS_WITHIN_S)

    async def count(self, choice: FileChoice, place: Place | None, agent: str) -> FileCount:
        check_choice(choice)
        key = (choice, place)
        if self._counting is None or self._counting[0] != key:
            await self._stop_counting()
            self._count = FileCount()
            self._counting = (key, asyncio.create_task(self._walk(choice, place, agent), name="file-count"))
        await asyncio.wait([self._counting[1]], timeout=ANSWERS_WITHIN_S)
        return self._count

    async def _walk(self, choice: FileChoice, place: Place | None, agent: str) -> None:
        tally = _Tally()
        try:
            if place is not None:
                await asyncio.to_thread(tally.look_in, place, agent)
            async for planned in plan_of(self._reader("count"), choice):
                await asyncio.to_thread(tally.take, planned)
                self._count = tally.so_far()
        except FileRestoreError as problem:
            self._count = msgspec.structs.replace(tally.so_far(), problem=problem.title)
        except OSError as problem:
            why = (problem.strerror or str(problem)).lower()
            self._count = msgspec.structs.replace(tally.so_far(), problem=f"the place cannot be read: {why}")
        else:
            self._count = msgspec.structs.replace(tally.so_far(), whole=True)
        finally:
            tally.close()

    async def _stop_counting(self) -> None:
        if self._counting is not None:
            task, self._counting = self._counting[1], None
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def close(self, *, keep: bool = False) -> None:
        """Ends the reader processes and lets go of the disks."""
        await self._stop_counting()
        if self._listing is not None:
            await self._listing[1].close()
        if self._search is not None:
            await self._search[1].close()
        self._listing = self._search = None
        for reader in self._readers.values():
            await reader.close()
        for disk in self.disks:
            await disk.close()
        if self._release is not None:
            await self._release(keep)
        if self.folder is not None:
            self.folder.close()


def plan_of(reader: Reader, choice: FileChoice) -> AsyncIterator[tuple[Planned, ...]]:
    return reader.plan(choice.volume, [(one.path, one.id) for one in choice.ticked], choice.without)


def check_choice(choice: FileChoice) -> None:
    if len(choice.ticked) + len(choice.without) > MOST_TICKED:
        raise FileRestoreError(
            f"More than {MOST_TICKED:,} single ticks.", "Tick the directories that hold the files."
        )


class _Tally:
    def __init__(self) -> None:
        self._taken: TakenNames | None = None
        self._seen: set[int] = set()
        self._lines: list[PlannedFile] = []
        self._files = self._directories = self._links = self._size = self._refused = self._existing = 0

    def look_in(self, place: Place, agent: str) -> None:
        from .file_places import TakenNames

        self._taken = TakenNames(place, agent)

    def close(self) -> None:
        if self._taken is not None:
            self._taken.close()

    def take(self, planned: tuple[Planned, ...]) -> None:
        named: list[tuple[Planned, str]] = []
        for one in planned:
            entry = one.entry
            refused = entry.problem or entry.refused
            if not refused and entry.kind not in ("file", "directory", "symlink"):
                refused = f"{entry.kind}s are not made"
            if refused:
                self._refused += 1
            elif entry.kind == "directory":
                self._directories += 1
            elif entry.kind == "symlink" or entry.id in self._seen:
                self._links += 1
            else:
                self._files += 1
                self._size += entry.size
                if entry.links > 1:
                    self._seen.add(entry.id)
            named.append((one, refused))
        if self._taken is not None:
            taken = self._taken.of([one.path for one, _ in named])
            for (one, refused), exists in zip(named, taken, strict=True):
                self._name(one, refused, exists)

    def _name(self, one: Planned, refused: str, exists: bool) -> None:
        entry = one.entry
        exists = exists and entry.kind != "directory" and not refused
        self._existing += exists
        if len(self._lines) < LINES_SHOWN and one.path:
            self._lines.append(
                PlannedFile(
                    path=one.path[:LONGEST_SHOWN],
                    kind=entry.kind,
                    size=entry.size,
                    refused=refused,
                    exists=exists,
                )
            )

    def so_far(self) -> FileCount:
        return FileCount(
            files=self._files, directories=self._directories, links=self._links, size=self._size,
            refused=self._refused, existing=self._existing, lines=tuple(self._lines),
        )  # fmt: skip


def _entry(entry: Entry) -> FileEntry:
    return FileEntry(
        name=entry.name, id=entry.id, kind=entry.kind, size=entry.size, mode=entry.mode, uid=entry.uid,
        gid=entry.gid, modified_ns=entry.modified_ns, links=entry.links, target=entry.target[:LONGEST_SHOWN],
        notes=entry.notes, refused=entry.refused, problem=entry.problem,
    )  # fmt: skip


def _joined(problems: Iterable[str]) -> str:
    found = [problem for problem in problems if problem]
    more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
    return "; ".join(found[:3]) + more


def _over(what: str) -> InvalidState:
    return InvalidState(f"This {what} is over.", "Begin it again.")


def folder_of(path: str) -> Path:
    """Absolute, links followed as far as the path exists. The engine's own folder means nothing to users."""
    if not os.path.isabs(path) or "\0" in path:
        raise FileRestoreError(f"{path[:200]!r} is no whole path.", "Begin it with a slash.")
    return Path(os.path.realpath(path))
