"""The engine's composition: socket, consoles, session, watcher and runner, and when it ends."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from .. import paths, wire
from ..client import program_version
from ..cloud import CloudSettings
from ..errors import EngineUnavailable, RecoveryError
from ..journal.store import Journal
from ..model import EngineStatus, RequestLine, SourceState
from .calls import answer_call
from .console import Board, Console, peer_credentials
from .files import FileSessions
from .snapshot import Snapshot
from .socket import EngineSocket

if TYPE_CHECKING:
    from .services import Services

log = logging.getLogger(__name__)

IDLE_S = 60.0
GREETED_WITHIN_S = 10.0
HOUSEKEEPING_S = 10.0
CONSOLES_AT_ONCE = 32
ENDS_WITHIN_S = 5.0
GOODBYE_WITHIN_S = 0.5


class Engine:
    def __init__(self, settings: CloudSettings, *, idle_s: float = IDLE_S, hurry: float = 1.0) -> None:
        self.settings = settings
        self.socket = EngineSocket(settings, self._attach)
        self._idle_s = idle_s
        self._hurry = hurry
        self._started_at = datetime.now(UTC)
        self._board = Board(service_now=lambda: datetime.now(UTC))
        self._consoles: set[Console] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._services: asyncio.Task[Services] | None = None
        self._busy_at = time.monotonic()
        self._journal = Journal.open(paths.journal_path(settings))
        self.files = FileSessions(self._journal, self._board, wake=self._wake_all, notify=self._notify_all)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        self._begin_services()
        self._background(self._keep_house(), "housekeeping")
        self._background(self.files.run(), "files")
        await self._stopping.wait()
        await self._end()

    def stop(self) -> None:
        """Consoles are told, so that they do not start another engine at once."""
        for console in self._consoles:
            console.say_goodbye()
        self._stopping.set()

    async def services(self) -> Services:
        """Waits until the session is open. Raises what kept it from opening, and tries again the next
        time."""
        self._begin_services()
        if self.settings.is_local:
            raise EngineUnavailable(
                "Azure is not asked: azrecover was opened on image files.", "Start azrecover without `files`."
            )
        if self._services is None:
            raise EngineUnavailable("The engine is ending.", "Start azrecover again.")
        return await asyncio.shield(self._services)

    def _begin_services(self) -> None:
        """Open the session, or try again when that failed."""
        opening = self._services
        failed = opening is not None and opening.done() and (opening.cancelled() or opening.exception())
        if (opening is None or failed) and not self._stopping.is_set() and not self.settings.is_local:
            self._services = asyncio.create_task(self._open_services(), name="services")
            self._services.add_done_callback(self._services_opened)

    def _services_opened(self, opening: asyncio.Task[Services]) -> None:
        """What keeps the session from opening is shown where the fleet would be."""
        _log_failure(opening)
        problem = None if opening.cancelled() else opening.exception()
        if problem is None:
            return
        if not isinstance(problem, RecoveryError):
            problem = RecoveryError(
                f"The session with Azure cannot be opened: {type(problem).__name__}.",
                "See `azrecover engine log`.",
                details=str(problem)[:500],
            )
        source = SourceState(name="session", error=problem.note())
        self._board.snapshot = Snapshot(generation=0, taken_at=datetime.now(UTC), sources=(source,))
        self._wake_all()

    def status(self) -> EngineStatus:
        services = self._open
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
            identity=services.session.identity if services else "",
        )

    @property
    def _running(self) -> int:
        return sum(not operation.phase.ended for operation in self._board.operations.values())

    def looks_changed(self) -> None:
        """Some console came, went, paused or shows something else."""
        self._busy_at = time.monotonic()
        services = self._open
        if services is not None:
            services.look(self._consoles)

    @property
    def _open(self) -> Services | None:
        """The services if they are open now."""
        opening = self._services
        if opening is None or not opening.done() or opening.cancelled() or opening.exception():
            return None
        return opening.result()

    # parts

    async def _open_services(self) -> Services:
        from ..services.session import Session
        from .services import Services

        session = Session(self.settings, on_request=self._saw_request, on_device_code=self._ask_sign_in)
        try:
            await session.open()
        except BaseException:
            await session.close()
            raise
        services = Services(
            session,
            self._board,
            self._journal,
            hurry=self._hurry,
            wake=self._wake_all,
            notify=self._notify_all,
        )
        services.runner.resume()
        for name, work in services.workers():
            self._background(work, name)
        services.look(self._consoles)
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
                    subscriptions=self.settings.subscriptions,
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
        self._begin_services()
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
            self.files.console_left(console)
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
            await self.socket.mend()

    async def _end(self) -> None:
        self.socket.close()
        await asyncio.gather(*(console.said_all(GOODBYE_WITHIN_S) for console in self._consoles))
        services, opening = self._open, self._services
        self._services = None
        doomed: list[asyncio.Task[Any]] = [*self._tasks, *([opening] if opening else [])]
        for task in doomed:
            task.cancel()
        if doomed:
            await asyncio.wait(doomed, timeout=ENDS_WITHIN_S)
        await self.files.close()
        if services is not None:
            await services.close()
        self._journal.close()


def _log_failure(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (problem := task.exception()) is not None:
        log.error("%s failed: %s", task.get_name(), problem, exc_info=problem)


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
