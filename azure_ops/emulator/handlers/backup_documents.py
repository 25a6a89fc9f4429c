"""Azure Backup's things as documents: protected items, containers, policies, recovery points.

What follows from the clock (tiers, expiry, days left) is worked out here, at every look."""

from __future__ import annotations

from datetime import datetime, timedelta

from ..answers import Json
from ..clock import wire_time
from ..records.backup import ProtectedItem, RecoveryPoint, Vault
from ..records.backup_policies import BackupPolicy
from ..world import World
from .formats import NEVER_BACKED_UP

ITEM_TYPE = "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems"
FIRST_DAY = timedelta(days=1)
"""Until then a point tells neither its expiry nor whether it could be archived."""


def protected_item_document(world: World, item: ProtectedItem) -> dict[str, Json]:
    points = live_points(world, item)
    last = max((point.taken_at for point in points), default=None)
    details = [
        {
            "code": detail.code,
            "title": detail.title,
            "message": detail.message,
            "recommendations": detail.recommendations,
        }
        for detail in item.health_details
    ]
    policy_id = f"{item.vault_id}/backupPolicies/{item.policy_name}" if item.policy_name else ""
    properties: dict[str, Json] = {
        "friendlyName": item.vm_id.rsplit("/", 1)[-1],
        "virtualMachineId": item.vm_id,
        "protectionStatus": "Healthy" if item.health_status == "Passed" else "Unhealthy",
        "protectionState": item.protection_state,
        "healthStatus": item.health_status,
        **({"healthDetails": details} if details else {}),
        "lastBackupStatus": item.last_backup_status,
        "lastBackupTime": wire_time(item.last_backup_at) if item.last_backup_at else NEVER_BACKED_UP,
        "protectedItemDataId": item.data_id,
        "policyType": item.policy_type,
        **_disk_exclusion(item),
        "protectedItemType": "Microsoft.Compute/virtualMachines",
        "backupManagementType": "AzureIaasVM",
        "workloadType": "VM",
        "containerName": item.name.split(";", 1)[1],
        "sourceResourceId": item.vm_id,
        "policyId": policy_id,
        "policyName": item.policy_name,
        **({"lastRecoveryPoint": wire_time(last)} if last else {}),
        "vaultId": f"https://management.azure.com{item.vault_id}",
        **_soft_delete(world, item),
        "isArchiveEnabled": False,
        "softDeleteRetentionPeriod": _soft_delete_days(world, item) if item.soft_deleted_at else 0,
    }
    return {
        "id": item.id,
        "name": item.name,
        "type": ITEM_TYPE,
        "properties": properties,
    }


def _disk_exclusion(item: ProtectedItem) -> dict[str, Json]:
    if item.disk_luns is None:
        return {}
    exclusion = {"diskLunList": item.disk_luns, "isInclusionList": item.luns_are_included}
    return {"extendedProperties": {"diskExclusionProperties": exclusion, "linuxVmApplicationName": ""}}


def _soft_delete_days(world: World, item: ProtectedItem) -> int:
    vault = world.store.find(Vault, item.vault_id)
    return vault.soft_delete_days if vault else 14


def _soft_delete(world: World, item: ProtectedItem) -> dict[str, Json]:
    """`deferredDeleteTimeInUTC` is when the deletion was asked for, not when it will be done."""
    if item.soft_deleted_at is None:
        return {}
    left = item.soft_deleted_at + timedelta(days=_soft_delete_days(world, item)) - world.clock.now()
    hours, seconds = divmod(left.seconds, 3600)
    time = f"{hours:02}:{seconds // 60:02}:{seconds % 60:02}.{left.microseconds:06}0"
    return {
        "deferredDeleteTimeInUTC": wire_time(item.soft_deleted_at),
        "isScheduledForDeferredDelete": True,
        "deferredDeleteTimeRemaining": f"{left.days}.{time}",
    }


def container_document(item: ProtectedItem) -> dict[str, Json]:
    container_id = item.id[: item.id.lower().index("/protecteditems/")]
    return {
        "id": container_id,
        "name": container_id.rsplit("/", 1)[-1],
        "type": "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers",
        "properties": {
            "virtualMachineId": item.vm_id,
            "virtualMachineVersion": "Compute",
            "resourceGroup": item.vm_id.split("/")[4],
            "friendlyName": item.vm_id.rsplit("/", 1)[-1],
            "backupManagementType": "AzureIaasVM",
            "registrationStatus": "SoftDeleted" if item.soft_deleted_at else "Registered",
            "healthStatus": "Healthy",
            "containerType": "Microsoft.Compute/virtualMachines",
            "protectableObjectType": "Microsoft.Compute/virtualMachines",
        },
    }


def policy_document(world: World, policy: BackupPolicy) -> dict[str, Json]:
    vault_id = policy.id.rsplit("/", 2)[0]
    count = sum(
        item.policy_name.lower() == policy.name.lower() for item in world.store.all(ProtectedItem, vault_id)
    )
    properties: dict[str, Json] = {"backupManagementType": policy.backup_management_type}
    if policy.backup_management_type == "AzureIaasVM":
        properties |= {
            "policyType": policy.policy_type,
            "instantRPDetails": policy.instant_rp_details,
            "schedulePolicy": policy.schedule_policy,
            "retentionPolicy": policy.retention_policy,
            **({"tieringPolicy": policy.tiering_policy} if policy.tiering_policy else {}),
            "instantRpRetentionRangeInDays": policy.instant_days,
            "timeZone": policy.time_zone,
        }
    return {
        "id": policy.id,
        "name": policy.name,
        "type": "Microsoft.RecoveryServices/vaults/backupPolicies",
        "properties": {**properties, **policy.further, "protectedItemsCount": count},
    }


