"""What is known of a connection to a recovery point's files (item-level recovery). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from .model import Operation, Phase

RECOVER, REVOKE = "recover-items", "revoke-items"
LASTS = timedelta(hours=12)
WRITE, LEAVE = "write", "leave"
"""What becomes of the script, as the form is answered."""
PASSWORD_FILE = "password"  # noqa: S105 (the name of a file)


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """What mounts the point's volumes. No part of it is ever shown or logged but its name."""

    name: str
    content: bytes
    password: str
    os_type: str = ""
    url: str = ""
    """Of the program that Windows runs; where it is given, `content` means nothing."""

    def __repr__(self) -> str:
        return f"Script({self.name!r})"


class Connection(NamedTuple):
    operation: Operation
    point: str
    until: datetime


def open_connections(operations: Iterable[Operation], now: datetime) -> list[Connection]:
    """Those that our own operations opened and nobody has revoked through us; the last renewal counts."""
    found: dict[tuple[str, str], Connection] = {}
    for one in sorted(operations, key=began):
        point = one.answers.get("point", "")
        if one.phase is not Phase.SUCCEEDED or not point:
            continue
        if one.action == RECOVER:
            found[one.target_key, point] = Connection(one, point, began(one) + LASTS)
        elif one.action == REVOKE:
            found.pop((one.target_key, point), None)
    return [one for one in found.values() if now < one.until]


def began(one: Operation) -> datetime:
    return one.service_created_at or one.created_at
