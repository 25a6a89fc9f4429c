"""Request budgets as Azure documents and records them, and the headers that tell what is left of them.

Budgets are counted in real time, as a client's bursts are; only the hourly windows of Recovery Services pass
with the world where that is faster, since they are there for the polling of jobs, which a fast clock makes
shorter. In memory only: a restart begins with full budgets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from .answers import Refusal
from .budgets import Bucket, Window, compute_budgets, recovery_services_limit
from .clock import Clock
from .routing import Principal

ARM_BUDGETS = {"reads": (250, 25.0), "writes": (200, 10.0), "deletes": (200, 10.0)}
"""Bucket and refill per second, per subscription and principal; all principals together have more."""
ALL_PRINCIPALS = 15
RESOURCE_GRAPH_QUERIES, RESOURCE_GRAPH_WINDOW_S = 15, 5.0
HOUR_S = 3600.0


@dataclass(slots=True)
class Spending:
    """What one request costs: the headers of its answer, and the refusal when a budget is used up."""

    headers: dict[str, str] = field(default_factory=dict)
    refusal: Refusal | None = None


class Throttle:
    def __init__(self, clock: Clock, enabled: bool, real_s: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._enabled = enabled
        self._real_s = real_s
        self._buckets: dict[tuple[str, ...], Bucket] = {}
        self._windows: dict[tuple[str, ...], Window] = {}
        self._hours_s = 0.0
        self._real_at_s = real_s()
        self._world_at = clock.now()

    def spend(self, principal: Principal, method: str, path: str, action: str) -> Spending:
        parts = path.lower().split("/")
        subscription = parts[2] if len(parts) > 2 and parts[1] == "subscriptions" else ""
        spending = Spending()
        if not self._enabled:
            return spending
        for refusal in self._charges(spending.headers, principal, method, path, subscription, action):
            if refusal is not None:
                refusal.headers.update(spending.headers)
                spending.refusal = refusal
                break
        return spending

    def _charges(
        self,
        headers: dict[str, str],
        principal: Principal,
        method: str,
        path: str,
        subscription: str,
        action: str,
    ) -> Iterator[Refusal | None]:
        provider = action.lower().partition("/")[0]
        yield self._arm(headers, principal, method, subscription)
        if provider == "microsoft.resourcegraph":
            yield self._resource_graph(headers, principal)
        elif provider == "microsoft.recoveryservices" and "/replication" not in action.lower():
            yield self._recovery_services(headers, subscription, action)
        elif provider == "microsoft.compute":
            yield self._compute(headers, method, path, subscription)

    def _arm(
        self, headers: dict[str, str], principal: Principal, method: str, subscription: str
    ) -> Refusal | None:
        kind = {"GET": "reads", "HEAD": "reads", "DELETE": "deletes"}.get(method, "writes")
        size, refill = ARM_BUDGETS[kind]
        scope = "subscription" if subscription else "tenant"
        own = self._bucket(("arm", kind, subscription, principal.object_id), size, refill)
        everybody = self._bucket(("arm", kind, subscription), size * ALL_PRINCIPALS, refill * ALL_PRINCIPALS)
        now = self._real_s()
        wait_s = max(own.take(now), everybody.take(now))
        headers[f"x-ms-ratelimit-remaining-{scope}-{kind}"] = str(own.left)
        if subscription:
            headers[f"x-ms-ratelimit-remaining-subscription-global-{kind}"] = str(everybody.left)
        if not wait_s:
            return None
        return Refusal(
            429,
            "SubscriptionRequestsThrottled",
            f"Number of '{kind[:-1]}' requests for subscription '{subscription}' actor "
            f"'{principal.object_id}' exceeded. Please try again after '{_whole(wait_s)}' seconds after "
            "additional tokens are available.",
            headers={"Retry-After": str(_whole(wait_s)), "x-ms-failure-cause": "gateway"},
        )

    def _recovery_services(self, headers: dict[str, str], subscription: str, action: str) -> Refusal | None:
        """Recorded: counted per action and hour, no `Retry-After`; only the text says how long to wait."""
        limit = recovery_services_limit(action)
        pace = max(1.0, self._clock.speed)
        window = self._window(("recovery", subscription, action.lower()), limit)
        wait_s = window.take(self._hourly_s(), HOUR_S)
        headers["x-ms-ratelimit-remaining-subscription-resource-requests"] = str(window.left)
        if not wait_s:
            return None
        return Refusal(
            429,
            "ResourceRequestsThrottled",
            f"Number of requests for action '{action}' exceeded the limit of '{limit}' for time interval "
            f"'01:00:00'. Please try again after '{_whole(wait_s / pace)}' seconds.",
            headers={"x-ms-failure-cause": "gateway"},
        )

    def _resource_graph(self, headers: dict[str, str], principal: Principal) -> Refusal | None:
        window = self._window(("graph", principal.object_id), RESOURCE_GRAPH_QUERIES)
        now = self._real_s()
        wait_s = window.take(now, RESOURCE_GRAPH_WINDOW_S)
        headers["x-ms-user-quota-remaining"] = str(window.left)
        headers["x-ms-user-quota-resets-after"] = f"00:00:{_whole(window.ends_in(now)):02d}"
        if not wait_s:
            return None
        return Refusal(
            429,
            "RateLimiting",
            "Please provide below info when asking for support: the time and the correlation id of this "
            "request.",
            headers={"Retry-After": str(_whole(wait_s))},
            extra={
                "details": [
                    {
                        "code": "RateLimiting",
                        "message": "Client application has been throttled and should not attempt to repeat "
                        "the request until an amount of time has elapsed. Please see "
                        "https://aka.ms/resourcegraph-throttling for help.",
                    }
                ]
            },
        )

    def _compute(self, headers: dict[str, str], method: str, path: str, subscription: str) -> Refusal | None:
        now, told, waits = self._real_s(), [], []
        resource = "/".join(path.lower().split("/")[:9])
        for budget in compute_budgets(method, path):
            bucket = self._bucket(
                ("compute", subscription, budget.family, resource if budget.per_resource else ""),
                budget.size,
                budget.size / budget.refilled_in_s,
            )
            waits.append((bucket.take(now), budget.family))
            told.append(f"Microsoft.Compute/{budget.family};{bucket.left}")
        if told:
            headers["x-ms-ratelimit-remaining-resource"] = ",".join(told)
        wait_s, family = max(waits, default=(0.0, ""))
        if not wait_s:
            return None
        return Refusal(
            429,
            "OperationNotAllowed",
            "The server rejected the request because too many requests have been received for this "
            "subscription.",
            headers={"Retry-After": str(_whole(wait_s))},
            extra={
                "details": [{"code": "TooManyRequests", "target": family, "message": "Too many requests."}]
            },
        )

    def _hourly_s(self) -> float:
        """Seconds on the time of the hourly windows: the faster of real and world time, step by step, so
        that a change of speed or a jump of the clock neither holds a window open nor turns it back."""
        real_at_s, world_at = self._real_s(), self._clock.now()
        self._hours_s += max(real_at_s - self._real_at_s, (world_at - self._world_at).total_seconds())
        self._real_at_s, self._world_at = real_at_s, world_at
        return self._hours_s

    def _bucket(self, key: tuple[str, ...], size: int, refill_per_s: float) -> Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(size, refill_per_s, self._real_s())
        return bucket

    def _window(self, key: tuple[str, ...], limit: int) -> Window:
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = Window(limit)
        return window


def _whole(seconds: float) -> int:
    return max(1, -int(-seconds // 1))
