"""Where the engine keeps its things: state (journal, lock, log) and the socket, each in a folder of mode
0700.

The lock lies with the state, not with the socket: a session manager removes the runtime folder when the last
login of a user ends, while the engine lives on.
"""

from __future__ import annotations

import os
import stat
import warnings
from pathlib import Path

from .cloud import CloudSettings
from .errors import StateUnusable

APP = "azrecover"
LOCK_NAME = "engine.lock"
JOURNAL_NAME = "journal.sqlite"
LONGEST_SOCKET_PATH = 107
"""Bytes; Linux allows 108 with the closing zero (unix(7))."""


def state_dir(settings: CloudSettings) -> Path:
    """Made when missing. Raises StateUnusable."""
    from platformdirs import user_state_path

    return _private(user_state_path(APP, appauthor=False), settings.key, "XDG_STATE_HOME")


def runtime_dir(settings: CloudSettings) -> Path:
    """Made when missing. Raises StateUnusable."""
    from platformdirs import user_runtime_path

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without a session manager it says that it takes a folder in /tmp
        base = user_runtime_path(APP, appauthor=False)
    return _private(base, settings.key, "XDG_RUNTIME_DIR")


def socket_path(settings: CloudSettings) -> Path:
    path = runtime_dir(settings) / "engine.sock"
    if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
        raise StateUnusable(
            f"The path of the engine's socket is too long: {path}.",
            f"Set XDG_RUNTIME_DIR to a folder with a name shorter than {LONGEST_SOCKET_PATH} bytes in all.",
            resource=str(path),
        )
    return path


def lock_path(settings: CloudSettings) -> Path:
    return state_dir(settings) / LOCK_NAME


def engine_folders() -> list[Path]:
    """State folders of every engine that this user ever had, whatever the cloud."""
    from platformdirs import user_state_path

    try:
        return sorted(lock.parent for lock in user_state_path(APP, appauthor=False).glob(f"*/{LOCK_NAME}"))
    except OSError:
        return []


def journal_path(settings: CloudSettings) -> Path:
    return state_dir(settings) / JOURNAL_NAME


def history_path(settings: CloudSettings) -> Path:
    return state_dir(settings) / "history.sqlite"


def log_path(settings: CloudSettings) -> Path:
    return state_dir(settings) / "engine.log"


def _private(base: Path, key: str, variable: str) -> Path:
    for folder in (base, base / key):
        _make_private(folder, variable)
    return base / key


def _make_private(folder: Path, variable: str) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise StateUnusable(
                f"The folder {folder} belongs to somebody else or is no folder.",
                f"Set {variable} to a folder of your own.",
                resource=str(folder),
            )
        if stat.S_IMODE(found.st_mode) != 0o700:
            folder.chmod(0o700)
    except OSError as problem:
        raise StateUnusable(
            f"The folder {folder} cannot be used: {problem.strerror or problem}.",
            f"Make it writable for you, or set {variable} to another folder.",
            resource=str(folder),
        ) from problem
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StateUnusable(
            f"The folder {folder} cannot be written.",
            f"Make it writable for you, or set {variable} to another folder.",
            resource=str(folder),
        )
