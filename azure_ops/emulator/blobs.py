"""The page blobs of disks and snapshots, for whoever holds a shared access signature: ranges of bytes, page
lists and their differences, as the storage service answers. Nothing of a query is ever logged."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from . import replies
from .blob_answers import BlobRefusal, PageList, Reading, hash_of, not_authentic, out_of_time
from .blob_pace import MIB, Pace, Paces
from .faults import Fault, FaultTable
from .handlers.disk_addresses import PREFIX, SIGNED_VERSION, signed_for
from .handlers.disk_bytes import bytes_of
from .records.compute import DiskAccess
from .replies import Request
from .timekeeping import Timekeeper
from .world import World

PIECE = 256 << 10
"""So much is made and sent at a time."""
STATUS_CODES = {
    403: ("AuthenticationFailed", "Server failed to authenticate the request."),
    404: ("BlobNotFound", "The specified blob does not exist."),
    429: ("TooManyRequests", "Too many requests."),
    500: ("InternalError", "The server encountered an internal error. Please retry the request."),
    503: ("ServerBusy", "The server is busy."),
}
"""What a `status` fault says where it is given no code of its own."""


def is_blob(path: str) -> bool:
    return path.startswith(PREFIX)


class Blobs:
    def __init__(self, world: World, faults: FaultTable, timekeeper: Timekeeper, *, throttle: bool) -> None:
        self._world = world
        self._faults = faults
        self._timekeeper = timekeeper
        self.paces = Paces(throttle=throttle)

    async def __call__(self, http: web.BaseRequest) -> web.StreamResponse:
        request = await replies.read(http)
        if request is None:
            return replies.too_large()
        fault = self._faults.take(request.method, request.path)
        delay_s = self.paces.line.latency_ms / 1000
        if fault is not None and fault.kind == "slow":
            delay_s += fault.delay_s
        if delay_s:
            await asyncio.sleep(delay_s)
        if fault is not None and fault.kind == "reset" and not fault.after:
            return replies.reset(http)
        self._timekeeper.promise()
        now = self._world.clock.now()
        try:
            self._fail_on_purpose(fault, now)
            reading, pace = self._admit(request, now)
            if request.query.get("comp"):
                return await self._send_list(http, request, reading, fault, now)
            return await self._send_bytes(http, request, reading, pace, fault, now)
        except BlobRefusal as refusal:
            return self._refused(request, refusal, now)

    # who may --------------------------------------------------------------------------------------------

    def _admit(self, request: Request, now: datetime) -> tuple[Reading, Pace]:
        access = self._access(request.path, request.query, now)
        if request.method not in ("GET", "HEAD"):
            text = "This request is not authorized to perform this operation using this permission."
            raise BlobRefusal(403, "AuthorizationPermissionMismatch", text)
        at_s = time.monotonic()
        pace = self.paces.of(access.id, at_s)
        if over := pace.refuses(at_s):
            raise BlobRefusal(503, "ServerBusy", over)
        reading = Reading(access, bytes_of(self._world, access), request.headers, request.query)
        reading.check_conditions()
        return reading, pace

    def _access(self, path: str, query: dict[str, str], now: datetime) -> DiskAccess:
        if "sig" not in query:
            raise BlobRefusal(404, "ResourceNotFound", "The specified resource does not exist.")
        access = signed_for(self._world, path, query)
        if access is None:
            raise not_authentic("Signature did not match.")
        if now >= access.expires_at:
            raise out_of_time(access, now)
        return access

    @staticmethod
    def _fail_on_purpose(fault: Fault | None, now: datetime) -> None:
        if fault is None:
            return
        if fault.kind == "expired-token":
            raise not_authentic("Signature not valid in the specified time frame.")
        if fault.kind == "status":
            code, message = STATUS_CODES.get(fault.status, ("InternalError", "An error has occurred."))
            headers = {} if fault.retry_after is None else {"Retry_After": str(fault.retry_after)}
            raise BlobRefusal(fault.status, fault.code or code, fault.message or message, "", **headers)

    def _refused(self, request: Request, refusal: BlobRefusal, now: datetime) -> web.Response:
        headers = {**self._common(request, now), "x-ms-error-code": refusal.code, **refusal.headers}
        if refusal.status == 304:
            return web.Response(status=304, headers=headers)
        headers["Content-Type"] = "application/xml"
        body = b"" if request.method == "HEAD" else refusal.body(request.request_id, now)
        return web.Response(status=refusal.status, headers=headers, body=body)

    @staticmethod
    def _common(request: Request, now: datetime) -> dict[str, str]:
        headers = {
            "Server": "Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0",
            "x-ms-request-id": request.request_id,
            "x-ms-version": request.headers.get("x-ms-version", SIGNED_VERSION),
            "Date": format_datetime(now.astimezone(UTC).replace(microsecond=0), usegmt=True),
        }
        if asked := request.headers.get("x-ms-client-request-id"):
            headers["x-ms-client-request-id"] = asked
        return headers

    # page lists -----------------------------------------------------------------------------------------

    async def _send_list(
        self, http: web.BaseRequest, request: Request, reading: Reading, fault: Fault | None, now: datetime
    ) -> web.StreamResponse:
        if request.query["comp"] != "pagelist" or request.method != "GET":
            raise BlobRefusal(501, "NotImplemented", "The emulator models no other operation on page blobs.")
        if "snapshot" in request.query or "prevsnapshot" in request.query:
            text = "Snapshots of a managed disk's blob are named by x-ms-previous-snapshot-url only."
            raise BlobRefusal(400, "InvalidQueryParameterValue", text)
        start, end = reading.asked() or (0, reading.disk.length)
        if older := request.headers.get("x-ms-previous-snapshot-url"):
            ranges = reading.disk.changes(bytes_of(self._world, self._older(reading, older, now)), start, end)
        else:
            ranges = reading.disk.ranges(start, end)
        body = PageList(ranges).page(reading).body()
        if fault is not None and fault.kind == "malformed":
            body = body[: len(body) * 2 // 3]
        headers = {
            **self._common(request, now),
            **reading.about(),
            "x-ms-blob-content-length": str(reading.disk.length),
            "Content-Type": "application/xml",
        }
        whole = web.Response(status=200, headers=headers, body=body)
        if fault is not None and fault.kind == "reset":
            return replies.reset(http)
        return await replies.cut_short(http, whole) if fault is not None and fault.kind == "cut" else whole

    def _older(self, reading: Reading, address: str, now: datetime) -> DiskAccess:
        parts = urlsplit(address)
        query = {key.lower(): value for key, value in parse_qsl(parts.query)}
        older = self._access(parts.path, query, now)
        if older.family_id is None or older.family_id != reading.access.family_id:
            text = "The previous snapshot is not of the same incremental snapshot family."
            raise BlobRefusal(409, "PreviousSnapshotOperationNotSupported", text)
        if _taken_at(older) > _taken_at(reading.access):
            text = "The previous snapshot is newer than the snapshot."
            raise BlobRefusal(400, "InvalidPreviousSnapshot", text)
        return older

    # bytes ----------------------------------------------------------------------------------------------

    async def _send_bytes(
        self,
        http: web.BaseRequest,
        request: Request,
        reading: Reading,
        pace: Pace,
        fault: Fault | None,
        now: datetime,
    ) -> web.StreamResponse:
        disk, span = reading.disk, reading.asked()
        hashed = reading.hash_asked(span)
        start, end = span or (0, disk.length)
        headers = {
            **self._common(request, now),
            **reading.about(),
            "Content-Type": "application/octet-stream",
            "Accept-Ranges": "bytes",
            "Content-Length": str(end - start),
            "x-ms-blob-type": "PageBlob",
            "x-ms-blob-sequence-number": "0",
            "x-ms-lease-status": "unlocked",
            "x-ms-lease-state": "available",
            "x-ms-server-encrypted": "true",
        }
        if request.method == "HEAD":
            headers["Content-Length"] = str(disk.length)
            return web.Response(status=200, headers=headers)
        if span is not None:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{disk.length}"
        if hashed:
            headers["Content-MD5"] = hash_of(disk.read(start, end - start))
        response = web.StreamResponse(status=200 if span is None else 206, headers=headers)
        response.content_length = end - start
        await response.prepare(http)
        stop = end
        if fault is not None and fault.kind in ("cut", "reset"):
            stop = start + (end - start) // 2
        with contextlib.suppress(ConnectionError):  # the client has what it wanted
            await self._stream(response, _pieces(reading, start, stop, fault), pace)
        if fault is not None and fault.kind == "reset":
            replies.reset(http)
        elif fault is not None and fault.kind == "cut" and http.transport is not None:
            http.transport.close()
        return response

    async def _stream(self, response: web.StreamResponse, pieces: Iterator[bytes], pace: Pace) -> None:
        own_s = time.monotonic()
        for piece in pieces:
            wait_s = pace.book(len(piece), time.monotonic())
            if limit := self.paces.line.connection_mib_per_s:
                wait_s = max(wait_s, own_s - time.monotonic())
                own_s = max(own_s, time.monotonic()) + len(piece) / (limit * MIB)
            if wait_s > 0.001:
                await asyncio.sleep(wait_s)
            await response.write(piece)


def _pieces(reading: Reading, start: int, end: int, fault: Fault | None) -> Iterator[bytes]:
    """What a `malformed` fault spoils is one byte, which only a checksum shows."""
    spoilt = fault is not None and fault.kind == "malformed"
    for at in range(start, end, PIECE):
        piece = reading.disk.read(at, min(PIECE, end - at))
        yield bytes([piece[0] ^ 0xFF]) + piece[1:] if spoilt else piece
        spoilt = False


def _taken_at(access: DiskAccess) -> datetime:
    return max((span.until for span in access.holds), default=access.granted_at)
