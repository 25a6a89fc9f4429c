"""Backups that nobody asks for: each policy runs as its schedule says, on the world's clock.

A policy has one event, its next run (`BackupPolicy.next_run`). A run starts the backups of its items within
half an hour. Schedules are read as UTC, whatever zone they name."""

from __future__ import annotations

from datetime import datetime, timedelta

from ..records.backup import STOPPED, ProtectedItem
from ..records.backup_policies import BackupPolicy
from ..store import Event
from ..world import World, happens
from .backup_runs import running_backup, start_backup

STARTS_WITHIN_S = (30.0, 1700.0)
RETENTIONS = (("dailySchedule", "Daily"), ("weeklySchedule", "Weekly"), ("monthlySchedule", "Monthly"))
DAYS_PER_UNIT = {"Days": 1, "Weeks": 7, "Months": 30, "Years": 365}
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
USUAL_DAYS = 30


def run_clocks(policy: BackupPolicy) -> list[timedelta]:
    """Times of the day at which it runs; those past midnight of an hourly window count from the day that the
    window began."""
    schedule = policy.schedule_policy
    frequency = str(schedule.get("scheduleRunFrequency", ""))
    if frequency == "Hourly":
        hourly = schedule.get("hourlySchedule", {})
        start, step = _clock(str(hourly.get("scheduleWindowStartTime"))), int(hourly.get("interval") or 4)
        window = int(hourly.get("scheduleWindowDuration") or step)
        return [start + timedelta(hours=passed) for passed in range(0, min(window, 23) + 1, step)]
    inner = schedule.get(f"{frequency.lower()}Schedule", schedule)
    return [_clock(str(one)) for one in inner.get("scheduleRunTimes", [])]


def _clock(time: str) -> timedelta:
    at = datetime.fromisoformat(time)
    return timedelta(hours=at.hour, minutes=at.minute)


def run_days(policy: BackupPolicy) -> set[int]:
    """Weekdays on which it runs, Monday being 0."""
    schedule = policy.schedule_policy
    if schedule.get("scheduleRunFrequency") != "Weekly":
        return set(range(7))
    inner = schedule.get("weeklySchedule", schedule)
    return {WEEKDAYS.index(day) for day in inner.get("scheduleRunDays", []) if day in WEEKDAYS}


def next_run(policy: BackupPolicy, after: datetime) -> tuple[datetime, bool] | None:
    """When it runs next, and whether that is the last run of its day: of an hourly schedule that one alone is
    copied to the vault. None for a policy without a schedule."""
    clocks, days = sorted(run_clocks(policy)), run_days(policy)
    midnight = after.replace(hour=0, minute=0, second=0, microsecond=0)
    for passed in range(-1, 9):
        day = midnight + timedelta(days=passed)
        for clock in clocks if day.weekday() in days else ():
            if day + clock > after:
                return day + clock, clock == clocks[-1]
    return None


def retention(policy: BackupPolicy) -> tuple[str, int]:
    """The rule that keeps the points of its schedule, and for how many days."""
    for name, rule in RETENTIONS:
        duration = policy.retention_policy.get(name, {}).get("retentionDuration", {})
        if duration:
            return rule, int(duration["count"]) * DAYS_PER_UNIT.get(duration.get("durationType", ""), 1)
    return "Daily", USUAL_DAYS


def schedule_runs(world: World, policy: BackupPolicy) -> None:
    """Its next run, in place of the one that was to come; saves it."""
    unschedule_runs(world, policy)
    found = next_run(policy, world.clock.now()) if policy.backup_management_type == "AzureIaasVM" else None
    if found is not None:
        at, last = found
        payload = {"policy_id": policy.id, "last": last}
        policy.next_run = world.happens_at_offset(at - world.clock.now(), "backup.policy_runs", payload)
    world.store.save(policy)


def unschedule_runs(world: World, policy: BackupPolicy) -> None:
    if policy.next_run is not None:
        world.store.unschedule(policy.next_run)
        policy.next_run = None


@happens("backup.policy_runs")
def policy_runs(world: World, event: Event) -> None:
    policy = world.store.find(BackupPolicy, event.payload["policy_id"])
    if policy is None:
        return
    vault_id = policy.id.rsplit("/", 2)[0]
    for item in world.store.all(ProtectedItem, vault_id):
        if item.policy_name.lower() == policy.name.lower() and _runs(item):
            payload = {"item_id": item.id, "last": event.payload["last"]}
            world.happens_in(world.store.random.uniform(*STARTS_WITHIN_S), "backup.starts_by_policy", payload)
    policy.next_run = None
    schedule_runs(world, policy)


def _runs(item: ProtectedItem) -> bool:
    return item.protection_state not in STOPPED and item.soft_deleted_at is None


@happens("backup.starts_by_policy")
def starts_by_policy(world: World, event: Event) -> None:
    """Nothing when the item has left its policy meanwhile, or is being backed up anyway."""
    item = world.store.find(ProtectedItem, event.payload["item_id"])
    if item is None or not _runs(item) or running_backup(world, item):
        return
    policy = world.store.find(BackupPolicy, f"{item.vault_id}/backupPolicies/{item.policy_name}")
    if policy is None:
        return
    rule, days = retention(policy)
    hourly = policy.schedule_policy.get("scheduleRunFrequency") == "Hourly"
    job = start_backup(world, item, world.clock.now() + timedelta(days=days))
    job.rule = rule
    job.to_vault = not hourly or event.payload["last"] or not item.recovery_points
    job.property_bag["Policy Name"] = policy.name
    if not job.to_vault:
        del job.tasks[1:]
    world.store.save(job)
