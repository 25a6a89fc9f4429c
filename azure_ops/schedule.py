"""Where a policy's schedule promises recovery points, and where none are: gaps. Pure.

A policy in UTC promises moments. Of a policy in another zone only the distance between its runs is reckoned
with: policies name Windows zones, whose hours are not known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from .backup_policies import BackupPolicy
from .model import Gap, PointSource, RecoveryPoint

DAY = timedelta(days=1)
GRACE = timedelta(hours=3)
"""A backup that was due so lately may be running, or waiting for its turn."""
MOST_DAYS = 366
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def gaps(policy: BackupPolicy, points: Iterable[RecoveryPoint], now: datetime) -> tuple[Gap, ...]:
    """Newest first. Nothing is promised before the oldest point that is there, nor for longer than the policy
    keeps the points of its schedule: what is older has been thinned out rightly. Any backup point counts,
    also one made by hand."""
    taken = sorted(
        point.taken_at for point in points if point.source is PointSource.BACKUP and not point.secondary
    )
    if not taken:
        return ()
    since = max(taken[0], now - timedelta(days=min(_kept_days(policy), MOST_DAYS)))
    if policy.time_zone.upper() in ("", "UTC") and policy.run_at:
        found = _by_moments(_promised(policy, since, now), taken, now)
    else:
        found = _by_distance(_period(policy), [at for at in taken if at >= since], now)
    return tuple(sorted(found, key=lambda gap: gap.taken_at, reverse=True))


def _kept_days(policy: BackupPolicy) -> int:
    """So long every run of the schedule is kept; a longer rule keeps some of them only."""
    return min((rule.days for rule in policy.retention), default=policy.instant_days or 1)


def _period(policy: BackupPolicy) -> timedelta:
    """The longest time between two runs."""
    if policy.frequency == "Weekly":
        days = sorted(_weekday(name) for name in policy.run_on) or [0]
        return timedelta(days=max((b - a for a, b in zip(days, [*days[1:], days[0] + 7], strict=True))))
    return DAY


def _weekday(name: str) -> int:
    return _WEEKDAYS.index(name.lower()) if name.lower() in _WEEKDAYS else 0


def _promised(policy: BackupPolicy, since: datetime, now: datetime) -> list[datetime]:
    """Moments of the schedule from `since` on, oldest first."""
    due: list[datetime] = []
    day = since.replace(hour=0, minute=0, second=0, microsecond=0) - DAY
    weekdays = {_weekday(name) for name in policy.run_on} if policy.frequency == "Weekly" else set(range(7))
    while day <= now:
        if day.weekday() in weekdays:
            due += [at for clock in policy.run_at for at in _runs(policy, day, clock, now)]
        day += DAY
    return sorted({at for at in due if since <= at <= now})


def _runs(policy: BackupPolicy, day: datetime, clock: str, now: datetime) -> list[datetime]:
    """Of an hourly schedule only one point a day outlives the snapshots."""
    hour, _, minute = clock.partition(":")
    if not (hour.isdigit() and minute.isdigit()):
        return []
    start = day + timedelta(hours=int(hour), minutes=int(minute))
    if policy.frequency != "Hourly" or policy.interval_h <= 0:
        return [start]
    if now - start > timedelta(days=max(policy.instant_days - 1, 0)):
        return [start]
    return [
        start + timedelta(hours=passed) for passed in range(0, max(policy.window_h, 1), policy.interval_h)
    ]


def _by_moments(due: Sequence[datetime], taken: Sequence[datetime], now: datetime) -> list[Gap]:
    """Each promised moment is kept by a point before the next one."""
    found: list[Gap] = []
    run: list[datetime] = []
    index = 0
    for number, at in enumerate(due):
        until = due[number + 1] if number + 1 < len(due) else now
        while index < len(taken) and taken[index] < at:
            index += 1
        if index < len(taken) and taken[index] <= until:
            found += _gap(run)
            run = []
        elif at <= now - GRACE:
            run.append(at)
    return [*found, *_gap(run)]


def _gap(run: Sequence[datetime]) -> list[Gap]:
    if not run:
        return []
    return [Gap(id=f"gap:{run[0]:%Y%m%dT%H%M}", since=run[0], taken_at=run[-1], missing=len(run))]


def _by_distance(period: timedelta, taken: Sequence[datetime], now: datetime) -> list[Gap]:
    """Runs are missing where two points lie further apart than one and a half periods."""
    found: list[Gap] = []
    ends = [*taken[1:], now - GRACE]
    for before, after in zip(taken, ends, strict=True):
        last = after is ends[-1]
        missing = int((after - before) / period) if last else round((after - before) / period) - 1
        if missing > 0:
            found += _gap([before + period * number for number in range(1, missing + 1)])
    return found
