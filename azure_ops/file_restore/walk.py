"""Walks through whole trees, wide rather than deep, so that many directories are fetched at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

import msgspec

from .entries import Entry, Hit, Planned
from .file_system import Content, FileSystem, Name
from .problems import Cancelled, Damaged, NotReadable

WIDTH = 64
"""Directories whose blocks are asked for together."""
DETAILS = 1024
DEEPEST = 1000
MOST_ENTRIES = 20_000_000


class Walk:
    def __init__(self, system: FileSystem, check: Callable[[], None]) -> None:
        self._system = system
        self._check = check
        self._seen: set[int] = set()
        """Directories that were entered; a second way to one is a loop or a link to a directory."""
        self.problems: list[str] = []

    def levels(self, start: int, path: bytes) -> Iterator[list[tuple[bytes, Name]]]:
        """The entries of a group of directories at a time, each with its directory's path."""
        queue = deque([(path, start, 0)])
        self._seen.add(start)
        count = 0
        while queue:
            group = [queue.popleft() for _ in range(min(WIDTH, len(queue)))]
            self._system.prefetch_entries([identity for _, identity, _ in group])
            self._system.prefetch_names([identity for _, identity, _ in group])
            found: list[tuple[bytes, Name]] = []
            depths: list[int] = []
            for above, directory, depth in group:
                self._check()
                for item in self._names(above, directory):
                    found.append((above, item))
                    depths.append(depth)
                    count += 1
                    if count > MOST_ENTRIES:
                        raise Damaged("more entries than a file system can have")
            self._settle_kinds(found)
            for (above, item), depth in zip(found, depths, strict=True):
                if item.kind == "directory" and item.id not in self._seen:
                    if depth >= DEEPEST:
                        self.problems.append(f"{_shown(above)}: directories are nested too deeply")
                        continue
                    self._seen.add(item.id)
                    queue.append((above + b"/" + item.name if above else item.name, item.id, depth + 1))
            yield found

    def _names(self, above: bytes, directory: int) -> Iterator[Name]:
        try:
            yield from self._system.names(directory)
        except (Cancelled, GeneratorExit):
            raise
        except Exception as exc:
            self.problems.append(f"{_shown(above)}: {exc or type(exc).__name__}")

    def _settle_kinds(self, found: list[tuple[bytes, Name]]) -> None:
        """Kinds that the directories do not tell are read from the entries."""
        unknown = [place for place, (_, item) in enumerate(found) if item.kind == "unknown"]
        if unknown:
            self._system.prefetch_entries([found[place][1].id for place in unknown])
        for place in unknown:
            above, item = found[place]
            try:
                found[place] = above, item._replace(kind=self._system.entry(item.id, item.name).kind)
            except Cancelled:
                raise
            except Exception:  # noqa: S112 (whoever needs the entry will say what is wrong with it)
                continue

    def search(self, start: int, path: bytes, matches: Callable[[bytes], bool]) -> Iterator[list[Hit]]:
        scan = self._system.scan()
        if scan is not None:
            yield from _search_scanned(self._system, scan, start, path, matches, self._check)
            return
        for found in self.levels(start, path):
            hits = [(above, item) for above, item in found if matches(item.name)]
            for first in range(0, len(hits), DETAILS):
                part = hits[first : first + DETAILS]
                self._system.prefetch_entries([item.id for _, item in part])
                yield [
                    Hit(above + b"/" + item.name if above else item.name, self._entry(item)) for above, item in part
                ]

    def _entry(self, item: Name) -> Entry:
        try:
            return self._system.entry(item.id, item.name)
        except Cancelled:
            raise
        except Exception as exc:
            return bad(item, exc)

    def plan(self, ticked: list[Name]) -> Iterator[Planned]:
        """The ticked entries and all below them, directories before what is in them."""
        self._system.prefetch_entries([item.id for item in ticked])
        for item in ticked:
            entry = self._entry(item)
            if entry.kind != "directory":
                yield self._planned(item.name, entry)
                continue
            if item.id in self._seen:
                continue
            yield self._planned(item.name, entry)
            for found in self.levels(item.id, item.name):
                for first in range(0, len(found), DETAILS):
                    part = found[first : first + DETAILS]
                    self._system.prefetch_entries([below.id for _, below in part])
                    for above, below in part:
                        self._check()
                        path = above + b"/" + below.name if above else below.name
                        yield self._planned(path, self._entry(below))
        for problem in self.problems:
            yield Planned(b"", Entry(b"", 0, "unknown", problem=problem))

    def _planned(self, path: bytes, entry: Entry) -> Planned:
        content, xattrs, notes = Content(()), (), entry.notes
        if entry.problem:
            return Planned(path, entry)
        try:
            if entry.kind == "file" and not entry.refused:
                content = self._system.content(entry.id)
        except Cancelled:
            raise
        except NotReadable as exc:
            entry = _with(entry, refused=str(exc))
        except Exception as exc:
            entry = _with(entry, problem=str(exc) or type(exc).__name__)
        try:
            xattrs = self._system.xattrs(entry.id)
        except Cancelled:
            raise
        except Exception as exc:
            entry = _with(entry, notes=(*notes, f"extended attributes not readable: {exc}"))
        return Planned(path, entry, content.runs, content.through_reader, xattrs)


def _search_scanned(
    system: FileSystem,
    scan: Iterator[tuple[Entry, int]],
    start: int,
    path: bytes,
    matches: Callable[[bytes], bool],
    check: Callable[[], None],
) -> Iterator[list[Hit]]:
    """Hits of one pass over all entries; their paths are known once their directories have come by."""
    directories: dict[int, tuple[int, bytes]] = {}
    waiting: list[tuple[Entry, int]] = []
    for number, (entry, parent) in enumerate(scan):
        if number % 1024 == 0:
            check()
            if waiting:
                hits, waiting = _placed(waiting, directories, start, path, False)
                if hits:
                    yield hits
        if entry.kind == "directory":
            directories[entry.id] = (parent, entry.name)
        if matches(entry.name):
            waiting.append((entry, parent))
    hits, _ = _placed(waiting, directories, start, path, True)
    yield hits


def _placed(
    waiting: list[tuple[Entry, int]],
    directories: dict[int, tuple[int, bytes]],
    start: int,
    path: bytes,
    last: bool,
) -> tuple[list[Hit], list[tuple[Entry, int]]]:
    hits: list[Hit] = []
    left: list[tuple[Entry, int]] = []
    for entry, parent in waiting:
        parts, at = [entry.name], parent
        while at != start and at in directories and len(parts) < DEEPEST:
            above, name = directories[at]
            if above == at:
                break
            parts.append(name)
            at = above
        if at == start:
            whole = b"/".join(reversed(parts))
            hits.append(Hit(path + b"/" + whole if path else whole, entry))
        elif not last and at not in directories:
            left.append((entry, parent))
    return hits, left


def bad(item: Name, exc: Exception) -> Entry:
    return Entry(item.name, item.id, item.kind, problem=str(exc) or type(exc).__name__)


def _with(entry: Entry, **changed: object) -> Entry:
    return msgspec.structs.replace(entry, **changed)


def _shown(path: bytes) -> str:
    return "/" + path.decode("utf-8", "replace")
