"""What a restore request says, and why it could not be carried out. Validation tells all the reasons; the
restore itself is refused for the first."""

from __future__ import annotations

import re
from typing import Any

from ..answers import not_modelled
from ..records.backup import ProtectedItem, RecoveryPoint, Vault
from ..records.compute import StorageAccount, VirtualMachine, VirtualNetwork
from ..records.restores import Problem, RestoreOrder
from ..records.tenancy import BLOB_CONTRIBUTOR, BLOB_OWNER, ResourceGroup
from ..world import World
from .authorization import assignments_of
from .backup_errors import STORAGE_GONE, TARGET_TAKEN, VM_GONE
from .bodies import member
from .compute_sizes import quota_problem, size_named
from .odata import invalid_input

KINDS = ("RestoreDisks", "AlternateLocation", "OriginalLocation")
PLAIN, REHYDRATING = "IaasVMRestoreRequest", "IaasVMRestoreWithRehydrationRequest"
DAYS_KEPT = range(10, 31)
KNOWN = {
    "objectType", "recoveryPointId", "recoveryType", "sourceResourceId", "targetVirtualMachineId",
    "targetResourceGroupId", "storageAccountId", "virtualNetworkId", "subnetId", "region",
    "restoreDiskLunList", "zones", "identityInfo", "identityBasedRestoreDetails",
    "resourceGuardOperationRequests", "restoreWithManagedDisks", "recoveryPointRehydrationInfo",
}  # fmt: skip
HARMLESS: tuple[Any, ...] = (None, False, "", [], {}, {"encryptionEnabled": False})
"""Values of what is not modelled that ask for nothing."""


def read_order(
    vault: Vault, item: ProtectedItem, point: RecoveryPoint, asked: dict[str, Any], where: str = ""
) -> RestoreOrder:
    """`where` is the secondary region for a restore there. Raises a 400 for a request that makes no sense, a
    501 for a kind of restore that is not modelled."""
    for name, value in asked.items():
        if name not in KNOWN and name != "createNewCloudService" and value not in HARMLESS:
            raise not_modelled(f"restores with '{name}'")
    kind = str(asked.get("recoveryType"))
    if asked.get("objectType") not in (PLAIN, REHYDRATING) or kind not in KINDS:
        raise invalid_input("The request must be an IaasVMRestoreRequest with a known recoveryType.")
    if str(asked.get("recoveryPointId") or "").rsplit("/", 1)[-1] != point.name:
        raise invalid_input("recoveryPointId must be the recovery point of the path.")
    if str(asked.get("sourceResourceId") or "").lower() != item.vm_id.lower():
        raise invalid_input("sourceResourceId must be the protected virtual machine.")
    region = str(asked.get("region") or "").replace(" ", "").lower()
    if region != (where or vault.location.lower()):
        raise invalid_input(f"region must be '{where or vault.location}', where the point is restored.")
    order = RestoreOrder(
        kind=kind,
        point=point.name,
        region=region,
        storage_account_id=_storage(asked),
        principal_id=_principal(vault, asked, where),
    )
    _read_target(order, item, asked)
    order.luns = _luns(asked.get("restoreDiskLunList"), order, point)
    order.zones = _zones(asked.get("zones"))
    _read_rehydration(order, asked, where)
    return order


def _read_rehydration(order: RestoreOrder, asked: dict[str, Any], where: str) -> None:
    info = asked.get("recoveryPointRehydrationInfo")
    if asked.get("objectType") != REHYDRATING:
        if info:
            raise invalid_input(f"recoveryPointRehydrationInfo belongs to an {REHYDRATING}.")
        return
    priority = member(info, "rehydrationPriority")
    days = re.fullmatch(r"P(\d{1,2})D", str(member(info, "rehydrationRetentionDuration")))
    if where or priority not in ("Standard", "High") or days is None or int(days[1]) not in DAYS_KEPT:
        raise invalid_input("A rehydration needs a priority, 10 to 30 days, and the vault's own region.")
    order.rehydrate, order.rehydrated_days = str(priority), int(days[1])


