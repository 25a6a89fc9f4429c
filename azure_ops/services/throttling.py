"""What the service said is left of its budgets, per action, and what of it is kept for the user's keys. Pure;
the transport feeds it and asks it, `pace` asks it.

Recovery Services counts reads per action and hour and says so in
`x-ms-ratelimit-remaining-subscription-resource-requests`; Resource Graph counts queries per five seconds.
A 429 may come without `Retry-After`: then the seconds stand only in its text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import monotonic, time

_AGAIN_AFTER = re.compile(r"try again after '?(\d+(?:\.\d+)?)'? second", re.IGNORECASE)
_PER_ACTION = "x-ms-ratelimit-remaining-subscription-resource-requests"
_GRAPH_LEFT = "x-ms-user-quota-remaining"
_GRAPH_RESETS = "x-ms-user-quota-resets-after"
_COMPUTE = "x-ms-ratelimit-remaining-resource"
_GENERAL = (
    "x-ms-ratelimit-remaining-subscription-reads",
    "x-ms-ratelimit-remaining-subscription-writes",
    "x-ms-ratelimit-remaining-subscription-deletes",
)
WINDOW_S = 3600.0
"""Of the per-action budget, as the recorded 429 names it."""
UNSAID_S = 30.0
"""Held off after a 429 that does not say how long."""
KEPT = "KeptForKeys"
"""Code of a read that was not sent because what is left of its budget is for the user's keys."""
TIGHTEST = 150
"""The smallest hourly budget that was seen: shares are counted of no less."""
POLLING_LEAVES = 1 / 4
"""Of an hourly budget, for keys and for what was started: polling what is on screen stops there."""
LOOKING_LEAVES = 1 / 16
"""For keys alone: looking at a row and following an own operation stop there."""
LOOK_AGAIN_S = WINDOW_S / 6
"""Nobody says when the hour of a budget ends: after so long one read asks what is left now."""

_leaves: ContextVar[float] = ContextVar("leaves", default=0.0)


@contextmanager
def leaving(share: float) -> Iterator[None]:
    """Reads in here, and in tasks begun in here, leave this share of each hourly budget alone. What a key
    asks for is read outside of it."""
    before = _leaves.set(share)
    try:
        yield
    finally:
        _leaves.reset(before)


@dataclass(slots=True)
class _Account:
    remaining: int | None = None
    read_at: float = 0.0
    closed_until: float = 0.0
    most: int | None = None
    """Of an hourly budget: the most that was ever left."""


class Budget:
    """Accounts are kept per action and scope: a vault, else a subscription, else empty."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._accounts: dict[tuple[str, str], _Account] = {}

    def learn(
        self, action: str, scope: str, status: int, headers: Mapping[str, str], body_text: str = ""
    ) -> None:
        account = self._accounts.setdefault((action.lower(), scope.lower()), _Account())
        now = self._clock()
        if (left := _int(headers.get(_PER_ACTION))) is not None:
            account.remaining, account.read_at = left, now
            account.most = max(left, account.most or 0)
        elif (left := _int(headers.get(_GRAPH_LEFT))) is not None:
            account.remaining, account.read_at = left, now
            if left <= 0:
                resets = _clock_text_s(headers.get(_GRAPH_RESETS)) or 5.0
                account.closed_until = max(account.closed_until, now + resets)
        if status == 429:
            account.closed_until = now + (retry_after_s(headers, body_text) or UNSAID_S)
        elif status < 400 and account.remaining:
            account.closed_until = 0.0

    def hold_off_s(self, action: str, scope: str = "") -> float:
        """Seconds until this action may be asked for again; 0 when it may now.

        Without a scope: the longest wait of this action anywhere."""
        now = self._clock()
        waits = [account.closed_until - now for account in self._of(action, scope)]
        return max(0.0, *waits) if waits else 0.0

    def kept(self, action: str, scope: str, rate: float = 1.0) -> tuple[int, float] | None:
        """How many reads of this action are left alone here, and for how many seconds at least; None when one
        may be sent. `rate` is how fast the service's clock runs."""
        account = self._accounts.get((action.lower(), scope.lower()))
        share = _leaves.get()
        if not share or account is None or account.most is None or account.remaining is None:
            return None
        left_alone = int(share * max(account.most, TIGHTEST))
        wait_s = account.read_at + LOOK_AGAIN_S / max(1.0, rate) - self._clock()
        return (account.remaining, wait_s) if account.remaining <= left_alone and wait_s > 0 else None

    def remaining(self, action: str, scope: str = "") -> int | None:
        """The least that is left, None while the service has not said."""
        left = [account.remaining for account in self._of(action, scope) if account.remaining is not None]
        return min(left) if left else None

    def spacing_s(self, action: str, scope: str = "", floor_s: float = 0.0) -> float:
        """How far apart reads of this action may lie so that what is left lasts the hour; at least `floor_s`.

        Half of the budget is left to others: consoles, scripts and the portal draw on the same one."""
        left = self.remaining(action, scope)
        if left is None:
            return floor_s
        return max(floor_s, self.hold_off_s(action, scope), WINDOW_S / max(1.0, left / 2))

    def lines(self) -> list[tuple[str, str, int | None, float]]:
        """(action, scope, remaining, seconds to hold off), for `doctor`."""
        now = self._clock()
        return [
            (action, scope, account.remaining, max(0.0, account.closed_until - now))
            for (action, scope), account in sorted(self._accounts.items())
        ]

    def _of(self, action: str, scope: str) -> list[_Account]:
        wanted = action.lower()
        if scope:
            account = self._accounts.get((wanted, scope.lower()))
            return [account] if account else []
        return [account for (known, _), account in self._accounts.items() if known == wanted]


def retry_after_s(headers: Mapping[str, str], body_text: str = "") -> float | None:
    """From the header (seconds or a date), else from the text of the refusal."""
    for name, factor in (("Retry-After", 1.0), ("retry-after-ms", 0.001), ("x-ms-retry-after-ms", 0.001)):
        value = headers.get(name)
        if not value:
            continue
        try:
            return max(0.0, float(value) * factor)
        except ValueError:
            pass
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - time())
        except (TypeError, ValueError):
            continue
    found = _AGAIN_AFTER.search(body_text)
    return float(found[1]) if found else None


def remaining_text(headers: Mapping[str, str]) -> str:
    """What is left, in the fewest words, for the requests pane."""
    if (left := headers.get(_PER_ACTION)) is not None:
        return left[:12]
    if (left := headers.get(_GRAPH_LEFT)) is not None:
        return left[:12]
    if compute := headers.get(_COMPUTE):
        counts = [int(count) for count in re.findall(r";(\d+)", compute)]
        return str(min(counts)) if counts else ""
    return next((value[:12] for name in _GENERAL if (value := headers.get(name)) is not None), "")


def _int(value: str | None) -> int | None:
    try:
        return None if value is None else int(value)
    except ValueError:
        return None


def _clock_text_s(value: str | None) -> float | None:
    """`00:00:05`."""
    if not value:
        return None
    try:
        hours, minutes, seconds = value.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return None
