"""Reading the documents that clients send."""

from __future__ import annotations

from typing import Any

from ..routing import Context
from .odata import invalid_input


def properties_of(ctx: Context) -> dict[str, Any]:
    """The body's `properties`. Raises a 400 where there are none."""
    body = ctx.body if isinstance(ctx.body, dict) else {}
    properties = body.get("properties")
    if not isinstance(properties, dict):
        raise invalid_input("The request must carry properties.")
    return properties


def member(document: Any, *names: str) -> Any:
    """What stands at that path; None where anything on the way is missing or null."""
    for name in names:
        document = document.get(name) if isinstance(document, dict) else None
    return document


def leaves(document: dict[str, Any], path: str = "") -> dict[str, Any]:
    """Every value that is neither an object nor null, by its dotted path."""
    found: dict[str, Any] = {}
    for name, value in document.items():
        if isinstance(value, dict):
            found |= leaves(value, f"{path}{name}.")
        elif value is not None:
            found[path + name] = value
    return found
