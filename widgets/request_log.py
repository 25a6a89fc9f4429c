"""The requests as they went out, newest first: what is really asked of Azure, and what budget is left."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from azure_ops.model import RequestLine

from .ages import clock, zone_name
from .columns import Cell, Column, Tone
from .keyed_table import KeyedTable

LINES_KEPT = 500


class NumberedLine(msgspec.Struct, frozen=True):
    number: int
    line: RequestLine


class RequestLog(KeyedTable[NumberedLine]):
    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(
            request_columns(),
            key=lambda row: str(row.number),
            natural=lambda row: -row.number,
            search=lambda row: f"{row.line.method} {row.line.status} {row.line.path} {row.line.note}",
            empty="No request yet",
            markable=False,
            id=id,
            classes=classes,
        )
        self._last = 0

    def add(self, lines: Iterable[RequestLine]) -> None:
        """In the order in which they went out."""
        rows: list[NumberedLine] = []
        for line in lines:
            self._last += 1
            rows.append(NumberedLine(self._last, line))
        oldest = self._last - LINES_KEPT
        rows = rows[-LINES_KEPT:]
        self.update(rows, [key for key in self._order.rows if int(key) <= oldest])


def request_columns() -> tuple[Column[NumberedLine], ...]:
    return (
        Column("at", f"AT ({zone_name()})", lambda row: Cell(clock(row.line.at), Tone.DIM), None, 10, 8),
        Column("method", "METHOD", method_cell, None, 7),
        Column("status", "STATUS", status_cell, None, 7),
        Column("took", "MS", lambda row: Cell(f"{row.line.took_ms:.0f}"), _took, 6, right=True, priority=2),
        Column(
            "left", "LEFT", lambda row: Cell(row.line.remaining, Tone.DIM), None, 6, right=True, priority=3
        ),
        Column("path", "PATH", lambda row: Cell(row.line.path), None, 30, 16, 160, keep_end=True),
        Column("note", "NOTE", lambda row: Cell(row.line.note, Tone.WARN), None, 16, 10, 40, priority=1),
    )


def _took(row: NumberedLine) -> float:
    return row.line.took_ms


def method_cell(row: NumberedLine) -> Cell:
    return Cell(row.line.method, Tone.DIM if row.line.method in ("GET", "HEAD") else Tone.STRONG)


def status_cell(row: NumberedLine) -> Cell:
    status = row.line.status
    if status is None:
        return Cell("✖ none", Tone.BAD)
    if status < 400:
        return Cell(f"✔ {status}", Tone.GOOD)
    return Cell(f"▲ {status}", Tone.WARN) if status == 429 else Cell(f"✖ {status}", Tone.BAD)
