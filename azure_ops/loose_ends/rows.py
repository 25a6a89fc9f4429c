"""Loose ends of a row of the fleet: its replication and its backup. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from ..failback import next_step, synchronises
from ..model import Backup, FleetItem, Job, JobState, Leftovers, Operation, Phase, Replication
from .kinds import Kind, LooseEnd, loose_end, span, unpriced

LATE_BY = timedelta(hours=4)
"""A backup may begin and run so long after its schedule's time before it is called stale."""


class Turns(NamedTuple):
    """When a VM's protection was set up and when it was stopped, as far as somebody told."""

    begun: datetime | None = None
    stopped: datetime | None = None


NOTHING_TOLD = Turns()


def of_row(
    item: FleetItem, promises: Mapping[str, int], turns: Mapping[str, Turns], now: datetime
) -> list[LooseEnd]:
    found = []
    if item.replication is not None:
        found += _of_replication(item, item.replication)
    if item.backup is not None:
        found += _of_backup(item, item.backup, promises, turns.get(item.key, NOTHING_TOLD), now)
    return found


def _of_replication(item: FleetItem, replication: Replication) -> list[LooseEnd]:
    there = replication.recovery_region or "the other region"

    def end(kind: Kind, what: str, since: datetime | None, action: str, **more: object) -> LooseEnd:
        return loose_end(
            kind, item, item.key, name=item.name, what=what, since=since, action=action,
            arm_id=replication.item_id, vault=replication.vault_name, **more,
        )  # fmt: skip

    if replication.allows("TestFailoverCleanup"):
        name = replication.test_vm_name or "the test machine"
        return [
            end(
                Kind.TEST_OPEN,
                f"its test failover stands: {name} runs in {there}",
                replication.last_test_failover_at,
                "clean-up-test-failover",
                costs=unpriced(replication.recovery_vm_size or "a running machine", "and its disks"),
            )
        ]
    if replication.allows("Commit"):
        return [
            end(
                Kind.FAILOVER_UNCOMMITTED,
                f"it runs in {there}, its failover is not committed",
                replication.last_failover_at,
                "commit-failover",
                costs=unpriced("the points that are kept for another choice"),
            )
        ]
    if replication.active_location == "Recovery" and not replication.current_scenario:
        return [
            end(
                Kind.NOT_REPROTECTED,
                f"it runs in {there} and nothing replicates it",
                replication.last_failover_at,
                "re-protect" if replication.allows("SwitchProtection") else "",
                way_out="" if replication.allows("SwitchProtection") else "Azure allows no re-protect now",
            )
        ]
    here, then = replication.primary_region or "the other region", next_step(replication)
    if then is not None and synchronises(replication):
        what = f"it runs in {here} and is being replicated to {there}: {replication.protection_state_text}"
        return [end(Kind.SYNCHRONISING, what, None, "", way_out=then.text)]
    if then is not None and then.action == "failover":
        what = f"it runs in {here} since a failover, protected towards {there}"
        return [end(Kind.AWAY, what, replication.last_failover_at, then.action, way_out=then.text)]
    return []


def _of_backup(
    item: FleetItem, backup: Backup, promises: Mapping[str, int], turns: Turns, now: datetime
) -> list[LooseEnd]:
    def end(kind: Kind, what: str, since: datetime | None, action: str, **more: object) -> LooseEnd:
        return loose_end(
            kind, item, item.key, name=item.name, what=what, since=since, action=action,
            arm_id=backup.item_id, vault=backup.vault_name, **more,
        )  # fmt: skip

    gone = "" if item.exists else "; the VM itself is gone"
    again = "backup-now" if item.exists else "stop-protection"
    points = unpriced("the storage of its points")
    if backup.soft_deleted:
        left = (
            f"gone for good in {span(backup.purged_at - now)}" if backup.purged_at else "kept for some days"
        )
        return [
            end(
                Kind.SOFT_DELETED, f"its backups are deleted, {left}{gone}", None, "undelete-backups",
                until=backup.purged_at,
            )
        ]  # fmt: skip
    if backup.stopped:
        stopped, last = turns.stopped, backup.last_backup_at
        if stopped is not None and max(last or stopped, turns.begun or stopped) > stopped:
            stopped = None  # it was resumed since, and stopped again by somebody who did not tell
        after = f", since some time after {last:%Y-%m-%d %H:%M} UTC" if last and stopped is None else ""
        what = f"its protection is stopped{after}; its points are kept{gone}"
        action = "resume-protection" if item.exists else "delete-backups"
        return [end(Kind.STOPPED, what, stopped, action, costs=points)]
    every_s = promises.get(f"{backup.vault_id}/backupPolicies/{backup.policy_name}".lower())
    if backup.last_point_at is None:
        begun = turns.begun
        waits = begun is not None and now - begun < timedelta(seconds=every_s or 86400) + LATE_BY
        if waits and backup.last_status.lower() != "failed":
            return []
        what = f"it is protected, but there is no recovery point ({backup.protection_state}){gone}"
        return [end(Kind.NO_POINT, what, begun, again)]
    if backup.last_status.lower() == "failed":
        why = f": {backup.notes[0].message}" if backup.notes else ""
        what = f"its last backup failed{gone}{why}"
        return [end(Kind.BACKUP_FAILED, what, backup.last_backup_at or backup.last_point_at, again)]
    if every_s and now - backup.last_point_at > timedelta(seconds=every_s) + LATE_BY:
        what = f"{backup.policy_name} promises a point every {span(timedelta(seconds=every_s))}{gone}"
        return [end(Kind.BACKUP_STALE, what, backup.last_point_at, again)]
    return []


def promises_of(leftovers: Leftovers) -> dict[str, int]:
    """Seconds by the policy's id in lower case."""
    return {one.policy_id.lower(): one.every_s for one in leftovers.schedules}


def turns_of(jobs: Iterable[Job], operations: Iterable[Operation]) -> dict[str, Turns]:
    """By the VM's key."""
    begun: dict[str, datetime] = {}
    stopped: dict[str, datetime] = {}

    def note(found: dict[str, datetime], key: str, at: datetime | None) -> None:
        if key and at is not None:
            found[key] = max(at, found.get(key, at))

    for job in jobs:
        if job.operation == "ConfigureBackup":
            note(begun, job.target_key, job.started_at)
        elif job.operation == "DisableBackup" and job.state is JobState.SUCCEEDED:
            note(stopped, job.target_key, job.started_at)
    for one in operations:
        if one.phase is Phase.SUCCEEDED and one.action in ("protect", "resume-protection"):
            note(begun, one.target_key, one.service_created_at)
        elif one.phase is Phase.SUCCEEDED and one.action == "stop-protection":
            note(stopped, one.target_key, one.service_created_at)
    return {key: Turns(begun.get(key), stopped.get(key)) for key in {*begun, *stopped}}
