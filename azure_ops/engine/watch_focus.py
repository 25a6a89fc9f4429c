"""What is on a screen or being worked on, read from Resource Manager in turns, faster than the fleet."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ..arm_ids import segment, vault_of
from ..errors import NotFound, RecoveryError
from ..model import Backup, FleetItem, Operation, SourceState
from ..services import cross_region
from ..services.request_log import action_of, scope_of
from ..services.throttling import KEPT, POLLING_LEAVES, leaving
from .details import read_parts

if TYPE_CHECKING:
    from ..services.session import Session
    from .console import Board
    from .pace import Pace
    from .watch import Watcher

log = logging.getLogger(__name__)

FOCUS_S = 10.0
"""Between two reads of rows, whichever they are."""
POLLED = "rows on screen"
"""What the focus reads, as a source."""
UNSEEN_ROUNDS = 3
"""A row that is only worked on, and on no screen, is read in every third round: its job tells more."""
ROWS_IN_TURN = 8
"""Rows on a screen beyond these wait for the fleet's tick."""
MACHINE_S = 20.0
"""Between two reads of one VM itself, in real seconds: Compute allows 12 a minute for each VM, whatever pace
an emulator's clock has, and what a key press reads of it must not find that used up."""
MACHINES_REMEMBERED = 500
AFTERGLOW = 3
"""Further reads of a row whose operation has ended: what it changed shows up a little later."""


