"""When it began, as people type it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from azure_ops.errors import Refused
from azure_ops.incident_time import parse_incident

NOW = datetime(2026, 8, 22, 14, 0, tzinfo=UTC)
SUMMER = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("now", "22 14:00"), (" NOW ", "22 14:00"), ("10:30", "22 10:30"), ("9:05", "22 09:05"),
        ("15:30", "21 15:30"), ("10:30:59", "22 10:30"), ("today 10:30", "22 10:30"),
        ("yesterday 22:15", "21 22:15"), ("yesterday at 22:15", "21 22:15"), ("90 min ago", "22 12:30"),
        ("90m", "22 12:30"), ("2 hours ago", "22 12:00"), ("1.5h", "22 12:30"), ("2 d ago", "20 14:00"),
        ("2026-08-20 10:30", "20 10:30"), ("2026-08-20T10:30:00Z", "20 10:30"),
        ("2026-08-20 10:30 UTC", "20 10:30"),
        ("2026-08-20T10:30+02:00", "20 08:30"), ("20.08.2026 10:30", "20 10:30"),
        ("20 Aug 2026 10:30", "20 10:30"),
        ("2026/08/20 10:30", "20 10:30"), ("2026-08-22 14:00:30", "22 14:00"),
    ],
)  # fmt: skip
def test_many_ways_to_say_it(said: str, wanted: str) -> None:
    found = parse_incident(said, NOW)
    assert f"{found:%d %H:%M}" == wanted
    assert found.tzinfo is UTC
    assert found <= NOW


@pytest.mark.parametrize(
    ("said", "wanted"),
    [("12:30", "22 10:30"), ("2026-08-20 10:30", "20 08:30"), ("2026-08-20 10:30Z", "20 10:30"),
     ("yesterday 00:30", "20 22:30"), ("2h ago", "22 12:00")],
)  # fmt: skip
def test_times_are_meant_in_the_zone_that_is_shown(said: str, wanted: str) -> None:
    assert f"{parse_incident(said, NOW, SUMMER):%d %H:%M}" == wanted


@pytest.mark.parametrize(
    "said",
    ["", "   ", "junk", "25:00", "10:61", "2026-08-22", "22.08.2026", "2026-13-01 10:00", "yesterday", "-2h",
     "99999999999 d ago", "0001-01-01 00:00+14:00", "\x1b[31m10:30", "10:30; drop", "1e9 h"],
)  # fmt: skip
def test_what_is_no_time_is_told_with_a_way_to_say_it(said: str) -> None:
    with pytest.raises(Refused, match=r"(n|N)o time") as refusal:
        parse_incident(said, NOW)
    assert "90 min ago" in refusal.value.hint


@pytest.mark.parametrize("said", ["2026-08-22 14:05", "2027-01-01 00:00", "9999-12-31 23:59"])
def test_the_future_has_no_incidents(said: str) -> None:
    with pytest.raises(Refused, match="in the future"):
        parse_incident(said, NOW)
