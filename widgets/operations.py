"""What is going on: the operations of this user, and everybody's jobs in the vaults, running ones first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import msgspec

from azure_ops.model import Job, JobState, JobTask, Operation, Phase
from azure_ops.points import crash_error

from . import signs
from .ages import elapsed, moment, seconds_between, zone_name
from .columns import Cell, Column, Tone, natural_key
from .keyed_table import KeyedTable
from .vm_table import Now

JUST_S = 300
"""So long a failed operation stands above all others; by this machine's clock, as its end is."""


class OperationRow(msgspec.Struct, frozen=True):
    """One of ours with its job, if there is one by now, or a job that somebody else started."""

    operation: Operation | None
    job: Job | None
    just_failed: bool = False
    """One of ours that failed a moment ago: seen before whatever else runs."""

    @property
    def key(self) -> str:
        """Of an operation its id, else the job's id."""
        if self.operation is not None:
            return self.operation.id
        return self.job.id if self.job is not None else ""

    @property
    def ended(self) -> bool:
        if self.operation is not None:
            return self.operation.phase.ended
        return self.job is not None and self.job.state.ended

    @property
    def began_at(self) -> datetime:
        job_at = self.job.started_at if self.job is not None else None
        own_at = None
        if self.operation is not None:
            own_at = self.operation.service_created_at or self.operation.created_at
        return job_at or own_at or datetime.min.replace(tzinfo=UTC)

    @property
    def target_name(self) -> str:
        if self.operation is not None:
            return self.operation.target_name
        return self.job.target_name if self.job is not None else ""


class OperationTable(KeyedTable[OperationRow]):
    def __init__(self, now: Now, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(
            operation_columns(now),
            key=lambda row: row.key,
            natural=place_of,
            empty="Nothing has run yet",
            markable=False,
            id=id,
            classes=classes,
        )

    def show(self, operations: Iterable[Operation], jobs: Iterable[Job]) -> None:
        self.replace_rows(operation_rows(operations, jobs))


def place_of(row: OperationRow) -> tuple[object, ...]:
    """What has just failed, then what runs, then what has ended, each the newest first."""
    return not row.just_failed, row.ended, -row.began_at.timestamp(), row.key


def operation_rows(operations: Iterable[Operation], jobs: Iterable[Job]) -> list[OperationRow]:
    """One row for an operation and its job. Of the two copies of a job the newer one counts."""
    listed = {job.id.casefold(): job for job in jobs}
    rows: list[OperationRow] = []
    for operation in operations:
        found = listed.pop(operation.job_id.casefold(), None) if operation.job_id else None
        job = _newer(operation.job, found)
        rows.append(OperationRow(operation, job, _just_failed(operation)))
    rows.extend(OperationRow(None, job) for job in listed.values())
    return rows


def _just_failed(operation: Operation) -> bool:
    if operation.phase not in (Phase.FAILED, Phase.NOT_SENT) or operation.ended_at is None:
        return False
    return (datetime.now(UTC) - operation.ended_at).total_seconds() < JUST_S


def _newer(own: Job | None, listed: Job | None) -> Job | None:
    if own is None or listed is None:
        return own or listed
    if own.read_at is None or listed.read_at is None:
        return own
    return listed if listed.read_at > own.read_at and (listed.tasks or not own.tasks) else own


def operation_columns(now: Now) -> tuple[Column[OperationRow], ...]:
    return (
        Column("state", "STATE", state_cell, None, 12),
        Column("what", "WHAT", what_cell, None, 18, 12, 26),
        Column("target", "TARGET", lambda row: Cell(row.target_name), _target_key, 14, 8, 24),
        Column("step", "STEP", step_cell, None, 26, 12, 90),
        Column("time", "TIME", lambda row: time_cell(row, now()), None, 7, right=True),
        Column("began", f"BEGAN ({zone_name()})", began_cell, lambda row: row.began_at, 16, priority=3),
        Column("who", "BY", who_cell, None, 6, priority=2),
    )


def _target_key(row: OperationRow) -> str:
    return natural_key(row.target_name)


def state_cell(row: OperationRow) -> Cell:
    operation, job = row.operation, row.job
    if operation is not None and (job is None or operation.phase.ended or operation.phase is Phase.UNKNOWN):
        if operation.phase is Phase.SUCCEEDED and job is not None and job.state is JobState.WARNED:
            return signs.JOB[JobState.WARNED]
        return signs.PHASE[operation.phase]
    return signs.JOB[job.state] if job is not None else Cell("? unknown", Tone.DIM)


def what_cell(row: OperationRow) -> Cell:
    if row.operation is not None:
        return Cell(row.operation.action, Tone.STRONG)
    return Cell(row.job.operation or row.job.title if row.job is not None else "")


def who_cell(row: OperationRow) -> Cell:
    return Cell("you", Tone.STRONG) if row.operation is not None else Cell("others", Tone.DIM)


def began_cell(row: OperationRow) -> Cell:
    return Cell(moment(row.began_at), Tone.DIM)


def step_cell(row: OperationRow) -> Cell:
    operation, job = row.operation, row.job
    if row.ended:
        return _end_cell(row)
    if operation is not None and operation.phase in (Phase.INTENDED, Phase.UNKNOWN):
        return Cell(operation.message)
    if job is not None and job.tasks:
        steps = list(_leaves(job.tasks))
        done = sum(step.state.ended for step in steps)
        current = next((step for step in steps if step.state in _UNDER_WAY), None)
        number = min(done + (current is not None), len(steps))
        name = current.name if current is not None else ""
        return Cell(f"{number}/{len(steps)}  {name}".rstrip())
    if job is not None and job.percent is not None:
        return Cell(f"{job.percent:.0f} % as told by Azure", Tone.DIM)
    if operation is not None and operation.message:
        return Cell(operation.message)
    return Cell(job.state_text if job is not None else "", Tone.DIM)


_UNDER_WAY = (JobState.RUNNING, JobState.SUSPENDED, JobState.CANCELLING)


def _end_cell(row: OperationRow) -> Cell:
    operation, job = row.operation, row.job
    if operation is not None:
        if operation.error is not None:
            return Cell(operation.error.title, Tone.BAD)
        if operation.message:
            return Cell(operation.message, Tone.WARN if crash_error(job) else Tone.PLAIN)
    if crash := crash_error(job):
        return Cell(f"crash-consistent only: {crash.message or crash.code}", Tone.WARN)
    if job is not None and job.errors:
        tone = Tone.WARN if job.state is JobState.WARNED else Tone.BAD
        return Cell(f"{job.errors[0].code}: {job.errors[0].message}", tone)
    return Cell(job.state_text if job is not None else "", Tone.DIM)


def _leaves(tasks: tuple[JobTask, ...]) -> Iterator[JobTask]:
    for task in tasks:
        if task.children:
            yield from _leaves(task.children)
        else:
            yield task


def time_cell(row: OperationRow, now: datetime) -> Cell:
    """Elapsed by the service's clock; an operation without a job counts by this machine's."""
    job, operation = row.job, row.operation
    if operation is not None and operation.took_s is not None and (job is None or job.ended_at is None):
        return Cell(elapsed(operation.took_s))
    if job is not None and job.started_at is not None:
        until = job.ended_at or (None if job.state.ended else now)
        return Cell("" if until is None else elapsed(seconds_between(job.started_at, until)))
    if operation is not None:
        until = operation.ended_at or (None if operation.phase.ended else datetime.now(UTC))
        return Cell("" if until is None else elapsed(seconds_between(operation.created_at, until)))
    return Cell("")
