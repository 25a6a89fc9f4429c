"""Compute's long-running operations: how they start, what their two URLs answer, how they end.

`operations` belong to machines, `DiskOperations` to disks and snapshots. Both succeed or fail with HTTP 200;
`monitor=true` is the `Location` of the pair and gives the resource itself."""

from __future__ import annotations

from typing import Any

from ..answers import Answer, Json, Refusal
from ..records.compute import ComputeOperation, Disk, DiskAccess, DiskRestorePoint, Snapshot, VirtualMachine
from ..routing import Context, Routes
from ..store import Event
from ..world import World, happens
from .compute_disks import disk_document, snapshot_document
from .disk_addresses import signed_address
from .formats import compute_time, dotnet_ticks

ROUTES = Routes()
LOCATION = "/subscriptions/{sub}/providers/Microsoft.Compute/locations/{location}"
REMEMBERED_S = 86_400.0
"""So long a finished operation can still be asked for."""
TARGETS = {kind.__name__: kind for kind in (VirtualMachine, Disk, Snapshot)}


def start_operation(
    ctx: Context,
    target: VirtualMachine | Disk | Snapshot | DiskRestorePoint,
    seconds: float,
    event: str,
    *,
    output: bool = True,
    access_id: str = "",
    **payload: Any,
) -> dict[str, str]:
    """Makes the operation and schedules `event` with its id and `payload`; returns the 202's headers.
    The handler of `event` ends it with `end_operation`. `output`: a disk or snapshot that is there at the end
    is what the operation gives; with `access_id` it is that signed address."""
    family = "operations" if isinstance(target, VirtualMachine) else "DiskOperations"
    sub = ctx.params["sub"]
    operation = ComputeOperation(
        id=f"/subscriptions/{sub}/providers/Microsoft.Compute/locations/{target.location}/{family}/"
        + ctx.world.store.new_guid(),
        started_at=ctx.now,
        target_id=target.id,
        target_kind=type(target).__name__,
        has_output=output and family == "DiskOperations" and ctx.method != "DELETE",
        access_id=access_id,
    )
    ctx.world.store.save(operation)
    ctx.world.happens_in(
        seconds * ctx.world.store.random.uniform(0.8, 1.3), event, {"operation_id": operation.id, **payload}
    )
    query = f"p={ctx.world.store.new_guid()}"
    tail = f"api-version={ctx.api_version}&t={dotnet_ticks(ctx.now)}"
    return {
        "Azure-AsyncOperation": f"{ctx.base_url}{operation.id}?{query}&{tail}",
        "Location": f"{ctx.base_url}{operation.id}?{query}&monitor=true&{tail}",
        "Retry-After": str(ctx.world.clock.retry_after(10 if family == "operations" else 2)),
    }


def operation_of(world: World, event: Event) -> ComputeOperation | None:
    """None when the operation is over already, because a newer one took its target."""
    operation = world.store.find(ComputeOperation, event.payload["operation_id"])
    return operation if operation is not None and operation.status == "InProgress" else None


def end_operation(world: World, operation: ComputeOperation, error: tuple[str, str] | None = None) -> None:
    operation.status = "Failed" if error else "Succeeded"
    operation.error = error
    operation.ended_at = world.clock.now()
    world.store.save(operation)
    world.happens_in(REMEMBERED_S, "compute.operation_forgotten", {"operation_id": operation.id})


@happens("compute.operation_forgotten")
def forget_operation(world: World, event: Event) -> None:
    operation = world.store.find(ComputeOperation, event.payload["operation_id"])
    if operation is not None:
        world.store.delete(operation)


def preempt_operations(world: World, target_id: str) -> None:
    """A newer action on a machine ends the ones still running on it."""
    for operation in world.store.all(ComputeOperation):
        if operation.target_id.lower() == target_id.lower() and operation.status == "InProgress":
            message = "Operation execution has been preempted by a more recent operation."
            end_operation(world, operation, ("OperationPreempted", message))


@ROUTES.get(LOCATION + "/operations/{operation}", action="Microsoft.Compute/locations/operations/read")
def get_operation(ctx: Context) -> Answer:
    return _poll(ctx, "operations")


@ROUTES.get(
    LOCATION + "/DiskOperations/{operation}", action="Microsoft.Compute/locations/diskOperations/read"
)
def get_disk_operation(ctx: Context) -> Answer:
    return _poll(ctx, "DiskOperations")


def _poll(ctx: Context, family: str) -> Answer:
    sub, location, name = ctx.params["sub"], ctx.params["location"], ctx.params["operation"]
    path = f"/subscriptions/{sub}/providers/Microsoft.Compute/locations/{location}/{family}/{name}"
    operation = ctx.world.store.find(ComputeOperation, path)
    if operation is None:
        raise Refusal(404, "NotFound", f"The operation '{name}' was not found in location '{location}'.")
    running = operation.status == "InProgress"
    again = {"Retry-After": str(ctx.world.clock.retry_after(2 if family == "DiskOperations" else 10))}
    if ctx.query.get("monitor", "").lower() != "true":
        return Answer(200, _operation_document(ctx, operation), again if running else {})
    if running:
        location_url = f"{ctx.base_url}{operation.id}?monitor=true&api-version={ctx.api_version}"
        return Answer(202, None, {"Location": location_url, **again})
    if operation.error:
        raise Refusal(409, *operation.error)
    return Answer(200, _output(ctx, operation))


def _operation_document(ctx: Context, operation: ComputeOperation) -> dict[str, Json]:
    document: dict[str, Json] = {"startTime": compute_time(operation.started_at)}
    if operation.ended_at:
        document["endTime"] = compute_time(operation.ended_at)
    document["status"] = operation.status
    if operation.error:
        document["error"] = {"code": operation.error[0], "message": operation.error[1]}
    elif operation.ended_at and (output := _output(ctx, operation)):
        document["properties"] = {"output": output}
    return {**document, "name": operation.name}


def _output(ctx: Context, operation: ComputeOperation) -> dict[str, Json] | None:
    if not operation.has_output:
        return None
    world = ctx.world
    if operation.access_id:
        access = world.store.find(DiskAccess, operation.access_id)
        return {"accessSAS": signed_address(ctx.base_url, access)} if access else None
    target = world.store.find(TARGETS[operation.target_kind], operation.target_id)
    if isinstance(target, Disk):
        return disk_document(world, target)
    return snapshot_document(world, target) if isinstance(target, Snapshot) else None
