"""Letting somebody read a disk or a snapshot (`beginGetAccess`, `endGetAccess`), and what that forbids.

An access that has expired opens nothing, yet the disk says `ActiveSAS` until it is revoked: so recorded."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import TypeVar

from ..answers import Answer, Refusal, not_modelled, resource_not_found
from ..records.compute import Disk, DiskAccess, DiskRestorePoint, Snapshot, VirtualMachine
from ..routing import Context, Routes
from ..store import Event
from ..world import World, happens
from .compute_disks import GROUP, resource_id
from .compute_operations import end_operation, operation_of, start_operation
from .disk_addresses import PREFIX, access_to
from .disk_contents import of_source

ROUTES = Routes()
LONGEST_S = 60 * 86_400
OF_ONE_FAMILY = 5
"""So many snapshots of one incremental family can be read at a time."""
TAKES_S = 0.2
ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
DISKS = "Microsoft.Compute/disks"
SNAPSHOTS = "Microsoft.Compute/snapshots"
Target = Disk | Snapshot | DiskRestorePoint
T = TypeVar("T", Disk, Snapshot)


@ROUTES.post(GROUP + "/disks/{name}/beginGetAccess", action=f"{DISKS}/beginGetAccess/action")
def begin_disk_access(ctx: Context) -> Answer:
    disk = _find(ctx, Disk, DISKS)
    vm = ctx.world.store.find(VirtualMachine, disk.managed_by) if disk.managed_by else None
    if vm is not None and vm.power != "deallocated":
        raise Refusal(
            409,
            "OperationNotAllowed",
            f"Cannot grant access to disk '{disk.name}' because it is attached to virtual machine "
            f"'{vm.name}', which is not deallocated.",
        )
    return begin_access(ctx, disk)


@ROUTES.post(GROUP + "/snapshots/{name}/beginGetAccess", action=f"{SNAPSHOTS}/beginGetAccess/action")
def begin_snapshot_access(ctx: Context) -> Answer:
    snapshot = _find(ctx, Snapshot, SNAPSHOTS)
    family = _family(snapshot)
    if family and access_to(ctx.world, snapshot.id) is None:
        read = [one for one in ctx.world.store.all(DiskAccess) if one.family_id == family]
        if len(read) >= OF_ONE_FAMILY:
            raise Refusal(
                409,
                "OperationNotAllowed",
                f"Cannot grant access to snapshot '{snapshot.name}': {OF_ONE_FAMILY} snapshots of its "
                "incremental snapshot family already have an active shared access signature.",
            )
    return begin_access(ctx, snapshot)


@ROUTES.post(GROUP + "/disks/{name}/endGetAccess", action=f"{DISKS}/endGetAccess/action")
def end_disk_access(ctx: Context) -> Answer:
    return end_access(ctx, _find(ctx, Disk, DISKS))


@ROUTES.post(GROUP + "/snapshots/{name}/endGetAccess", action=f"{SNAPSHOTS}/endGetAccess/action")
def end_snapshot_access(ctx: Context) -> Answer:
    return end_access(ctx, _find(ctx, Snapshot, SNAPSHOTS))


def require_closed(world: World, disk_id: str, doing: str) -> None:
    """Raises the refusal of what an open access forbids."""
    if access_to(world, disk_id) is None:
        return
    name = disk_id.rsplit("/", 1)[-1]
    raise Refusal(
        409,
        "OperationNotAllowed",
        f"There is an active shared access signature outstanding for disk {name}. "
        f"Call EndGetAccess before {doing}.",
    )


def _find(ctx: Context, kind: type[T], provider_type: str) -> T:
    found = ctx.world.store.find(kind, resource_id(ctx, provider_type, ctx.params["name"]))
    if found is None:
        raise resource_not_found(provider_type, ctx.params["name"], ctx.params["rg"])
    return found


def begin_access(ctx: Context, target: Target) -> Answer:
    """A second grant prolongs the first and has its address."""
    seconds = _seconds(ctx)
    access = access_to(ctx.world, target.id)
    new = access is None
    access = access or _new(ctx, target)
    access.expires_at = ctx.now + timedelta(seconds=seconds)
    ctx.world.store.save(access)
    headers = start_operation(
        ctx, target, TAKES_S, "compute.access_granted", access_id=access.id, access=access.id, new=new
    )
    return Answer(202, None, headers)


@happens("compute.access_granted")
def access_granted(world: World, event: Event) -> None:
    operation = operation_of(world, event)
    if operation is None:
        return
    error = world.failure_at("GrantAccess", operation.target_id, 1)
    access = world.store.find(DiskAccess, event.payload["access"])
    if error is not None and event.payload["new"] and access is not None:
        world.store.delete(access)
    end_operation(world, operation, error)


def _seconds(ctx: Context) -> int:
    body = ctx.body if isinstance(ctx.body, dict) else {}
    level, seconds = str(body.get("access") or ""), body.get("durationInSeconds")
    if level not in ("Read", "Write"):
        raise _invalid("grantAccessData.access", level)
    if level == "Write":
        raise not_modelled("access 'Write' to disks")
    if body.get("fileFormat") not in (None, "VHD"):
        raise not_modelled(f"the file format '{body['fileFormat']}' of an exported disk")
    if not isinstance(seconds, int) or not 0 < seconds <= LONGEST_S:
        raise _invalid("grantAccessData.durationInSeconds", seconds)
    return seconds


def _invalid(name: str, value: object) -> Refusal:
    text = f"The value '{value}' of parameter '{name}' is invalid."
    return Refusal(400, "InvalidParameter", text, extra={"target": name})


def _new(ctx: Context, target: Target) -> DiskAccess:
    rnd = ctx.world.store.random
    account, container = ("".join(rnd.choices(ALPHABET, k=12)) for _ in range(2))
    return DiskAccess(
        id=f"{PREFIX}{account}/{container}/abcd",
        target_id=target.id,
        target_kind=type(target).__name__,
        policy=ctx.world.store.new_guid(),
        signature=base64.b64encode(rnd.randbytes(32)).decode(),
        granted_at=ctx.now,
        expires_at=ctx.now,
        size_gb=target.size_gb,
        unique_id=target.unique_id,
        os_type=target.os_type,
        holds=target.holds if isinstance(target, DiskRestorePoint) else of_source(ctx.world, target),
        family_id=_family(target),
    )


def _family(target: Target) -> str | None:
    if isinstance(target, DiskRestorePoint):
        return target.family_id
    return target.snapshot_family_id if isinstance(target, Snapshot) and target.incremental else None


def end_access(ctx: Context, target: Target) -> Answer:
    """Also of one that nobody reads: then nothing changes."""
    return Answer(202, None, start_operation(ctx, target, TAKES_S, "compute.access_revoked", output=False))


@happens("compute.access_revoked")
def access_revoked(world: World, event: Event) -> None:
    operation = operation_of(world, event)
    if operation is None:
        return
    error = world.failure_at("RevokeAccess", operation.target_id, 1)
    access = access_to(world, operation.target_id)
    if error is None and access is not None:
        world.store.delete(access)
    end_operation(world, operation, error)
