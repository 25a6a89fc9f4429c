"""How Kusto compares, orders and prints values."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from ..clock import wire_time

ISO_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,7}))?)?\s*(Z|[+-]\d\d:?\d\d)?$"
)


def to_datetime(value: Any) -> datetime | None:
    """None for what is no time. The services print seven fractional digits, Python keeps six."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not (found := ISO_TIME.match(value.strip())):
        return None
    day, clock, fraction, zone = found.groups()
    text = f"{day}T{clock or '00:00'}"
    try:
        at = datetime.fromisoformat(text + ("" if zone in (None, "Z") else zone))
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return at.astimezone(UTC) + timedelta(microseconds=int((fraction or "0").ljust(7, "0")[:6]))


def to_text(value: Any) -> str:
    """`tostring()`: null is empty, booleans are lower-case, objects are compact JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return wire_time(value)
    if isinstance(value, timedelta):
        return span_text(value)
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=to_text)
    return str(value)


def span_text(span: timedelta) -> str:
    """.NET's `[-][d.]hh:mm:ss[.fffffff]`."""
    sign = "-" if span < timedelta(0) else ""
    span = abs(span)
    hours, rest = divmod(span.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    days = f"{span.days}." if span.days else ""
    fraction = f".{span.microseconds * 10:07d}" if span.microseconds else ""
    return f"{sign}{days}{hours:02d}:{minutes:02d}:{seconds:02d}{fraction}"


def to_number(value: Any) -> int | float | None:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, str):
        try:
            return float(value) if "." in value or "e" in value.lower() else int(value)
        except ValueError:
            return None
    return None


def compare(left: Any, right: Any) -> int | None:
    """-1, 0 or 1; None where the two cannot be compared, which makes every comparison false."""
    if left is None or right is None:
        return None
    if isinstance(left, datetime) or isinstance(right, datetime):
        left, right = to_datetime(left), to_datetime(right)
    elif isinstance(left, (int, float)) and isinstance(right, str):
        right = to_number(right) if not isinstance(left, bool) else right.lower() == "true"
    elif isinstance(left, str) and isinstance(right, (int, float)):
        left = to_number(left) if not isinstance(right, bool) else left.lower() == "true"
    if left is None or right is None:
        return None
    try:
        return int(left > right) - int(left < right)
    except TypeError:
        return None


def equal(left: Any, right: Any) -> bool:
    if left is None or right is None:
        # An absent property of a dynamic column is an empty string to a comparison of text.
        return (left is None or left == "") and (right is None or right == "")
    if type(left) is type(right):
        return bool(left == right)
    return compare(left, right) == 0


def sort_key(value: Any) -> tuple[int, Any]:
    """A total order over values of all types; null is kept apart by the caller."""
    if isinstance(value, (bool, int, float)):
        return 0, value
    if isinstance(value, datetime):
        return 1, value
    if isinstance(value, timedelta):
        return 2, value
    return 3, to_text(value)


def group_key(value: Any) -> Any:
    """Equal values of a group or a join have equal keys."""
    return to_text(value) if isinstance(value, (dict, list)) else value


def wire_value(value: Any) -> Any:
    """As the response's JSON carries it."""
    if isinstance(value, datetime):
        return wire_time(value)
    if isinstance(value, timedelta):
        return span_text(value)
    return value
