"""The only way to change anything: read-only check, lock, journal, send, follow; and `resume` after a death.

Nothing is ever sent twice: what is in doubt is looked up by its client request id and adopted, or declared
not sent. The engine owns one `Runner`.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from .. import wire
from ..actions import by_id
from ..actions.spec import Target, key_of
from ..errors import Busy, RecoveryError, Refused, StateUnusable
from ..file_model import RESTORE_FILES
from ..file_ways import READ_DISK
from ..journal.store import Entry, Journal, Timing, timing_of
from ..model import Check, Form, Job, JobState, Operation, Phase, Plan, RestoreTime, Risk
from ..preflight import busy_line, holding
from ..services.request_log import without_secrets
from .console import Board
from .operations import operation_of
from .planner import KeptPlan, Planner, name_of
from .runner_follow import Follower, ReadRow

if TYPE_CHECKING:
    from ..services.session import Session
    from .pace import Pace
    from .watch import Watcher

log = logging.getLogger(__name__)

SENT_AT_ONCE = 3
OPERATIONS_SHOWN = 200
SEVERITIES = {Phase.SUCCEEDED: "information", Phase.CANCELLED: "warning"}


class Runner:
    def __init__(
        self,
        session: Session,
        journal: Journal,
        watcher: Watcher,
        board: Board,
        pace: Pace,
        *,
        on_change: Callable[[], None],
        on_notice: Callable[[wire.Notice], None],
        on_ended: Callable[[Entry], None],
        read_row: ReadRow,
        times: Callable[[], tuple[RestoreTime, ...]] = tuple,
        read_only: bool = False,
    ) -> None:
        self._session = session
        self._journal = journal
        self._board = board
        self._on_change = on_change
        self._on_notice = on_notice
        self._on_ended = on_ended
        self._read_only = read_only
        self._planner = Planner(session, watcher, board, times)
        self._follower = Follower(session, pace, watcher, self._planner.context, self.record, read_row)
        self._entries: dict[str, Entry] = {}
        self._held: dict[str, str] = {}
        self._sending = asyncio.Semaphore(SENT_AT_ONCE)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._durations: dict[Timing, list[float]] = {}

    # plans

    async def prepare(
        self, action: str, keys: Sequence[str], answers: Mapping[str, str]
    ) -> tuple[Form, tuple[Check, ...]]:
        return await self._planner.prepare(action, keys, answers)

    async def precheck(self, action: str, keys: Sequence[str]) -> tuple[tuple[Check, ...], tuple[str, ...]]:
        return await self._planner.precheck(action, keys)

    async def make_plan(self, action: str, keys: Sequence[str], answers: Mapping[str, str]) -> Plan:
        return await self._planner.make_plan(action, keys, answers)

    # the gate

    async def confirm(
        self, request: wire.Confirm, *, confirmed_by: str, read_only: bool
    ) -> wire.Confirmed | wire.Replanned:
        """Raises Refused, Busy or StateUnusable; then nothing was sent."""
        kept = self._planner.kept(request.plan_id)
        if kept.action.opens:
            raise Refused(f"{kept.action.title} is opened, not run.", "Use the same release everywhere.")
        self._check_ceremony(kept.plan, request, read_only=read_only or self._read_only)
        self._journal.require()
        keys = [key_of(target) for target in kept.targets]
        self._hold(keys, kept.plan.id)
        try:
            fresh = await self._planner.fresh_targets(kept.action, keys)
            changes = self._planner.outdated(kept, fresh)
            if changes:
                self._planner.used(kept.plan.id)
                return wire.Replanned(plan=await self._planner.remake(kept, fresh), changes=tuple(changes))
            self._planner.kept(kept.plan.id)
            self._planner.used(kept.plan.id)
            entries = self._entries_of(kept, fresh, confirmed_by)
            self._journal.intend(entries)
        finally:
            self._release(keys, kept.plan.id)
        for entry in entries:
            self._show(entry)
            self._start(entry)
        return wire.Confirmed(operation_ids=tuple(entry.id for entry in entries))

    def knows(self, plan_id: str) -> bool:
        return self._planner.knows(plan_id)

    def opened(self, request: wire.Confirm, *, read_only: bool) -> KeptPlan:
        """A plan of what is opened instead of run, confirmed. Raises Refused."""
        kept = self._planner.kept(request.plan_id)
        if not kept.action.opens:
            raise Refused(f"{kept.action.title} is not opened.", "Use the same release everywhere.")
        self._check_ceremony(kept.plan, request, read_only=read_only or self._read_only)
        self._journal.require()
        self._planner.used(kept.plan.id)
        return kept

    async def at_its_end(self, operation_id: str) -> Operation:
        """Waits for an operation of ours."""
        task = self._tasks.get(operation_id)
        if task is not None:
            await asyncio.wait([task])
        return self._board.operations[operation_id]

    def _check_ceremony(self, plan: Plan, request: wire.Confirm, *, read_only: bool) -> None:
        if read_only and plan.risk > Risk.LOOK:
            raise Refused(
                "This console is read-only.", "Start azrecover without --read-only to change anything."
            )
        if plan.refused:
            raise Refused(f"{plan.title} cannot be started: {plan.refused[0]}.", "Nothing was sent.")
        if plan.risk >= Risk.CHANGES and request.typed.strip() != plan.confirm_name:
            raise Refused("The name was not typed as shown.", "Nothing was sent; open the action again.")
        if plan.risk >= Risk.DESTROYS and not request.understood:
            raise Refused("What is lost was not confirmed as understood.", "Nothing was sent.")

    def _hold(self, keys: Sequence[str], plan_id: str) -> None:
        """All of these targets or none; there is no await between look and hold."""
        for key in keys:
            if running := holding(key, self._board.operations.values()):
                raise Busy(
                    f"{running[0].target_name} is held: {busy_line(running[0])}.",
                    "Wait for its end, or look at it in the operations pane. Nothing was sent.",
                    resource=key,
                )
            if self._held.get(key) is not None:
                raise Busy(
                    "Another console is just confirming this.",
                    "Nothing was sent from here; the operations pane (4) shows what it started.",
                    resource=key,
                )
        for key in keys:
            self._held[key] = plan_id

    def _release(self, keys: Sequence[str], plan_id: str) -> None:
        for key in keys:
            if self._held.get(key) == plan_id:
                del self._held[key]

    def _entries_of(self, kept: KeptPlan, fresh: Sequence[Target], confirmed_by: str) -> list[Entry]:
        now = datetime.now(UTC)
        entries: list[Entry] = []
        for target, draft in zip(fresh, kept.drafts, strict=True):
            for step in draft.steps:
                own = msgspec.structs.replace(kept.plan, requests=(*step.before, step.request))
                entries.append(
                    Entry(
                        id=str(uuid.uuid4()),
                        plan_id=kept.plan.id,
                        action=kept.action.id,
                        title=step.title,
                        target_key=key_of(target),
                        target_name=step.about or name_of(target),
                        target_id=step.target_id,
                        request_id=str(uuid.uuid4()),
                        arguments=step.arguments,
                        answers={key: without_secrets(value) for key, value in kept.answers.items()},
                        plan=own,
                        confirmed_by=confirmed_by,
                        created_at=now,
                        service_created_at=self._session.service_now(),
                        message="about to be sent",
                    )
                )
        return entries

    # life of an operation

    def _start(self, entry: Entry) -> None:
        task = asyncio.create_task(self._live(entry), name=f"operation {entry.id[:8]}")
        self._tasks[entry.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(entry.id, None))

    async def _live(self, entry: Entry) -> None:
        """From where the entry stands to its end."""
        try:
            if entry.phase is Phase.INTENDED:
                async with self._sending:
                    entry = await self._follower.send(entry)
            if entry.phase is Phase.UNKNOWN:
                entry = await self._follower.look_up(entry)
            if not entry.phase.ended:
                entry = await self._follower.follow(entry)
        except asyncio.CancelledError:
            raise
        except Exception as problem:
            log.exception("Following %s failed in an unexpected way", entry.title)
            self._tell_lost(self._entries.get(entry.id, entry), problem)
            return
        self._ended(entry)

    def _tell_lost(self, entry: Entry, problem: Exception) -> None:
        """Its row must not go on looking as if somebody watched it."""
        title = f"no longer followed: azrecover failed inside ({type(problem).__name__})"
        text = "It goes on in Azure. `azrecover engine stop` and a new start take it up again."
        self._follower.unreadable.add(entry.id)
        self.record(msgspec.structs.replace(entry, message=f"{title}. {text}"), title)
        self._on_notice(
            wire.Notice(
                severity="error", title=f"{entry.title} is {title}.", text=text, operation_id=entry.id
            )
        )

    async def give_up(self, request: wire.GiveUp, *, given_up_by: str, read_only: bool) -> None:
        """Ends the waiting for an operation of which nothing can be learned. Raises Refused."""
        if read_only or self._read_only:
            raise Refused("This console is read-only.", "The operation is left as it is.")
        entry = self._entries.get(request.operation_id)
        if entry is None or entry.phase.ended:
            raise Refused("No such operation is waited for.", "See `azrecover journal list`.")
        if entry.id not in self._follower.unreadable:
            raise Refused(
                f"{entry.title} can still be followed: {entry.message}.",
                "Wait for its end, or cancel its job (K). Only what cannot be read can be given up.",
            )
        task = self._tasks.get(entry.id)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        entry = self._entries[entry.id]
        if entry.phase.ended:
            return
        message = f"given up by {given_up_by}, what became of it is not known: {request.reason}"
        entry = msgspec.structs.replace(
            entry, phase=Phase.GIVEN_UP, ended_at=datetime.now(UTC), message=message
        )
        self.record(entry, message)
        self._ended(entry)

    def _ended(self, entry: Entry) -> None:
        self._durations.pop(timing_of(entry), None)
        self._show(entry)
        job = self._board.operations[entry.id].job
        warned = entry.phase is Phase.SUCCEEDED and job is not None and job.state is JobState.WARNED
        self._on_notice(
            wire.Notice(
                severity="warning" if warned else SEVERITIES.get(entry.phase, "error"),
                title=f"{entry.title}: {entry.message or entry.phase}",
                text=entry.error.hint if entry.error else "",
                operation_id=entry.id,
                ended=True,
            )
        )
        self._on_ended(entry)

    def record(self, entry: Entry, text: str, job: Job | None = None) -> None:
        """Keep and show the entry. A journal that cannot be written any more does not stop the watching."""
        try:
            self._journal.change(entry, text)
        except StateUnusable as problem:
            log.error("%s", problem)
            if entry.phase is Phase.INTENDED:
                raise
            self._on_notice(wire.Notice(severity="error", title=problem.title, text=problem.hint))
        self._show(entry, job)

    def _show(self, entry: Entry, job: Job | None = None) -> None:
        self._entries[entry.id] = entry
        before = self._board.operations.get(entry.id)
        job = job or (before.job if before else None)
        operation = operation_of(entry, job, self._durations_of(timing_of(entry)))
        if operation != before:
            self._board.operations = {**self._board.operations, entry.id: operation}
            self._on_change()

    def _durations_of(self, timing: Timing) -> list[float]:
        if timing not in self._durations:
            try:
                self._durations[timing] = self._journal.durations_s(timing)
            except StateUnusable:
                return []
        return self._durations[timing]

    def resume(self) -> None:
        """Take up what an earlier engine left, and show what it finished; before any console can confirm
        anything, so that targets in use are held."""
        if self._journal.problem is not None:
            return
        unfinished = {entry.id: entry for entry in self._journal.unfinished()}
        shown: dict[str, Operation] = {}
        for entry in [*reversed(self._journal.recent(OPERATIONS_SHOWN)), *unfinished.values()]:
            self._entries[entry.id] = entry
            shown[entry.id] = operation_of(entry, None, self._durations_of(timing_of(entry)))
        self._board.operations = {**shown, **self._board.operations}
        self._on_change()
        for entry in unfinished.values():
            if entry.action in (RESTORE_FILES, READ_DISK):
                continue  # whoever opens its disks goes on with the one; the other is ended by disk_access.py
            if entry.phase is Phase.INTENDED:
                entry = msgspec.structs.replace(
                    entry, phase=Phase.UNKNOWN, message="looking up whether it was sent"
                )
                self.record(entry, "the engine ended before the answer came")
            self._start(entry)

    async def close(self) -> None:
        """Stop watching; operations go on in Azure and the next engine takes them up."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def action_title(action: str) -> str:
    try:
        return by_id(action).title
    except RecoveryError:
        return action
