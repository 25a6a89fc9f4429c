"""A disk as bytes: a shipped image at one stage of its life, zeros up to the disk's size, and the footer of a
fixed VHD, which is how a managed disk is exported."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from .layers import BLOCK, Layer
from .vhd import FOOTER, footer

DATA = Path(__file__).parent / "data"
STAGES = ("start", "grown", "deleted", "encrypted", "running")
"""In the order of their layers; `running` is the last one with its journal still to be replayed."""


class Image:
    """One image at one stage: where its blocks lie and what they hold."""

    def __init__(self, name: str, stage: str) -> None:
        layers = _layers(name)[: STAGES.index(stage) + 1]
        self.size = layers[0].size
        self._blocks: dict[int, Layer] = {}
        for layer in layers:
            for first, count, filled in layer.runs():
                for number in range(first, first + count):
                    if filled:
                        self._blocks[number] = layer
                    else:
                        self._blocks.pop(number, None)
        self.numbers = sorted(self._blocks)
        """Of the blocks that hold anything."""

    def block(self, number: int) -> bytes:
        layer = self._blocks.get(number)
        return bytes(BLOCK) if layer is None else layer.block(number) or bytes(BLOCK)

    def differs(self, other: Image, number: int) -> bool:
        mine, theirs = self._blocks.get(number), other._blocks.get(number)
        return mine is not theirs and self.block(number) != other.block(number)


@lru_cache(maxsize=32)
def open_image(name: str, stage: str) -> Image:
    return Image(name, stage)


@lru_cache(maxsize=32)
def _layers(name: str) -> list[Layer]:
    paths = [DATA / f"{name}.{stage}.layer" for stage in STAGES]
    return [Layer(path) for path in paths if path.exists()]


class PageRange(NamedTuple):
    start: int
    end: int
    """The first byte after it."""
    cleared: bool = False


@dataclass(frozen=True)
class DiskBytes:
    """What is exported of a disk of `size` bytes. No image: a blank disk."""

    image: Image | None
    size: int
    unique_id: str

    @property
    def length(self) -> int:
        return self.size + FOOTER

    def read(self, start: int, length: int) -> bytes:
        """Within `self.length`."""
        out, end = bytearray(length), start + length
        if self.image is not None:
            for number in self._numbers(self.image, start, end):
                at = number * BLOCK
                low, high = max(at, start), min(at + BLOCK, end)
                out[low - start : high - start] = self.image.block(number)[low - at : high - at]
        if end > self.size:
            tail = footer(self.size, self.unique_id)
            low = max(start, self.size)
            out[low - start :] = tail[low - self.size : end - self.size]
        return bytes(out)

    def ranges(self, start: int, end: int) -> list[PageRange]:
        """What holds anything between two bytes, cut to them."""
        numbers = [] if self.image is None else self._numbers(self.image, start, end)
        found = [PageRange(first * BLOCK, after * BLOCK) for first, after in _runs(numbers)]
        return _cut([*found, PageRange(self.size, self.length)], start, end)

    def changes(self, older: DiskBytes, start: int, end: int) -> list[PageRange]:
        """What is other than in `older`, and what is zeros now and was not."""
        mine, theirs = self.image, older.image
        if mine is None or theirs is None:
            return self.ranges(start, end) if mine is not None else older._as_cleared(start, end)
        now = set(self._numbers(mine, start, end))
        candidates = sorted(now.union(self._numbers(theirs, start, end)))
        changed = [number for number in candidates if number in now and mine.differs(theirs, number)]
        gone = [number for number in candidates if number not in now]
        found = [PageRange(first * BLOCK, after * BLOCK) for first, after in _runs(changed)]
        found += [PageRange(first * BLOCK, after * BLOCK, True) for first, after in _runs(gone)]
        if older.size != self.size:
            found.append(PageRange(self.size, self.length))
        return _cut(sorted(found), start, end)

    def _as_cleared(self, start: int, end: int) -> list[PageRange]:
        return [PageRange(one.start, one.end, True) for one in self.ranges(start, min(end, self.size))]

    @staticmethod
    def _numbers(image: Image, start: int, end: int) -> list[int]:
        low = bisect_left(image.numbers, start // BLOCK)
        return image.numbers[low : bisect_left(image.numbers, -(-end // BLOCK))]


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    first = after = -1
    for number in numbers:
        if number != after:
            if after > 0:
                yield first, after
            first = number
        after = number + 1
    if after > 0:
        yield first, after


def _cut(ranges: list[PageRange], start: int, end: int) -> list[PageRange]:
    cut = (PageRange(max(one.start, start), min(one.end, end), one.cleared) for one in ranges)
    return [one for one in cut if one.start < one.end]
