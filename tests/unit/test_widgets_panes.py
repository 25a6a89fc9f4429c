"""What the panes say about model objects: columns, ages, steps, errors, faults."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from azure_ops.model import (
    Backup,
    ErrorNote,
    FleetItem,
    HealthNote,
    Job,
    JobError,
    JobKind,
    JobState,
    JobTask,
    Operation,
    Phase,
    PointSource,
    PointTier,
    RecoveryPoint,
    Replication,
    RequestLine,
    SourceState,
)
from widgets.ages import age, elapsed
from widgets.columns import Column, Tone, place
from widgets.operations import operation_columns, operation_rows, place_of, step_cell
from widgets.pane import counted, fault_line
from widgets.recovery_points import consistency_cell, note_cell, when_empty, where_cell
from widgets.replication import replication_page
from widgets.request_log import status_cell
from widgets.rpo_sparkline import sparkline, summary
from widgets.task_tree import step_lines
from widgets.vm_table import backup_cell, replication_cell, rpo_cell, search_text, vm_columns

NOW = datetime(2026, 8, 22, 14, 0, tzinfo=UTC)
VAULT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.RecoveryServices/vaults/rsv-weu"


def ago(**parts: float) -> datetime:
    return NOW - timedelta(**parts)


def backup(**facts: Any) -> Backup:
    usual = {
        "protection_state": "Protected",
        "last_status": "Completed",
        "last_point_at": ago(hours=2, minutes=3),
    }
    return Backup(item_id="b", vault_id=VAULT, **{**usual, **facts})


def replication(**facts: Any) -> Replication:
    usual = {
        "protection_state": "Protected", "replication_health": "Normal", "active_location": "Primary",
        "rpo_s": 240, "rpo_calculated_at": ago(minutes=3), "primary_region": "westeurope",
        "recovery_region": "northeurope", "allowed_operations": ("UnplannedFailover", "TestFailover"),
    }  # fmt: skip
    return Replication(item_id="r", vault_id=VAULT, **{**usual, **facts})


def vm(**facts: Any) -> FleetItem:
    usual = {"key": "k", "id": "K", "name": "web-01", "subscription_id": "s", "resource_group": "g"}
    return FleetItem(**{**usual, **facts})


@pytest.mark.parametrize(
    ("seconds", "short", "running"),
    [
        (0, "<1m", "0s"), (59, "<1m", "59s"), (61, "1m", "1m01s"), (7380, "2h 03m", "2h03m"),
        (26 * 3600, "26h", "26h"), (12 * 86400, "12d", "288h"), (None, "none", ""),
    ],
)  # fmt: skip
def test_ages(seconds: float | None, short: str, running: str) -> None:
    assert age(seconds) == short
    assert elapsed(seconds) == running


@pytest.mark.parametrize(
    ("facts", "text", "tone"),
    [
        (backup(), "2h 03m ✔", Tone.GOOD),
        (backup(last_point_at=ago(hours=30)), "30h ▲ late", Tone.WARN),
        (backup(last_status="Failed"), "2h 03m ✖ failed", Tone.BAD),
        (backup(last_status="CompletedWithWarnings"), "2h 03m ▲ warn", Tone.WARN),
        (backup(protection_state="IRPending", last_point_at=None), "◐ first due", Tone.WARN),
        (backup(protection_state="BackupsSuspended"), "2h 03m ■ stopped", Tone.WARN),
        (
            backup(
                protection_state="ProtectionStopped", soft_deleted=True, purged_at=ago(days=-13, hours=-5)
            ),
            "✖ deleted 13d",
            Tone.BAD,
        ),
        (backup(soft_deleted=True), "✖ deleted", Tone.BAD),
        (backup(protection_state="ProtectionStopped"), "2h 03m ■ stopped", Tone.WARN),
        (None, "none ✖", Tone.BAD),
    ],
)
def test_the_last_backup(facts: Backup | None, text: str, tone: Tone) -> None:
    assert backup_cell(vm(backup=facts), NOW) == (text, tone)


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        (replication(), "✔ Normal"),
        (replication(replication_health="Critical"), "✖ Critical"),
        (replication(allowed_operations=("TestFailoverCleanup",)), "▲ test open"),
        (replication(allowed_operations=("Commit", "ChangePit")), "▲ uncommitted"),
        (replication(current_scenario="TestFailover"), "◐ TestFailover"),
        (replication(active_location="Recovery"), "▲ failed over"),
        (replication(protection_state="InitialReplicationInProgress"), "◐ first copy"),
        (None, "–"),
    ],
)
def test_replication_says_first_what_is_left_open(facts: Replication | None, text: str) -> None:
    assert replication_cell(vm(replication=facts)).text == text


def test_rows_of_operations_stand_by_the_services_clock_and_a_just_failed_one_on_top() -> None:
    """A world three years ahead: by this machine's clock everything of ours would be long ago."""
    world = NOW + timedelta(days=1000)

    def ours(id: str, at: datetime, **facts: Any) -> Operation:
        made = {"phase": Phase.RUNNING, "created_at": NOW, "service_created_at": at, **facts}
        return Operation(id=id, action="a", title="t", target_key="k", target_name="n", **made)

    def theirs(id: str, at: datetime, state: JobState) -> Job:
        return Job(id=id, kind=JobKind.BACKUP, operation="Backup", state=state, started_at=at)

    now = datetime.now(UTC)
    operations = [
        ours("new", world),
        ours("refused", world - timedelta(hours=2), phase=Phase.FAILED, ended_at=now),
        ours(
            "failed once", world - timedelta(hours=1), phase=Phase.FAILED, ended_at=now - timedelta(hours=1)
        ),
    ]
    jobs = [
        theirs("running", world - timedelta(minutes=1), JobState.RUNNING),
        theirs("ended", world - timedelta(hours=3), JobState.SUCCEEDED),
    ]
    rows = sorted(operation_rows(operations, jobs), key=place_of)
    assert [row.key for row in rows] == ["refused", "new", "running", "failed once", "ended"]


