"""The one way to the network: connections, TLS, time limits, retries of reads, the record of every request.

All clients of a session share it. A CA path given to the SDKs would open a TLS connection per request, so the
SSL context is ours and lives as long as the session. Reads keep their connections; whatever changes something
goes out once, on a connection of its own: a stale kept-alive one would leave it in doubt whether it arrived.
"""

from __future__ import annotations

import asyncio
import ssl
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..errors import Throttled, Unreachable
from ..model import RequestLine
from .request_log import GRAPH_ACTION, action_of, scope_of, shown_path
from .service_clock import ServiceClock
from .throttling import KEPT, Budget, remaining_text, retry_after_s

if TYPE_CHECKING:
    import aiohttp

    from ..cloud import CloudSettings

CONNECT_S = 8.0
READ_S = 30.0
"""Between two pieces of an answer."""
CALL_S = 75.0
"""For one attempt from its start to its last byte."""
READ_CONNECTIONS = 16
LONGEST_WAIT_S = 10.0
"""A read waits this long for a `Retry-After`; longer ones end it, and the scheduler waits instead."""
HELD_OFF_S = 0.3
"""A known wait shorter than this does not refuse a read: the retry that waited it out comes through."""
READS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Network:
    """Open connections of one session, and azure-core's transport over them."""

    transport: Any
    sessions: tuple[aiohttp.ClientSession, ...]

    async def close(self) -> None:
        for session in self.sessions:
            await session.close()


def open_network(settings: CloudSettings) -> Network:
    """Must be called on the event loop. Raises Unreachable for a CA file that cannot be used."""
    import aiohttp

    context = ssl_context(settings.ca_file)

    def session(**connector: Any) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, ttl_dns_cache=60, **connector),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    reading = session(limit=READ_CONNECTIONS, keepalive_timeout=50)
    changing = session(limit=READ_CONNECTIONS, force_close=True)
    # aiohttp sends a PUT or DELETE once more by itself when the connection breaks; there is no public switch.
    changing._retry_connection = False
    return Network(_transport(reading, changing), (reading, changing))


def ssl_context(ca_file: str) -> ssl.SSLContext:
    """System trust, and the given CA on top of it."""
    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(cafile=ca_file)
        except OSError as exc:  # ssl.SSLError is one of them
            raise Unreachable(
                f"The CA file {ca_file} cannot be used: {exc.strerror or exc}.",
                "Give --ca a PEM file with the certificate authority of the endpoint.",
                code="CaFileUnusable",
                retryable=False,
            ) from exc
    return context


def _transport(reading: aiohttp.ClientSession, changing: aiohttp.ClientSession) -> Any:
    from azure.core.pipeline.transport import AioHttpTransport

    once = AioHttpTransport(
        session=changing, session_owner=False, connection_timeout=CONNECT_S, read_timeout=READ_S
    )

    class ConsoleTransport(AioHttpTransport):  # type: ignore[misc]
        """Reads over kept connections, everything else over fresh ones, both by way of the user's proxy."""

        async def send(self, request: Any, **config: Any) -> Any:
            if "proxy" not in config and (proxy := proxy_for(request.url)):
                config["proxy"] = proxy
            # azure-core gives its own verification setting along; the SSL context is the connector's.
            config.pop("connection_verify", None)
            if _is_read(request):
                return await super().send(request, **config)
            return await once.send(request, **config)

    return ConsoleTransport(
        session=reading, session_owner=False, connection_timeout=CONNECT_S, read_timeout=READ_S
    )


def proxy_for(url: str) -> str | None:
    """From HTTPS_PROXY, HTTP_PROXY and NO_PROXY. Not by aiohttp's `trust_env`: that reads ~/.netrc on every
    request and refuses requests to hosts named there."""
    found = urlsplit(url)
    proxy = urllib.request.getproxies().get(found.scheme)
    if not proxy or urllib.request.proxy_bypass(found.netloc):
        return None
    return proxy


