"""The spellings of times and durations that Compute and Backup use besides the plain `wire_time`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

NOT_YET = "0001-01-01T00:00:00"
"""Backup's end of what has not ended; without a zone."""
NEVER_BACKED_UP = "2001-01-01T00:00:00Z"


def compute_time(at: datetime) -> str:
    """Compute prints an offset instead of Z: `2025-08-22T09:00:31.8108040+00:00`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0+00:00"


def agent_time(at: datetime) -> str:
    """The guest agent reports whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def us_time(at: datetime) -> str:
    """`6/28/2025 12:00:00 AM`: the times inside a job's property bag."""
    at = at.astimezone(UTC)
    return f"{at.month}/{at.day}/{at.year} {at.hour % 12 or 12}:{at:%M:%S %p}"


def iso_duration(duration: timedelta) -> str:
    """`PT1H7M15.756885S`, `PT0S`; negative ones count as none."""
    seconds = max(0.0, duration.total_seconds())
    days, seconds = divmod(seconds, 86400)
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    text = f"P{int(days)}D" if days else "P"
    time = f"{int(hours)}H" * bool(hours) + f"{int(minutes)}M" * bool(minutes)
    if seconds or not (days or time):
        time += f"{seconds:.6f}".rstrip("0").rstrip(".") + "S"
    return text + ("T" + time if time else "")


def dotnet_ticks(at: datetime) -> int:
    """The `t` that the services put into the URLs of their long-running operations."""
    return int((at - datetime(1, 1, 1, tzinfo=UTC)).total_seconds() * 10_000_000)
