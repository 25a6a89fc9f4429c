"""One engine per user and cloud: a lock that dies with its process, and a note of who holds it."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import msgspec

from ..cloud import CloudSettings
from ..errors import StateUnusable
from ..paths import LOCK_NAME, lock_path


class Holder(msgspec.Struct, frozen=True):
    """Who holds the lock, as it wrote into the lock file."""

    pid: int
    socket: str = ""
    version: str = ""
    argv: tuple[str, ...] = ()
    """Flags that lead to it."""


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
            raise _unusable(path, problem) from problem
        return cls(fd, path)

    def note(self, holder: Holder) -> None:
        text = json.dumps(msgspec.to_builtins(holder))
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, text.encode(), 0)


def holder(settings: CloudSettings) -> Holder | None:
    """The engine that holds the lock now, None when none does. Raises StateUnusable."""
    return holder_in(lock_path(settings).parent)


def holder_in(folder: Path) -> Holder | None:
    """The same for the state folder of any engine."""
    path = folder / LOCK_NAME
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise _unusable(path, problem) from problem
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        return last_holder(folder)
    finally:
        os.close(fd)


def last_holder(folder: Path) -> Holder:
    """The engine that holds the lock of this state folder, or held it last."""
    try:
        return msgspec.json.decode((folder / LOCK_NAME).read_bytes(), type=Holder)
    except (OSError, msgspec.MsgspecError):
        return Holder(0)


def _unusable(path: Path, problem: OSError) -> StateUnusable:
    return StateUnusable(
        f"The lock file {path} cannot be used: {problem.strerror or problem}.",
        "Make its folder writable for you, or set XDG_STATE_HOME to another folder.",
        resource=str(path),
    )