def make_policies(
    credential: Any,
    scope: str,
    on_request: Callable[[RequestLine], None],
    clock: ServiceClock,
    budget: Budget,
) -> list[Any]:
    """The pipeline of every client, in place of the SDK's own: without the policy that registers resource
    providers by itself (and sends a request again under another id), without redirects, without logging."""
    from azure.core.pipeline import policies
    from azure.mgmt.core.policies import AsyncARMChallengeAuthenticationPolicy

    return [
        policies.RequestIdPolicy(),
        policies.HeadersPolicy(),
        policies.UserAgentPolicy(sdk_moniker="azrecover"),
        policies.CustomHookPolicy(),
        policies.ContentDecodePolicy(),
        _read_retries(),
        AsyncARMChallengeAuthenticationPolicy(credential, scope),
        _recorder(on_request, clock, budget),
    ]


def _read_retries() -> Any:
    from azure.core.pipeline.policies import AsyncRetryPolicy

    class ReadRetries(AsyncRetryPolicy):  # type: ignore[type-arg]
        """Retries reads a few times and nothing else, whatever the answer: azure-core's own policy sends a
        POST again that was answered 500, 503 or 504."""

        def is_retry(self, settings: Any, response: Any) -> bool:
            if not _is_read(response.http_request):
                return False
            answer = response.http_response
            wait_s = retry_after_s(answer.headers)
            if wait_s is not None and wait_s > LONGEST_WAIT_S:
                return False
            if answer.status_code == 429 and wait_s is None:
                return False
            if answer.status_code < 429:
                # azure-core repeats any refusal that carries Retry-After.
                return bool(answer.status_code == 408)
            return bool(super().is_retry(settings, response))

        def _is_method_retryable(self, settings: Any, request: Any, response: Any = None) -> bool:
            return _is_read(request)

    return ReadRetries(
        retry_total=3,
        retry_connect=1,
        retry_read=2,
        retry_status=2,
        retry_backoff_factor=0.8,
        retry_backoff_max=8,
    )


def _is_read(request: Any) -> bool:
    if request.method in READS:
        return True
    return action_of(request.method, urlsplit(request.url).path) == GRAPH_ACTION


def _kept_for_keys(action: str, left: int, wait_s: float, clock: ServiceClock) -> Throttled:
    again_at = clock.now() + timedelta(seconds=wait_s * max(1.0, clock.rate))
    return Throttled(
        f"Polling pauses until {again_at:%H:%M} UTC: the last {left} '{action}' requests of this hour are "
        "kept for your keys.",
        "Keys that act still read it; nothing was sent.",
        code=KEPT,
        retry_after_s=wait_s,
    )


def _recorder(on_request: Callable[[RequestLine], None], clock: ServiceClock, budget: Budget) -> Any:
    from azure.core.pipeline.policies import AsyncHTTPPolicy

    class Recorder(AsyncHTTPPolicy):  # type: ignore[type-arg]
        """Last in the pipeline: sees each attempt as it goes out and the answer as it comes in."""

        async def send(self, request: Any) -> Any:
            asked = request.http_request
            path = urlsplit(asked.url).path
            action, scope = action_of(asked.method, path), scope_of(path)
            if _is_read(asked) and (wait_s := budget.hold_off_s(action, scope)) > HELD_OFF_S:
                raise Throttled(
                    f"Azure takes no more '{action}' requests for {wait_s:.0f} s.",
                    "Read again after that; nothing was sent.",
                    code="HeldOff",
                    retry_after_s=wait_s,
                )
            if _is_read(asked) and (kept := budget.kept(action, scope, clock.rate)):
                raise _kept_for_keys(action, *kept, clock)
            began = perf_counter()
            answer = None
            try:
                async with asyncio.timeout(CALL_S):
                    response = await self.next.send(request)
                    answer = response.http_response
                    if answer.status_code == 429:
                        await answer.read()
            finally:
                self._record(asked, answer, action, scope, (perf_counter() - began) * 1000)
            return response

        def _record(self, asked: Any, answer: Any, action: str, scope: str, took_ms: float) -> None:
            line = RequestLine(
                at=datetime.now(UTC),
                method=asked.method,
                path=shown_path(asked.url),
                status=None if answer is None else answer.status_code,
                took_ms=took_ms,
                remaining="" if answer is None else remaining_text(answer.headers),
                note="no answer" if answer is None else "",
            )
            if answer is not None:
                clock.learn(answer.headers.get("Date"))
                refusal = answer.text() if answer.status_code == 429 else ""
                budget.learn(action, scope, answer.status_code, answer.headers, refusal)
            on_request(line)

    return Recorder()
