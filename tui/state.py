"""The console's copy of what the engine knows, kept up to date from its differences. No screen in here.

`app.py` writes it, screens and flows read it. What a key acts on is taken from here when the key is pressed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import Enum

import msgspec

from azure_ops import wire
from azure_ops.model import FleetItem, Job, Leftovers, Operation, SourceState, Vault
from azure_ops.points import crash_error

from .loose_ends import LooseEndKeeper

_PACE_NEEDS_S = 2.0
"""Local seconds between two looks at the service's clock before its pace is believed."""
ROW_SOURCES = ("virtual machines", "backup", "replication")
"""Sources, as the engine names them, that make up a row."""


class ServiceClock:
    """The service's time between two messages. The emulator's clock runs faster than ours, and not always
    evenly, so its pace is measured from the last two messages; it never goes back."""

    def __init__(self) -> None:
        self._at = datetime.now(UTC)
        self._seen = time.monotonic()
        self._pace = 1.0
        self._known = False

    def learn(self, service_at: datetime) -> None:
        seen = time.monotonic()
        passed = seen - self._seen
        if self._known and passed < _PACE_NEEDS_S and abs((service_at - self.now()).total_seconds()) < 1:
            return
        if self._known and passed >= _PACE_NEEDS_S:
            pace = (service_at - self._at).total_seconds() / passed
            self._pace = 1.0 if 0.9 < pace < 1.1 else max(0.0, pace)
        self._at, self._seen, self._known = service_at, seen, True

    def now(self) -> datetime:
        return self._at + timedelta(seconds=(time.monotonic() - self._seen) * self._pace)


class Came(Enum):
    """What a message about the fleet was."""

    CHANGED = "a difference to what is shown"
    ARRIVING = "a part of the whole, or nothing yet"
    WHOLE = "the last part: this is the fleet now"


class FleetNews:
    """What has changed since the screen was last brought up to date: rows by key, the newest of each. Parts
    of a whole that is only arriving are not in it; `ConsoleState.items` says what of them is to be shown."""

    def __init__(self) -> None:
        self.changed: dict[str, FleetItem] = {}
        self.removed: set[str] = set()
        self.whole = False

    def add(self, delta: wire.FleetDelta, came: Came) -> None:
        if came is Came.ARRIVING:
            return
        self.whole = self.whole or came is Came.WHOLE
        for key in delta.removed:
            self.changed.pop(key, None)
            self.removed.add(key)
        for item in delta.changed:
            self.removed.discard(item.key)
            self.changed[item.key] = item


