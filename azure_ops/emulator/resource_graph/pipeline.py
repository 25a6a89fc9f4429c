"""Runs a parsed query: a table's rows through its operators, one after the other."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lark import Token, Tree

from .aggregates import named, summarize
from .errors import semantic, unresolved
from .expressions import Scope, column_name, compile_expression, constant
from .rows import ComputedRow, ComputedRows, Expression, JoinedRow, PlainRow, Row
from .tables import Source
from .values import group_key, sort_key


@dataclass(slots=True)
class Relation:
    """Columns in their order, and rows that know at least these."""

    columns: tuple[str, ...]
    rows: Sequence[Row]
    limited: bool = False
    """`limit`, `take` or `top` cut it: the service then gives no skip token."""


@dataclass(frozen=True, slots=True)
class Engine:
    """`tables` finds a source by its name and raises `QueryError` for an unknown one."""

    tables: Callable[[str], Source]
    now: datetime

    def run(self, tree: Tree[Token]) -> Relation:
        """Of a `start` or `pipeline`. A query without a table asks `resources`. Raises `QueryError`."""
        name, steps = "resources", list(tree.children)
        if steps and isinstance(steps[0], Tree) and steps[0].data == "table":
            name, steps = str(steps[0].children[0]), steps[1:]
        source = self.tables(name)
        tests: list[Expression] = []
        while steps and isinstance(steps[0], Tree) and steps[0].data == "where":
            tests += self._narrow(source, steps.pop(0))  # type: ignore[arg-type]
        relation = Relation(source.columns, _filtered(source.rows(), tests))
        for step in steps:
            assert isinstance(step, Tree)
            relation = OPERATORS[step.data](self, relation, step)
        return relation

    def _narrow(self, source: Source, where: Tree[Token]) -> list[Expression]:
        """Answers what concerns the type alone for whole types at once; gives back the rest."""
        condition = where.children[1]
        assert isinstance(condition, Tree)
        parts = condition.children if condition.data == "conjunction" else [condition]
        left: list[Expression] = []
        for part in parts:
            if not isinstance(part, Tree):
                continue
            scope = Scope("where", source.columns, self.now)
            test = compile_expression(part, scope)
            if scope.used == {"type"}:
                source.keep_types(lambda type_, test=test: bool(test(PlainRow({"type": type_}))))  # type: ignore[misc]
            else:
                left.append(test)
        return left

    def scope(self, operator: str, relation: Relation) -> Scope:
        return Scope(operator, relation.columns, self.now)


def _filtered(rows: Iterable[Row], tests: list[Expression]) -> list[Row]:
    if not tests:
        return list(rows)
    if len(tests) == 1:
        only = tests[0]
        return [row for row in rows if only(row)]
    return [row for row in rows if all(test(row) for test in tests)]


def _where(engine: Engine, relation: Relation, step: Tree[Token]) -> Relation:
    test = compile_expression(step.children[1], engine.scope("where", relation))
    return Relation(relation.columns, _filtered(relation.rows, [test]), relation.limited)


def _columns(engine: Engine, relation: Relation, step: Tree[Token], operator: str) -> dict[str, Expression]:
    scope = engine.scope(operator, relation)
    made: dict[str, Expression] = {}
    for position, tree in enumerate(step.children[1].children, start=1):  # type: ignore[union-attr]
        assert isinstance(tree, Tree)
        name, expression = named(tree)
        made[name or column_name(expression, position)] = compile_expression(expression, scope)
    return made


def _project(engine: Engine, relation: Relation, step: Tree[Token]) -> Relation:
    made = _columns(engine, relation, step, "project")
    same = frozenset(name for name, tree in _plain_names(step) if name == tree)
    return Relation(tuple(made), ComputedRows(relation.rows, made, same), relation.limited)


def _extend(engine: Engine, relation: Relation, step: Tree[Token]) -> Relation:
    made = _columns(engine, relation, step, "extend")
    columns = (*relation.columns, *(name for name in made if name not in relation.columns))
    same = frozenset(relation.columns) - made.keys()
    return Relation(columns, ComputedRows(relation.rows, made, same), relation.limited)


def _plain_names(step: Tree[Token]) -> Iterator[tuple[str, str]]:
    """(new name, old name) of the columns that a projection only takes over."""
    for tree in step.children[1].children:  # type: ignore[union-attr]
        assert isinstance(tree, Tree)
        name, expression = named(tree)
        if expression.data == "name":
            old = str(expression.children[0])
            yield name or old, old


def _project_away(engine: Engine, relation: Relation, step: Tree[Token]) -> Relation:
    patterns = [str(pattern) for pattern in step.children[1:]]
    for pattern in patterns:
        if "*" not in pattern and pattern not in relation.columns:
            raise unresolved("project-away", pattern)
    kept = [
        column
        for column in relation.columns
        if not any(fnmatch.fnmatchcase(column, pattern) for pattern in patterns)
    ]
    return Relation(tuple(kept), relation.rows, relation.limited)


def _project_rename(engine: Engine, relation: Relation, step: Tree[Token]) -> Relation:
    names: dict[str, str] = {}
    for rename in step.children[1:]:
        new, old = (str(child) for child in rename.children)  # type: ignore[union-attr]
        if old not in relation.columns:
            raise unresolved("project-rename", old)
        names[old] = new

    def reader(column: str) -> Expression:
        return lambda row: row.get(column)

    made = {new: reader(old) for old, new in names.items()}
    columns = tuple(names.get(column, column) for column in relation.columns)
    same = frozenset(relation.columns) - names.keys() - made.keys()
    return Relation(columns, ComputedRows(relation.rows, made, same), relation.limited)


def _sorted(engine: Engine, relation: Relation, keys: list[Any], operator: str) -> Sequence[Row]:
    """Stable. The default is descending; nulls are the smallest unless `nulls first|last` says otherwise."""
    rows = relation.rows
    scope = engine.scope(operator, relation)
    if isinstance(rows, ComputedRows) and all(_names_one_of(key.children[0], rows.same) for key in keys):
        # Sorting the parents instead leaves the projection of the rows off the page undone.
        parents = Relation(relation.columns, rows.parents)
        return ComputedRows(_sorted(engine, parents, keys, operator), rows.expressions, rows.same)
    for key in reversed(keys):
        tree, direction, nulls = key.children
        expression = compile_expression(tree, scope)
        descending = direction != "asc"
        nulls_first = str(nulls).endswith("first") if nulls else not descending
        values = [expression(row) for row in rows]
        present = [at for at, value in enumerate(values) if value is not None]
        order = values if all(type(values[at]) is str for at in present) else list(map(sort_key, values))
        present.sort(key=order.__getitem__, reverse=descending)
        absent = [at for at, value in enumerate(values) if value is None]
        rows = [rows[at] for at in (absent + present if nulls_first else present + absent)]
    return rows


def _names_one_of(tree: Tree[Token], columns: frozenset[str]) -> bool:
    return tree.data == "name" and str(tree.children[0]) in columns


def _order(engine: Engine, relation: Relation, step: Tree[Token]) -> Relation:
    return Relation(relation.columns, _sorted(engine, relation, step.children[1:], "order"), relation.limited)


def _limit(engine: Engine, relation: Relation, step: Tree[Token]) -> Relation:
    return Relation(relation.columns, relation.rows[: int(float(str(step.children[1])))], limited=True)


def _top(engine: Engine, relation: Relation, step: Tree[Token]) -> Relation:
    rows = _sorted(engine, relation, [step.children[3]], "top")
    return Relation(relation.columns, rows[: int(float(str(step.children[1])))], limited=True)


def _summarize(engine: Engine, relation: Relation, step: Tree[Token]) -> Relation:
    _, aggregates, _by, keys = step.children
    columns, rows = summarize(
        aggregates.children if isinstance(aggregates, Tree) else [],  # type: ignore[arg-type]
        keys.children if isinstance(keys, Tree) else [],  # type: ignore[arg-type]
        relation.rows,
        engine.scope("summarize", relation),
    )
    return Relation(columns, rows)


def _count(engine: Engine, relation: Relation, step: Tree[Token]) -> Relation:
    return Relation(("Count",), [PlainRow({"Count": len(relation.rows)})])


def _distinct(engine: Engine, relation: Relation, step: Tree[Token]) -> Relation:
    if step.data == "distinct_all":
        columns = relation.columns
        cells = [{column: row.get(column) for column in columns} for row in relation.rows]
    else:
        made = _columns(engine, relation, step, "distinct")
        columns = tuple(made)
        cells = [{name: value(row) for name, value in made.items()} for row in relation.rows]
    unique: dict[tuple[Any, ...], Row] = {}
    for row in cells:
        unique.setdefault(tuple(map(group_key, row.values())), PlainRow(row))
    return Relation(columns, list(unique.values()))


def _join(engine: Engine, relation: Relation, step: Tree[Token]) -> Relation:
    _, _kind_word, flavour, joined, _on, *keys = step.children
    assert isinstance(joined, Tree)
    wrapped = joined if joined.data == "pipeline" else Tree[Token]("pipeline", [joined])
    right = engine.run(wrapped)
    left_keys, right_keys = _join_keys(keys, relation, right)
    index: dict[tuple[Any, ...], list[Row]] = {}
    for row in right.rows:
        index.setdefault(tuple(group_key(row.get(key)) for key in right_keys), []).append(row)
    # A right column whose name is taken gets a number, as Kusto gives it.
    names: dict[str, str] = {}
    for column in right.columns:
        name, number = column, 1
        while name in relation.columns or name in names:
            name, number = f"{column}{number}", number + 1
        names[name] = column
    outer, unique = flavour == "leftouter", flavour in (None, "innerunique")
    seen: set[tuple[Any, ...]] = set()
    rows: list[Row] = []
    for row in relation.rows:
        key = tuple(group_key(row.get(column)) for column in left_keys)
        if unique and key in seen:
            continue
        seen.add(key)
        matches = index.get(key, [])
        rows += [JoinedRow(row, match, names) for match in matches]
        if outer and not matches:
            rows.append(JoinedRow(row, None, names))
    return Relation((*relation.columns, *names), rows)


def _join_keys(keys: list[Any], left: Relation, right: Relation) -> tuple[list[str], list[str]]:
    left_keys: list[str] = []
    right_keys: list[str] = []
    for key in keys:
        if key.data == "same_key":
            pair = {"$left": str(key.children[0]), "$right": str(key.children[0])}
        else:
            one, first, other, second = (str(child) for child in key.children)
            pair = {one: first, other: second}
            if len(pair) != 2:
                raise semantic("join: both sides of the equality refer to the same side.")
        if pair["$left"] not in left.columns:
            raise unresolved("join", pair["$left"])
        if pair["$right"] not in right.columns:
            raise unresolved("join", pair["$right"])
        left_keys.append(pair["$left"])
        right_keys.append(pair["$right"])
    return left_keys, right_keys


def _mv_expand(engine: Engine, relation: Relation, step: Tree[Token]) -> Relation:
    _, name, tree = step.children
    expression = compile_expression(tree, engine.scope("mv-expand", relation))
    column = str(name) if name is not None else column_name(tree, 1)
    rows: list[Row] = []
    for row in relation.rows:
        value = expression(row)
        members = (value or [None]) if isinstance(value, list) else [value]
        rows += [ComputedRow(row, {column: constant(member)}) for member in members]
    columns = relation.columns if column in relation.columns else (*relation.columns, column)
    return Relation(columns, rows)


OPERATORS: dict[str, Callable[[Engine, Relation, Tree[Token]], Relation]] = {
    "where": _where,
    "project": _project,
    "project_away": _project_away,
    "project_rename": _project_rename,
    "extend": _extend,
    "order": _order,
    "limit": _limit,
    "top": _top,
    "summarize": _summarize,
    "count": _count,
    "distinct": _distinct,
    "distinct_all": _distinct,
    "join": _join,
    "mv_expand": _mv_expand,
}
