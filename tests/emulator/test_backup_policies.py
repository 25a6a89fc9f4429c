"""Backup policies made, changed and deleted through the real SDK."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from ..support import Emulator
from .sdk import collect, sdk_clients
from .test_backup import protected

AT = "2026-08-20T17:00:00.000Z"


def rule(count: int = 30, unit: str = "Days", at: str = AT, **more: Any) -> dict[str, Any]:
    return {"retentionTimes": [at], "retentionDuration": {"count": count, "durationType": unit}, **more}


def standard(**changes: Any) -> dict[str, Any]:
    properties = {
        "backupManagementType": "AzureIaasVM",
        "policyType": "V1",
        "protectedItemsCount": 0,
        "schedulePolicy": {
            "schedulePolicyType": "SimpleSchedulePolicy",
            "scheduleRunFrequency": "Daily",
            "scheduleRunTimes": [AT],
            "scheduleWeeklyFrequency": 0,
        },
        "retentionPolicy": {"retentionPolicyType": "LongTermRetentionPolicy", "dailySchedule": rule()},
        "instantRpRetentionRangeInDays": 2,
        "timeZone": "UTC",
    }
    return {"properties": {**properties, **changes}}


def enhanced(interval: int = 4, window: int = 12, **changes: Any) -> dict[str, Any]:
    hourly = {"interval": interval, "scheduleWindowStartTime": AT, "scheduleWindowDuration": window}
    schedule = {
        "schedulePolicyType": "SimpleSchedulePolicyV2",
        "scheduleRunFrequency": "Hourly",
        "hourlySchedule": hourly,
    }
    return standard(policyType="V2", schedulePolicy=schedule, instantRpRetentionRangeInDays=7, **changes)


def weekly(instant_days: int = 5) -> dict[str, Any]:
    schedule = {
        "schedulePolicyType": "SimpleSchedulePolicy",
        "scheduleRunFrequency": "Weekly",
        "scheduleRunDays": ["Sunday"],
        "scheduleRunTimes": [AT],
        "scheduleWeeklyFrequency": 0,
    }
    retention = {
        "retentionPolicyType": "LongTermRetentionPolicy",
        "weeklySchedule": rule(12, "Weeks", daysOfTheWeek=["Sunday"]),
    }
    return standard(
        schedulePolicy=schedule, retentionPolicy=retention, instantRpRetentionRangeInDays=instant_days
    )


@pytest.mark.parametrize("body", [standard(), enhanced(), weekly()])
async def test_a_policy_comes_back_as_it_was_put(emulator_env: Emulator, body: dict[str, Any]) -> None:
    async with sdk_clients(emulator_env) as clients:
        item = await protected(clients)
        where = item.vault, item.group, "nightly"
        await clients.backup.protection_policies.create_or_update(*where, body)
        read = await clients.backup.protection_policies.get(*where)
        assert read.properties["policyType"] == body["properties"]["policyType"]
        schedule = dict(read.properties["schedulePolicy"])
        assert "17:00:00Z" in str(schedule)
        assert ".000Z" not in str(schedule)
        assert read.properties["protectedItemsCount"] == 0
        listed = await collect(clients.backup.backup_policies.list(item.vault, item.group))
        assert "nightly" in [one.name for one in listed]
        poller = await clients.backup.protection_policies.begin_delete(*where)
        await poller.result()
        with pytest.raises(ResourceNotFoundError):
            await clients.backup.protection_policies.get(*where)


async def test_monthly_retention_and_tiering_are_kept(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        item = await protected(clients)
        days = {"daysOfTheMonth": [{"date": 1, "isLast": False}]}
        retention = {
            "retentionPolicyType": "LongTermRetentionPolicy",
            "dailySchedule": rule(),
            "monthlySchedule": rule(
                60, "Months", retentionScheduleFormatType="Daily", retentionScheduleDaily=days
            ),
        }
        tiering = {"ArchivedRP": {"tieringMode": "TierRecommended", "duration": 0, "durationType": "Invalid"}}
        body = standard(retentionPolicy=retention, tieringPolicy=tiering)
        put = await clients.backup.protection_policies.create_or_update(item.vault, item.group, "long", body)
        assert put.properties["tieringPolicy"] == tiering
        kept = put.properties["retentionPolicy"]["monthlySchedule"]
        assert kept["retentionScheduleDaily"] == days
        assert kept["retentionDuration"]["count"] == 60


@pytest.mark.parametrize(
    "body",
    [
        standard(policyType="V2"),
        standard(policyType="V3"),
        standard(instantRpRetentionRangeInDays=6),
        standard(instantRpRetentionRangeInDays=0),
        enhanced(interval=5),
        enhanced(interval=8, window=4),
        weekly(instant_days=2),
        standard(retentionPolicy={"retentionPolicyType": "LongTermRetentionPolicy"}),
        standard(
            retentionPolicy={
                "retentionPolicyType": "LongTermRetentionPolicy",
                "dailySchedule": rule(at="2026-08-20T18:00:00Z"),
            }
        ),
        standard(
            retentionPolicy={"retentionPolicyType": "LongTermRetentionPolicy", "dailySchedule": rule(0)}
        ),
        standard(schedulePolicy={}),
    ],
)
async def test_policies_that_cannot_be_carried_out(emulator_env: Emulator, body: dict[str, Any]) -> None:
    async with sdk_clients(emulator_env) as clients:
        item = await protected(clients)
        with pytest.raises(HttpResponseError) as caught:
            await clients.backup.protection_policies.create_or_update(item.vault, item.group, "odd", body)
        assert (caught.value.status_code, caught.value.error.code) == (400, "BMSUserErrorInvalidPolicyInput")
        with pytest.raises(ResourceNotFoundError):
            await clients.backup.protection_policies.get(item.vault, item.group, "odd")


async def test_a_policy_in_use_stays(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        item = await protected(clients)
        name = item.properties["policyName"]
        with pytest.raises(HttpResponseError) as caught:
            await clients.backup.protection_policies.begin_delete(item.vault, item.group, name)
        assert (caught.value.status_code, caught.value.error.code) == (400, "BMSUserErrorPolicyObjectInUse")


async def test_a_new_retention_moves_the_expiry_of_points(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        item = await protected(clients)
        name = item.properties["policyName"]
        policy = await clients.backup.protection_policies.get(item.vault, item.group, name)
        body = policy.as_dict()
        daily = body["properties"]["retentionPolicy"]["dailySchedule"]
        daily["retentionDuration"]["count"] = 90
        await clients.backup.protection_policies.create_or_update(item.vault, item.group, name, body)
        oldest = (await collect(clients.backup.recovery_points.list(*item.where)))[-1].properties
        expires = datetime.fromisoformat(oldest.recovery_point_properties.expiry_time)
        assert (expires - oldest.recovery_point_time.replace(tzinfo=None)).days in (89, 90)


async def test_an_immutable_vault_keeps_its_retention(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        item = await protected(clients)
        vault_id = item.document.id.split("/backupFabrics")[0]
        change = {"properties": {"securitySettings": {"immutabilitySettings": {"state": "Unlocked"}}}}
        assert emulator_env.request("PATCH", vault_id, change).status == 202
        emulator_env.advance(10)
        name = item.properties["policyName"]
        policy = (await clients.backup.protection_policies.get(item.vault, item.group, name)).as_dict()
        policy["properties"]["retentionPolicy"]["dailySchedule"]["retentionDuration"]["count"] = 7
        with pytest.raises(HttpResponseError, match="UserErrorOperationDeniedOnImmutableItem"):
            await clients.backup.protection_policies.create_or_update(item.vault, item.group, name, policy)
