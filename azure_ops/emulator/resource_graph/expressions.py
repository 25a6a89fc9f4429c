"""Parse trees of expressions to functions of a row."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from lark import Token, Tree

from .errors import semantic, unresolved, unsupported
from .functions import FUNCTIONS, TEXT_TESTS, arithmetic
from .rows import Expression, Row
from .values import compare, equal, to_datetime, to_text

UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "0": "\0"}


@dataclass(slots=True)
class Scope:
    """What an expression may refer to, and which columns it does refer to."""

    operator: str
    columns: tuple[str, ...]
    now: datetime
    used: set[str] = field(default_factory=set)


def compile_expression(tree: Tree[Token] | Token, scope: Scope) -> Expression:
    """Raises `QueryError` for unknown columns and functions."""
    assert isinstance(tree, Tree)
    return COMPILERS[tree.data](tree, scope)


def column_name(tree: Tree[Token] | Token, position: int) -> str:
    """The name Kusto gives to a column without one: `a_b` for `a.b` and `tostring(a.b)`, else `Column1`."""
    if isinstance(tree, Tree):
        if tree.data == "name":
            return str(tree.children[0])
        if tree.data == "member":
            owner, member = tree.children
            return f"{column_name(owner, position)}_{member}"
        if tree.data == "index":
            owner, key = tree.children
            if isinstance(key, Tree) and key.data == "string":
                return f"{column_name(owner, position)}_{string_value(str(key.children[0]))}"
        if tree.data == "call" and str(tree.children[0]).startswith("to"):
            argument = tree.children[1]
            if isinstance(argument, Tree):
                return column_name(argument, position)
    return f"Column{position}"


def string_value(literal: str) -> str:
    """A literal's text: quotes of both kinds, backslash escapes, and `@'…'` without them."""
    if literal.startswith("@"):
        quote = literal[1]
        return literal[2:-1].replace(quote * 2, quote)

    def escape(found: re.Match[str]) -> str:
        code = found[1]
        return chr(int(code[1:], 16)) if len(code) > 1 else ESCAPES.get(code, code)

    return re.sub(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", escape, literal[1:-1])


def _name(tree: Tree[Token], scope: Scope) -> Expression:
    column = str(tree.children[0])
    if column not in scope.columns:
        raise unresolved(scope.operator, column)
    scope.used.add(column)
    return lambda row: row.get(column)


def _member(tree: Tree[Token], scope: Scope) -> Expression:
    owner = compile_expression(tree.children[0], scope)
    key = str(tree.children[1])

    def member(row: Row) -> Any:
        value = owner(row)
        return value.get(key) if isinstance(value, dict) else None

    return member


def _index(tree: Tree[Token], scope: Scope) -> Expression:
    owner = compile_expression(tree.children[0], scope)
    at = compile_expression(tree.children[1], scope)

    def index(row: Row) -> Any:
        value, key = owner(row), at(row)
        if isinstance(value, dict):
            return value.get(key)
        if isinstance(value, list) and isinstance(key, int) and -len(value) <= key < len(value):
            return value[key]
        return None

    return index


def constant(value: Any) -> Expression:
    return lambda row: value


def _string(tree: Tree[Token], scope: Scope) -> Expression:
    return constant(string_value(str(tree.children[0])))


def _number(tree: Tree[Token], scope: Scope) -> Expression:
    text = str(tree.children[0])
    return constant(float(text) if "." in text else int(text))


def _timespan(tree: Tree[Token], scope: Scope) -> Expression:
    number, unit = re.fullmatch(r"([\d.]+)(\w+)", str(tree.children[0])).groups()  # type: ignore[union-attr]
    return constant(timedelta(seconds=float(number) * UNITS[unit]))


def _datetime(tree: Tree[Token], scope: Scope) -> Expression:
    inner = str(tree.children[0]).partition("(")[2].rstrip(")").strip().strip("'\"")
    at = to_datetime(inner)
    if at is None:
        raise semantic(f"Invalid datetime literal '{inner}'")
    return constant(at)


def _boolean(tree: Tree[Token], scope: Scope) -> Expression:
    return constant(str(tree.children[0]).lower() == "true")


def _null(tree: Tree[Token], scope: Scope) -> Expression:
    return constant(None)


def _call(tree: Tree[Token], scope: Scope) -> Expression:
    name, *given = tree.children
    arguments = [compile_expression(argument, scope) for argument in given if argument is not None]
    if name == "now" and len(arguments) <= 1:
        offset = arguments[0] if arguments else constant(timedelta(0))
        return lambda row: arithmetic(scope.now, "+", offset(row))
    if name == "ago" and len(arguments) == 1:
        back = arguments[0]
        return lambda row: arithmetic(scope.now, "-", back(row))
    if name not in FUNCTIONS:
        raise unsupported(str(name))
    function, least, most = FUNCTIONS[str(name)]
    if not least <= len(arguments) <= most:
        raise semantic(f"{name}(): function expects {least} argument(s).")
    if len(arguments) == 1:
        only = arguments[0]
        return lambda row: function(only(row))
    return lambda row: function(*[argument(row) for argument in arguments])


def _every(tree: Tree[Token], scope: Scope) -> Expression:
    parts = [compile_expression(part, scope) for part in tree.children if isinstance(part, Tree)]
    return lambda row: all(part(row) for part in parts)


def _any(tree: Tree[Token], scope: Scope) -> Expression:
    parts = [compile_expression(part, scope) for part in tree.children if isinstance(part, Tree)]
    return lambda row: any(part(row) for part in parts)


def _compare(tree: Tree[Token], scope: Scope) -> Expression:
    left = compile_expression(tree.children[0], scope)
    right = compile_expression(tree.children[2], scope)
    sign = str(tree.children[1])
    if sign == "==":
        return lambda row: equal(left(row), right(row))
    if sign == "!=":
        return lambda row: not equal(left(row), right(row))
    wanted = {"<": (-1,), "<=": (-1, 0), ">": (1,), ">=": (0, 1)}[sign]
    return lambda row: compare(left(row), right(row)) in wanted


def _text_compare(tree: Tree[Token], scope: Scope) -> Expression:
    left = compile_expression(tree.children[0], scope)
    right = compile_expression(tree.children[2], scope)
    sign = str(tree.children[1])
    if sign == "=~":
        return lambda row: to_text(left(row)).lower() == to_text(right(row)).lower()
    if sign == "!~":
        return lambda row: to_text(left(row)).lower() != to_text(right(row)).lower()
    wanted = not sign.startswith("!")
    word, _, cased = sign.lstrip("!").partition("_")
    test = TEXT_TESTS[word]
    if cased:
        return lambda row: test(to_text(left(row)), to_text(right(row))) is wanted
    return lambda row: test(to_text(left(row)).lower(), to_text(right(row)).lower()) is wanted


def _membership(tree: Tree[Token], scope: Scope) -> Expression:
    value, sign, *given = tree.children
    left = compile_expression(value, scope)
    members = [compile_expression(member, scope) for member in given if member is not None]
    wanted = not str(sign).startswith("!")
    if str(sign).endswith("~"):

        def folded(row: Row) -> bool:
            text = to_text(left(row)).lower()
            return any(text == to_text(member(row)).lower() for member in members) is wanted

        return folded
    return lambda row: any(equal(left(row), member(row)) for member in members) is wanted


def _arithmetic(tree: Tree[Token], scope: Scope) -> Expression:
    left = compile_expression(tree.children[0], scope)
    right = compile_expression(tree.children[2], scope)
    sign = str(tree.children[1])
    return lambda row: arithmetic(left(row), sign, right(row))


def _signed(tree: Tree[Token], scope: Scope) -> Expression:
    inner = compile_expression(tree.children[1], scope)
    if tree.children[0] == "+":
        return inner
    return lambda row: arithmetic(inner(row), "*", -1)


COMPILERS = {
    "name": _name,
    "member": _member,
    "index": _index,
    "string": _string,
    "number": _number,
    "timespan": _timespan,
    "datetime": _datetime,
    "boolean": _boolean,
    "null": _null,
    "call": _call,
    "conjunction": _every,
    "disjunction": _any,
    "compare": _compare,
    "text_compare": _text_compare,
    "membership": _membership,
    "arithmetic": _arithmetic,
    "signed": _signed,
}