def test_no_points_are_claimed_only_when_all_sources_were_read() -> None:
    good = SourceState(name="backup points", read_at=NOW)
    assert when_empty([good]) == "No recovery points"
    bad = SourceState(name="replication points", error=ErrorNote(kind="ServiceFailed", title="503"))
    assert when_empty([good, bad]).startswith("Not read: replication points")


def test_the_rpo_grows_with_the_age_of_its_figure() -> None:
    item = vm(replication=replication())
    assert rpo_cell(item, NOW).text == "7m"
    assert rpo_cell(item, NOW + timedelta(hours=1)) == ("1h 07m", Tone.WARN)
    assert rpo_cell(vm(replication=replication(rpo_s=None)), NOW).text == "?"


def test_the_worst_rpo_sorts_last_whenever_it_was_calculated() -> None:
    column = next(column for column in vm_columns(lambda: NOW) if column.id == "rpo")
    assert column.sort_key is not None
    good = vm(replication=replication(rpo_s=600, rpo_calculated_at=NOW))
    bad = vm(replication=replication(rpo_s=60, rpo_calculated_at=ago(minutes=30)))
    assert column.sort_key(good) < column.sort_key(bad)
    assert column.sort_key(vm()) is None


def test_a_filter_finds_words_that_no_column_shows() -> None:
    text = search_text(vm(backup=backup(policy_name="gold"), replication=None))
    assert "gold" in text
    assert "unreplicated" in text
    assert "soft-deleted" in search_text(vm(backup=backup(soft_deleted=True)))


