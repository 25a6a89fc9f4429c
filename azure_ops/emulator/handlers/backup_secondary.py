"""What the secondary region of a vault knows: items and points that have been copied there.

It is asked under the vault's own paths, with a slash at the end and an api-version of the older family."""

from __future__ import annotations

from datetime import datetime, timedelta

from ..answers import Json
from ..clock import wire_time
from ..records.backup import ProtectedItem, RecoveryPoint, Vault
from ..routing import Context
from ..world import World
from .backup_documents import live_points, protected_item_document, recovery_point_document
from .discovery import REGIONS

VERSIONS = ("2018-12-20", "2021-11-15")
COPIED_AFTER = timedelta(hours=12)
"""A point is in the secondary region so long after it was taken."""
PRIMARY_ONLY = ("recoveryPointAdditionalInfo", "securityType", "recoveryPointProperties")


def is_secondary(ctx: Context) -> bool:
    return ctx.path.endswith("/") and ctx.api_version in VERSIONS


def secondary_region(vault: Vault) -> str:
    known = REGIONS.get(vault.location.lower())
    return known[2] if known else ""


def copied_points(world: World, item: ProtectedItem) -> list[RecoveryPoint]:
    """None without the vault's cross-region switch; of the others those that had the time."""
    vault = world.store.find(Vault, item.vault_id)
    if vault is None or not vault.cross_region_restore:
        return []
    until: datetime = world.clock.now() - COPIED_AFTER
    return [
        point
        for point in live_points(world, item)
        if point.in_vault and not point.archived and point.taken_at <= until
    ]


def secondary_item_document(world: World, item: ProtectedItem) -> dict[str, Json]:
    document = protected_item_document(world, item)
    points = copied_points(world, item)
    document["properties"]["lastRecoveryPoint"] = wire_time(max(point.taken_at for point in points))
    return document


def secondary_point_document(world: World, item: ProtectedItem, point: RecoveryPoint) -> dict[str, Json]:
    document = recovery_point_document(world, item, point)
    properties = {name: value for name, value in document["properties"].items() if name not in PRIMARY_ONLY}
    properties |= {
        "recoveryPointTierDetails": [{"type": "HardenedRP", "status": "Valid"}],
        "crossRegionRestoreState": "Supported",
        "recoveryPointMoveReadinessInfo": {"ArchivedRP": {"isReadyForMove": False}},
        "threatStatus": 0,
    }
    return {**document, "properties": properties}
