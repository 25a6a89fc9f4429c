"""One engine per user and cloud: a lock that dies with its process, and a note of who holds it."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import msgspec

from .cloud import CloudSettings
from .errors import StateUnusable
from .paths import lock_path


class Holder(msgspec.Struct, frozen=True):
    """Who holds the lock, as it wrote into the lock file."""

    pid: int
    socket: str = ""
    version: str = ""


class EngineLock:
    """Held until the process ends; nothing else releases it, so that a lock never outlives or predeceases
    it."""

    def __init__(self, fd: int, path: Path) -> None:
        self._fd = fd
        self.path = path

    @classmethod
    def take(cls, settings: CloudSettings) -> EngineLock | None:
        """None when another engine holds it. Raises StateUnusable."""
        path = lock_path(settings)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                return None
            os.ftruncate(fd, 0)
        except OSError as problem:
            raise StateUnusable(
                f"The lock file {path} cannot be used: {problem.strerror or problem}.",
                "Make its folder writable for you, or set XDG_STATE_HOME to another folder.",
                resource=str(path),
            ) from problem
        return cls(fd, path)

    def note(self, holder: Holder) -> None:
        text = json.dumps({"pid": holder.pid, "socket": holder.socket, "version": holder.version})
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, text.encode(), 0)


def holder(settings: CloudSettings) -> Holder | None:
    """The engine that holds the lock now, None when none does. Raises StateUnusable."""
    mine = EngineLock.take(settings)
    if mine is not None:
        os.close(mine._fd)
        return None
    try:
        told = json.loads(lock_path(settings).read_text())
        return Holder(int(told["pid"]), str(told.get("socket", "")), str(told.get("version", "")))
    except (OSError, ValueError, KeyError, TypeError):
        return Holder(0)
