"""What the world knows of Recovery Services vaults and of Azure Backup for VMs. Facts only: tiers, expiry,
durations and percentages follow from them and the clock when a response is rendered."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from ..store import Record


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
    identity_principal_id: str | None = None
    tags: dict[str, str] = {}
    changed_at: datetime
    """Its etag's time."""


class BackupPolicy(Record, kw_only=True, omit_defaults=True):
    """Schedule and retention are kept as the service keeps them: the document that was put, given back."""

    policy_type: str | None = "V1"
    """V1, V2 (enhanced), or None for a policy of another workload."""
    backup_management_type: str = "AzureIaasVM"
    schedule_policy: dict[str, Any] = {}
    retention_policy: dict[str, Any] = {}
    instant_rp_details: dict[str, str] = {}
    instant_days: int = 2
    tiering_policy: dict[str, Any] | None = None
    time_zone: str = "UTC"
    further: dict[str, Any] = {}
    """Properties that only another workload's policy has (`workLoadType`, `settings`, …)."""

    @property
    def daily_retention_days(self) -> int | None:
        """None when it keeps no daily points (weekly schedules)."""
        duration = self.retention_policy.get("dailySchedule", {}).get("retentionDuration", {})
        per_unit = {"Days": 1, "Weeks": 7, "Months": 30, "Years": 365}.get(duration.get("durationType", ""))
        return per_unit and int(duration["count"]) * per_unit


class IncludedDisk(msgspec.Struct, frozen=True):
    lun: int
    """-1 is the OS disk."""
    name: str


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
    """IRPending, Protected or ProtectionStopped."""
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
    excluded_luns: list[int] = []
    recovery_points: list[RecoveryPoint] = []
    """Oldest first. Expired ones are dropped when next looked at."""
    soft_deleted_at: datetime | None = None

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
    property_bag: dict[str, str] = {}
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


KINDS: list[type[Record]] = [Vault, BackupPolicy, ProtectedItem, BackupJob, BackupOperation]


def container_short_name(vm_id: str) -> str:
    """`iaasvmcontainerv2;{group};{vm}`, both in lower case as the service mostly has them."""
    parts = vm_id.split("/")
    return f"iaasvmcontainerv2;{parts[4].lower()};{parts[8].lower()}"


def protected_item_id(vault_id: str, vm_id: str) -> str:
    short = container_short_name(vm_id)
    container = f"{vault_id}/backupFabrics/Azure/protectionContainers/IaasVMContainer;{short}"
    return f"{container}/protectedItems/VM;{short}"


def daily_policy(
    policy_id: str, *, run_at: datetime, retention_days: int = 30, instant_days: int = 2
) -> BackupPolicy:
    """The shape of `DefaultPolicy`: one run a day; of `run_at` only the time matters."""
    times = [_policy_time(run_at)]
    return BackupPolicy(
        id=policy_id,
        schedule_policy={
            "schedulePolicyType": "SimpleSchedulePolicy",
            "scheduleRunFrequency": "Daily",
            "scheduleRunTimes": times,
            "scheduleWeeklyFrequency": 0,
        },
        retention_policy=_daily_retention(times, retention_days),
        instant_days=instant_days,
    )


def enhanced_policy(
    policy_id: str, *, run_at: datetime, retention_days: int = 30, instant_days: int = 7
) -> BackupPolicy:
    """The shape of `EnhancedPolicy`: every four hours within a window of twelve."""
    start = _policy_time(run_at)
    return BackupPolicy(
        id=policy_id,
        policy_type="V2",
        schedule_policy={
            "schedulePolicyType": "SimpleSchedulePolicyV2",
            "scheduleRunFrequency": "Hourly",
            "hourlySchedule": {"interval": 4, "scheduleWindowStartTime": start, "scheduleWindowDuration": 12},
        },
        retention_policy=_daily_retention([start], retention_days),
        instant_days=instant_days,
    )


def hourly_log_policy(policy_id: str, *, run_at: datetime) -> BackupPolicy:
    """`HourlyLogBackup`, the SQL policy that every vault has from the start."""
    times = [_policy_time(run_at)]
    full = {
        "policyType": "Full",
        "schedulePolicy": {
            "schedulePolicyType": "SimpleSchedulePolicy",
            "scheduleRunFrequency": "Daily",
            "scheduleRunTimes": times,
            "scheduleWeeklyFrequency": 0,
        },
        "retentionPolicy": _daily_retention(times, 30),
    }
    log = {
        "policyType": "Log",
        "schedulePolicy": {"schedulePolicyType": "LogSchedulePolicy", "scheduleFrequencyInMins": 60},
        "retentionPolicy": {
            "retentionPolicyType": "SimpleRetentionPolicy",
            "retentionDuration": {"count": 30, "durationType": "Days"},
        },
    }
    return BackupPolicy(
        id=policy_id,
        policy_type=None,
        backup_management_type="AzureWorkload",
        further={
            "workLoadType": "SQLDataBase",
            "settings": {"timeZone": "UTC", "issqlcompression": False, "isCompression": False},
            "subProtectionPolicy": [full, log],
        },
    )


def starting_policies(vault_id: str, *, run_at: datetime) -> list[BackupPolicy]:
    """The three that a vault has without anybody having made them."""
    under = f"{vault_id}/backupPolicies"
    return [
        hourly_log_policy(f"{under}/HourlyLogBackup", run_at=run_at),
        daily_policy(f"{under}/DefaultPolicy", run_at=run_at),
        enhanced_policy(f"{under}/EnhancedPolicy", run_at=run_at, instant_days=2),
    ]


def _policy_time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:00Z")


def _daily_retention(times: list[str], days: int) -> dict[str, Any]:
    return {
        "retentionPolicyType": "LongTermRetentionPolicy",
        "dailySchedule": {
            "retentionTimes": times,
            "retentionDuration": {"count": days, "durationType": "Days"},
        },
    }
