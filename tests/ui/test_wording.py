"""What the watch screen says of an operation and its job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from azure_ops.model import Job, JobKind, JobState, Operation, Phase
from tui.wording import facts, normal

NOON = datetime(2026, 8, 22, 12, tzinfo=UTC)


def test_what_has_ended_does_not_go_on_counting_though_its_job_names_no_end() -> None:
    job = Job(id="s", kind=JobKind.DISK, operation="snapshot", state=JobState.SUCCEEDED, started_at=NOON)
    operation = Operation(
        id="o",
        action="snapshot-disks",
        title="Snapshot of a disk",
        target_key="k",
        target_name="web-03",
        phase=Phase.SUCCEEDED,
        created_at=NOON,
        took_s=190.0,
    )
    page = facts(operation, job, NOON + timedelta(hours=4))
    said = "\n".join(line.plain for line in page.wrapped(80))
    assert "took" in said
    assert "3 min 10 s" in said
    assert "elapsed" not in said


def test_what_is_usual_is_not_said_of_the_only_run_by_itself() -> None:
    operation = Operation(
        id="o", action="restore-disks", title="Restore", target_key="k", target_name="web-03",
        phase=Phase.SUCCEEDED, created_at=NOON, normal_s=90.0, normal_count=1,
    )  # fmt: skip
    assert normal(operation) == "no history yet"
    assert normal(replace(operation, phase=Phase.RUNNING)) == "usually 1 min 30 s (1 run here)"
    assert normal(replace(operation, normal_count=2)) == "usually 1 min 30 s (2 runs here)"
