"""The tenant's own things: subscriptions and resource groups, and the identities that may sign in."""

from __future__ import annotations

from datetime import datetime

import msgspec

from ..store import Record

OPERATOR_CLIENT_ID = "0a5c7e1e-5f1d-4b0e-9f0a-6d0f3c1b2a01"
"""The identity a caller gets who asks for no particular one: the person on call."""
READER_CLIENT_ID = "0a5c7e1e-5f1d-4b0e-9f0a-6d0f3c1b2a02"
"""May read everything and change nothing."""
GUARDED_CLIENT_ID = "0a5c7e1e-5f1d-4b0e-9f0a-6d0f3c1b2a03"
"""May what the operator may, except on Resource Guards: those belong to somebody else."""
ADMIN_CLIENT_ID = "0a5c7e1e-5f1d-4b0e-9f0a-6d0f3c1b2a04"
"""Contributor of everything: also what a Backup Contributor may not, such as deleting a vault."""

TENANT_ID_FACT = "tenant_id"
"""`world.store.fact(TENANT_ID_FACT)`: the directory all subscriptions belong to, set by the fleet."""


class Subscription(Record):
    """`id` is `/subscriptions/{guid}`."""

    display_name: str
    state: str = "Enabled"

    @property
    def subscription_id(self) -> str:
        return self.name


class ResourceGroup(Record):
    """`id` is `/subscriptions/{guid}/resourceGroups/{name}`."""

    location: str
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    managed_by: str | None = None


class ManagementLock(Record):
    """`id` is `{scope}/providers/Microsoft.Authorization/locks/{name}`; it holds for all below its scope."""

    level: str
    """`CanNotDelete` or `ReadOnly`."""
    notes: str = ""

    @property
    def scope(self) -> str:
        return self.id.rsplit("/providers/Microsoft.Authorization/locks/", 1)[0]


class RoleAssignment(Record, kw_only=True):
    """`id` is `{scope}/providers/Microsoft.Authorization/roleAssignments/{guid}`. Those who sign in have
    their roles in `roles.py`; this is what other principals were given, such as a vault's identity."""

    principal_id: str
    role: str
    """GUID of the built-in role."""
    created_at: datetime

    @property
    def scope(self) -> str:
        return self.id.partition("/providers/Microsoft.Authorization/")[0]


BLOB_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
"""Storage Blob Data Contributor."""
BLOB_OWNER = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
"""Storage Blob Data Owner."""

KINDS: list[type[Record]] = [Subscription, ResourceGroup, ManagementLock, RoleAssignment]