def test_points() -> None:
    point = RecoveryPoint(
        id="p", name="p", source=PointSource.BACKUP, taken_at=ago(hours=1), consistency="AppConsistent",
        tiers=(PointTier(name="InstantRP", status="Valid"), PointTier(name="HardenedRP", status="Valid"),
               PointTier(name="ArchivedRP", status="Deleted")),
        expires_at=NOW + timedelta(days=3), disks_included=2, disks_attached=3,
    )  # fmt: skip
    assert where_cell(point).text == "snapshot+vault"
    assert consistency_cell(point) == ("✔ app-consistent", Tone.GOOD)
    assert note_cell(point, lambda: NOW) == ("▲ 2 of 3 disks, expires in 3d", Tone.WARN)


def test_the_replication_pane_names_cause_and_next_step() -> None:
    note = HealthNote(
        code="153007", message="Churn", causes="Too much", recommendation="Premium", severity="Error"
    )
    item = vm(replication=replication(notes=(note,), agent_expires_at=NOW + timedelta(days=2)))
    page = replication_page(item, [(ago(hours=1), 300)], NOW, 80)
    text = "\n".join(line.plain for line in page.wrapped(80))
    for said in (
        "7m: 4m as told 3m ago", "westeurope → northeurope", "UnplannedFailover, TestFailover",
        "expires in 2d", "153007: Churn", "cause: Too much", "next step: Premium", "worst 5m",
    ):  # fmt: skip
        assert said in text


def test_the_sparkline_shows_the_worst_of_each_slice() -> None:
    history = [(ago(hours=1), 100), (ago(minutes=50), 800), (ago(hours=23), 100), (ago(hours=25), 9999)]
    assert sparkline(history, NOW, 12) == "▂··········█"
    assert summary(history, NOW) == "worst 13m"
    assert summary([], NOW) == "nothing seen yet"


def job(**facts: Any) -> Job:
    usual = {
        "id": "/v/jobs/1", "kind": JobKind.REPLICATION, "operation": "TestFailover",
        "state": JobState.RUNNING, "target_name": "web-01", "started_at": ago(seconds=131), "read_at": NOW,
    }  # fmt: skip
    return Job(**{**usual, **facts})


def task(name: str, state: JobState, *children: JobTask, **facts: Any) -> JobTask:
    return JobTask(id="same", name=name, state=state, children=children, **facts)


TASKS = (
    task("Check", JobState.SUCCEEDED),
    task("Group 1", JobState.FAILED, task("web-01", JobState.FAILED), task("web-02", JobState.WAITING)),
    task("Ask", JobState.SUSPENDED, note="Point the name\nat the test network"),
    task("Scripts", JobState.SKIPPED),
)


def test_errors_stand_below_the_deepest_failed_step() -> None:
    error = JobError(code="E1", message="No quota", causes="Cores used up", recommendation="Ask for more")
    lines = step_lines(job(tasks=TASKS, errors=(error,)), 60)
    text = [line.branches + line.text for line in lines]
    assert text == [
        "Check", "Group 1", "├ web-01", "    ✖ E1: No quota", "      cause: Cores used up",
        "    → next step: Ask for more", "└ web-02", "Ask", "  ▲ Point the name", "    at the test network",
        "Scripts",
    ]  # fmt: skip
    assert len({line.path for line in lines}) == len(lines)
    assert [line.path for line in lines] == sorted(line.path for line in lines)


def test_errors_of_a_job_without_steps_are_shown_too() -> None:
    lines = step_lines(job(errors=(JobError(code="", message="Gone"),)), 60)
    assert [line.text for line in lines] == ["✖ Gone"]


def test_an_error_of_a_job_that_ends_with_warnings_is_a_warning() -> None:
    warned = job(state=JobState.WARNED, errors=(JobError(code="E", message="Crash-consistent only"),))
    assert [(line.text, line.tone) for line in step_lines(warned, 60)] == [
        ("▲ E: Crash-consistent only", Tone.WARN)
    ]
    (row,) = operation_rows([], [warned])
    assert step_cell(row).tone is Tone.WARN


def operation(**facts: Any) -> Operation:
    usual = {
        "id": "o", "action": "test-failover", "title": "t", "target_key": "k", "target_name": "web-01",
        "phase": Phase.RUNNING, "created_at": ago(minutes=3),
    }  # fmt: skip
    return Operation(**{**usual, **facts})


