"""Addresses of page blobs, and who may read there: what `disk_access` grants and the blob endpoint checks."""

from __future__ import annotations

import hmac
from urllib.parse import quote

from ..records.compute import DiskAccess
from ..world import World

SIGNED_VERSION = "2018-03-28"
PREFIX = "/md-"
"""Azure has a host name for each storage account of managed disks; here it is the first part of the path."""


def signed_address(base_url: str, access: DiskAccess) -> str:
    signature = quote(access.signature, safe="")
    return f"{base_url}{access.id}?sv={SIGNED_VERSION}&sr=b&si={access.policy}&sig={signature}"


def access_to(world: World, target_id: str) -> DiskAccess | None:
    """The active one, whether expired or not."""
    return next(
        (one for one in world.store.all(DiskAccess) if one.target_id.lower() == target_id.lower()), None
    )


def signed_for(world: World, path: str, query: dict[str, str]) -> DiskAccess | None:
    """The access whose signature this is; its expiry is not looked at."""
    access = world.store.find(DiskAccess, path)
    if access is None:
        return None
    given = [query.get(name, "") for name in ("sv", "sr", "si", "sig")]
    expected = [SIGNED_VERSION, "b", access.policy, access.signature]
    pairs = zip(given, expected, strict=True)
    right = [hmac.compare_digest(mine.encode(), theirs.encode()) for mine, theirs in pairs]
    return access if all(right) else None
