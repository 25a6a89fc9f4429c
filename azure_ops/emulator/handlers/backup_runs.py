"""The life of a backup job, from its start to the recovery point.

A job is a chain of events, one at a time (`BackupJob.pending_event`):
snapshot done → transfer shows as running → transfer done → (validated →) job done.
The recovery point exists from the end of the snapshot, in the snapshot tier alone; the vault tier joins it
when the transfer ended."""

from __future__ import annotations

from datetime import datetime, timedelta

from ..records.backup import (
    HEALTH_GREEN,
    BackupError,
    BackupJob,
    BackupTask,
    HealthDetail,
    IncludedDisk,
    ProtectedItem,
    RecoveryPoint,
)
from ..records.backup_policies import BackupPolicy
from ..records.compute import Disk, VirtualMachine
from ..store import Event
from ..world import World, happens
from .backup_errors import AGENT_NOT_READY, CANCELLED, VM_GONE, job_error
from .disk_contents import CRASH_CONSISTENT, contents
from .formats import us_time

SNAPSHOT, TRANSFER, VALIDATE = "Take Snapshot", "Transfer data to vault", "Validate Backup"
VALIDATING_REGIONS = ("eastus2euap", "westeurope", "westus")
"""Where jobs have the third task and a percentage. The service differs by region; which ones is made up."""
ON_DEMAND_RETENTION = timedelta(days=30)


def running_backup(world: World, item: ProtectedItem) -> BackupJob | None:
    for job in world.store.all(BackupJob, item.vault_id):
        if job.item_id == item.id and job.operation == "Backup" and job.ended_at is None:
            return job
    return None


def start_backup(
    world: World, item: ProtectedItem, retain_until: datetime, activity_id: str = ""
) -> BackupJob:
    """Makes the job and schedules its first step. The first backup of an item copies everything: about an
    hour in all; later ones take some ten minutes."""
    vm = world.store.find(VirtualMachine, item.vm_id)
    first = not item.recovery_points
    between = world.store.random.uniform
    snapshot_s = between(480, 1090) if first else between(200, 280)
    transfer_s = between(1200, 1980) if first else between(320, 420)
    validates = vm is not None and vm.location in VALIDATING_REGIONS
    tasks = [
        BackupTask(
            task_id=SNAPSHOT,
            status="InProgress",
            started_at=world.clock.after(1.2),
            expected_s=snapshot_s,
        ),
        BackupTask(task_id=TRANSFER, expected_s=transfer_s),
    ]
    if validates:
        tasks.append(BackupTask(task_id=VALIDATE, expected_s=between(700, 960) if first else 35.0))
    job = BackupJob(
        id=f"{item.vault_id}/backupJobs/{world.store.new_guid()}",
        operation="Backup",
        item_id=item.id,
        entity_name=item.vm_id.rsplit("/", 1)[-1],
        container_name=item.name.split(";", 1)[1],
        started_at=world.clock.now(),
        activity_id=activity_id or world.store.new_guid(),
        tasks=tasks,
        property_bag={
            "VM Name": item.vm_id.rsplit("/", 1)[-1],
            "Recovery Point Expiry Time in UTC": us_time(retain_until),
        },
        internal_property_bag={"IsInstantRpJob": "True"},
        cancellable=True,
        shows_progress=validates,
        retain_until=retain_until,
    )
    schedule_phase(world, job, snapshot_s, "snapshot_done")
    return job


def schedule_phase(world: World, job: BackupJob, seconds: float, phase: str) -> None:
    """The one next thing of a running backup or restore; saves it."""
    event = "backup.restore_phase" if job.restore else "backup.phase"
    job.pending_event = world.happens_in(seconds, event, {"job_id": job.id, "phase": phase})
    world.store.save(job)


@happens("backup.phase")
def backup_phase(world: World, event: Event) -> None:
    job = world.store.find(BackupJob, event.payload["job_id"])
    if job is None or job.ended_at is not None:
        return
    item = world.store.find(ProtectedItem, job.item_id)
    if item is None:
        job.errors.append(VM_GONE)
        _end_job(world, job, None, "Failed")
        return
    PHASES[event.payload["phase"]](world, job, item)


