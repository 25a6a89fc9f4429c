"""A disk behind a SAS: a page blob read by ranges over HTTPS.

The address is a secret: it is in no error, no log, no name. It is renewed when it expires; the disk's bytes
are pinned by their ETag, and each range of a copy is checked against the server's MD5.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
import re
import ssl
from bisect import bisect_right
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import Unreachable
from .entries import Range
from .gate import Gate
from .problems import AccessExpired, FileRestoreError

if TYPE_CHECKING:
    import aiohttp

API_VERSION = "2020-10-02"
HASHED_AT_MOST = 4 * 1024 * 1024
_FIRST = 256 * 1024
_TRIES = 8
_LONGEST_PAUSE_S = 30.0
_SILENCE_S = 30.0
_RETRIED = {408, 429, 500, 502, 503, 504}
_BUSY = {429, 503}
_PAGE_RANGE = re.compile(rb"<PageRange>\s*<Start>(\d+)</Start>\s*<End>(\d+)</End>\s*</PageRange>")
_NEXT_MARKER = re.compile(rb"<NextMarker>([^<]+)</NextMarker>")
_CODE = re.compile(rb"<Code>(\w{1,80})</Code>")
_MOST_LISTS = 2000


class _Changed(Exception):
    pass


class PageBlob:
    def __init__(
        self,
        address: str,
        name: str,
        *,
        renew: Callable[[], Awaitable[str]] | None = None,
        token: Callable[[], Awaitable[str]] | None = None,
        tls: ssl.SSLContext | None = None,
        immutable: bool = False,
        pause_s: float = 0.2,
    ) -> None:
        """`name` is what people read; `token` gives a bearer token where a disk wants one beside the SAS.
        `immutable`: what is behind another address is the same, though its ETag need not be."""
        if urlsplit(address).scheme != "https":
            raise FileRestoreError(f"The address of {name} is not an https one.", resource=name)
        self._address = address
        self._name = name
        self._renew = renew
        self._token = token
        self._tls = tls
        self._immutable = immutable
        self._pause_s = pause_s
        self._session: aiohttp.ClientSession | None = None
        self._size = 0
        self._etag = ""
        self._first = b""
        self._gate = Gate()
        self._renewing = asyncio.Lock()
        self._generation = 0
        self._listing: asyncio.Task[None] | None = None
        self._starts: list[int] | None = None
        self._ends: list[int] = []
        self.requests = 0
        self.retries = 0
        self.renewals = 0

    def __repr__(self) -> str:
        return f"PageBlob({self._name})"

    @property
    def name(self) -> str:
        return self._name

    @property
    def size(self) -> int:
        return self._size

    async def open(self) -> None:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=15, sock_read=_SILENCE_S)
        connector = aiohttp.TCPConnector(limit=0, ssl=self._tls if self._tls is not None else True)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)
        try:
            self._first = await self._range(0, _FIRST, verified=True, urgent=True, opening=True)
        except BaseException:
            await self.close()
            raise
        self._listing = asyncio.get_running_loop().create_task(self._learn_holes())

    async def close(self) -> None:
        if self._listing is not None:
            self._listing.cancel()
            await asyncio.gather(self._listing, return_exceptions=True)
            self._listing = None
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def read(self, offset: int, length: int, *, verified: bool = False, urgent: bool = False) -> bytes:
        if offset == 0 and length == len(self._first):
            return self._first
        if length <= HASHED_AT_MOST:
            return await self._range(offset, length, verified=verified, urgent=urgent)
        parts = [
            self._range(offset + at, min(HASHED_AT_MOST, length - at), verified=verified, urgent=urgent)
            for at in range(0, length, HASHED_AT_MOST)
        ]
        return b"".join(await asyncio.gather(*parts))

    def written(self, offset: int, length: int) -> list[Range]:
        end = min(offset + length, self._size)
        if end <= offset:
            return []
        if self._starts is None:
            return [(offset, end - offset)]
        found = []
        index = max(0, bisect_right(self._starts, offset) - 1)
        while index < len(self._starts) and self._starts[index] < end:
            low, high = max(offset, self._starts[index]), min(end, self._ends[index])
            if low < high:
                found.append((low, high - low))
            index += 1
        return found

    async def holes_known(self) -> bool:
        """Waits for the list of written ranges; False where the server would not give it."""
        if self._listing is not None:
            await asyncio.gather(self._listing, return_exceptions=True)
        return self._starts is not None

    async def used_bytes(self) -> int | None:
        """What is written, as the server counts it; None where it does not say."""
        if not await self.holes_known() or self._starts is None:
            return None
        return sum(end - start for start, end in zip(self._starts, self._ends, strict=True))

    async def _learn_holes(self) -> None:
        starts: list[int] = []
        ends: list[int] = []
        marker = ""
        for _ in range(_MOST_LISTS):
            query = "comp=pagelist&maxresults=10000" + (f"&marker={marker}" if marker else "")
            try:
                body, _ = await self._asked({}, 200, query, bulk=False)
            except FileRestoreError:
                return
            for start, end in _PAGE_RANGE.findall(body):
                low, high = int(start), int(end) + 1
                if (ends and low < ends[-1]) or high <= low:
                    return
                if ends and low == ends[-1]:
                    ends[-1] = high
                else:
                    starts.append(low)
                    ends.append(high)
            following = _NEXT_MARKER.search(body)
            if not following:
                self._starts, self._ends = starts, ends
                return
            marker = re.sub(r"[^A-Za-z0-9._~-]", lambda sign: f"%{ord(sign[0]):02X}", following[1].decode())

    async def _range(
        self, offset: int, length: int, *, verified: bool, urgent: bool, opening: bool = False
    ) -> bytes:
        headers = {"x-ms-range": f"bytes={offset}-{offset + length - 1}"}
        if verified:
            headers["x-ms-range-get-content-md5"] = "true"
        for _ in range(_TRIES):
            data, answer = await self._asked(headers, 206, "", bulk=verified and not urgent)
            if opening:
                self._learn(answer)
                length = min(length, self._size)
            if len(data) == length and await _digest_fits(data, answer):
                return data
            self.retries += 1
        raise Unreachable(
            f"{self._name}: the bytes at {offset:,} arrived damaged {_TRIES} times.",
            "Something on the way changes them; try again later or from elsewhere.",
            resource=self._name,
        )

    def _learn(self, headers: dict[str, str]) -> None:
        found = re.fullmatch(r"bytes \d+-\d+/(\d+)", headers.get("content-range", ""))
        if not found:
            raise FileRestoreError(f"{self._name}: the server does not say how large the disk is.")
        self._size = int(found[1])
        self._etag = headers.get("etag", "")

    def _learn_again(self, headers: dict[str, str]) -> None:
        """The ETag behind another address, where the disk is as large as it was."""
        size = headers.get("content-range", "").rpartition("/")[2]
        if size and size != str(self._size):
            raise FileRestoreError(f"{self._name} has another size than before.", resource=self._name)
        self._etag = headers.get("etag", "")

    async def _asked(
        self, headers: dict[str, str], wanted: int, query: str, *, bulk: bool
    ) -> tuple[bytes, dict[str, str]]:
        """One answer with the status that is wanted, by as many tries as are reasonable."""
        import aiohttp

        why = ""
        denied = 0
        for attempt in range(_TRIES):
            if attempt:
                self.retries += 1
            generation = self._generation
            pause = min(_LONGEST_PAUSE_S, self._pause_s * 2**attempt)
            try:
                async with self._gate.pass_through(bulk):
                    status, answer, body = await self._once(headers, query)
            except (aiohttp.ClientError, OSError, TimeoutError) as exc:
                # The exception's own text holds the whole address.
                why = type(exc).__name__
                self._gate.refused()
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))
                continue
            if status == wanted:
                self._gate.answered()
                if self._size and not self._etag:
                    self._learn_again(answer)
                return body, answer
            code = answer.get("x-ms-error-code", "") or _code(body)
            if status in (401, 403):
                denied += 1
                if denied > 2:
                    raise self._expired(code, status)
                await self._renewed(generation, code, status)
                continue
            if status == 412:
                raise FileRestoreError(
                    f"{self._name}: the disk changes while it is read.",
                    "Take a snapshot of it and read that.",
                    code=code,
                    status=status,
                    resource=self._name,
                )
            if status not in _RETRIED:
                raise FileRestoreError(
                    f"{self._name}: the server refuses to give its bytes ({status} {code or 'no reason'}).",
                    "The snapshot or its access may be gone; choose the point again.",
                    code=code,
                    status=status,
                    resource=self._name,
                )
            why = f"{status} {code}".strip()
            if status in _BUSY:
                self._gate.refused()
            await asyncio.sleep(max(_asked_pause(answer), pause * random.uniform(0.5, 1.5)))
        raise Unreachable(
            f"{self._name}: its bytes could not be read in {_TRIES} tries ({why}).",
            "Check the line and go on; what is there is not fetched again.",
            resource=self._name,
        )

    async def _once(self, headers: dict[str, str], query: str) -> tuple[int, dict[str, str], bytes]:
        import yarl

        if self._session is None:
            raise FileRestoreError(f"{self._name} is closed.", resource=self._name)
        sent = {"x-ms-version": API_VERSION, "Accept-Encoding": "identity", **headers}
        if self._etag:
            sent["If-Match"] = self._etag
        if self._token is not None:
            sent["Authorization"] = f"Bearer {await self._token()}"
        address = self._address
        if query:
            address += ("&" if urlsplit(address).query else "?") + query
        self.requests += 1
        # The signature is over the address as it was given: it is not to be quoted again.
        url = yarl.URL(address, encoded=True)
        async with self._session.get(url, headers=sent, allow_redirects=False) as response:
            body = await response.read()
            return response.status, {key.lower(): value for key, value in response.headers.items()}, body

    async def _renewed(self, generation: int, code: str, status: int) -> None:
        """A new address, got once for all requests that were refused at the same time."""
        async with self._renewing:
            if generation != self._generation:
                return
            if self._renew is None:
                raise self._expired(code, status)
            address = await self._renew()
            if urlsplit(address).scheme != "https":
                raise self._expired(code, status)
            if self._immutable and urlsplit(address).path != urlsplit(self._address).path:
                self._etag = ""
            self._address = address
            self._generation += 1
            self.renewals += 1

    def _expired(self, code: str, status: int) -> AccessExpired:
        return AccessExpired(
            f"{self._name}: access to its bytes has ended ({status} {code or 'no reason'}).",
            "Choose the point again; what is there is not fetched again.",
            code=code,
            status=status,
            resource=self._name,
        )


async def _digest_fits(data: bytes, headers: dict[str, str]) -> bool:
    sent = headers.get("content-md5")
    if not sent:
        return True
    if len(data) <= _FIRST:
        return _md5(data) == sent
    # In a thread: meanwhile other ranges arrive.
    return await asyncio.to_thread(_md5, data) == sent


def _md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def _asked_pause(headers: dict[str, str]) -> float:
    try:
        return min(_LONGEST_PAUSE_S, float(headers.get("retry-after", "0")))
    except ValueError:
        return 0.0


def _code(body: bytes) -> str:
    found = _CODE.search(body[:4096])
    return found[1].decode() if found else ""
