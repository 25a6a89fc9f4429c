"""Sending one request, looking up what is in doubt, and following a job to its end; for `runner.py` only."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import msgspec

from ..actions import by_id
from ..actions.spec import Context
from ..errors import NotFound, RecoveryError, ServiceFailed, StateUnusable, Throttled, Unreachable
from ..journal.store import Entry
from ..model import ErrorNote, Job, JobKind, JobState, Phase
from ..restore_outputs import outputs_of
from ..services.throttling import LOOKING_LEAVES, leaving
from .operations import JOB_PHASES, end_line, job_duration_s, job_error, job_signature, progress_line
from .pace import Pace, patience_s
from .watch_focus import jobs_budget

if TYPE_CHECKING:
    from ..services.session import Session
    from .submitted import Submitted
    from .watch import Watcher

log = logging.getLogger(__name__)

LOOKED_UP_FOR = timedelta(seconds=120)
"""Of the service's time after the request may have left: a job that is not listed by then was never made."""
LOOKED_UP_AT_LEAST_S = 60.0
"""Of this machine's time since the looking began: a clock that jumps must not shorten it."""
LOOK_PAUSES_S = (2.0, 4.0, 8.0, 15.0, 30.0)
LONGEST_LOOK_PAUSE_S = 60.0
OPERATION_POLL_S = 3.0
"""Until the service has told which job it made."""
MISSED_READS_TOLD = 3
ROW_READ_WITHIN_S = 5.0
"""Real seconds by which the end of an operation is told, whether or not its row could be read anew."""
MOVE_ROWS = ("re-protect", "disable-replication")
"""After them the replicated item is another row's, or nobody's: only the fleet query tells whose."""
NOT_FOUND = {
    "cancel-job": "was not carried out: the job shows no cancellation",
    "recover-items": "was not carried out: the point shows no new connection",
    "revoke-items": "was not carried out: the point is still open",
    "delete-disk": "was not carried out: the disk is still there",
    "resize-vm": "was not carried out: the VM has its old size",
    "snapshot-disks": "was not carried out: there is no such snapshot",
    "create-vault": "was not carried out: there is no such vault",
    "change-redundancy": "was not carried out: the vault is as it was",
    "cross-region-restore": "was not carried out: the vault is as it was",
}


class Record(Protocol):
    def __call__(self, entry: Entry, text: str, job: Job | None = None) -> None: ...


class ReadRow(Protocol):
    async def __call__(self, key: str) -> None: ...


