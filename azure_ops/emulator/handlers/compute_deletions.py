"""Deleting disks and snapshots. What is attached, locked or being read stays; what is not there is gone."""

from __future__ import annotations

from ..answers import Answer, Refusal
from ..records.compute import Disk, Snapshot
from ..routing import Context, Routes
from ..store import Event
from ..world import World, happens
from .compute_disks import GROUP, resource_id
from .compute_operations import end_operation, operation_of, start_operation
from .disk_access import require_closed
from .locks import require_deletable

ROUTES = Routes()
TAKES_S = 1.5


@ROUTES.delete(GROUP + "/disks/{name}", action="Microsoft.Compute/disks/delete")
def delete_disk(ctx: Context) -> Answer:
    disk = ctx.world.store.find(Disk, resource_id(ctx, "Microsoft.Compute/disks", ctx.params["name"]))
    if disk is None:
        return Answer(204)
    require_deletable(ctx, disk.id)
    require_closed(ctx.world, disk.id, "deleting the disk")
    if disk.managed_by:
        message = f"Disk {disk.name} is attached to VM {disk.managed_by}."
        raise Refusal(409, "OperationNotAllowed", message)
    return Answer(202, None, start_operation(ctx, disk, TAKES_S, "compute.disk_deleted", disk_id=disk.id))


@happens("compute.disk_deleted")
def disk_deleted(world: World, event: Event) -> None:
    operation = operation_of(world, event)
    if operation is None:
        return
    disk = world.store.find(Disk, event.payload["disk_id"])
    error = world.failure_at("DeleteDisk", event.payload["disk_id"], 1)
    if disk is not None and error is None:
        world.store.delete(disk)
    end_operation(world, operation, error)


@ROUTES.delete(GROUP + "/snapshots/{name}", action="Microsoft.Compute/snapshots/delete")
def delete_snapshot(ctx: Context) -> Answer:
    snapshot_id = resource_id(ctx, "Microsoft.Compute/snapshots", ctx.params["name"])
    snapshot = ctx.world.store.find(Snapshot, snapshot_id)
    if snapshot is None:
        return Answer(204)
    require_deletable(ctx, snapshot.id)
    require_closed(ctx.world, snapshot.id, "deleting the snapshot")
    headers = start_operation(ctx, snapshot, TAKES_S, "compute.snapshot_deleted", snapshot_id=snapshot_id)
    return Answer(202, None, headers)


@happens("compute.snapshot_deleted")
def snapshot_deleted(world: World, event: Event) -> None:
    operation = operation_of(world, event)
    if operation is None:
        return
    snapshot = world.store.find(Snapshot, event.payload["snapshot_id"])
    error = world.failure_at("DeleteSnapshot", event.payload["snapshot_id"], 1)
    if snapshot is not None and error is None:
        world.store.delete(snapshot)
    end_operation(world, operation, error)
