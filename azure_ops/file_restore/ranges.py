"""Which ranges of the disks to fetch for a set of files: in order of the disk, joined over small gaps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from .byte_source import ByteSource
from .entries import BYTES, READER, ZEROS, Run

GAP = 64 * 1024
"""Fetching so much for nothing is cheaper than another request."""
LARGEST = 4 * 1024 * 1024
WASTE = 0.5
"""Of what is wanted, for joining over wider gaps: scattered small files want few requests, too."""
Held = Callable[[int, int, int], bool]
"""Whether a range of a disk (its number, position, length) is here already."""


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
    at_hand: bool = False
    """No request: reading the metadata has brought these bytes, too."""


def pieces_of(item: int, runs: Iterable[Run], sources: Sequence[ByteSource]) -> Iterator[Piece]:
    """What has to be fetched of a file; parts that are known to be zeros stay holes."""
    for run in runs:
        if run.disk in (BYTES, ZEROS, READER):
            continue
        for position, length in sources[run.disk].written(run.position, run.length):
            yield Piece(run.disk, position, length, item, run.offset + position - run.position)


def fetches(pieces: Iterable[Piece], held: Held | None = None) -> Iterator[Fetch]:
    ordered = list(_split(sorted(pieces, key=lambda piece: (piece.disk, piece.position))))
    if held is not None:
        there = [piece for piece in ordered if held(piece.disk, piece.position, piece.length)]
        for start, end, together in _together(there, held):
            yield Fetch(together[0].disk, start, end - start, tuple(together), at_hand=True)
        ids = set(map(id, there))
        ordered = [piece for piece in ordered if id(piece) not in ids]
    gap = _gap(ordered)
    for start, end, together in _together(ordered, lambda _disk, _end, space: space <= gap):
        yield Fetch(together[0].disk, start, end - start, tuple(together))


def _together(ordered: list[Piece], bridges: Held) -> Iterator[tuple[int, int, list[Piece]]]:
    """Start, end and pieces of one range after another; `bridges` judges the space between two pieces."""
    found: list[Piece] = []
    start = end = 0
    for piece in ordered:
        last = piece.position + piece.length
        joins = (
            found
            and piece.disk == found[0].disk
            and max(last, end) - start <= LARGEST
            and (piece.position <= end or bridges(piece.disk, end, piece.position - end))
        )
        if not joins:
            if found:
                yield start, end, found
            found, start, end = [], piece.position, piece.position
        found.append(piece)
        end = max(end, last)
    if found:
        yield start, end, found


def _gap(ordered: list[Piece]) -> int:
    """How wide a gap may be so that all that are no wider stay within the budget of waste."""
    gaps = []
    end, disk, wanted = 0, -1, 0
    for piece in ordered:
        if piece.disk == disk and 0 < piece.position - end <= LARGEST // 4:
            gaps.append(piece.position - end)
        end = max(end, piece.position + piece.length) if piece.disk == disk else piece.position + piece.length
        disk, wanted = piece.disk, wanted + piece.length
    budget, widest = int(wanted * WASTE), GAP
    for gap in sorted(gaps):
        budget -= gap
        if budget < 0:
            break
        widest = max(GAP, gap)
    return widest


def _split(pieces: Iterable[Piece]) -> Iterator[Piece]:
    for piece in pieces:
        for start in range(0, piece.length, LARGEST):
            length = min(LARGEST, piece.length - start)
            yield Piece(piece.disk, piece.position + start, length, piece.item, piece.offset + start)
