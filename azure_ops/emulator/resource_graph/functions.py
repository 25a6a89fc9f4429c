"""The scalar functions and text comparisons of the query language."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from .values import to_datetime, to_number, to_text

Function = Callable[..., Any]


def _split(text: Any, delimiter: Any, wanted: Any = None) -> list[str] | None:
    parts = to_text(text).split(to_text(delimiter)) if to_text(delimiter) else [to_text(text)]
    if wanted is None:
        return parts
    return [parts[wanted]] if 0 <= wanted < len(parts) else []


def _array_length(value: Any) -> int | None:
    return len(value) if isinstance(value, list) else None


def _to_int(value: Any) -> int | None:
    number = to_number(value)
    return None if number is None else int(number)


def _to_real(value: Any) -> float | None:
    number = to_number(value)
    return None if number is None else float(number)


def _to_bool(value: Any) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False, "1": True, "0": False}.get(value.strip().lower())
    return None if value is None else bool(value)


def _case(*arguments: Any) -> Any:
    for condition, outcome in zip(arguments[::2], arguments[1::2], strict=False):
        if condition:
            return outcome
    return arguments[-1]


def _coalesce(*values: Any) -> Any:
    return next((value for value in values if value is not None and value != ""), None)


def _index_of(text: Any, wanted: Any) -> int:
    return to_text(text).find(to_text(wanted))


def _substring(text: Any, start: int, length: int | None = None) -> str:
    rest = to_text(text)[max(0, start) :]
    return rest if length is None else rest[:length]


def _contains_key(bag: Any, key: Any) -> bool:
    return isinstance(bag, dict) and key in bag


def _is_empty(value: Any) -> bool:
    return value is None or value == "" or value == [] or value == {}


FUNCTIONS: dict[str, tuple[Function, int, int]] = {
    "tolower": (lambda value: to_text(value).lower(), 1, 1),
    "toupper": (lambda value: to_text(value).upper(), 1, 1),
    "tostring": (to_text, 1, 1),
    "toint": (_to_int, 1, 1),
    "tolong": (_to_int, 1, 1),
    "toreal": (_to_real, 1, 1),
    "todouble": (_to_real, 1, 1),
    "tobool": (_to_bool, 1, 1),
    "todatetime": (to_datetime, 1, 1),
    "todynamic": (lambda value: value, 1, 1),
    "strcat": (lambda *values: "".join(map(to_text, values)), 1, 64),
    "strlen": (lambda value: len(to_text(value)), 1, 1),
    "split": (_split, 2, 3),
    "substring": (_substring, 2, 3),
    "indexof": (_index_of, 2, 2),
    "array_length": (_array_length, 1, 1),
    "iff": (lambda condition, yes, no: yes if condition else no, 3, 3),
    "iif": (lambda condition, yes, no: yes if condition else no, 3, 3),
    "case": (_case, 3, 63),
    "coalesce": (_coalesce, 2, 64),
    "isnull": (lambda value: value is None, 1, 1),
    "isnotnull": (lambda value: value is not None, 1, 1),
    "isempty": (_is_empty, 1, 1),
    "isnotempty": (lambda value: not _is_empty(value), 1, 1),
    "not": (lambda value: not value, 1, 1),
    "bag_has_key": (_contains_key, 2, 2),
}
"""Name → (function, least and most arguments). `now` and `ago` need the clock and live in `expressions`."""


def arithmetic(left: Any, sign: str, right: Any) -> Any:
    """Null where an operand is null or the two do not go together."""
    if isinstance(left, str) and isinstance(right, (timedelta, datetime)):
        left = to_datetime(left)
    if isinstance(right, str) and isinstance(left, datetime):
        right = to_datetime(right)
    try:
        if sign == "+":
            return left + right
        if sign == "-":
            return left - right
        if sign == "*":
            return left * right
        if sign == "%":
            return left % right
        if isinstance(left, int) and isinstance(right, int):
            return int(left / right)
        return left / right
    except (TypeError, ZeroDivisionError, OverflowError):
        return None


def has_term(text: str, term: str) -> bool:
    """`has`: the term stands there as a word of letters and digits of its own."""
    return re.search(rf"(?<![^\W_]){re.escape(term)}(?![^\W_])", text) is not None


TEXT_TESTS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "has": has_term,
    "startswith": str.startswith,
    "endswith": str.endswith,
}
