"""The snapshots that backups keep in Compute for a few days, to be read: collections, restore points, and the
restore points of their disks with access to their bytes. All of it follows from the points of the backup."""

from __future__ import annotations

from collections.abc import Iterator

from ..answers import Answer, Json, resource_not_found
from ..records.backup import IncludedDisk, ProtectedItem, RecoveryPoint, Vault
from ..records.compute import Disk, DiskRestorePoint, VirtualMachine
from ..records.tenancy import ResourceGroup
from ..routing import Context, Routes, paged
from ..world import World
from .backup_documents import live_points
from .backup_restore_effects import size_of
from .compute import os_profile
from .compute_disks import GROUP, PAGE, SUBSCRIPTION, resource_id, scope_of
from .disk_access import begin_access, end_access
from .disk_contents import of_point
from .formats import compute_time
from .restore_point_ids import collection_id, disk_restore_point_id, restore_point_id, unique_id

ROUTES = Routes()
TYPE = "Microsoft.Compute/restorePointCollections"
COLLECTION = GROUP + "/restorePointCollections/{collection}"
POINT = COLLECTION + "/restorePoints/{point}"
DISK = POINT + "/diskRestorePoints/{disk}"
DISK_ACTION = f"{TYPE}/restorePoints/diskRestorePoints"
MODES = {"AppConsistent": "ApplicationConsistent"}
"""Where Compute's word differs from the backup's."""


def instant_points(world: World, item: ProtectedItem) -> list[RecoveryPoint]:
    now = world.clock.now()
    return [one for one in live_points(world, item) if one.instant_until and now < one.instant_until]


def _region(world: World, item: ProtectedItem) -> str:
    vault = world.store.find(Vault, item.vault_id)
    return vault.location if vault else ""


def _collections(world: World, scope: str) -> Iterator[tuple[ProtectedItem, str]]:
    """Items with a snapshot whose collection lies in the scope, with their region."""
    for item in world.store.all(ProtectedItem):
        region = _region(world, item)
        inside = collection_id(item, region).lower().startswith(scope.lower() + "/")
        if inside and instant_points(world, item):
            yield item, region


def service_group(world: World, group_id: str) -> ResourceGroup | None:
    """The group that the service keeps restore points in. It is found by its name and in no list."""
    if "/azurebackuprg_" not in group_id.lower():
        return None
    found = next(_collections(world, group_id), None)
    return ResourceGroup(id=group_id, location=found[1]) if found else None


# finding ----------------------------------------------------------------------------------------------------


def _collection(ctx: Context) -> tuple[ProtectedItem, str]:
    wanted = resource_id(ctx, TYPE, ctx.params["collection"]).lower()
    for item, region in _collections(ctx.world, scope_of(ctx)):
        if collection_id(item, region).lower() == wanted:
            return item, region
    raise resource_not_found(TYPE, ctx.params["collection"], ctx.params["rg"])


def _point(ctx: Context) -> tuple[ProtectedItem, str, RecoveryPoint]:
    item, region = _collection(ctx)
    for point in instant_points(ctx.world, item):
        if restore_point_id(item, point, region).lower().endswith(f"/{ctx.params['point'].lower()}"):
            return item, region, point
    name = f"{ctx.params['collection']}/{ctx.params['point']}"
    raise resource_not_found(f"{TYPE}/restorePoints", name, ctx.params["rg"])


def _disk(ctx: Context) -> DiskRestorePoint:
    item, region, point = _point(ctx)
    for disk in point.disks:
        found = _disk_point(ctx.world, item, region, point, disk)
        if found.name.lower() == ctx.params["disk"].lower():
            return found
    name = f"{ctx.params['collection']}/{ctx.params['point']}/{ctx.params['disk']}"
    raise resource_not_found(DISK_ACTION, name, ctx.params["rg"])


def _disk_point(
    world: World, item: ProtectedItem, region: str, point: RecoveryPoint, disk: IncludedDisk
) -> DiskRestorePoint:
    source = world.store.find(Disk, _source_id(item, disk))
    return DiskRestorePoint(
        id=disk_restore_point_id(item, point, disk, region),
        location=region,
        size_gb=size_of(item, disk),
        os_type=item.os_type if disk.lun == -1 else None,
        unique_id=unique_id(item, point.name, disk),
        taken_at=point.taken_at,
        source_disk_id=_source_id(item, disk),
        source_unique_id=source.unique_id if source else None,
        family_id=unique_id(item, "family", disk),
        holds=of_point(world, item.vm_id, disk, point),
    )


def _source_id(item: ProtectedItem, disk: IncludedDisk) -> str:
    return f"{item.vm_id.partition('/virtualMachines/')[0]}/disks/{disk.name}"


# documents --------------------------------------------------------------------------------------------------


