"""Resource Graph queries read page by page, decoded into rows as the pages come in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from .azure_failures import azure_errors
from .request_log import GRAPH_ACTION

if TYPE_CHECKING:
    from .session import Session

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
    skip_token: str | None = msgspec.field(name="$skipToken", default=None)


async def read_rows(session: Session, query: str, kind: type[Row], what: str) -> list[Row]:
    """All rows of a query that projects `id` and orders by it. Raises typed errors naming `what`."""
    rows: list[Row] = []
    decoder = _Decoder(kind, what)
    body: dict[str, Any] = {"query": query}
    if session.settings.subscriptions:
        body["subscriptions"] = list(await session.subscriptions())
    token = ""
    async with azure_errors(what):
        for _ in range(_MOST_PAGES):
            options = {"$top": PAGE, "resultFormat": "objectArray"}
            body["options"] = options | {"$skipToken": token} if token else options
            await _quota(session)
            answer = await session.send("POST", PATH, params={"api-version": API_VERSION}, body=body)
            page = decoder.page(answer.content)
            rows += page.data
            if not page.skip_token or page.skip_token == token:
                break
            token = page.skip_token
    return rows


async def _quota(session: Session) -> None:
    """Waits for the next window of queries when this one is known to be used up."""
    pause_s = session.budget.hold_off_s(GRAPH_ACTION)
    if 0 < pause_s <= LONGEST_PAUSE_S:
        await asyncio.sleep(pause_s)


class _Decoder(Generic[Row]):
    """Whole pages in one go; where a row is not what it should be, that costs the row, not the page."""

    def __init__(self, kind: type[Row], what: str) -> None:
        self._what = what
        self._pages: msgspec.json.Decoder[_Page[Row]] = msgspec.json.Decoder(_Page[kind], strict=False)  # type: ignore[valid-type]
        self._raw_pages = msgspec.json.Decoder(_Page[msgspec.Raw])
        self._rows: msgspec.json.Decoder[Row] = msgspec.json.Decoder(kind, strict=False)

    def page(self, body: bytes) -> _Page[Row]:
        try:
            return self._pages.decode(body)
        except msgspec.ValidationError:
            raw = self._raw_pages.decode(body)
            return _Page(data=list(self._sound(raw.data)), skip_token=raw.skip_token)

    def _sound(self, rows: list[msgspec.Raw]) -> Iterator[Row]:
        for row in rows:
            try:
                yield self._rows.decode(row)
            except msgspec.ValidationError as exc:
                _log.warning("%s: a row is left out: %s", self._what, exc)
