"""The scripts of an item-level recovery, as its operation and the request for them give them. On Linux and on
Windows they mount nothing here."""

from __future__ import annotations

import base64
from datetime import timedelta

from ..answers import Json
from ..records.backup import BackupOperation, ProtectedItem, RecoveryPoint, Vault
from ..routing import Context
from ..world import World
from .formats import dotnet_ticks

LASTS = timedelta(hours=12)
SCRIPTS_APART = "2026-08-01"
"""From this version of the API on the status of the operation has no scripts."""
GEO = {"westeurope": "we", "northeurope": "ne", "eastus": "eus", "westus": "wus"}
WINDOWS_TOOL = (
    "https://download.microsoft.com/download/E/5/7/E57F36A9-4AA6-4D06-94DB-014198D6E775/"
    "IaaSVMILRExeForWindows.exe"
)
LINUX_SCRIPT = """#!/usr/bin/env python3
import sys

# {target}
sys.exit("This script comes from an emulator of Azure Backup: it mounts nothing.")
"""


def item_recovery_status(ctx: Context, operation: BackupOperation) -> dict[str, Json]:
    """Of a finished provisioning."""
    document: dict[str, Json] = {"objectType": "OperationStatusProvisionILRExtendedInfo"}
    item = ctx.world.store.find(ProtectedItem, operation.subject_id)
    name = operation.script_suffix.split("_")[-2]
    point = next((one for one in item.recovery_points if one.name == name), None) if item else None
    if ctx.api_version < SCRIPTS_APART and item is not None and point is not None:
        document["recoveryTarget"] = recovery_target(operation, item, point)
    return document


def recovery_target(operation: BackupOperation, item: ProtectedItem, point: RecoveryPoint) -> dict[str, Json]:
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
        scripts = [_script(operation, item, LINUX_SCRIPT.format(target=target), ".py")]
    return {"clientScripts": scripts}


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