def collection_document(item: ProtectedItem, region: str) -> dict[str, Json]:
    collection = collection_id(item, region)
    return {
        "name": collection.rsplit("/", 1)[-1],
        "id": collection,
        "type": TYPE,
        "location": region,
        "properties": {
            "source": {"location": region, "id": item.vm_id},
            "restorePointCollectionId": unique_id(item, "collection", IncludedDisk(-1, "")),
            "provisioningState": "Succeeded",
        },
    }


def restore_point_document(
    world: World, item: ProtectedItem, region: str, point: RecoveryPoint
) -> dict[str, Json]:
    vm = world.store.find(VirtualMachine, item.vm_id)
    of_disk = {disk.lun: _stored(item, region, point, disk) for disk in point.disks}
    metadata: dict[str, Json] = {
        **({"vmId": vm.vm_id} if vm else {}),
        "location": region,
        "hardwareProfile": {"vmSize": point.vm_size},
        "storageProfile": {
            "osDisk": {"osType": item.os_type, **of_disk.pop(-1, {})},
            "dataDisks": [{"lun": lun, **stored} for lun, stored in sorted(of_disk.items())],
        },
        **({"osProfile": os_profile(vm)} if vm and vm.image else {}),
        "hyperVGeneration": "V2",
    }
    found = restore_point_id(item, point, region)
    return {
        "name": found.rsplit("/", 1)[-1],
        "id": found,
        "properties": {
            "sourceMetadata": metadata,
            "provisioningState": "Succeeded",
            "consistencyMode": MODES.get(point.consistency, point.consistency),
            "timeCreated": compute_time(point.taken_at),
        },
    }


def _stored(item: ProtectedItem, region: str, point: RecoveryPoint, disk: IncludedDisk) -> dict[str, Json]:
    return {
        "name": disk.name,
        "diskSizeGB": size_of(item, disk),
        "caching": "ReadWrite" if disk.lun == -1 else "None",
        "managedDisk": {"storageAccountType": disk.sku, "id": _source_id(item, disk)},
        "diskRestorePoint": {
            "encryption": {"type": "EncryptionAtRestWithPlatformKey"},
            "id": disk_restore_point_id(item, point, disk, region),
        },
    }


def disk_restore_point_document(disk: DiskRestorePoint) -> dict[str, Json]:
    return {
        "name": disk.name,
        "id": disk.id,
        "properties": {
            "timeCreated": compute_time(disk.taken_at),
            "sourceResourceId": disk.source_disk_id,
            **({"osType": disk.os_type, "hyperVGeneration": "V2"} if disk.os_type else {}),
            "familyId": disk.family_id,
            **({"sourceUniqueId": disk.source_unique_id} if disk.source_unique_id else {}),
            "encryption": {"type": "EncryptionAtRestWithPlatformKey"},
            "networkAccessPolicy": "AllowAll",
            "publicNetworkAccess": "Enabled",
            "sourceResourceLocation": disk.location,
        },
    }


# requests ---------------------------------------------------------------------------------------------------


@ROUTES.get(SUBSCRIPTION + "/restorePointCollections", action=f"{TYPE}/read")
@ROUTES.get(GROUP + "/restorePointCollections", action=f"{TYPE}/read")
def list_collections(ctx: Context) -> Answer:
    page = paged(ctx, list(_collections(ctx.world, scope_of(ctx))), PAGE)
    return Answer(200, {**page, "value": [collection_document(*found) for found in page["value"]]})


@ROUTES.get(COLLECTION, action=f"{TYPE}/read")
def get_collection(ctx: Context) -> Answer:
    item, region = _collection(ctx)
    document = collection_document(item, region)
    if ctx.query.get("$expand", "").lower() == "restorepoints":
        points = instant_points(ctx.world, item)
        documents = [restore_point_document(ctx.world, item, region, point) for point in points]
        document["properties"]["restorePoints"] = documents
    return Answer(200, document)


@ROUTES.get(POINT, action=f"{TYPE}/restorePoints/read")
def get_point(ctx: Context) -> Answer:
    return Answer(200, restore_point_document(ctx.world, *_point(ctx)))


@ROUTES.get(POINT + "/diskRestorePoints", action=f"{DISK_ACTION}/read")
def list_disks(ctx: Context) -> Answer:
    item, region, point = _point(ctx)
    disks = [_disk_point(ctx.world, item, region, point, disk) for disk in point.disks]
    page = paged(ctx, disks, PAGE)
    return Answer(200, {**page, "value": [disk_restore_point_document(disk) for disk in page["value"]]})


@ROUTES.get(DISK, action=f"{DISK_ACTION}/read")
def get_disk(ctx: Context) -> Answer:
    return Answer(200, disk_restore_point_document(_disk(ctx)))


@ROUTES.post(DISK + "/beginGetAccess", action=f"{DISK_ACTION}/beginGetAccess/action")
def begin_disk_access(ctx: Context) -> Answer:
    return begin_access(ctx, _disk(ctx))


@ROUTES.post(DISK + "/endGetAccess", action=f"{DISK_ACTION}/endGetAccess/action")
def end_disk_access(ctx: Context) -> Answer:
    return end_access(ctx, _disk(ctx))
