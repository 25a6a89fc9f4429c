"""What a policy for virtual machines may say: its schedule, and a retention that goes with it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from ..answers import Refusal
from ..records.backup_policies import BackupPolicy

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")
SCHEDULES = {"V1": "SimpleSchedulePolicy", "V2": "SimpleSchedulePolicyV2"}
INSTANT_DAYS = {"V1": range(1, 6), "V2": range(1, 31)}
RETENTIONS = ("dailySchedule", "weeklySchedule", "monthlySchedule", "yearlySchedule")
WEEKLY_INSTANT_DAYS = 5
"""A standard policy that runs weekly keeps its snapshots that long and no other time."""


def normalised(document: Any) -> Any:
    """Times lose their fraction, as the service gives them back; nulls are as good as absent."""
    if isinstance(document, dict):
        return {name: normalised(value) for name, value in document.items() if value is not None}
    if isinstance(document, list):
        return [normalised(value) for value in document]
    if isinstance(document, str) and TIME.fullmatch(document):
        at = datetime.fromisoformat(document)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return document


def refuse_policy(policy: BackupPolicy) -> None:
    """Raises a 400 for a policy that cannot be carried out."""
    kind = policy.policy_type or ""
    if kind not in SCHEDULES or policy.schedule_policy.get("schedulePolicyType") != SCHEDULES[kind]:
        raise _invalid(f"a policy of type '{kind}' needs another schedulePolicyType")
    if policy.retention_policy.get("retentionPolicyType") != "LongTermRetentionPolicy":
        raise _invalid("the retention must be a LongTermRetentionPolicy")
    frequency, times = _schedule(policy)
    if policy.instant_days not in INSTANT_DAYS[kind]:
        raise _invalid(f"snapshots cannot be kept for {policy.instant_days} days")
    if kind == "V1" and frequency == "Weekly" and policy.instant_days != WEEKLY_INSTANT_DAYS:
        raise _invalid(f"a weekly schedule keeps its snapshots for {WEEKLY_INSTANT_DAYS} days")
    _refuse_retention(policy.retention_policy, frequency, times)


def _schedule(policy: BackupPolicy) -> tuple[str, list[str]]:
    """How often it runs, and the time of day at which its day begins."""
    schedule = policy.schedule_policy
    frequency = str(schedule.get("scheduleRunFrequency"))
    if policy.policy_type == "V1":
        inner = schedule if frequency in ("Daily", "Weekly") else None
    else:
        inner = schedule.get(f"{frequency.lower()}Schedule")
    if not isinstance(inner, dict):
        raise _invalid(f"the schedule has nothing for the frequency '{frequency}'")
    if frequency == "Weekly" and not inner.get("scheduleRunDays"):
        raise _invalid("a weekly schedule needs its days")
    if frequency == "Hourly":
        _refuse_hours(inner)
        times = [inner.get("scheduleWindowStartTime")]
    else:
        times = inner.get("scheduleRunTimes") or []
    if len(times) != 1 or not TIME.fullmatch(str(times[0])):
        raise _invalid("the schedule must have exactly one time")
    return frequency, [_time_of_day(times[0])]


def _refuse_hours(hourly: dict[str, Any]) -> None:
    interval, window = hourly.get("interval"), hourly.get("scheduleWindowDuration")
    if interval not in (4, 6, 8, 12) or not isinstance(window, int) or not interval <= window <= 24:
        raise _invalid("an hourly schedule has an interval of 4, 6, 8 or 12 hours within its window")


def _refuse_retention(retention: dict[str, Any], frequency: str, times: list[str]) -> None:
    first = "weeklySchedule" if frequency == "Weekly" else "dailySchedule"
    if first not in retention or (frequency == "Weekly" and "dailySchedule" in retention):
        raise _invalid(f"a schedule that runs {frequency} needs a retention with {first} first")
    for name in RETENTIONS:
        rule = retention.get(name)
        if rule is None:
            continue
        count = (rule.get("retentionDuration") or {}).get("count")
        if not isinstance(count, int) or not 1 <= count <= 9999:
            raise _invalid(f"the duration of {name} must be 1 to 9999")
        if [_time_of_day(time) for time in rule.get("retentionTimes") or []] != times:
            raise _invalid(f"the retention times of {name} must be the time of the schedule")


def _time_of_day(text: Any) -> str:
    return str(text)[11:16]


def _invalid(what: str) -> Refusal:
    return Refusal(
        400,
        "BMSUserErrorInvalidPolicyInput",
        "Input for create or update policy is not in proper format. Please check format of parameters like "
        f"schedule time, schedule days, retention time and retention days: {what}.",
    )
