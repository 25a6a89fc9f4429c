"""The content of an encrypted volume as a disk of its own: fetched from the disks below, decrypted here.

Readers and bulk copies see it like any other disk. The key lives in this object, in the engine's memory,
and goes when the session closes.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Sequence

from .byte_source import ByteSource
from .entries import ZEROS, Range
from .pipe import Unlocked
from .problems import FileRestoreError
from .sector_cipher import SectorCipher

_AT_ONCE = 4 * 1024 * 1024
"""One request below; a longer one would not be checked against the server's hash."""


class UnlockedSource:
    def __init__(self, volume: str, below: Sequence[ByteSource], unlocked: Unlocked) -> None:
        self._name = f"{volume}, unlocked"
        self._below = list(below)
        self._size = unlocked.size
        self._sector = unlocked.sector
        end = 0
        for run in unlocked.runs:
            within = run.offset == end and run.length > 0 and run.length % unlocked.sector == 0
            if run.disk != ZEROS:
                within = within and 0 <= run.disk < len(below) and run.position >= 0
                within = within and run.position + run.length <= below[run.disk].size
            if not within:
                raise _nonsense(volume)
            end += run.length
        if not unlocked.size or end != unlocked.size:
            raise _nonsense(volume)
        self._runs = list(unlocked.runs)
        self._starts = [run.offset for run in self._runs]
        try:
            self._cipher: SectorCipher | None = SectorCipher(
                unlocked.cipher, unlocked.key, unlocked.sector, unlocked.iv_offset
            )
        except ValueError as exc:
            raise _nonsense(volume) from exc

    @property
    def name(self) -> str:
        return self._name

    @property
    def size(self) -> int:
        return self._size

    async def open(self) -> None:
        """The disks below are open."""

    async def read(self, offset: int, length: int, *, verified: bool = False, urgent: bool = False) -> bytes:
        if self._cipher is None:
            raise FileRestoreError(f"{self._name}: it is closed.", "Open the disk again.")
        first = offset // self._sector * self._sector
        end = -(-(offset + length) // self._sector) * self._sector
        parts = await asyncio.gather(*(self._part(*one, verified, urgent) for one in self._cover(first, end)))
        data = await asyncio.to_thread(self._cipher.decrypt, first, b"".join(parts))
        return data[offset - first : offset - first + length]

    def _cover(self, offset: int, end: int) -> list[tuple[int, int, int]]:
        """Parts of a range as (disk, position, length)."""
        found = []
        index = bisect_right(self._starts, offset) - 1
        while offset < end:
            run = self._runs[index]
            start = offset - run.offset
            part = min(end - offset, run.length - start, _AT_ONCE)
            found.append((run.disk, run.position + start, part))
            offset += part
            index += start + part == run.length
        return found

    async def _part(self, disk: int, position: int, length: int, verified: bool, urgent: bool) -> bytes:
        if disk == ZEROS:
            return bytes(length)
        return await self._below[disk].read(position, length, verified=verified, urgent=urgent)

    def written(self, offset: int, length: int) -> list[Range]:
        """Zeros below are not zeros here."""
        end = min(offset + length, self._size)
        return [(offset, end - offset)] if end > offset else []

    async def close(self) -> None:
        self._cipher = None


def _nonsense(volume: str) -> FileRestoreError:
    return FileRestoreError(f"{volume}: its key does not fit what is said of it.", "Open the disk again.")