class FocusReader:
    def __init__(self, session: Session, watcher: Watcher, board: Board, pace: Pace) -> None:
        self._session = session
        self._watcher = watcher
        self._board = board
        self._pace = pace
        self._keys: tuple[str, ...] = ()
        self._job_ids: tuple[str, ...] = ()
        self._looking = False
        self._glow: dict[str, int] = {}
        self._rounds = 0
        self._seen: Mapping[str, Operation] = {}
        self._news = asyncio.Event()
        self._machines_read: dict[str, float] = {}
        self._kept: list[RecoveryError] = []
        self._polled_at: datetime | None = None
        self._made: dict[str, str] = {}

    def look(self, keys: Iterable[str], job_ids: Iterable[str], *, looking: bool) -> None:
        wanted = tuple(dict.fromkeys(key.lower() for key in keys))[:ROWS_IN_TURN]
        jobs = tuple(dict.fromkeys(job_ids))
        for job_id in set(self._job_ids) - set(jobs):
            if not self._is_ours(job_id):
                self._watcher.forget_job(job_id)
        self._keys, self._job_ids, self._looking = wanted, jobs, looking
        self._news.set()

    def operations_changed(self) -> None:
        """Rows with a running operation are read; for a while also after its end."""
        newest = self._board.operations
        for id_, operation in newest.items():
            before = self._seen.get(id_)
            if before is None or before.phase.ended != operation.phase.ended:
                self._glow[operation.target_key] = AFTERGLOW
                self._news.set()
        self._seen = newest

    def made(self, key: str, item_id: str) -> None:
        """A row may have got a backup item that the fleet query will know of only in a while."""
        item = self._watcher.item(key)
        if item is not None and item.backup is None and "/protecteditems/" in item_id.lower():
            self._made[key] = item_id
            self._glow[key] = AFTERGLOW
            self._news.set()

    async def run(self) -> None:
        while True:
            self._news.clear()
            busy = {op.target_key for op in self._board.operations.values() if not op.phase.ended}
            rows = dict.fromkeys(chain(busy, self._glow, self._keys))
            self._watcher.keep_hot(rows)
            self._rounds += 1
            turn = self._rounds % UNSEEN_ROUNDS == 0
            due = [key for key in rows if turn or key in self._keys or key not in busy]
            jobs = [job_id for job_id in self._job_ids if self._wants_reading(job_id)]
            if not self._looking or not (rows or jobs):
                await self._news.wait()
                continue
            with leaving(POLLING_LEAVES):
                await asyncio.gather(self._read_rows(due, busy), self._read_jobs(jobs))
            self._tell_pause()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), self._pace.seconds(FOCUS_S))

    async def read_now(self, key: str) -> None:
        """One row, out of its turn. A part that cannot be read stays as it was."""
        item = self._watcher.item(key)
        if item is not None:
            self._machines_read.pop(key, None)
            self._lay_over(*await self._read_row(item))

    def _lay_over(self, row: FleetItem, problems: Mapping[str, RecoveryError]) -> None:
        """A replicated item that is gone was re-protected or removed: which, the fleet query will tell."""
        if isinstance(problems.get("replication"), NotFound):
            self._watcher.take_off(row.key)
        else:
            self._watcher.lay_over(row)

    async def _read_rows(self, keys: list[str], busy: set[str]) -> None:
        for key in keys:
            if key not in busy and key in self._glow:
                self._glow[key] -= 1
                if self._glow[key] <= 0:
                    del self._glow[key]
            item = self._watcher.item(key)
            if item is None:
                self._glow.pop(key, None)
                continue
            await self._pace.turn(*row_budget(item))
            row, problems = await self._read_row(item)
            self._kept += [problem for problem in problems.values() if problem.code == KEPT]
            self._lay_over(row, problems)

    async def _read_row(self, item: FleetItem) -> tuple[FleetItem, dict[str, RecoveryError]]:
        machine = self._machine_due(item.key)
        made = self._made.pop(item.key, "") if item.backup is None else ""
        unread = Backup(item_id=made, vault_id=vault_of(made)) if made else item.backup
        row, problems = await read_parts(self._session, replace(item, backup=unread), machine=machine)
        return replace(row, backup=None) if made and row.backup is unread else row, problems

    def _tell_pause(self) -> None:
        """Below the fleet, like a source of it that failed."""
        kept = self._kept[0].note() if self._kept else None
        self._kept.clear()
        if kept is None:
            self._polled_at = datetime.now(UTC)
        self._watcher.saw_source(SourceState(name=POLLED, read_at=self._polled_at, error=kept))

    def _machine_due(self, key: str) -> bool:
        now = time.monotonic()
        if now - self._machines_read.get(key, -MACHINE_S) < MACHINE_S:
            return False
        if len(self._machines_read) > MACHINES_REMEMBERED:
            self._machines_read.clear()
        self._machines_read[key] = now
        return True

    async def _read_jobs(self, job_ids: list[str]) -> None:
        from ..services import jobs

        for job_id in job_ids:
            await self._pace.turn(*jobs_budget(job_id))
            try:
                self._watcher.saw_job(await jobs.read_job(self._session, job_id))
            except RecoveryError as problem:
                if problem.code == KEPT:
                    self._kept.append(problem)
                log.info("A job in focus could not be read: %s", problem)

    def _wants_reading(self, job_id: str) -> bool:
        known = self._board.jobs.get(job_id.lower())
        if self._is_ours(job_id):
            return False
        return known is None or not known.state.ended or not known.tasks

    def _is_ours(self, job_id: str) -> bool:
        wanted = job_id.lower()
        return any(operation.job_id.lower() == wanted for operation in self._board.operations.values())


def row_budget(item: FleetItem) -> tuple[str, str]:
    """(action, scope) of the tightest budget on which a read of this row draws."""
    if item.backup is not None:
        return action_of("GET", item.backup.item_id), item.backup.vault_id
    if item.replication is not None:
        return action_of("GET", item.replication.item_id), item.replication.vault_id
    return action_of("GET", item.id), item.subscription_id


def jobs_budget(job_id: str) -> tuple[str, str]:
    """(action, scope) on whose budget a read of this job draws."""
    if region := segment(job_id, cross_region.JOBS) and segment(job_id, "locations"):
        path = f"{cross_region.location_path(job_id, region)}/backupCrrJob"
        return action_of("POST", path), scope_of(path)
    return action_of("GET", job_id), scope_of(job_id)
