"""When an incident began, as people type it. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

from .errors import Refused

_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(m|min|mins|minutes?|h|hours?|d|days?)(?:\s+ago)?", re.I)
_DAY_WORD = re.compile(r"(today|yesterday)\s+(?:at\s+)?(\d{1,2}:\d{2}(?::\d{2})?)", re.I)
_CLOCK = re.compile(r"\d{1,2}:\d{2}(?::\d{2})?")
_UNITS = {"m": 60.0, "h": 3600.0, "d": 86400.0}
_FORMATS = (
    "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%Y/%m/%d %H:%M",
    "%d %b %Y %H:%M", "%d %B %Y %H:%M",
)  # fmt: skip
FORMATS_SAID = "now, 09:40, yesterday 22:15, 2026-08-22 09:40, 2026-08-22T09:40Z, 90 min ago, 2 d ago"


def parse_incident(said: str, now: datetime, zone: tzinfo | None = UTC) -> datetime:
    """Aware UTC. A time without a zone is in `zone`, None being this machine's. Raises Refused."""
    words = " ".join(said.split())
    found = _moment(words, now, zone)
    if found is None:
        shown = f"{words[:40]!r} is no time" if words else "No time was given"
        raise Refused(f"{shown}.", f"Type one like: {FORMATS_SAID}.")
    if found > now + timedelta(minutes=1):
        raise Refused(f"{found:%Y-%m-%d %H:%M} UTC lies in the future.", "When was it, at the latest?")
    return min(found, now)


def _moment(words: str, now: datetime, zone: tzinfo | None) -> datetime | None:
    lowered = words.lower()
    if lowered == "now":
        return now
    if match := _AGO.fullmatch(lowered):
        return _back(now, float(match[1]) * _UNITS[match[2][0]])
    if match := _DAY_WORD.fullmatch(lowered):
        days = 1 if match[1].lower() == "yesterday" else 0
        return _at_clock(match[2], now.astimezone(zone) - timedelta(days=days))
    if _CLOCK.fullmatch(lowered):
        today = _at_clock(lowered, now.astimezone(zone))
        return today - timedelta(days=1) if today is not None and today > now else today
    return _written(words, zone)


def _back(now: datetime, seconds: float) -> datetime | None:
    try:
        return now - timedelta(seconds=seconds)
    except OverflowError:
        return None


def _at_clock(clock: str, day: datetime) -> datetime | None:
    hour, minute, second = (int(part) for part in [*clock.split(":"), "0"][:3])
    try:
        return day.replace(hour=hour, minute=minute, second=second, microsecond=0).astimezone(UTC)
    except ValueError:
        return None


def _written(words: str, zone: tzinfo | None) -> datetime | None:
    """A date alone is no time: it would be anybody's guess which end of the day is meant."""
    utc = re.fullmatch(r"(.+?)\s*(?:UTC|Z)", words, re.I)
    bare = utc[1] if utc else words
    if ":" not in bare:
        return None
    try:
        found = datetime.fromisoformat(bare)
    except ValueError:
        read = next((one for form in _FORMATS if (one := _by_format(bare, form))), None)
        if read is None:
            return None
        found = read
    try:
        if found.tzinfo is None:
            found = found.replace(tzinfo=UTC) if utc else _in_zone(found, zone)
        return found.astimezone(UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _by_format(words: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(words, form)
    except ValueError:
        return None


def _in_zone(found: datetime, zone: tzinfo | None) -> datetime:
    return found.astimezone() if zone is None else found.replace(tzinfo=zone)
