"""Writes the script of an item-level recovery where its user alone can read it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import StateUnusable
from ..item_recovery import PASSWORD_FILE, Script


def write(folder: Path, scripts: Sequence[Script]) -> tuple[Path, Path]:
    """A folder of mode 0700, files of mode 0600; returns the script's path and that of its password."""
    first = next((one for one in scripts if not one.url), scripts[0])
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
        for one in scripts:
            if not one.url:
                _write(folder / one.name, one.content)
        _write(folder / PASSWORD_FILE, f"{first.password}\n".encode())
    except OSError as problem:
        raise StateUnusable(
            f"The recovery script cannot be written to {folder}: {problem.strerror or problem}.",
            "Make room or change its permissions, then renew the connection.",
            resource=str(folder),
        ) from problem
    return folder / first.name, folder / PASSWORD_FILE


def _write(path: Path, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags, 0o600), "wb") as file:
        file.write(content)


def remove_of(folders: Path, point: str) -> None:
    """What was written for a point that is closed: nothing is left that could be read. Scripts carry the
    point's number in their names. A folder in which something is mounted still stays without them."""
    for folder in _below(folders):
        paths = _below(folder)
        if any(f"_{point}_" in path.name for path in paths):
            for path in paths:
                with contextlib.suppress(OSError):
                    path.unlink()
            with contextlib.suppress(OSError):
                folder.rmdir()


def _below(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
