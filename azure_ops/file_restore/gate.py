"""How many requests one disk gets at once: fewer when the server says it is busy, more while it does not."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

START, MOST, LEAST = 12, 16, 2
_STEP_AFTER = 16
"""Answers in a row without a complaint, for one more at a time."""


class Gate:
    """Small reads of metadata go before bulk, so that browsing stays quick beside a copy."""

    def __init__(self) -> None:
        self._limit = START
        self._inside = 0
        self._quiet = 0
        self._urgent: deque[asyncio.Future[None]] = deque()
        self._bulk: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        return self._limit

    @asynccontextmanager
    async def pass_through(self, bulk: bool) -> AsyncIterator[None]:
        if self._inside >= self._limit:
            queue = self._bulk if bulk else self._urgent
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            queue.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._leave()
                else:
                    queue.remove(turn)
                raise
        else:
            self._inside += 1
        try:
            yield
        finally:
            self._leave()

    def _leave(self) -> None:
        self._inside -= 1
        while self._inside < self._limit:
            queue = self._urgent or self._bulk
            if not queue:
                return
            turn = queue.popleft()
            if not turn.done():
                self._inside += 1
                turn.set_result(None)

    def answered(self) -> None:
        self._quiet += 1
        if self._quiet >= _STEP_AFTER and self._limit < MOST:
            self._quiet = 0
            self._limit += 1

    def refused(self) -> None:
        self._quiet = 0
        self._limit = max(LEAST, self._limit // 2)
