"""What a request may change about a vault: read from its body, checked against the vault as it is.

Changes are facts by the name they have on the `Vault` record, so that an event can carry them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..answers import Json, Refusal, not_modelled
from ..records.backup import ProtectedItem, Vault
from ..world import World
from .bodies import leaves
from .odata import invalid_input

Changes = dict[str, Json]

SWITCH = {"enabled": "Enabled", "disabled": "Disabled"}
SWITCH_OR_ALWAYS = {**SWITCH, "alwayson": "AlwaysON"}
REDUNDANCY = {name.lower(): name for name in ("GeoRedundant", "LocallyRedundant", "ZoneRedundant")}
SOFT_DELETE = "securitySettings.softDeleteSettings"
WORDS: dict[str, tuple[str, Mapping[str, Json]]] = {
    "redundancySettings.standardTierStorageRedundancy": ("redundancy", REDUNDANCY),
    "redundancySettings.crossRegionRestore": ("cross_region_restore", {"enabled": True, "disabled": False}),
    "restoreSettings.crossSubscriptionRestoreSettings.crossSubscriptionRestoreState": (
        "cross_subscription_restore",
        {**SWITCH, "permanentlydisabled": "PermanentlyDisabled"},
    ),
    "securitySettings.immutabilitySettings.state": (
        "immutability",
        {"disabled": "Disabled", "unlocked": "Unlocked", "locked": "Locked"},
    ),
    f"{SOFT_DELETE}.softDeleteState": ("soft_delete_state", SWITCH_OR_ALWAYS),
    f"{SOFT_DELETE}.enhancedSecurityState": ("enhanced_security", SWITCH_OR_ALWAYS),
    "publicNetworkAccess": ("public_network_access", SWITCH),
}
"""Path in `properties`: name on the record, and the words it may have with what they mean."""
DAYS = f"{SOFT_DELETE}.softDeleteRetentionPeriodInDays"
READ_ONLY = {
    "provisioningState", "privateEndpointStateForBackup", "privateEndpointStateForSiteRecovery",
    "backupStorageVersion", "secureScore", "bcdrSecurityLevel", "securitySettings.multiUserAuthorization",
    "securitySettings.sourceScanConfiguration.state",
}  # fmt: skip
"""Members that clients send back as they read them, and that change nothing."""


def read_changes(properties: dict[str, Any]) -> Changes:
    """From a vault's `properties`. Raises a 400 for an unknown word, a 501 for what does nothing here."""
    changes: Changes = {}
    for path, value in leaves(properties).items():
        if path in WORDS:
            name, words = WORDS[path]
            changes[name] = word_of(words, path, value)
        elif path == DAYS:
            changes["soft_delete_days"] = days_of(value)
        elif path.startswith("monitoringSettings."):
            changes["monitoring"] = properties["monitoringSettings"]
        elif path not in READ_ONLY and path != "resourceGuardOperationRequests":
            raise not_modelled(f"the vault property '{path}'")
    return changes


def word_of(words: Mapping[str, Json], path: str, value: Any) -> Json:
    if str(value).lower() not in words:
        raise invalid_input(f"'{value}' is not a value of '{path}'.")
    return words[str(value).lower()]


def days_of(value: Any) -> int:
    if not isinstance(value, int) or not 14 <= value <= 180:
        raise invalid_input("The soft delete retention period must be 14 to 180 days.")
    return value


def refuse_changes(world: World, vault: Vault, changes: Changes) -> None:
    """Raises what the service answers to a change that the vault's state does not allow."""
    after = {name: changes.get(name, getattr(vault, name)) for name in ("redundancy", "cross_region_restore")}
    has_items = bool(world.store.all(ProtectedItem, vault.id))
    given_up = vault.cross_region_restore and not after["cross_region_restore"]
    if has_items and (after["redundancy"] != vault.redundancy or given_up):
        raise Refusal(
            400,
            "StorageModelModifyError",
            "Storage Redundancy option is locked when the first machine is registered with the vault, and "
            "cannot be modified thereafter.",
        )
    if after["cross_region_restore"] and after["redundancy"] != "GeoRedundant":
        raise invalid_input("Cross Region Restore can be enabled for a GeoRedundant vault only.")
    refuse_immutability(vault.immutability, changes.get("immutability", vault.immutability))
    kept_forever = (
        ("cross_subscription_restore", "PermanentlyDisabled"),
        ("soft_delete_state", "AlwaysON"),
        ("enhanced_security", "AlwaysON"),
    )
    for name, final in kept_forever:
        if getattr(vault, name) == final and changes.get(name, final) != final:
            raise invalid_input(f"A vault whose setting is {final} cannot leave it.")


def refuse_immutability(before: str | None, after: str | None) -> None:
    """It is locked from `Unlocked` only, and then for good."""
    if before == after or (before != "Locked" and (after != "Locked" or before == "Unlocked")):
        return
    raise Refusal(
        400,
        "UserErrorUnsupportedVaultImmutabilityStateChange",
        f"The immutability of the vault cannot change from {before or 'Disabled'} to {after}. "
        "Refer to the documentation to learn more: https://aka.ms/AB-ImmutableVaults-States ",
    )


def apply_changes(world: World, vault: Vault, changes: Changes) -> None:
    for name, value in changes.items():
        setattr(vault, name, value)
    vault.provisioning_state = "Succeeded"
    vault.changed_at = world.clock.now()
    world.store.save(vault)
