"""Managed disks and snapshots as documents, and reading them. Taking and deleting:
`compute_snapshots`, `compute_deletions`."""

from __future__ import annotations

from ..answers import Answer, Json, resource_not_found
from ..records.compute import Disk, Snapshot, VirtualMachine
from ..routing import Context, Routes, paged
from ..world import World
from .disk_addresses import access_to
from .formats import compute_time

ROUTES = Routes()
GROUP = "/subscriptions/{sub}/resourceGroups/{rg}/providers/Microsoft.Compute"
SUBSCRIPTION = "/subscriptions/{sub}/providers/Microsoft.Compute"
PAGE = 500
GIB = 1 << 30

PREMIUM = (
    ("P1", 4, 120, 25),
    ("P2", 8, 120, 25),
    ("P3", 16, 120, 25),
    ("P4", 32, 120, 25),
    ("P6", 64, 240, 50),
    ("P10", 128, 500, 100),
    ("P15", 256, 1100, 125),
    ("P20", 512, 2300, 150),
    ("P30", 1024, 5000, 200),
    ("P40", 2048, 7500, 250),
    ("P50", 4096, 7500, 250),
    ("P60", 8192, 16000, 500),
    ("P70", 16384, 18000, 750),
    ("P80", 32767, 20000, 900),
)
"""Tier, largest size in GiB, operations a second, megabytes a second."""


def disk_document(world: World, disk: Disk) -> dict[str, Json]:
    premium = disk.sku.startswith("Premium")
    tier, _, iops, throughput = next((row for row in PREMIUM if disk.size_gb <= row[1]), PREMIUM[-1])
    created = compute_time(disk.time_created)
    properties: dict[str, Json] = {
        **_guest(disk.os_type, disk.hyper_v_generation),
        "creationData": _creation_data(disk.create_option, disk.source_id, None),
        "diskSizeGB": disk.size_gb,
        "diskIOPSReadWrite": iops if premium else 500,
        "diskMBpsReadWrite": throughput if premium else 60,
        **_access(),
        "timeCreated": created,
        "provisioningState": disk.provisioning_state,
        "diskState": _state(world, disk),
        **({"LastOwnershipUpdateTime": created} if disk.managed_by else {}),
        "diskSizeBytes": disk.size_gb * GIB,
        "uniqueId": disk.unique_id,
        **({"tier": tier} if premium else {}),
    }
    return {
        "name": disk.name,
        "id": disk.id,
        "type": "Microsoft.Compute/disks",
        "location": disk.location,
        "tags": disk.tags,
        **({"zones": disk.zones} if disk.zones else {}),
        **({"managedBy": disk.managed_by} if disk.managed_by else {}),
        "sku": {"name": disk.sku, "tier": disk.sku.split("_")[0]},
        "properties": properties,
    }


def snapshot_document(world: World, snapshot: Snapshot) -> dict[str, Json]:
    family = {"incrementalSnapshotFamilyId": snapshot.snapshot_family_id} if snapshot.incremental else {}
    properties: dict[str, Json] = {
        **_guest(snapshot.os_type, snapshot.hyper_v_generation),
        "creationData": _creation_data(
            snapshot.create_option, snapshot.source_disk_id, snapshot.source_unique_id
        ),
        "diskSizeGB": snapshot.size_gb,
        "encryption": {"type": "EncryptionAtRestWithPlatformKey"},
        "incremental": snapshot.incremental,
        "networkAccessPolicy": "AllowAll",
        "publicNetworkAccess": "Enabled",
        "timeCreated": compute_time(snapshot.taken_at),
        "provisioningState": snapshot.provisioning_state,
        "diskState": "ActiveSAS" if access_to(world, snapshot.id) else "Unattached",
        "diskSizeBytes": snapshot.size_gb * GIB,
        "uniqueId": snapshot.unique_id,
        **family,
        "snapshotAccessState": "Available",
    }
    return {
        "name": snapshot.name,
        "id": snapshot.id,
        "type": "Microsoft.Compute/snapshots",
        "location": snapshot.location,
        "tags": snapshot.tags,
        "sku": {"name": snapshot.sku, "tier": snapshot.sku.split("_")[0]},
        "properties": properties,
    }


