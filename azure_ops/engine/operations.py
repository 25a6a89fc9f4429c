"""Our operations as the consoles see them: made from the journal's entries and the jobs that do them.
Pure."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from ..journal.store import Entry
from ..model import ErrorNote, Job, JobState, JobTask, Operation, Phase
from ..points import crash_error
from ..preflight import span
from ..services.azure_codes import known

JOB_PHASES = {
    JobState.SUCCEEDED: Phase.SUCCEEDED,
    JobState.WARNED: Phase.SUCCEEDED,
    JobState.SKIPPED: Phase.FAILED,
    JobState.FAILED: Phase.FAILED,
    JobState.CANCELLED: Phase.CANCELLED,
}


def operation_of(entry: Entry, job: Job | None, durations_s: list[float]) -> Operation:
    return Operation(
        id=entry.id,
        action=entry.action,
        title=entry.title,
        target_key=entry.target_key,
        target_name=entry.target_name,
        phase=entry.phase,
        created_at=entry.created_at,
        service_created_at=entry.service_created_at,
        submitted_at=entry.submitted_at,
        ended_at=entry.ended_at,
        took_s=entry.duration_s if entry.phase.ended else None,
        job_id=entry.job_id,
        job=job,
        message=entry.message,
        error=entry.error,
        confirmed_by=entry.confirmed_by,
        answers=entry.answers,
        outputs=entry.outputs,
        normal_s=median(durations_s) if durations_s else None,
        normal_count=len(durations_s),
    )


def leaves(tasks: tuple[JobTask, ...]) -> Iterator[JobTask]:
    for task in tasks:
        if task.children:
            yield from leaves(task.children)
        else:
            yield task


def progress_line(job: Job) -> str:
    """One line for the row: which step of how many, in the service's words."""
    steps = list(leaves(job.tasks))
    running = next((n for n, task in enumerate(steps) if task.state is JobState.RUNNING), None)
    if running is not None:
        note = f" ({steps[running].note})" if steps[running].note else ""
        return f"{running + 1}/{len(steps)} {steps[running].name}{note}"
    if job.state.ended and job.errors:
        return job.errors[0].message
    return job.state_text or job.state


def job_signature(job: Job) -> tuple[object, ...]:
    """Changes when a step begins or ends: then the journal gets a line."""
    return job.state, tuple((task.name, task.state) for task in leaves(job.tasks))


def job_error(entry: Entry, job: Job) -> ErrorNote | None:
    """Why the job failed or was cancelled, in the service's words."""
    if job.state not in (JobState.FAILED, JobState.SKIPPED):
        return None
    ended = "failed" if job.state is JobState.FAILED else "was skipped"
    first = job.errors[0] if job.errors else None
    known_code = known(first.code) if first else None
    why = first.message if first and first.message else "the service gives no reason"
    return ErrorNote(
        kind="JobFailed",
        title=f"{entry.title} {ended}: {why.rstrip('.')}.",
        hint=(known_code.next_step if known_code else "")
        or (first.recommendation if first else "")
        or "Look at the steps; raw JSON (y) shows all of the job.",
        code=first.code if first else "",
        resource=entry.target_id,
        details="; ".join(error.causes for error in job.errors if error.causes),
    )


def job_duration_s(job: Job) -> float | None:
    if job.started_at is None or job.ended_at is None:
        return None
    return max(0.0, (job.ended_at - job.started_at).total_seconds())


def end_line(job: Job) -> str:
    """How it ended, for the row."""
    duration = job_duration_s(job)
    took = f" in {span(duration)}" if duration is not None else ""
    if job.state is JobState.WARNED and (crash := crash_error(job)):
        return f"crash-consistent only{took}: {crash.message or crash.code}"
    if job.state is JobState.WARNED:
        reason = f": {job.errors[0].message}" if job.errors else ""
        return f"completed with warnings{took}{reason}"
    if job.state is JobState.FAILED:
        return progress_line(job)
    if job.state is JobState.SKIPPED:
        return "skipped by the service: nothing was done"
    return f"{'cancelled' if job.state is JobState.CANCELLED else 'done'}{took}"
