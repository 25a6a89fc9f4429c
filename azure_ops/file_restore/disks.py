"""A disk as the reader's parent has it: source, true size, cache."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence

from .block_cache import BlockCache
from .byte_source import ByteSource
from .problems import FileRestoreError

_FOOTER = 512
_FIXED = 2


class Disk:
    def __init__(self, source: ByteSource, size: int, cache_bytes: int, inside: str = "") -> None:
        self.source = source
        self.size = size
        self.inside = inside
        """The encrypted volume whose content this is; empty for a disk of the machine."""
        self.cache = BlockCache(source, size, cache_bytes)

    async def close(self) -> None:
        await self.cache.close()
        await self.source.close()


async def open_disks(sources: Sequence[ByteSource], cache_bytes: int = 64 * 1024 * 1024) -> list[Disk]:
    """Opens all or none; the bound on memory is for all of them together."""
    share = cache_bytes // max(1, len(sources))
    answers = await asyncio.gather(*(_open(source, share) for source in sources), return_exceptions=True)
    failed = [answer for answer in answers if isinstance(answer, BaseException)]
    if not failed:
        return [answer for answer in answers if isinstance(answer, Disk)]
    await asyncio.gather(*(source.close() for source in sources), return_exceptions=True)
    raise failed[0]


async def _open(source: ByteSource, cache_bytes: int) -> Disk:
    await source.open()
    size = source.size
    if size < _FOOTER:
        raise FileRestoreError(
            f"{source.name} is empty.", "Name the image of a whole disk.", resource=source.name
        )
    if size % _FOOTER == 0:
        footer = await source.read(size - _FOOTER, _FOOTER)
        if footer[:8] == b"conectix":
            kind = struct.unpack_from(">I", footer, 60)[0]
            current = struct.unpack_from(">Q", footer, 48)[0]
            if kind != _FIXED:
                raise FileRestoreError(
                    f"{source.name} is a dynamic VHD file.",
                    "Convert it to a fixed one: qemu-img convert -O raw.",
                    resource=source.name,
                )
            size = min(size - _FOOTER, current) if current else size - _FOOTER
    return Disk(source, size, cache_bytes)
