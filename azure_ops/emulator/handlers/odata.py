"""The `$filter` that Backup understands: `a eq 'b' and c eq 'd'`. Anything else is refused, never ignored."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from ..answers import Refusal

TERM = re.compile(
    r"\s*(\w+)\s+eq\s+(?:'((?:[^']|'')*)'|(true|false|\d+))\s*(?:and\s+(?=\S)|$)", re.IGNORECASE
)


def parse_filter(text: str, known: Iterable[str]) -> dict[str, str]:
    """Names (in lower case) to values. Raises a 400 for another grammar, another name or a name twice."""
    names = {name.lower() for name in known}
    terms: dict[str, str] = {}
    at = 0
    while at < len(text):
        found = TERM.match(text, at)
        if found is None:
            raise invalid_input(f"The filter cannot be read from position {at + 1} on: {text}")
        name = found[1].lower()
        if name not in names or name in terms:
            raise invalid_input(f"The filter names '{found[1]}', which is unknown here or named twice.")
        terms[name] = found[3] or found[2].replace("''", "'")
        at = found.end()
    return terms


def parse_filter_time(text: str) -> datetime:
    """`2022-02-24 09:30:01 PM`; clients also send `2016-01-01 00:00:00 AM`."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d) (\d\d):(\d\d):(\d\d) (AM|PM)", text.strip(), re.IGNORECASE)
    if found is None:
        raise invalid_input(f"'{text}' is not a time of the form 'yyyy-MM-dd hh:mm:ss tt'.")
    day, hour, minute, second, half = found.groups()
    hours = int(hour) % 12 + (12 if half.upper() == "PM" else 0)
    try:
        return datetime.fromisoformat(f"{day}T{hours:02}:{minute}:{second}").replace(tzinfo=UTC)
    except ValueError:
        raise invalid_input(f"'{text}' is not a time.") from None


def invalid_input(message: str) -> Refusal:
    return Refusal(400, "BMSUserErrorInvalidInput", message)