def _storage(asked: dict[str, Any]) -> str:
    by_identity = member(asked, "identityBasedRestoreDetails", "targetStorageAccountId")
    account_id = asked.get("storageAccountId") or by_identity
    if not account_id or (asked.get("storageAccountId") and by_identity):
        raise invalid_input("Exactly one of storageAccountId and identityBasedRestoreDetails is needed.")
    return str(account_id)


def _principal(vault: Vault, asked: dict[str, Any], where: str) -> str:
    """Of the identity that writes to the storage account; empty: the service itself."""
    if not member(asked, "identityBasedRestoreDetails", "targetStorageAccountId"):
        return ""
    if where:
        raise invalid_input("A restore in another region takes no managed identity.")
    own = member(asked, "identityInfo", "isSystemAssignedIdentity")
    named = str(member(asked, "identityInfo", "managedIdentityResourceId") or "").lower()
    users = {id_.lower(): principal for id_, principal in vault.user_identities.items()}
    principal = vault.identity_principal_id if own else users.get(named)
    if own is None or not principal:
        raise invalid_input("identityInfo must name an identity that the vault has.")
    return principal


def _read_target(order: RestoreOrder, item: ProtectedItem, asked: dict[str, Any]) -> None:
    group_id = str(asked.get("targetResourceGroupId") or "")
    target = ("targetVirtualMachineId", "virtualNetworkId", "subnetId")
    given = [name for name in target if asked.get(name)]
    if order.kind == "AlternateLocation":
        if len(given) < len(target) or not group_id:
            raise invalid_input("A new machine needs targetResourceGroupId, " + ", ".join(target) + ".")
        order.vm_id, order.network_id, order.subnet_id = (str(asked[name]) for name in target)
        if not order.vm_id.lower().startswith(f"{group_id.lower()}/providers/microsoft.compute/"):
            raise invalid_input("targetVirtualMachineId must lie in targetResourceGroupId.")
        if not order.subnet_id.lower().startswith(f"{order.network_id.lower()}/subnets/"):
            raise invalid_input("subnetId must lie in virtualNetworkId.")
    elif given or (order.kind == "OriginalLocation" and group_id):
        raise invalid_input(f"A restore of type {order.kind} takes no target machine or network.")
    if order.kind == "OriginalLocation":
        order.vm_id, group_id = item.vm_id, item.vm_id.partition("/providers/")[0]
    order.group_id = group_id.rstrip("/")


def _luns(asked: Any, order: RestoreOrder, point: RecoveryPoint) -> list[int] | None:
    if asked is None:
        return None
    held = {disk.lun for disk in point.disks}
    if not isinstance(asked, list) or any(lun not in held or lun == -1 for lun in asked):
        raise invalid_input("restoreDiskLunList must hold LUNs of data disks that the recovery point has.")
    if order.kind != "RestoreDisks":
        raise invalid_input("restoreDiskLunList belongs to a restore of disks.")
    return asked


def _zones(asked: Any) -> list[str] | None:
    if not asked:
        return None
    if asked == ["NoZone"]:
        return []
    if not isinstance(asked, list) or len(asked) != 1 or asked[0] not in ("1", "2", "3"):
        raise invalid_input("zones must be one of '1', '2', '3' and 'NoZone'.")
    return asked


def problems_of(
    world: World, vault: Vault, item: ProtectedItem, point: RecoveryPoint, order: RestoreOrder
) -> list[Problem]:
    """What the state of the world has against it; empty when it would be carried out."""
    found = _tier_problems(world, point, order) + _storage_problems(world, order)
    found += _group_problems(world, vault, point, order)
    if order.kind == "AlternateLocation":
        found += _machine_problems(world, order) + _size_problems(world, point, order)
    if order.kind == "OriginalLocation" and world.store.find(VirtualMachine, item.vm_id) is None:
        found.append(Problem(VM_GONE.title, VM_GONE.message, VM_GONE.recommendations))
    at_home = order.region == vault.location.lower()
    moved = order.zones is not None and order.zones != point.zones
    if at_home and moved and (vault.redundancy != "ZoneRedundant" or not point.in_vault):
        # recorded with a zone-redundant vault; documentation allows no other without cross-region restore
        message = "Restore to another zone needs a point in the vault, and zone-redundant storage of it."
        found.append(Problem("UserErrorCrossZonalRestoreNotSupported", message))
    if failed := world.failure_at("ValidateOperation", item.vm_id, 1):
        found.append(Problem(*failed))
    return found


