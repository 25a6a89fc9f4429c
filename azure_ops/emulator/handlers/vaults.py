"""Recovery Services vaults at rest: documents and lists. How they change is in `vault_changes` and
`vault_deletion`, what they hold in `vault_usages`."""

from __future__ import annotations

import uuid
from urllib.parse import quote

from ..answers import Answer, Json, resource_not_found
from ..clock import wire_time
from ..records.backup import ProtectedItem, Vault
from ..routing import Context, Routes, paged
from ..world import World
from .compute_disks import scope_of

ROUTES = Routes()
PROVIDER = "Microsoft.RecoveryServices/vaults"
VAULT = "/subscriptions/{sub}/resourceGroups/{rg}/providers/Microsoft.RecoveryServices/vaults/{vault}"
PAGE = 800
"""A recorded first page of a subscription's vaults had 804 rows."""
MONITORING = {
    "azureMonitorAlertSettings": {
        "alertsForAllJobFailures": "Enabled",
        "alertsForAllReplicationIssues": "Enabled",
        "alertsForAllFailoverIssues": "Enabled",
    },
    "classicAlertSettings": {
        "alertsForCriticalOperations": "Disabled",
        "emailNotificationsForSiteRecovery": "Enabled",
    },
}


def vault_document(world: World, vault: Vault) -> dict[str, Json]:
    """The document that GET gives; lists give `_listed_vault`."""
    has_items = bool(world.store.all(ProtectedItem, vault.id))
    made = vault.provisioning_state != "Provisioning"
    unlocked = vault.immutability in ("Unlocked", "Locked")
    version = ("V1" if vault.cross_region_restore else "V2") if has_items else "Unassigned"
    properties = {
        **_common_properties(vault),
        **({"backupStorageVersion": version} if made else {}),
        "securitySettings": _security(vault, has_items, made),
        "redundancySettings": {
            "standardTierStorageRedundancy": vault.redundancy,
            "crossRegionRestore": "Enabled" if vault.cross_region_restore else "Disabled",
        },
        "secureScore": "Minimum" if unlocked else "None",
        "bcdrSecurityLevel": "Fair" if unlocked else "Poor",
    }
    return _envelope(vault, properties, {"name": "Standard"})


def _security(vault: Vault, has_items: bool, made: bool) -> dict[str, Json]:
    unprotected = has_items and vault.soft_delete_state == "Disabled"
    settings = {
        # recorded: 0 once items are protected with soft delete turned off; deleted ones are kept all the same
        "softDeleteRetentionPeriodInDays": 0 if unprotected else vault.soft_delete_days,
        "softDeleteState": vault.soft_delete_state,
        "enhancedSecurityState": vault.enhanced_security,
    }
    return {
        **({"immutabilitySettings": {"state": vault.immutability}} if vault.immutability else {}),
        **({"softDeleteSettings": settings} if made else {}),
        "multiUserAuthorization": ("Enabled" if vault.guard_id else "Disabled") if made else "Invalid",
        "sourceScanConfiguration": {"state": "Disabled"},
    }


def _listed_vault(vault: Vault) -> dict[str, Json]:
    """Lists come from Resource Manager's cache: another SKU, nothing on redundancy or soft delete."""
    return _envelope(vault, _common_properties(vault), {"name": "RS0", "tier": "Standard"})


def _common_properties(vault: Vault) -> dict[str, Json]:
    return {
        "provisioningState": vault.provisioning_state,
        "privateEndpointStateForBackup": "None",
        "privateEndpointStateForSiteRecovery": "None",
        "monitoringSettings": vault.monitoring or MONITORING,
        "secureScore": "None",
        "bcdrSecurityLevel": "Poor",
        "publicNetworkAccess": vault.public_network_access,
        "restoreSettings": {
            "crossSubscriptionRestoreSettings": {
                "crossSubscriptionRestoreState": vault.cross_subscription_restore
            }
        },
    }


def _envelope(vault: Vault, properties: dict[str, Json], sku: dict[str, str]) -> dict[str, Json]:
    return {
        "location": vault.location,
        "name": vault.name,
        "etag": f"W/\"datetime'{quote(wire_time(vault.changed_at), safe='')}'\"",
        **({"tags": vault.tags} if vault.tags else {}),
        **_identity(vault),
        "properties": properties,
        "id": vault.id,
        "type": "Microsoft.RecoveryServices/vaults",
        "sku": sku,
    }


def _identity(vault: Vault) -> dict[str, Json]:
    kinds = ["SystemAssigned"] * bool(vault.identity_principal_id)
    kinds += ["UserAssigned"] * bool(vault.user_identities)
    if not kinds:
        return {}
    own = {"principalId": vault.identity_principal_id} if vault.identity_principal_id else {}
    users = {
        id_: {"clientId": str(uuid.uuid5(uuid.NAMESPACE_URL, id_.lower())), "principalId": principal}
        for id_, principal in vault.user_identities.items()
    }
    return {
        "identity": {
            "type": ", ".join(kinds),
            **own,
            **({"userAssignedIdentities": users} if users else {}),
        }
    }


def find_vault(ctx: Context) -> Vault:
    """The vault that the path names. Raises the front end's 404."""
    sub, group, name = ctx.params["sub"], ctx.params["rg"], ctx.params["vault"]
    vault_id = f"/subscriptions/{sub}/resourceGroups/{group}/providers/{PROVIDER}/{name}"
    vault = ctx.world.store.find(Vault, vault_id)
    if vault is None:
        raise resource_not_found(PROVIDER, name, group)
    return vault


@ROUTES.get("/subscriptions/{sub}/providers/Microsoft.RecoveryServices/vaults", action=f"{PROVIDER}/read")
@ROUTES.get(VAULT.rsplit("/", 1)[0], action=f"{PROVIDER}/read")
def list_vaults(ctx: Context) -> Answer:
    page = paged(ctx, ctx.world.store.all(Vault, scope_of(ctx)), PAGE)
    return Answer(200, {**page, "value": [_listed_vault(vault) for vault in page["value"]]})


@ROUTES.get(VAULT, action=f"{PROVIDER}/read")
def get_vault(ctx: Context) -> Answer:
    return Answer(200, vault_document(ctx.world, find_vault(ctx)))
