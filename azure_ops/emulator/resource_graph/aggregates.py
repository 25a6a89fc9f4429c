"""`summarize`: groups and the functions over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lark import Token, Tree

from .errors import semantic, unsupported
from .expressions import Scope, column_name, compile_expression
from .rows import Expression, PlainRow, Row
from .values import group_key, sort_key, to_text

Aggregate = Callable[[list[Any]], Any]


def _known(values: list[Any]) -> list[Any]:
    return [value for value in values if value is not None]


def _numbers(values: list[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]


def _average(values: list[Any]) -> float | None:
    numbers = _numbers(values)
    return sum(numbers) / len(numbers) if numbers else None


def _unique(values: list[Any]) -> list[Any]:
    return list({to_text(value): value for value in _known(values)}.values())


AGGREGATES: dict[str, tuple[str, Aggregate]] = {
    "countif": ("countif_", lambda values: sum(1 for value in values if value)),
    "dcount": ("dcount_{}", lambda values: len(_unique(values))),
    "sum": ("sum_{}", lambda values: sum(_numbers(values))),
    "avg": ("avg_{}", _average),
    "min": ("min_{}", lambda values: min(_known(values), key=sort_key, default=None)),
    "max": ("max_{}", lambda values: max(_known(values), key=sort_key, default=None)),
    "any": ("any_{}", lambda values: next(iter(_known(values)), None)),
    "take_any": ("{}", lambda values: next(iter(_known(values)), None)),
    "make_list": ("list_{}", _known),
    "make_set": ("set_{}", _unique),
}
"""Name → (pattern of the default column name, function over the argument's values); `count()` is below."""


def named(tree: Tree[Token]) -> tuple[str | None, Tree[Token]]:
    """The given name, if any, and the expression of a `column`."""
    if tree.data == "named_column":
        return str(tree.children[0]), tree.children[1]  # type: ignore[return-value]
    return None, tree.children[0]  # type: ignore[return-value]


def _aggregate(tree: Tree[Token], scope: Scope) -> tuple[str, Expression, Aggregate]:
    """(default name, argument, function) of one aggregation."""
    if tree.data != "call":
        raise semantic(f"summarize: '{column_name(tree, 1)}' is not an aggregation.")
    function, *given = tree.children
    arguments = [argument for argument in given if argument is not None]
    if function == "count" and not arguments:
        return "count_", lambda row: None, len
    if str(function) not in AGGREGATES:
        raise unsupported(str(function))
    if len(arguments) != 1:
        raise semantic(f"{function}(): function expects 1 argument(s).")
    pattern, over = AGGREGATES[str(function)]
    default = pattern.format(column_name(arguments[0], 1).removeprefix("Column1"))
    return default, compile_expression(arguments[0], scope), over


def summarize(
    aggregates: list[Tree[Token]], keys: list[Tree[Token]], rows: Sequence[Row], scope: Scope
) -> tuple[tuple[str, ...], list[Row]]:
    """Without keys there is one row, even over no rows at all."""
    key_columns: dict[str, Expression] = {}
    for position, tree in enumerate(keys, start=1):
        name, expression = named(tree)
        key_columns[name or column_name(expression, position)] = compile_expression(expression, scope)
    results: dict[str, tuple[Expression, Aggregate]] = {}
    for tree in aggregates:
        name, expression = named(tree)
        default, argument, over = _aggregate(expression, scope)
        results[name or default] = argument, over

    groups: dict[tuple[Any, ...], tuple[list[Any], list[Row]]] = {}
    for row in rows:
        values = [expression(row) for expression in key_columns.values()]
        groups.setdefault(tuple(map(group_key, values)), (values, []))[1].append(row)
    if not keys:
        groups.setdefault((), ([], []))
    made: list[Row] = []
    for values, members in groups.values():
        cells = dict(zip(key_columns, values, strict=True))
        for column, (argument, over) in results.items():
            cells[column] = over([argument(row) for row in members])
        made.append(PlainRow(cells))
    return (*key_columns, *results), made
