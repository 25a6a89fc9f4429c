"""The two ways Azure counts requests, and the sizes of the budgets (from documentation and recordings)."""

from __future__ import annotations

import re
from dataclasses import dataclass


class Bucket:
    """Refilled steadily; a request takes one token."""

    def __init__(self, size: int, refill_per_s: float, now_s: float) -> None:
        self._size = size
        self._refill_per_s = refill_per_s
        self._tokens = float(size)
        self._at_s = now_s

    def take(self, now_s: float) -> float:
        """0.0 and one token less, or the seconds until there is one."""
        gained = max(0.0, now_s - self._at_s) * self._refill_per_s
        self._tokens = min(float(self._size), self._tokens + gained)
        self._at_s = now_s
        if self._tokens < 1:
            return (1 - self._tokens) / self._refill_per_s
        self._tokens -= 1
        return 0.0

    @property
    def left(self) -> int:
        return int(self._tokens)


class Window:
    """So many requests in a span that begins with the first one; then a new span."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._ends_s = float("-inf")

    def take(self, now_s: float, span_s: float) -> float:
        """0.0 and one request less, or the seconds until the span ends."""
        if now_s >= self._ends_s:
            self._used, self._ends_s = 0, now_s + span_s
        if self._used >= self._limit:
            return self.ends_in(now_s)
        self._used += 1
        return 0.0

    def ends_in(self, now_s: float) -> float:
        return self._ends_s - now_s

    @property
    def left(self) -> int:
        return self._limit - self._used


def recovery_services_limit(action: str) -> int:
    """Requests of one action in an hour; recorded in 2025 as the first number counted down from."""
    return {
        "microsoft.recoveryservices/vaults/backupjobs/read": 450,
        "microsoft.recoveryservices/vaults/delete": 200,
        "microsoft.recoveryservices/vaults/backupstorageconfig/read": 250,
    }.get(action.lower(), 300)


@dataclass(frozen=True, slots=True)
class ComputeBudget:
    """A family as `x-ms-ratelimit-remaining-resource` names it."""

    family: str
    size: int
    refilled_in_s: float
    per_resource: bool = False


def _windows(family: str, in_3_min: int, in_30_min: int) -> tuple[ComputeBudget, ...]:
    return (
        ComputeBudget(f"{family}3Min", in_3_min, 180.0),
        ComputeBudget(f"{family}30Min", in_30_min, 1800.0),
    )


def _machines(family: str, subscription: int, resource: int) -> tuple[ComputeBudget, ...]:
    """Virtual machines have a bucket for the subscription and one for each machine."""
    return (
        ComputeBudget(f"{family}SubscriptionMaximum", subscription, 180.0),
        ComputeBudget(f"{family}Resource", resource, 180.0, per_resource=True),
    )


_COMPUTE: tuple[tuple[str, str, tuple[ComputeBudget, ...]], ...] = (
    ("GET", "diskoperations/[^/]+", _windows("GetOperation", 50_000, 400_000)),
    ("GET", "operations/[^/]+", _machines("GetOperation", 15_000, 45)),
    ("GET", "(disks|snapshots)", _windows("HighCostGet", 240, 1_920)),
    ("GET", "(disks|snapshots)/[^/]+", _windows("LowCostGet", 15_000, 120_000)),
    ("DELETE", "(disks|snapshots)/[^/]+", _windows("DeleteDisks", 3_000, 24_000)),
    ("PUT", "disks/[^/]+", _windows("CreateUpdateDisks", 3_000, 25_000)),
    ("(PUT|PATCH)", "snapshots/[^/]+", _windows("HighCostSnapshotCreateHydrate", 1_000, 8_000)),
    ("POST", "snapshots/[^/]+/.*", _windows("HighCostSnapshotCreateHydrate", 1_000, 8_000)),
    ("POST", "disks/[^/]+/.*", _windows("HighCostDiskHydrate", 1_000, 8_000)),
    ("GET", "virtualmachines", (ComputeBudget("HighCostGetSubscriptionMaximum", 900, 180.0),)),
    ("GET", "virtualmachines/[^/]+(/.*)?", _machines("LowCostGet", 24_000, 36)),
    ("PUT", "virtualmachines/[^/]+", _machines("PutVM", 1_500, 12)),
    ("DELETE", "virtualmachines/[^/]+", _machines("DeleteVM", 1_500, 12)),
    ("POST", "virtualmachines/[^/]+/deallocate", _machines("DeleteVM", 1_500, 12)),
    ("(POST|PATCH)", "virtualmachines/[^/]+(/.*)?", _machines("UpdateVM", 1_500, 12)),
)
"""Method, path after `Microsoft.Compute/` (and its location), families: the first match counts."""


def compute_budgets(method: str, path: str) -> tuple[ComputeBudget, ...]:
    rest = re.sub(r"^locations/[^/]+/", "", path.lower().partition("/microsoft.compute/")[2]).rstrip("/")
    for methods, pattern, budgets in _COMPUTE:
        if re.fullmatch(methods, method) and re.fullmatch(pattern, rest):
            return budgets
    return ()
