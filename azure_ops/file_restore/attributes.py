"""Owner, mode, times and extended attributes on what was restored; what the target does not take is told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from .entries import Entry

_SPECIAL = 0o7000
_PLAIN_FILE, _PLAIN_DIRECTORY = 0o644, 0o755
_ROOT_ONLY = ("trusted.", "security.")
_CAPABILITY = "security.capability"


@dataclass(frozen=True)
class Carry:
    owners: bool
    """Give files to the numbers they had; only root can."""
    xattrs: bool = True
    special_modes: bool = False
    """Keep setuid, setgid, sticky and capabilities: programs that run with other people's rights."""


def apply(
    descriptor: int, entry: Entry, xattrs: tuple[tuple[str, bytes], ...], carry: Carry
) -> Iterator[str]:
    """Sets all on an open file or directory, times last; yields what could not be carried."""
    if carry.owners and entry.uid is not None and entry.gid is not None:
        try:
            os.chown(descriptor, entry.uid, entry.gid)
        except OSError as exc:
            yield f"owner {entry.uid}:{entry.gid} ({_reason(exc)})"
    elif entry.uid is not None and (entry.uid, entry.gid) != (os.geteuid(), os.getegid()):
        yield f"owner {entry.uid}:{entry.gid}"
    mode = entry.mode
    if entry.uid is None:
        mode = _PLAIN_DIRECTORY if entry.kind == "directory" else _PLAIN_FILE
    elif mode & _SPECIAL and not carry.special_modes:
        yield f"special mode {mode & _SPECIAL:04o}"
        mode &= ~_SPECIAL
    yield from _xattrs(descriptor, xattrs, carry)
    try:
        os.chmod(descriptor, mode)
    except OSError as exc:
        yield f"mode {mode:04o} ({_reason(exc)})"
    try:
        os.utime(descriptor, ns=(entry.accessed_ns, entry.modified_ns))
    except (OSError, OverflowError) as exc:
        yield f"times ({_reason(exc)})"


def _xattrs(descriptor: int, xattrs: tuple[tuple[str, bytes], ...], carry: Carry) -> Iterator[str]:
    for name, value in xattrs:
        if name == _CAPABILITY and not carry.special_modes:
            yield "capabilities"
            continue
        if not carry.xattrs or not hasattr(os, "setxattr") or (name.startswith(_ROOT_ONLY) and os.geteuid()):
            yield f"attribute {name}"
            continue
        try:
            os.setxattr(descriptor, name, value)
        except (OSError, ValueError) as exc:
            yield f"attribute {name} ({_reason(exc)})"


def _reason(exc: Exception) -> str:
    text = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
    return text.lower()
