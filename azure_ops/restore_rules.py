"""What Azure Backup can restore and cannot, how long each kind takes, and the request for it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from .model import Fact, RecoveryPoint
from .points import ARCHIVE, INSTANT_ACCESS, SNAPSHOT, VAULT, tiers_of

DISKS, NEW_VM, REPLACE = "RestoreDisks", "AlternateLocation", "OriginalLocation"
AS_IN_POINT, NO_ZONE = "", "NoZone"


class RestorePoint(Fact, frozen=True, kw_only=True):
    """A recovery point with what decides whether and how it can be restored."""

    point: RecoveryPoint
    encrypted: bool = False
    managed: bool = True
    security: str = ""
    """`None`, `ConfidentialVMDiskEncryptedWithCustomerKey` …"""
    private_access: bool = False
    """Some disk is reached by private endpoints only."""
    size: str = ""
    os_type: str = ""
    zones: tuple[str, ...] = ()
    disks: dict[int, str] = msgspec.field(default_factory=dict)
    """Names by LUN, the OS disk at -1; empty where the point does not tell."""


class VaultRestores(Fact, frozen=True, kw_only=True):
    """What a vault says about restores from it."""

    id: str
    region: str
    redundancy: str = ""
    cross_region: bool = False
    cross_subscription: str = ""
    """`Enabled`, `Disabled`, `PermanentlyDisabled`."""
    own_principal: str = ""
    """Of its system-assigned identity; empty: it has none."""
    user_identities: dict[str, str] = msgspec.field(default_factory=dict)
    """Principals by the ids of its user-assigned identities."""


class Rehydration(Fact, frozen=True, kw_only=True):
    """How a point is brought back from the archive to be restored."""

    priority: str
    """`Standard` or `High`."""
    days: int
    """How long it then stays readable."""


class Order(Fact, frozen=True, kw_only=True):
    """One restore as it was asked for."""

    kind: str
    region: str
    subscription: str
    """Where what is made goes."""
    group: str = ""
    """Empty: no target group is sent."""
    account: str
    luns: tuple[int, ...] | None = None
    """The data disks beside the OS disk; None: all of the point."""
    zone: str = AS_IN_POINT
    """A zone's number or `NoZone`."""
    identity: str = ""
    """`system`, or the id of a user-assigned identity; empty: the service's own access."""
    vm_id: str = ""
    subnet: str = ""
    rehydration: Rehydration | None = None
    """Only for a point that is in the archive tier alone."""


SYSTEM = "system"


def in_vault(point: RecoveryPoint) -> bool:
    rehydrated = any(tier.status == "Rehydrated" for tier in point.tiers)
    return rehydrated or VAULT in tiers_of(point)


class Case(msgspec.Struct, frozen=True):
    """A restore together with what it is made from."""

    order: Order
    found: RestorePoint
    vault: VaultRestores
    source_subscription: str

    @property
    def other_region(self) -> bool:
        return self.order.region != self.vault.region

    @property
    def other_subscription(self) -> bool:
        return self.order.subscription.lower() != self.source_subscription.lower()

    @property
    def other_zone(self) -> bool:
        wanted = self.order.zone
        return wanted != AS_IN_POINT and (() if wanted == NO_ZONE else (wanted,)) != self.found.zones

    @property
    def archived_only(self) -> bool:
        return tiers_of(self.found.point) == [ARCHIVE] and not in_vault(self.found.point)

    @property
    def snapshot_only(self) -> bool:
        return not in_vault(self.found.point) and not self.archived_only

    @property
    def at_home(self) -> bool:
        return not (self.other_region or self.other_subscription)

    @property
    def missing_luns(self) -> list[int]:
        if not self.found.disks:
            return []
        return [lun for lun in self.order.luns or () if lun not in self.found.disks]

    def from_snapshot(self) -> bool:
        """A snapshot serves within its region, subscription and zone, and for managed disks only."""
        at_home = not (self.other_region or self.other_subscription or self.other_zone)
        managed = bool(self.order.group) or self.order.kind == REPLACE
        held = tiers_of(self.found.point)
        return at_home and managed and (SNAPSHOT in held or INSTANT_ACCESS in held)


