"""What a `KeyedTable` tells its pane. Handlers are named `on_cursor_moved`, `on_row_gone`, `on_opened` …"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.message import Message

if TYPE_CHECKING:
    from .keyed_table import KeyedTable


class FromTable(Message):
    def __init__(self, table: KeyedTable[Any], key: str | None, row: Any) -> None:
        super().__init__()
        self.table = table
        self.key = key
        self.row = row

    @property
    def control(self) -> KeyedTable[Any]:
        return self.table


class CursorMoved(FromTable):
    """Another row is under the cursor; `row` is None when there is none."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, CursorMoved) and message.table is self.table


class RowGone(FromTable):
    """The row under the cursor (`key`, `row`) disappeared; the cursor is on its neighbour now."""


class Opened(FromTable):
    """Enter or a double click on a row."""


class MarksChanged(FromTable):
    """`table.marks` has changed."""


class ShownChanged(FromTable):
    """Sort, filter or number of rows has changed."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, ShownChanged) and message.table is self.table
