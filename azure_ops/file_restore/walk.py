"""Walks through whole trees, wide rather than deep, so that many directories are fetched at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

import msgspec

from .damage import Cancelled, Damaged, NotReadable
from .entries import Entry, Hit, Planned
from .file_system import Content, FileSystem, Name

WIDTH = 64
"""Directories whose blocks are asked for together."""
DETAILS = 1024
DEEPEST = 1000
MOST_ENTRIES = 20_000_000


class Walk:
    def __init__(self, system: FileSystem, check: Callable[[], None], without: Iterable[bytes] = ()) -> None:
        self._system = system
        self._without = frozenset(without)
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
                    if self._without and _join(above, item.name) in self._without:
                        continue
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
                    queue.append((_join(above, item.name), item.id, depth + 1))
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
            yield from self._search_scanned(scan, _Scanned(start, path), matches)
            return
        for found in self.levels(start, path):
            hits = [(_join(above, item.name), item) for above, item in found if matches(item.name)]
            yield from self._hits(hits)

    def _search_scanned(
        self, scan: Iterator[tuple[Name, int]], known: _Scanned, matches: Callable[[bytes], bool]
    ) -> Iterator[list[Hit]]:
        for number, (item, parent) in enumerate(scan):
            known.learn(item, parent)
            if matches(item.name):
                known.wait(item, parent)
            if number % 1024 == 1023:
                self._check()
                yield from self._hits(known.placed())
        yield from self._hits(known.placed(last=True))

    def _hits(self, hits: list[tuple[bytes, Name]]) -> Iterator[list[Hit]]:
        for first in range(0, len(hits), DETAILS):
            part = hits[first : first + DETAILS]
            self._system.prefetch_entries([item.id for _, item in part])
            yield [Hit(path, self._entry(item)) for path, item in part]

    def _entry(self, item: Name) -> Entry:
        try:
            return self._system.entry(item.id, item.name)
        except Cancelled:
            raise
        except Exception as exc:
            return bad(item, exc)

    def plan(self, ticked: list[Name]) -> Iterator[Planned]:
        """The ticked entries, by their paths, and all below them, directories before what is in them."""
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
                        yield self._planned(_join(above, below.name), self._entry(below))
        for problem in self.problems:
            yield Planned(b"", Entry(b"", 0, "unknown", problem=problem))

    def _planned(self, path: bytes, entry: Entry) -> Planned:
        content, notes = Content(()), entry.notes
        xattrs: tuple[tuple[str, bytes], ...] = ()
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


class _Scanned:
    """Paths of names that come in no order: known once their directories have come by."""

    def __init__(self, start: int, path: bytes) -> None:
        self._start = start
        self._path = path
        self._directories: dict[int, tuple[int, bytes]] = {}
        self._waiting: list[tuple[Name, int]] = []

    def learn(self, item: Name, parent: int) -> None:
        if item.kind == "directory":
            self._directories[item.id] = (parent, item.name)

    def wait(self, item: Name, parent: int) -> None:
        self._waiting.append((item, parent))

    def placed(self, last: bool = False) -> list[tuple[bytes, Name]]:
        found: list[tuple[bytes, Name]] = []
        left: list[tuple[Name, int]] = []
        for item, parent in self._waiting:
            parts, at = [item.name], parent
            while at != self._start and at in self._directories and len(parts) < DEEPEST:
                at, name = self._directories[at]
                parts.append(name)
            if at == self._start:
                whole = b"/".join(reversed(parts))
                found.append((_join(self._path, whole), item))
            elif not last and at not in self._directories:
                left.append((item, parent))
        self._waiting = left
        return found


def _join(above: bytes, name: bytes) -> bytes:
    return above + b"/" + name if above else name


def bad(item: Name, exc: Exception) -> Entry:
    return Entry(item.name, item.id, item.kind, problem=str(exc) or type(exc).__name__)


def _with(entry: Entry, **changed: object) -> Entry:
    return msgspec.structs.replace(entry, **changed)


def _shown(path: bytes) -> str:
    return "/" + path.decode("utf-8", "replace")
