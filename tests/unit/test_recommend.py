"""Which point is recommended, and what is said for and against it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from azure_ops.model import (
    Disk,
    PointDisk,
    PointSource,
    PointTier,
    RecoveryPoint,
    RestoreTime,
    Threat,
)
from azure_ops.recommend import Advice, recommend

NOW = datetime(2026, 8, 22, 14, 0, tzinfo=UTC)
DISKS = (Disk(id="/d/os", name="os"), Disk(id="/d/data", name="data", lun=0))
BOTH = (PointDisk(name="os"), PointDisk(name="data", lun=0))
TIMES = (
    RestoreTime(action="restore-disks", tier="InstantRP", median_s=80, runs=3),
    RestoreTime(action="restore-vm", tier="HardenedRP", median_s=1800, runs=2),
    RestoreTime(action="restore-disks", tier="secondary", median_s=1800, runs=2),
    RestoreTime(action="failover", tier="", median_s=240, runs=1),
)


def tiers(words: str) -> tuple[PointTier, ...]:
    """Valid unless another status follows a colon."""
    pairs = (word.partition(":") for word in words.split())
    return tuple(PointTier(name=name, status=status or "Valid") for name, _, status in pairs)


def backup(name: str, hours: float, tier: str = "InstantRP HardenedRP", **more: Any) -> RecoveryPoint:
    facts: dict[str, Any] = {"consistency": "AppConsistent", "disks": BOTH, "tiers": tiers(tier), **more}
    return RecoveryPoint(
        id=f"/points/{name}",
        name=name,
        source=PointSource.BACKUP,
        taken_at=NOW - timedelta(hours=hours),
        **facts,
    )


def replicated(name: str, hours: float, consistency: str = "CrashConsistent", **more: Any) -> RecoveryPoint:
    return RecoveryPoint(
        id=f"/asr/{name}",
        name=name,
        source=PointSource.REPLICATION,
        taken_at=NOW - timedelta(hours=hours),
        consistency=consistency,
        **more,
    )


def snapshot(name: str, hours: float, disk: str = "os") -> RecoveryPoint:
    lun = None if disk == "os" else 0
    return RecoveryPoint(
        id=f"/snapshots/{name}",
        name=name,
        source=PointSource.SNAPSHOT,
        taken_at=NOW - timedelta(hours=hours),
        consistency="CrashConsistent",
        disks=(PointDisk(name=disk, lun=lun),),
    )


def advise(*points: RecoveryPoint, ago_h: float = 4, **more: Any) -> Advice:
    facts: dict[str, Any] = {"times": TIMES, "disks": DISKS, **more}
    disks = facts.pop("disks")
    return recommend(NOW - timedelta(hours=ago_h), points, disks, now=NOW, **facts)


THREAT = {"threat": "UnHealthy", "threats": (Threat(title="Ransomware"),)}
GOOD, OLDER = backup("good", 10), backup("older", 34)


@pytest.mark.parametrize(
    ("points", "chosen"),
    [
        pytest.param((OLDER, GOOD), "good", id="the nearest before the incident"),
        pytest.param((OLDER, GOOD, backup("after", 3)), "good", id="never one after it"),
        pytest.param((GOOD, backup("crash", 9.5, consistency="CrashConsistent")), "good",
                     id="half an hour is not worth a crash-consistent point"),
        pytest.param((OLDER, backup("crash", 5, consistency="CrashConsistent")), "crash", id="a day is"),
        pytest.param((GOOD, backup("fs", 9.9, consistency="FileSystemConsistent")), "good",
                     id="app-consistent before file-system-consistent"),
        pytest.param((GOOD, backup("untold", 9.5, consistency="")), "good", id="untold is the worst"),
        pytest.param((OLDER, backup("bad", 10, **THREAT)), "older", id="a day for a clean point"),
        pytest.param((backup("month", 30 * 24), backup("bad", 10, **THREAT)), "bad", id="not a month"),
        pytest.param((GOOD, backup("warned", 5, threat="Warning")), "good", id="some hours for a warning"),
        pytest.param((OLDER, backup("half", 10, disks=BOTH[:1])), "older", id="a day for a missing disk"),
        pytest.param((OLDER, backup("half", 10, disks=(), disks_included=1)), "older", id="also by number"),
        pytest.param((OLDER, backup("archived", 10, "ArchivedRP")), "older",
                     id="a day of data before a rehydration"),
        pytest.param((backup("month", 30 * 24), backup("archived", 10, "HardenedRP:Deleted ArchivedRP")),
                     "archived", id="but not a month"),
        pytest.param((backup("back", 10, "ArchivedRP:Rehydrated"), OLDER), "back", id="rehydrated"),
        pytest.param((OLDER, backup("gone", 10, "InstantRP:Deleted")), "older", id="no tier holds it"),
        pytest.param((OLDER, backup("late", 10, expires_at=NOW)), "older", id="expired"),
        pytest.param((OLDER, backup("soft", 10, soft_deleted=True)), "older", id="soft-deleted"),
        pytest.param((GOOD, backup("soon", 9.5, expires_at=NOW + timedelta(hours=2))), "good",
                     id="half an hour for one that does not expire at once"),
        pytest.param((GOOD, replicated("asr", 4.1)), "asr", id="hours of data for a failover"),
        pytest.param((backup("close", 4.5), replicated("asr", 4.1)), "close", id="not for half an hour"),
        pytest.param((OLDER, backup("bad", 10, **THREAT), replicated("asr", 4.1)), "older",
                     id="replication carries the trouble along"),
        pytest.param((backup("clean", 10, threat="Healthy"), replicated("asr", 4.1)), "asr",
                     id="or the all-clear"),
        pytest.param((backup("b", 12), snapshot("os1", 4.2), snapshot("data1", 4.21, "data")), "os1",
                     id="snapshots of all disks together"),
        pytest.param((GOOD, snapshot("os1", 4.2)), "good", id="one disk is not a machine"),
        pytest.param((GOOD, backup("copy", 10, "HardenedRP", secondary=True, region="northeurope")), "good",
                     id="at home before the other region"),
    ],
)  # fmt: skip
def test_the_recommended_point(points: tuple[RecoveryPoint, ...], chosen: str) -> None:
    for given in (points, tuple(reversed(points))):
        advice = advise(*given)
        assert advice.chosen is not None
        assert advice.chosen.point.name == chosen


def test_it_gives_its_reasons_and_what_is_lost() -> None:
    advice = advise(backup("b", 10, threat="Healthy", immutable=True))
    assert advice.chosen is not None
    assert advice.chosen.reasons == (
        "6h before the incident",
        "app-consistent",
        "a restore from the snapshot takes about 1m 20s (3 runs here)",
        "holds all 2 disks",
        "no alert about the VM when it was taken",
        "immutable: nobody can have tampered with its life",
    )
    assert advice.chosen.losses == ("what was written in the 6h before the incident, and in the 4h since",)


def test_every_fault_of_a_point_is_told() -> None:
    bad = backup(
        "bad", 10, "HardenedRP", consistency="CrashConsistent", disks=(PointDisk(name="old-os"),),
        expires_at=NOW + timedelta(hours=3), secondary=True, region="northeurope", **THREAT,
    )  # fmt: skip
    advice = advise(bad, ago_h=0)
    assert advice.chosen is not None
    told = "\n".join(advice.chosen.losses)
    for words in (
        "in the 10h before the incident", "power cut", "not in it: data (LUN 0)",
        "OS disk is old-os, now it is os", "Ransomware", "expires in 3h",
        "the restored machine is in northeurope",
    ):  # fmt: skip
        assert words in told
    assert "since" not in told
    assert any("about 30m (2 runs here)" in reason for reason in advice.chosen.reasons)


def test_without_a_history_the_figure_is_named_as_somebody_elses() -> None:
    advice = advise(GOOD, times=())
    assert advice.chosen is not None
    assert any(
        "as recorded of small VMs elsewhere; none was done here yet" in r for r in advice.chosen.reasons
    )
    failover = advise(replicated("asr", 5), times=()).chosen
    assert failover is not None
    assert not any("takes" in reason for reason in failover.reasons)


def test_alternatives_are_different_each_for_a_reason() -> None:
    points = [
        backup("a", 10), backup("b", 34), backup("c", 58), replicated("r1", 4.1),
        replicated("r2", 6, "ApplicationConsistent"), snapshot("os1", 30),
        backup("v", 10, "HardenedRP", secondary=True, region="northeurope"),
    ]  # fmt: skip
    advice = advise(*points)
    assert advice.chosen is not None
    assert len(advice.alternatives) == 3
    names = [advice.chosen.point.id, *(one.point.id for one in advice.alternatives)]
    assert len(set(names)) == 4
    assert all(one.instead for one in advice.alternatives)
    assert PointSource.BACKUP in {one.point.source for one in advice.alternatives}


def test_restores_in_the_other_region_are_timed_by_themselves() -> None:
    times = (RestoreTime(action="restore-disks", tier="secondary", median_s=1500, runs=1),)
    at_home = advise(backup("b", 10, "HardenedRP"), times=times).chosen
    away = advise(backup("c", 10, "HardenedRP", secondary=True, region="northeurope"), times=times).chosen
    assert at_home is not None
    assert away is not None
    assert not any("25m" in reason for reason in at_home.reasons)
    assert any("about 25m (1 run here)" in reason for reason in away.reasons)


def test_a_point_that_only_its_snapshot_holds_says_so() -> None:
    for tier, said in (("InstantRP", True), ("InstantRP HardenedRP", False), ("HardenedRP", False)):
        chosen = advise(backup("b", 10, tier)).chosen
        assert chosen is not None
        assert any("only its snapshot" in loss for loss in chosen.losses) is said


def instead(advice: Advice) -> dict[str, str]:
    return {one.point.name: one.instead for one in advice.alternatives}


def test_who_wants_to_lose_less_is_shown_the_point_that_loses_least() -> None:
    """Not one that is a few minutes nearer and as old for all practical purposes."""
    advice = advise(
        backup("fs", 5.7, consistency="FileSystemConsistent"),
        replicated("app", 5.6, "ApplicationConsistent"), replicated("late", 4.2),
        backup("bad", 4.1, **THREAT),
    )  # fmt: skip
    assert advice.chosen is not None
    assert advice.chosen.point.name == "fs"
    assert instead(advice)["late"] == "nearest to the incident: least is lost"
    assert instead(advice)["app"] == "another way back"


def test_disks_attached_by_hand_are_not_sooner_back() -> None:
    advice = advise(backup("b", 5), snapshot("os1", 30), snapshot("data1", 30, "data"))
    assert instead(advice) == {"os1": "another way back"}


@pytest.mark.parametrize(
    ("points", "told"),
    [
        ((), "no point of this VM at all"),
        ((backup("after", 1),), "Every point was taken after the incident"),
        ((backup("gone", 10, "InstantRP:Deleted"), backup("after", 1)), "No point before the incident"),
    ],
)  # fmt: skip
def test_when_there_is_nothing_it_says_why(points: tuple[RecoveryPoint, ...], told: str) -> None:
    advice = advise(*points)
    assert advice.chosen is None
    assert advice.alternatives == ()
    assert told in advice.problem
    assert sum(int(line.split()[0]) for line in advice.left_out) == len(points)


def test_a_failover_that_is_not_possible_is_not_recommended() -> None:
    advice = advise(GOOD, replicated("asr", 4.1), failover=False)
    assert advice.chosen is not None
    assert advice.chosen.point.name == "good"
    assert advice.left_out == ("1 point: a failover is not possible now",)


@pytest.mark.parametrize(
    ("others", "names"),
    [
        ((backup("close", 10.1), backup("day", 35)), ["day"]),
        ((backup("close", 10.1), backup("hours", 20)), []),
        (
            (backup("close", 10.1), backup("day", 35), backup("near day", 36), backup("days", 60)),
            ["day", "days"],
        ),
        ((backup("close", 10.1), backup("other", 10.2, consistency="FileSystemConsistent")), ["other"]),
        ((backup("close", 10.1), backup("vault", 10.2, "HardenedRP")), ["vault"]),
    ],
    ids=["a day", "hours", "a day from each other", "another consistency", "another tier"],
)
def test_further_back_is_a_day_or_another_kind_of_point(
    others: tuple[RecoveryPoint, ...], names: list[str]
) -> None:
    advice = advise(backup("chosen", 10), *others)
    assert advice.chosen is not None
    assert advice.chosen.point.name == "chosen"
    assert [name for name, why in instead(advice).items() if "further back" in why] == names
