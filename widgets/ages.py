"""Durations and moments in few cells, moments in UTC or in local time as chosen; ages are counted from the
service's clock."""

from __future__ import annotations

from contextvars import ContextVar
from datetime import UTC, datetime, tzinfo

_zone: ContextVar[tzinfo | None] = ContextVar("zone", default=UTC)
"""None is this machine's zone."""


def use_local_times() -> None:
    """For everything that starts from here: called before the app runs."""
    _zone.set(None)


def zone() -> tzinfo | None:
    """The zone that times are shown in; None is this machine's."""
    return _zone.get()


def zone_name() -> str:
    return "UTC" if _zone.get() is UTC else "local"


def here(at: datetime) -> datetime:
    return at.astimezone(_zone.get())


def seconds_between(earlier: datetime | None, later: datetime) -> float | None:
    """None when there is no earlier moment; never below zero, clocks differ a little."""
    return None if earlier is None else max((later - earlier).total_seconds(), 0.0)


def age(seconds: float | None) -> str:
    """`<1m`, `41m`, `2h 03m`, `26h`, `12d`: changes at most once a minute."""
    if seconds is None:
        return "none"
    minutes = int(seconds // 60)
    if minutes < 1:
        return "<1m"
    if minutes < 60:
        return f"{minutes}m"
    if minutes < 600:
        return f"{minutes // 60}h {minutes % 60:02}m"
    if minutes < 48 * 60:
        return f"{minutes // 60}h"
    return f"{minutes // 1440}d"


def elapsed(seconds: float | None) -> str:
    """`45s`, `2m11s`, `1h02m`, `26h`: for something that runs."""
    if seconds is None:
        return ""
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 36000:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 3600}h"


def until(seconds: float) -> str:
    """Time left before something expires: `in 3d`, `in 5h`, or `expired`."""
    return "expired" if seconds <= 0 else f"in {age(seconds)}"


def moment(at: datetime | None) -> str:
    return "" if at is None else f"{here(at):%Y-%m-%d %H:%M}"


def clock(at: datetime) -> str:
    return f"{here(at):%H:%M:%S}"
