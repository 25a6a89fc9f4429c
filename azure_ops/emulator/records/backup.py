"""What the world knows of Recovery Services vaults and of Azure Backup for VMs. Facts only: tiers, expiry,
durations and percentages follow from them and the clock when a response is rendered."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from ..store import Record
from .backup_policies import BackupPolicy
from .compute import Contents
from .restores import Problem, RestoreOrder


class Vault(Record, kw_only=True, omit_defaults=True):
    """A Recovery Services vault; Site Recovery keeps its things under the same id."""

    location: str
    redundancy: str = "GeoRedundant"
    """GeoRedundant, ZoneRedundant or LocallyRedundant."""
    cross_region_restore: bool = False
    cross_subscription_restore: str = "Enabled"
    """Enabled, Disabled or PermanentlyDisabled."""
    soft_delete_state: str = "Enabled"
    """Enabled, Disabled or AlwaysON."""
    soft_delete_days: int = 14
    immutability: str | None = None
    """Unlocked, Locked or Disabled; None for a vault on which it was never set."""
    enhanced_security: str = "Enabled"
    """Enabled, Disabled or AlwaysON."""
    public_network_access: str = "Enabled"
    monitoring: dict[str, Any] = {}
    """`monitoringSettings` as they were put; empty: those that a vault made elsewhere has."""
    refreshed_at: datetime | None = None
    """Machines made before that are known to be protectable."""
    guard_id: str = ""
    """The Resource Guard that watches over critical operations."""
    guarded_at: datetime | None = None
    guards_restores: bool = False
    """Newer guards can watch over restores as well; the recorded ones do not."""
    unlocked_until: dict[str, datetime] = {}
    """Deletions that the guard let through, by resource id in lower case."""
    identity_principal_id: str | None = None
    """Of its own (system-assigned) identity."""
    user_identities: dict[str, str] = {}
    """Resource ids of user-assigned identities, and their principals' ids."""
    tags: dict[str, str] = {}
    provisioning_state: str = "Succeeded"
    changed_at: datetime
    """Its etag's time."""


class VaultOperation(Record, kw_only=True, omit_defaults=True):
    """`{vault}/operationStatus/{base64}`: the creation, change or deletion of a vault."""

    started_at: datetime
    ended_at: datetime | None = None
    status: str = "InProgress"
    """InProgress, Succeeded or Failed."""
    error: tuple[str, str] | None = None


class IncludedDisk(msgspec.Struct, frozen=True, omit_defaults=True):
    lun: int
    """-1 is the OS disk."""
    name: str
    size_gb: int = 0
    """Its size then, with which it is restored; 0 when it was not known."""
    sku: str = "Premium_LRS"
    holds: Contents = []
    """Empty for a point that a fleet began with: then it follows from the disk of that name."""


class Threat(msgspec.Struct, frozen=True):
    """What Defender had against the source machine when a point was taken."""

    title: str
    description: str
    severity: str = "High"
    """Critical, High, Warning or Informational."""
    state: str = "Active"
    """Active, InProgress, Ignored or Resolved."""