def _snapshot_done(world: World, job: BackupJob, item: ProtectedItem) -> None:
    vm = world.store.find(VirtualMachine, item.vm_id)
    failed = world.failure_at("Backup", item.vm_id, 1)
    if vm is None or failed:
        fail_task(world, job, 0, job_error(*failed) if failed else VM_GONE)
        _end_job(world, job, item, "Failed")
        return
    snapshot = job.tasks[0]
    end_task(world, snapshot, "Completed")
    item.recovery_points.append(_point(world, job, item, vm))
    world.store.save(item)
    if item.recovery_points[-1].consistency == "CrashConsistent":
        job.errors.append(AGENT_NOT_READY)
    if not job.to_vault:
        schedule_phase(world, job, world.store.random.uniform(25, 35), "job_done")
        return
    first = len(item.recovery_points) == 1
    idle = world.store.random.uniform(180, 200) if first else 40.0
    job.tasks[1].started_at = world.clock.now()
    schedule_phase(world, job, idle, "transfer_shown")


def _point(world: World, job: BackupJob, item: ProtectedItem, vm: VirtualMachine) -> RecoveryPoint:
    started = job.tasks[0].started_at or job.started_at
    policy = world.store.find(BackupPolicy, f"{item.vault_id}/backupPolicies/{item.policy_name}")
    now = world.clock.now()
    taken_at = started + (now - started) * 0.4  # recorded: the moment lies within the snapshot's time
    if vm.power != "running" or not vm.agent_ready:
        consistency = CRASH_CONSISTENT
    else:
        consistency = "AppConsistent" if vm.os_type == "Windows" else "FileSystemConsistent"
    flushed = consistency != CRASH_CONSISTENT
    included = [
        included_disk(world, lun, disk_id, taken_at, flushed=flushed)
        for lun, disk_id in ((-1, vm.os_disk_id), *((disk.lun, disk.disk_id) for disk in vm.data_disks))
        if lun == -1 or item.covers(lun)
    ]
    os_disk = world.store.find(Disk, vm.os_disk_id)
    point = RecoveryPoint(
        name=str(world.store.random.randrange(10**11, 10**16)),
        taken_at=taken_at,
        consistency=consistency,
        instant_until=now + timedelta(days=policy.instant_days if policy else 2),
        in_vault=False,
        expires_at=job.retain_until or now + ON_DEMAND_RETENTION,
        rule=job.rule,
        vm_size=vm.size,
        zones=vm.zones,
        disks=included,
        disks_attached=1 + len(vm.data_disks),
        premium=os_disk is None or os_disk.sku.startswith("Premium"),
        policy_type="V2",  # recorded: says V2 even under a V1 policy
    )
    job.recovery_point = point.name
    return point


def included_disk(
    world: World, lun: int, disk_id: str, at: datetime | None = None, *, flushed: bool = False
) -> IncludedDisk:
    """`at` is the moment of the point, for what the disk held then; a fleet leaves that to be worked out."""
    disk = world.store.find(Disk, disk_id)
    name = disk_id.rsplit("/", 1)[-1]
    if disk is None:
        return IncludedDisk(lun, name)
    held = contents(world, disk, at, flushed=flushed) if at else []
    return IncludedDisk(lun, name, disk.size_gb, disk.sku, held)


def _transfer_shown(world: World, job: BackupJob, item: ProtectedItem) -> None:
    transfer = job.tasks[1]
    transfer.status = "InProgress"
    since = (world.clock.now() - (transfer.started_at or world.clock.now())).total_seconds()
    schedule_phase(world, job, max(1.0, transfer.expected_s - since), "transfer_done")


