"""The life of a restore job, from its start to what it makes:
transfer done (the disks are there) → machine created, or replaced → outputs told → job done."""

from __future__ import annotations

from datetime import timedelta

from ..records.backup import BackupError, BackupJob, BackupTask, ProtectedItem, RecoveryPoint
from ..records.compute import StorageAccount, VirtualMachine
from ..records.restores import RestoreOrder
from ..store import Event
from ..world import World, happens
from .backup_errors import CANCELLED, STORAGE_GONE, TARGET_TAKEN, VM_GONE, job_error
from .backup_restore_effects import (
    disks_of,
    make_disks,
    make_machine,
    replace_disks,
    set_power,
    size_of,
)
from .backup_runs import end_task, fail_task, schedule_phase
from .formats import us_time

REHYDRATION_S = {"Standard": (8 * 3600.0, 14 * 3600.0), "High": (1800.0, 3300.0)}
TRANSFER = "Transfer data from vault"
CROSS_REGION = "CrossRegionRestore"
SECOND_TASK = {
    "AlternateLocation": "Create the restored virtual machine",
    "OriginalLocation": "Update the virtual machine",
}
JOB_TYPE = {
    "RestoreDisks": "Recover disks",
    "AlternateLocation": "Recover VM to an alternate location",
    "OriginalLocation": "Replace disks",
}


def _point_of(item: ProtectedItem, order: RestoreOrder) -> RecoveryPoint | None:
    """Also when it has expired since: what has begun is carried out."""
    return next((point for point in item.recovery_points if point.name == order.point), None)


def start_restore(
    world: World, item: ProtectedItem, point: RecoveryPoint, order: RestoreOrder, activity_id: str
) -> BackupJob:
    job = new_restore(world, item, point, order, activity_id)
    if order.rehydrate and point.archived and not point.is_rehydrated(world.clock.now()):
        shortest, longest = REHYDRATION_S[order.rehydrate]
        seconds = world.store.random.uniform(shortest, longest)
        job.tasks[0].expected_s += seconds
        schedule_phase(world, job, seconds, "rehydrated")
    else:
        schedule_phase(world, job, job.tasks[0].expected_s, "transfer_done")
    return job


def new_restore(
    world: World, item: ProtectedItem, point: RecoveryPoint, order: RestoreOrder, activity_id: str
) -> BackupJob:
    """Not saved yet, nothing scheduled."""
    if order.from_vault:
        order.transfer_gb = sum(size_of(item, disk) for disk in disks_of(order, point))
    between = world.store.random.uniform
    seconds = between(900, 1160) if order.from_vault else between(30, 40)
    names = [TRANSFER, *([SECOND_TASK[order.kind]] if order.kind in SECOND_TASK else [])]
    tasks = [BackupTask(task_id=name) for name in names]
    tasks[0].status, tasks[0].started_at = "InProgress", world.clock.now()
    tasks[0].expected_s = seconds
    return BackupJob(
        id=f"{item.vault_id}/backupJobs/{world.store.new_guid()}",
        operation="Restore",
        item_id=item.id,
        entity_name=item.vm_id.rsplit("/", 1)[-1],
        container_name=item.name.split(";", 1)[1],
        started_at=world.clock.now(),
        activity_id=activity_id or world.store.new_guid(),
        tasks=tasks,
        property_bag=_first_bag(item, point, order),
        internal_property_bag={"restoreLocationType": order.kind},
        cancellable=True,
        restore=order,
    )


def start_cross_region_restore(
    world: World, item: ProtectedItem, point: RecoveryPoint, order: RestoreOrder, activity_id: str
) -> BackupJob:
    """The same, as a job of the secondary region, which tells of its vault and takes longer."""
    parts = item.vault_id.split("/")
    job = new_restore(world, item, point, order, activity_id)
    job.id = (
        f"/subscriptions/{parts[2]}/providers/Microsoft.RecoveryServices/locations/{order.region}"
        f"/backupJobs/{job.name}"
    )
    job.operation = CROSS_REGION
    job.tasks[0].expected_s = world.store.random.uniform(1100, 3200)
    first = {"Job Type": JOB_TYPE[order.kind], "Target VM Name": "vmName"}  # recorded: the word itself
    job.property_bag = {
        **first,
        **job.property_bag,
        "Subscription Id of the vault": parts[2],
        "Resource Group Name of the vault": parts[4],
        "Vault name": parts[8],
    }
    job.internal_property_bag = {"AdHoc": "AdHoc", **job.internal_property_bag}
    schedule_phase(world, job, job.tasks[0].expected_s, "transfer_done")
    return job


