"""SHA-256 of a file of opened disks, as far as somebody goes on asking for it."""

from __future__ import annotations

import asyncio
import hashlib

from ..file_restore.reader import Reader

PIECE = 1024 * 1024


class FileHash:
    def __init__(self, reader: Reader, volume: str, identity: int) -> None:
        self._reader = reader
        self._of = (volume, identity)
        self._sum = hashlib.sha256()
        self._done = 0
        self._whole = False
        self._lock = asyncio.Lock()

    def is_of(self, volume: str, identity: int) -> bool:
        return self._of == (volume, identity)

    async def go_on(self, within_s: float) -> tuple[int, str]:
        """At least one piece, so that every question gets further."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        async with self._lock:
            while not self._whole:
                data = await self._reader.read(*self._of, self._done, PIECE)
                await asyncio.to_thread(self._sum.update, data)
                self._done += len(data)
                self._whole = len(data) < PIECE
                if loop.time() >= until:
                    break
            return self._done, self._sum.hexdigest() if self._whole else ""