class RecoveryPoint(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Lives inside its `ProtectedItem`. Which tiers are valid now is worked out from the times."""

    name: str
    """A decimal number of 11 to 19 digits, in no order."""
    taken_at: datetime
    consistency: str = "AppConsistent"
    """AppConsistent, FileSystemConsistent or CrashConsistent."""
    instant_until: datetime | None = None
    """The snapshot tier is `Valid` until then and `Deleted` after; None: there never was a snapshot."""
    in_vault: bool = True
    """False while its job still transfers, and for ever when the transfer failed."""
    expires_at: datetime
    """The point is gone after this."""
    rule: str = "Daily"
    """`Daily`, `Weekly`, … or `On-Demand`: the retention rule that keeps it."""
    vm_size: str = ""
    zones: list[str] = []
    disks: list[IncludedDisk] = []
    """What it holds, the OS disk among them."""
    disks_attached: int = 0
    """How many the machine had then, if more than it holds."""
    premium: bool = True
    policy_type: str = "V1"
    encrypted: bool = False
    archived: bool = False
    """Moved from the vault tier to the archive, where it cannot be restored from."""
    rehydrated_until: datetime | None = None
    """Brought back from the archive by a restore, and readable until then."""
    threat: str = ""
    """Healthy, Warning or UnHealthy; empty: the vault's threat detection is not on."""
    threats: list[Threat] = []
    files_open_until: datetime | None = None
    """The session of an item-level recovery, until it is revoked or over."""

    def is_rehydrated(self, now: datetime) -> bool:
        return self.rehydrated_until is not None and now < self.rehydrated_until

    def files_are_open(self, now: datetime) -> bool:
        return self.files_open_until is not None and now < self.files_open_until


STOPPED = ("ProtectionStopped", "BackupsSuspended")
"""The protection states in which no backup runs."""


class HealthDetail(msgspec.Struct, frozen=True):
    code: int
    title: str
    message: str
    recommendations: list[str] = []


HEALTH_GREEN = HealthDetail(
    400239, "IaasVmHealthGreenDefault", "Backup pre-check status of this virtual machine is OK."
)


class ProtectedItem(Record, kw_only=True, omit_defaults=True):
    """A protected VM. Its id comes from `protected_item_id`."""

    vm_id: str
    """Resource id; the VM may be gone, which the item does not notice."""
    os_type: str
    policy_name: str
    """Empty when protection is stopped."""
    policy_type: str = "V1"
    protection_state: str = "IRPending"
    """IRPending, Protected, ProtectionStopped or BackupsSuspended (points expire as the policy says)."""
    health_status: str = "Passed"
    """Passed, ActionRequired or ActionSuggested."""
    health_details: list[HealthDetail] = []
    """Empty until the first backup ended."""
    last_backup_status: str = ""
    """Empty, Completed, CompletedWithWarnings or Failed."""
    last_backup_at: datetime | None = None
    """Start of the last backup job that ended; None: never."""
    data_id: str
    """`protectedItemDataId`: a decimal number."""
    disk_luns: list[int] | None = None
    """The data disks that were chosen, to be left out or (`luns_are_included`) to be backed up; None: all
    disks are backed up and nobody ever chose."""
    luns_are_included: bool = False
    recovery_points: list[RecoveryPoint] = []
    """Oldest first. Expired ones are dropped when next looked at."""
    soft_deleted_at: datetime | None = None

    def covers(self, lun: int) -> bool:
        """Whether the data disk of that LUN is backed up; the OS disk always is."""
        return self.disk_luns is None or (lun in self.disk_luns) == self.luns_are_included

    @property
    def vault_id(self) -> str:
        return self.id[: self.id.lower().index("/backupfabrics/")]


class BackupTask(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A step of a job."""

    task_id: str
    """`Take Snapshot`, `Transfer data to vault`, …"""
    status: str = "NotStarted"
    """NotStarted, InProgress, Completed, Failed, Cancelling, Cancelled, Skipped."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    expected_s: float = 0.0
    """World time it takes when nothing happens to it."""


class BackupError(msgspec.Struct, frozen=True):
    code: int
    title: str
    """The code-like name, `UserErrorVmNotResponding`."""
    message: str
    recommendations: list[str] = []


class BackupJob(Record, kw_only=True, omit_defaults=True):
    """`{vault}/backupJobs/{guid}`."""

    operation: str
    """Backup, ConfigureBackup, Restore, DeleteBackupData, DisableBackup, Undelete, CrossRegionRestore."""
    status: str = "InProgress"
    """InProgress, Completed, CompletedWithWarnings, Failed, Cancelling, Cancelled."""
    item_id: str
    entity_name: str
    container_name: str
    """Without prefix: `iaasvmcontainerv2;rg;vm`."""
    started_at: datetime
    ended_at: datetime | None = None
    activity_id: str
    tasks: list[BackupTask] = []
    property_bag: dict[str, str | None] = {}
    internal_property_bag: dict[str, str] = {}
    errors: list[BackupError] = []
    cancellable: bool = False
    """Whether it shows the `Cancellable` action, which the service leaves on a finished job as well."""
    shows_progress: bool = True
    """False in the regions whose backup jobs never carry a percentage."""
    retain_until: datetime | None = None
    """The expiry asked for with a backup on demand."""
    recovery_point: str = ""
    """Name of the point it made."""
    rule: str = "On-Demand"
    """The retention rule that will keep its point."""
    to_vault: bool = True
    """False: the snapshot is all there will be."""
    restore: RestoreOrder | None = None
    """Of a restore: what it was asked, and what it has made."""
    pending_event: int | None = None
    """The scheduled next thing of a running job, taken back when it is cancelled."""


class BackupOperation(Record, kw_only=True, omit_defaults=True):
    """`{vault}/backupOperations/{guid}`: found there, under the item's `operationsStatus` and under the
    job's. It succeeds when the job was made, not when the job ends."""

    subject_id: str
    """The item or the job it acts on."""
    started_at: datetime
    status: str = "Succeeded"
    job_id: str | None = None
    """The job's GUID."""
    error: tuple[str, str] | None = None
    script_suffix: str = ""
    """Of the provisioning of an item-level recovery: the scripts' name, with the password in it."""
    problems: list[Problem] | None = None
    """Of a validation that ended: what it found. None for other operations."""


KINDS: list[type[Record]] = [Vault, VaultOperation, BackupPolicy, ProtectedItem, BackupJob, BackupOperation]


def container_short_name(vm_id: str) -> str:
    """`iaasvmcontainerv2;{group};{vm}`, both in lower case as the service mostly has them."""
    parts = vm_id.split("/")
    return f"iaasvmcontainerv2;{parts[4].lower()};{parts[8].lower()}"


def protected_item_id(vault_id: str, vm_id: str) -> str:
    short = container_short_name(vm_id)
    container = f"{vault_id}/backupFabrics/Azure/protectionContainers/IaasVMContainer;{short}"
    return f"{container}/protectedItems/VM;{short}"
