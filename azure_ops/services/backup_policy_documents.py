"""Documents about backup policies, vaults' safety and Resource Guards, as our facts. Pure."""

from __future__ import annotations

from ..arm_ids import name_of, request_path
from ..backup_policies import BackupPolicy, Guard, Retention, VaultSafety
from ..wire_values import Document, part, parts, text, texts, whole

_RULES = ("daily", "weekly", "monthly", "yearly")


def policy(document: Document) -> BackupPolicy | None:
    """None for another workload's policy: the unfiltered list mixes them."""
    properties = part(document, "properties")
    if text(properties, "backupManagementType").lower() != "azureiaasvm":
        return None
    policy_id = request_path(text(document, "id"))
    schedule = part(properties, "schedulePolicy")
    hourly = part(schedule, "hourlySchedule")
    return BackupPolicy(
        id=policy_id,
        name=text(document, "name") or name_of(policy_id),
        kind=text(properties, "policyType") or "V1",
        frequency=text(schedule, "scheduleRunFrequency"),
        run_at=_run_at(schedule),
        run_on=_run_on(schedule),
        interval_h=whole(hourly, "interval") or 0,
        window_h=whole(hourly, "scheduleWindowDuration") or 0,
        time_zone=text(properties, "timeZone"),
        instant_days=whole(properties, "instantRpRetentionRangeInDays") or 0,
        retention=_retention(part(properties, "retentionPolicy")),
        items=whole(properties, "protectedItemsCount") or 0,
    )


def _run_at(schedule: Document) -> tuple[str, ...]:
    """Standard policies keep their times beside the frequency, enhanced ones below its own schedule."""
    start = text(part(schedule, "hourlySchedule"), "scheduleWindowStartTime")
    times = (
        texts(schedule, "scheduleRunTimes")
        or texts(part(schedule, "dailySchedule"), "scheduleRunTimes")
        or texts(part(schedule, "weeklySchedule"), "scheduleRunTimes")
        or ((start,) if start else ())
    )
    return tuple(dict.fromkeys(_clock(one) for one in times))


def _clock(time: str) -> str:
    """Of a schedule's time only the clock counts: its date is any day."""
    return time.partition("T")[2][:5] or time


def _run_on(schedule: Document) -> tuple[str, ...]:
    return texts(schedule, "scheduleRunDays") or texts(part(schedule, "weeklySchedule"), "scheduleRunDays")


def _retention(document: Document) -> tuple[Retention, ...]:
    found: list[Retention] = []
    for rule in _RULES:
        duration = part(document, f"{rule}Schedule", "retentionDuration")
        count = whole(duration, "count")
        if count:
            found.append(Retention(rule=rule, count=count, unit=text(duration, "durationType") or "Days"))
    return tuple(found)


def vault_safety(document: Document) -> VaultSafety:
    """From a GET of the vault; lists say nothing of it. The retention reads 0 in a vault whose soft delete is
    off, where Azure has kept deleted items for the usual days all the same."""
    security = part(document, "properties", "securitySettings")
    soft_delete = part(security, "softDeleteSettings")
    return VaultSafety(
        soft_delete=text(soft_delete, "softDeleteState"),
        soft_delete_days=whole(soft_delete, "softDeleteRetentionPeriodInDays") or 14,
        immutability=text(part(security, "immutabilitySettings"), "state"),
    )


def guard(document: Document) -> Guard:
    properties = part(document, "properties")
    return Guard(
        id=text(properties, "resourceGuardResourceId"),
        requests={
            text(one, "vaultCriticalOperation").lower(): text(one, "defaultResourceRequest")
            for one in parts(properties, "resourceGuardOperationDetails")
        },
    )
