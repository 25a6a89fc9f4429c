"""Which points may hold another version, which volume is the same one, and two versions as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from azure_ops.file_model import FileEntry, FileVolume
from azure_ops.model import Plan, PlannedRequest, PointDisk, PointSource, PointTier, RecoveryPoint, Risk
from tui.file_compare import LONGEST_LINE, MOST_BYTES, MOST_LINES, compared
from tui.file_versions import candidates, judged, row_of, same_volume, together
from widgets.file_versions import VersionRow, VersionState, verdict

NOON = datetime(2026, 8, 22, 12, tzinfo=UTC)


def backup(name: str, hours: int, *tiers: str, status: str = "Valid") -> RecoveryPoint:
    held = tuple(PointTier(name=tier, status=status) for tier in tiers)
    at = NOON - timedelta(hours=hours)
    return RecoveryPoint(id=f"/p/{name}", name=name, source=PointSource.BACKUP, taken_at=at, tiers=held)


def snapshot(name: str, minutes: float, disk: str, lun: int | None = None) -> RecoveryPoint:
    at = NOON - timedelta(minutes=minutes)
    disks = (PointDisk(name=disk, lun=lun),)
    return RecoveryPoint(id=f"/s/{name}", name=name, source=PointSource.SNAPSHOT, taken_at=at, disks=disks)


def test_snapshots_of_one_moment_are_one_version() -> None:
    points = [
        snapshot("data-2", 0, "data", 0), snapshot("os-2", 1, "os"), snapshot("os-1", 300, "os"),
        snapshot("data-1", 301, "data", 0), snapshot("os-again", 302, "os"), backup("b", 2, "InstantRP"),
    ]  # fmt: skip
    own = "/s/os-2"
    found = [point.name for point in candidates(points, own)]
    assert found == ["os-2", "b", "os-1", "os-again"]
    assert "data-2" in [point.name for point in candidates(points, "/s/data-2")]


def test_what_nobody_can_read_is_no_version() -> None:
    at = NOON
    replica = RecoveryPoint(id="r", name="r", source=PointSource.REPLICATION, taken_at=at)
    away = RecoveryPoint(id="a", name="a", source=PointSource.BACKUP, taken_at=at, secondary=True)
    assert candidates([replica, away], "") == []


@pytest.mark.parametrize(
    ("point", "state", "words"),
    [
        (backup("s", 1, "InstantRP", "HardenedRP"), VersionState.UNREAD, "not read yet"),
        (backup("v", 50, "HardenedRP"), VersionState.COSTS, "16 to 57 min"),
        (backup("a", 900, "ArchivedRP"), VersionState.CLOSED, "rehydrated"),
        (backup("x", 50, "InstantRP", status="Deleted"), VersionState.CLOSED, "no tier"),
        (snapshot("d", 5, "os"), VersionState.UNREAD, "not read yet"),
    ],
)
def test_what_a_point_costs(point: RecoveryPoint, state: VersionState, words: str) -> None:
    row = row_of(point.name, point, 1, own=False)
    assert row.state is state
    assert words in verdict(row).text


def plan(moment: str) -> Plan:
    return Plan(
        id=moment, action="open-files", title="Open files", risk=Risk.COSTS, keys=("k",), names=("web-01",),
        consequences=(f"the point of {moment}", "ended when you close the files"),
        requests=(PlannedRequest(method="POST", url=f"/{moment}/beginGetAccess", body="{}"),),
        permissions=("a/read",),
    )  # fmt: skip


def test_one_plan_for_several_points() -> None:
    plans = [plan("monday"), plan("tuesday")]
    one = together(plans)
    assert one.title == "Open files: 2 points"
    assert one.consequences == (
        "the point of monday", "the point of tuesday", "ended when you close the files",
    )  # fmt: skip
    assert [request.url for request in one.requests] == ["/monday/beginGetAccess", "/tuesday/beginGetAccess"]
    assert one.permissions == ("a/read",)
    assert together(plans[:1]) is plans[0]


def volume(key: str, uuid: str = "", state: str = "readable", **more: str) -> FileVolume:
    return FileVolume(key=key, uuid=uuid, state=state, description=more.pop("description", "ext4"), **more)  # type: ignore[arg-type]


def test_the_same_volume_is_known_by_its_id_not_by_its_place() -> None:
    wanted = volume("disk0/p1", "root")
    others = (volume("disk0/p1", "data"), volume("disk1/p1", "root"))
    assert same_volume(wanted, others) is others[1]
    twice = (volume("disk1/p1", "root"), volume("disk2/p1", "root"))
    assert isinstance(same_volume(wanted, twice), str)
    kept = (volume("disk1/p1", "root"), volume("disk0/p1", "root"))
    assert same_volume(wanted, kept) is kept[1]
    assert same_volume(wanted, (volume("disk0/p1"),)) == "there is no volume like disk0/p1 there"
    bare = volume("disk0")
    assert same_volume(bare, (volume("disk0", description="xfs"), found := volume("disk1"))) is found


def test_a_locked_volume_says_what_to_do() -> None:
    inside = volume("disk0/p1/plain", parent="disk0/p1")
    locked = volume("disk0/p1", "x", "encrypted", unlock="LUKS2")
    assert "unlock it and come back" in str(same_volume(inside, (locked,)))


def row(size: int, changed: int, digest: str = "", *, own: bool = False) -> VersionRow:
    entry = FileEntry(name=b"f", id=1, kind="file", size=size, modified_ns=changed)
    return VersionRow("k", 0, "n", own=own, state=VersionState.THERE, entry=entry, digest=digest)


def test_hashes_say_more_than_size_and_time() -> None:
    own = row(5, 1, "aa", own=True)
    assert verdict(judged(row(5, 1), own)).text == "= same size and time"
    assert verdict(judged(row(5, 2), own)).text == "≠ different"
    assert verdict(judged(row(5, 2, "aa"), own)).text == "= same bytes"
    assert verdict(judged(row(5, 1, "bb"), own)).text == "≠ other bytes"
    assert verdict(judged(own, own)).text == "this one"
    assert verdict(judged(row(5, 1), None)).text == "✔ there"


def test_a_text_is_compared_by_lines() -> None:
    old = b"".join(b"line %d\n" % number for number in range(40))
    new = old.replace(b"line 20\n", b"line twenty\r\nand more\x1b[31m\n")
    diff = compared(old, new)
    assert [f"{line.kind}{line.text}" for line in diff.lines] == [
        "@-18,7 +18,8", " line 17", " line 18", " line 19", "-line 20", "+line twenty\r",
        "+and more\x1b[31m", " line 21", " line 22", " line 23",
    ]  # fmt: skip
    assert (diff.taken, diff.added) == (1, 2)
    assert compared(old, old).same


def test_the_ends_of_a_file_are_compared_too() -> None:
    assert [(line.kind, line.text) for line in compared(b"", b"new").lines] == [
        ("@", "-1,1 +1,1"), ("-", ""), ("+", "new"),
    ]  # fmt: skip
    kinds = "".join(line.kind for line in compared(b"a\nb", b"a\nb\nc").lines)
    assert kinds == "@  +"


def test_what_is_no_text_is_not_shown_as_one() -> None:
    assert compared(b"text", b"\0\1\2").why_not.startswith("The newer one is binary")
    assert compared(b"\0", b"\0\0").why_not.startswith("Both are binary")
    wide = "größe\n".encode("utf-16")
    assert [line.text for line in compared(wide, "grösse\n".encode("utf-16")).lines][1:3] == [
        "größe",
        "grösse",
    ]
    assert "encoding" in compared("größe\n".encode(), wide).why_not
    assert "\\xff" in compared(b"a" * 100, b"a" * 100 + b"\xff").lines[2].text


def test_comparing_is_bounded() -> None:
    assert "KB" in compared(b"", b"x" * (MOST_BYTES + 1)).why_not
    old, new = (b"\n".join(b"%s%d" % (sign, n) for n in range(MOST_LINES + 1)) for sign in (b"a", b"b"))
    assert f"{MOST_LINES + 1:,} lines were replaced" in compared(old, new).why_not
    long = compared(b"", b"x" * 5000).lines[-1].text
    assert len(long) < LONGEST_LINE + 30
    assert long.endswith("4,500 more")
