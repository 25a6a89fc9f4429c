"""Taking snapshots. A snapshot holds its disk's content of the moment the PUT came in; the
operation that follows takes a second or two whatever the size."""

from __future__ import annotations

from typing import Any

from ..answers import Answer, Refusal, not_modelled
from ..records.compute import Disk, Snapshot
from ..routing import Context, Routes
from ..store import Event
from ..world import World, happens
from .compute_disks import GROUP, resource_id
from .compute_operations import end_operation, operation_of, start_operation
from .disk_contents import of_source

ROUTES = Routes()
SKUS = {"standard_lrs": "Standard_LRS", "standard_zrs": "Standard_ZRS", "premium_lrs": "Premium_LRS"}
Source = Disk | Snapshot


@ROUTES.put(GROUP + "/snapshots/{name}", action="Microsoft.Compute/snapshots/write")
def put_snapshot(ctx: Context) -> Answer:
    body = ctx.body if isinstance(ctx.body, dict) else {}
    properties, location = body.get("properties") or {}, _location(body)
    creation = properties.get("creationData")
    if not isinstance(creation, dict):
        raise _invalid(
            "Required parameter 'snapshot.creationData' is missing (null).", "snapshot.creationData"
        )
    if creation.get("createOption") != "Copy":
        raise not_modelled(f"snapshots with createOption '{creation.get('createOption')}'")
    source = _source(ctx, str(creation.get("sourceResourceId") or ""), location)
    sku = _sku(body)
    snapshot_id = resource_id(ctx, "Microsoft.Compute/snapshots", ctx.params["name"])
    existing = ctx.world.store.find(Snapshot, snapshot_id)
    incremental = bool(properties.get("incremental", existing.incremental if existing else False))
    if existing is None:
        snapshot = _take(ctx, snapshot_id, source, location, incremental)
    else:
        _refuse_changes(existing, source, location, incremental)
        snapshot = existing
    snapshot.sku, snapshot.tags = sku, dict(body.get("tags") or {})
    snapshot.provisioning_state = "Updating"
    ctx.world.store.save(snapshot)
    headers = start_operation(ctx, snapshot, 1.5, "compute.snapshot_taken", snapshot_id=snapshot.id)
    return Answer(202, _echo(snapshot, creation), headers)


def _location(body: dict[str, Any]) -> str:
    location = body.get("location")
    if not isinstance(location, str) or not location:
        message = "The location property is required for this definition."
        raise Refusal(400, "LocationRequired", message)
    return location.replace(" ", "").lower()


def _sku(body: dict[str, Any]) -> str:
    name = str((body.get("sku") or {}).get("name") or "Standard_LRS")
    if name.lower() not in SKUS:
        raise _invalid(
            f"The value '{name}' of parameter 'snapshot.sku.name' is invalid.", "snapshot.sku.name"
        )
    return SKUS[name.lower()]


def _source(ctx: Context, source_id: str, location: str) -> Source:
    if not source_id:
        name = "snapshot.creationData.sourceResourceId"
        raise _invalid(f"Required parameter '{name}' is missing (null).", name)
    store = ctx.world.store
    source: Source | None = store.find(Disk, source_id) or store.find(Snapshot, source_id)
    if source is None or source.location.lower() != location:
        # recorded: a disk of another region is not found either
        raise Refusal(404, "NotFound", f"Resource {source_id.rsplit('/', 1)[-1]} is not found.")
    return source


def _take(ctx: Context, snapshot_id: str, source: Source, location: str, incremental: bool) -> Snapshot:
    family = None
    if incremental:
        family = source.snapshot_family_id or ctx.world.store.new_guid()
        if source.snapshot_family_id != family:
            source.snapshot_family_id = family
            ctx.world.store.save(source)
    return Snapshot(
        id=snapshot_id,
        location=location,
        source_disk_id=source.id,
        source_unique_id=source.unique_id,
        size_gb=source.size_gb,
        incremental=incremental,
        snapshot_family_id=family,
        os_type=source.os_type,
        hyper_v_generation=source.hyper_v_generation,
        taken_at=ctx.now,
        holds=of_source(ctx.world, source),
        unique_id=ctx.world.store.new_guid(),
    )


def _refuse_changes(existing: Snapshot, source: Source, location: str, incremental: bool) -> None:
    if existing.location.lower() != location:
        raise Refusal(
            409,
            "InvalidResourceLocation",
            f"The resource '{existing.name}' already exists in location '{existing.location}' in resource "
            f"group '{existing.id.split('/')[4]}'. A resource with the same name cannot be created in "
            f"location '{location}'. Please select a new resource name.",
        )
    for changed, name in (
        (existing.source_disk_id.lower() != source.id.lower(), "creationData.sourceResourceId"),
        (existing.incremental != incremental, "incremental"),
    ):
        if changed:
            message = f"Changing property '{name}' is not allowed."
            raise Refusal(409, "PropertyChangeNotAllowed", message, extra={"target": name})


def _invalid(message: str, target: str) -> Refusal:
    return Refusal(400, "InvalidParameter", message, extra={"target": target})


def _echo(snapshot: Snapshot, creation: dict[str, Any]) -> dict[str, Any]:
    """The 202 repeats the request: no tier, no disk state, nothing that is known only at the end."""
    return {
        "name": snapshot.name,
        "id": snapshot.id,
        "type": "Microsoft.Compute/snapshots",
        "location": snapshot.location,
        "tags": snapshot.tags,
        "sku": {"name": snapshot.sku},
        "properties": {
            "creationData": {
                "createOption": "Copy",
                "sourceResourceId": creation["sourceResourceId"],
            },
            **({"incremental": True} if snapshot.incremental else {}),
            "provisioningState": "Updating",
        },
    }


@happens("compute.snapshot_taken")
def snapshot_taken(world: World, event: Event) -> None:
    operation = operation_of(world, event)
    snapshot = world.store.find(Snapshot, event.payload["snapshot_id"])
    if operation is None or snapshot is None:
        return
    error = world.failure_at("Snapshot", snapshot.source_disk_id, 1)
    snapshot.provisioning_state = "Failed" if error else "Succeeded"
    world.store.save(snapshot)
    end_operation(world, operation, error)
