"""Who may sign in to the emulated tenant and what their roles allow: Azure's built-in roles, cut to what is
modelled. The front asks them before each handler, the permissions endpoint lists them."""

from __future__ import annotations

from .records.tenancy import (
    ADMIN_CLIENT_ID,
    GUARDED_CLIENT_ID,
    OPERATOR_CLIENT_ID,
    READER_CLIENT_ID,
)
from .routing import Principal, Role

_VAULT = "Microsoft.RecoveryServices/Vaults"
_CONTAINER = f"{_VAULT}/backupFabrics/protectionContainers"
_ITEM = f"{_CONTAINER}/protectedItems"
_REPLICATED = f"{_VAULT}/replicationFabrics/replicationProtectionContainers/replicationProtectedItems"
_DISK_RESTORE_POINT = "Microsoft.Compute/restorePointCollections/restorePoints/diskRestorePoints"
_PLAN = f"{_VAULT}/replicationRecoveryPlans"

READER = Role("Reader", ("*/read",))
READER_OF_NO_GUARD = Role("Reader", ("*/read",), ("Microsoft.DataProtection/*",))
"""Reader of the fleet's subscriptions. Assignments hold for the whole tenant here, so its subscription
is cut out of the role instead."""
CONTRIBUTOR = Role(
    "Contributor",
    ("*",),
    (
        "Microsoft.Authorization/*/Delete",
        "Microsoft.Authorization/*/Write",
        "Microsoft.Authorization/elevateAccess/Action",
    ),
)

BACKUP_OPERATOR = Role(
    "Backup Operator",
    (
        "Microsoft.Authorization/*/read",
        "Microsoft.Network/virtualNetworks/read",
        f"{_VAULT}/read",
        f"{_VAULT}/backupFabrics/operationResults/read",
        f"{_VAULT}/backupFabrics/refreshContainers/action",
        f"{_CONTAINER}/read",
        f"{_CONTAINER}/operationResults/read",
        f"{_ITEM}/read",
        f"{_ITEM}/write",
        f"{_ITEM}/backup/action",
        f"{_ITEM}/operationResults/read",
        f"{_ITEM}/operationsStatus/read",
        f"{_ITEM}/recoveryPoints/read",
        f"{_ITEM}/recoveryPoints/accessToken/action",
        f"{_ITEM}/recoveryPoints/provisionInstantItemRecovery/action",
        f"{_ITEM}/recoveryPoints/restore/action",
        f"{_ITEM}/recoveryPoints/revokeInstantItemRecovery/action",
        f"{_VAULT}/backupJobs/*",
        f"{_VAULT}/backupJobsExport/action",
        f"{_VAULT}/backupOperationResults/*",
        f"{_VAULT}/backupOperations/read",
        f"{_VAULT}/backupPolicies/read",
        f"{_VAULT}/backupPolicies/operationResults/read",
        f"{_VAULT}/backupProtectableItems/*",
        f"{_VAULT}/backupProtectedItems/read",
        f"{_VAULT}/backupProtectionContainers/read",
        f"{_VAULT}/backupTriggerValidateOperation/action",
        f"{_VAULT}/backupUsageSummaries/read",
        f"{_VAULT}/backupValidateOperation/action",
        f"{_VAULT}/backupValidateOperationResults/read",
        f"{_VAULT}/backupValidateOperationsStatuses/read",
        f"{_VAULT}/usages/read",
        "Microsoft.RecoveryServices/locations/backupStatus/action",
        "Microsoft.RecoveryServices/locations/backupPreValidateProtection/action",
        "Microsoft.Resources/subscriptions/resourceGroups/read",
        "Microsoft.Storage/storageAccounts/read",
    ),
)

BACKUP_CONTRIBUTOR = Role(
    "Backup Contributor",
    (
        *BACKUP_OPERATOR.actions,
        f"{_VAULT}/write",
        f"{_VAULT}/backupconfig/*",
        f"{_VAULT}/backupstorageconfig/*",
        f"{_VAULT}/backupPolicies/*",
        f"{_VAULT}/backupResourceGuardProxies/*",
        f"{_ITEM}/*",
        f"{_VAULT}/backupProtectedItems/*",
        f"{_VAULT}/backupProtectionContainers/*",
        "Microsoft.RecoveryServices/locations/backupAadProperties/read",
        "Microsoft.RecoveryServices/locations/backupCrossRegionRestore/action",
        "Microsoft.RecoveryServices/locations/backupCrrJob/action",
        "Microsoft.RecoveryServices/locations/backupCrrJobs/action",
        "Microsoft.RecoveryServices/locations/backupCrrOperationResults/read",
        "Microsoft.RecoveryServices/locations/backupCrrOperationsStatus/read",
    ),
)

