"""The engine's composition: socket, consoles, session, watcher and runner, and when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from . import paths, wire
from .client import program_version
from .cloud import CloudSettings
from .engine_calls import Services, answer_call
from .engine_console import Board, Console, peer_credentials
from .errors import EngineUnavailable, RecoveryError
from .journal import Entry, Journal
from .model import EngineStatus, RequestLine

if TYPE_CHECKING:
    from .runner import Runner
    from .session import Session

log = logging.getLogger(__name__)

IDLE_S = 60.0
GREETED_WITHIN_S = 10.0
HOUSEKEEPING_S = 10.0
CONSOLES_AT_ONCE = 32
ENDS_WITHIN_S = 5.0


class Engine:
    def __init__(self, settings: CloudSettings, *, idle_s: float = IDLE_S, hurry: float = 1.0) -> None:
        self.settings = settings
        self.socket_path = paths.socket_path(settings)
        self._idle_s = idle_s
        self._hurry = hurry
        self._started_at = datetime.now(UTC)
        self._board = Board(service_now=lambda: datetime.now(UTC))
        self._consoles: set[Console] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._services: asyncio.Task[Services] | None = None
        self._server: asyncio.Server | None = None
        self._socket_inode = 0
        self._session: Session | None = None
        self._runner: Runner | None = None
        self._busy_at = time.monotonic()
        self._journal = Journal.open(paths.journal_path(settings))

    async def bind(self) -> None:
        """Raises StateUnusable or OSError. The lock is held: a socket that lies there is a dead engine's."""
        with contextlib.suppress(FileNotFoundError):
            self.socket_path.unlink()
        self._server = await asyncio.start_unix_server(self._attach, self.socket_path)
        os.chmod(self.socket_path, 0o600)
        self._socket_inode = self.socket_path.stat().st_ino

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        self._services = asyncio.create_task(self._open_services(), name="services")
        self._services.add_done_callback(_log_failure)
        self._background(self._keep_house(), "housekeeping")
        await self._stopping.wait()
        await self._end()

    def stop(self) -> None:
        self._stopping.set()

    async def services(self) -> Services:
        """Waits until the session is open. Raises what kept it from opening, and tries again the next
        time."""
        opening = self._services
        if opening is None:
            raise EngineUnavailable("The engine is ending.", "Start azrecover again.")
        if opening.done() and not opening.cancelled() and opening.exception() is not None:
            opening = self._services = asyncio.create_task(self._open_services(), name="services")
        return await asyncio.shield(opening)

    def status(self) -> EngineStatus:
        return EngineStatus(
            pid=os.getpid(),
            version=program_version(),
            cloud=self.settings.name,
            started_at=self._started_at,
            consoles=len(self._consoles),
            running=self._running,
            rss_bytes=_resident_bytes(),
            state_dir=str(paths.state_dir(self.settings)),
            endpoint=self.settings.endpoint,
            identity=self._session.identity if self._session else "",
        )

    @property
    def _running(self) -> int:
        return sum(not operation.phase.ended for operation in self._board.operations.values())

    def looks_changed(self) -> None:
        """Some console came, went, paused or shows something else."""
        self._busy_at = time.monotonic()
        if self._services is not None and self._services.done() and not self._services.cancelled():
            if self._services.exception() is not None:
                return
            services = self._services.result()
            looking = [c for c in self._consoles if not c.paused and not c.stalled]
            services.watcher.look(looking=bool(looking))
            services.focus.look(
                (key for console in looking for key in console.focus.keys),
                (job_id for console in looking for job_id in console.focus.job_ids),
                looking=bool(looking),
            )

    # parts

    async def _open_services(self) -> Services:
        from .details import DetailsReader
        from .history import History
        from .pace import Pace
        from .runner import Runner
        from .session import Session
        from .watch import Watcher
        from .watch_focus import FocusReader

        session = Session(self.settings, on_request=self._saw_request, on_device_code=self._ask_sign_in)
        await session.open()
        self._session = session
        self._board.service_now = session.service_now
        pace = Pace(session.budget, lambda: session.clock.rate, hurry=self._hurry)
        history = History(paths.history_path(self.settings))
        watcher = Watcher(session, self._board, self._wake_all, history)
        details = DetailsReader(session, watcher, history)
        focus = FocusReader(session, watcher, self._board, pace)

        def operations_changed() -> None:
            focus.operations_changed()
            self._wake_all()

        def operation_ended(entry: Entry) -> None:
            details.forget(entry.target_key)
            watcher.poke()

        runner = Runner(
            session,
            self._journal,
            watcher,
            self._board,
            pace,
            on_change=operations_changed,
            on_notice=self._notify_all,
            on_ended=operation_ended,
            read_only=self.settings.read_only,
        )
        self._runner = runner
        services = Services(session, watcher, details, runner, focus)
        self._background(watcher.run(), "watcher")
        self._background(focus.run(), "focus")
        self._background(runner.resume(), "resume")
        asyncio.get_running_loop().call_soon(self.looks_changed)
        return services

    def _saw_request(self, line: RequestLine) -> None:
        for console in self._consoles:
            console.saw_request(line)

    def _ask_sign_in(self, url: str, code: str, expires_at: datetime) -> None:
        self._board.sign_in = wire.SignIn(url=url, code=code, expires_at=expires_at) if code else None
        self._wake_all()

    def _wake_all(self) -> None:
        for console in self._consoles:
            console.wake()

    def _notify_all(self, notice: wire.Notice) -> None:
        for console in self._consoles:
            console.notify(notice)

    # consoles

    async def _attach(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            uid, _ = peer_credentials(writer.get_extra_info("socket"))
            if uid not in (os.getuid(), 0) or len(self._consoles) >= CONSOLES_AT_ONCE:
                return
            hello = await asyncio.wait_for(wire.read_from_console(reader), GREETED_WITHIN_S)
            if isinstance(hello, wire.Hello):
                await self._greet(hello, reader, writer)
        except (TimeoutError, ConnectionError, msgspec.MsgspecError, ValueError) as problem:
            log.info("A console's line ended: %s", type(problem).__name__)
        finally:
            writer.close()

    async def _greet(
        self, hello: wire.Hello, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if hello.protocol != wire.PROTOCOL:
            refusal = wire.Incompatible(
                protocol=wire.PROTOCOL, version=program_version(), pid=os.getpid(), running=self._running
            )
            writer.write(wire.frame(refusal))
            await writer.drain()
            return
        writer.write(
            wire.frame(
                wire.Welcome(
                    protocol=wire.PROTOCOL,
                    version=program_version(),
                    pid=os.getpid(),
                    cloud=self.settings.name,
                    endpoint=self.settings.endpoint,
                    read_only=self.settings.read_only,
                )
            )
        )
        console = Console(writer, self._board, read_only=hello.read_only or self.settings.read_only)
        if self._journal.problem is not None:
            problem = self._journal.problem
            console.notify(wire.Notice(severity="error", title=problem.title, text=problem.hint))
        await self._serve(console, reader)

    async def _serve(self, console: Console, reader: asyncio.StreamReader) -> None:
        self._consoles.add(console)
        self.looks_changed()
        sending = asyncio.create_task(console.send_news(), name="console-sender")
        try:
            while True:
                message = await wire.read_from_console(reader)
                if message is None:
                    return
                await self._take(console, message)
        finally:
            sending.cancel()
            self._consoles.discard(console)
            self.looks_changed()

    async def _take(self, console: Console, message: wire.FromConsole) -> None:
        if isinstance(message, wire.Focus):
            console.focus = message
            self.looks_changed()
        elif isinstance(message, wire.Call):
            await console.slots.acquire()
            answering = self._background(answer_call(self, console, message), "call")
            answering.add_done_callback(lambda _: console.slots.release())

    # life and end

    def _background(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_log_failure)
        return task

    async def _keep_house(self) -> None:
        """Ends an idle engine, and puts the socket back when a session manager has removed its folder."""
        while True:
            await asyncio.sleep(min(HOUSEKEEPING_S, max(self._idle_s / 4, 0.05)))
            if self._consoles or self._running:
                self._busy_at = time.monotonic()
                if any(console.stalled for console in self._consoles):
                    self.looks_changed()
            elif time.monotonic() - self._busy_at >= self._idle_s:
                log.info("Nobody looks and nothing runs: ending")
                self.stop()
            await self._mend_socket()

    async def _mend_socket(self) -> None:
        with contextlib.suppress(OSError):
            if self.socket_path.stat().st_ino == self._socket_inode:
                return
        log.warning("The socket %s is gone: making it again", self.socket_path)
        try:
            if self._server is not None:
                self._server.close()
            paths.runtime_dir(self.settings)
            await self.bind()
        except (OSError, RecoveryError) as problem:
            log.warning("The socket cannot be made again: %s", problem)

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
            _unlink_own(self.socket_path, self._socket_inode)
        services, self._services = self._services, None
        if self._runner is not None:
            await self._runner.close()
        doomed: list[asyncio.Task[Any]] = [*self._tasks, *([services] if services else [])]
        for task in doomed:
            task.cancel()
        if doomed:
            await asyncio.wait(doomed, timeout=ENDS_WITHIN_S)
        if self._session is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._session.close(), ENDS_WITHIN_S)
        self._journal.close()


def _unlink_own(path: Path, inode: int) -> None:
    with contextlib.suppress(OSError):
        if path.stat().st_ino == inode:
            path.unlink()


def _log_failure(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (problem := task.exception()) is not None:
        log.error("%s failed: %s", task.get_name(), problem, exc_info=problem)


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
