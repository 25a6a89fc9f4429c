"""`providerSpecificDetails` of an Azure-to-Azure item: machine, disks and interfaces on both sides."""

from __future__ import annotations

from datetime import datetime, timedelta

from ..answers import Json
from ..records.site_recovery import Fabric, ReplicatedDisk, ReplicatedItem, ReplicatedNic
from ..world import World
from .site_recovery_ids import derived_guid, fabric_of, service_time
from .site_recovery_replication import (
    first_copy_percentage,
    last_heartbeat,
    pending_mb,
    protected_since,
    rpo_calculated_at,
    rpo_s,
)
from .site_recovery_states import State, state_of

NEVER_EXPIRES = "9999-12-31T23:59:59.9999999"
"""An agent without an expiry: no Z, as recorded."""
CERTIFICATE_LIFETIME = timedelta(days=3 * 365)
GIB = 1024**3
FOOTER_OF_127 = 2 * 1024**2
"""The recorded capacity of a 127 GB disk is larger by that much than 127 GiB."""
DISK_NULLS = (
    "recoveryDiskEncryptionSetId",
    "primaryDiskEncryptionSetId",
    "secretIdentifier",
    "dekKeyVaultArmId",
    "keyIdentifier",
    "kekKeyVaultArmId",
)


def recovery_name(item: ReplicatedItem) -> str:
    return item.recovery_vm_name or item.vm_name


def test_name(item: ReplicatedItem) -> str:
    return f"{item.vm_name}-test"


def target_disk_id(item: ReplicatedItem, disk: ReplicatedDisk, suffix: str = "") -> str:
    """`-ASRReplica` while replicating, `-ASRtest` in a drill, nothing after a failover."""
    return f"{item.recovery_group_id}/providers/Microsoft.Compute/disks/{disk.name}{suffix}"


def location_of(world: World, resource_id: str) -> str:
    fabric = world.store.find(Fabric, fabric_of(resource_id))
    return fabric.location if fabric else ""


def provider_details(world: World, item: ReplicatedItem, now: datetime) -> dict[str, Json]:
    state = state_of(item, now)
    primary, recovery = location_of(world, item.id), location_of(world, item.recovery_container_id)
    known = state.vm_state != "UnprotectedStatesBegin"
    reversed_ = bool(item.initial_primary_location)
    return {
        "instanceType": "A2A",
        "fabricObjectId": item.vm_id.lower(),
        "initialPrimaryZone": "",
        "initialPrimaryFabricLocation": item.initial_primary_location or primary,
        "initialRecoveryZone": "",
        "initialPrimaryExtendedLocation": None,
        "initialRecoveryExtendedLocation": None,
        "initialRecoveryFabricLocation": item.initial_recovery_location or recovery,
        "multiVmGroupId": item.multi_vm_group_id or derived_guid(item.guid, "group"),
        "multiVmGroupName": "",
        "multiVmGroupCreateOption": "AutoCreated",
        "managementId": derived_guid(item.guid, "management"),
        "protectedDisks": None,
        "unprotectedDisks": None,
        "protectedManagedDisks": [_disk(item, disk, state, now) for disk in item.disks],
        "recoveryBootDiagStorageAccountId": None,
        "primaryFabricLocation": primary,
        "recoveryFabricLocation": recovery,
        "osType": item.os_type,
        "recoveryAzureVMSize": item.recovery_vm_size,
        "recoveryAzureVMName": recovery_name(item),
        "recoveryAzureResourceGroupId": item.recovery_group_id,
        "recoveryCloudService": None,
        "recoveryAvailabilitySet": None,
        "selectedRecoveryAzureNetworkId": item.recovery_network_id if known else None,
        "selectedTfoAzureNetworkId": item.test_network_id or None,
        "vmNics": [_nic(item, nic, known) for nic in item.nics] if known or reversed_ else [],
        "vmSyncedConfigDetails": {
            "tags": dict(item.tags) if known or reversed_ else {},
            "inputEndpoints": [],
        },
        **_monitoring(item, state, now),
        **_agent(item, now, known),
        "recoveryFabricObjectId": item.recovery_vm_id.lower() or None,
        "vmProtectionState": state.vm_state,
        "vmProtectionStateDescription": state.vm_description,
        "lifecycleId": (item.lifecycle_id or derived_guid(item.guid, "lifecycle")) if known else None,
        "testFailoverRecoveryFabricObjectId": item.test_vm_id.lower() or None,
        "rpoInSeconds": rpo_s(item, now) if known else None,
        "lastRpoCalculatedTime": service_time(rpo_calculated_at(item, now)) if known else None,
        "primaryAvailabilityZone": None,
        "recoveryAvailabilityZone": item.recovery_zone or None,
        "primaryExtendedLocation": None,
        "recoveryExtendedLocation": None,
        "vmEncryptionType": "NotEncrypted",
        "tfoAzureVMName": test_name(item),
        "recoveryAzureGeneration": item.generation,
        "recoveryProximityPlacementGroupId": None,
        "autoProtectionOfDataDisk": "Disabled",
        "recoveryVirtualMachineScaleSetId": None,
        "recoveryCapacityReservationGroupId": None,
        "churnOptionSelected": "Normal",
    }