class Follower:
    def __init__(
        self,
        session: Session,
        pace: Pace,
        watcher: Watcher,
        context: Callable[[], Context],
        record: Record,
        read_row: ReadRow,
    ) -> None:
        self._session = session
        self._pace = pace
        self._watcher = watcher
        self._context = context
        self._record = record
        self._read_row = read_row
        self.unreadable: set[str] = set()
        """Operations of which nothing can be learned now."""

    async def send(self, entry: Entry) -> Entry:
        """The one request. What comes back is submitted, ended, or in doubt."""
        from ..services.azure_failures import certainly_not_done

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
        entry = _with(entry, phase=phase, ended_at=_now(), message=problem.title, error=note_of(problem))
        self._record(entry, f"{'refused' if answered else 'not sent'}: {problem.title}")
        return entry

    def _doubt(self, entry: Entry, why: str, problem: RecoveryError | None) -> Entry:
        note = note_of(problem) if problem else None
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
        began = time.monotonic()
        while True:
            try:
                found = await find(self._context(), entry)
            except RecoveryError as problem:
                self.unreadable.add(entry.id)
                message = f"in doubt, cannot be looked up: {problem.title} {_way_out(entry)}"
                if entry.message != message:
                    entry = _with(entry, message=message)
                    self._record(entry, entry.message)
            else:
                self.unreadable.discard(entry.id)
                if found is not None:
                    return self._adopt(entry, found, "found at the service")
                if self._looked_long_enough(entry, began):
                    return self._not_found(entry)
            await asyncio.sleep(self._pace.seconds(pauses.pop(0) if pauses else LONGEST_LOOK_PAUSE_S))

    def _looked_long_enough(self, entry: Entry, began: float) -> bool:
        looked_s = time.monotonic() - began
        over = self._session.service_now() > entry.service_created_at + LOOKED_UP_FOR
        return over and looked_s >= self._pace.seconds(LOOKED_UP_AT_LEAST_S)

    def _not_found(self, entry: Entry) -> Entry:
        message = NOT_FOUND.get(entry.action, "was not carried out: the service has no job")
        entry = _with(entry, phase=Phase.NOT_SENT, ended_at=_now(), message=message)
        self._record(entry, f"looked up and not found: {message}")
        return entry

    async def follow(self, entry: Entry) -> Entry:
        """To the end of its job, or of its ARM operation when it has no job."""
        signature: tuple[object, ...] = ()
        missed = without_news = 0
        while True:
            try:
                with leaving(LOOKING_LEAVES):
                    entry, job = await self._read(entry)
            except RecoveryError as problem:
                missed += 1
                if missed == MISSED_READS_TOLD:
                    self.unreadable.add(entry.id)
                    entry = _with(entry, message=_unread_line(entry, problem))
                    self._record(entry, entry.message)
                await asyncio.sleep(self._pace.seconds(min(5.0 * 2**missed, LONGEST_LOOK_PAUSE_S)))
                continue
            missed = 0
            self.unreadable.discard(entry.id)
            if job is None:
                continue
            ended = self._end(entry, job)
            if ended is not None:
                ended = await self._with_outputs(ended, job)
                await self._read_target(ended)
                self._record(ended, f"{ended.phase}: {ended.message}", job)
                return ended
            line = progress_line(job)
            without_news = 0 if signature != job_signature(job) else without_news + 1
            if entry.phase is not Phase.RUNNING or entry.message != line or signature != job_signature(job):
                text = line if signature != job_signature(job) else ""
                signature = job_signature(job)
                entry = _with(entry, phase=Phase.RUNNING, message=line, error=None)
                self._record(entry, text or line, job)
            if without_news:
                await asyncio.sleep(self._pace.seconds(patience_s(without_news)))

    async def _read_target(self, entry: Entry) -> None:
        """Its row first, then "done": whoever reads that looks for the next key on the row at once."""
        if entry.action in MOVE_ROWS:
            self._watcher.poke()
        try:
            async with asyncio.timeout(ROW_READ_WITHIN_S):
                await self._read_row(entry.target_key)
        except TimeoutError:
            pass
        except Exception:
            log.exception("The row of %s cannot be read at its end", entry.title)

    async def _with_outputs(self, entry: Entry, job: Job) -> Entry:
        """What it made, read once. That it cannot be read changes nothing about how it ended."""
        made = by_id(entry.action).made
        if made is None or entry.phase is not Phase.SUCCEEDED:
            return entry
        try:
            return _with(entry, outputs=await made(self._context(), entry, job))
        except RecoveryError as problem:
            log.warning("What %s made cannot be read: %s", entry.title, problem)
            return _with(entry, outputs=outputs_of(job))

    async def _read(self, entry: Entry) -> tuple[Entry, Job | None]:
        """The job as it is now; None when the operation has just told which job it is."""
        from ..services import jobs
        from .submitted import Submitted

        if entry.job_id:
            await self._pace.turn(*jobs_budget(entry.job_id))
            job = await jobs.read_job(self._session, entry.job_id)
            job = msgspec.structs.replace(job, target_key=job.target_key or entry.target_key)
            self._watcher.saw_job(job)
            return entry, job
        await asyncio.sleep(self._pace.seconds(OPERATION_POLL_S))
        address = jobs.poll_address(entry.resume)
        if address:
            await self._pace.turn(*jobs_budget(urlsplit(address).path))
        try:
            told = await jobs.operation_status(self._session, Submitted(resume=entry.resume))
        except RecoveryError as problem:
            # The address is kept for hours only; the job carries our request id for as long as it is listed.
            found = None if problem.retryable else await self._find(entry)
            if found is None:
                raise
            told = jobs.OperationStatus(state=JobState.RUNNING, job_id=found.job_id)
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
            # Item-level recovery ends, so it says, at the moment it began: that is no duration.
            ended_at=told.ended_at if told.ended_at != told.started_at else None,
            errors=(told.error,) if told.error else (),
        )

    async def _find(self, entry: Entry) -> Submitted | None:
        find = by_id(entry.action).find
        return None if find is None else await find(self._context(), entry)

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


def _unread_line(entry: Entry, problem: RecoveryError) -> str:
    if isinstance(problem, NotFound):
        return f"Azure knows its job no more, how it ended is unknown: {problem.title} {_way_out(entry)}"
    return f"cannot be read now, goes on in Azure: {problem.title}"


def note_of(problem: RecoveryError) -> ErrorNote:
    """Of a request that changes something: the next step of a read, which is repeated, would mislead."""
    note = problem.note()
    if isinstance(problem, Throttled) and problem.retry_after_s:
        hint = (
            f"Nothing repeats it. Azure takes it again in {problem.retry_after_s:.0f} s: try again then (A)."
        )
    elif isinstance(problem, Throttled | ServiceFailed | Unreachable):
        hint = "Nothing repeats it: when it has ended so, try again (A)."
    else:
        return note
    return msgspec.structs.replace(note, hint=hint)


def _way_out(entry: Entry) -> str:
    return f"(`azrecover journal give-up {entry.id[:8]}` ends the waiting)"


def _end_of_cancel(job: Job) -> tuple[Phase, str, None]:
    if job.state in (JobState.CANCELLED, JobState.WARNED):
        return Phase.SUCCEEDED, f"the job was cancelled: {end_line(job)}", None
    return Phase.FAILED, f"the job ended before it could be cancelled: {end_line(job)}", None


def _with(entry: Entry, **changes: object) -> Entry:
    return msgspec.structs.replace(entry, **changes)


def _now() -> datetime:
    return datetime.now(UTC)
