"""The secondary region of a vault: whether there is one, and the points that were copied there.

Read under the vault's own paths by the older api family, which the SDK has no classes for: plain requests. A
slash at the end of the path is what asks the other region.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..arm_ids import group_of, name_of, request_path, subscription_of
from ..model import RecoveryPoint
from ..wire_values import Document, part, parts, text
from .azure_failures import azure_errors
from .backup import item_title
from .backup_documents import recovery_point

if TYPE_CHECKING:
    from .session import Session

API_VERSION = "2021-11-15"
LOCATIONS_API = "2022-12-01"


async def secondary_region(session: Session, vault_id: str) -> str:
    """Where its points are copied to for restores; empty when the vault's cross-region restore is off."""
    client = session.vaults(subscription_of(vault_id)).vaults
    async with azure_errors(f"Vault {name_of(vault_id)}"):
        vault: Document = await client.get(group_of(vault_id), name_of(vault_id))
    switch = text(part(vault, "properties", "redundancySettings"), "crossRegionRestore")
    if switch.lower() != "enabled":
        return ""
    home = text(vault, "location").replace(" ", "").lower()
    async with azure_errors("The list of regions"):
        answer = await session.get_json(
            f"/subscriptions/{subscription_of(vault_id)}/locations", LOCATIONS_API
        )
    return paired(answer, home)


def paired(answer: Document, home: str) -> str:
    for location in parts(answer, "value"):
        if text(location, "name").lower() == home:
            pairs = [text(one, "name") for one in parts(part(location, "metadata"), "pairedRegion")]
            return pairs[0] if pairs else "its paired region"
    return "its paired region"


async def list_secondary_points(session: Session, item_id: str, region: str) -> tuple[RecoveryPoint, ...]:
    """Newest first. They lag: a copy takes hours."""
    path = f"{request_path(item_id)}/recoveryPoints/"
    found: list[RecoveryPoint] = []
    async with azure_errors(f"{item_title(item_id)}, points in {region}"):
        page: Any = await session.get_json(path, API_VERSION)
        while True:
            points = [recovery_point(document) for document in parts(page, "value")]
            found += [in_region(point, region) for point in points if point is not None]
            if not page.get("nextLink"):
                break
            page = await session.get_json(str(page["nextLink"]))
    return tuple(sorted(found, key=lambda point: point.taken_at, reverse=True))


def in_region(point: RecoveryPoint, region: str) -> RecoveryPoint:
    """A copy has the id of its original: the region tells them apart."""
    return msgspec.structs.replace(point, id=f"{point.id}@{region}", secondary=True, region=region)
