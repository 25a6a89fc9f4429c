"""The Resource Graph queries of the fleet: only the columns that rows show, ordered by id for paging. Pure.

Column paths are those of the ARM documents. Resource Graph adds a power state to VMs and `dataSourceInfo` to
items of Backup and Site Recovery. Filters are on the type alone: the rest is sorted out here.
"""

from __future__ import annotations

_VAULTS = "microsoft.recoveryservices/vaults"

VMS = """resources
| where type =~ 'microsoft.compute/virtualmachines'
| project id, name, location, zones,
    size = properties.hardwareProfile.vmSize,
    power = properties.extended.instanceView.powerState.code,
    osDisk = properties.storageProfile.osDisk,
    dataDisks = properties.storageProfile.dataDisks
| order by id asc"""

VAULTS = f"""resources
| where type =~ '{_VAULTS}'
| project id, name, location
| order by id asc"""

BACKUPS = f"""recoveryservicesresources
| where type =~ '{_VAULTS}/backupfabrics/protectioncontainers/protecteditems'
| project id,
    kind = properties.backupManagementType,
    source = properties.sourceResourceId,
    machine = properties.virtualMachineId,
    resource = properties.dataSourceInfo.resourceID,
    policy = properties.policyName,
    state = properties.protectionState,
    currentState = properties.currentProtectionState,
    health = properties.healthStatus,
    details = properties.healthDetails,
    lastStatus = properties.lastBackupStatus,
    lastBackup = properties.lastBackupTime,
    lastPoint = properties.lastRecoveryPoint,
    deleted = properties.isScheduledForDeferredDelete,
    deletedAt = properties.deferredDeleteTimeInUTC,
    deletedDays = properties.softDeleteRetentionPeriod,
    policyKind = properties.policyType,
    disks = properties.extendedProperties.diskExclusionProperties
| order by id asc"""

REPLICATIONS = f"""recoveryservicesresources
| where type =~ '{_VAULTS}/replicationfabrics/replicationprotectioncontainers/replicationprotecteditems'
| extend details = properties.providerSpecificDetails
| project id,
    kind = details.instanceType,
    source = details.fabricObjectId,
    resource = details.dataSourceInfo.resourceId,
    policy = properties.policyFriendlyName,
    state = properties.protectionState,
    stateText = properties.protectionStateDescription,
    active = properties.activeLocation,
    test = properties.testFailoverState,
    allowed = properties.allowedOperations,
    health = properties.replicationHealth,
    failoverHealth = properties.failoverHealth,
    errors = properties.healthErrors,
    scenario = properties.currentScenario,
    lastTest = properties.lastSuccessfulTestFailoverTime,
    lastFailover = properties.lastSuccessfulFailoverTime,
    point = properties.failoverRecoveryPointId,
    primary = details.primaryFabricLocation,
    recovery = details.recoveryFabricLocation,
    initial = details.initialPrimaryFabricLocation,
    original = details.protectedManagedDisks[0].recoveryOrignalTargetDiskId,
    rpo = details.rpoInSeconds,
    rpoAt = details.lastRpoCalculatedTime,
    heartbeat = details.lastHeartbeat,
    agent = details.agentVersion,
    agentExpires = details.agentExpiryDate,
    certificateExpires = details.agentCertificateExpiryDate,
    recoveryGroup = details.recoveryAzureResourceGroupId,
    recoveryNetwork = details.selectedRecoveryAzureNetworkId,
    recoveryName = details.recoveryAzureVMName,
    recoverySize = details.recoveryAzureVMSize,
    testName = details.tfoAzureVMName,
    multiVm = details.multiVmGroupName
| order by id asc"""

BACKUP_JOBS = f"""recoveryservicesresources
| where type =~ '{_VAULTS}/backupjobs'
| extend started = todatetime(properties.startTime),
    open = iff(properties.status in~ ('InProgress', 'Cancelling'), 1, 0)
| where started > datetime(SINCE) or open == 1
| order by open desc, started desc
| limit 1000
| project id, properties"""

REPLICATION_JOBS = f"""recoveryservicesresources
| where type =~ '{_VAULTS}/replicationjobs'
| extend started = todatetime(properties.startTime),
    open = iff(properties.state in~ ('NotStarted', 'InProgress', 'Suspended', 'Cancelling'), 1, 0)
| where started > datetime(SINCE) or open == 1
| order by open desc, started desc
| limit 1000
| project id, properties"""


UNATTACHED_DISKS = """resources
| where type =~ 'microsoft.compute/disks' and isempty(managedBy)
| where properties.diskState =~ 'Unattached'
| project id, name, location, tags,
    sku = sku.name,
    size = properties.diskSizeGB,
    state = properties.diskState,
    created = properties.timeCreated,
    source = properties.creationData.sourceResourceId
| order by id asc"""

POLICIES = f"""recoveryservicesresources
| where type =~ '{_VAULTS}/backuppolicies'
| project id, properties
| order by id asc"""


def networks(location: str) -> str:
    quoted = "".join(letter for letter in location if letter.isalnum())
    return f"""resources
| where type =~ 'microsoft.network/virtualnetworks' and location =~ '{quoted}'
| project id, prefixes = properties.addressSpace.addressPrefixes,
    peerings = properties.virtualNetworkPeerings
| order by id asc"""
