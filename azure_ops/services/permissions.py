"""Which rights the signed-in identity lacks at a scope, from the service's own list of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from ..arm_ids import name_of, request_path
from ..wire_values import Document, parts, text, texts
from .azure_failures import azure_errors

if TYPE_CHECKING:
    from .session import Session

API_VERSION = "2022-04-01"


async def missing_actions(session: Session, scope: str, actions: Iterable[str]) -> tuple[str, ...]:
    """Those of `actions` that no role at this scope (or above it) grants; in the order given.

    Deny assignments, locks and policies are not in that list: an action may still be refused."""
    path = f"{request_path(scope)}/providers/Microsoft.Authorization/permissions"
    granted: list[Document] = []
    async with azure_errors(f"Permissions at {name_of(scope)}"):
        page = await session.get_json(path, API_VERSION)
        granted += parts(page, "value")
        while link := text(page, "nextLink"):
            page = await session.get_json(link)
            granted += parts(page, "value")
    return tuple(action for action in actions if not is_granted(granted, action))


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