def _first_bag(item: ProtectedItem, point: RecoveryPoint, order: RestoreOrder) -> dict[str, str | None]:
    bag: dict[str, str | None] = {"Job Type": JOB_TYPE[order.kind]}
    if order.kind == "AlternateLocation":
        network = order.network_id.split("/")
        bag["Original VM Name"] = item.vm_id.rsplit("/", 1)[-1]
        bag["Target VM Name"] = order.vm_id.rsplit("/", 1)[-1]
        bag["Target VNet Name"] = f"Group {network[4]} {network[8]}"
    elif order.kind == "OriginalLocation":
        bag["Target VM Name"] = None  # recorded: known only when the machine is being changed
    bag["Target Storage Account Name"] = order.storage_account_id.rsplit("/", 1)[-1]
    bag["Recovery point time "] = us_time(point.taken_at)  # recorded: with a space at its end
    if order.group_id and order.kind != "OriginalLocation":
        bag["Target resource group"] = order.group_id.rsplit("/", 1)[-1]
    return bag


@happens("backup.restore_phase")
def restore_phase(world: World, event: Event) -> None:
    job = world.store.find(BackupJob, event.payload["job_id"])
    if job is None or job.restore is None or job.ended_at is not None:
        return
    item = world.store.find(ProtectedItem, job.item_id)
    phase = event.payload["phase"]
    if phase == "cancelled":
        _cancelled(world, job, job.restore)
    elif phase == "job_done":
        if item is not None:
            _tell_disks(job, job.restore, item)
        _end(world, job, "Completed")
    elif item is None:
        _fail(world, job, 0, VM_GONE)
    else:
        PHASES[phase](world, job, job.restore, item)


def _rehydrated(world: World, job: BackupJob, order: RestoreOrder, item: ProtectedItem) -> None:
    """The point can be read from now on, by other restores, too."""
    now, transfer = world.clock.now(), job.tasks[0]
    if point := _point_of(item, order):
        point.rehydrated_until = now + timedelta(days=order.rehydrated_days)
        world.store.save(item)
    elapsed_s = (now - (transfer.started_at or now)).total_seconds()
    schedule_phase(world, job, max(transfer.expected_s - elapsed_s, 1.0), "transfer_done")


def _transfer_done(world: World, job: BackupJob, order: RestoreOrder, item: ProtectedItem) -> None:
    point = _point_of(item, order)
    error = _transfer_error(world, job, order, item, point)
    if point is None or error is not None:
        _fail(world, job, 0, error or job_error("RestoreOperationFailed", ""))
        return
    end_task(world, job.tasks[0], "Completed")
    if order.group_id:
        make_disks(world, order, item, point)
    between = world.store.random.uniform
    if order.kind == "RestoreDisks":
        schedule_phase(world, job, between(22, 28), "outputs")
        return
    job.tasks[1].status, job.tasks[1].started_at = "InProgress", world.clock.now()
    if order.kind == "OriginalLocation":
        job.property_bag["Target resource group"] = order.group_id.rsplit("/", 1)[-1]
        schedule_phase(world, job, between(500, 560), "machine_stopped")
    else:
        schedule_phase(world, job, between(80, 110), "machine_created")


def _transfer_error(
    world: World, job: BackupJob, order: RestoreOrder, item: ProtectedItem, point: RecoveryPoint | None
) -> BackupError | None:
    failed = world.failure_at(job.operation, item.vm_id, 1)
    if failed or point is None:
        return job_error(*(failed or ("RestoreOperationFailed", "")))
    return None if world.store.find(StorageAccount, order.storage_account_id) else STORAGE_GONE


