"""Unlocks an encrypted volume of opened disks: its content becomes one more disk of the session.

The key derivation runs in a reader process of its own, which ends with the answer. The volume's key is in the
engine's memory only, and goes with the session.
"""

from __future__ import annotations

import asyncio
import os
import stat

from ..file_restore.disks import Disk
from ..file_restore.problems import FileRestoreError
from ..file_restore.reader import SILENCE_OF_KEYS_S, Reader
from ..file_restore.unlocked import UnlockedSource
from ..secret import Secret
from .file_session import FileSession

CACHE_BYTES = 32 * 1024 * 1024
MOST_UNLOCKED = 16
LONGEST_KEY_FILE = 8 * 1024 * 1024
_AT_ONCE = asyncio.Semaphore(1)
"""A key slot may take a GiB of memory."""


async def unlock(session: FileSession, volume: str, secret: Secret, key_file: str) -> None:
    if any(disk.inside == volume for disk in session.disks):
        return
    if sum(bool(disk.inside) for disk in session.disks) >= MOST_UNLOCKED:
        raise FileRestoreError(f"{MOST_UNLOCKED} volumes are unlocked already.", "Open the disks again.")
    if key_file:
        secret = Secret(await asyncio.to_thread(_read_key_file, key_file))
    if not secret.value:
        raise FileRestoreError("No key was given.", "Type the passphrase or name a key file.")
    async with _AT_ONCE:
        below = list(session.disks)
        async with Reader(below, SILENCE_OF_KEYS_S, for_keys=True) as reader:
            unlocked = await reader.unlock(volume, secret)
    source = UnlockedSource(volume, [disk.source for disk in below], unlocked)
    session.add(Disk(source, unlocked.size, CACHE_BYTES, inside=volume))


def _read_key_file(path: str) -> bytes:
    if not os.path.isabs(path) or "\0" in path:
        raise FileRestoreError(f"{path[:200]!r} is no whole path.", "Begin it with a slash.")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise FileRestoreError(f"{path} is no file.", "Name a key file.")
            key = file.read(LONGEST_KEY_FILE + 1)
    except OSError as exc:
        reason = (exc.strerror or str(exc)).lower()
        raise FileRestoreError(
            f"{path} cannot be read: {reason}.", "Name a key file that you may read."
        ) from exc
    if len(key) > LONGEST_KEY_FILE:
        raise FileRestoreError(f"{path} is larger than 8 MiB.", "Name the key file of the volume.")
    return key
