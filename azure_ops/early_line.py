"""The line to an engine that runs already, opened before the console's own modules are loaded.

Loading takes longer than the engine needs to tell a whole fleet, so it tells it meanwhile. `cli.py` opens the
line, `client.py` takes it over. Where no engine answers there is no early line; the usual way finds out why.
"""

from __future__ import annotations

import contextlib
import select
import socket
from threading import Thread

from . import paths, wire
from .cloud import CloudSettings
from .errors import RecoveryError
from .version import VERSION

MOST_BYTES = 32 * 1024 * 1024
"""Kept here; what an engine says beyond waits with it."""
PIECE = 256 * 1024


def hello(settings: CloudSettings) -> bytes:
    return wire.frame(wire.Hello(protocol=wire.PROTOCOL, version=VERSION, read_only=settings.read_only))


def open_early(settings: CloudSettings) -> EarlyLine | None:
    """None when no engine listens."""
    line = socket.socket(socket.AF_UNIX)
    try:
        line.connect(bytes(paths.socket_path(settings)))
        line.sendall(hello(settings))
    except (OSError, RecoveryError):
        line.close()
        return None
    return EarlyLine(line)


class EarlyLine:
    """Collects on a thread of its own what the engine says, until somebody takes it over."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
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

    def take(self) -> tuple[socket.socket, bytes]:
        """The open line, not blocking, and what came over it so far."""
        self._stop.send(b".")
        self._thread.join()
        self._stop.close()
        self._stopping.close()
        self._line.setblocking(False)
        said, self._said = bytes(self._said), bytearray()
        return self._line, said
