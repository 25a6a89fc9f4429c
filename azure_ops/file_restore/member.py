"""What is written into an archive, and how each format lays it out. Sizes are known from the plan alone, so
every file has its place in the archive before its first byte arrives, and the same place in a later run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from .entries import ZEROS, Planned

_HOLE = 64 * 1024
"""A smaller one is not worth a line in the map of a sparse file."""
PLAIN_FILE, PLAIN_DIRECTORY = 0o644, 0o755
"""Modes of what comes from a file system without any."""
_SPECIAL = 0o7000
CAPABILITY = "security.capability"


@dataclass(frozen=True)
class Segment:
    """Bytes of a file that stand together in the archive, counted from the member's first byte of content."""

    offset: int
    length: int
    at: int


@dataclass(frozen=True)
class Member:
    """One name in an archive. Nothing in it depends on anything but the plan."""

    name: bytes
    item: Planned
    mode: int
    kind: str
    """`file`, `directory`, `symlink` or `hard link`."""
    target: bytes = b""


@dataclass(frozen=True)
class Layout:
    header_length: int
    prefix: bytes
    """Stands between header and content: the map of a sparse file."""
    segments: tuple[Segment, ...]
    length: int
    """Of all: header, content, padding."""

    @property
    def content_at(self) -> int:
        return self.header_length + len(self.prefix)


class Format(Protocol):
    ending: str
    links_are_copies: bool
    with_crc: bool

    def layout(self, member: Member) -> Layout: ...

    def header(self, member: Member, crc: int) -> bytes:
        """As long as the layout says, whatever the checksum."""

    def crc_of(self, header: bytes) -> int:
        """Of a member that an earlier run wrote."""

    def written(self, member: Member, at: int, crc: int) -> None:
        """The member stands in the archive for good."""

    def end(self, at: int) -> Iterator[bytes]:
        """What closes the archive at this position."""

    def not_carried(self, member: Member) -> Iterator[str]: ...

    def notes(self) -> Iterator[str]:
        """What holds for all of the archive."""

    def digests(self, path: int) -> Iterator[tuple[int, str]]:
        """Reads the archive behind a descriptor with the standard library: position of each file's header and
        the hash of its content."""


def data_of(item: Planned) -> list[tuple[int, int]]:
    """Offset and length of what is not holes; one range with all where holes are not worth it."""
    size, found = item.entry.size, list[list[int]]()
    if item.through_reader and not item.runs:
        return [(0, size)] if size else []
    for run in item.runs:
        if run.disk == ZEROS or not run.length:
            continue
        if found and run.offset - (found[-1][0] + found[-1][1]) < _HOLE:
            found[-1][1] = run.offset + run.length - found[-1][0]
        else:
            found.append([run.offset, run.length])
    if found and found[0][0] < _HOLE:
        found[0] = [0, found[0][0] + found[0][1]]
    if found and size - (found[-1][0] + found[-1][1]) < _HOLE:
        found[-1][1] = size - found[-1][0]
    if not found and size < _HOLE:
        return [(0, size)] if size else []
    return [(offset, length) for offset, length in found]


def mode_of(item: Planned, special_modes: bool) -> tuple[int, list[str]]:
    """What the archive says, and what of it was taken away."""
    entry = item.entry
    if entry.uid is None:
        return (PLAIN_DIRECTORY if entry.kind == "directory" else PLAIN_FILE), []
    if entry.mode & _SPECIAL and not special_modes:
        return entry.mode & ~_SPECIAL, [f"special mode {entry.mode & _SPECIAL:04o}"]
    return entry.mode, []
