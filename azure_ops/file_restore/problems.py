"""What can go wrong while files are read out of a disk, on the parent's and on the reader's side."""

from __future__ import annotations

from ..errors import RecoveryError


class FileRestoreError(RecoveryError):
    """A disk, volume or file cannot be read, or its copy cannot be written."""


class ReaderStopped(FileRestoreError):
    """The reader process ended or was ended: crash, memory, time."""


class AccessExpired(FileRestoreError):
    """The disk's address is not valid any longer and could not be renewed."""


class Damaged(Exception):
    """Inside the reader: the disk contradicts itself. Becomes one bad entry, or a refused volume."""


class NotReadable(Exception):
    """Inside the reader: of a kind that is refused by name, because a guess would give wrong bytes."""


class Cancelled(Exception):
    """Inside the reader: the parent does not want the answer any longer."""
