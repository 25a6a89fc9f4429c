"""One attached console: what it has, what it still has to be told, and how it is told without growing.

Everything is computed when the socket takes it, as a difference between what this console was sent last and
what is newest: a console that does not read costs one older snapshot and holds up nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

import msgspec

from .. import wire
from ..model import Job, Leftovers, Operation, RequestLine
from .snapshot import Snapshot, difference, fleet_messages

CALLS_AT_ONCE = 32
NOTICES_KEPT = 50
REQUESTS_KEPT = 300
REQUESTS_APART_S = 0.5
JOBS_PER_MESSAGE = 500
HIGH_WATER_BYTES = 64 * 1024
STALLED_AFTER_S = 60.0


class Board(msgspec.Struct):
    """The newest of everything that consoles are told. Mappings are replaced, never changed in place."""

    service_now: Callable[[], datetime]
    snapshot: Snapshot | None = None
    jobs: Mapping[str, Job] = {}
    operations: Mapping[str, Operation] = {}
    leftovers: Leftovers | None = None
    sign_in: wire.SignIn | None = None


class Console:
    def __init__(self, writer: asyncio.StreamWriter, board: Board, *, read_only: bool) -> None:
        self._writer = writer
        self._board = board
        self.read_only = read_only
        self.paused = False
        self.focus = wire.Focus()
        self.label = describe_peer(writer.get_extra_info("socket"))
        self.slots = asyncio.Semaphore(CALLS_AT_ONCE)
        self._replies: deque[wire.Message] = deque()
        self._notices: deque[wire.Notice] = deque(maxlen=NOTICES_KEPT)
        self._requests: deque[RequestLine] = deque(maxlen=REQUESTS_KEPT)
        self._fleet: Snapshot | None = None
        self._fleet_rest: Iterator[wire.FleetDelta] = iter(())
        self._jobs: Mapping[str, Job] = {}
        self._operations: Mapping[str, Operation] = {}
        self._leftovers: Leftovers | None = None
        self._sign_in: wire.SignIn | None = None
        self._goodbye: wire.Goodbye | None = None
        self._news = asyncio.Event()
        self._done = asyncio.Event()
        self._requests_told_at = 0.0
        self._writing_since: float | None = None
        writer.transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)

    @property
    def stalled(self) -> bool:
        """True when it has not read for a while: then nothing is fetched for its sake."""
        return self._writing_since is not None and time.monotonic() - self._writing_since > STALLED_AFTER_S

    def wake(self) -> None:
        self._news.set()

    def _requests_due(self) -> bool:
        """Lines of a burst are told together: they are for eyes."""
        wait_s = self._requests_told_at + REQUESTS_APART_S - time.monotonic()
        if wait_s > 0:
            asyncio.get_running_loop().call_later(wait_s, self.wake)
            return False
        self._requests_told_at = time.monotonic()
        return True

    def reply(self, message: wire.Reply | wire.Failure) -> None:
        self._replies.append(message)
        self.wake()

    def say_goodbye(self) -> None:
        self._goodbye = wire.Goodbye(reason="The engine was stopped.")
        self.wake()

    async def said_all(self, within_s: float) -> None:
        """Until the goodbye is out, or the console does not take it."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._done.wait(), within_s)

    def notify(self, notice: wire.Notice) -> None:
        self._notices.append(notice)
        self.wake()

    def saw_request(self, line: RequestLine) -> None:
        self._requests.append(line)
        self.wake()

    async def send_news(self) -> None:
        """Runs until the line breaks."""
        with contextlib.suppress(ConnectionError):
            while True:
                message = self._next()
                if message is None:
                    self._news.clear()
                    await self._news.wait()
                    continue
                self._writing_since = time.monotonic()
                self._writer.write(wire.frame(message))
                await self._writer.drain()
                self._writing_since = None
                if message is self._goodbye:
                    self._done.set()
                    return

    def _next(self) -> wire.Message | None:
        """The most urgent message that is due now; answers first, then what cannot be computed again."""
        if self._replies:
            return self._replies.popleft()
        if self._goodbye is not None:
            return self._goodbye
        if self._sign_in != self._board.sign_in:
            self._sign_in = self._board.sign_in
            return self._sign_in or wire.SignIn()
        return self._next_operations() or self._next_notice() or self._next_fleet() or self._next_rest()

    def _next_operations(self) -> wire.Message | None:
        newest = self._board.operations
        if newest is self._operations:
            return None
        changed, _ = difference(self._operations, newest)
        self._operations = newest
        if not changed:
            return None
        return wire.OperationsDelta(changed=changed, service_at=self._board.service_now())

    def _next_notice(self) -> wire.Message | None:
        return self._notices.popleft() if self._notices else None

    def _next_fleet(self) -> wire.Message | None:
        unfinished = next(self._fleet_rest, None)
        if unfinished is not None:
            return unfinished
        newest = self._board.snapshot
        if newest is None or newest is self._fleet:
            return None
        self._fleet_rest = fleet_messages(self._fleet, newest, self._board.service_now())
        self._fleet = newest
        return next(self._fleet_rest, None)

    def _next_rest(self) -> wire.Message | None:
        newest = self._board.jobs
        if newest is not self._jobs:
            changed, removed = difference(self._jobs, newest)
            if len(changed) > JOBS_PER_MESSAGE:
                changed = changed[:JOBS_PER_MESSAGE]
                told = {job.id.lower(): job for job in changed}
                self._jobs = {**{k: v for k, v in self._jobs.items() if k in newest}, **told}
            else:
                self._jobs = newest
            if changed or removed:
                return wire.JobsDelta(changed=changed, removed=removed, service_at=self._board.service_now())
        if self._leftovers is not self._board.leftovers and self._board.leftovers is not None:
            self._leftovers = self._board.leftovers
            return wire.LeftoversTold(leftovers=self._leftovers, service_at=self._board.service_now())
        if self._requests and self._requests_due():
            lines = tuple(self._requests)
            self._requests.clear()
            return wire.Requests(lines=lines)
        return None


def describe_peer(connection: socket.socket | None) -> str:
    """Who sits there, as the journal records it: user, terminal and SSH client, read from the peer's
    process."""
    uid, pid = peer_credentials(connection)
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    terminal = client = ""
    with contextlib.suppress(OSError):
        target = os.readlink(f"/proc/{pid}/fd/0")
        terminal = target.removeprefix("/dev/") if target.startswith("/dev/") else ""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as environ:
        for entry in environ.read().split(b"\0"):
            if entry.startswith(b"SSH_CLIENT="):
                client = entry.partition(b"=")[2].split(b" ")[0].decode(errors="replace")
    where = f"@{terminal}" if terminal and terminal != "null" else ""
    return f"{user}{where}" + (f" from {client}" if client else "")


def peer_credentials(connection: socket.socket | None) -> tuple[int, int]:
    """(uid, pid) of the other end; this process's own where the system does not tell."""
    if connection is None or not hasattr(socket, "SO_PEERCRED"):
        return os.getuid(), 0
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _ = struct.unpack("3i", raw)
    return uid, pid
