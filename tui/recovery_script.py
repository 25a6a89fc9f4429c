"""`azrecover files --script FOLDER`: runs the recovery script that was written there, opens the folder that
it mounts, and unmounts it at the end. The password goes from its file to the script, and is shown nowhere."""

from __future__ import annotations

import contextlib
import os
import platform
import pty
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from azure_ops.item_recovery import PASSWORD_FILE

STARTS_WITHIN_S = 900.0
ENDS_WITHIN_S = 60.0
_MOUNTED = re.compile(r"\|\s*(/[^|]+/Volume\d+)\s*$")
_READY = re.compile(r"q/Q|to exit", re.IGNORECASE)
_QUESTION = re.compile(r"\(y/n\)|'Y'.*'N'|\?\s*$", re.IGNORECASE)


class CannotRun(Exception):
    """One line."""


def check(folder: Path) -> tuple[Path, str]:
    """The script and its password. Run as root it must be out of everybody else's reach."""
    if platform.system() != "Linux":
        raise CannotRun(
            f"the script runs on Linux: copy {folder} to a Linux machine and run it there as root"
        )
    owner = int(os.environ.get("SUDO_UID", os.getuid()))
    try:
        found = sorted(folder.iterdir())
        for path in (folder, *found):
            status = path.lstat()
            if status.st_uid not in (0, owner) or stat.S_IMODE(status.st_mode) & 0o077:
                raise CannotRun(f"{path} could have been changed by others: it is not run")
        scripts = [path for path in found if path.name != PASSWORD_FILE]
        password = (folder / PASSWORD_FILE).read_text().strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise CannotRun(
            f"{folder} holds no recovery script with its password: {getattr(problem, 'strerror', problem)}"
        ) from problem
    if len(scripts) != 1 or scripts[0].suffix != ".py":
        raise CannotRun(f"{folder} holds no script for Linux; Windows' is run on Windows, as its text says")
    if os.geteuid() != 0:
        raise CannotRun(f"mounting needs root: sudo azrecover files --script {folder}")
    return scripts[0], password


class RunningScript:
    """The script on a terminal of its own, its lines told as plain text."""

    def __init__(
        self, script: Path, password: str, tell: Callable[[str], None], ask: Callable[[str], str]
    ) -> None:
        self._password = password
        self._tell = tell
        self._ask = ask
        self.places: list[Path] = []
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.chdir(script.parent)
            os.execv(sys.executable, [sys.executable, str(script)])  # noqa: S606

    def start(self) -> Path:
        """Until the volumes are mounted; returns the folder that holds them. Raises CannotRun."""
        text, password_given = "", False
        deadline = time.monotonic() + STARTS_WITHIN_S
        while time.monotonic() < deadline:
            piece = self._read()
            if piece is None:
                raise CannotRun("the script ended without mounting anything")
            text += piece
            *lines, text = text.replace("\r", "").split("\n")
            for line in lines:
                self._line(line)
            if _READY.search(text) or any(_READY.search(line) for line in lines):
                return self._folder()
            if not text:
                continue
            if "password" in text.lower() and text.rstrip().endswith(":"):
                if password_given:
                    raise CannotRun("the script does not take the password; renew the connection")
                self._write(self._password)
                password_given, text = True, ""
            elif _QUESTION.search(text):
                self._write(self._ask(self._plain(text)))
                text = ""
        raise CannotRun("the script took too long")

    def _line(self, line: str) -> None:
        mounted = _MOUNTED.search(line)
        if mounted:
            self.places.append(Path(mounted[1].strip()))
        if line.strip():
            self._tell(self._plain(line))

    def _plain(self, text: str) -> str:
        text = text.replace(self._password, "•" * 8)
        return "".join(sign if sign.isprintable() else " " for sign in text).rstrip()

    def _folder(self) -> Path:
        folders = {place.parent for place in self.places if os.path.ismount(place)}
        if len(folders) != 1:
            raise CannotRun("the script mounted no volume that can be read on this machine")
        threading.Thread(target=self._drain, daemon=True).start()
        return folders.pop()

    def _drain(self) -> None:
        """Whatever it says later must not hold it up."""
        while self._read() is not None:
            pass

    def _read(self) -> str | None:
        try:
            return os.read(self._terminal, 4096).decode("utf-8", "replace") or None
        except OSError:
            return None

    def _write(self, text: str) -> None:
        os.write(self._terminal, f"{text}\n".encode())

    # the end ------------------------------------------------------------------------------------------------

    def unmount(self) -> list[Path]:
        """Returns what is in use and stays mounted."""
        left = []
        for place in reversed(self.places):
            if os.path.ismount(place):
                done = subprocess.run(["umount", str(place)], capture_output=True, check=False)  # noqa: S607
                if done.returncode:
                    left.append(place)
        return left

    def end(self) -> None:
        """It is told to exit; one that does not is ended."""
        with contextlib.suppress(OSError):
            self._write("q")
        deadline = time.monotonic() + ENDS_WITHIN_S
        while time.monotonic() < deadline:
            if os.waitpid(self._pid, os.WNOHANG)[0]:
                return
            time.sleep(0.05)
        os.kill(self._pid, signal.SIGHUP)
        os.waitpid(self._pid, 0)


def browse(folder: Path, console: Callable[[Path], int]) -> int:
    """`console` opens the mounted folder and returns when the user has left it. Raises CannotRun. However it
    ends, nothing stays mounted but what the user leaves so."""
    running = RunningScript(*check(folder), tell=print, ask=input)
    try:
        mounted = running.start()
        code = console(mounted)
        while running.unmount():
            print("The volumes are in use: files are being restored, or somebody works in the folder.")
            if input("Enter tries again, l leaves them mounted: ").strip().lower() == "l":
                running.places.clear()
                print(f"They stay mounted below {mounted}; umount ends it.")
                break
    except (EOFError, KeyboardInterrupt):
        raise CannotRun("interrupted") from None
    finally:
        running.unmount()
        running.end()
    print("The script has ended. In Azure the connection is open until it is revoked:")
    print("azrecover, on its VM: Revoke file recovery.")
    return code
