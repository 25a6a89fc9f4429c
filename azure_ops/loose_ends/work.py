"""Loose ends of operations of ours and of anybody's jobs. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from ..file_ways import READ_DISK
from ..item_recovery import REVOKE, began, open_connections
from ..model import Job, JobKind, JobState, Operation, Phase
from .kinds import Kind, LooseEnd, loose_end, span

FAILURES_COUNT_FOR = timedelta(hours=72)
"""As long as jobs are listed: what failed before that and was not tried again is history."""
NOT_TRIED = (Phase.CANCELLED, Phase.GIVEN_UP)


def of_operations(operations: Collection[Operation], now: datetime) -> list[LooseEnd]:
    found = []
    for one in operations:
        if one.action == READ_DISK:
            if one.phase is Phase.UNKNOWN:
                found.append(_of_access(one))
        elif one.phase is Phase.UNKNOWN:
            found.append(_of_operation(Kind.OPERATION_UNKNOWN, one))
        elif one.phase in (Phase.FAILED, Phase.NOT_SENT) and _is_open(one, operations, now):
            found.append(_of_operation(Kind.OPERATION_FAILED, one))
    return found


def _of_access(one: Operation) -> LooseEnd:
    return loose_end(
        Kind.ACCESS_OPEN,
        one,
        one.id,
        name=one.target_name,
        what=one.message,
        since=began(one),
        way_out="X tries again to end it; so does each start of the engine",
        arm_id=one.target_key,
        facts=(f"opened by {one.confirmed_by or 'somebody'}",),
    )


def of_connections(operations: Iterable[Operation], now: datetime) -> list[LooseEnd]:
    """Points that are open for file recovery: whoever has script and password reads all of the machine."""
    return [
        loose_end(
            Kind.ITEMS_OPEN,
            one.operation,
            f"{one.operation.target_key}|{one.point}",
            name=one.operation.target_name,
            what=f"a recovery point is open for file recovery, {span(one.until - now)} left",
            since=began(one.operation),
            until=one.until,
            action=REVOKE,
            way_out="unmount its volumes, then revoke it",
            arm_id=one.operation.target_key,
            facts=(f"started by {one.operation.confirmed_by or 'somebody'}",),
        )
        for one in open_connections(operations, now)
    ]


def _of_operation(kind: Kind, one: Operation) -> LooseEnd:
    doubt = kind is Kind.OPERATION_UNKNOWN
    return loose_end(
        kind,
        one,
        one.id,
        name=one.target_name,
        what=f"{one.title}: {one.message}",
        since=began(one),
        action="" if doubt else one.action,
        way_out=f"look it up in Azure, then: azrecover journal give-up {one.id[:8]} --reason …"
        if doubt
        else "",
        arm_id=one.job_id or one.target_key,
        facts=(f"started by {one.confirmed_by or 'somebody'}",),
    )


def _is_open(failed: Operation, operations: Iterable[Operation], now: datetime) -> bool:
    """Recent, and not tried again: whether that failed, too, is said of the newer one."""
    if now - began(failed) >= FAILURES_COUNT_FOR:
        return False
    return not any(
        one.action == failed.action
        and one.target_key == failed.target_key
        and one.created_at > failed.created_at
        and one.phase not in NOT_TRIED
        for one in operations
    )


def of_jobs(
    jobs: Collection[Job], operations: Iterable[Operation], said: Collection[str], now: datetime
) -> list[LooseEnd]:
    """Those that wait, and those of somebody else that failed. `said`: keys and names of the rows that have
    loose ends themselves."""
    ours = {one.job_id.lower() for one in operations if one.job_id}
    newest = _newest(jobs)
    found = []
    for job in jobs:
        if job.state not in (JobState.SUSPENDED, JobState.FAILED):
            continue
        of_said = _about(job) in said
        if job.state is JobState.SUSPENDED and not (of_said and job.operation == "TestFailover"):
            found.append(_of_job(Kind.JOB_SUSPENDED, job, "waits for somebody"))
        elif job.state is JobState.FAILED and job.id.lower() not in ours:
            recent = job.started_at is not None and now - job.started_at < FAILURES_COUNT_FOR
            last = newest.get((job.operation, _about(job))) == job.started_at
            if recent and last and not (of_said and job.kind is JobKind.BACKUP):
                why = f": {job.errors[0].message}" if job.errors else ""
                found.append(_of_job(Kind.JOB_FAILED, job, f"failed{why}"))
    return found


def _of_job(kind: Kind, job: Job, what: str) -> LooseEnd:
    title = job.title or job.operation
    return loose_end(
        kind,
        job,
        job.id.lower(),
        name=job.target_name or title,
        what=f"{title} {what}",
        since=job.started_at,
        action="cancel-job" if kind is Kind.JOB_SUSPENDED and job.can_cancel else "",
        way_out="Enter shows its steps",
        arm_id=job.id,
        vault=job.vault_id.rsplit("/", 1)[-1],
    )


def _newest(jobs: Iterable[Job]) -> dict[tuple[str, str], datetime]:
    """When each operation on each machine began for the last time; what was not done does not count."""
    found: dict[tuple[str, str], datetime] = {}
    for job in jobs:
        if job.started_at is not None and job.state not in (JobState.CANCELLED, JobState.SKIPPED):
            about = job.operation, _about(job)
            if about not in found or job.started_at > found[about]:
                found[about] = job.started_at
    return found


def _about(job: Job) -> str:
    return job.target_key or job.target_name.lower()
