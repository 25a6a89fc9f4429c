"""What can go wrong while files are read out of a disk, as the reader's parent says it."""

from __future__ import annotations

from ..errors import RecoveryError


class FileRestoreError(RecoveryError):
    """A disk, volume or file cannot be read, or its copy cannot be written."""


class ReaderStopped(FileRestoreError):
    """The reader process ended or was ended: crash, memory, time."""


class AccessExpired(FileRestoreError):
    """The disk's address is not valid any longer and could not be renewed."""
