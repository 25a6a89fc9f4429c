"""The world's clock: real time scaled by `speed`; every wait of the emulator is a wait on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta


class Clock:
    """World time = `base` + (monotonic time since start) × `speed`. Speed 0 is a frozen clock that only
    `advance` moves, which is what tests and screenshots use."""

    def __init__(self, base: datetime, speed: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        if speed < 0:
            raise ValueError("speed must not be negative")
        self._monotonic = monotonic
        self._base = base
        self._started = monotonic()
        self._speed = speed
        self._standing_at: datetime | None = None
        self.on_change: Callable[[], None] = lambda: None
        """Called after `advance` or a change of speed, so that sleepers measure their wait anew."""

    @property
    def speed(self) -> float:
        return self._speed

    def now(self) -> datetime:
        """Aware UTC, the time that every response carries in its `Date` header."""
        if self._standing_at is not None:
            return self._standing_at
        return self._base + timedelta(seconds=(self._monotonic() - self._started) * self._speed)

    @contextmanager
    def standing_at(self, moment: datetime) -> Iterator[None]:
        """`now()` is `moment` inside: one request sees one time, and an event that fell due while nobody
        looked (a jump of the clock, a restart) happens at its own time, not at that of the looking."""
        before, self._standing_at = self._standing_at, moment
        try:
            yield
        finally:
            self._standing_at = before

    def after(self, seconds: float) -> datetime:
        return self.now() + timedelta(seconds=seconds)

    def advance(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError("the clock does not go backwards")
        self._base += timedelta(seconds=seconds)
        self.on_change()

    def set_speed(self, speed: float) -> None:
        if speed < 0:
            raise ValueError("speed must not be negative")
        self._base, self._started, self._speed = self.now(), self._monotonic(), speed
        self.on_change()

    def real_seconds_until(self, at: datetime) -> float | None:
        """None when the clock is frozen: only `advance` brings that moment."""
        left = (at - self.now()).total_seconds()
        if left <= 0:
            return 0.0
        return left / self._speed if self._speed else None

    def retry_after(self, seconds: float) -> int:
        """`Retry-After` in the client's own seconds: never 0, which the SDKs take for absent."""
        return max(1, round(seconds / self._speed)) if self._speed else 1


def wire_time(at: datetime) -> str:
    """ISO 8601 with seven fractional digits and Z, as both services print times."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"