class ConsoleState:
    def __init__(self) -> None:
        self.items: dict[str, FleetItem] = {}
        self.jobs: dict[str, Job] = {}
        self._newest_backups: dict[str, Job] = {}
        """By the VM's key, those that ended."""
        self.fell_back: frozenset[str] = frozenset()
        """Keys of VMs whose newest backup made do with a crash-consistent snapshot, as far as its job was
        read: lists leave out why a job warned."""
        self.operations: dict[str, Operation] = {}
        self.sources: dict[str, SourceState] = {}
        self.vaults: tuple[Vault, ...] = ()
        self.leftovers: Leftovers | None = None
        """None until the engine has told any."""
        self.loose_ends = LooseEndKeeper(self, self.service_now)
        self._vaults_read: dict[str, Vault] = {}
        """With all that lists do not tell, by id in lower case."""
        self.clock = ServiceClock()
        self.complete = False
        """True once a full state of the fleet has come in."""
        self._arriving: dict[str, FleetItem] | None = None
        self.welcome: wire.Welcome | None = None
        self.paused = False

    def take_vaults(self, vaults: Iterable[Vault]) -> None:
        """What was asked of each; of one that could not be read the last good answer is kept, with why."""
        for vault in vaults:
            known = self._vaults_read.get(vault.id.lower())
            if vault.read_at is None:
                known = known or next(
                    (one for one in self.vaults if one.id.lower() == vault.id.lower()), vault
                )
                vault = msgspec.structs.replace(known, faults=vault.faults)
            self._vaults_read[vault.id.lower()] = vault

    def known_vaults(self) -> list[Vault]:
        """Each as it was read last, or as the list has it."""
        return [self._vaults_read.get(vault.id.lower(), vault) for vault in self.vaults]

    def service_now(self) -> datetime:
        return self.clock.now()

    def apply_fleet(self, delta: wire.FleetDelta) -> Came:
        """A new connection tells the whole fleet anew, in parts, and an engine that was just started has read
        nothing yet: until it has, the rows of before are kept, to be shown as old."""
        self.clock.learn(delta.service_at)
        if delta.first:
            self._arriving = {}
            self.sources = {}
        rows = self.items if self._arriving is None else self._arriving
        for key in delta.removed:
            rows.pop(key, None)
        rows.update((item.key, item) for item in delta.changed)
        self.sources.update((source.name, source) for source in delta.sources)
        if delta.vaults:
            self.vaults = delta.vaults
        if self._arriving is None:
            self.loose_ends.rows_changed(delta.changed, delta.removed)
            return Came.CHANGED
        if not self.items and self.vms_read:
            self.items = self._arriving  # nothing is shown yet: better the first rows than none
            self.loose_ends.all_rows(self.items)
        elif self.first_rows:
            self.loose_ends.rows_changed(delta.changed, delta.removed)
        if (
            delta.more
            or not self._all_answered()
            or (self.items and not self.first_rows and not self.vms_read)
        ):
            return Came.ARRIVING
        self.items, self._arriving, self.complete = self._arriving, None, True
        self.loose_ends.all_rows(self.items)
        return Came.WHOLE

    @property
    def first_rows(self) -> bool:
        """The rows shown are those that are just arriving, some of their sources unread."""
        return self._arriving is not None and self._arriving is self.items

    def unread(self) -> frozenset[str]:
        """Sources of a row of which no answer has come: what is missing there is not known to be missing."""
        if not self.complete and not self.first_rows:
            return frozenset()
        found = {name: self.sources.get(name) for name in ROW_SOURCES}
        return frozenset(name for name, source in found.items() if source is None or source.read_at is None)

    @property
    def vms_read(self) -> bool:
        """Before that, of protected VMs no more is known than that something protects them."""
        source = self.sources.get("virtual machines")
        return source is not None and source.read_at is not None

    def _all_answered(self) -> bool:
        """Every source of a row has been read or has failed."""
        found = [self.sources.get(name) for name in ROW_SOURCES]
        return all(source is not None and (source.read_at or source.error) for source in found)

    def apply_jobs(self, delta: wire.JobsDelta) -> None:
        if delta.service_at:
            self.clock.learn(delta.service_at)
        for job_id in delta.removed:
            self.jobs.pop(job_id, None)
        self.jobs.update((job.id, job) for job in delta.changed)
        self.loose_ends.work_changed()
        self._look_at_backups(delta.changed)

    def _look_at_backups(self, jobs: Iterable[Job]) -> None:
        fell_back = set(self.fell_back)
        for job in jobs:
            if job.operation != "Backup" or not job.state.ended or not job.target_key or not job.started_at:
                continue
            newest = self._newest_backups.get(job.target_key)
            if newest is not None and newest.started_at and newest.started_at > job.started_at:
                continue
            self._newest_backups[job.target_key] = job
            (fell_back.add if crash_error(job) else fell_back.discard)(job.target_key)
        if fell_back != self.fell_back:
            self.fell_back = frozenset(fell_back)

    def apply_operations(self, delta: wire.OperationsDelta) -> list[Operation]:
        """Those that have come to their end with this news."""
        if delta.service_at:
            self.clock.learn(delta.service_at)
        ran = {operation.id for operation in self.running()}
        self.operations.update((operation.id, operation) for operation in delta.changed)
        self.loose_ends.work_changed()
        return [each for each in delta.changed if each.phase.ended and each.id in ran]

    def apply_leftovers(self, told: wire.LeftoversTold) -> None:
        self.clock.learn(told.service_at)
        self.leftovers = told.leftovers
        self.loose_ends.leftovers_changed(told.leftovers)

    def forget_jobs(self) -> None:
        """A new connection tells all jobs and operations anew, without saying which have gone."""
        self.jobs.clear()
        self._newest_backups.clear()
        self.fell_back = frozenset()
        self.operations.clear()
        self.loose_ends.work_changed()

    def running(self) -> list[Operation]:
        """Ours that are not at their end, oldest first."""
        return [each for each in self.operations.values() if not each.phase.ended]

    def job_of(self, operation: Operation) -> Job | None:
        """The newest facts: the list of jobs may be ahead of the operation's own copy, or behind it."""
        listed = self.jobs.get(operation.job_id) if operation.job_id else None
        own = operation.job
        if own is None or listed is None:
            return own or listed
        if own.tasks and not listed.tasks:
            return own
        oldest = datetime.min.replace(tzinfo=UTC)
        return listed if (listed.read_at or oldest) > (own.read_at or oldest) else own

    def faults(self) -> Iterable[SourceState]:
        return [source for source in self.sources.values() if source.error]
