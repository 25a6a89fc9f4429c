"""Bytes in and out: what a request is once read, how an answer is sent, and how one is spoilt on purpose."""

from __future__ import annotations

import asyncio
import socket
import struct
import uuid
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import msgspec
from aiohttp import web

from .answers import Answer

JSON_TYPE = "application/json; charset=utf-8"
BODY_LIMIT = 4 * 1024 * 1024
"""Resource Manager's own limit."""
PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))


@dataclass(slots=True)
class Request:
    """What is needed of a request after its bytes were read."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    request_id: str


async def read(http: web.BaseRequest) -> Request | None:
    """None for a body over the limit."""
    try:
        body = await http.read() if http.body_exists else b""
    except web.HTTPRequestEntityTooLarge:
        return None
    return Request(
        method=http.method.upper(),
        path=unquote(http.raw_path.partition("?")[0]),
        query={key.lower(): value for key, value in http.rel_url.query.items()},
        headers={key.lower(): value for key, value in http.headers.items()},
        body=body,
        request_id=str(uuid.uuid4()),
    )


def response(request: Request, answer: Answer, at: datetime) -> web.Response:
    correlation = request.headers.get("x-ms-correlation-request-id") or request.request_id
    headers = {
        "Cache-Control": "no-cache",
        "Pragma": "no-cache",
        "Date": format_datetime(at.replace(microsecond=0), usegmt=True),
        "x-ms-request-id": request.request_id,
        "x-ms-correlation-request-id": correlation,
        "x-ms-routing-request-id": f"EMULATOR:{at:%Y%m%dT%H%M%SZ}:{request.request_id}",
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
        "X-Content-Type-Options": "nosniff",
    }
    if asked := request.headers.get("x-ms-client-request-id"):
        headers["x-ms-client-request-id"] = asked
    for name, value in answer.headers.items():
        twin = next((each for each in headers if each.lower() == name.lower()), name)
        headers[twin] = _header_text(value)
    if answer.body is None:
        return web.Response(status=answer.status, headers=headers)
    if not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = JSON_TYPE
    body = answer.body if isinstance(answer.body, bytes) else msgspec.json.encode(answer.body)
    return web.Response(status=answer.status, headers=headers, body=body)


def _header_text(value: str) -> str:
    """URLs are made of resource names, which may hold what a header line must not."""
    return quote(value, safe=PRINTABLE)


def reset(http: web.BaseRequest) -> web.StreamResponse:
    """The connection ends with a TCP reset: no answer, no TLS farewell."""
    transport = http.transport
    if transport is not None:
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response(status=500)


async def cut_short(http: web.BaseRequest, whole: web.Response) -> web.StreamResponse:
    """Promises the whole body, sends half of it and hangs up."""
    body = whole.body if isinstance(whole.body, bytes) else b""
    partial = web.StreamResponse(status=whole.status, headers=whole.headers)
    partial.content_length = len(body) or 1
    await partial.prepare(http)
    await partial.write(body[: len(body) // 2])
    if http.transport is not None:
        http.transport.close()
    return partial


def too_large() -> web.Response:
    text = f"The request content size exceeds the maximum size of '{BODY_LIMIT}' bytes."
    error = {"error": {"code": "RequestContentTooLarge", "message": text}}
    return web.Response(status=413, body=msgspec.json.encode(error), content_type="application/json")


def form(body: bytes) -> dict[str, str]:
    """An `application/x-www-form-urlencoded` body."""
    return dict(parse_qsl(body.decode("utf-8", "replace")))


def with_limit(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    """aiohttp's request, with Resource Manager's limit in place of its own."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=BODY_LIMIT)
