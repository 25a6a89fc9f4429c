"""Rows: a column is worked out when it is asked for, so that a page renders its own rows and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, overload

Value = Any
"""A Kusto value: str, int, float, bool, datetime, timedelta, list, dict or None."""


class Row(Protocol):
    def get(self, column: str) -> Value: ...


Expression = Callable[[Row], Value]


class PlainRow:
    """Values that are all known: what a summary makes."""

    __slots__ = ("values",)

    def __init__(self, values: dict[str, Value]) -> None:
        self.values = values

    def get(self, column: str) -> Value:
        return self.values.get(column)


class ComputedRow:
    """What `project` and `extend` make of another row."""

    __slots__ = ("expressions", "known", "parent")

    def __init__(self, parent: Row, expressions: dict[str, Expression]) -> None:
        """A column without expression is the parent's own."""
        self.parent = parent
        self.expressions = expressions
        self.known: dict[str, Value] = {}

    def get(self, column: str) -> Value:
        known = self.known
        if column in known:
            return known[column]
        expression = self.expressions.get(column)
        value = self.parent.get(column) if expression is None else expression(self.parent)
        known[column] = value
        return value


def cells(row: Row, columns: tuple[str, ...]) -> dict[str, Value]:
    """The whole row. A projection read once needs no memory of what it worked out."""
    if isinstance(row, ComputedRow) and not row.known and columns == tuple(row.expressions):
        parent = row.parent
        return {column: expression(parent) for column, expression in row.expressions.items()}
    return {column: row.get(column) for column in columns}


class ComputedRows(Sequence[Row]):
    """The rows of a projection, each made when it is reached: of ten thousand, a page needs one thousand."""

    def __init__(
        self, parents: Sequence[Row], expressions: dict[str, Expression], same: frozenset[str]
    ) -> None:
        """`same` are the columns that are the parents' own, under the same name."""
        self.parents = parents
        self.expressions = expressions
        self.same = same

    def __len__(self) -> int:
        return len(self.parents)

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Row]: ...
    def __getitem__(self, at: int | slice) -> Row | Sequence[Row]:
        if isinstance(at, slice):
            return ComputedRows(self.parents[at], self.expressions, self.same)
        return ComputedRow(self.parents[at], self.expressions)

    def __iter__(self) -> Iterator[Row]:
        expressions = self.expressions
        return (ComputedRow(parent, expressions) for parent in self.parents)


class JoinedRow:
    """A row of the left side with its match, if it has one."""

    __slots__ = ("left", "names", "right")

    def __init__(self, left: Row, right: Row | None, names: dict[str, str]) -> None:
        """`names`: column of the join → column of the right side."""
        self.left = left
        self.right = right
        self.names = names

    def get(self, column: str) -> Value:
        name = self.names.get(column)
        if name is None:
            return self.left.get(column)
        return None if self.right is None else self.right.get(name)


class SourceRow:
    """A resource of the world. What its id tells costs nothing; the rest renders its document."""

    __slots__ = ("document", "id", "known", "record", "type")

    def __init__(
        self, row_id: str, row_type: str, record: Any, document: Callable[[Any], dict[str, Value]]
    ) -> None:
        self.id = row_id
        self.type = row_type
        self.record = record
        self.document = document
        self.known: dict[str, Value] | None = None

    def get(self, column: str) -> Value:
        if column == "id":
            return self.id
        if column == "type":
            return self.type
        if self.known is None:
            if column == "subscriptionId":
                return self.id.split("/", 3)[2]
            self.known = self.document(self.record)
        return self.known.get(column)
