"""The line to an engine that runs already, opened before the console's own modules are loaded.

Loading takes longer than the engine needs to tell a whole fleet, so it tells it meanwhile: the console hears
what has come before it draws its first frame, and `client.py` takes the line over after. `cli.py` opens it.
Where no engine answers there is no early line; the usual way finds out why.
"""

from __future__ import annotations

import contextlib
import select
import socket
from threading import Thread

import msgspec

from . import paths, wire
from .cloud import CloudSettings
from .errors import RecoveryError
from .version import VERSION

MOST_BYTES = 32 * 1024 * 1024
"""Kept here; what an engine says beyond waits with it."""
PIECE = 256 * 1024


def hello(settings: CloudSettings) -> bytes:
    return wire.frame(wire.Hello(protocol=wire.PROTOCOL, version=VERSION, read_only=settings.read_only))


def looks_at_the_same(settings: CloudSettings, welcome: wire.Welcome) -> bool:
    """A part of the fleet must not pass for all of it, nor one part for another."""
    asked, looked_at = settings.subscriptions, welcome.subscriptions
    return {one.lower() for one in asked} == {one.lower() for one in looked_at}


def open_early(settings: CloudSettings) -> EarlyLine | None:
    """None when no engine listens."""
    line = socket.socket(socket.AF_UNIX)
    try:
        line.connect(bytes(paths.socket_path(settings)))
        line.sendall(hello(settings))
    except (OSError, RecoveryError):
        line.close()
        return None
    return EarlyLine(line, settings)


class EarlyLine:
    """Collects on a thread of its own what the engine says, until somebody takes it over."""

    def __init__(self, line: socket.socket, settings: CloudSettings) -> None:
        self._line = line
        self._settings = settings
        self.welcome: wire.Welcome | None = None
        """Once it was heard; the client does not get it again."""
        self._said = bytearray()
        self._stop, self._stopping = socket.socketpair()
        self._thread = Thread(target=self._collect, name="early-line", daemon=True)
        self._thread.start()

    def _collect(self) -> None:
        with contextlib.suppress(OSError):
            while len(self._said) < MOST_BYTES:
                ready, _, _ = select.select([self._line, self._stopping], [], [])
                if self._stopping in ready:
                    return
                piece = self._line.recv(PIECE)
                if not piece:
                    return
                self._said += piece

    def hear(self) -> list[wire.Pushed]:
        """Whole messages that came so far, the engine's welcome first; nothing when that is none for us. What
        the client has to judge stays for it: a goodbye, what is no message, and all behind."""
        self._stop_collecting()
        heard: list[wire.Pushed] = []
        at = 0
        with contextlib.suppress(msgspec.MsgspecError, ValueError):
            for message, end in wire.whole_messages(self._said):
                if isinstance(message, wire.Goodbye) or not (heard or self._is_for_us(message)):
                    break
                heard.append(message)
                at = end
        del self._said[:at]
        return heard

    def _is_for_us(self, message: wire.Pushed) -> bool:
        if not isinstance(message, wire.Welcome) or not looks_at_the_same(self._settings, message):
            return False
        self.welcome = message
        return True

    def _stop_collecting(self) -> None:
        if self._thread.is_alive():
            with contextlib.suppress(OSError):
                self._stop.send(b".")
            self._thread.join()

    def take(self) -> tuple[socket.socket, bytes]:
        """The open line, not blocking, and what came over it so far and was not heard."""
        self._stop_collecting()
        self._stop.close()
        self._stopping.close()
        self._line.setblocking(False)
        said, self._said = bytes(self._said), bytearray()
        return self._line, said
