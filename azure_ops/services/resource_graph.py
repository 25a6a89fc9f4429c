"""Resource Graph queries read page by page, decoded into rows as the pages come in."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from ..errors import InvalidState, NotAllowed, NotFound
from .azure_failures import azure_errors
from .request_log import GRAPH_ACTION

if TYPE_CHECKING:
    from .session import Session

GRAPH_REFUSED = (NotAllowed, NotFound, InvalidState)
"""A policy, a missing right or a cloud without Resource Graph; other failures pass and are tried again."""
PATH = "/providers/Microsoft.ResourceGraph/resources"
API_VERSION = "2021-03-01"
PAGE = 1000
LONGEST_PAUSE_S = 6.0
"""The quota is 15 queries per five seconds and user; a fleet of pages waits its turn within that."""
_MOST_PAGES = 500

Row = TypeVar("Row")
_log = logging.getLogger(__name__)


class _Page(msgspec.Struct, Generic[Row]):
    data: list[Row]


class _End(msgspec.Struct):
    skip_token: str | None = msgspec.field(name="$skipToken", default=None)


_TOKENS = msgspec.json.Decoder(_End)


async def read_rows(session: Session, query: str, kind: type[Row], what: str) -> list[Row]:
    """All rows of a query that projects `id` and orders by it. Raises typed errors naming `what`."""
    body: dict[str, Any] = {"query": query}
    decoder = _Decoder(kind, what)
    rows: list[Row] = []
    async with azure_errors(what):
        if session.settings.subscriptions:
            body["subscriptions"] = list(await session.subscriptions())
        page = await _fetch(session, body, "")
        for _ in range(_MOST_PAGES):
            token = _TOKENS.decode(page).skip_token
            if not token:
                rows += decoder.rows(page)
                break
            # While this page is decoded here, the service works on the next one.
            coming = asyncio.create_task(_fetch(session, body, token))
            try:
                await asyncio.sleep(0)
                rows += decoder.rows(page)
                page = await coming
            finally:
                coming.cancel()
    return rows


async def _fetch(session: Session, body: dict[str, Any], token: str) -> bytes:
    """One page, after waiting for the next window of queries when this one is known to be used up."""
    pause_s = session.budget.hold_off_s(GRAPH_ACTION)
    if 0 < pause_s <= LONGEST_PAUSE_S:
        await asyncio.sleep(pause_s)
    options = {"$top": PAGE, "resultFormat": "objectArray"}
    asked = body | {"options": options | {"$skipToken": token} if token else options}
    answer = await session.send("POST", PATH, params={"api-version": API_VERSION}, body=asked)
    content: bytes = answer.content
    return content


class _Decoder(Generic[Row]):
    """Whole pages in one go. A row that is not what it should be loses its odd members and stays."""

    def __init__(self, kind: type[Row], what: str) -> None:
        self._kind: Any = kind
        self._what = what
        self._pages: msgspec.json.Decoder[_Page[Row]] = msgspec.json.Decoder(
            _Page[kind],  # type: ignore[valid-type]
            strict=False,
        )

    def rows(self, body: bytes) -> list[Row]:
        try:
            return self._pages.decode(body).data
        except msgspec.ValidationError as exc:
            _log.warning("%s: a row is not what it should be: %s", self._what, exc)
            values = msgspec.json.decode(body)["data"]
            return [self._fitting(one) for one in values if isinstance(one.get("id"), str)]

    def _fitting(self, values: dict[str, Any]) -> Row:
        """The members that are what they should be; the others keep their defaults."""
        fitting: dict[str, Any] = {}
        for field in msgspec.structs.fields(self._kind):
            if field.encode_name in values:
                with suppress(msgspec.ValidationError):
                    value = values[field.encode_name]
                    fitting[field.name] = msgspec.convert(value, field.type, strict=False)
        row: Row = self._kind(**fitting)
        return row
