"""What loose ends are worked out from beside the fleet: unattached disks, what policies promise, and what our
own restores have left according to the journal. Read now and then, never in the way of the fleet."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ..backup_policies import promise
from ..errors import RecoveryError
from ..journal.store import Entry, Journal
from ..model import Leftovers, Phase, Schedule, SourceState, Trace
from ..services.throttling import POLLING_LEAVES, leaving
from .console import Board
from .snapshot import source_signs

if TYPE_CHECKING:
    from ..services.session import Session
    from .watch import Watcher

log = logging.getLogger(__name__)

DISKS, POLICIES, JOURNAL = "unattached disks", "backup policies", "journal"
READ_EVERY_S = 300.0
FRESH_S = 20.0
"""A refresh by key finds what is younger good enough."""
RESTORES = ("replace-disks", "restore-disks", "restore-vm")
LONGEST_RESTORE = timedelta(hours=12)
"""Assumed of one whose end nobody saw."""

Value = TypeVar("Value")


class LeftoverReader:
    def __init__(
        self, session: Session, watcher: Watcher, journal: Journal, board: Board, on_news: Callable[[], None]
    ) -> None:
        self._session = session
        self._watcher = watcher
        self._journal = journal
        self._board = board
        self._on_news = on_news
        self._looking = asyncio.Event()
        self._wanted = asyncio.Event()
        self._read_at = -READ_EVERY_S

    def look(self, *, looking: bool) -> None:
        if looking:
            self._looking.set()
        else:
            self._looking.clear()

    def poke(self, *, older_than_s: float = 0.0) -> None:
        """Read it again, unless that was done just now."""
        if time.monotonic() - self._read_at >= older_than_s:
            self._wanted.set()

    async def run(self) -> None:
        await self._watcher.ticked()
        while True:
            await self._looking.wait()
            self._wanted.clear()
            self._read_at = time.monotonic()
            try:
                await self.read()
            except Exception:
                log.exception("Reading what restores have left failed in an unexpected way")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), READ_EVERY_S)

    async def read(self) -> None:
        """All of it now; each source fails alone and keeps what it had."""
        from ..services import disks, protection

        before = self._board.leftovers or Leftovers()
        sources = {source.name: source for source in before.sources}
        with leaving(POLLING_LEAVES):
            found, policies, traces = await asyncio.gather(
                self._source(sources, DISKS, disks.list_unattached(self._session), before.disks),
                self._source(sources, POLICIES, self._schedules(protection), before.schedules),
                self._source(sources, JOURNAL, self._traces(), before.traces),
            )
        self._tell(Leftovers(disks=found, schedules=policies, traces=traces, sources=tuple(sources.values())))

    async def _source(
        self,
        sources: dict[str, SourceState],
        name: str,
        reading: Awaitable[tuple[Value, ...]],
        old: tuple[Value, ...],
    ) -> tuple[Value, ...]:
        try:
            rows = await reading
        except RecoveryError as problem:
            known = sources.get(name, SourceState(name=name))
            sources[name] = msgspec.structs.replace(known, error=problem.note())
            return old
        sources[name] = SourceState(name=name, read_at=datetime.now(UTC), rows=len(rows))
        return rows

    async def _schedules(self, protection: Any) -> tuple[Schedule, ...]:
        return tuple(promise(policy) for policy in await protection.every_policy(self._session))

    async def _traces(self) -> tuple[Trace, ...]:
        return tuple(map(trace_of, self._journal.ended_of(RESTORES)))

    def _tell(self, leftovers: Leftovers) -> None:
        before = self._board.leftovers
        if before is not None and _without_times(before) == _without_times(leftovers):
            return
        self._board.leftovers = leftovers
        self._on_news()

    def forget_disk(self, disk_id: str) -> None:
        """It was deleted: nobody has to wait for the next look to see that."""
        before = self._board.leftovers
        if before is not None:
            left = tuple(disk for disk in before.disks if disk.key != disk_id.lower())
            self._tell(msgspec.structs.replace(before, disks=left))


def _without_times(leftovers: Leftovers) -> tuple[object, ...]:
    return (*msgspec.structs.astuple(leftovers)[:3], source_signs(leftovers.sources))


def trace_of(entry: Entry) -> Trace:
    took = LONGEST_RESTORE if entry.duration_s is None else timedelta(seconds=entry.duration_s)
    body = dict(_members(entry.arguments.get("body", "")))
    replaced = entry.action == "replace-disks" and entry.phase is not Phase.NOT_SENT
    disks = entry.arguments.get("disks", "") if replaced else ""
    return Trace(
        operation_id=entry.id,
        action=entry.action,
        title=entry.title,
        target_key=entry.target_key,
        target_name=entry.target_name,
        by=entry.confirmed_by,
        began_at=entry.service_created_at,
        ended_at=entry.service_created_at + took,
        disk_ids=tuple(one.lower() for one in disks.splitlines()),
        group_id=body.get("targetResourceGroupId", ""),
        vm_id=body.get("targetVirtualMachineId", ""),
    )


def _members(body: str) -> Iterator[tuple[str, str]]:
    """Every text of a request's body, however deep: a restore into another region nests them."""
    try:
        rest: list[Any] = [json.loads(body)] if body else []
    except ValueError:
        return
    while rest:
        found = rest.pop()
        if isinstance(found, dict):
            yield from ((key, value) for key, value in found.items() if isinstance(value, str))
            rest += found.values()
        elif isinstance(found, list):
            rest += found
