"""The watcher: ticks that read the fleet's sources concurrently, each failing alone, into one frozen
Snapshot.

The engine starts one; nothing is read for the fleet while nobody looks. Rows that are looked at or worked
on are
read from Resource Manager itself and laid over the slower fleet query until that has caught up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ..errors import RecoveryError, ServiceFailed, Throttled
from ..model import Backup, FleetItem, Job, Replication, SourceState, Vault
from ..services.throttling import POLLING_LEAVES, leaving
from .console import Board
from .snapshot import Snapshot, keep_identity

if TYPE_CHECKING:
    from ..services.session import Session
    from .history import History

log = logging.getLogger(__name__)

VMS = "virtual machines"
TICK_S = 30.0
LONGEST_TICK_S = 300.0
READ_JOBS_KEPT = 300
"""Jobs whose steps were read; the oldest are thin again when there are more."""
OVERLAY_KEPT_S = 120.0
"""How long an answer of Resource Manager outweighs a fleet query that did not change since."""

Value = TypeVar("Value")


class Overlay(msgspec.Struct, frozen=True):
    """One row as Resource Manager told it, and what the fleet query said at that time."""

    read_at: float
    item: FleetItem
    before: FleetItem | None


class Watcher:
    def __init__(
        self, session: Session, board: Board, on_news: Callable[[], None], history: History | None = None
    ) -> None:
        self._session = session
        self._board = board
        self._on_news = on_news
        self._history = history
        self._vms: Mapping[str, FleetItem] = {}
        self._backups: Mapping[str, Backup] = {}
        self._replications: Mapping[str, Replication] = {}
        self._vaults: tuple[Vault, ...] = ()
        self._listed_jobs: Mapping[str, Job] = {}
        self._jobs_elsewhere: Mapping[str, Job] = {}
        self._read_jobs: dict[str, Job] = {}
        self._sources: dict[str, SourceState] = {}
        self._overlays: dict[str, Overlay] = {}
        self._hot: frozenset[str] = frozenset()
        self._generation = 0
        self._failures = 0
        self._ticked_at: float | None = None
        self._looking = False
        self._ticks_begun = self._ticks_done = 0
        self._wanted = asyncio.Event()
        self._tick_over = asyncio.Event()

    # what others tell the watcher

    def look(self, *, looking: bool) -> None:
        """Whether any console wants news of the whole fleet."""
        began = looking and not self._looking
        self._looking = looking
        if began and (self._ticked_at is None or time.monotonic() - self._ticked_at > TICK_S / 2):
            self.poke()

    def poke(self) -> None:
        """Read everything now."""
        self._wanted.set()

    async def refresh(self) -> None:
        """Read everything now and come back when it is read; a tick that runs already does not count."""
        wanted = self._ticks_begun + 1
        self.poke()
        while self._ticks_done < wanted:
            self._tick_over.clear()
            await self._tick_over.wait()

    @property
    def has_ticked(self) -> bool:
        return self._ticks_done > 0

    async def ticked(self) -> None:
        """Comes back when the fleet was read once."""
        while not self.has_ticked:
            self._tick_over.clear()
            await self._tick_over.wait()

    def keep_hot(self, keys: Iterable[str]) -> None:
        """Rows whose overlay stands as long as they are in here."""
        self._hot = frozenset(keys)

    def lay_over(self, item: FleetItem) -> None:
        """A row as Resource Manager told it just now."""
        self._overlays[item.key] = Overlay(time.monotonic(), item, self._graph_row(item.key))
        item = self._completed(item)
        before = self._board.snapshot
        if before is not None and before.items.get(item.key) != item:
            self._show({**before.items, item.key: item})

    def take_off(self, key: str) -> None:
        """What was laid over a row is no more: it is again as the fleet query told it."""
        if self._overlays.pop(key, None) is not None:
            self._publish()

    def saw_job(self, job: Job) -> None:
        """A job read by itself, with its steps; it outweighs the thin one of the list until that says it
        ended."""
        listed = self._listed.get(job.id.lower())
        if listed is not None and not job.target_key:
            job = msgspec.structs.replace(job, target_key=listed.target_key)
        self._read_jobs.pop(job.id.lower(), None)
        self._read_jobs[job.id.lower()] = job
        while len(self._read_jobs) > READ_JOBS_KEPT:
            del self._read_jobs[next(iter(self._read_jobs))]
        self._publish_jobs()

    def saw_jobs_elsewhere(self, jobs: Iterable[Job]) -> None:
        """Those of other regions, which the list does not have: all that are known now."""
        self._jobs_elsewhere = {job.id.lower(): job for job in jobs}
        self._publish_jobs()

    def saw_source(self, source: SourceState) -> None:
        """How something is doing that is not read by ticks; told when that changes."""
        before = self._sources.get(source.name)
        if source.error is not None or before is not None:
            self._sources[source.name] = source
            if before is None or before.error != source.error:
                self._publish()

    def forget_job(self, job_id: str) -> None:
        """The steps of this job are shown no more."""
        if self._read_jobs.pop(job_id.lower(), None) is not None:
            self._publish_jobs()

    def item(self, key: str) -> FleetItem | None:
        snapshot = self._board.snapshot
        return snapshot.items.get(key) if snapshot else None

    @property
    def jobs(self) -> Mapping[str, Job]:
        """Everybody's, by id in lower case; those that were read by themselves with their steps."""
        return self._board.jobs

    @property
    def backup_vaults(self) -> frozenset[str]:
        """Ids of those that hold backups of the fleet."""
        return frozenset(backup.vault_id for backup in self._backups.values())

    @property
    def vaults(self) -> tuple[Vault, ...]:
        return self._vaults

    # ticks

    async def run(self) -> None:
        while True:
            await self._next_tick_due()
            self._wanted.clear()
            self._ticks_begun += 1
            try:
                with leaving(POLLING_LEAVES):
                    await self._tick()
            except Exception:
                log.exception("A tick failed in an unexpected way")
                self._failures += 1
            self._ticked_at = time.monotonic()
            self._ticks_done = self._ticks_begun
            self._tick_over.set()

    async def _next_tick_due(self) -> None:
        if not self._looking:
            await self._wanted.wait()
            return
        pause = min(TICK_S * 2 ** min(self._failures, 4), LONGEST_TICK_S)
        if self._ticked_at is not None:
            pause = max(0.0, self._ticked_at + pause - time.monotonic())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wanted.wait(), pause)

    async def _tick(self) -> None:
        from ..services import inventory

        session = self._session
        vaults_read = asyncio.create_task(
            self._read("vaults", self._take_vaults, inventory.read_vaults(session))
        )
        results = await asyncio.gather(
            self._read(VMS, self._take_vms, inventory.read_vms(session)),
            self._read("backup", self._take_backups, inventory.read_backups(session)),
            self._read("replication", self._take_replications, inventory.read_replications(session)),
            self._tick_jobs(vaults_read),
        )
        good = [*results, vaults_read.result()]
        self._failures = 0 if any(good) else self._failures + 1
        self._publish()

    async def _tick_jobs(self, vaults_read: asyncio.Task[bool]) -> bool:
        from ..services import inventory

        await vaults_read
        return await self._read("jobs", self._take_jobs, inventory.read_jobs(self._session, self._vaults))

    async def _read(self, name: str, take: Callable[[Any], int], answer: Awaitable[Any]) -> bool:
        """One source of a tick: its rows are kept when it fails, and its state says why and how old they
        are."""
        before = self._sources.get(name)
        try:
            rows = take(await answer)
        except RecoveryError as problem:
            self._failed(name, problem)
            return False
        except Exception as problem:
            log.exception("Reading %s failed in an unexpected way", name)
            self._failed(name, _unexpected(name, problem))
            return False
        self._sources[name] = SourceState(name=name, read_at=datetime.now(UTC), rows=rows)
        if before is None or before.read_at is None or before.error is not None:
            self._publish()
        return True

    def _failed(self, name: str, problem: RecoveryError) -> None:
        before = self._sources.get(name, SourceState(name=name))
        self._sources[name] = msgspec.structs.replace(before, error=problem.note())
        if isinstance(problem, Throttled):
            log.warning("%s: throttled, %s", name, problem)
        self._publish()

    def _take_vms(self, vms: dict[str, FleetItem]) -> int:
        self._vms = keep_identity(self._vms, vms)
        return len(vms)

    def _take_backups(self, backups: dict[str, Backup]) -> int:
        self._backups = keep_identity(self._backups, backups)
        return len(backups)

    def _take_replications(self, replications: dict[str, Replication]) -> int:
        self._replications = keep_identity(self._replications, replications)
        return len(replications)

    def _take_vaults(self, vaults: tuple[Vault, ...]) -> int:
        self._vaults = vaults
        return len(vaults)

    def _take_jobs(self, jobs: tuple[Job, ...]) -> int:
        self._listed_jobs = {job.id.lower(): job for job in jobs}
        self._publish_jobs()
        return len(jobs)

    # what comes of it

    def _is_gone(self, key: str) -> bool:
        """Only a good look at all VMs tells that one is missing. While looks fail, those that the last good
        one missed stay gone, and of newcomers nothing is known."""
        source = self._sources.get(VMS)
        if source is None or source.read_at is None:
            return False
        before = self.item(key)
        return source.error is None or (before is not None and not before.exists)

    def _graph_row(self, key: str) -> FleetItem | None:
        from ..services import inventory

        vm, backup, replication = self._vms.get(key), self._backups.get(key), self._replications.get(key)
        if vm is not None:
            return msgspec.structs.replace(vm, backup=backup, replication=replication)
        if backup is None and replication is None:
            return None
        return inventory.without_vm(key, backup, replication, gone=self._is_gone(key))

    def _completed(self, item: FleetItem) -> FleetItem:
        """A part that the row did not have when it was read was not asked for: of that the fleet query, which
        may have come meanwhile, is the only word."""
        told = self._graph_row(item.key)
        if told is None:
            return item
        return msgspec.structs.replace(
            told if item.vm_unread else item,
            backup=item.backup or told.backup,
            replication=item.replication or told.replication,
        )

    def _publish(self) -> None:
        from ..services import inventory

        items = inventory.join(self._vms, self._backups, self._replications, self._is_gone)
        for key, overlay in list(self._overlays.items()):
            if self._stands(key, overlay):
                items[key] = self._completed(overlay.item)
            else:
                del self._overlays[key]
        before = self._board.snapshot
        self._show(keep_identity(before.items if before else {}, items))

    def _show(self, items: Mapping[str, FleetItem]) -> None:
        self._generation += 1
        self._board.snapshot = Snapshot(
            generation=self._generation,
            taken_at=datetime.now(UTC),
            items=items,
            sources=tuple(self._sources.values()),
            vaults=self._vaults,
        )
        if self._history is not None:
            self._history.saw(items.values())
        self._on_news()

    def _stands(self, key: str, overlay: Overlay) -> bool:
        if key in self._hot:
            return True
        if time.monotonic() - overlay.read_at > OVERLAY_KEPT_S:
            return False
        return self._graph_row(key) == overlay.before

    @property
    def _listed(self) -> Mapping[str, Job]:
        return {**self._jobs_elsewhere, **self._listed_jobs}

    def _publish_jobs(self) -> None:
        before = self._board.jobs
        jobs: dict[str, Job] = {}
        all_listed = self._listed
        for key, job in {**all_listed, **self._read_jobs}.items():
            listed = all_listed.get(key, job)
            if listed.state.ended and not job.state.ended:
                job = listed
            old = before.get(key)
            jobs[key] = old if old is not None and _same_job(old, job) else job
        if set(jobs) != set(before) or any(before[key] is not job for key, job in jobs.items()):
            self._board.jobs = jobs
            self._on_news()


def _same_job(one: Job, other: Job) -> bool:
    """Apart from the moment at which it was read."""
    return one == other or msgspec.structs.replace(one, read_at=other.read_at) == other


def _unexpected(name: str, problem: Exception) -> RecoveryError:
    return ServiceFailed(
        f"Reading {name} failed: {type(problem).__name__}.",
        "This is a fault of azrecover; see `azrecover engine log`.",
        details=str(problem)[:500],
        retryable=False,
    )
