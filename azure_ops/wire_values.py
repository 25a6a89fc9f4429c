"""Values out of wire documents, as the services really write them; used by every mapping function.

The mappings read SDK models by key, not by attribute: `Microsoft.Compute/virtualMachines` items and
`VirtualMachineTaskDetails` decode to base classes without the attributes, and unset Site Recovery times
decode to naive datetimes next to aware ones. Key access sees the document itself, whatever the class.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

Document = Mapping[str, Any]

_EMPTY: Document = {}
_US_FORMATS = ("%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M:%S")
_UNSET_YEARS = (1, 1601, 1753, 2001, 9999)
"""Years that mean "not yet" or "never": .NET's and SQL's least dates, Backup's 2001, the agent's 9999."""


def part(document: Any, *path: str) -> Document:
    """The object at a path of keys, or an empty one."""
    for key in path:
        if not isinstance(document, Mapping):
            return _EMPTY
        document = document.get(key)
    return document if isinstance(document, Mapping) else _EMPTY


def text(document: Document, key: str) -> str:
    """A string; numbers as they read, null and objects as empty."""
    value = document.get(key)
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None or isinstance(value, (Mapping, list)):
        return ""
    return str(value)


def parts(document: Document, key: str) -> Iterator[Document]:
    """The objects of a list; what is no object is left out."""
    value = document.get(key)
    if isinstance(value, (list, tuple)):
        for one in value:
            if isinstance(one, Mapping):
                yield one


def texts(document: Document, key: str) -> tuple[str, ...]:
    value = document.get(key)
    if not isinstance(value, (list, tuple)):
        return ()
    return tuple(str(one) for one in value if isinstance(one, (str, int)))


def number(document: Document, key: str) -> float | None:
    value = document.get(key)
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return float(value)
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def whole(document: Document, key: str) -> int | None:
    value = number(document, key)
    return None if value is None else int(value)


def flag(document: Document, key: str) -> bool:
    value = document.get(key)
    return value is True or (isinstance(value, str) and value.lower() == "true")


def moment(document: Document, key: str) -> datetime | None:
    return parse_moment(document.get(key))


def parse_moment(value: Any) -> datetime | None:
    """Aware UTC; None for absent, unreadable and sentinel times. Times without a zone are UTC."""
    if isinstance(value, datetime):
        found = value
    elif isinstance(value, str) and value:
        parsed = _parse(value.strip())
        if parsed is None:
            return None
        found = parsed
    else:
        return None
    if found.year in _UNSET_YEARS and _is_unset(found):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _is_unset(found: datetime) -> bool:
    """2001 and the years before count only as the very day that stands for nothing."""
    return found.year in (1, 9999) or (found.month, found.day) == (1, 1)


def _parse(value: str) -> datetime | None:
    try:
        return datetime.fromisoformat(value)  # also with the seven fractional digits of .NET
    except ValueError:
        pass
    for form in _US_FORMATS:
        try:
            return datetime.strptime(value, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def word(value: Any, words: Mapping[int, str]) -> str:
    """An enum that older api-versions write as a number."""
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, int):
        return words.get(value, str(value))
    return str(value)
