"""A vault's documents as our facts: what GET tells, and the list of its usages. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ..model import Vault, VaultUsage
from ..wire_values import Document, number, part, text, whole

_STORAGE = "StorageUsage"
"""Ends the name of each kind of storage a vault may have: geo-redundant, local, deduplicated …"""


def read_vault_document(listed: Vault, document: Document) -> Vault:
    properties = part(document, "properties")
    security = part(properties, "securitySettings")
    soft_delete = part(security, "softDeleteSettings")
    redundancy = part(properties, "redundancySettings")
    crossing = part(properties, "restoreSettings", "crossSubscriptionRestoreSettings")
    return msgspec.structs.replace(
        listed,
        provisioning_state=text(properties, "provisioningState"),
        redundancy=text(redundancy, "standardTierStorageRedundancy"),
        cross_region_restore=text(redundancy, "crossRegionRestore").lower() == "enabled",
        cross_subscription_restore=text(crossing, "crossSubscriptionRestoreState"),
        storage_version=text(properties, "backupStorageVersion"),
        soft_delete=text(soft_delete, "softDeleteState"),
        soft_delete_days=whole(soft_delete, "softDeleteRetentionPeriodInDays") or 0,
        immutability=text(part(security, "immutabilitySettings"), "state"),
        public_network_access=text(properties, "publicNetworkAccess"),
    )


def usage_of(documents: Iterable[Document]) -> VaultUsage:
    counts: dict[str, int] = {}
    stored: int | None = None
    for document in documents:
        name, value = text(part(document, "name"), "value"), number(document, "currentValue")
        if value is None:
            continue
        if name.endswith(_STORAGE) and text(document, "unit") == "Bytes":
            stored = (stored or 0) + int(value)
        else:
            counts[name] = int(value)
    return VaultUsage(
        protected_items=counts.get("ProtectedItemCount"),
        critical_items=counts.get("ProtectedItemCriticalCount"),
        warning_items=counts.get("ProtectedItemWarningCount"),
        running_jobs=counts.get("InProgressJobsCount"),
        failed_jobs=counts.get("FailedJobsCount"),
        stored_bytes=stored,
    )


def believed(usage: VaultUsage, redundancy: str) -> VaultUsage:
    """Recorded usages count geo-redundant and local storage alone: their nought tells nothing of a
    zone-redundant vault that protects something."""
    untold = redundancy == "ZoneRedundant" and usage.protected_items and not usage.stored_bytes
    return msgspec.structs.replace(usage, stored_bytes=None) if untold else usage
