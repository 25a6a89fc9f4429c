"""A program of ours in a real pseudo-terminal, with pyte as the terminal that shows what it writes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyte

from tests.warm import FOR_TEXTUAL, Child, warm

ROOT = Path(__file__).resolve().parents[2]
KEYS = {
    "up": "\x1b[A", "down": "\x1b[B", "pageup": "\x1b[5~", "pagedown": "\x1b[6~", "home": "\x1b[H",
    "end": "\x1b[F", "enter": "\r", "escape": "\x1b[27u", "tab": "\t", "space": " ",
}  # fmt: skip
NOT_FOR_PYTE = re.compile(rb"\x1b\[[<>=][0-9;]*[a-zA-Z]|\x1b\[\?[0-9]+\$p")
CLEARS = re.compile(rb"(\x1b\[\?1049[hl])")
CUT_OFF = re.compile(rb"\x1b(?:\[[0-?]*)?$")


class PtyScreen:
    """`feed` reads while something comes; `raw` keeps every byte that the program wrote."""

    def __init__(
        self, *argv: str, columns: int = 80, rows: int = 24, env: dict[str, str] | None = None
    ) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self._tail = b""
        self._lines: dict[int, str] = {}
        self.exit_code: int | None = None
        whole_env = {
            **os.environ, "TERM": "xterm-256color",
            "PYTHONPATH": str(ROOT), **FOR_TEXTUAL, **(env or {}),
        }  # fmt: skip
        for name in ("COLUMNS", "LINES", "NO_COLOR"):
            whole_env.pop(name, None)
        size = struct.pack("HHHH", rows, columns, 0, 0)
        command = [sys.executable, *argv]
        self._child: Child | None = None
        if warm.forks(command):
            self.fd, inside = pty.openpty()
            fcntl.ioctl(inside, termios.TIOCSWINSZ, size)
            fds = dict.fromkeys((0, 1, 2), inside)
            self._child = warm.start(command, fds, env=whole_env, session=True, terminal=True)
            self.pid = self._child.pid
            os.close(inside)
            return
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, size)
            os.execve(sys.executable, command, whole_env)

    def __enter__(self) -> PtyScreen:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, *keys: str) -> None:
        for key in keys:
            os.write(self.fd, KEYS.get(key, key).encode())

    def resize(self, columns: int, rows: int) -> None:
        self.screen.resize(rows, columns)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, wait_s: float) -> bytes:
        """One piece of output, shown on the screen; empty when none comes in time or the program is gone."""
        if self.fd < 0 or not select.select([self.fd], [], [], wait_s)[0]:
            return b""
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return b""
        self.raw += data
        if b"\x1b[?2026$p" in data:
            self.send("\x1b[?2026;2$y")
        data = self._tail + data
        cut = CUT_OFF.search(data)
        self._tail = data[cut.start() :] if cut else b""
        for part in CLEARS.split(data[: cut.start()] if cut else data):
            if CLEARS.fullmatch(part):
                self.screen.erase_in_display(2)
            else:
                self._stream.feed(NOT_FOR_PYTE.sub(b"", part))
        return data

    def settle(self, quiet_s: float = 0.15, most_s: float = 10.0) -> int:
        """Reads until nothing has come for a while; comes back with the number of bytes."""
        before, until = len(self.raw), time.monotonic() + most_s
        while time.monotonic() < until and self.read(quiet_s):
            pass
        return len(self.raw) - before

    def wait_for(self, seen: Callable[[str], bool] | str, most_s: float = 15.0) -> None:
        until = time.monotonic() + most_s
        look = seen if callable(seen) else lambda text: seen in text
        while not look(self.text):
            assert time.monotonic() < until, f"not seen: {seen}\n{self.text}"
            self.read(0.1)

    @property
    def text(self) -> str:
        """Not pyte's own `display`: that fails where half of a wide character was overwritten."""
        buffer, columns = self.screen.buffer, range(self.screen.columns)
        for y in self.screen.dirty:
            self._lines[y] = "".join(buffer[y][x].data for x in columns)
        self.screen.dirty.clear()
        return "\n".join(self._lines[y] for y in range(self.screen.lines))

    def cells(self) -> list[list[tuple[Any, ...]]]:
        """Every cell with all its attributes."""
        buffer = self.screen.buffer
        return [[tuple(buffer[y][x]) for x in range(self.screen.columns)] for y in range(self.screen.lines)]

    def kill(self, number: int) -> None:
        os.kill(self.pid, number)

    def hang_up(self) -> None:
        os.close(self.fd)
        self.fd = -1

    def wait_exit(self, most_s: float = 10.0) -> int:
        """Exit code, or minus the signal that ended it. Goes on reading, as a terminal would."""
        until = time.monotonic() + most_s
        while self.exit_code is None:
            assert time.monotonic() < until, "still running"
            if self.fd >= 0:
                self.read(0.02)
            else:
                time.sleep(0.02)
            self.exit_code = self._poll()
        self.settle(0.05)
        return self.exit_code

    def _poll(self) -> int | None:
        if self._child is not None:
            return self._child.poll()
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        if self.exit_code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            if self._child is not None:
                self._child.wait(20)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