def _tier_problems(world: World, point: RecoveryPoint, order: RestoreOrder) -> list[Problem]:
    if not point.archived or order.rehydrate or point.is_rehydrated(world.clock.now()):
        return []
    message = "The recovery point is in the archive tier: rehydrate it before it is restored."
    return [Problem("UserErrorRecoveryPointNotRehydrated", message)]


def _storage_problems(world: World, order: RestoreOrder) -> list[Problem]:
    account = world.store.find(StorageAccount, order.storage_account_id)
    if account is None:
        return [Problem(STORAGE_GONE.title, STORAGE_GONE.message, STORAGE_GONE.recommendations)]
    if account.location.lower() != order.region:
        message = f"The storage account '{account.name}' must be in the region of the restore."
        return [Problem("UserErrorStorageAccountInDifferentRegion", message)]
    if order.principal_id and not _may_write(world, order.principal_id, account.id):
        message = f"The managed identity has no access to the blobs of the storage account '{account.name}'."
        help_ = "Assign the role Storage Blob Data Contributor on the storage account to the identity."
        return [Problem("UserErrorManagedIdentityHasNoAccess", message, [help_])]
    return []


def _may_write(world: World, principal_id: str, account_id: str) -> bool:
    roles = [one.role for one in assignments_of(world, principal_id, account_id)]
    return BLOB_CONTRIBUTOR in roles or BLOB_OWNER in roles


def _group_problems(world: World, vault: Vault, point: RecoveryPoint, order: RestoreOrder) -> list[Problem]:
    if not order.group_id:
        return []
    if world.store.find(ResourceGroup, order.group_id) is None:
        message = f"The resource group '{order.group_id.rsplit('/', 1)[-1]}' could not be found."
        return [Problem("UserErrorTargetResourceGroupNotFound", message)]
    elsewhere = order.group_id.split("/")[2].lower() != vault.id.split("/")[2].lower()
    if elsewhere and vault.cross_subscription_restore != "Enabled":
        message = "Cross Subscription Restore is disabled on this vault."
        return [Problem("UserErrorCrossSubscriptionRestoreNotAllowed", message)]
    if elsewhere and not point.in_vault:
        message = "Cross Subscription Restore needs a recovery point in the vault tier."
        return [Problem("UserErrorCrossSubscriptionRestoreNotSupported", message)]
    return []


def _size_problems(world: World, point: RecoveryPoint, order: RestoreOrder) -> list[Problem]:
    size = size_named(point.vm_size)
    if size is None or not quota_problem(world, order.group_id.split("/")[2], order.region, size):
        return []
    message = "The core quota of the subscription has been reached."
    return [Problem("UserErrorCoreCountSubscriptionQuotaReached", message)]


def _machine_problems(world: World, order: RestoreOrder) -> list[Problem]:
    found = []
    if world.store.find(VirtualMachine, order.vm_id) is not None:
        found.append(Problem(TARGET_TAKEN.title, TARGET_TAKEN.message, TARGET_TAKEN.recommendations))
    network = world.store.find(VirtualNetwork, order.network_id)
    subnet = order.subnet_id.rsplit("/", 1)[-1].lower()
    if network is None or subnet not in [one.name.lower() for one in network.subnets]:
        found.append(
            Problem("UserErrorTargetNetworkNotFound", "The virtual network or its subnet was not found.")
        )
    elif network.location.lower() != order.region:
        message = f"The virtual network '{network.name}' must be in the region of the restore."
        found.append(Problem("UserErrorTargetNetworkInDifferentRegion", message))
    return found