def _state(world: World, disk: Disk) -> str:
    if access_to(world, disk.id) is not None:
        return "ActiveSAS"
    if disk.managed_by is None:
        return "Unattached"
    vm = world.store.find(VirtualMachine, disk.managed_by)
    return "Reserved" if vm is not None and vm.power == "deallocated" else "Attached"


def _guest(os_type: str | None, generation: str) -> dict[str, Json]:
    """Only disks that a machine starts from have these."""
    if os_type is None:
        return {}
    return {
        "osType": os_type,
        "hyperVGeneration": generation,
        "supportedCapabilities": {"architecture": "x64"},
    }


def _creation_data(option: str, source_id: str | None, source_unique_id: str | None) -> dict[str, Json]:
    data: dict[str, Json] = {"createOption": option}
    if source_id:
        data["sourceResourceId"] = source_id
    if source_unique_id:
        data["sourceUniqueId"] = source_unique_id
    return data


def _access() -> dict[str, Json]:
    return {
        "encryption": {"type": "EncryptionAtRestWithPlatformKey"},
        "networkAccessPolicy": "AllowAll",
        "publicNetworkAccess": "Enabled",
    }


def scope_of(ctx: Context) -> str:
    """What a list covers: the group when the path names one, else the subscription."""
    group = f"/resourceGroups/{ctx.params['rg']}" if "rg" in ctx.params else ""
    return f"/subscriptions/{ctx.params['sub']}{group}"


def resource_id(ctx: Context, provider_type: str, name: str) -> str:
    group = f"/subscriptions/{ctx.params['sub']}/resourceGroups/{ctx.params['rg']}"
    return f"{group}/providers/{provider_type}/{name}"


@ROUTES.get(SUBSCRIPTION + "/disks", action="Microsoft.Compute/disks/read")
@ROUTES.get(GROUP + "/disks", action="Microsoft.Compute/disks/read")
def list_disks(ctx: Context) -> Answer:
    disks = ctx.world.store.all(Disk, scope_of(ctx))
    page = paged(ctx, disks, PAGE)
    return Answer(200, {**page, "value": [disk_document(ctx.world, disk) for disk in page["value"]]})


@ROUTES.get(GROUP + "/disks/{name}", action="Microsoft.Compute/disks/read")
def get_disk(ctx: Context) -> Answer:
    disk = ctx.world.store.find(Disk, resource_id(ctx, "Microsoft.Compute/disks", ctx.params["name"]))
    if disk is None:
        raise resource_not_found("Microsoft.Compute/disks", ctx.params["name"], ctx.params["rg"])
    return Answer(200, disk_document(ctx.world, disk))


@ROUTES.get(SUBSCRIPTION + "/snapshots", action="Microsoft.Compute/snapshots/read")
@ROUTES.get(GROUP + "/snapshots", action="Microsoft.Compute/snapshots/read")
def list_snapshots(ctx: Context) -> Answer:
    page = paged(ctx, ctx.world.store.all(Snapshot, scope_of(ctx)), PAGE)
    return Answer(200, {**page, "value": [snapshot_document(ctx.world, one) for one in page["value"]]})


@ROUTES.get(GROUP + "/snapshots/{name}", action="Microsoft.Compute/snapshots/read")
def get_snapshot(ctx: Context) -> Answer:
    name = ctx.params["name"]
    snapshot = ctx.world.store.find(Snapshot, resource_id(ctx, "Microsoft.Compute/snapshots", name))
    if snapshot is None:
        raise resource_not_found("Microsoft.Compute/snapshots", name, ctx.params["rg"])
    return Answer(200, snapshot_document(ctx.world, snapshot))
