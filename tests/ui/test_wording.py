"""What the watch screen says of an operation and its job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from azure_ops.model import Job, JobKind, JobState, Operation, Phase
from tui.wording import facts

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
