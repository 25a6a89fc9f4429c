"""The configuration documents beside a vault: soft delete, storage, encryption. They change at once."""

from __future__ import annotations

from ..answers import Answer, Json, not_modelled
from ..records.backup import ProtectedItem, Vault
from ..routing import Context, Routes
from .backup_guard import require_guard
from .bodies import leaves, properties_of
from .vault_rules import (
    REDUNDANCY,
    SWITCH_OR_ALWAYS,
    Changes,
    apply_changes,
    days_of,
    refuse_changes,
    word_of,
)
from .vaults import PROVIDER, VAULT, find_vault

ROUTES = Routes()
CONFIG, STORAGE = VAULT + "/backupconfig/vaultconfig", VAULT + "/backupstorageconfig/vaultstorageconfig"


def _setting(vault: Vault, kind: str, name: str, properties: dict[str, Json]) -> Answer:
    document = {"id": f"{vault.id}/{kind}/{name}", "name": name, "type": f"{PROVIDER}/{kind}"}
    return Answer(200, {**document, "properties": properties})


@ROUTES.get(CONFIG, action=f"{PROVIDER}/backupconfig/read")
def get_vault_config(ctx: Context) -> Answer:
    vault = find_vault(ctx)
    properties = {
        "enhancedSecurityState": vault.enhanced_security,
        "softDeleteFeatureState": vault.soft_delete_state,
        "softDeleteRetentionPeriodInDays": vault.soft_delete_days,
        "isSoftDeleteFeatureStateEditable": vault.soft_delete_state != "AlwaysON",
    }
    return _setting(vault, "backupconfig", "vaultconfig", properties)


@ROUTES.patch(CONFIG, action=f"{PROVIDER}/backupconfig/write")
@ROUTES.put(CONFIG, action=f"{PROVIDER}/backupconfig/write")
def change_vault_config(ctx: Context) -> Answer:
    vault, properties = find_vault(ctx), properties_of(ctx)
    changes: Changes = {}
    for name, value in leaves(properties).items():
        if name == "softDeleteFeatureState":
            changes["soft_delete_state"] = word_of(SWITCH_OR_ALWAYS, name, value)
        elif name == "enhancedSecurityState":
            changes["enhanced_security"] = word_of(SWITCH_OR_ALWAYS, name, value)
        elif name == "softDeleteRetentionPeriodInDays":
            changes["soft_delete_days"] = days_of(value)
        elif name not in ("isSoftDeleteFeatureStateEditable", "resourceGuardOperationRequests"):
            raise not_modelled(f"the vault configuration '{name}'")
    refuse_changes(ctx.world, vault, changes)
    if changes.get("soft_delete_state") == "Disabled" != vault.soft_delete_state:
        require_guard(ctx, vault, "disableSoftDelete", properties)
    if changes.get("enhanced_security") == "Disabled" != vault.enhanced_security:
        require_guard(ctx, vault, "disableSoftDelete", properties)
    apply_changes(ctx.world, vault, changes)
    return get_vault_config(ctx)


@ROUTES.get(STORAGE, action=f"{PROVIDER}/backupstorageconfig/read")
def get_storage_config(ctx: Context) -> Answer:
    vault = find_vault(ctx)
    has_items = bool(ctx.world.store.all(ProtectedItem, vault.id))
    properties = {
        "storageModelType": vault.redundancy,
        "storageType": vault.redundancy,
        "dedupState": "Disabled",
        "xcoolState": "Disabled",
        "storageTypeState": "Locked" if has_items else "Unlocked",
        "crossRegionRestoreFlag": vault.cross_region_restore,
    }
    return _setting(vault, "backupstorageconfig", "vaultstorageconfig", properties)


@ROUTES.put(STORAGE, action=f"{PROVIDER}/backupstorageconfig/write")
def put_storage_config(ctx: Context) -> Answer:
    _change_storage(ctx)
    return get_storage_config(ctx)


@ROUTES.patch(STORAGE, action=f"{PROVIDER}/backupstorageconfig/write")
def patch_storage_config(ctx: Context) -> Answer:
    _change_storage(ctx)
    return Answer(204)


def _change_storage(ctx: Context) -> None:
    vault, changes = find_vault(ctx), Changes()
    for name, value in leaves(properties_of(ctx)).items():
        if name in ("storageModelType", "storageType"):
            changes["redundancy"] = word_of(REDUNDANCY, name, value)
        elif name == "crossRegionRestoreFlag":
            changes["cross_region_restore"] = word_of({"true": True, "false": False}, name, value)
        elif name not in ("dedupState", "xcoolState", "storageTypeState"):
            raise not_modelled(f"the storage configuration '{name}'")
    refuse_changes(ctx.world, vault, changes)
    apply_changes(ctx.world, vault, changes)


@ROUTES.get(
    VAULT + "/backupEncryptionConfigs/backupResourceEncryptionConfig",
    action=f"{PROVIDER}/backupEncryptionConfigs/read",
)
def get_encryption_config(ctx: Context) -> Answer:
    properties = {
        "useSystemAssignedIdentity": True,
        "encryptionAtRestType": "MicrosoftManaged",
        "lastUpdateStatus": "NotEnabled",
        "infrastructureEncryptionState": "Disabled",
    }
    vault = find_vault(ctx)
    return _setting(vault, "backupEncryptionConfigs", "backupResourceEncryptionConfig", properties)
