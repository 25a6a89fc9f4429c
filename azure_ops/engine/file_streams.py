"""A long answer of a reader, handed out piece by piece as a console asks for it; memory stays bounded."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

Item = TypeVar("Item")

KEPT = 4
"""Pieces read ahead of the console."""


class Stream(Generic[Item]):
    def __init__(self, source: AsyncIterator[Item]) -> None:
        self._queue: asyncio.Queue[Item | None] = asyncio.Queue(KEPT)
        self._failure: Exception | None = None
        self._over = False
        self._task = asyncio.create_task(self._pump(source), name="file-stream")

    async def _pump(self, source: AsyncIterator[Item]) -> None:
        try:
            async for item in source:
                await self._queue.put(item)
        except Exception as problem:
            self._failure = problem
        finally:
            close = getattr(source, "aclose", None)
            if close is not None:
                await close()
        await self._queue.put(None)

    async def take(self, most: int, within_s: float) -> tuple[list[Item], bool]:
        """Up to `most` pieces and whether there may be more; none when nothing came in time. Raises what
        ended the answer."""
        found: list[Item] = []
        while len(found) < most and not self._over:
            try:
                async with asyncio.timeout(0 if found else within_s):
                    item = await self._queue.get()
            except TimeoutError:
                return found, True
            if item is None:
                self._over = True
            else:
                found.append(item)
        if self._over and self._failure is not None and not found:
            raise self._failure
        return found, not self._over or (self._failure is not None and bool(found))

    async def close(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
