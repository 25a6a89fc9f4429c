"""Puts Azure Backup into the world: vaults with their policies, protected machines, their points and jobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ..handlers.backup_errors import AGENT_NOT_READY, job_error
from ..handlers.backup_runs import (
    SNAPSHOT,
    TRANSFER,
    VALIDATE,
    VALIDATING_REGIONS,
    included_disk,
)
from ..handlers.backup_schedule import STARTS_WITHIN_S, run_clocks, schedule_runs
from ..records.backup import (
    HEALTH_GREEN,
    BackupError,
    BackupJob,
    BackupTask,
    HealthDetail,
    ProtectedItem,
    RecoveryPoint,
    Threat,
    Vault,
    container_short_name,
    protected_item_id,
)
from ..records.backup_policies import BackupPolicy, starting_policies
from ..records.compute import VirtualMachine
from .builder import Builder

ALERT = Threat(
    "Ransomware indicators detected",
    "File system activity on the machine resembled that of ransomware.",
)
AGENT_SILENT = job_error(
    "UserErrorGuestAgentStatusUnavailable", "Could not communicate with the VM agent for snapshot status."
)


@dataclass(frozen=True, slots=True)
class BackupStory:
    """How the backup of one machine went lately."""

    policy: str = "DefaultPolicy"
    days: int = 30
    """How many daily points there are, at most."""
    last: str = "Completed"
    """Completed, CompletedWithWarnings, Failed, or empty: never yet."""
    error: BackupError | None = None
    """Of the last job; None takes the usual one for that outcome."""
    stopped: bool = False
    failed_days: int = 0
    """For that many days before the last job, backups failed as well."""
    jobs: int = 3
    """How many of the latest jobs are still listed."""
    missed: tuple[int, ...] = ()
    """On those days, counted back from today, no backup ran and nobody knows why."""
    last_disk_since: int | None = None
    """The machine got its last data disk so many days ago: older points do not have it."""
    alerts_since: int | None = None
    """So many days ago Defender began to raise an alert about the machine; its points before were healthy."""
    archived_from: int | None = None
    """Points of so many days and more were moved to the archive."""


def vault(
    builder: Builder,
    group_id: str,
    name: str,
    location: str,
    *,
    redundancy: str = "GeoRedundant",
    cross_region: bool = False,
    immutability: str | None = None,
    **tags: str,
) -> str:
    """A vault with the three policies that it has from the start, which run from now on."""
    record = Vault(
        id=f"{group_id}/providers/Microsoft.RecoveryServices/vaults/{name}",
        location=location,
        redundancy=redundancy,
        cross_region_restore=cross_region,
        immutability=immutability,
        tags=tags,
        changed_at=builder.ago(days=300),
    )
    builder.store.save(record)
    for policy in starting_policies(record.id, run_at=daily_run_at(builder.now)):
        schedule_runs(builder.world, policy)
    return record.id


def daily_run_at(now: datetime) -> datetime:
    """The half hour at which the day's backups began: two to two and a half hours ago."""
    run = now - timedelta(hours=2)
    return run.replace(minute=run.minute // 30 * 30, second=0, microsecond=0)


def protect(builder: Builder, vault_id: str, machine: VirtualMachine, story: BackupStory) -> ProtectedItem:
    """The item with its points, and the jobs of the last days."""
    policy = builder.store.find(BackupPolicy, f"{vault_id}/backupPolicies/{story.policy}")
    if policy is None:
        raise KeyError(story.policy)
    item = ProtectedItem(
        id=protected_item_id(vault_id, machine.id),
        vm_id=machine.id,
        os_type=machine.os_type,
        policy_name="" if story.stopped else story.policy,
        policy_type=policy.policy_type or "V1",
        data_id=str(builder.random.randrange(10**14, 10**15)),
    )
    if story.last:
        _history(builder, item, machine, policy, story)
    else:
        _configured(builder, vault_id, item, machine, policy)
    builder.store.save(item)
    return item


def _history(
    builder: Builder, item: ProtectedItem, machine: VirtualMachine, policy: BackupPolicy, story: BackupStory
) -> None:
    run_at = daily_run_at(builder.now)
    if story.stopped:
        run_at -= timedelta(days=12)
    starts = [
        at + timedelta(seconds=builder.random.uniform(*STARTS_WITHIN_S))
        for at in _runs(policy, run_at, story)
    ]
    item.last_backup_at = starts[0]
    item.last_backup_status = story.last
    item.protection_state = "ProtectionStopped" if story.stopped else "Protected"
    item.health_status, item.health_details = "Passed", [HEALTH_GREEN]
    error = story.error or (AGENT_SILENT if story.last == "Failed" else AGENT_NOT_READY)
    if story.last == "Failed":
        item.health_status = "ActionRequired"
        item.health_details = [HealthDetail(error.code, error.title, error.message, error.recommendations)]
    for run, started_at in enumerate(starts):
        outcome = story.last if run <= story.failed_days else "Completed"
        point = None if outcome == "Failed" else _point(builder, machine, policy, started_at, outcome, story)
        if point is not None:
            item.recovery_points.append(point)
        if run < story.jobs:
            _finished_job(builder, item, machine, policy, started_at, outcome, error, point)
    item.recovery_points.reverse()


def _runs(policy: BackupPolicy, run_at: datetime, story: BackupStory) -> list[datetime]:
    """Newest first, the runs that left a point behind: of an hourly schedule the snapshots that still live,
    and before that one a day."""
    clocks = sorted(run_clocks(policy))
    found = [
        run_at - timedelta(days=day) + (clock - clocks[0])
        for day in range(story.days)
        for clock in (clocks if day <= policy.instant_days else clocks[-1:])
        if day not in story.missed
    ]
    return sorted((at for at in found if at <= run_at), reverse=True)


def _point(
    builder: Builder,
    machine: VirtualMachine,
    policy: BackupPolicy,
    started_at: datetime,
    outcome: str,
    story: BackupStory,
) -> RecoveryPoint:
    taken_at = started_at + timedelta(seconds=builder.random.uniform(60, 240))
    usual = "AppConsistent" if machine.os_type == "Windows" else "FileSystemConsistent"
    disk_ids = [(-1, machine.os_disk_id), *((disk.lun, disk.disk_id) for disk in machine.data_disks)]
    age = builder.now - taken_at
    if story.last_disk_since is not None and age >= timedelta(days=story.last_disk_since):
        del disk_ids[-1]
    disks = [included_disk(builder.world, lun, disk_id) for lun, disk_id in disk_ids]
    watched = story.alerts_since is not None
    alert = watched and age < timedelta(days=story.alerts_since or 0)
    return RecoveryPoint(
        name=str(builder.random.randrange(10**10, 10**17)),
        taken_at=taken_at,
        consistency="CrashConsistent" if outcome == "CompletedWithWarnings" else usual,
        instant_until=taken_at + timedelta(days=policy.instant_days),
        expires_at=taken_at + timedelta(days=policy.daily_retention_days or 30),
        vm_size=machine.size,
        zones=machine.zones,
        disks=disks,
        disks_attached=len(disks),
        policy_type="V2",
        in_vault=_goes_to_vault(policy, started_at),
        archived=story.archived_from is not None and age >= timedelta(days=story.archived_from),
        threat=("UnHealthy" if alert else "Healthy") if watched else "",
        threats=[ALERT] if alert else [],
    )


def _goes_to_vault(policy: BackupPolicy, started_at: datetime) -> bool:
    """Of an hourly schedule the last run of the day alone."""
    clocks = sorted(run_clocks(policy))
    run = started_at - started_at.replace(hour=0, minute=0, second=0, microsecond=0)
    slots = [clock % timedelta(days=1) for clock in clocks]
    latest = max((slot for slot in slots if slot <= run), default=max(slots))
    return latest == clocks[-1] % timedelta(days=1)


def _finished_job(
    builder: Builder,
    item: ProtectedItem,
    machine: VirtualMachine,
    policy: BackupPolicy,
    started_at: datetime,
    outcome: str,
    error: BackupError,
    point: RecoveryPoint | None,
) -> None:
    tasks = _finished_tasks(builder, machine, started_at, failed=outcome == "Failed")
    ended_at = max(task.ended_at for task in tasks if task.ended_at)
    properties = {"VM Name": machine.name, "Policy Name": policy.name}
    if outcome != "Failed":
        properties["Backup Size"] = f"{builder.random.randrange(200, 40_000)} MB"
    _job(
        builder,
        item,
        machine,
        "Backup",
        outcome,
        started_at,
        ended_at,
        tasks=tasks,
        properties=properties,
        errors=[] if outcome == "Completed" else [error],
        point=point.name if point else "",
    )


def _finished_tasks(
    builder: Builder, machine: VirtualMachine, started_at: datetime, *, failed: bool
) -> list[BackupTask]:
    """Snapshot, transfer and, in some regions, validation; a failed snapshot is the end of it."""
    between = builder.random.uniform
    names = [(SNAPSHOT, between(200, 280)), (TRANSFER, between(320, 420))]
    if machine.location in VALIDATING_REGIONS:
        names.append((VALIDATE, 35.0))
    tasks: list[BackupTask] = []
    at = started_at
    for name, seconds in names:
        task = BackupTask(task_id=name, expected_s=seconds)
        if not (failed and tasks):
            task.status, task.started_at = "Failed" if failed else "Completed", at
            at = task.ended_at = at + timedelta(seconds=seconds)
        tasks.append(task)
    return tasks


def _configured(
    builder: Builder, vault_id: str, item: ProtectedItem, machine: VirtualMachine, policy: BackupPolicy
) -> None:
    """Protection was switched on this morning; the first backup has not run."""
    started_at = builder.ago(minutes=builder.random.uniform(40, 90))
    ended_at = started_at + timedelta(seconds=52)
    properties = {"VM Name": machine.name, "Policy Name": policy.name}
    _job(builder, item, machine, "ConfigureBackup", "Completed", started_at, ended_at, properties=properties)


def _job(
    builder: Builder,
    item: ProtectedItem,
    machine: VirtualMachine,
    operation: str,
    status: str,
    started_at: datetime,
    ended_at: datetime,
    *,
    properties: dict[str, str],
    tasks: list[BackupTask] | None = None,
    errors: list[BackupError] | None = None,
    point: str = "",
) -> None:
    backup = operation == "Backup"
    builder.store.save(
        BackupJob(
            id=f"{item.vault_id}/backupJobs/{builder.guid()}",
            operation=operation,
            status=status,
            item_id=item.id,
            entity_name=machine.name,
            container_name=container_short_name(machine.id),
            started_at=started_at,
            ended_at=ended_at,
            activity_id=builder.guid(),
            tasks=tasks or [],
            property_bag={**properties},
            internal_property_bag={"IsInstantRpJob": "True"} if backup else {},
            errors=errors or [],
            cancellable=backup,
            recovery_point=point,
        )
    )
