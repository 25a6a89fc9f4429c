"""What a table's columns are made of, and which of them fit. Every table's columns are tuples of `Column`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

Row = TypeVar("Row")

GAP = 2
"""Cells between two columns."""

_DIGITS = re.compile(r"\d+")


class Tone(StrEnum):
    """What a text means; its colour comes from the theme. It never stands alone: a word says it too."""

    PLAIN = "plain"
    STRONG = "strong"
    DIM = "dim"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    BUSY = "busy"


TONE_STYLES = {
    Tone.PLAIN: "",
    Tone.STRONG: "bold",
    Tone.DIM: "$foreground-muted",
    Tone.GOOD: "$success",
    Tone.WARN: "$warning",
    Tone.BAD: "$error",
    Tone.BUSY: "$accent",
}
"""As `Content` and the stylesheet understand them."""


class Cell(NamedTuple):
    text: str
    tone: Tone = Tone.PLAIN


class Column(msgspec.Struct, Generic[Row], frozen=True):
    """`cell` is asked anew at every tick for rows on screen, so it may count ages. `sort_key` returns None
    for rows without a value: they come last in both directions."""

    id: str
    title: str
    cell: Callable[[Row], Cell]
    sort_key: Callable[[Row], Any] | None = None
    width: int = 10
    min_width: int = 0
    """0 is `width`: the column never shrinks."""
    max_width: int = 0
    """0 is `width`: the column never grows."""
    priority: int = 0
    """0 is always shown; where room is short, the highest number goes first, and what room is left over goes
    to the lowest number first."""
    right: bool = False
    keep_end: bool = False
    """Where the text is too long, its end is shown: for paths."""

    @property
    def least(self) -> int:
        return self.min_width or self.width

    @property
    def most(self) -> int:
        return max(self.max_width, self.width)


class Placed(NamedTuple, Generic[Row]):
    column: Column[Row]
    x: int
    width: int


def place(columns: Sequence[Column[Row]], available: int) -> list[Placed[Row]]:
    """The columns that fit into `available` cells, each with its position and width."""
    chosen = list(columns)
    while sum(column.width for column in chosen) + GAP * (len(chosen) - 1) > available:
        last = max(chosen, key=lambda column: column.priority)
        if last.priority == 0:
            break
        chosen.remove(last)
    widths = {column.id: column.least for column in chosen}
    spare = available - sum(widths.values()) - GAP * (len(chosen) - 1)
    spare = _grow(chosen, widths, spare, "width")
    for priority in sorted({column.priority for column in chosen}):
        spare = _grow([one for one in chosen if one.priority == priority], widths, spare, "most")
    placed: list[Placed[Row]] = []
    x = 0
    for column in chosen:
        width = min(widths[column.id], max(available - x, 0))
        if width:
            placed.append(Placed(column, x, width))
        x += width + GAP
    return placed


def _grow(columns: Sequence[Column[Any]], widths: dict[str, int], spare: int, limit: str) -> int:
    """Hands out spare cells one by one up to each column's `limit`; what is left comes back."""
    growing = [column for column in columns if widths[column.id] < getattr(column, limit)]
    while spare > 0 and growing:
        for column in list(growing):
            if spare <= 0:
                break
            widths[column.id] += 1
            spare -= 1
            if widths[column.id] >= getattr(column, limit):
                growing.remove(column)
    return spare


def natural_key(text: str) -> str:
    """Sorts `web-2` before `web-10`, without regard to case."""
    folded = text.casefold()
    return _DIGITS.sub(lambda digits: digits[0].zfill(12), folded)
