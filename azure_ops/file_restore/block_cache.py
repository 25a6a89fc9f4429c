"""Aligned blocks of one disk, kept within a bound: no byte is fetched twice at once, holes cost nothing.

Every block is checked against the server's hash, so that files are restored from here, too. A miss fetches
one block. A reader that goes on where it left off gets a window ahead of it that doubles with each step;
windows are kept per stream, because a walk reads directories and inode tables in turns.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .byte_source import ByteSource
from .entries import Range
from .problems import FileRestoreError

BLOCK = 256 * 1024
"""The best single size over file systems and latencies: smaller ones wait, larger ones fetch waste."""
MOST_AT_ONCE = 16
"""Blocks of one request: 4 MiB, the most that Azure hashes."""
STREAMS = 16


@dataclass
class CacheFigures:
    requests: int = 0
    bytes_fetched: int = 0
    hole_blocks: int = 0


class BlockCache:
    def __init__(self, source: ByteSource, size: int, limit: int = 64 * 1024 * 1024) -> None:
        self._source = source
        self.size = size
        self._most = max(2 * MOST_AT_ONCE, limit // BLOCK)
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._coming: dict[int, asyncio.Future[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._streams: OrderedDict[int, int] = OrderedDict()
        """Block at which a stream would go on → how many it gets then."""
        self._zeros = bytes(BLOCK)
        self.figures = CacheFigures()

    async def read(self, offset: int, length: int) -> bytes:
        if offset < 0 or length < 0 or offset + length > self.size:
            raise FileRestoreError(
                f"Bytes {offset:,} to {offset + length:,} lie outside of {self._source.name}.",
                "The disk's own tables are damaged or the image is cut short.",
                resource=self._source.name,
            )
        if not length:
            return b""
        first, last = offset // BLOCK, (offset + length - 1) // BLOCK
        self._start(range(first, last + 1))
        self._read_ahead(first, last)
        parts = [await self._block(index) for index in range(first, last + 1)]
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        start = offset - first * BLOCK
        return data if length == len(data) else data[start : start + length]

    def holds(self, offset: int, length: int) -> bool:
        """All of a range is here: to read it fetches nothing."""
        return all(at in self._blocks for at in range(offset // BLOCK, (offset + length - 1) // BLOCK + 1))

    def is_hole(self, offset: int, length: int) -> bool:
        return not self._source.written(offset, length)

    def prefetch(self, ranges: Iterable[Range]) -> None:
        """Starts to fetch what will be wanted soon; never more than half of what the cache holds."""
        wanted = {
            index
            for offset, length in ranges
            if offset >= 0 and length > 0 and offset + length <= self.size
            for index in range(offset // BLOCK, (offset + length - 1) // BLOCK + 1)
        }
        room = max(0, self._most // 2 - len(self._coming))
        self._start(_bridged(sorted(wanted)[:room])[:room])

    async def _block(self, index: int) -> bytes:
        if (block := self._blocks.get(index)) is not None:
            self._blocks.move_to_end(index)
            return block
        self._start([index])
        coming = self._coming.get(index)
        return await asyncio.shield(coming) if coming is not None else self._blocks[index]

    def _start(self, indexes: Iterable[int]) -> None:
        run: list[int] = []
        for index in indexes:
            if index in self._blocks or index in self._coming:
                continue
            if run and (index != run[-1] + 1 or len(run) == MOST_AT_ONCE):
                self._fetch(run)
                run = []
            if self.is_hole(index * BLOCK, self._length(index)):
                self._keep(index, self._zeros[: self._length(index)])
                self.figures.hole_blocks += 1
                continue
            run.append(index)
        if run:
            self._fetch(run)

    def _length(self, index: int) -> int:
        return min(BLOCK, self.size - index * BLOCK)

    def _fetch(self, run: list[int]) -> None:
        # Runs are not joined over holes between them: each is one request.
        loop = asyncio.get_running_loop()
        for index in run:
            future: asyncio.Future[bytes] = loop.create_future()
            future.add_done_callback(_seen)
            self._coming[index] = future
        task = loop.create_task(self._fetch_run(list(run)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _fetch_run(self, run: list[int]) -> None:
        offset = run[0] * BLOCK
        length = sum(self._length(index) for index in run)
        try:
            data = await self._source.read(offset, length, verified=True, urgent=True)
        except BaseException as exc:
            for index in run:
                future = self._coming.pop(index)
                if isinstance(exc, Exception):
                    future.set_exception(exc)
                else:
                    future.cancel()
            if not isinstance(exc, Exception):
                raise
            return
        self.figures.requests += 1
        self.figures.bytes_fetched += length
        for index, block in zip(run, _cut(data, len(run)), strict=True):
            self._keep(index, block)
            self._coming.pop(index).set_result(block)

    def _keep(self, index: int, block: bytes) -> None:
        self._blocks[index] = block
        self._blocks.move_to_end(index)
        while len(self._blocks) > self._most:
            self._blocks.popitem(last=False)

    def _read_ahead(self, first: int, last: int) -> None:
        window = self._streams.pop(first, None) or self._streams.pop(last, None)
        ahead = min(MOST_AT_ONCE, 2 * window) if window else 1
        self._streams[last + 1] = ahead
        while len(self._streams) > STREAMS:
            self._streams.popitem(last=False)
        if ahead > 1:
            end = min(last + 1 + ahead, -(-self.size // BLOCK))
            self._start(range(last + 1, end))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._blocks.clear()


def _bridged(indexes: list[int]) -> list[int]:
    """With the single blocks between them: directories of a tree lie among its files, and one request costs
    as much as a block."""
    found: list[int] = []
    for index in indexes:
        if found and index == found[-1] + 2:
            found.append(index - 1)
        found.append(index)
    return found


def _cut(data: bytes, parts: int) -> Iterator[bytes]:
    for number in range(parts):
        yield data[number * BLOCK : (number + 1) * BLOCK]


def _seen(future: asyncio.Future[bytes]) -> None:
    # A prefetch that failed is told to whoever reads the block; without a reader nobody has to know.
    if not future.cancelled():
        future.exception()