SITE_RECOVERY_OPERATOR = Role(
    "Site Recovery Operator",
    (
        "Microsoft.Authorization/*/read",
        "Microsoft.Network/virtualNetworks/read",
        "Microsoft.RecoveryServices/locations/allocateStamp/action",
        f"{_VAULT}/read",
        f"{_VAULT}/replicationAlertSettings/read",
        f"{_VAULT}/replicationEvents/read",
        f"{_VAULT}/replicationFabrics/*/read",
        f"{_VAULT}/replicationFabrics/read",
        f"{_VAULT}/replicationFabrics/checkConsistency/action",
        f"{_VAULT}/replicationFabrics/reassociateGateway/action",
        f"{_VAULT}/replicationFabrics/renewcertificate/action",
        f"{_VAULT}/replicationFabrics/replicationProtectionContainers/switchprotection/action",
        f"{_REPLICATED}/applyRecoveryPoint/action",
        f"{_REPLICATED}/failoverCancel/action",
        f"{_REPLICATED}/failoverCommit/action",
        f"{_REPLICATED}/plannedFailover/action",
        f"{_REPLICATED}/reProtect/action",
        f"{_REPLICATED}/recoveryPoints/read",
        f"{_REPLICATED}/repairReplication/action",
        f"{_REPLICATED}/testFailover/action",
        f"{_REPLICATED}/testFailoverCleanup/action",
        f"{_REPLICATED}/unplannedFailover/action",
        f"{_REPLICATED}/updateMobilityService/action",
        f"{_VAULT}/replicationJobs/*",
        f"{_VAULT}/replicationPolicies/read",
        f"{_PLAN}/read",
        f"{_PLAN}/failoverCommit/action",
        f"{_PLAN}/plannedFailover/action",
        f"{_PLAN}/reProtect/action",
        f"{_PLAN}/testFailover/action",
        f"{_PLAN}/testFailoverCleanup/action",
        f"{_PLAN}/unplannedFailover/action",
        f"{_VAULT}/replicationOperationStatus/read",
        f"{_VAULT}/replicationVaultHealth/read",
        f"{_VAULT}/usages/read",
        "Microsoft.Resources/subscriptions/resourceGroups/read",
    ),
)

DISK_SNAPSHOT_CONTRIBUTOR = Role(
    "Disk Snapshot Contributor",
    (
        "Microsoft.Authorization/*/read",
        "Microsoft.Compute/snapshots/delete",
        "Microsoft.Compute/snapshots/write",
        "Microsoft.Compute/snapshots/read",
        "Microsoft.Compute/snapshots/beginGetAccess/action",
        "Microsoft.Compute/snapshots/endGetAccess/action",
        "Microsoft.Compute/disks/beginGetAccess/action",
        "Microsoft.Resources/subscriptions/resourceGroups/read",
        "Microsoft.Storage/storageAccounts/listkeys/action",
        "Microsoft.Storage/storageAccounts/read",
        "Microsoft.Storage/storageAccounts/write",
        "Microsoft.Storage/storageAccounts/delete",
    ),
)

VIRTUAL_MACHINE_CONTRIBUTOR = Role(
    "Virtual Machine Contributor",
    (
        "Microsoft.Authorization/*/read",
        "Microsoft.Compute/locations/*",
        "Microsoft.Compute/virtualMachines/*",
        "Microsoft.Compute/disks/write",
        "Microsoft.Compute/disks/read",
        "Microsoft.Compute/disks/delete",
        "Microsoft.Network/networkInterfaces/*",
        "Microsoft.Network/virtualNetworks/read",
        "Microsoft.Network/virtualNetworks/subnets/join/action",
        "Microsoft.Resources/subscriptions/resourceGroups/read",
        "Microsoft.Storage/storageAccounts/listKeys/action",
        "Microsoft.Storage/storageAccounts/read",
    ),
)

DISK_READER = Role(
    "Azrecover Disk Reader (custom)",
    (
        "Microsoft.Compute/disks/beginGetAccess/action",
        "Microsoft.Compute/disks/endGetAccess/action",
        f"{_DISK_RESTORE_POINT}/beginGetAccess/action",
        f"{_DISK_RESTORE_POINT}/endGetAccess/action",
    ),
)
"""No built-in role short of Contributor has all of them."""

_OPERATOR_ROLES = (
    READER,
    BACKUP_OPERATOR,
    BACKUP_CONTRIBUTOR,
    SITE_RECOVERY_OPERATOR,
    DISK_SNAPSHOT_CONTRIBUTOR,
    VIRTUAL_MACHINE_CONTRIBUTOR,
    DISK_READER,
)

OPERATOR_APP = Principal(OPERATOR_CLIENT_ID, "5b1f4c1e-63f2-4d3f-8a57-0f6f1f0c1c01", _OPERATOR_ROLES)
READER_APP = Principal(READER_CLIENT_ID, "5b1f4c1e-63f2-4d3f-8a57-0f6f1f0c1c02", (READER,))
GUARDED_APP = Principal(
    GUARDED_CLIENT_ID,
    "5b1f4c1e-63f2-4d3f-8a57-0f6f1f0c1c05",
    (READER_OF_NO_GUARD, *(role for role in _OPERATOR_ROLES if role is not READER)),
)
ADMIN_APP = Principal(ADMIN_CLIENT_ID, "5b1f4c1e-63f2-4d3f-8a57-0f6f1f0c1c06", (CONTRIBUTOR,))
APPS = {app.name: app for app in (OPERATOR_APP, READER_APP, GUARDED_APP, ADMIN_APP)}
"""The applications (managed identity or service principal) by client id."""

OPERATOR_USER = Principal("oncall@contoso.example", "5b1f4c1e-63f2-4d3f-8a57-0f6f1f0c1c03", _OPERATOR_ROLES)
READER_USER = Principal("auditor@contoso.example", "5b1f4c1e-63f2-4d3f-8a57-0f6f1f0c1c04", (READER,))
USERS = {"operator": OPERATOR_USER, "reader": READER_USER}
"""The people who sign in with a device code, by the word that approves them."""

PRINCIPALS = {p.object_id: p for p in (*APPS.values(), *USERS.values())}
