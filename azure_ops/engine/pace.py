"""How often the service is asked about one thing: fast while much of the budget is left, in turns, never
in bursts.

Azure counts reads per action, vault and hour, 150 of them where it is tight: a job read every 15 s by one
console uses that up. The watcher and the runner share one `Pace`. What polling must leave, so that keys find
some of it, `services/throttling.py` keeps.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

FASTEST_CLOCK = 20.0
"""An emulator's clock may run fast: pauses are the service's seconds, up to this rate."""
SHORTEST_S = 0.05
STEPS = ((75, 5.0), (50, 10.0), (25, 30.0))
"""(more than so many reads left, seconds between two): 150 reads last an hour this way, the first six
minutes fast."""
LAST_STEP_S = 90.0
STANDS_STILL = 1.05
LONGEST_PATIENCE_S = 30.0
"""A step that has lasted long lasts on: each read without news makes the next pause so much longer."""


def patience_s(without_news: int) -> float:
    """The service's seconds to wait, beyond one's turn, after so many reads of a job that stands still."""
    shortest = STEPS[0][1]
    return float(min(LONGEST_PATIENCE_S, shortest * STANDS_STILL**without_news)) - shortest


class BudgetView(Protocol):
    def hold_off_s(self, action: str, scope: str = "") -> float: ...

    def remaining(self, action: str, scope: str = "") -> int | None: ...


class Pace:
    def __init__(
        self, budget: BudgetView, rate: Callable[[], float] = lambda: 1.0, *, hurry: float = 1.0
    ) -> None:
        """`hurry` divides every pause; tests use it."""
        self._budget = budget
        self._rate = rate
        self._hurry = hurry
        self._turns: dict[tuple[str, str], tuple[asyncio.Lock, list[float]]] = {}

    def seconds(self, service_s: float) -> float:
        """Seconds of this machine's clock for so many of the service's."""
        return max(SHORTEST_S, service_s / min(max(self._rate(), 1.0), FASTEST_CLOCK) / self._hurry)

    def spacing_s(self, action: str, scope: str) -> float:
        left = self._budget.remaining(action, scope)
        if left is None:
            return STEPS[0][1]
        return next((seconds for more_than, seconds in STEPS if left > more_than), LAST_STEP_S)

    async def turn(self, action: str, scope: str) -> None:
        """Come back when it is this caller's turn to read; callers of one budget take turns."""
        lock, last = self._turns.setdefault((action, scope.lower()), (asyncio.Lock(), [0.0]))
        async with lock:
            due = last[0] + self.seconds(self.spacing_s(action, scope))
            held = self._budget.hold_off_s(action, scope)
            await asyncio.sleep(max(0.0, due - time.monotonic(), held))
            last[0] = time.monotonic()
