"""The one table: rows by key, cursor and marks kept by key. Every list on the screen is one.

Rows are handed in as differences; a row that disappears under the cursor moves the cursor to its neighbour
and says so (`RowGone`). How it looks is in `table_lines.py`, what it tells its pane in `table_messages.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import inf
from time import perf_counter
from typing import Any, ClassVar, TypeVar

from textual import events
from textual.binding import Binding, BindingType

from .columns import Column
from .table_lines import GUTTER, TableLines, sort_key_of
from .table_messages import CursorMoved, MarksChanged, Opened, RowGone, ShownChanged

Row = TypeVar("Row")

SLICE_S = 0.008
"""Sorting and filtering of many rows gives way to key presses after so long."""


class KeyedTable(TableLines[Row], can_focus=True):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "cursor(1)", "Down", show=False, id="table.down"),
        Binding("up,k", "cursor(-1)", "Up", show=False, id="table.up"),
        Binding("pagedown,ctrl+f", "page(1)", "Page down", show=False, id="table.page-down"),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False, id="table.page-up"),
        Binding("home,g", "edge(0)", "First", show=False, id="table.first"),
        Binding("end,G", "edge(1)", "Last", show=False, id="table.last"),
        Binding("enter", "open", "Open", show=False, id="table.open"),
        Binding("space", "mark", "Mark", show=False, id="table.mark"),
        Binding("s", "sort", "Sort", show=False, id="table.sort"),
    ]

    def __init__(
        self,
        columns: Sequence[Column[Row]],
        *,
        key: Callable[[Row], str],
        natural: Callable[[Row], Any] | None = None,
        search: Callable[[Row], str] | None = None,
        empty: str = "Nothing here",
        markable: bool = True,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """`natural` is the order without a sort and within equal values; `search` the text that a filter
        looks through (by default all cells)."""
        super().__init__(
            columns, key=key, natural=natural, search=search, empty=empty, id=id, classes=classes
        )
        self._markable = markable
        self._cursor_index = 0
        self._steered = False
        self._work: Iterator[None] | None = None
        self._told: tuple[str | None, object] = (None, None)

    # what others ask ----------------------------------------------------------------------------------------

    @property
    def cursor_row(self) -> Row | None:
        return None if self.cursor_key is None else self._order.rows.get(self.cursor_key)

    @property
    def row_count(self) -> int:
        return len(self._order.rows)

    @property
    def shown_count(self) -> int:
        return len(self._order.shown)

    @property
    def shown_keys(self) -> list[str]:
        return list(self._order.shown)

    @property
    def marks(self) -> tuple[str, ...]:
        return tuple(self._order.marks)

    @property
    def busy(self) -> bool:
        """A sort or filter over many rows is still under way."""
        return self._work is not None

    def row(self, key: str) -> Row | None:
        return self._order.rows.get(key)

    def marked_rows(self) -> list[Row]:
        return self._order.marked()

    def target_rows(self) -> list[Row]:
        """What an action is about: the marked rows, or else the one under the cursor."""
        if marked := self.marked_rows():
            return marked
        return [] if (row := self.cursor_row) is None else [row]

    # rows ---------------------------------------------------------------------------------------------------

    def update(self, changed: Iterable[Row], removed: Iterable[str] = ()) -> None:
        """Takes over a difference. Costs nothing on screen when no visible cell changes."""
        lost, lost_row = self.cursor_key, self.cursor_row
        change = self._order.apply(changed, removed)
        if change.moved:
            self._settle()
        else:
            self._repaint(change.touched)
        if change.unfinished:
            self._start_reorder()
        if change.gone:
            for key in change.gone:
                self._lines.pop(key, None)
            if lost in change.gone:
                self.post_message(RowGone(self, lost, lost_row))
        self._tell_cursor()

    def replace_rows(self, rows: Iterable[Row]) -> None:
        """Takes over a whole new state, as a difference to what is here."""
        fresh = {self._order.key(row): row for row in rows}
        self.update(fresh.values(), [key for key in self._order.rows if key not in fresh])

    def tick(self) -> None:
        """Asks the cells on screen anew, because time has passed; repaints only what reads differently."""
        for key in self._keys_on_screen():
            self._refresh_row(key)

    def sort_by(self, column_id: str | None, *, descending: bool = False) -> None:
        """None is the natural order."""
        column = next((column for column in self.columns if column.id == column_id), None)
        self.sort_column = None if column is None else column.id
        self.sort_descending = descending
        self._order.set_sort(None if column is None else sort_key_of(column), descending)
        self.refresh_line(self.scroll_offset.y)
        self._start_reorder()

    def set_filter(self, text: str) -> None:
        if text == self._order.filter_text:
            return
        self._order.set_filter(text)
        self._start_reorder()

    def clear_marks(self) -> None:
        marked = list(self._order.marks)
        self._order.marks.clear()
        for key in marked:
            self._refresh_row(key)
        if marked:
            self.post_message(MarksChanged(self, None, None))

    def set_cursor(self, key: str) -> bool:
        """False when the row is not among the shown ones."""
        index = self._order.index(key)
        if index is None:
            return False
        self._move_to(index)
        return True

    def _start_reorder(self) -> None:
        self._work = self._order.reorder()
        self._pump()

    def _pump(self) -> None:
        if self._work is None:
            return
        until = perf_counter() + SLICE_S if self._drawn else inf
        for _ in self._work:
            if perf_counter() > until:
                self.set_timer(0.001, self._pump)
                return
        self._work = None
        self._settle()
        self._tell_cursor()

    def _settle(self) -> None:
        """Rows came, went or moved: the cursor stays on its row, and that row on its line of the screen."""
        shown = self._order.shown
        before = self._cursor_index
        index = self._order.index(self.cursor_key) if self._steered else None
        if index is None:
            index = max(0, min(before if self._steered else 0, len(shown) - 1))
            self.cursor_key = shown[index] if shown else None
        self._cursor_index = index
        top = self.scroll_offset.y
        on_screen = top <= before < top + self._page
        self._set_height(len(shown) + 1)
        if self.is_mounted:
            if on_screen and index != before:
                self._scroll_rows(top + index - before)
            self._keep_in_view()
        self.refresh()
        self.post_message(ShownChanged(self, self.cursor_key, self.cursor_row))

    def _tell_cursor(self) -> None:
        now = (self.cursor_key, self.cursor_row)
        if now[0] != self._told[0]:
            self.post_message(CursorMoved(self, *now))
        self._told = now

    def on_resize(self, event: events.Resize) -> None:
        self._place_columns()
        self._set_height(len(self._order.shown) + 1)
        self._keep_in_view()

    # cursor -------------------------------------------------------------------------------------------------

    def _move_to(self, index: int) -> None:
        shown = self._order.shown
        if not shown:
            return
        index = max(0, min(index, len(shown) - 1))
        old, self._cursor_index = self.cursor_key, index
        self._steered = True
        self.cursor_key = shown[index]
        if old is not None:
            self._refresh_row(old)
        self._refresh_row(self.cursor_key)
        self._keep_in_view()
        self._tell_cursor()

    def _keep_in_view(self) -> None:
        top, index = self.scroll_offset.y, self._cursor_index
        if index < top:
            self._scroll_rows(index)
        elif index >= top + self._page:
            self._scroll_rows(index - self._page + 1)

    def _scroll_rows(self, top: int) -> None:
        self.scroll_to(y=max(top, 0), animate=False, force=True, immediate=True)

    def action_cursor(self, by: int) -> None:
        self._move_to(self._cursor_index + by)

    def action_page(self, by: int) -> None:
        self._move_to(self._cursor_index + by * max(self._page - 1, 1))

    def action_edge(self, last: int) -> None:
        self._move_to(len(self._order.shown) - 1 if last else 0)

    def action_open(self) -> None:
        if (row := self.cursor_row) is not None:
            self.post_message(Opened(self, self.cursor_key, row))

    def action_mark(self) -> None:
        if self._markable and self.cursor_key is not None:
            self._order.toggle_mark(self.cursor_key)
            self._refresh_row(self.cursor_key)
            self.post_message(MarksChanged(self, self.cursor_key, self.cursor_row))
            self.action_cursor(1)

    def action_sort(self) -> None:
        """Next column, each ascending then descending, at the end the natural order."""
        if self.sort_column is not None and not self.sort_descending:
            self.sort_by(self.sort_column, descending=True)
            return
        sortable = [placed.column.id for placed in self._placed]
        at = sortable.index(self.sort_column) + 1 if self.sort_column in sortable else 0
        self.sort_by(sortable[at] if at < len(sortable) else None)

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y == 0:
            self._click_header(offset.x)
            return
        index = self.scroll_offset.y + offset.y - 1
        if index < len(self._order.shown):
            self._move_to(index)
            if event.chain == 2:
                self.action_open()

    def _click_header(self, x: int) -> None:
        for column, start, width in self._placed:
            if start + GUTTER <= x < start + GUTTER + width:
                self.sort_by(column.id, descending=self.sort_column == column.id and not self.sort_descending)

    def on_focus(self) -> None:
        if self.cursor_key is not None:
            self._refresh_row(self.cursor_key)

    def on_blur(self) -> None:
        if self.cursor_key is not None:
            self._refresh_row(self.cursor_key)
