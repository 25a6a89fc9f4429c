"""What restores have left: disks attached to nothing, machines that nobody took over. Pure.

Azure tags nothing of this. What ties a disk to a restore, in the order of its strength: our own journal, a
restore job of Azure Backup in the same minutes, the restore point that the disk was made from. A disk that
nothing ties to a restore is not spoken of.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from ..arm_ids import key_of
from ..model import FleetItem, Job, JobKind, Leftovers, ManagedDisk, Trace
from .kinds import Kind, LooseEnd, loose_end, unpriced

RESTORES = ("Restore", "CrossRegionRestore")
CLOCKS_DIFFER = timedelta(minutes=5)
_RESTORED_NAME = r"(?P<vm>.+)-(osdisk|datadisk-\d{3})-\d{8}-\d{6}"
_RESTORE_POINT = r"/restorepointcollections/azurebackup_(?P<vm>.+)_[^/_]+/restorepoints/"


class Tie(NamedTuple):
    what: str
    evidence: str
    since: datetime | None
    replaced: bool = False


class Evidence:
    """Restores by what they may have left, so that many disks are told apart quickly."""

    def __init__(self, traces: Iterable[Trace], jobs: Iterable[Job]) -> None:
        self._had: dict[str, Trace] = {}
        self._made_in: dict[str, list[Trace]] = {}
        self._restores: dict[str, list[Job]] = {}
        self._running: list[Job] = []
        for trace in sorted(traces, key=lambda one: one.ended_at):
            self._had.update(dict.fromkeys(trace.disk_ids, trace))
            if trace.group_id:
                self._made_in.setdefault(key_of(trace.group_id), []).append(trace)
        for job in jobs:
            if job.kind is JobKind.BACKUP and job.operation in RESTORES:
                self._restores.setdefault(job.target_name.lower(), []).append(job)
                if not job.state.ended:
                    self._running.append(job)

    def tie_of(self, disk: ManagedDisk) -> Tie | None:
        """None: nothing ties it to a restore that has ended, so nothing is said of it here."""
        if disk.is_replica or self.awaited(disk) is not None:
            return None
        return self._by_journal(disk) or self._by_job(disk) or _by_source(disk)

    def awaited(self, disk: ManagedDisk) -> Job | None:
        """The restore that runs and has made it: it is attached to nothing yet."""
        running = [job for job in self._running if job.started_at and _made_since(disk, job.started_at)]
        if not running:
            return None
        named = re.fullmatch(_RESTORED_NAME, disk.name, re.IGNORECASE)
        point = re.search(_RESTORE_POINT, disk.made_from, re.IGNORECASE)
        vms = {found["vm"].lower() for found in (named, point) if found}
        made = (job for job in running if vms & {job.target_name.lower(), _new_vm(job)})
        return next(made, None)

    def _by_journal(self, disk: ManagedDisk) -> Tie | None:
        had = self._had.get(disk.key)
        if had is not None:
            what = f"{had.target_name} had it before its disks were replaced"
            return Tie(what, f"our journal: {_said(had)}", had.ended_at, True)
        for trace in reversed(self._made_in.get(disk.key.partition("/providers/")[0], ())):
            if _made_within(disk, trace.began_at, trace.ended_at):
                why = f"our journal: {_said(trace)}; it was made in that group in those minutes"
                return Tie(_restored_of(trace.target_name), why, trace.ended_at)
        return None

    def _by_job(self, disk: ManagedDisk) -> Tie | None:
        named = re.fullmatch(_RESTORED_NAME, disk.name, re.IGNORECASE) if self._restores else None
        for job in self._restores.get(named["vm"].lower(), ()) if named else ():
            began = job.started_at
            if began is not None and _made_within(disk, began, job.ended_at or began):
                why = f"Azure Backup's restore of {began:%Y-%m-%d %H:%M} UTC, and the disk's name"
                return Tie(_restored_of(job.target_name), why, disk.created_at)
        return None


def _said(trace: Trace) -> str:
    return f"{trace.title}, started by {trace.by or 'somebody'}"


def _restored_of(name: str) -> str:
    return f"restored from a backup of {name}, attached to nothing"


def _new_vm(job: Job) -> str:
    return job.properties.get("Target VM Name", "").lower()


def _made_since(disk: ManagedDisk, began: datetime) -> bool:
    return disk.created_at is None or disk.created_at >= began - CLOCKS_DIFFER


def _made_within(disk: ManagedDisk, began: datetime, ended: datetime) -> bool:
    made = disk.created_at
    return made is not None and began - CLOCKS_DIFFER <= made <= ended + CLOCKS_DIFFER


def _by_source(disk: ManagedDisk) -> Tie | None:
    point = re.search(_RESTORE_POINT, disk.made_from, re.IGNORECASE)
    if point is None:
        return None
    return Tie(
        _restored_of(point["vm"]),
        "it was made from a restore point of Azure Backup",
        disk.created_at,
    )


def of_disks(fleet: Mapping[str, FleetItem], jobs: Collection[Job], leftovers: Leftovers) -> list[LooseEnd]:
    if not leftovers.disks:
        return []
    evidence = Evidence(leftovers.traces, jobs)
    ties = [(disk, tie) for disk in leftovers.disks if (tie := evidence.tie_of(disk))]
    used = {disk.id.lower() for item in fleet.values() for disk in item.disks} if ties else set()
    found = []
    for disk, tie in ties:
        if disk.key in used:  # the list of disks is the older one of the two
            continue
        kind = Kind.DISK_REPLACED if tie.replaced else Kind.DISK_RESTORED
        found.append(
            loose_end(
                kind, disk, disk.key, name=disk.name, what=tie.what, since=tie.since or disk.created_at,
                costs=unpriced(f"{disk.size_gb} GB {disk.sku}".strip()), action="delete-disk",
                arm_id=disk.id, facts=(tie.evidence,),
            )
        )  # fmt: skip
    return found


def of_machines(fleet: Mapping[str, FleetItem], leftovers: Leftovers) -> list[LooseEnd]:
    """Machines that our restores have made. One that is backed up by itself was taken over for good."""
    found = []
    for trace in leftovers.traces:
        item = fleet.get(trace.vm_id.lower()) if trace.vm_id else None
        if item is None or not item.exists or item.backup is not None or item.replication is not None:
            continue
        size = sum(disk.size_gb for disk in item.disks)
        found.append(
            loose_end(
                Kind.VM_RESTORED, item, item.key, name=item.name,
                what=f"made from a backup of {trace.target_name}, {item.power_state}, nothing protects it",
                since=trace.ended_at, costs=unpriced(f"{item.size}, {size} GB of disks"), action="protect",
                way_out="protect it, or delete it in the portal when it has served", arm_id=item.id,
                facts=(f"{trace.title}, started by {trace.by or 'somebody'}",),
            )
        )  # fmt: skip
    return found
