"""What explains a VM's points: the policy that promises them, the job of a backup that warned, the vault's
secondary region. Each is read seldom, and a failure leaves a note and nothing else."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from ..arm_ids import subscription_of
from ..errors import RecoveryError
from ..model import PointSource
from ..points import CRASH, consistency_of, crash_error

if TYPE_CHECKING:
    from ..backup_policies import BackupPolicy
    from ..model import ErrorNote, FleetItem, Job, RecoveryPoint
    from ..services.session import Session
    from .watch import Watcher

GOOD_S = 600.0
"""Policies and vaults are changed seldom."""
LONGEST_CACHE = 200
WARNED = "CompletedWithWarnings"
JOB_AFTER = timedelta(minutes=5)
"""A point may be noted that much before or after the times that its job tells."""


class Surroundings:
    def __init__(self, session: Session, watcher: Watcher) -> None:
        self._session = session
        self._watcher = watcher
        self._policies: dict[str, tuple[float, tuple[BackupPolicy, ...]]] = {}
        self._regions: dict[str, tuple[float, str]] = {}
        self._warned: dict[str, Job] = {}
        """Jobs that ended do not change: each is read once."""

    async def policy(self, item: FleetItem, faults: list[ErrorNote]) -> BackupPolicy | None:
        """None where nothing is promised: no policy, or protection stopped."""
        from ..services import protection

        backup = item.backup
        if backup is None or backup.stopped or backup.soft_deleted or not backup.policy_name:
            return None
        vault = backup.vault_id.lower()
        read_at, policies = self._policies.get(vault, (0.0, ()))
        if not policies or time.monotonic() - read_at > GOOD_S:
            try:
                policies = await protection.list_policies(self._session, backup.vault_id)
            except RecoveryError as problem:
                faults.append(problem.note())
            else:
                self._policies[vault] = (time.monotonic(), policies)
        return next((one for one in policies if one.name.lower() == backup.policy_name.lower()), None)

    async def warned(self, item: FleetItem, faults: list[ErrorNote]) -> Job | None:
        """The job of the newest backup when that completed with warnings: lists leave out why it did."""
        from ..services import jobs

        if item.backup is None or item.backup.last_status != WARNED:
            return None
        found = [job for job in self._watcher.jobs.values() if _is_warned_backup(job, item.key)]
        if not found:
            return None
        job = max(found, key=lambda one: one.started_at.timestamp() if one.started_at else 0.0)
        key = job.id.lower()
        if job.errors:
            return job
        if key not in self._warned:
            try:
                read = await jobs.read_job(self._session, job.id)
            except RecoveryError as problem:
                faults.append(problem.note())
                return job
            if len(self._warned) >= LONGEST_CACHE:
                self._warned.clear()
            self._warned[key] = read
        self._watcher.saw_job(self._warned[key])
        return self._warned[key]

    async def secondary(self, item: FleetItem, faults: list[ErrorNote]) -> tuple[str, str]:
        """The secondary region, empty when there is none, and a line about it."""
        from ..services import cross_region, restores

        if item.backup is None:
            return "", "Not backed up: nothing is copied to another region."
        vault = item.backup.vault_id.lower()
        read_at, region = self._regions.get(vault, (0.0, ""))
        if not read_at or time.monotonic() - read_at > GOOD_S:
            try:
                vault_now = await restores.read_vault(self._session, item.backup.vault_id)
                if vault_now.cross_region:
                    subscription = subscription_of(item.backup.vault_id)
                    region = await cross_region.paired_region(self._session, subscription, vault_now.region)
                else:
                    region = ""
            except RecoveryError as problem:
                faults.append(problem.note())
                return "", "Whether the vault has a secondary region could not be read."
            self._regions[vault] = (time.monotonic(), region)
        if not region:
            name = item.backup.vault_name
            return "", f"Cross-region restore of {name} is off: no point can be restored elsewhere."
        return region, f"Points copied to {region}; a copy takes hours and holds the vault tier only."


def in_region(point: RecoveryPoint, region: str) -> RecoveryPoint:
    """A copy has the id of its original: the region tells them apart."""
    return msgspec.structs.replace(point, id=f"{point.id}@{region}", secondary=True, region=region)


def soft_deleted(points: Sequence[RecoveryPoint]) -> list[RecoveryPoint]:
    """Of an item that is: a point says so itself only when Azure has told its expiry, the newest does not."""
    return [
        msgspec.structs.replace(point, soft_deleted=True) if point.source is PointSource.BACKUP else point
        for point in points
    ]


def _is_warned_backup(job: Job, key: str) -> bool:
    return job.target_key == key and job.operation == "Backup" and job.state_text == WARNED


def told_why(points: Sequence[RecoveryPoint], job: Job | None) -> list[RecoveryPoint]:
    """The points; the one that this job made says why it is only crash-consistent."""
    error = crash_error(job)
    if job is None or error is None or job.started_at is None:
        return list(points)
    since, until = job.started_at - JOB_AFTER, (job.ended_at or job.started_at) + JOB_AFTER
    return [
        msgspec.structs.replace(point, fell_back=error.message or error.code)
        if since <= point.taken_at <= until and consistency_of(point.consistency) == CRASH and point.tiers
        else point
        for point in points
    ]