Rule = tuple[Callable[[Case], object], str | Callable[[Case], str]]
CANNOT: tuple[Rule, ...] = (
    (
        lambda case: case.found.encrypted,
        "the point is of an encrypted VM: it needs its key vault, which is not asked for here",
    ),
    (
        lambda case: not case.found.managed and (case.order.kind != DISKS or case.order.group),
        "the point holds unmanaged disks, which are restored into a storage account only",
    ),
    (
        lambda case: case.found.security.startswith("Confidential"),
        "the point is of a confidential VM: it needs a disk encryption set, not asked for here",
    ),
    (lambda case: not tiers_of(case.found.point), "no tier holds the point any more"),
    (
        lambda case: case.archived_only and not case.at_home,
        "the point is in the archive tier alone: a restore in its own region and subscription rehydrates it",
    ),
    (
        lambda case: case.archived_only and case.at_home and case.order.rehydration is None,
        "the point is in the archive tier alone: choose how to rehydrate it",
    ),
    (
        lambda case: case.missing_luns,
        lambda case: f"the point has no disk at LUN {', '.join(map(str, case.missing_luns))}; it has "
        + (", ".join(f"LUN {lun} ({name})" for lun, name in sorted(case.found.disks.items()) if lun >= 0)
           or "the OS disk only"),
    ),
    (
        lambda case: case.order.kind == REPLACE and (case.other_region or case.other_subscription),
        "disks are replaced where their VM is; elsewhere a new VM or disks can be restored",
    ),
    (
        lambda case: case.other_region and not case.vault.cross_region,
        "cross-region restore is off in this vault",
    ),
    (
        lambda case: case.other_region and case.other_subscription,
        "a restore goes into another region or another subscription, not both",
    ),
    (
        lambda case: case.other_region and case.order.identity,
        "a managed identity cannot be used for a restore in another region",
    ),
    (
        lambda case: case.other_subscription and case.vault.cross_subscription != "Enabled",
        "restores into another subscription are off in this vault",
    ),
    (
        lambda case: case.other_subscription and case.snapshot_only,
        "the point is in the snapshot tier alone, and those are not restored into another subscription",
    ),
    (
        lambda case: case.other_zone and case.order.kind == REPLACE,
        "disks are replaced in the zone of their VM",
    ),
    (
        lambda case: case.other_zone and not case.other_region and case.vault.redundancy != "ZoneRedundant",
        "another zone needs a vault with zone-redundant storage",
    ),
    (
        lambda case: case.other_zone and case.snapshot_only,
        "the point is in the snapshot tier alone, and those are not restored into another zone",
    ),
)  # fmt: skip
"""Documented limits, each with its reason; the service knows more of them, which its validation tells."""


def reasons(case: Case) -> tuple[str, ...]:
    return tuple(
        reason if isinstance(reason, str) else reason(case) for applies, reason in CANNOT if applies(case)
    )


REHYDRATION = {
    "Standard": "It is rehydrated from the archive first, which may take up to 15 hours, as documented.",
    "High": "It is rehydrated from the archive first, within about an hour for little data and longer for "
    "much, as documented; this priority costs more.",
}
DAYS_KEPT = (10, 15, 20, 30)
"""Azure takes 10 to 30."""


def duration(case: Case) -> str:
    """What was measured on small VMs; which option costs the time is told where there is one."""
    order = case.order
    if case.archived_only and order.rehydration is not None:
        return f"{REHYDRATION[order.rehydration.priority]} Then it is copied from the vault, as usual."
    if case.other_region:
        return "It is copied in the other region, which took 19 to 55 minutes where it was measured."
    if order.kind == REPLACE:
        return "It took 27 minutes where it was measured, from a snapshot or not."
    if case.other_zone:
        return "Another zone is served from the vault: 20 minutes where it was measured, not one."
    if order.kind == DISKS and not order.group:
        return (
            "Without a resource group the files are copied from the vault: 16 minutes where it was measured, "
            "where the same point with a group took one."
        )
    if case.other_subscription:
        return "Another subscription is served from the vault: a quarter of an hour or much more."
    if not case.from_snapshot():
        return (
            "It comes from the vault, which takes a quarter of an hour or much more, depending on its size."
        )
    measured = "one minute" if order.kind == DISKS else "two to three minutes"
    return f"It comes from the snapshot: about {measured} where it was measured."


def request_of(case: Case, source_id: str, guard_request: str = "") -> dict[str, Any]:
    """The restore request as recorded, without the envelope."""
    order = case.order
    rehydrates = case.archived_only and order.rehydration is not None
    body: dict[str, Any] = {
        "objectType": f"IaasVMRestore{'WithRehydration' if rehydrates else ''}Request",
        "recoveryPointId": case.found.point.name,
        "recoveryType": order.kind,
        "sourceResourceId": source_id,
    }
    if order.kind == NEW_VM:
        body |= {
            "targetVirtualMachineId": order.vm_id,
            "targetResourceGroupId": order.group,
            "virtualNetworkId": order.subnet.rsplit("/", 2)[0],
            "subnetId": order.subnet,
        }
    elif order.kind == DISKS and order.group:
        body["targetResourceGroupId"] = order.group
    if order.luns is not None:
        body["restoreDiskLunList"] = list(order.luns)
    if order.zone != AS_IN_POINT:
        body["zones"] = [order.zone]
    if order.rehydration is not None and rehydrates:
        body["recoveryPointRehydrationInfo"] = {
            "rehydrationRetentionDuration": f"P{order.rehydration.days}D",
            "rehydrationPriority": order.rehydration.priority,
        }
    body |= _access(order)
    body |= {"region": order.region, "createNewCloudService": False, "originalStorageAccountOption": False}
    if guard_request:
        body["resourceGuardOperationRequests"] = [guard_request]
    return body


def _access(order: Order) -> dict[str, Any]:
    """How the service gets at the staging account."""
    if not order.identity:
        return {"storageAccountId": order.account}
    identity: dict[str, Any] = {"isSystemAssignedIdentity": order.identity == SYSTEM}
    if order.identity != SYSTEM:
        identity["managedIdentityResourceId"] = order.identity
    return {
        "identityInfo": identity,
        "identityBasedRestoreDetails": {"targetStorageAccountId": order.account},
    }


def disks_wording(chosen: Sequence[str], *, all_of_them: bool) -> str:
    return "all disks" if all_of_them else " and ".join(["the OS disk", *chosen])
