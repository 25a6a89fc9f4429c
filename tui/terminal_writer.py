"""The one thread that writes to the terminal, so that the event loop never waits for it. The driver owns it.

It holds at most what it was given while idle plus a few mode switches: the driver hands over a new frame only
when the last one is out, so a frozen line costs frames, not memory.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable

_PIECE = 16 * 1024
"""A frame in one piece where it can be: after each this thread has to wait for the interpreter again."""


class TerminalWriter(threading.Thread):
    def __init__(self, fileno: int, on_idle: Callable[[], None], on_lost: Callable[[], None]) -> None:
        """Both callbacks are called on this thread: `on_idle` after everything is written, `on_lost` once
        when the terminal is gone."""
        super().__init__(name="terminal-writer", daemon=True)
        self._fileno = fileno
        self._on_idle = on_idle
        self._on_lost = on_lost
        self._waiting = bytearray()
        self._changed = threading.Condition()
        self._writing = False
        self._stopping = False
        self.lost = False

    @property
    def busy(self) -> bool:
        return self._writing or bool(self._waiting)

    def send(self, data: str) -> None:
        if self.lost or not data:
            return
        with self._changed:
            self._waiting += data.encode("utf-8", "replace")
            self._changed.notify_all()

    def drain(self, timeout_s: float) -> bool:
        """Waits until everything is written; False when the terminal did not take it in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self.lost or not self.busy, timeout_s)

    def stop(self, timeout_s: float = 0.5) -> None:
        """Writes out what waits, if the terminal takes it; a thread stuck in a frozen one is left behind."""
        self.drain(timeout_s)
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self.join(timeout_s)

    def run(self) -> None:
        while (data := self._next()) is not None:
            try:
                self._write(data)
            except OSError:
                self.lost = True
            with self._changed:
                self._writing = False
                if self.lost:
                    self._waiting.clear()
                self._changed.notify_all()
                idle = not self._waiting
            if self.lost:
                self._on_lost()
                return
            if idle:
                self._on_idle()

    def _next(self) -> bytes | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopping)
            if self._stopping:
                return None
            self._writing = True
            data = bytes(self._waiting)
            self._waiting.clear()
            return data

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view and not self._stopping:
            try:
                written = os.write(self._fileno, view[:_PIECE])
            except BlockingIOError:
                select.select([], [self._fileno], [], 0.5)
                continue
            view = view[written:]
