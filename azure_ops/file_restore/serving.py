"""What the reader process answers: each call of `pipe.Call` by name, as a stream of parts."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from . import encrypted, file_systems, pipe, volumes
from .damage import Cancelled, Damaged, NotReadable
from .devices import Device
from .entries import Entry, Planned, Run
from .file_system import FileSystem, Name
from .walk import Walk, bad

BATCH = 512
FIRST_BATCH = 64
PLAN_BATCH = 256
LONGEST_READ = 4 * 1024 * 1024
MOST_HOPS = 40
MOST_PIECES = 200_000
"""Of an encrypted volume on the disks: a stripe of 64 KiB in each."""
_PROBED = 16 * 1024 * 1024


class Desk:
    def __init__(self, disks: Sequence[Device], check: Callable[[], None]) -> None:
        self._disks = list(disks)
        self._inside: list[str] = []
        self._check = check
        self._found: dict[str, volumes.Found] | None = None
        self._systems: dict[str, FileSystem] = {}

    def add(self, disk: Device, volume: str) -> None:
        """The content of a volume that was unlocked."""
        self._disks.append(disk)
        self._inside.append(volume)
        self._found = None

    @property
    def disk_count(self) -> int:
        return len(self._disks)

    def answer(self, call: pipe.Call) -> Iterator[pipe.Part]:
        method = getattr(self, f"_call_{call.name}", None)
        if method is None:
            raise NotReadable(f"no such call: {call.name}")
        answer: Iterator[pipe.Part] = method(call)
        return answer

    def _scan(self) -> dict[str, volumes.Found]:
        if self._found is None:
            self._found = volumes.scan(self._disks, self._inside)
        return self._found

    def _call_volumes(self, call: pipe.Call) -> Iterator[pipe.Part]:
        yield pipe.Part(volumes=tuple(found.volume for found in self._scan().values()))

    def _call_open(self, call: pipe.Call) -> Iterator[pipe.Part]:
        yield pipe.Part(system=self._system(call.volume).info)

    def _system(self, key: str) -> FileSystem:
        system = self._systems.get(key)
        if system is None:
            found = self._scan().get(key)
            if found is None:
                locked = [one.volume.key for one in self._scan().values() if one.locked is not None]
                hint = f"; if it is in an encrypted one, unlock that first: {', '.join(locked)}"
                raise NotReadable(f"there is no volume {key}{hint if locked else ''}"[:480])
            if found.device is None:
                raise NotReadable(found.volume.reason or f"{key} holds no file system")
            system = file_systems.open_file_system(found.volume.description, found.device)
            self._systems[key] = system
        return system

    def _call_unlock(self, call: pipe.Call) -> Iterator[pipe.Part]:
        """Asked only of a process that was started for it: memory and threads for the key derivation."""
        from .luks_keys import volume_key

        found = self._scan().get(call.volume)
        if found is None or found.locked is None:
            raise NotReadable("it is not locked, or cannot be unlocked here")
        device = found.locked
        header = encrypted.read_luks(device)
        size = (header.size or device.size - header.offset) // header.sector * header.sector
        key = volume_key(device, header, call.secret.value)
        runs = _places(device, header.offset, size)
        unlocked = pipe.Unlocked(header.cipher, key, header.sector, header.iv_offset, size, runs)
        yield pipe.Part(unlocked=unlocked)

    def _call_list(self, call: pipe.Call) -> Iterator[pipe.Part]:
        """`flag`: with all details; else names and kinds only, at once."""
        system = self._system(call.volume)
        names = system.names(call.ids[0])
        size = FIRST_BATCH
        problem = ""
        while True:
            batch: list[Name] = []
            try:
                batch.extend(islice(names, size))
            except Cancelled:
                raise
            except Exception as exc:
                problem = str(exc) or type(exc).__name__
            self._check()
            if batch:
                yield pipe.Part(entries=self._described(system, batch, call.flag))
            if len(batch) < size:
                break
            size = BATCH
        if problem:
            yield pipe.Part(problem=problem)

    def _described(self, system: FileSystem, batch: list[Name], whole: bool) -> tuple[Entry, ...]:
        if not whole:
            return tuple(Entry(name, identity, kind) for name, identity, kind in batch)
        system.prefetch_entries([item.id for item in batch])
        return tuple(described(system, item) for item in batch)

    def _call_entry(self, call: pipe.Call) -> Iterator[pipe.Part]:
        system = self._system(call.volume)
        system.prefetch_entries(call.ids)
        yield pipe.Part(entries=tuple(described(system, Name(b"", number, "unknown")) for number in call.ids))

    def _call_lookup(self, call: pipe.Call) -> Iterator[pipe.Part]:
        """All entries along a path; `flag`: links on the way are followed, within this file system."""
        yield pipe.Part(entries=tuple(resolve(self._system(call.volume), call.path, call.flag)))

    def _call_runs(self, call: pipe.Call) -> Iterator[pipe.Part]:
        content = self._system(call.volume).content(call.ids[0])
        yield pipe.Part(runs=content.runs, problem="through reader" if content.through_reader else "")

    def _call_read(self, call: pipe.Call) -> Iterator[pipe.Part]:
        length = min(call.length, LONGEST_READ)
        yield pipe.Part(data=self._system(call.volume).read(call.ids[0], call.offset, length))

    def _call_xattrs(self, call: pipe.Call) -> Iterator[pipe.Part]:
        yield pipe.Part(xattrs=self._system(call.volume).xattrs(call.ids[0]))

    def _call_search(self, call: pipe.Call) -> Iterator[pipe.Part]:
        """Below a directory, by glob where the pattern has wildcards, else by part of the name, any case."""
        system = self._system(call.volume)
        matches = matcher(call.pattern)
        walk = Walk(system, self._check)
        for hits in walk.search(call.ids[0], call.path, matches):
            yield pipe.Part(hits=tuple(hits))
        for problem in walk.problems:
            yield pipe.Part(problem=problem)

    def _call_plan(self, call: pipe.Call) -> Iterator[pipe.Part]:
        """The ticked entries with everything below them, apart from what is left out."""
        system = self._system(call.volume)
        walk = Walk(system, self._check, call.without)
        batch: list[Planned] = []
        ticked = [Name(*pair, "unknown") for pair in zip(call.names, call.ids, strict=True)]
        for planned in walk.plan(ticked):
            batch.append(planned)
            if len(batch) == PLAN_BATCH:
                yield pipe.Part(planned=tuple(batch))
                batch = []
        yield pipe.Part(planned=tuple(batch))


def _places(device: Device, offset: int, size: int) -> tuple[Run, ...]:
    probed = min(size, _PROBED)
    if len(device.runs(offset, probed)) * (size // max(probed, 1)) > MOST_PIECES:
        raise NotReadable("it is spread over the disks in too many small stripes to be unlocked here")
    return tuple(device.runs(offset, size))


def described(system: FileSystem, item: Name) -> Entry:
    try:
        return system.entry(item.id, item.name)
    except Cancelled:
        raise
    except Exception as exc:
        return bad(item, exc)


def matcher(pattern: str) -> Callable[[bytes], bool]:
    if any(sign in pattern for sign in "*?["):
        expression = re.compile(fnmatch.translate(pattern), re.IGNORECASE)
        return lambda name: bool(expression.match(name.decode("utf-8", "surrogateescape")))
    wanted = pattern.casefold()
    return lambda name: wanted in name.decode("utf-8", "surrogateescape").casefold()


def resolve(system: FileSystem, path: bytes, follow: bool) -> list[Entry]:
    root = system.info.root
    chain = [system.entry(root, b"")]
    todo = [part for part in path.split(b"/") if part not in (b"", b".")]
    hops = 0
    while todo:
        part = todo.pop(0)
        if part == b"..":
            if len(chain) > 1:
                chain.pop()
            continue
        entry = system.entry(_child(system, chain[-1].id, part), part)
        if entry.kind == "symlink" and (follow or todo):
            hops += 1
            if hops > MOST_HOPS:
                raise Damaged("the links of the path go in circles")
            if entry.target.startswith(b"/"):
                del chain[1:]
            todo = [piece for piece in entry.target.split(b"/") if piece not in (b"", b".")] + todo
            continue
        chain.append(entry)
    return chain


def _child(system: FileSystem, directory: int, name: bytes) -> int:
    folded = name.decode("utf-8", "replace").casefold()
    loose: int | None = None
    for item in system.names(directory):
        if item.name == name:
            return item.id
        if not system.info.case_sensitive and item.name.decode("utf-8", "replace").casefold() == folded:
            loose = item.id
    if loose is None:
        raise NotReadable(f"there is no {name.decode('utf-8', 'replace')} there")
    return loose
