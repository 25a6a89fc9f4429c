"""What every file system answers inside the reader, and what all of them share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from .damage import Damaged
from .devices import Device, shifted
from .entries import BYTES, ZEROS, Entry, FileSystemInfo, Kind, Run

LONGEST_TARGET = 64 * 1024


class Name(NamedTuple):
    name: bytes
    id: int
    kind: Kind
    """As the directory says; "unknown" where it does not."""


class Content(NamedTuple):
    runs: tuple[Run, ...]
    """In order of the file; what lies between them is zeros."""
    through_reader: bool = False


class FileSystem(Protocol):
    @property
    def info(self) -> FileSystemInfo: ...

    def names(self, directory: int) -> Iterator[Name]:
        """Without `.` and `..`, in the directory's order, block by block."""

    def entry(self, identity: int, name: bytes = b"") -> Entry: ...

    def content(self, identity: int) -> Content:
        """Where the file's bytes are. NotReadable where they cannot be given right."""

    def read(self, identity: int, offset: int, length: int) -> bytes: ...

    def xattrs(self, identity: int) -> tuple[tuple[str, bytes], ...]: ...

    def prefetch_entries(self, identities: Iterable[int]) -> None: ...

    def prefetch_names(self, directories: Iterable[int]) -> None: ...

    def scan(self) -> Iterator[tuple[Name, int]] | None:
        """Every name with its parent's id in one pass over the metadata, where the format allows it."""


def read_runs(device_read: Device, runs: Iterable[tuple[int, int, int]], offset: int, length: int) -> bytes:
    """A part of a file whose pieces are (file offset, length, device offset); gaps are zeros."""
    data = bytearray(length)
    for start, size, place in runs:
        low, high = max(start, offset), min(start + size, offset + length)
        if low < high:
            data[low - offset : high - offset] = device_read.read(place + low - start, high - low)
    return bytes(data)


def on_disks(device: Device, pieces: Iterable[tuple[int, int, int]], size: int) -> tuple[Run, ...]:
    """Pieces of a file as runs on the disks: cut at the file's size, neighbours joined, zeros left out."""
    found: list[Run] = []
    for start, length, place in pieces:
        if start >= size:
            continue
        for run in shifted(device.runs(place, min(length, size - start)), start):
            if run.disk == ZEROS:
                continue
            last = found[-1] if found else None
            if last and _continues(last, run):
                found[-1] = Run(last.offset, last.length + run.length, last.disk, last.position)
            else:
                found.append(run)
    return tuple(found)


def _continues(last: Run, run: Run) -> bool:
    return (
        run.disk == last.disk != BYTES
        and last.offset + last.length == run.offset
        and last.position + last.length == run.position
    )


def check_name(name: bytes) -> None:
    """A name that could lead elsewhere is damage, never passed on."""
    if not name or name in (b".", b"..") or b"/" in name or b"\0" in name:
        raise Damaged("a name with a slash, a zero or nothing in it")
