"""The scripts of an item-level recovery, as its operation and the request for them give them. That for
Linux mounts the point's volumes; what Windows gets opens nothing here."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from pathlib import Path

from ..answers import Json
from ..records.backup import BackupOperation, ProtectedItem, RecoveryPoint, Vault
from ..records.compute import DiskAccess
from ..routing import Context
from ..world import World
from .backup_restore_effects import size_of
from .disk_addresses import PREFIX, access_to, signed_address
from .disk_contents import of_point
from .formats import dotnet_ticks
from .restore_point_ids import unique_id

LASTS = timedelta(hours=12)
SCRIPTS_APART = "2026-08-01"
"""From this version of the API on the status of the operation has no scripts."""
GEO = {"westeurope": "we", "northeurope": "ne", "eastus": "eus", "westus": "wus"}
WINDOWS_TOOL = (
    "https://download.microsoft.com/download/E/5/7/E57F36A9-4AA6-4D06-94DB-014198D6E775/"
    "IaaSVMILRExeForWindows.exe"
)
PROGRAM = Path(__file__).with_name("item_script.py")


def item_recovery_status(ctx: Context, operation: BackupOperation) -> dict[str, Json]:
    """Of a finished provisioning."""
    document: dict[str, Json] = {"objectType": "OperationStatusProvisionILRExtendedInfo"}
    item = ctx.world.store.find(ProtectedItem, operation.subject_id)
    name = operation.script_suffix.split("_")[-2]
    point = next((one for one in item.recovery_points if one.name == name), None) if item else None
    if ctx.api_version < SCRIPTS_APART and item is not None and point is not None:
        document["recoveryTarget"] = recovery_target(ctx, operation, item, point)
    return document


def recovery_target(
    ctx: Context, operation: BackupOperation, item: ProtectedItem, point: RecoveryPoint
) -> dict[str, Json]:
    owner = item.data_id
    expires = operation.started_at + LASTS
    target = (
        f"User - {owner}-{operation.name} , Target - Owner={owner},Name={owner}-0-0-{point.name},"
        f"Expiry={expires.month}/{expires.day}/{expires.year} {expires:%I:%M:%S %p},"
        f"Sequence = {dotnet_ticks(operation.started_at)}"
    )
    if item.os_type == "Windows":
        tool = _script(operation, item, "NA", ".exe", WINDOWS_TOOL)
        scripts = [_script(operation, item, target, ".txt"), tool]
    else:
        program = _program(ctx, operation, item, point, target)
        scripts = [_script(operation, item, program, ".py")]
    return {"clientScripts": scripts}


def _program(
    ctx: Context, operation: BackupOperation, item: ProtectedItem, point: RecoveryPoint, target: str
) -> str:
    digits = operation.script_suffix.rpartition("_")[2]
    password, salt = digits[32:47], digits[:8]
    values = {
        "machine": item.vm_id.rsplit("/", 1)[-1].lower(),
        "password": [salt, hashlib.sha256((salt + password).encode()).hexdigest()],
        "ca": ctx.world.ca_file.read_text() if ctx.world.ca_file else "",
        "disks": [{"address": signed_address(ctx.base_url, one)} for one in _opened(ctx, item, point)],
    }
    head, _, rest = PROGRAM.read_text().partition("VALUES: dict[str, Any] = {}")
    return f"#!/usr/bin/env python3\n# {target}\n{head}VALUES: dict[str, Any] = {values!r}{rest}"


def _opened(ctx: Context, item: ProtectedItem, point: RecoveryPoint) -> list[DiskAccess]:
    """The point's disks, readable as long as the point is open."""
    store, rnd, found = ctx.world.store, ctx.world.store.random, []
    for disk in point.disks:
        target_id = f"{item.id}/recoveryPoints/{point.name}/{disk.lun}"
        access = access_to(ctx.world, target_id) or DiskAccess(
            id=f"{PREFIX}{rnd.getrandbits(60):012x}/{rnd.getrandbits(60):012x}/abcd",
            target_id=target_id,
            target_kind="RecoveryPoint",
            policy=store.new_guid(),
            signature=base64.b64encode(rnd.randbytes(32)).decode(),
            granted_at=ctx.now,
            expires_at=ctx.now,
            size_gb=size_of(item, disk),
            unique_id=unique_id(item, point.name, disk),
            os_type=item.os_type if disk.lun < 0 else None,
            holds=of_point(ctx.world, item.vm_id, disk, point),
        )
        access.expires_at = point.files_open_until or ctx.now
        store.save(access)
        found.append(access)
    return found


def close_disks(world: World, item: ProtectedItem, point: RecoveryPoint) -> None:
    for disk in point.disks:
        access = access_to(world, f"{item.id}/recoveryPoints/{point.name}/{disk.lun}")
        if access is not None:
            world.store.delete(access)


def _script(
    operation: BackupOperation, item: ProtectedItem, content: str, extension: str, url: str = ""
) -> dict[str, Json]:
    return {
        "scriptContent": base64.b64encode(content.encode()).decode(),
        "scriptExtension": extension,
        "osType": item.os_type,
        **({"url": url} if url else {}),
        "scriptNameSuffix": operation.script_suffix,
    }


def new_suffix(world: World, item: ProtectedItem, point: RecoveryPoint) -> str:
    """Machine, region, numbers, and 61 digits of which those from the 33rd to the 47th are the password."""
    vault_region = _region(world, item)
    digits = f"{world.store.random.getrandbits(244):061x}"
    name = item.vm_id.rsplit("/", 1)[-1].lower()
    return f"{name}_1_{GEO.get(vault_region, vault_region[:3])}_{item.data_id}_{point.name}_{digits}"


def _region(world: World, item: ProtectedItem) -> str:
    vault = world.store.find(Vault, item.vault_id)
    return vault.location if vault else "westeurope"
