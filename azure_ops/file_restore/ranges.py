"""Which ranges of the disks to fetch for a set of files: in order of the disk, joined over small gaps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .byte_source import ByteSource
from .entries import BYTES, ZEROS, Run

GAP = 64 * 1024
"""Fetching so much for nothing is cheaper than another request."""
LARGEST = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of one file on one disk."""

    disk: int
    position: int
    length: int
    item: int
    offset: int


@dataclass(frozen=True, slots=True)
class Fetch:
    """One request and where its bytes go."""

    disk: int
    position: int
    length: int
    pieces: tuple[Piece, ...]


def pieces_of(item: int, runs: Iterable[Run], sources: Sequence[ByteSource]) -> Iterator[Piece]:
    """What has to be fetched of a file; parts that are known to be zeros stay holes."""
    for run in runs:
        if run.disk in (BYTES, ZEROS):
            continue
        for position, length in sources[run.disk].written(run.position, run.length):
            yield Piece(run.disk, position, length, item, run.offset + position - run.position)


def fetches(pieces: Iterable[Piece]) -> Iterator[Fetch]:
    held: list[Piece] = []
    start = end = 0
    for piece in _split(sorted(pieces, key=lambda piece: (piece.disk, piece.position))):
        last = piece.position + piece.length
        joins = (
            held
            and piece.disk == held[0].disk
            and piece.position <= end + GAP
            and max(last, end) - start <= LARGEST
        )
        if not joins:
            if held:
                yield Fetch(held[0].disk, start, end - start, tuple(held))
            held, start, end = [], piece.position, piece.position
        held.append(piece)
        end = max(end, last)
    if held:
        yield Fetch(held[0].disk, start, end - start, tuple(held))


def _split(pieces: Iterable[Piece]) -> Iterator[Piece]:
    for piece in pieces:
        for start in range(0, piece.length, LARGEST):
            length = min(LARGEST, piece.length - start)
            yield Piece(piece.disk, piece.position + start, length, piece.item, piece.offset + start)
