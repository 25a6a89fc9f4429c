"""Which rights the signed-in identity lacks at a scope, from the service's own list of them."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from ..arm_ids import key_of, name_of, request_path
from ..wire_values import Document, parts, text, texts
from .azure_failures import azure_errors

if TYPE_CHECKING:
    from .session import Session

API_VERSION = "2022-04-01"
GOOD_S = 300.0
BELIEVED_S = 15.0
LONGEST_CACHE = 500


class Granted:
    """What is granted at one scope, and since when that is known. Who asks together waits for one answer."""

    def __init__(self) -> None:
        self.reading = asyncio.Lock()
        self.read_at = -math.inf
        self.entries: tuple[Document, ...] = ()


async def missing_actions(session: Session, scope: str, actions: Iterable[str]) -> tuple[str, ...]:
    """Those of `actions` that no role at this scope (or above it) grants; in the order given.

    Deny assignments, locks and policies are not in that list: an action may still be refused. An answer is
    kept for some minutes; that something is missing is believed for seconds: a role may just have come."""
    wanted = tuple(actions)
    if len(session.grants) >= LONGEST_CACHE:
        session.grants.clear()
    known = session.grants.setdefault(key_of(scope), Granted())
    async with known.reading:
        missing = _missing(known.entries, wanted)
        if time.monotonic() - known.read_at > (BELIEVED_S if missing else GOOD_S):
            known.entries = await _read(session, scope)
            known.read_at = time.monotonic()
            missing = _missing(known.entries, wanted)
        return missing


def _missing(granted: Sequence[Document], actions: Iterable[str]) -> tuple[str, ...]:
    return tuple(action for action in actions if not is_granted(granted, action))


async def _read(session: Session, scope: str) -> tuple[Document, ...]:
    path = f"{request_path(scope)}/providers/Microsoft.Authorization/permissions"
    granted: list[Document] = []
    async with azure_errors(f"Permissions at {name_of(scope)}"):
        page = await session.get_json(path, API_VERSION)
        granted += parts(page, "value")
        while link := text(page, "nextLink"):
            page = await session.get_json(link)
            granted += parts(page, "value")
    return tuple(granted)


def is_granted(granted: Iterable[Document], action: str) -> bool:
    """One entry must grant the action and not take it away again; entries do not subtract from each other."""
    return any(
        _covers(texts(entry, "actions"), action) and not _covers(texts(entry, "notActions"), action)
        for entry in granted
    )


def _covers(patterns: Iterable[str], action: str) -> bool:
    return any(_pattern(pattern).match(action) for pattern in patterns)


@lru_cache(maxsize=1024)
def _pattern(pattern: str) -> re.Pattern[str]:
    """`*` stands for anything, slashes included; case does not count."""
    return re.compile(".*".join(map(re.escape, pattern.split("*"))) + r"\Z", re.IGNORECASE | re.DOTALL)
