"""What the SDK models and the recordings know: which members a document may have, at every depth."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from azure.mgmt.recoveryservicesbackup.models import AzureIaaSComputeVMProtectedItem, ProtectedItem

RECORDINGS = Path(__file__).resolve().parents[2].parent / "shared" / "azure" / "recorded"


def unknown_to_model(document: dict[str, Any], model: Any) -> set[str]:
    """Paths (`.properties.x[].y`) of members that the SDK's model has no field for."""
    return _walk(model(document), "")


def _walk(value: Any, path: str) -> set[str]:
    if isinstance(value, list):
        return set().union(*(_walk(one, f"{path}[]") for one in value))
    fields = getattr(type(value), "_attr_to_rest_field", None)
    if fields is None:
        return set()  # a plain value, or a free dictionary such as tags and property bags
    if type(value) is ProtectedItem:
        # the SDK stops at the first of two discriminator levels here
        return _walk(AzureIaaSComputeVMProtectedItem(dict(value)), path)
    attributes = {field._rest_name: attribute for attribute, field in fields.items()}
    unknown: set[str] = set()
    for key in value:
        if key in attributes:
            unknown |= _walk(getattr(value, attributes[key]), f"{path}.{key}")
        else:
            unknown.add(f"{path}.{key}")
    return unknown


def value_kinds(document: Any, path: str = "") -> dict[str, set[str]]:
    """Every path of a document and the JSON kinds seen there; list positions collapse to `[]`."""
    found: dict[str, set[str]] = {}
    if isinstance(document, dict):
        for key, value in document.items():
            found.setdefault(f"{path}.{key}", set()).add(_kind(value))
            _merge(found, value_kinds(value, f"{path}.{key}"))
    elif isinstance(document, list):
        for value in document:
            _merge(found, value_kinds(value, f"{path}[]"))
    return found


def _kind(value: Any) -> str:
    return "number" if type(value) in (int, float) else type(value).__name__


def _merge(into: dict[str, set[str]], other: dict[str, set[str]]) -> None:
    for path, kinds in other.items():
        into.setdefault(path, set()).update(kinds)


@functools.cache
def recorded_kinds() -> dict[str, dict[str, set[str]]]:
    """Resource type in lower case → path → JSON kinds, over every recorded document of that type."""
    seen: dict[str, dict[str, set[str]]] = {}
    for file in sorted(RECORDINGS.rglob("*.jsonl")):
        for line in file.read_text().splitlines():
            _collect(json.loads(line).get("body"), seen)
    return seen


def _collect(body: Any, seen: dict[str, dict[str, set[str]]]) -> None:
    if isinstance(body, dict):
        kind = body.get("type")
        if isinstance(kind, str) and "/" in kind:
            _merge(seen.setdefault(kind.lower(), {}), value_kinds(body))
        for value in body.values():
            _collect(value, seen)
    elif isinstance(body, list):
        for value in body:
            _collect(value, seen)
