"""The console's side of the engine: finds it or starts it, asks, listens, and comes back after a break."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from . import paths, wire
from .cloud import CloudSettings
from .early_line import EarlyLine, hello, looks_at_the_same
from .errors import EngineUnavailable, RecoveryError, from_note
from .model import ErrorNote
from .version import VERSION

if TYPE_CHECKING:
    import subprocess

START_WITHIN_S = 30.0
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 5.0
AWAY = "The engine went away; starting it again. Operations go on in Azure."
STARTED_AGAIN = "Operations go on in Azure; it is started again when you ask for something."

OnMessage = Callable[[wire.FromEngine], None]
OnState = Callable[[str, str], None]
Attached = tuple[asyncio.StreamReader, wire.Welcome]


def only_engine() -> CloudSettings | None:
    """Of the one engine of this user that runs and talks to an Azure; None when none or several do."""
    from .engine.commands import running

    found = [CloudSettings.from_argv(one.argv) for one in running(CloudSettings()).values() if one.argv]
    talking = [one for one in found if not one.is_local]
    return talking[0] if len(talking) == 1 else None


def program_version() -> str:
    return VERSION


class EngineClient:
    """`on_message` gets every pushed message in order and `on_state` (`connected`, `reconnecting` or
    `lost`, and
    one line), both on the event loop. Each attachment begins with a `Welcome`; everything told before is
    void then.
    """

    def __init__(
        self,
        settings: CloudSettings,
        on_message: OnMessage,
        on_state: OnState,
        *,
        engine_argv: Sequence[str] = (),
        early: EarlyLine | None = None,
    ) -> None:
        """`early` is a line on which an engine was greeted already. When its welcome was heard there, neither
        that nor `connected` is told again."""
        ca_file = os.path.abspath(settings.ca_file) if settings.ca_file else ""
        self._settings = msgspec.structs.replace(settings, ca_file=ca_file)
        self._on_message = on_message
        self._on_state = on_state
        self._engine_argv = tuple(engine_argv)
        self._early = early
        self._heard = early.welcome if early else None
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[wire.Result]] = {}
        self._number = 0
        self._focus = wire.Focus()
        self._children: list[subprocess.Popen[bytes]] = []
        self._stopped = ""
        self._wanted = asyncio.Event()

    async def connect(self) -> wire.Welcome:
        """Raises EngineUnavailable, or StateUnusable when there is no place for socket or journal."""
        reader, welcome = await self._attach()
        self._attached(welcome)
        self._listening = asyncio.create_task(self._listen(reader), name="engine-listener")
        return welcome

    async def call(self, request: wire.Request, timeout_s: float = 60) -> wire.Result:
        """Raises the engine's typed error, or EngineUnavailable when no answer comes."""
        if self._writer is None:
            self._wanted.set()
            raise EngineUnavailable(
                "The engine is not connected; it is being started.", "Try again in a moment."
            )
        self._number += 1
        number = self._number
        answer: asyncio.Future[wire.Result] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self._send(wire.Call(number=number, request=request))
            return await asyncio.wait_for(answer, timeout_s)
        except TimeoutError:
            raise EngineUnavailable(
                f"The engine gave no answer within {timeout_s:.0f} s.",
                "See the operations pane for what was started, and `azrecover engine log`.",
            ) from None
        finally:
            self._waiting.pop(number, None)

    def focus(self, keys: Sequence[str], job_ids: Sequence[str]) -> None:
        """Say what is on the screen now; remembered across a reconnection."""
        wanted = wire.Focus(keys=tuple(keys), job_ids=tuple(job_ids))
        if wanted != self._focus:
            self._focus = wanted
            if self._writer is not None:
                self._send(wanted)

    async def close(self) -> None:
        """Leave; the engine and its operations go on."""
        if self._listening is not None:
            self._listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listening
        self._drop("The console was closed.")

    def _send(self, message: wire.Message) -> None:
        if self._writer is not None:
            self._writer.write(wire.frame(message))

    def _drop(self, why: str) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(
                    EngineUnavailable(why, "See the operations pane for what was started before that.")
                )

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        pause = FIRST_PAUSE_S
        while True:
            await self._hear(reader)
            self._drop("The engine went away before it answered.")
            if self._stopped:
                self._on_state("lost", f"{self._stopped} {STARTED_AGAIN}")
            else:
                self._on_state("reconnecting", AWAY)
            while True:
                await self._pause(pause)
                pause = min(pause * 2, LONGEST_PAUSE_S)
                try:
                    found = await self._come_back()
                except RecoveryError as problem:
                    self._on_state("lost", str(problem))
                else:
                    if found is not None:
                        break
            reader, welcome = found
            self._attached(welcome)
            pause = FIRST_PAUSE_S

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wanted.wait(), seconds)

    async def _come_back(self) -> Attached | None:
        """An engine that was stopped on purpose is only started again when the user asks for something."""
        if self._stopped and not self._wanted.is_set():
            return await self._greet(paths.socket_path(self._settings))
        self._wanted.clear()
        return await self._attach()

    def _attached(self, welcome: wire.Welcome) -> None:
        self._stopped = ""
        self._wanted.clear()
        if welcome is not self._heard:
            self._on_message(welcome)
            self._on_state("connected", "")
        if self._focus != wire.Focus():
            self._send(self._focus)

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        """Until the line ends or carries what is no message."""
        while True:
            try:
                message = await wire.read_from_engine(reader)
            except (msgspec.MsgspecError, ValueError):
                return
            if message is None:
                return
            self._take(message)

    def _take(self, message: wire.FromEngine) -> None:
        if isinstance(message, wire.Goodbye):
            self._stopped = message.reason
            return
        if not isinstance(message, wire.Reply | wire.Failure):
            self._on_message(message)
            return
        answer = self._waiting.get(message.number)
        if answer is None or answer.done():
            return
        if isinstance(message, wire.Reply):
            answer.set_result(message.result)
        else:
            answer.set_exception(from_note(message.error))

    async def _attach(self) -> Attached:
        deadline = time.monotonic() + START_WITHIN_S
        pause = FIRST_PAUSE_S
        while True:
            path = paths.socket_path(self._settings)
            try:
                found = await self._greet_early() or await self._greet(path)
                if found is None:
                    await self._start()
                    found = await self._greet(path) or await self._greet(self._told_path())
            except PermissionError as problem:
                raise EngineUnavailable(
                    f"The engine's socket {path} cannot be opened: {problem.strerror}.",
                    "Look at the folder's owner, or set XDG_RUNTIME_DIR to a folder of your own.",
                ) from problem
            if found is not None:
                return found
            if time.monotonic() > deadline:
                raise EngineUnavailable(
                    "The engine runs, but cannot be reached.",
                    "Run `azrecover engine stop` (operations go on in Azure), then start again.",
                )
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)

    async def _greet_early(self) -> Attached | None:
        if self._early is None:
            return None
        line, said = self._early.take()
        self._early = None
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        reader.feed_data(said)
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            transport, _ = await loop.create_unix_connection(lambda: protocol, sock=line)
        except OSError:
            return None
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        if self._heard is None:
            return await self._answered(reader, writer)
        self._writer = writer
        return reader, self._heard

    async def _greet(self, path: Path | None) -> Attached | None:
        """None when nobody answers there (any more)."""
        if path is None:
            return None
        try:
            reader, writer = await asyncio.open_unix_connection(path)
        except (FileNotFoundError, ConnectionRefusedError, ConnectionResetError):
            return None
        writer.write(hello(self._settings))
        return await self._answered(reader, writer)

    async def _answered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Attached | None:
        try:
            answer = await asyncio.wait_for(wire.read_from_engine(reader), START_WITHIN_S)
        except (TimeoutError, msgspec.MsgspecError, ValueError, ConnectionError):
            answer = None
        if isinstance(answer, wire.Welcome) and looks_at_the_same(self._settings, answer):
            self._writer = writer
            return reader, answer
        writer.close()
        if isinstance(answer, wire.Welcome):
            raise EngineUnavailable(
                f"The engine that runs looks at {_named(answer.subscriptions)}, this console is to look at "
                f"{_named(self._settings.subscriptions)}.",
                f"Give the same --subscription, or run `azrecover engine stop {self._settings.key}` "
                "(operations go on in Azure).",
            )
        if isinstance(answer, wire.Incompatible):
            raise EngineUnavailable(
                f"An engine of azrecover {answer.version} runs here (process {answer.pid}); "
                f"this console is {program_version()}.",
                f"Run `azrecover engine stop` and start again; {answer.running} running operations go on in "
                "Azure and are taken up again.",
            )
        return None

    def _told_path(self) -> Path | None:
        """Where the engine that holds the lock says its socket is, when that is elsewhere."""
        try:
            told = json.loads(paths.lock_path(self._settings).read_text())
            return Path(told["socket"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    async def _start(self) -> None:
        """Start an engine and wait until it is ready or found another one running."""
        self._children = [child for child in self._children if child.poll() is None]
        log = paths.log_path(self._settings)
        read_end, write_end = os.pipe()
        try:
            child = self._spawn(self._engine_command(write_end), log, write_end)
        except OSError as problem:
            os.close(read_end)
            raise EngineUnavailable(
                f"The engine cannot be started: {problem.strerror or problem}.", f"See {log}."
            ) from problem
        finally:
            os.close(write_end)
        try:
            said = await asyncio.wait_for(_read_to_end(read_end), START_WITHIN_S)
        except TimeoutError:
            raise EngineUnavailable("The engine did not become ready.", f"See {log}.") from None
        self._children.append(child)
        if not said:
            raise EngineUnavailable("The engine ended while it started.", f"See {log}.")
        answer = json.loads(said)
        if "error" in answer:
            raise from_note(msgspec.convert(answer["error"], ErrorNote))

    def _engine_command(self, ready_fd: int) -> list[str]:
        settings = msgspec.structs.replace(self._settings, read_only=False)
        command = [sys.executable, "-m", "azure_ops.engine", "run", *settings.to_argv()]
        return [*command, "--ready-fd", str(ready_fd), *self._engine_argv]

    def _spawn(self, command: Sequence[str], log: Path, ready_fd: int) -> subprocess.Popen[bytes]:
        log_fd = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            return self._popen(command, log_fd, ready_fd)
        finally:
            os.close(log_fd)

    def _popen(self, command: Sequence[str], log_fd: int, ready_fd: int) -> subprocess.Popen[bytes]:
        """In a session of its own, so that the end of this terminal does not end it."""
        import subprocess

        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log_fd,
            stderr=log_fd,
            cwd="/",
            start_new_session=True,
            pass_fds=(ready_fd,),
        )


def _named(subscriptions: Sequence[str]) -> str:
    return f"subscription {', '.join(subscriptions)} only" if subscriptions else "all subscriptions"


async def _read_to_end(fd: int) -> bytes:
    """What comes out of a pipe until its other end is closed; closes this end."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(fd, "rb", buffering=0)
    )
    try:
        return await reader.read()
    finally:
        transport.close()
