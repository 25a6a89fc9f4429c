"""The emulator's process: opens the world, listens on two loopback ports, wakes when an event falls due."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sqlite3
import ssl
import sys
from typing import Any

import msgspec
from aiohttp import web

from . import replies
from .admin import Admin
from .answers import Answer
from .blobs import Blobs, is_blob
from .faults import FaultTable
from .front import Front, catch_up
from .handlers import all_routes
from .identity import Identity
from .opening import FLEET_FACT, Options, open_world
from .records.tenancy import TENANT_ID_FACT, Subscription
from .state_dir import Run, StateDir, StateError
from .throttle import Throttle
from .timekeeping import Timekeeper
from .tls import server_context
from .tokens import TokenOffice

LOOPBACK = "127.0.0.1"
KEEP_ALIVE_S = 120.0


class Server:
    """Everything of one running emulator, wired together."""

    def __init__(self, state: StateDir, options: Options) -> None:
        self._state = state
        self._options = options
        self._last = state.last_run()
        self.world = open_world(state, options)
        self._secrets = state.secrets()
        tenant_id = self.world.store.fact(TENANT_ID_FACT) or ""
        tokens = TokenOffice(bytes.fromhex(self._secrets.token_key), tenant_id, options.token_lifetime_s)
        self._tenant_id = tenant_id
        self._faults = FaultTable(self.world.failing_steps)
        self._timekeeper = Timekeeper(self.world.store, self.world.clock)
        throttle = Throttle(self.world.clock, options.throttle)
        self._front = Front(
            self.world, all_routes(), tokens, throttle, self._faults, self._timekeeper, options.page_limit
        )
        self._blobs = Blobs(self.world, self._faults, self._timekeeper, throttle=options.throttle)
        self._identity = Identity(tokens, self._secrets.identity_header)
        self._stopping = asyncio.Event()
        self._wake = asyncio.Event()
        self.failure: StateError | None = None
        self._admin = Admin(
            self.world,
            self._faults,
            self._identity,
            self._timekeeper,
            self._blobs.paces,
            self._stopping.set,
        )
        self.world.on_schedule = self._wake.set
        self.world.ca_file = self._state.ca_file
        self.world.clock.on_change = self._wake.set

    # running --------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serves until it is told to stop. Raises `StateError` when the state can no longer be written."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        runners = [await self._listen_https(), await self._listen_http()]
        sleeper = asyncio.create_task(self._sleep_until_events())
        sleeper.add_done_callback(lambda _: self._stopping.set())
        run = self._announce()
        print(run.ready_line(), flush=True)
        try:
            await self._stopping.wait()
        finally:
            sleeper.cancel()
            for runner in runners:
                await runner.cleanup()
            with contextlib.suppress(sqlite3.Error):
                self._timekeeper.settle()
            self.world.store.close()
        if self.failure is not None:
            raise self.failure

    def _announce(self) -> Run:
        run = Run(
            endpoint=self._front.base_url,
            ca_file=str(self._state.ca_file),
            identity_endpoint=f"http://{LOOPBACK}:{self._identity_port}/msi/token",
            identity_header=self._secrets.identity_header,
            tenant_id=self._tenant_id,
            subscription_ids=[each.subscription_id for each in self.world.store.all(Subscription)],
            state_dir=str(self._state.path),
            pid=os.getpid(),
            port=self._port,
            identity_port=self._identity_port,
            fleet=self.world.store.fact(FLEET_FACT) or "",
        )
        self._admin.run = run
        self._timekeeper.settle()
        self._state.save_run(run)
        return run

    async def _sleep_until_events(self) -> None:
        """The world goes on without requests; there is no polling: it sleeps exactly until the next event,
        or until somebody schedules one or turns the clock."""
        while True:
            self._wake.clear()
            try:
                self._timekeeper.promise()
                catch_up(self.world)
            except sqlite3.Error as error:
                self._fail(error)
            at = self.world.store.next_event_at()
            wait_s = None if at is None else self.world.clock.real_seconds_until(at)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), wait_s)

    def _fail(self, error: sqlite3.Error) -> None:
        """Memory is ahead of the disk now: going on would promise what a restart forgets."""
        self.failure = StateError(
            f"cannot write {self._state.world_file} ({error}): make room and start again"
        )
        self._stopping.set()

    # listening ------------------------------------------------------------------------------------------

    async def _listen_https(self) -> web.ServerRunner:
        wanted = self._options.port or (self._last.port if self._last else 0)
        listening = _bind(wanted, must=self._options.port is not None)
        self._port = listening.getsockname()[1]
        self._front.base_url = f"https://{LOOPBACK}:{self._port}"
        return await _serve(listening, self._https, server_context(self._state.path))

    async def _listen_http(self) -> web.ServerRunner:
        listening = _bind(self._last.identity_port if self._last else 0, must=False)
        self._identity_port = listening.getsockname()[1]
        return await _serve(listening, self._http, None)

    async def _https(self, http: web.BaseRequest) -> web.StreamResponse:
        try:
            if _is_sign_in(http.path):
                return await self._with_faults(http)
            return await (self._blobs if is_blob(http.path) else self._front)(http)
        except sqlite3.Error as error:
            self._fail(error)
            return web.Response(status=500)

    async def _http(self, http: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._with_faults(http)
        except sqlite3.Error as error:
            self._fail(error)
            return web.Response(status=500)

    async def _with_faults(self, http: web.BaseRequest) -> web.StreamResponse:
        """Identity and admin requests: no world time, no budgets; faults may hit the identity ones."""
        request = await replies.read(http)
        if request is None:
            return replies.too_large()
        if request.path.startswith("/admin/"):
            return _plain(self._admin_answer(request))
        fault = self._faults.take(request.method, request.path, sign_in=True)
        if fault is not None and fault.kind == "reset":
            return replies.reset(http)
        if fault is not None and fault.kind == "slow":
            await asyncio.sleep(fault.delay_s)
        if fault is not None and fault.kind == "status":
            return _plain(fault.answer())
        return _plain(self._identity_answer(request))

    def _admin_answer(self, request: replies.Request) -> Answer:
        if not self._identity.knows(request.headers.get("x-identity-header")):
            return Answer(401, {"error": {"code": "Unauthorized", "message": "Wrong X-IDENTITY-HEADER."}})
        return self._admin(request.method, request.path, request.body)

    def _identity_answer(self, request: replies.Request) -> Answer:
        base_url, path = self._front.base_url, request.path.rstrip("/")
        if path == "/msi/token" and request.method == "GET":
            return self._identity.managed_identity(request.query, request.headers.get("x-identity-header"))
        tenant = path.split("/")[1] if "/" in path else ""
        if path.endswith("/.well-known/openid-configuration"):
            return self._identity.configuration(base_url, tenant)
        if path.endswith("/oauth2/v2.0/token") and request.method == "POST":
            return self._identity.token(base_url, tenant, replies.form(request.body))
        if path.endswith("/oauth2/v2.0/devicecode") and request.method == "POST":
            return self._identity.start_device_code(base_url, replies.form(request.body))
        return Answer(404, {"error": {"code": "NotFound", "message": "The emulator has no such page."}})


def _is_sign_in(path: str) -> bool:
    return "/oauth2/v2.0/" in path or path.endswith("/.well-known/openid-configuration")


def _plain(answer: Answer) -> web.Response:
    return web.Response(
        status=answer.status,
        body=msgspec.json.encode(answer.body),
        headers={"Content-Type": replies.JSON_TYPE, "Cache-Control": "no-store", **answer.headers},
    )


def _bind(port: int, *, must: bool) -> socket.socket:
    """The port used before, so that what clients remember stays true; any other if it is taken meanwhile."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((LOOPBACK, port))
    except OSError as error:
        listening.close()
        if must:
            raise StateError(
                f"cannot listen on port {port} ({error.strerror}): choose another --port"
            ) from error
        print(f"port {port} is taken, using another", file=sys.stderr)
        return _bind(0, must=True)
    return listening


async def _serve(listening: socket.socket, handler: Any, tls: ssl.SSLContext | None) -> web.ServerRunner:
    server = web.Server(
        handler,
        request_factory=replies.with_limit,
        keepalive_timeout=KEEP_ALIVE_S,
        access_log=None,
    )
    runner = web.ServerRunner(server, shutdown_timeout=1.0)
    await runner.setup()
    await web.SockSite(runner, listening, ssl_context=tls).start()
    return runner