def _transfer_done(world: World, job: BackupJob, item: ProtectedItem) -> None:
    failed = world.failure_at("Backup", item.vm_id, 2)
    gone = world.store.find(VirtualMachine, item.vm_id) is None
    if failed or gone:
        # recorded: with the snapshot taken, a failed transfer is a warning
        fail_task(world, job, 1, job_error(*failed) if failed else VM_GONE)
        job.property_bag["Backup Size"] = "0 MB"
        _end_job(world, job, item, "CompletedWithWarnings")
        return
    end_task(world, job.tasks[1], "Completed")
    for point in item.recovery_points:
        if point.name == job.recovery_point:
            point.in_vault = True
    world.store.save(item)
    if len(job.tasks) > 2:
        job.tasks[2].status, job.tasks[2].started_at = "InProgress", world.clock.now()
        schedule_phase(world, job, job.tasks[2].expected_s, "validate_done")
    else:
        schedule_phase(world, job, world.store.random.uniform(25, 35), "job_done")


def _validate_done(world: World, job: BackupJob, item: ProtectedItem) -> None:
    if failed := world.failure_at("Backup", item.vm_id, 3):
        fail_task(world, job, 2, job_error(*failed))
        _end_job(world, job, item, "CompletedWithWarnings")
        return
    end_task(world, job.tasks[2], "Completed")
    schedule_phase(world, job, 6.0, "job_done")


def _job_done(world: World, job: BackupJob, item: ProtectedItem) -> None:
    vm = world.store.find(VirtualMachine, item.vm_id)
    disks = [vm.os_disk_id, *(disk.disk_id for disk in vm.data_disks if item.covers(disk.lun))] if vm else []
    total_gb = sum(disk.size_gb for one in disks if (disk := world.store.find(Disk, one)))
    share = world.store.random.uniform(0.09, 0.35) if len(item.recovery_points) == 1 else 0.02
    job.property_bag["Backup Size"] = f"{max(1, round(total_gb * 1024 * share))} MB"
    if vm is not None and item.disk_luns is not None:
        left_out = [disk.disk_id for disk in vm.data_disks if not item.covers(disk.lun)]
        job.property_bag["Backed-up disk(s)"] = _disk_names(disks)
        job.property_bag["Excluded disk(s)"] = _disk_names(left_out)
    _end_job(world, job, item, "CompletedWithWarnings" if job.errors else "Completed")


def _disk_names(disk_ids: list[str]) -> str:
    return "; ".join(disk_id.rsplit("/", 1)[-1] for disk_id in disk_ids)


def _cancelled(world: World, job: BackupJob, item: ProtectedItem) -> None:
    """Recorded for a job past its snapshot; `Cancelled` for one still in it follows the task's word."""
    for task in job.tasks:
        if task.status == "Cancelling":
            end_task(world, task, "Cancelled")
    job.errors.append(CANCELLED)
    job.property_bag["Backup Size"] = "0 MB"
    _end_job(world, job, item, "CompletedWithWarnings" if job.recovery_point else "Cancelled")


PHASES = {
    "snapshot_done": _snapshot_done,
    "transfer_shown": _transfer_shown,
    "transfer_done": _transfer_done,
    "validate_done": _validate_done,
    "job_done": _job_done,
    "cancelled": _cancelled,
}


def end_task(world: World, task: BackupTask, status: str) -> None:
    task.status, task.ended_at = status, world.clock.now()


def fail_task(world: World, job: BackupJob, index: int, error: BackupError) -> None:
    end_task(world, job.tasks[index], "Failed")
    job.errors.append(error)


def _end_job(world: World, job: BackupJob, item: ProtectedItem | None, status: str) -> None:
    """Ends the job and tells the item, whose protection starts with its first point."""
    job.status, job.ended_at, job.pending_event = status, world.clock.now(), None
    world.store.save(job)
    if item is None:
        return
    if status != "Cancelled":
        item.last_backup_status, item.last_backup_at = status, job.started_at
    if item.recovery_points and item.protection_state == "IRPending":
        item.protection_state = "Protected"
    if status == "Failed":
        error = job.errors[-1]
        item.health_status = "ActionRequired"
        detail = HealthDetail(error.code, error.title, error.message, error.recommendations)
        item.health_details = [detail]
    elif status != "Cancelled":
        item.health_status, item.health_details = "Passed", [HEALTH_GREEN]
    world.store.save(item)
