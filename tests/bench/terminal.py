"""A program in a real pseudo-terminal, with the moment at which each chunk of its output arrived."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pyte

from tests.terminal.pty_screen import CLEARS, CUT_OFF, NOT_FOR_PYTE

KEYS = {
    "down": "\x1b[B",
    "up": "\x1b[A",
    "pagedown": "\x1b[6~",
    "pageup": "\x1b[5~",
    "enter": "\r",
    "escape": "\x1b[27u",
}
ANSWERS = {b"\x1b[?2026$p": b"\x1b[?2026;2$y", b"\x1b[c": b"\x1b[?62;22c", b"\x1b[6n": b"\x1b[1;1R"}
"""What a current terminal says when it is asked; without an answer some programs wait."""
sys.setswitchinterval(0.0005)
"""The thread that stamps what arrives must not wait for the one that parses it."""


class Terminal:
    """Bytes are stamped when they arrive; the slow parse into a screen happens when somebody looks."""

    def __init__(self, argv: list[str], env: dict[str, str], columns: int, rows: int) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self._chunks: list[tuple[float, bytes]] = []
        self._parsed = 0
        self._tail = b""
        self._arrived = threading.Condition()
        self.started_at = time.perf_counter()
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execvpe(argv[0], argv, env)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                select.select([self._fd], [], [])
                chunk = os.read(self._fd, 65536)
            except (OSError, ValueError):
                return
            if not chunk:
                return
            for question, answer in ANSWERS.items():
                if question in chunk:
                    with contextlib.suppress(OSError):
                        os.write(self._fd, answer)
            with self._arrived:
                self._chunks.append((time.perf_counter(), chunk))
                self._arrived.notify_all()

    def press(self, key: str) -> float:
        """Sends a key and returns the moment it was sent."""
        at = time.perf_counter()
        os.write(self._fd, KEYS.get(key, key).encode())
        return at

    @property
    def written(self) -> int:
        with self._arrived:
            return sum(len(chunk) for _, chunk in self._chunks)

    def text(self) -> str:
        self._parse_all()
        return "\n".join(self.screen.display)

    def _parse_all(self) -> None:
        while self._parse_next() is not None:
            pass

    def _parse_next(self) -> float | None:
        with self._arrived:
            if self._parsed >= len(self._chunks):
                return None
            at, chunk = self._chunks[self._parsed]
            self._parsed += 1
        self._feed(chunk)
        return at

    def _feed(self, chunk: bytes) -> None:
        data = self._tail + chunk
        cut = CUT_OFF.search(data)
        self._tail = data[cut.start() :] if cut else b""
        for part in CLEARS.split(data[: cut.start()] if cut else data):
            if CLEARS.fullmatch(part):
                self.screen.erase_in_display(2)
            else:
                self._stream.feed(NOT_FOR_PYTE.sub(b"", part))

    def wait_for(self, seen: Callable[[str], bool], timeout_s: float = 60) -> float:
        """The moment at which the bytes arrived that made `seen(screen text)` true. Raises TimeoutError."""
        deadline = time.perf_counter() + timeout_s
        at = time.perf_counter()
        while not seen("\n".join(self.screen.display)):
            arrived = self._parse_next()
            if arrived is None:
                with self._arrived:
                    if self._parsed >= len(self._chunks) and not self._arrived.wait(
                        max(0.0, deadline - time.perf_counter())
                    ):
                        raise TimeoutError("\n".join(self.screen.display))
            else:
                at = arrived
        return at

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        self._reader.join(5)  # before the number of the descriptor is given to the next terminal
        with contextlib.suppress(OSError):
            os.close(self._fd)


def resident_bytes(pid: int) -> int:
    """Resident memory of one process, from /proc (Linux) or ps (elsewhere)."""
    status = Path(f"/proc/{pid}/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    import subprocess

    return (
        int(subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, check=True).stdout)
        * 1024
    )
