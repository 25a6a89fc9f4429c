"""Sending one request, looking up what is in doubt, and following a job to its end; for `runner.py` only."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import msgspec

from .actions import by_id
from .actions.spec import Context
from .errors import RecoveryError, StateUnusable
from .journal import Entry
from .model import Job, JobKind, JobState, Phase
from .operations import JOB_PHASES, end_line, job_duration_s, job_error, job_signature, progress_line
from .watch_focus import jobs_budget

if TYPE_CHECKING:
    from .pace import Pace
    from .session import Session
    from .submitted import Submitted
    from .watch import Watcher

log = logging.getLogger(__name__)

LOOKED_UP_FOR = timedelta(seconds=120)
"""Of the service's time after the request may have left: a job that is not listed by then was never made."""
LOOK_PAUSES_S = (2.0, 4.0, 8.0, 15.0, 30.0)
LONGEST_LOOK_PAUSE_S = 60.0
OPERATION_POLL_S = 3.0
"""Until the service has told which job it made."""
MISSED_READS_TOLD = 3


class Record(Protocol):
    def __call__(self, entry: Entry, text: str, job: Job | None = None) -> None: ...


class Follower:
    def __init__(
        self,
        session: Session,
        pace: Pace,
        watcher: Watcher,
        context: Callable[[], Context],
        record: Record,
    ) -> None:
        self._session = session
        self._pace = pace
        self._watcher = watcher
        self._context = context
        self._record = record

    async def send(self, entry: Entry) -> Entry:
        """The one request. What comes back is submitted, ended, or in doubt."""
        from .azure_failures import certainly_not_done

        run = by_id(entry.action).run
        assert run is not None
        entry = _with(entry, service_created_at=self._session.service_now(), message="being sent")
        try:
            self._record(entry, "being sent")
            submitted = await run(self._context(), entry)
        except StateUnusable as problem:
            return _with(
                entry, phase=Phase.NOT_SENT, ended_at=_now(), message=problem.title, error=problem.note()
            )
        except RecoveryError as problem:
            if certainly_not_done(problem):
                return self._refused(entry, problem)
            return self._doubt(entry, problem.title, problem)
        except Exception as problem:
            log.exception("Sending %s failed in an unexpected way", entry.title)
            return self._doubt(entry, f"azrecover failed inside: {type(problem).__name__}", None)
        return self._adopt(entry, submitted, "taken by the service")

    def _refused(self, entry: Entry, problem: RecoveryError) -> Entry:
        answered = problem.status is not None
        phase = Phase.FAILED if answered else Phase.NOT_SENT
        entry = _with(entry, phase=phase, ended_at=_now(), message=problem.title, error=problem.note())
        self._record(entry, f"{'refused' if answered else 'not sent'}: {problem.title}")
        return entry

    def _doubt(self, entry: Entry, why: str, problem: RecoveryError | None) -> Entry:
        note = problem.note() if problem else None
        entry = _with(entry, phase=Phase.UNKNOWN, message=f"in doubt, being looked up: {why}", error=note)
        self._record(entry, f"in doubt: {why}")
        return entry

    def _adopt(self, entry: Entry, submitted: Submitted, text: str) -> Entry:
        message = "; ".join(submitted.warnings) or "taken by the service"
        entry = _with(
            entry,
            phase=Phase.SUBMITTED,
            submitted_at=entry.submitted_at or _now(),
            resume=submitted.resume,
            job_id=submitted.job_id,
            message=message,
            error=None,
        )
        self._record(entry, "; ".join([text, *submitted.warnings]))
        return entry

    async def look_up(self, entry: Entry) -> Entry:
        """Until the operation is found or was certainly never sent. Never sends."""
        find = by_id(entry.action).find
        assert find is not None
        pauses = list(LOOK_PAUSES_S)
        while True:
            try:
                found = await find(self._context(), entry)
            except RecoveryError as problem:
                if entry.message != f"in doubt, cannot be looked up: {problem.title}":
                    entry = _with(entry, message=f"in doubt, cannot be looked up: {problem.title}")
                    self._record(entry, entry.message)
            else:
                if found is not None:
                    return self._adopt(entry, found, "found at the service")
                if self._session.service_now() > entry.service_created_at + LOOKED_UP_FOR:
                    entry = _with(
                        entry,
                        phase=Phase.NOT_SENT,
                        ended_at=_now(),
                        message="was not sent: the service has no job",
                    )
                    self._record(entry, "looked up and not found: not sent")
                    return entry
            await asyncio.sleep(self._pace.seconds(pauses.pop(0) if pauses else LONGEST_LOOK_PAUSE_S))

    async def follow(self, entry: Entry) -> Entry:
        """To the end of its job, or of its ARM operation when it has no job."""
        signature: tuple[object, ...] = ()
        missed = 0
        while True:
            try:
                entry, job = await self._read(entry)
            except RecoveryError as problem:
                missed += 1
                if missed == MISSED_READS_TOLD:
                    entry = _with(entry, message=f"cannot be read now, goes on in Azure: {problem.title}")
                    self._record(entry, entry.message)
                await asyncio.sleep(self._pace.seconds(min(5.0 * 2**missed, LONGEST_LOOK_PAUSE_S)))
                continue
            missed = 0
            if job is None:
                continue
            ended = self._end(entry, job)
            if ended is not None:
                self._record(ended, f"{ended.phase}: {ended.message}", job)
                return ended
            line = progress_line(job)
            if entry.phase is not Phase.RUNNING or entry.message != line or signature != job_signature(job):
                text = line if signature != job_signature(job) else ""
                signature = job_signature(job)
                entry = _with(entry, phase=Phase.RUNNING, message=line, error=None)
                self._record(entry, text or line, job)

    async def _read(self, entry: Entry) -> tuple[Entry, Job | None]:
        """The job as it is now; None when the operation has just told which job it is."""
        from . import jobs
        from .submitted import Submitted

        if entry.job_id:
            await self._pace.turn(*jobs_budget(entry.job_id))
            job = await jobs.read_job(self._session, entry.job_id)
            job = msgspec.structs.replace(job, target_key=job.target_key or entry.target_key)
            self._watcher.saw_job(job)
            return entry, job
        await asyncio.sleep(self._pace.seconds(OPERATION_POLL_S))
        told = await jobs.operation_status(self._session, Submitted(resume=entry.resume))
        if told.job_id:
            entry = _with(entry, job_id=told.job_id)
            self._record(entry, "the job is known")
            return entry, None
        return entry, Job(
            id="",
            kind=JobKind.BACKUP,
            operation=entry.action,
            state=told.state,
            state_text=told.state_text,
            started_at=told.started_at,
            ended_at=told.ended_at,
            errors=(told.error,) if told.error else (),
        )

    def _end(self, entry: Entry, job: Job) -> Entry | None:
        """The entry at its end, None while it goes on."""
        phase = JOB_PHASES.get(job.state)
        message = end_line(job)
        if entry.action == "test-failover" and job.state is JobState.SUSPENDED:
            phase, message = Phase.SUCCEEDED, "the test VM runs and waits for its clean-up"
        if phase is None:
            return None
        error = job_error(entry, job)
        if entry.action == "cancel-job":
            phase, message, error = _end_of_cancel(job)
        duration_s = job_duration_s(job)
        if duration_s is None:
            duration_s = (self._session.service_now() - entry.service_created_at).total_seconds()
        return _with(
            entry, phase=phase, message=message, error=error, ended_at=_now(), duration_s=max(0.0, duration_s)
        )


def _end_of_cancel(job: Job) -> tuple[Phase, str, None]:
    if job.state in (JobState.CANCELLED, JobState.WARNED):
        return Phase.SUCCEEDED, f"the job was cancelled: {end_line(job)}", None
    return Phase.FAILED, f"the job ended before it could be cancelled: {end_line(job)}", None


def _with(entry: Entry, **changes: object) -> Entry:
    return msgspec.structs.replace(entry, **changes)


def _now() -> datetime:
    return datetime.now(UTC)
