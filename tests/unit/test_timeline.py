"""Points in plain words: what the rows of the timeline and the view of one point say, and where from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from azure_ops import points as meaning
from azure_ops import wire
from azure_ops.actions.backup_now import consistency_checks
from azure_ops.engine.history import History
from azure_ops.engine.operations import end_line
from azure_ops.engine.surroundings import in_region, told_why
from azure_ops.model import (
    Backup,
    Details,
    Disk,
    FleetItem,
    Form,
    Gap,
    Job,
    JobError,
    JobKind,
    JobState,
    Option,
    PointDisk,
    PointSource,
    PointTier,
    PowerState,
    RecoveryPoint,
    RestoreTime,
)
from azure_ops.model import Field as FormField
from azure_ops.services.backup_documents import recovery_point
from tui.flows import offering
from tui.screens.details import details_page
from tui.screens.point_details import gap_page, point_page
from tui.state import ConsoleState
from tui.wording import facts
from widgets.columns import Tone
from widgets.operations import operation_rows, step_cell
from widgets.page import Page
from widgets.recovery_points import back_cell, consistency_cell, note_cell, where_cell
from widgets.vm_table import backup_cell

NOW = datetime(2026, 8, 22, 14, 0, tzinfo=UTC)
ITEM = "/subscriptions/s/resourceGroups/g/providers/Microsoft.RecoveryServices/vaults/v/items/1"
DISKS = (Disk(id="/d/os", name="os"), Disk(id="/d/data", name="data", lun=0))
WHY = "The agent did not answer."
CRASHED = JobError(code=meaning.CRASH_CODE, message=WHY, recommendation="Start the agent.")


def point(**more: Any) -> RecoveryPoint:
    usual: dict[str, Any] = {
        "id": "p", "name": "1", "source": PointSource.BACKUP, "taken_at": NOW - timedelta(hours=2),
        "consistency": "AppConsistent", "tiers": (PointTier(name="InstantRP", status="Valid"),),
    }  # fmt: skip
    return RecoveryPoint(**{**usual, **more})


def vm(**more: Any) -> FleetItem:
    backup = Backup(item_id=ITEM, vault_id="v", last_status="CompletedWithWarnings", last_point_at=NOW)
    usual: dict[str, Any] = {
        "key": "k", "id": "K", "name": "web-01", "subscription_id": "s", "resource_group": "g",
        "power_state": PowerState.RUNNING, "os_type": "Linux", "disks": DISKS, "backup": backup,
    }  # fmt: skip
    return FleetItem(**{**usual, **more})


def job(hours: float = 2, errors: tuple[JobError, ...] = (CRASHED,), **more: Any) -> Job:
    began = NOW - timedelta(hours=hours)
    usual: dict[str, Any] = {
        "id": f"j{hours}", "kind": JobKind.BACKUP, "operation": "Backup", "state": JobState.WARNED,
        "state_text": "CompletedWithWarnings", "target_key": "k", "started_at": began,
        "ended_at": began + timedelta(minutes=10), "errors": errors,
    }  # fmt: skip
    return Job(**{**usual, **more})


def text(page: Page) -> str:
    return "\n".join(line.prefix + line.text for line in page.lines)


# documents --------------------------------------------------------------------------------------------------


def document(**properties: Any) -> dict[str, Any]:
    usual = {"recoveryPointTime": "2026-08-21T06:41:00.8938941Z", "recoveryPointType": "AppConsistent"}
    return {"id": f"{ITEM}/recoveryPoints/12", "name": "12", "properties": {**usual, **properties}}


@pytest.mark.parametrize(
    ("told", "word"),
    [(None, ""), (0, "Unknown"), (1, "Healthy"), (2, "UnHealthy"), ("UnHealthy", "UnHealthy"), (9, "9")],
)
def test_the_threat_status_comes_as_word_or_number(told: object, word: str) -> None:
    found = recovery_point(document(threatStatus=told))
    assert found is not None
    assert found.threat == word


def test_all_of_a_point_is_read() -> None:
    found = recovery_point(
        document(
            recoveryPointDiskConfiguration={
                "numberOfDisksIncludedInBackup": 2,
                "numberOfDisksAttachedToVm": 3,
                "includedDiskList": [{"lun": -1, "name": "os"}, {"lun": 0, "name": "data"}],
            },
            recoveryPointProperties={
                "expiryTime": "2026-09-20T06:41:00",
                "ruleName": "Daily",
                "isSoftDeleted": True,
                "immutabilityProperties": {"isImmutable": True, "expiryTime": "2026-09-01T00:00:00Z"},
            },
            threatStatus="Warning",
            threatInfo=[{"threatTitle": "Odd logins", "threatSeverity": "High", "threatState": "Active"}],
            isInstantIlrSessionActive=True,
            isSourceVMEncrypted=True,
        )
    )
    assert found is not None
    assert found.disks == (PointDisk(name="os"), PointDisk(name="data", lun=0))
    assert (found.disks_included, found.disks_attached) == (2, 3)
    assert (found.rule, found.soft_deleted, found.encrypted) == ("Daily", True, True)
    assert found.expires_at == datetime(2026, 9, 20, 6, 41, tzinfo=UTC)
    assert (found.immutable, found.immutable_until) == (True, datetime(2026, 9, 1, tzinfo=UTC))
    assert found.threats[0].title == "Odd logins"
    assert found.note == "file session open"


def test_a_copy_in_the_other_region_is_a_point_of_its_own() -> None:
    found = recovery_point(document())
    assert found is not None
    copy = in_region(found, "northeurope")
    assert copy.id != found.id
    assert (copy.name, copy.secondary, copy.region) == ("12", True, "northeurope")


# meaning ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tiers", "secondary", "wanted"),
    [
        ("InstantRP:Valid HardenedRP:Valid", False, "InstantRP"),
        ("InstantRP:Deleted HardenedRP:Valid", False, "HardenedRP"),
        ("InstantRP:Valid HardenedRP:Valid", True, "HardenedRP"),
        ("IASnapshotRP:Valid", False, "InstantRP"),
        ("HardenedRP:Deleted ArchivedRP:Valid", False, "ArchivedRP"),
        ("ArchivedRP:Rehydrated", False, "HardenedRP"),
        ("ArchivedRP:Valid", True, ""),
        ("InstantRP:Deleted", False, ""),
        ("", False, ""),
    ],
)
def test_the_tier_that_a_restore_reads(tiers: str, secondary: bool, wanted: str) -> None:
    pairs = [word.split(":") for word in tiers.split()]
    held = tuple(PointTier(name=name, status=status) for name, status in pairs)
    assert meaning.restored_from(point(tiers=held, secondary=secondary)) == wanted


@pytest.mark.parametrize(
    ("disks", "missing", "exchanged", "gone"),
    [
        ((PointDisk(name="os"), PointDisk(name="data", lun=0)), [], [], []),
        ((PointDisk(name="OS"), PointDisk(name="Data", lun=3)), [], [], []),  # the name counts
        ((PointDisk(name="os"),), ["data"], [], []),
        ((PointDisk(name="os"), PointDisk(name="other", lun=0)), [], [("other", "data")], ["other"]),
        ((PointDisk(name="os"), PointDisk(name="more", lun=7)), ["data"], [], ["more"]),
        ((), [], [], []),  # it does not say
    ],
)
def test_disks_of_a_point_against_those_of_now(
    disks: tuple[PointDisk, ...], missing: list[str], exchanged: list[tuple[str, str]], gone: list[str]
) -> None:
    one = point(disks=disks)
    assert [disk.name for disk in meaning.missing_disks(one, DISKS)] == missing
    assert [(then, disk.name) for then, disk in meaning.exchanged_disks(one, DISKS)] == exchanged
    assert list(meaning.gone_disks(one, DISKS)) == gone


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({"os_type": "Windows"}, "app-consistent (VSS)"),
        ({}, "file-system-consistent"),
        ({"power_state": PowerState.DEALLOCATED}, "crash-consistent, because the VM is deallocated"),
    ],
)
def test_what_a_backup_can_be_expected_to_be(more: dict[str, Any], wanted: str) -> None:
    assert wanted in meaning.expected(vm(**more))


# the fall-back to crash-consistent --------------------------------------------------------------------------


def test_the_fall_back_is_told_wherever_it_shows() -> None:
    crashed = point(consistency="CrashConsistent", taken_at=NOW - timedelta(hours=1, minutes=55))
    (told,) = told_why([crashed], job())
    assert told.fell_back == WHY
    assert consistency_cell(told) == ("▲ crash", Tone.WARN)
    assert WHY in note_cell(told, lambda: NOW)[0]
    page = text(point_page(told, Details(item=vm(), points=(told,)), NOW))
    assert WHY in page
    assert "power cut" in page
    assert end_line(job()) == f"crash-consistent only in 10m: {WHY}"
    (row,) = operation_rows([], [job()])
    assert step_cell(row) == (f"crash-consistent only: {WHY}", Tone.WARN)
    assert "The point is there" in text(facts(None, job(), NOW))
    assert WHY in text(details_page(Details(item=vm(), warning=CRASHED), NOW))
    (check,) = consistency_checks(vm(), [job()])
    assert WHY in check.detail
    assert check.fix == "Start the agent."


@pytest.mark.parametrize(
    ("hours", "consistency"), [(3, "CrashConsistent"), (1, "CrashConsistent"), (1.9, "AppConsistent")]
)
def test_another_point_is_not_told_to_have_fallen_back(hours: float, consistency: str) -> None:
    other = point(consistency=consistency, taken_at=NOW - timedelta(hours=hours))
    assert told_why([other], job()) == [other]


def test_another_warning_is_no_fall_back() -> None:
    other = job(errors=(JobError(code="ResourceNotFound", message="gone"),))
    assert meaning.crash_error(other) is None
    assert end_line(other) == "completed with warnings in 10m: gone"
    assert consistency_checks(vm(), [other]) == ()
    assert consistency_checks(vm(power_state=PowerState.STOPPED), [other])[0].detail == "the VM is stopped"


def test_a_row_says_crash_as_soon_as_its_newest_job_was_read() -> None:
    state = ConsoleState()
    assert backup_cell(vm(), NOW) == ("<1m ▲ warn", Tone.WARN)
    state.apply_jobs(wire.JobsDelta(changed=(job(errors=()),)))
    assert state.fell_back == frozenset()
    state.apply_jobs(wire.JobsDelta(changed=(job(), job(hours=30, errors=()))))
    assert state.fell_back == {"k"}
    assert backup_cell(vm(), NOW, fell_back=True) == ("<1m ▲ crash", Tone.WARN)
    state.apply_jobs(wire.JobsDelta(changed=(job(hours=1, errors=(), state=JobState.SUCCEEDED),)))
    assert state.fell_back == frozenset()


# rows and views ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "words", "tone"),
    [
        ({"disks": (PointDisk(name="os"),)}, "▲ without data", Tone.WARN),
        ({"threat": "UnHealthy"}, "✖ alert on the VM then", Tone.BAD),
        ({"threat": "Warning"}, "▲ alert (warning)", Tone.WARN),
        ({"threat": "Healthy", "rule": "Daily"}, "Daily", Tone.DIM),
        ({"soft_deleted": True}, "✖ soft-deleted", Tone.BAD),
        ({"immutable": True}, "immutable", Tone.DIM),
        ({"expires_at": NOW}, "✖ expired", Tone.BAD),
        ({"expires_at": NOW + timedelta(days=3)}, "expires in 3d", Tone.DIM),
    ],
)
def test_notes_of_a_point(more: dict[str, Any], words: str, tone: Tone) -> None:
    cell = note_cell(point(**more), lambda: NOW, DISKS)
    assert words in cell.text
    assert cell.tone is tone


@pytest.mark.parametrize(
    ("words", "only"),
    [
        ("InstantRP:Valid", True),
        ("InstantRP:Valid HardenedRP:Deleted", True),
        ("InstantRP:Valid HardenedRP:Valid", False),
        ("InstantRP:Deleted HardenedRP:Valid", False),
        ("InstantRP:Deleted", False),
    ],
)
def test_what_only_a_snapshot_holds_does_not_live_as_long_as_its_rule_says(words: str, only: bool) -> None:
    tiers = tuple(
        PointTier(name=name, status=status) for name, status in (w.split(":") for w in words.split())
    )
    one = point(tiers=tiers, rule="Daily", expires_at=NOW + timedelta(days=28))
    assert ("sooner unless copied to the vault" in note_cell(one, lambda: NOW).text) is only
    assert ("instant-restore days are over" in text(point_page(one, Details(item=vm()), NOW))) is only


def test_a_gap_is_a_row_of_its_own() -> None:
    gap = Gap(id="gap:1", since=NOW - timedelta(days=3), taken_at=NOW - timedelta(days=2), missing=2)
    assert consistency_cell(gap) == ("▲ 2 missing", Tone.WARN)
    assert "due by the schedule 2026-08-19 14:00 to 2026-08-20 14:00" in note_cell(gap, lambda: NOW).text
    page = text(gap_page(gap, Details(item=vm(), promise="daily at 12:00 UTC"), NOW))
    assert "2 points of the schedule" in page
    assert "daily at 12:00 UTC" in page


def test_the_time_of_a_restore_is_our_own_or_nothing() -> None:
    times = (RestoreTime(action="restore-vm", tier="InstantRP", median_s=150, runs=2),)
    assert back_cell(point(), times).text == "~2m"
    assert back_cell(point(), ()).text == ""
    assert back_cell(point(tiers=(PointTier(name="HardenedRP", status="Valid"),)), times).text == ""
    page = text(point_page(point(), Details(item=vm(), restore_times=times), NOW))
    assert "2 min 30 s as a new VM (2 runs here)" in page
    page = text(point_page(point(), Details(item=vm()), NOW))
    assert "no figure of our own" in page
    assert "1 to 3 min: recorded of small VMs elsewhere, no promise" in page


def test_the_threat_status_is_not_taken_for_a_scan() -> None:
    told = text(point_page(point(threat="Healthy"), Details(item=vm()), NOW))
    assert "the backup itself was not scanned" in told
    assert "no all-clear" in text(point_page(point(threat="Unknown"), Details(item=vm()), NOW))


def test_a_copy_says_where_it_is() -> None:
    copy = point(tiers=(PointTier(name="HardenedRP", status="Valid"),), secondary=True, region="northeurope")
    assert where_cell(copy).text == "vault northeurope"
    assert "restored in northeurope" in text(point_page(copy, Details(item=vm()), NOW))


# history and forms ------------------------------------------------------------------------------------------


def test_how_long_restores_took_is_kept_by_kind_and_tier(tmp_path: Path) -> None:
    history = History(tmp_path / "history.sqlite")
    for number, seconds in enumerate((60.0, 80.0, 400.0)):
        history.restored(f"o{number}", "restore-disks", "InstantRP", seconds, NOW + timedelta(hours=number))
    history.restored("o9", "restore-disks", "HardenedRP", 1000.0, NOW)
    history.restored("o2", "restore-disks", "InstantRP", 100.0, NOW + timedelta(hours=2))
    history.close()
    again = History(tmp_path / "history.sqlite")
    assert again.restore_times() == (
        RestoreTime(action="restore-disks", tier="HardenedRP", median_s=1000.0, runs=1),
        RestoreTime(action="restore-disks", tier="InstantRP", median_s=80.0, runs=3),
    )
    for number in range(40):
        history = again
        history.restored(f"n{number}", "restore-vm", "InstantRP", 5.0, NOW + timedelta(minutes=number))
    assert again.restore_times()[-1].runs == 25
    again.close()


def test_a_point_that_a_form_does_not_list_is_added_to_it() -> None:
    form = Form(
        fields=(
            FormField(id="point", label="Recovery point", options=(Option(value="1", label="newest"),)),
            FormField(id="name", label="Name"),
        )
    )
    wanted = Option(value="77", label="2026-07-01 12:00 UTC")
    assert [one.value for one in offering(form, {"point": wanted}).fields[0].options] == ["1", "77"]
    assert offering(form, {"point": Option(value="1", label="as recommended")}) == form
    assert offering(form, {"name": wanted, "elsewhere": wanted}) == form
