"""Where a disk's bytes come from: the protocol, and the source that is an image file of this machine.

The other source, a page blob behind a SAS, is `page_blob.PageBlob`.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from pathlib import Path
from typing import Protocol

from .entries import Range
from .problems import FileRestoreError


class ByteSource(Protocol):
    """Bytes of one disk. Reads may run in parallel; the source itself bounds how many are under way."""

    @property
    def name(self) -> str:
        """For people and errors; never holds a secret."""

    @property
    def size(self) -> int:
        """In bytes, known once `open` has returned."""

    async def open(self) -> None: ...

    async def read(self, offset: int, length: int, *, verified: bool = False, urgent: bool = False) -> bytes:
        """Exactly `length` bytes; `verified` asks for a check of every byte against the server's hash. Such
        reads let the others go first, unless they are urgent."""

    def written(self, offset: int, length: int) -> list[Range]:
        """The parts of a range that may hold something else than zeros, as far as that is known by now."""

    async def close(self) -> None: ...


class LocalImage:
    """A raw image, a fixed VHD or a block device."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._size = 0
        self._knows_holes = True

    @property
    def name(self) -> str:
        return str(self._path)

    @property
    def size(self) -> int:
        return self._size

    async def open(self) -> None:
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            status = os.fstat(self._descriptor)
            if not (stat.S_ISREG(status.st_mode) or stat.S_ISBLK(status.st_mode)):
                raise OSError(errno.EINVAL, "neither a file nor a block device")
            self._size = os.lseek(self._descriptor, 0, os.SEEK_END)
        except OSError as exc:
            await self.close()
            raise FileRestoreError(
                f"{self._path} cannot be opened: {(exc.strerror or str(exc)).lower()}.",
                "Name an image file (raw or fixed VHD) that you may read.",
                resource=str(self._path),
            ) from exc

    async def read(self, offset: int, length: int, *, verified: bool = False, urgent: bool = False) -> bytes:
        data = await asyncio.to_thread(self._read, offset, length)
        if len(data) != length:
            raise FileRestoreError(
                f"{self._path} ends at byte {offset + len(data):,}, {length - len(data):,} bytes too early.",
                "The image is cut short; copy it again.",
                resource=str(self._path),
            )
        return data

    def _read(self, offset: int, length: int) -> bytes:
        data = os.pread(self._descriptor, length, offset)
        while len(data) < length:
            more = os.pread(self._descriptor, length - len(data), offset + len(data))
            if not more:
                break
            data += more
        return data

    def written(self, offset: int, length: int) -> list[Range]:
        end = min(offset + length, self._size)
        if not self._knows_holes:
            return [(offset, end - offset)] if end > offset else []
        found = []
        while offset < end:
            try:
                start = os.lseek(self._descriptor, offset, os.SEEK_DATA)
                stop = os.lseek(self._descriptor, start, os.SEEK_HOLE)
            except OSError as exc:
                if exc.errno == errno.ENXIO:
                    break
                self._knows_holes = False
                found.append((offset, end - offset))
                break
            if start >= end:
                break
            found.append((start, min(stop, end) - start))
            offset = stop
        return found

    async def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