def _machine_created(world: World, job: BackupJob, order: RestoreOrder, item: ProtectedItem) -> None:
    failed = world.failure_at(job.operation, item.vm_id, 2)
    point = _point_of(item, order)
    if world.store.find(VirtualMachine, order.vm_id) is not None:
        _fail(world, job, 1, TARGET_TAKEN)
    elif failed or point is None:
        _fail(world, job, 1, job_error(*(failed or ("RestoreOperationFailed", ""))))
    else:
        make_machine(world, order, item, point)
        end_task(world, job.tasks[1], "Completed")
        schedule_phase(world, job, world.store.random.uniform(3, 8), "job_done")


def _machine_stopped(world: World, job: BackupJob, order: RestoreOrder, item: ProtectedItem) -> None:
    vm = world.store.find(VirtualMachine, item.vm_id)
    if vm is None:
        _fail(world, job, 1, VM_GONE)
        return
    order.power_before = vm.power
    set_power(world, vm, "deallocated")
    job.property_bag["Target VM Name"] = vm.name
    schedule_phase(world, job, world.store.random.uniform(940, 1060), "machine_replaced")


def _machine_replaced(world: World, job: BackupJob, order: RestoreOrder, item: ProtectedItem) -> None:
    vm = world.store.find(VirtualMachine, item.vm_id)
    failed = world.failure_at(job.operation, item.vm_id, 2)
    point = _point_of(item, order)
    if vm is None or failed or point is None:
        _give_power_back(world, order, vm)
        error = VM_GONE if vm is None else job_error(*(failed or ("RestoreOperationFailed", "")))
        _fail(world, job, 1, error)
        return
    replace_disks(world, order, vm, point)
    end_task(world, job.tasks[1], "Completed")
    schedule_phase(world, job, world.store.random.uniform(3, 8), "job_done")


def _give_power_back(world: World, order: RestoreOrder, vm: VirtualMachine | None) -> None:
    if vm is not None and order.power_before:
        set_power(world, vm, order.power_before)


def _outputs(world: World, job: BackupJob, order: RestoreOrder, item: ProtectedItem) -> None:
    """Where the machine's configuration and a template for a new one were put."""
    vm_name = "".join(letter for letter in job.entity_name.lower() if letter.isalnum())
    account, name = order.storage_account_id.rsplit("/", 1)[-1], f"config-{vm_name}-{job.name}.json"
    container = f"{vm_name}-{world.store.new_guid().replace('-', '')}"
    template = "Template Blob Uri" if job.operation == CROSS_REGION else "Create VM Template Blob Uri"
    base = f"https://{account}.blob.core.windows.net/{container}"
    job.property_bag |= {
        "Config Blob Name": name,
        "Config Blob Container Name": container,
        "Config Blob Uri": f"{base}/{name}",
        template: f"{base}/azuredeploy{job.name}.json",
    }
    schedule_phase(world, job, world.store.random.uniform(8, 12), "job_done")


def _tell_disks(job: BackupJob, order: RestoreOrder, item: ProtectedItem) -> None:
    """Recorded: told at the very end, when disks were chosen for the restore or for the backup."""
    point = _point_of(item, order)
    if point is None or order.kind != "RestoreDisks":
        return
    if order.luns is not None:
        job.property_bag["Restored disk(s)"] = "; ".join(disk.name for disk in disks_of(order, point))
    if item.disk_luns is not None:
        job.property_bag["Backed-up disk(s)"] = "; ".join(disk.name for disk in point.disks)


PHASES = {
    "rehydrated": _rehydrated,
    "transfer_done": _transfer_done,
    "machine_created": _machine_created,
    "machine_stopped": _machine_stopped,
    "machine_replaced": _machine_replaced,
    "outputs": _outputs,
}


def _cancelled(world: World, job: BackupJob, order: RestoreOrder) -> None:
    """What was made until then stays."""
    for task in job.tasks:
        if task.status == "Cancelling":
            end_task(world, task, "Cancelled")
    if order.kind == "OriginalLocation":
        _give_power_back(world, order, world.store.find(VirtualMachine, order.vm_id))
    job.errors.append(CANCELLED)
    _end(world, job, "Cancelled")


def _fail(world: World, job: BackupJob, index: int, error: BackupError) -> None:
    fail_task(world, job, index, error)
    _end(world, job, "Failed")


def _end(world: World, job: BackupJob, status: str) -> None:
    job.status, job.ended_at, job.pending_event = status, world.clock.now(), None
    world.store.save(job)
