"""Restore jobs in the paired regions of vaults with cross-region restore, whoever started them.

No list of a vault tells them: they are asked for region by region, now and then, while somebody looks. Of
vaults that hold backups of the fleet the switch is learned once an hour. Each vault fails alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from ..arm_ids import key_of, name_of, subscription_of
from ..errors import NotAllowed, NotFound, RecoveryError
from ..model import Job, SourceState
from ..services.throttling import POLLING_LEAVES, leaving

if TYPE_CHECKING:
    from ..services.session import Session
    from .watch import Watcher

log = logging.getLogger(__name__)

READ_EVERY_S = 300.0
SWITCH_GOOD_S = 3600.0
"""So long a vault's switch is believed, and one that may not be asked is left alone."""
READS_AT_ONCE = 4


class _Known(msgspec.Struct):
    """What is known of one vault."""

    learned_at: float
    region: str = ""
    """Where its restores may run besides; empty: nowhere."""
    jobs: tuple[Job, ...] = ()


class ElsewhereReader:
    def __init__(self, session: Session, watcher: Watcher) -> None:
        self._session = session
        self._watcher = watcher
        self._looking = asyncio.Event()
        self._wanted = asyncio.Event()
        self._reads = asyncio.Semaphore(READS_AT_ONCE)
        self._read_at = -READ_EVERY_S
        self._known: dict[str, _Known] = {}
        self._reading: asyncio.Task[None] | None = None
        self._failed: set[str] = set()
        """Keys of vaults that could not be asked the last time."""
        self._pairs: dict[tuple[str, str], str] = {}

    def look(self, *, looking: bool) -> None:
        if looking:
            self._looking.set()
            return
        self._looking.clear()
        if self._reading is not None and not self._reading.done():
            self._reading.cancel()
            self._wanted.set()

    def poke(self, *, older_than_s: float = 0.0) -> None:
        """Read them again, unless that was done just now."""
        if time.monotonic() - self._read_at >= older_than_s:
            self._wanted.set()

    def forget(self, vault_id: str) -> None:
        """Something was done to this vault: its switch is learned anew."""
        self._known.pop(key_of(vault_id), None)

    async def run(self) -> None:
        await self._watcher.ticked()
        while True:
            await self._looking.wait()
            self._wanted.clear()
            self._read_at = time.monotonic()
            reading = self._reading = asyncio.create_task(self.read(), name="reading jobs elsewhere")
            try:
                await asyncio.wait([reading])
            finally:
                reading.cancel()
            if not reading.cancelled() and (problem := reading.exception()) is not None:
                log.error("Reading the jobs of other regions failed unexpectedly", exc_info=problem)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), READ_EVERY_S)

    async def catch_up(self) -> None:
        """Asks again what could not be asked the last time."""
        if self._failed:
            await self.read(only=frozenset(self._failed))

    async def read(self, only: frozenset[str] = frozenset()) -> None:
        wanted = {key_of(vault_id): vault_id for vault_id in self._watcher.backup_vaults}
        self._failed &= wanted.keys()
        for gone in self._known.keys() - wanted.keys():
            del self._known[gone]
        with leaving(POLLING_LEAVES):
            await asyncio.gather(
                *(self._read_vault(id) for key, id in wanted.items() if not only or key in only)
            )
        self._watcher.saw_jobs_elsewhere(job for known in self._known.values() for job in known.jobs)

    async def _read_vault(self, vault_id: str) -> None:
        from ..services import cross_region

        source = f"restores elsewhere of {name_of(vault_id)}"
        key = key_of(vault_id)
        async with self._reads:
            try:
                known = await self._learn(vault_id)
                if known.region:
                    known.jobs = await cross_region.list_jobs(self._session, vault_id, known.region)
            except (NotAllowed, NotFound) as problem:
                log.info("%s are left out: %s", source, problem)
                self._known[key] = _Known(time.monotonic())
            except RecoveryError as problem:
                self._failed.add(key)
                self._watcher.saw_source(SourceState(name=source, error=problem.note()))
                return
        self._failed.discard(key)
        self._watcher.saw_source(SourceState(name=source, read_at=datetime.now(UTC)))

    async def _learn(self, vault_id: str) -> _Known:
        """Raises what kept it from being learned."""
        from ..services import restores

        known = self._known.get(key_of(vault_id))
        if known is not None and time.monotonic() - known.learned_at < SWITCH_GOOD_S:
            return known
        vault = await restores.read_vault(self._session, vault_id)
        region = await self._pair(subscription_of(vault_id), vault.region) if vault.cross_region else ""
        found = _Known(time.monotonic(), region, known.jobs if known and region else ())
        self._known[key_of(vault_id)] = found
        return found

    async def _pair(self, subscription: str, region: str) -> str:
        from ..services import cross_region

        where = (subscription.lower(), region)
        if where not in self._pairs:
            self._pairs[where] = await cross_region.paired_region(self._session, subscription, region)
        return self._pairs[where]
