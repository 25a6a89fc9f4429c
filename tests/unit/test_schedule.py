"""Gaps: where a policy's schedule promised points that are not there."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from azure_ops.backup_policies import BackupPolicy, Retention
from azure_ops.model import PointSource, RecoveryPoint
from azure_ops.schedule import gaps

NOW = datetime(2026, 8, 22, 14, 0, tzinfo=UTC)  # a Saturday
DAILY: dict[str, Any] = {"frequency": "Daily", "run_at": ("12:00",), "time_zone": "UTC"}
HOURLY: dict[str, Any] = {
    "frequency": "Hourly", "run_at": ("06:00",), "time_zone": "UTC", "interval_h": 4, "window_h": 12,
    "instant_days": 2,
}  # fmt: skip
WEEKLY: dict[str, Any] = {
    "frequency": "Weekly", "run_on": ("Monday", "Thursday"), "run_at": ("22:00",), "time_zone": "UTC"
}  # fmt: skip


def policy(facts: dict[str, Any], days: int = 30) -> BackupPolicy:
    return BackupPolicy(
        id="p", name="p", retention=(Retention(rule="daily", count=days, unit="Days"),), **facts
    )


def points(*taken: str | datetime, **more: Any) -> list[RecoveryPoint]:
    """`08-21 12:05` is in August 2026."""
    found = [
        at if isinstance(at, datetime) else datetime.strptime(f"2026-{at}+0000", "%Y-%m-%d %H:%M%z")
        for at in taken
    ]
    facts: dict[str, Any] = {"source": PointSource.BACKUP, **more}
    return [RecoveryPoint(id=f"{at}", name="1", taken_at=at, **facts) for at in found]


def told(policy_: BackupPolicy, given: Iterable[RecoveryPoint], now: datetime = NOW) -> list[str]:
    """`first due > last due: how many`."""
    return [
        f"{gap.since:%m-%d %H:%M} > {gap.taken_at:%m-%d %H:%M}: {gap.missing}"
        for gap in gaps(policy_, given, now)
    ]


@pytest.mark.parametrize(
    ("facts", "taken", "wanted"),
    [
        (DAILY, ("08-19 12:10", "08-20 12:31", "08-21 12:05", "08-22 12:20"), []),
        (DAILY, ("08-19 12:10", "08-20 12:31", "08-21 12:05"), []),  # today's may still come
        (DAILY, ("08-18 12:10", "08-21 12:05", "08-22 12:20"), ["08-19 12:00 > 08-20 12:00: 2"]),
        (
            DAILY,
            ("08-16 12:10", "08-18 12:10", "08-20 12:05", "08-22 12:20"),
            ["08-21 12:00 > 08-21 12:00: 1", "08-19 12:00 > 08-19 12:00: 1", "08-17 12:00 > 08-17 12:00: 1"],
        ),
        (DAILY, ("08-19 12:10",), ["08-20 12:00 > 08-21 12:00: 2"]),
        (DAILY, ("08-19 12:10", "08-21 02:00", "08-22 12:20"), ["08-21 12:00 > 08-21 12:00: 1"]),  # by hand
        (DAILY, (), []),  # nothing was ever there: that is told elsewhere
        ({**DAILY, "run_at": ("nonsense",)}, ("08-01 12:10", "08-22 12:20"), []),
        (WEEKLY, ("08-13 22:10", "08-17 22:20", "08-20 22:20"), []),
        (WEEKLY, ("08-10 22:10", "08-20 22:20"), ["08-13 22:00 > 08-17 22:00: 2"]),
        # within the snapshots' days every run counts, before that one a day
        (HOURLY, ("08-19 06:10", "08-20 14:10", "08-21 06:05", "08-21 10:05", "08-21 14:05", "08-22 06:02",
                  "08-22 10:02"), []),
        (HOURLY, ("08-19 06:10", "08-20 14:10", "08-21 06:05", "08-21 14:05", "08-22 06:02"),
         ["08-22 10:00 > 08-22 10:00: 1"]),
        (HOURLY, ("08-17 06:10", "08-20 14:10", "08-21 14:05", "08-22 10:02"),
         ["08-22 06:00 > 08-22 06:00: 1", "08-18 06:00 > 08-19 06:00: 2"]),
    ],
)  # fmt: skip
def test_gaps(facts: dict[str, Any], taken: tuple[str, ...], wanted: list[str]) -> None:
    assert told(policy(facts), points(*taken)) == wanted


def test_what_the_policy_no_longer_keeps_is_no_gap() -> None:
    found = points("07-01 12:10", "08-10 12:10", "08-22 12:20")
    assert told(policy(DAILY, days=5), found) == ["08-18 12:00 > 08-21 12:00: 4"]
    with_yearly = BackupPolicy(
        id="p",
        name="p",
        **DAILY,
        retention=(
            Retention(rule="daily", count=5, unit="Days"),
            Retention(rule="yearly", count=7, unit="Years"),
        ),
    )
    assert told(with_yearly, found) == ["08-18 12:00 > 08-21 12:00: 4"]


def test_other_points_keep_no_promise() -> None:
    found = points("08-20 12:10", "08-22 12:20")
    for more in (
        {"source": PointSource.REPLICATION},
        {"source": PointSource.SNAPSHOT},
        {"secondary": True},
    ):
        assert told(policy(DAILY), [*found, *points("08-21 12:05", **more)]) == [
            "08-21 12:00 > 08-21 12:00: 1"
        ]
    assert told(policy(DAILY), [*found, *points("08-21 20:05")]) == []


@pytest.mark.parametrize(
    ("taken", "wanted"),
    [
        (("08-19 01:10", "08-20 01:31", "08-21 01:05", "08-22 01:20"), []),
        (("08-18 01:10", "08-21 01:05", "08-22 01:20"), [2]),
        (("08-18 01:10", "08-19 01:05"), [3]),
        (("08-19 01:10", "08-20 11:31", "08-21 03:05", "08-22 06:20"), []),
    ],
)
def test_in_another_zone_the_distance_between_points_counts(
    taken: tuple[str, ...], wanted: list[int]
) -> None:
    facts = {**DAILY, "time_zone": "W. Europe Standard Time"}
    assert [gap.missing for gap in gaps(policy(facts), points(*taken), NOW)] == wanted


def test_gaps_have_ids_of_their_own_and_stand_newest_first() -> None:
    found = gaps(policy(DAILY), points("08-16 12:10", "08-18 12:10", "08-22 12:20"), NOW)
    assert [gap.taken_at.day for gap in found] == [21, 17]
    assert len({gap.id for gap in found}) == 2
    assert all(gap.since <= gap.taken_at < NOW - timedelta(hours=3) for gap in found)
