"""The world's clock across restarts: where it goes on, and that it never goes back.

Before an answer leaves with a time on it, the store holds a time that is not earlier. So that not every read
costs a write, a little more than now is promised ahead (one real second's worth) and written at most once in
that span; the next process starts at what was promised."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from .clock import Clock
from .store import Store

PROMISED_FACT = "clock_promised"
SAVED_AT_FACT = "clock_saved_at"
SPEED_FACT = "clock_speed"


class Timekeeper:
    def __init__(self, store: Store, clock: Clock, wall_s: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._wall_s = wall_s
        self._promised: datetime | None = None

    def promise(self) -> None:
        """Call before the world's time is told to anybody."""
        now = self._clock.now()
        if self._promised is None or now > self._promised:
            self._save(now + timedelta(seconds=self._clock.speed))

    def settle(self) -> None:
        """The exact time, at a clean stop and after a change of speed."""
        self._save(self._clock.now())

    def _save(self, at: datetime) -> None:
        self._promised = at
        self._store.set_fact(PROMISED_FACT, at.isoformat())
        self._store.set_fact(SAVED_AT_FACT, repr(self._wall_s()))
        self._store.set_fact(SPEED_FACT, repr(self._clock.speed))


def open_clock(
    store: Store, speed: float | None, now: datetime | None, default_speed: float, wall_s: float | None = None
) -> Clock:
    """A new world begins at `now` or the real time. A world that was there goes on where it was plus the
    real time nobody ran it (nothing when its clock is frozen), or at `now` if that is later; its speed is
    kept unless another is asked for."""
    wall_s = time.time() if wall_s is None else wall_s
    promised = store.fact(PROMISED_FACT)
    if promised is None:
        return Clock(now or datetime.fromtimestamp(wall_s, UTC), default_speed if speed is None else speed)
    kept_speed = float(store.fact(SPEED_FACT) or default_speed)
    at = datetime.fromisoformat(promised)
    if kept_speed:
        at += timedelta(seconds=max(0.0, wall_s - float(store.fact(SAVED_AT_FACT) or wall_s)))
    return Clock(max(at, now or at), kept_speed if speed is None else speed)
