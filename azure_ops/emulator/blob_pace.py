"""How fast page blobs answer: Azure's targets for one blob, and the line that a test wants."""

from __future__ import annotations

import msgspec

from .budgets import Bucket

MIB = 1 << 20
BEHIND_S = 4.0
"""A blob that has promised more than so many seconds of its bandwidth turns further requests away."""


class Line(msgspec.Struct, forbid_unknown_fields=True):
    """0 is no limit. The first two are Azure's targets for one page blob."""

    requests_per_s: float = 500.0
    mib_per_s: float = 60.0
    latency_ms: float = 0.0
    """Real milliseconds before each answer."""
    connection_mib_per_s: float = 0.0
    """Of one answer, whatever the others take."""

    def check(self) -> None:
        """Raises `ValueError`."""
        if min(self.requests_per_s, self.mib_per_s, self.latency_ms, self.connection_mib_per_s) < 0:
            raise ValueError("a line has no negative numbers")


class Pace:
    """Of one blob, in real time."""

    def __init__(self, line: Line, now_s: float) -> None:
        self._line = line
        self._requests: Bucket | None = None
        if line.requests_per_s:
            self._requests = Bucket(max(1, round(line.requests_per_s)), line.requests_per_s, now_s)
        self._free_at_s = now_s

    def refuses(self, now_s: float) -> str:
        """What is over the target, or nothing and one request less."""
        if self._line.mib_per_s and self._free_at_s - now_s > BEHIND_S:
            return "Egress is over the account limit."
        if self._requests is not None and self._requests.take(now_s):
            return "Operations per second is over the account limit."
        return ""

    def book(self, length: int, now_s: float) -> float:
        """The seconds to wait before so many bytes may leave."""
        if not self._line.mib_per_s:
            return 0.0
        wait_s = max(0.0, self._free_at_s - now_s)
        self._free_at_s = now_s + wait_s + length / (self._line.mib_per_s * MIB)
        return wait_s


class Paces:
    """The pace of each blob that is being read, and the line they share."""

    def __init__(self, *, throttle: bool) -> None:
        self.line = Line() if throttle else Line(requests_per_s=0, mib_per_s=0)
        self._paces: dict[str, Pace] = {}

    def change(self, line: Line) -> None:
        line.check()
        self.line = line
        self._paces.clear()

    def of(self, blob: str, now_s: float) -> Pace:
        if blob not in self._paces:
            self._paces[blob] = Pace(self.line, now_s)
        return self._paces[blob]
