"""How `KeyedTable` looks: header, lines and columns; draws what is on screen and repaints what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, Generic, TypeVar

import msgspec
from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip

from .columns import Cell, Column, Placed, Tone, natural_key, place
from .line_view import LineView
from .plain_text import fit, truncate_left, wrap
from .row_order import RowOrder

Row = TypeVar("Row")

ROWS_PER_FRAME = 8
"""Of those that changed."""
GUTTER = 3
"""Cells before the first column: cursor, mark, space."""


class _Line(msgspec.Struct):
    """What a line on screen was last drawn from."""

    cells: tuple[Cell, ...]
    state: tuple[bool, bool, bool]
    strip: Strip


class TableLines(LineView, Generic[Row]):
    def __init__(
        self,
        columns: Sequence[Column[Row]],
        *,
        key: Callable[[Row], str],
        natural: Callable[[Row], Any] | None,
        search: Callable[[Row], str] | None,
        empty: str,
        id: str | None,
        classes: str | None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.columns = tuple(columns)
        self._empty_text = empty
        self.sort_column: str | None = None
        self.sort_descending = False
        self.cursor_key: str | None = None
        self._order: RowOrder[Row] = RowOrder(
            key, natural or (lambda row: natural_key(key(row))), search or self._all_cells
        )
        self._placed: list[Placed[Row]] = []
        self._lines: dict[str, _Line] = {}
        self._placed_for = -1
        self._lines_to_repaint: dict[str, None] = {}
        self._repainting = False

    @property
    def empty_text(self) -> str:
        """Said where there are no rows."""
        return self._empty_text

    @empty_text.setter
    def empty_text(self, text: str) -> None:
        if text != self._empty_text:
            self._empty_text = text
            if not self._order.shown:
                self.refresh()

    @property
    def filter_text(self) -> str:
        return self._order.filter_text

    @property
    def _drawn(self) -> bool:
        """Somebody may look at it and press keys."""
        return self._placed_for >= 0

    @property
    def _page(self) -> int:
        """Rows that fit below the header."""
        return max(self.size.height - 1, 1)

    def _place_columns(self) -> None:
        """Called before drawing, and cheap while the width is the same."""
        if self._width != self._placed_for:
            self._placed_for = self._width
            self._placed = place(self.columns, max(self._width - GUTTER, 1))
            self._lines.clear()

    def set_columns(self, columns: Sequence[Column[Row]]) -> None:
        self.columns = tuple(columns)
        self._placed_for = -1
        self.refresh()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._lines.clear()

    def _keys_on_screen(self) -> list[str]:
        top = self.scroll_offset.y
        return self._order.shown[top : top + self._page]

    def _repaint(self, keys: Iterable[str]) -> None:
        """A few rows with each frame, so that a key need not wait for all of them."""
        on_screen = set(self._keys_on_screen())
        self._lines_to_repaint.update((key, None) for key in keys if key in on_screen)
        if not self._repainting:
            self._repaint_some()

    def _repaint_some(self) -> None:
        for key in list(islice(self._lines_to_repaint, ROWS_PER_FRAME)):
            del self._lines_to_repaint[key]
            self._refresh_row(key)
        self._repainting = bool(self._lines_to_repaint) and self.call_after_refresh(self._repaint_some)

    def _refresh_row(self, key: str) -> None:
        """Marks as dirty what reads differently than last drawn."""
        index = self._order.index(key)
        top = self.scroll_offset.y
        if index is None or not top <= index < top + self._page:
            self._lines.pop(key, None)
            return
        line = self._lines.get(key)
        y = index - top + 1
        cells = self._cells(key)
        if line is None or line.state != self._state(key) or len(cells) != len(line.cells):
            self.refresh(Region(0, y, self._width, 1))
            return
        if cells != line.cells and len(cells) != len(self._placed):
            self.refresh(Region(0, y, self._width, 1))
            return
        for placed, old, new in zip(self._placed, line.cells, cells, strict=False):
            if old != new:
                self.refresh(Region(placed.x + GUTTER, y, placed.width, 1))

    def _cells(self, key: str) -> tuple[Cell, ...]:
        row = self._order.rows[key]
        if (whole := self.whole_line(row)) is not None:
            return (whole,)
        return tuple(placed.column.cell(row) for placed in self._placed)

    def _state(self, key: str) -> tuple[bool, bool, bool]:
        """Under the cursor, marked, table focused (only said of the row under the cursor)."""
        under = key == self.cursor_key
        return under, key in self._order.marks, under and self.has_focus

    def _all_cells(self, row: Row) -> str:
        return " ".join(column.cell(row).text for column in self.columns)

    def render_lines(self, crop: Region) -> list[Strip]:
        self._place_columns()
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        if y == 0:
            return self._header()
        index = self.scroll_offset.y + y - 1
        if index < len(self._order.shown):
            return self._draw(self._order.shown[index])
        if not self._order.shown and y <= len(lines := self._empty_lines()):
            text = " " * GUTTER + lines[y - 1]
            return Strip([Segment(fit(text, self._width), self._style("dim"))])
        return Strip.blank(self._width, self._style())

    def _empty_lines(self) -> list[str]:
        text = self.empty_text if not self.filter_text else f"No row matches {self.filter_text}"
        return wrap(text, max(self._width - 2 * GUTTER, 8))

    def _header(self) -> Strip:
        plain = self._style("header")
        segments = [Segment(" " * GUTTER, plain)]
        at = 0
        for column, x, width in self._placed:
            title = column.title
            style = plain
            if column.id == self.sort_column:
                title += " ▼" if self.sort_descending else " ▲"
                style = self._style("header", "sorted")
            segments.append(Segment(" " * (x - at), plain))
            segments.append(Segment(fit(title, width, right=column.right), style))
            at = x + width
        return Strip(segments).adjust_cell_length(self._width, plain)

    def _draw(self, key: str) -> Strip:
        state, cells = self._state(key), self._cells(key)
        line = self._lines.get(key)
        if line is not None and line.state == state and line.cells == cells:
            return line.strip
        under, marked, focused = state
        names = ("marked",) if marked else ()
        if under:
            names = (*names, "cursor" if focused else "cursor-blurred")
        base = self._style(*names)
        pointer = ("▶" if focused else "▷") if under else " "
        segments = [Segment(f"{pointer}{'◆' if marked else ' '} ", base)]
        whole = self.whole_line(self._order.rows[key])
        if whole is not None:
            width = max(self._width - GUTTER, 1)
            style = base if focused else self._style(whole.tone, *names)
            segments.append(Segment(fit(whole.text, width), style))
        else:
            self._add_cells(segments, cells, names, focused)
        strip = Strip(segments).adjust_cell_length(self._width, base).simplify()
        self._remember(key, _Line(cells, state, strip))
        return strip

    def _add_cells(
        self, segments: list[Segment], cells: tuple[Cell, ...], names: tuple[str, ...], focused: bool
    ) -> None:
        base = self._style(*names)
        at = 0
        for (column, x, width), cell in zip(self._placed, cells, strict=False):
            text = truncate_left(cell.text, width) if column.keep_end else cell.text
            if x > at:
                segments.append(Segment(" " * (x - at), base))
            style = base if cell.tone is Tone.PLAIN or focused else self._style(cell.tone, *names)
            segments.append(Segment(fit(text, width, right=column.right), style))
            at = x + width

    def whole_line(self, row: Row) -> Cell | None:
        """A row that is one text across all columns, such as an error below its step; None for cells."""
        return None

    def _remember(self, key: str, line: _Line) -> None:
        if len(self._lines) > 4 * self._page + 64:
            wanted = set(self._keys_on_screen())
            self._lines = {key: line for key, line in self._lines.items() if key in wanted}
        self._lines[key] = line


def sort_key_of(column: Column[Row]) -> Callable[[Row], Any]:
    if column.sort_key is not None:
        return column.sort_key
    return lambda row: natural_key(column.cell(row).text)