def cells_of(row: Any) -> dict[str, str]:
    return {column.id: column.cell(row).text for column in operation_columns(lambda: NOW)}


def test_an_operation_and_its_job_are_one_row() -> None:
    tasks = (task("Check", JobState.SUCCEEDED), task("Create test virtual machine", JobState.RUNNING))
    older = job(read_at=ago(minutes=1))
    rows = operation_rows(
        [operation(job_id="/V/JOBS/1", job=older)],
        [job(tasks=tasks), job(id="/v/jobs/2", operation="Backup", state=JobState.FAILED, ended_at=NOW,
                               errors=(JobError(code="E", message="no agent"),))],
    )  # fmt: skip
    assert len(rows) == 2
    assert cells_of(rows[0]) | {"began": ""} == {
        "state": "● running", "what": "test-failover", "target": "web-01", "time": "2m11s",
        "step": "2/2  Create test virtual machine", "began": "", "who": "you",
    }  # fmt: skip
    others = cells_of(rows[1])
    assert (others["who"], others["state"], others["step"]) == ("others", "✖ failed", "E: no agent")


@pytest.mark.parametrize(
    ("facts", "state", "step"),
    [
        ({"phase": Phase.UNKNOWN, "message": "looking"}, "? in doubt", "looking"),
        ({"phase": Phase.SUCCEEDED, "message": "point 12:00"}, "✔ done", "point 12:00"),
        ({"phase": Phase.FAILED, "error": ErrorNote(kind="Busy", title="Held")}, "✖ failed", "Held"),
        ({"phase": Phase.NOT_SENT, "message": "refused"}, "✖ not done", "refused"),
        ({"phase": Phase.SUCCEEDED, "job": job(state=JobState.WARNED)}, "▲ warnings", ""),
    ],
)
def test_how_an_operation_stands(facts: dict[str, Any], state: str, step: str) -> None:
    (row,) = operation_rows([operation(**facts)], [])
    shown = cells_of(row)
    assert (shown["state"], shown["step"]) == (state, step)


def test_a_failed_source_says_how_old_its_rows_are_and_why() -> None:
    bad = SourceState(
        name="backup", read_at=ago(minutes=4), error=ErrorNote(kind="Throttled", title="Throttled")
    )
    never = SourceState(name="jobs", error=ErrorNote(kind="NotAllowed", title="Not allowed"))
    line = fault_line([bad, never, SourceState(name="vms", read_at=NOW)], NOW)
    assert line == "backup 4m old: Throttled; jobs never read: Not allowed"
    assert counted(2, 6, "web", 1) == "(2 of 6) /web ◆1 marked"


def test_requests_show_what_the_service_said() -> None:
    line = RequestLine(at=NOW, method="GET", path="/x", status=429, took_ms=1)
    from widgets.request_log import NumberedLine

    assert status_cell(NumberedLine(1, line)) == ("▲ 429", Tone.WARN)


def test_columns_appear_only_whole_and_shrink_only_at_last() -> None:
    columns: tuple[Column[str], ...] = tuple(
        Column(name, name, lambda _row: None, None, 10, 5, 20, priority)  # type: ignore[arg-type, return-value]
        for name, priority in (("a", 0), ("b", 0), ("c", 2), ("d", 1))
    )
    assert [(placed.column.id, placed.width) for placed in place(columns, 100)] == [
        ("a", 20), ("b", 20), ("c", 20), ("d", 20),
    ]  # fmt: skip
    assert [placed.column.id for placed in place(columns, 40)] == ["a", "b", "d"]
    assert [(placed.column.id, placed.x, placed.width) for placed in place(columns, 20)] == [
        ("a", 0, 9), ("b", 11, 9),
    ]  # fmt: skip
    assert sum(placed.width for placed in place(columns, 3)) <= 3
