"""Programs that need not import anything any more: forked from one process that has done it once.

Importing the Azure SDKs, the emulator and Textual takes several times as long as most tests. A child is what
`python -m MODULE` would be after its imports: its own process with its own memory, files, environment,
working directory, session and exit code, that signals reach and `kill -9` ends. `pytest --cold` starts
everything as `python -m` instead; so do, always, the tests of how programs start.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[1]
CONSOLE = "tui.cli"
FORKED = ("azure_ops.emulator", "azure_ops.engine", CONSOLE)
IMPORTED = (
    "azure_ops.emulator.commands", "azure_ops.emulator.process", "azure_ops.emulator.server",
    "azure_ops.engine.process", "azure_ops.engine.host", "azure_ops.engine.services", "azure_ops.engine.lock",
    "azure_ops.engine.socket", "azure_ops.client", "azure_ops.services.session",
    "azure_ops.services.transport", "azure_ops.services.credentials", "azure.mgmt.core",
    "azure.identity.aio", "azure.mgmt.compute.aio", "azure.mgmt.compute.models",
    "azure.mgmt.recoveryservices.aio", "azure.mgmt.recoveryservices.models",
    "azure.mgmt.recoveryservicesbackup.aio", "azure.mgmt.recoveryservicesbackup.models",
    "azure.mgmt.recoveryservicessiterecovery.aio", "azure.mgmt.recoveryservicessiterecovery.models",
    "azure.mgmt.resourcegraph.aio", "azure.mgmt.resourcegraph.models",
    "textual.app", "textual.widgets", "tui.app", "tui.config", "tui.keys", "tui.terminal", "tui.driver",
    "tui.screens.console",
)  # fmt: skip
FOR_TEXTUAL = {"TEXTUAL_COLOR_SYSTEM": "256", "TEXTUAL_ANIMATIONS": "none", "COLORTERM": ""}
"""Textual reads its environment when it is imported."""
STARTS_WITHIN_S = 60.0
_OUT_OF_THE_WAY = 500
"""File numbers from here on, while a child puts its own in place."""


class Child:
    """What tests use of `subprocess.Popen`."""

    def __init__(self, pid: int, ended: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdout: Any = None
        self._ended = ended

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._ended], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            told = os.read(self._ended, 4)
            os.close(self._ended)
            assert told, "the process that forks is gone"
            (self.returncode,) = struct.unpack("i", told)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def __del__(self) -> None:
        if self.returncode is None:
            os.close(self._ended)


class Warm:
    """One forking process for all programs of a test session; it ends with the tests, and they with it.
    Consoles that it forked start their engines by it, too."""

    def __init__(self) -> None:
        self.cold = False
        self.address = ""
        self._ends_with: socket.socket | None = None
        self._one_at_a_time = threading.Lock()

    def forks(self, command: Sequence[str]) -> bool:
        """Whether this command line is one that can be forked."""
        return not self.cold and list(command[:2]) == [sys.executable, "-m"] and command[2] in FORKED

    def popen(self, command: Sequence[str], stderr: IO[str]) -> Any:
        """Started in either way, with its output in a pipe."""
        if not self.forks(command):
            return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
        read_end, write_end = os.pipe()
        with open(os.devnull) as nothing:
            child = self.start(command, {0: nothing.fileno(), 1: write_end, 2: stderr.fileno()})
        os.close(write_end)
        child.stdout = os.fdopen(read_end)
        return child

    def start(
        self,
        command: Sequence[str],
        fds: dict[int, int],
        *,
        env: dict[str, str] | None = None,
        cwd: str = "",
        session: bool = False,
        terminal: bool = False,
    ) -> Child:
        """`fds` has the child's file numbers, and which of this process's are to stand there; with `terminal`
        the first one becomes its controlling terminal."""
        asked = {
            "argv": list(command[2:]),
            "fds": list(fds),
            "env": dict(os.environ if env is None else env),
            "cwd": cwd or os.getcwd(),
            "session": session,
            "terminal": terminal,
        }
        data = json.dumps(asked).encode()
        ended, tells = os.pipe()
        with self._one_at_a_time:
            self._open()
            with socket.socket(socket.AF_UNIX) as line:
                line.settimeout(STARTS_WITHIN_S)
                line.connect(self.address)
                socket.send_fds(line, [struct.pack("I", len(data))], [*fds.values(), tells])
                line.sendall(data)
                os.close(tells)
                answer = line.recv(4)
        assert answer, "the process that forks is gone"
        return Child(struct.unpack("i", answer)[0], ended)

    def _open(self) -> None:
        if self.address:
            return
        self._ends_with, other = socket.socketpair()
        self.address = str(Path(tempfile.mkdtemp(prefix="azrw-")) / "socket")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(self.address)
            listening.listen(16)
            numbers = (other.fileno(), listening.fileno())
            command = [sys.executable, "-m", "tests.warm", self.address, *map(str, numbers)]
            env = os.environ | FOR_TEXTUAL
            subprocess.Popen(command, pass_fds=numbers, stdin=subprocess.DEVNULL, env=env, cwd=ROOT)
        other.close()


warm = Warm()


def start_engines_warm() -> None:
    """From now on consoles of this process start engines by a fork."""
    from azure_ops.client import EngineClient

    cold_popen = EngineClient._popen

    def popen(client: EngineClient, command: Sequence[str], log_fd: int, ready_fd: int) -> Any:
        if not warm.forks(command):
            return cold_popen(client, command, log_fd, ready_fd)
        with open(os.devnull) as nothing:
            fds = {0: nothing.fileno(), 1: log_fd, 2: log_fd, ready_fd: ready_fd}
            return warm.start(command, fds, cwd="/", session=True)

    EngineClient._popen = popen  # type: ignore[method-assign]


# the process that forks


def _import_all() -> None:
    gc.disable()
    for name in IMPORTED:
        importlib.import_module(name)
    gc.enable()
    gc.collect()
    gc.freeze()


def _serve(tests: socket.socket, listening: socket.socket) -> Callable[[], None]:
    """As long as the tests run. Comes back in each child, with what that is to run."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    woken, wakes = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    children: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([tests, listening, woken], [], [])
        if woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 4096)
            _tell_ends(children)
        if tests in ready:
            for pid in children:
                os.kill(pid, signal.SIGKILL)
            shutil.rmtree(Path(warm.address).parent, ignore_errors=True)
            os._exit(0)
        if listening not in ready:
            continue
        line, _ = listening.accept()
        head, fds, _, _ = socket.recv_fds(line, 4, 16)
        if not head:
            line.close()
            continue
        asked = json.loads(line.recv(struct.unpack("I", head)[0], socket.MSG_WAITALL))
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            return lambda: _become(asked, fds[:-1])
        line.sendall(struct.pack("i", pid))
        line.close()
        children[pid] = fds.pop()
        for fd in fds:
            os.close(fd)


def _tell_ends(children: dict[int, int]) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            tells = children.pop(pid)
            with contextlib.suppress(BrokenPipeError):
                os.write(tells, struct.pack("i", os.waitstatus_to_exitcode(status)))
            os.close(tells)


def _become(asked: dict[str, Any], fds: list[int]) -> None:
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD, _OUT_OF_THE_WAY) for fd in fds]
    os.closerange(3, _OUT_OF_THE_WAY)
    for number, fd in zip(asked["fds"], high, strict=True):
        os.dup2(fd, number)
        os.close(fd)
    if asked["session"]:
        os.setsid()
    if asked["terminal"]:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    time.tzset()
    sys.stdin = sys.__stdin__ = os.fdopen(0, closefd=False)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", buffering=1 if asked["terminal"] else -1, closefd=False)
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", buffering=1, closefd=False)
    module, *sys.argv[1:] = asked["argv"]
    if module == CONSOLE:
        start_engines_warm()
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    # The module that was imported, not this one that runs: forked consoles ask by it.
    from tests import warm as itself

    itself.warm.address = sys.argv[1]
    itself._import_all()
    itself._serve(socket.socket(fileno=int(sys.argv[2])), socket.socket(fileno=int(sys.argv[3])))()
