"""The jobs that change a protected item: configure, stop, delete, undelete. They have no tasks; the item is
changed at their end, and their operation lasts exactly as long."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from ..records.backup import BackupJob, ProtectedItem, Vault, container_short_name
from ..records.backup_policies import BackupPolicy
from ..records.compute import VirtualMachine
from ..store import Event
from ..world import World, happens
from .backup_documents import live_points
from .backup_errors import VM_GONE, job_error
from .backup_operations import end_operation
from .backup_policies import apply_retention

SECONDS = {
    "ConfigureBackup": (1.3, 1.8),
    "DisableBackup": (1.5, 1.9),
    "DeleteBackupData": (10.5, 11.4),
    "Undelete": (10.2, 11.0),
}
FIRST_CONFIGURE_S = (50.0, 61.0)


def running_change(world: World, item_id: str) -> BackupJob | None:
    """The job that holds the item: one of those here, or a restore that replaces its disks."""
    vault_id = item_id[: item_id.lower().index("/backupfabrics/")]
    for job in world.store.all(BackupJob, vault_id):
        holds = job.operation in SECONDS or job.internal_property_bag.get("restoreLocationType") == (
            "OriginalLocation"
        )
        if holds and job.ended_at is None and job.item_id.lower() == item_id.lower():
            return job
    return None


def start_change(
    world: World, item_id: str, vm_id: str, operation: str, bag: dict[str, str | None], activity_id: str
) -> BackupJob:
    job = BackupJob(
        id=f"{item_id[: item_id.lower().index('/backupfabrics/')]}/backupJobs/{world.store.new_guid()}",
        operation=operation,
        item_id=item_id,
        entity_name=vm_id.rsplit("/", 1)[-1],
        container_name=container_short_name(vm_id),
        started_at=world.clock.now(),
        activity_id=activity_id or world.store.new_guid(),
        property_bag={"VM Name": vm_id.rsplit("/", 1)[-1], **bag},
    )
    world.store.save(job)
    return job


def schedule_change(
    world: World, job: BackupJob, operation_id: str, vm_id: str, change: dict[str, Any]
) -> None:
    """`change` is what the job does to the item, by the names its `CHANGES` function takes."""
    first = job.operation == "ConfigureBackup" and world.store.find(ProtectedItem, job.item_id) is None
    seconds = world.store.random.uniform(*(FIRST_CONFIGURE_S if first else SECONDS[job.operation]))
    payload = {"job_id": job.id, "operation_id": operation_id, "vm_id": vm_id, "change": change}
    job.pending_event = world.happens_in(seconds, "backup.item_changed", payload)
    world.store.save(job)


@happens("backup.item_changed")
def item_changed(world: World, event: Event) -> None:
    job = world.store.find(BackupJob, event.payload["job_id"])
    if job is None:
        return
    item = world.store.find(ProtectedItem, job.item_id)
    failed = world.failure_at(job.operation, job.item_id, 1)
    error = job_error(*failed) if failed else None
    if error is None and item is None:
        item = _new_item(world, job, event.payload["vm_id"])
        error = VM_GONE if item is None else None
    if error is None and item is not None:
        CHANGES[job.operation](world, job, item, event.payload["change"])
        world.store.save(item)
    job.status, job.ended_at, job.pending_event = "Completed", world.clock.now(), None
    if error is not None:
        job.status, job.errors = "Failed", [error]
    world.store.save(job)
    end_operation(world, event.payload["operation_id"], (error.title, error.message) if error else None)


def _new_item(world: World, job: BackupJob, vm_id: str) -> ProtectedItem | None:
    vm = world.store.find(VirtualMachine, vm_id)
    if vm is None or job.operation != "ConfigureBackup":
        return None
    data_id = str(world.store.random.randrange(10**14, 10**15))
    return ProtectedItem(id=job.item_id, vm_id=vm.id, os_type=vm.os_type, policy_name="", data_id=data_id)


def _configure(world: World, job: BackupJob, item: ProtectedItem, change: dict[str, Any]) -> None:
    """First protection, another policy, resumed protection, or other disks."""
    policy = world.store.find(BackupPolicy, f"{item.vault_id}/backupPolicies/{change['policy']}")
    item.policy_name = change["policy"]
    if "luns" in change:
        item.disk_luns, item.luns_are_included = change["luns"], change["included"]
    item.protection_state = "Protected" if live_points(world, item) else "IRPending"
    if policy is not None:
        item.policy_type = policy.policy_type or "V1"
        apply_retention(world, item, policy)


def _disable(world: World, job: BackupJob, item: ProtectedItem, change: dict[str, Any]) -> None:
    item.protection_state = change["state"]
    if change["state"] == "ProtectionStopped":
        item.policy_name = ""


def _delete(world: World, job: BackupJob, item: ProtectedItem, change: dict[str, Any]) -> None:
    """Recorded: deleted data is kept for its days whatever the vault's soft delete setting says."""
    item.protection_state, item.policy_name, item.soft_deleted_at = "ProtectionStopped", "", job.started_at
    vault = world.store.find(Vault, item.vault_id)
    left = job.started_at + timedelta(days=vault.soft_delete_days if vault else 14) - world.clock.now()
    payload = {"item_id": item.id, "deleted_at": job.started_at.isoformat()}
    world.happens_at_offset(left, "backup.item_purged", payload)


def _undelete(world: World, job: BackupJob, item: ProtectedItem, change: dict[str, Any]) -> None:
    item.soft_deleted_at = None


CHANGES: dict[str, Callable[[World, BackupJob, ProtectedItem, dict[str, Any]], None]] = {
    "ConfigureBackup": _configure,
    "DisableBackup": _disable,
    "DeleteBackupData": _delete,
    "Undelete": _undelete,
}


@happens("backup.item_purged")
def item_purged(world: World, event: Event) -> None:
    """Nothing is purged that was undeleted, or deleted anew, since."""
    item = world.store.find(ProtectedItem, event.payload["item_id"])
    if item is None or item.soft_deleted_at is None:
        return
    if item.soft_deleted_at.isoformat() == event.payload["deleted_at"]:
        world.store.delete(item)
