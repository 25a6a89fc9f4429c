"""The service's clock as its Date headers tell it. Pure; the session holds one, ages are counted from it.

Azure's clock runs like ours with a small offset. An emulator's may run many times faster, or stand still:
so the rate is measured as well, from readings at least two seconds apart.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import pairwise
from statistics import median_low
from time import monotonic

_HALF_A_SECOND = timedelta(milliseconds=500)
"""The header is cut to whole seconds."""
_APART_S = 2.0
_ORDINARY_RATE = (0.5, 1.5)
"""Rates between these are one second per second, read through rounding and delays."""


class ServiceClock:
    def __init__(
        self,
        monotonic: Callable[[], float] = monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._monotonic = monotonic
        self._now = now
        self._readings: deque[tuple[float, datetime]] = deque(maxlen=8)
        self._last: tuple[float, datetime] | None = None

    def learn(self, date_header: str | None) -> None:
        """Takes one `Date` header; what is none is passed over."""
        if not date_header:
            return
        try:
            read = parsedate_to_datetime(date_header)
        except (TypeError, ValueError, IndexError):
            return
        at = self._monotonic()
        service = (read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)) + _HALF_A_SECOND
        if self._last is None or service >= self._last[1] or at - self._last[0] > _APART_S:
            self._last = (at, service)
        if not self._readings or at - self._readings[-1][0] >= _APART_S:
            self._readings.append((at, service))

    @property
    def rate(self) -> float:
        """Seconds of the service per second of ours; 1 until two intervals have been measured."""
        pairs = list(self._readings)
        rates = [
            (later[1] - earlier[1]).total_seconds() / (later[0] - earlier[0])
            for earlier, later in pairwise(pairs)
        ]
        if len(rates) < 2:
            return 1.0
        rate = median_low(rates)
        return 1.0 if _ORDINARY_RATE[0] < rate < _ORDINARY_RATE[1] else max(0.0, rate)

    def now(self) -> datetime:
        """The service's time now; our own while nothing was read yet."""
        if self._last is None:
            return self._now()
        at, service = self._last
        return service + timedelta(seconds=(self._monotonic() - at) * self.rate)

    @property
    def offset_s(self) -> float:
        """How far the service is ahead of this machine."""
        return (self.now() - self._now()).total_seconds()
