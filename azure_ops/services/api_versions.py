"""The api-version of plain requests for a resource: those that the pinned SDKs speak. Pure."""

from __future__ import annotations

from ..arm_ids import resource_type

_VAULTS = "microsoft.recoveryservices/vaults"
_VERSIONS = (
    (f"{_VAULTS}/replication", "2025-08-01"),
    (f"{_VAULTS}/backup", "2026-10-01"),
    (_VAULTS, "2026-11-01"),
    ("microsoft.compute/virtualmachines", "2026-04-01"),
    ("microsoft.compute/", "2026-03-02"),
    ("microsoft.network/", "2024-05-01"),
    ("microsoft.authorization/", "2022-04-01"),
)
OTHERWISE = "2022-12-01"


def api_version_of(arm_id: str) -> str:
    kind = resource_type(arm_id).lower()
    return next((version for start, version in _VERSIONS if kind.startswith(start)), OTHERWISE)