def _monitoring(item: ReplicatedItem, state: State, now: datetime) -> dict[str, Json]:
    """The VM-level percentage keeps its last number after the first copy, as recorded."""
    if item.replicating_from is None:
        return {"monitoringPercentageCompletion": 0, "monitoringJobType": "InitialReplication"}
    return {
        "monitoringPercentageCompletion": first_copy_percentage(item, now),
        "monitoringJobType": "InitialReplication",
    }


def _agent(item: ReplicatedItem, now: datetime, known: bool) -> dict[str, Json]:
    certificate = item.agent_certificate_expires_at or protected_since(item) + CERTIFICATE_LIFETIME
    expires_at = item.agent_expires_at
    details: dict[str, Json] = {
        "lastHeartbeat": service_time(last_heartbeat(item, now)),
        "agentVersion": item.agent_version,
        "agentExpiryDate": service_time(expires_at) if expires_at else NEVER_EXPIRES,
        "isReplicationAgentUpdateRequired": item.agent_update_required,
    }
    if known:
        details["agentCertificateExpiryDate"] = service_time(certificate)
    return {**details, "isReplicationAgentCertificateUpdateRequired": known and certificate <= now}


def _disk(item: ReplicatedItem, disk: ReplicatedDisk, state: State, now: datetime) -> dict[str, Json]:
    staging, source = pending_mb(item, disk, now)
    copying = state.vm_state == "UnprotectedStatesBegin"
    failed_over = state.active_location == "Recovery"
    return {
        "diskId": disk.disk_id.lower(),
        "recoveryResourceGroupId": item.recovery_group_id,
        "recoveryTargetDiskId": target_disk_id(item, disk) if failed_over else None,
        "recoveryReplicaDiskId": "" if failed_over else target_disk_id(item, disk, "-ASRReplica"),
        "recoveryOrignalTargetDiskId": disk.original_target_disk_id
        or ("" if item.initial_primary_location else None),
        "recoveryReplicaDiskAccountType": disk.account_type,
        "recoveryTargetDiskAccountType": disk.account_type,
        **dict.fromkeys(DISK_NULLS),
        "diskName": disk.name,
        "diskCapacityInBytes": disk.size_gb * GIB + FOOTER_OF_127 * (disk.size_gb == 127),
        "primaryStagingAzureStorageAccountId": disk.staging_account_id,
        "diskType": "OperatingSystem" if disk.is_os else "Data",
        "resyncRequired": False,
        "monitoringPercentageCompletion": first_copy_percentage(item, now) if copying else None,
        "monitoringJobType": "InitialReplication" if copying else None,
        "dataPendingInStagingStorageAccountInMB": staging,
        "dataPendingAtSourceAgentInMB": source,
        "diskState": state.disk_state,
        "allowedDiskLevelOperation": [],
        "isDiskEncrypted": False,
        "isDiskKeyEncrypted": False,
        "failoverDiskName": disk.name,
        "tfoDiskName": f"{disk.name}-ASRtest",
    }


NIC_NULLS = (
    "tfoVMNetworkId",
    "tfoNetworkSecurityGroupId",
    "enableAcceleratedNetworkingOnTfo",
    "recoveryNicName",
    "recoveryNicResourceGroupName",
    "tfoRecoveryNicName",
    "tfoRecoveryNicResourceGroupName",
    "targetNicName",
)
ADDRESS_NULLS = (
    "recoveryPublicIPAddressId",
    "recoveryLBBackendAddressPoolIds",
    "tfoSubnetName",
    "tfoStaticIPAddress",
    "tfoPublicIPAddressId",
    "tfoLBBackendAddressPoolIds",
)


def _nic(item: ReplicatedItem, nic: ReplicatedNic, known: bool) -> dict[str, Json]:
    """While a re-protected machine is copied back, the source's half is not known (again)."""
    return {
        "nicId": derived_guid(item.guid, nic.nic_id),
        "replicaNicId": None,
        "sourceNicArmId": nic.nic_id if known else nic.nic_id.lower(),
        "vMNetworkName": nic.network_id if known else None,
        "recoveryVMNetworkId": item.recovery_network_id,
        "ipConfigs": [
            {
                "name": nic.ip_config if known else None,
                "isPrimary": True,
                "subnetName": nic.subnet if known else None,
                "staticIPAddress": nic.ip_address if known else None,
                "ipAddressType": "Dynamic",
                "isSeletedForFailover": True,
                "recoverySubnetName": nic.recovery_subnet,
                "recoveryStaticIPAddress": "",
                "recoveryIPAddressType": "Dynamic",
                **dict.fromkeys(ADDRESS_NULLS),
            }
        ],
        "selectionType": "SelectedByDefault" if known else "NotSelected",
        "recoveryNetworkSecurityGroupId": None,
        "enableAcceleratedNetworkingOnRecovery": nic.accelerated,
        "reuseExistingNic": False,
        "tfoReuseExistingNic": False,
        **dict.fromkeys(NIC_NULLS),
    }