def recovery_point_document(world: World, item: ProtectedItem, point: RecoveryPoint) -> dict[str, Json]:
    now = world.clock.now()
    settled = now - point.taken_at >= FIRST_DAY
    properties: dict[str, Json] = {
        "objectType": "IaasVMRecoveryPoint",
        "recoveryPointType": point.consistency,
        "recoveryPointTime": wire_time(point.taken_at),
        "recoveryPointAdditionalInfo": "",
        "sourceVMStorageType": "PremiumVMOnPartialPremiumStorage" if point.premium else "NormalStorage",
        "isSourceVMEncrypted": point.encrypted,
        "isInstantIlrSessionActive": point.files_are_open(now),
        "recoveryPointTierDetails": _tiers(point, now),
        "isManagedVirtualMachine": True,
        "virtualMachineSize": point.vm_size,
        "originalStorageAccountOption": False,
        "osType": item.os_type,
        **({"zones": point.zones} if point.zones else {}),
        **_disk_configuration(point),
        "recoveryPointMoveReadinessInfo": {
            "ArchivedRP": {"isReadyForMove": False, "additionalInfo": _move_text(world, item, settled)}
        },
        "securityType": "None",
        "isPrivateAccessEnabledOnAnyDisk": False,
        "createdWithPolicyType": point.policy_type,
    }
    if point.threat:
        properties |= {"threatStatus": point.threat, "threatInfo": _threats(point)}
    if settled:
        properties["recoveryPointProperties"] = {
            "expiryTime": f"{point.expires_at:%Y-%m-%dT%H:%M:%S}",
            "ruleName": point.rule,
            "isSoftDeleted": item.soft_deleted_at is not None,
            **_immutability(world, item),
        }
    return {
        "id": f"{item.id}/recoveryPoints/{point.name}",
        "name": point.name,
        "type": f"{ITEM_TYPE}/recoveryPoints",
        "properties": properties,
    }


def _tiers(point: RecoveryPoint, now: datetime) -> list[dict[str, str]]:
    """An expired snapshot stays listed as `Deleted`."""
    tiers = []
    if point.instant_until:
        tiers.append({"type": "InstantRP", "status": "Valid" if now < point.instant_until else "Deleted"})
    if point.in_vault:
        tiers.append({"type": "HardenedRP", "status": "Deleted" if point.archived else "Valid"})
    if point.archived:
        tiers.append({"type": "ArchivedRP", "status": "Rehydrated" if point.is_rehydrated(now) else "Valid"})
    return tiers


def _immutability(world: World, item: ProtectedItem) -> dict[str, Json]:
    """Without an expiry of its own: as long as the policy says."""
    vault = world.store.find(Vault, item.vault_id)
    if vault is None or vault.immutability not in ("Unlocked", "Locked"):
        return {}
    return {"immutabilityProperties": {"isImmutable": True}}


def _threats(point: RecoveryPoint) -> list[dict[str, Json]]:
    return [
        {
            "threatTitle": threat.title,
            "threatDescription": threat.description,
            "lastUpdatedTime": wire_time(point.taken_at),
            "threatState": threat.state,
            "threatStartTime": wire_time(point.taken_at - timedelta(hours=1)),
            "threatSeverity": threat.severity,
        }
        for threat in point.threats
    ]


def _disk_configuration(point: RecoveryPoint) -> dict[str, Json]:
    if not point.disks:
        return {}
    configuration = {
        "numberOfDisksIncludedInBackup": len(point.disks),
        "numberOfDisksAttachedToVm": max(point.disks_attached, len(point.disks)),
        "includedDiskList": [{"lun": disk.lun, "name": disk.name} for disk in point.disks],
        "excludedDiskList": [],  # recorded empty even for a machine with an excluded disk
    }
    return {"recoveryPointDiskConfiguration": configuration}


def _move_text(world: World, item: ProtectedItem, settled: bool) -> str:
    vault = world.store.find(Vault, item.vault_id)
    if vault is not None and vault.redundancy == "ZoneRedundant":
        return (
            "Recovery point cannot be moved to Archive tier in vaults with Zone-redundant storage enabled.. "
            "Please update backend storage type on the vault before retrying the move operation, or use a "
            "different vault."
        )
    if not settled:
        return (
            "We're still determining if this Recovery Point can be moved.. "
            "Please check again after some time."
        )
    return (
        "Recovery point cannot be moved to Archive tier due to insufficient retention duration specified in "
        "policy.. Update policy on the protected item with appropriate retention setting and try again."
    )


def live_points(world: World, item: ProtectedItem) -> list[RecoveryPoint]:
    """Without those that expired, and those that were only ever a snapshot whose days are over. Nothing
    expires while protection is stopped and its data kept."""
    now, kept = world.clock.now(), item.protection_state == "ProtectionStopped"
    return [point for point in item.recovery_points if _lives(point, now, kept)]


def _lives(point: RecoveryPoint, now: datetime, kept: bool) -> bool:
    has_snapshot = point.instant_until is not None and now < point.instant_until
    return (kept or now < point.expires_at) and (point.in_vault or has_snapshot)
