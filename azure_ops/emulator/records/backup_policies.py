"""Backup policies, and the three that every vault has from the start."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..store import Record


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
    next_run: int | None = None
    """The scheduled event of its next run."""
    further: dict[str, Any] = {}
    """Properties that only another workload's policy has (`workLoadType`, `settings`, …)."""

    @property
    def daily_retention_days(self) -> int | None:
        """None when it keeps no daily points (weekly schedules)."""
        duration = self.retention_policy.get("dailySchedule", {}).get("retentionDuration", {})
        per_unit = {"Days": 1, "Weeks": 7, "Months": 30, "Years": 365}.get(duration.get("durationType", ""))
        return per_unit and int(duration["count"]) * per_unit


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
