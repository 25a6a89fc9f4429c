"""Backup policies, and what a vault does with what is deleted from it: facts, and what they mean in plain
words. Pure.

`services/` reads them, the actions and their forms speak of them; nothing here asks Azure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from .model import Fact, RecoveryPoint, Schedule

KINDS = {
    "V1": "standard (V1): at most one backup a day",
    "V2": "enhanced (V2): from it no way back to standard",
}
"""What each kind of policy brings with it."""
_DAYS = {"days": 1, "weeks": 7, "months": 30, "years": 365}
_WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
IMMUTABLE = ("unlocked", "locked")
"""States of a vault in which nothing may shorten the life of a point."""


class Retention(Fact, frozen=True, kw_only=True):
    rule: str
    """`daily`, `weekly`, `monthly` or `yearly`: which points it keeps."""
    count: int
    unit: str
    """`Days`, `Weeks`, `Months`, `Years`."""

    @property
    def days(self) -> int:
        """Months and years by the round number that is never longer than they are."""
        return self.count * _DAYS.get(self.unit.lower(), 1)


class BackupPolicy(Fact, frozen=True, kw_only=True):
    """A policy for virtual machines."""

    id: str
    name: str
    kind: str = "V1"
    """`V1` (standard: at most one backup a day) or `V2` (enhanced: up to every four hours)."""
    frequency: str = ""
    """`Hourly`, `Daily` or `Weekly`."""
    run_at: tuple[str, ...] = ()
    """`17:00`, in `time_zone`."""
    run_on: tuple[str, ...] = ()
    """Days of a weekly schedule."""
    interval_h: int = 0
    window_h: int = 0
    time_zone: str = ""
    instant_days: int = 0
    """So long each point's snapshot stays beside the disks: from it a restore takes minutes."""
    retention: tuple[Retention, ...] = ()
    items: int = 0
    """How many machines it protects."""

    @property
    def vault_id(self) -> str:
        return self.id.rsplit("/backupPolicies/", 1)[0]


class VaultSafety(Fact, frozen=True, kw_only=True):
    """What a vault says about deletion."""

    soft_delete: str = ""
    """`Enabled`, `AlwaysON`, `Disabled`, or empty when it is not told."""
    soft_delete_days: int = 14
    immutability: str = ""
    """`Unlocked`, `Locked`, `Disabled` or empty."""

    @property
    def immutable(self) -> bool:
        return self.immutability.lower() in IMMUTABLE

    @property
    def soft_delete_off(self) -> bool:
        return self.soft_delete.lower() == "disabled"


class Guard(Fact, frozen=True, kw_only=True):
    """The Resource Guard of a vault: a second pair of eyes for critical requests."""

    id: str = ""
    """Empty: there is none."""
    requests: dict[str, str] = msgspec.field(default_factory=dict)
    """By operation in lower case (`…/protectedItems/delete`): the guard's resource that a request must
    name."""

    def request_for(self, operation: str) -> str:
        return next((one for name, one in self.requests.items() if name.endswith(operation.lower())), "")


def meaning(policy: BackupPolicy) -> str:
    """Schedule, instant restore, retention and kind, on one line."""
    kind = KINDS.get(policy.kind, f"of kind {policy.kind}")
    instant = f"instant restore {_count(policy.instant_days, 'day')}" if policy.instant_days else ""
    return "; ".join(part for part in (_schedule(policy), instant, kept(policy), kind) if part)


def _schedule(policy: BackupPolicy) -> str:
    at = f" at {', '.join(policy.run_at)} {policy.time_zone}".rstrip() if policy.run_at else ""
    if policy.frequency == "Hourly":
        start = f" from {policy.run_at[0]} {policy.time_zone}".rstrip() if policy.run_at else ""
        return f"every {policy.interval_h} h{start} for {policy.window_h} h"
    if policy.frequency == "Weekly":
        return f"weekly on {', '.join(policy.run_on) or 'one day'}{at}"
    return f"daily{at}" if policy.frequency in ("Daily", "") else f"{policy.frequency.lower()}{at}"


def promise(policy: BackupPolicy) -> Schedule:
    """The longest time that passes between two backups when all goes as it says."""
    return Schedule(policy_id=policy.id, every_s=_longest_gap_h(policy) * 3600, words=_schedule(policy))


def _longest_gap_h(policy: BackupPolicy) -> int:
    if policy.frequency == "Hourly":
        # Outside its window nothing runs: the night is longer than the interval.
        return max(policy.interval_h, 24 - policy.window_h) if policy.window_h else policy.interval_h or 24
    if policy.frequency != "Weekly":
        return 24
    days = sorted(_WEEK.index(day.lower()) for day in policy.run_on if day.lower() in _WEEK)
    if len(days) < 2:
        return 7 * 24
    following = [*days[1:], days[0] + 7]
    return 24 * max(after - before for before, after in zip(days, following, strict=True))


def kept(policy: BackupPolicy) -> str:
    """`keeps daily points 30 days, yearly points 7 years`."""
    rules = [
        f"{one.rule} points {_count(one.count, one.unit.lower().rstrip('s'))}" for one in policy.retention
    ]
    return f"keeps {', '.join(rules)}" if rules else ""


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def shortest_days(policy: BackupPolicy) -> int | None:
    """After so long a point stays only where a longer rule holds it; None when no rule is known."""
    return min((one.days for one in policy.retention), default=None)


def keeps_less(after: BackupPolicy, before: BackupPolicy) -> bool:
    """Whether some rule of `before` is missing or shorter: then points are lost, and guards are asked."""
    days = {one.rule: one.days for one in after.retention}
    return any(days.get(one.rule, 0) < one.days for one in before.retention)


def loss_of_points(policy: BackupPolicy, points: Sequence[RecoveryPoint], now: datetime) -> str:
    """What this policy's retention does to the points that are there; empty when nothing."""
    days = shortest_days(policy)
    if days is None:
        return ""
    old = [point for point in points if now - point.taken_at > timedelta(days=days)]
    if not old:
        return ""
    count = f"{len(old)} of {_count(len(points), 'recovery point')} {'is' if len(old) == 1 else 'are'}"
    older = f"{count} older than the {days} days of {policy.name}"
    if len(policy.retention) == 1:
        return f"{older}: Azure removes what is older."
    return f"{older}: Azure keeps only what a longer rule of it holds."


def extent(points: Sequence[RecoveryPoint]) -> str:
    """`30 recovery points, 2026-07-24 to 2026-08-22`."""
    if not points:
        return "no recovery point"
    taken = sorted(point.taken_at for point in points)
    first, last = f"{taken[0]:%Y-%m-%d}", f"{taken[-1]:%Y-%m-%d}"
    return f"{_count(len(points), 'recovery point')}, " + (first if first == last else f"{first} to {last}")
