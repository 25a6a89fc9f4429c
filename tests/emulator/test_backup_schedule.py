"""Backups that nobody asks for: points appear as the policy says while the world's clock runs, age and
expire; and what the contoso fleet has of gaps, alerts, late disks and archived points."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from azure_ops.emulator import fleets
from azure_ops.emulator.answers import Refusal
from azure_ops.emulator.clock import Clock
from azure_ops.emulator.handlers.backup_documents import live_points, recovery_point_document
from azure_ops.emulator.handlers.backup_schedule import next_run, schedule_runs
from azure_ops.emulator.records import KINDS
from azure_ops.emulator.records.backup import BackupJob, ProtectedItem, RecoveryPoint, Vault
from azure_ops.emulator.records.backup_policies import BackupPolicy, daily_policy, enhanced_policy
from azure_ops.emulator.records.compute import StorageAccount
from azure_ops.emulator.records.tenancy import ResourceGroup
from azure_ops.emulator.store import Store
from azure_ops.emulator.world import World

from ..support import NOW
from .small_world import NOW as SMALL_NOW
from .small_world import SmallWorld, ask, small_world

HOUR, DAY = 3600.0, 86400.0


def policies(small: SmallWorld) -> list[BackupPolicy]:
    return small.world.store.all(BackupPolicy, small.vault.id)


def running(**item: Any) -> SmallWorld:
    """The vault's policies run at 14:00, when this world begins."""
    small = small_world("northeurope")
    for name, value in item.items():
        setattr(small.item, name, value)
    for policy in policies(small):
        schedule_runs(small.world, policy)
    return small


def rules(small: SmallWorld) -> Counter[str]:
    return Counter(point.rule for point in live_points(small.world, small.item))


@pytest.mark.parametrize(
    ("policy", "after", "wanted"),
    [
        (daily_policy("/p", run_at=SMALL_NOW), "22 13:59", [("22 14:00", True), ("23 14:00", True)]),
        (daily_policy("/p", run_at=SMALL_NOW), "22 14:00", [("23 14:00", True)]),
        (
            enhanced_policy("/p", run_at=SMALL_NOW),
            "22 13:59",
            [("22 14:00", False), ("22 18:00", False), ("22 22:00", False), ("23 02:00", True),
             ("23 14:00", False)],
        ),
    ],
)  # fmt: skip
def test_the_runs_of_a_policy(policy: BackupPolicy, after: str, wanted: list[tuple[str, bool]]) -> None:
    at = datetime.strptime(f"2026-08-{after}+0000", "%Y-%m-%d %H:%M%z")
    found = []
    for _ in wanted:
        run = next_run(policy, at)
        assert run is not None
        at, last = run
        found.append((f"{at:%d %H:%M}", last))
    assert found == wanted


def test_a_weekly_policy_runs_on_its_days() -> None:
    policy = daily_policy("/p", run_at=SMALL_NOW)
    policy.schedule_policy |= {"scheduleRunFrequency": "Weekly", "scheduleRunDays": ["Sunday", "Wednesday"]}
    at, days = SMALL_NOW, []
    for _ in range(3):
        run = next_run(policy, at)
        assert run is not None
        at = run[0]
        days.append(f"{at:%A}")
    assert days == ["Sunday", "Wednesday", "Sunday"]


def test_points_appear_as_the_schedule_says_and_expire() -> None:
    small = running()
    small.advance(3 * DAY + 3 * HOUR)
    points = live_points(small.world, small.item)
    assert rules(small) == {"Daily": 3}
    assert {point.taken_at.hour for point in points} == {14}
    assert {point.expires_at - point.taken_at > timedelta(days=29, hours=23) for point in points} == {True}
    assert small.item.protection_state == "Protected"
    newest = recovery_point_document(small.world, small.item, points[-1])["properties"]
    assert [tier["status"] for tier in newest["recoveryPointTierDetails"]] == ["Valid", "Valid"]
    oldest = recovery_point_document(small.world, small.item, points[0])["properties"]
    assert [tier["status"] for tier in oldest["recoveryPointTierDetails"]] == ["Deleted", "Valid"]
    small.advance(60 * DAY)
    assert 29 <= rules(small)["Daily"] <= 31
    jobs = small.world.store.all(BackupJob)
    assert {job.property_bag["Policy Name"] for job in jobs} == {"DefaultPolicy"}


def test_of_an_hourly_schedule_the_last_run_of_the_day_goes_to_the_vault() -> None:
    small = running(policy_name="EnhancedPolicy", policy_type="V2")
    small.advance(25 * HOUR + DAY)
    points = [(f"{point.taken_at:%d %H}", point.in_vault) for point in small.item.recovery_points]
    # the first point ever goes to the vault, too
    assert points == [
        ("22 18", True), ("22 22", False), ("23 02", True), ("23 14", False), ("23 18", False),
        ("23 22", False), ("24 02", True), ("24 14", False),
    ]  # fmt: skip
    small.advance(3 * DAY)
    kept = [point for point in live_points(small.world, small.item) if point.taken_at.day <= 24]
    assert {point.in_vault for point in kept} == {True}


@pytest.mark.parametrize("state", ["ProtectionStopped", "BackupsSuspended"])
def test_stopped_protection_runs_no_backup(state: str) -> None:
    small = running(protection_state=state)
    small.advance(3 * DAY)
    assert small.world.store.all(BackupJob) == []


def test_a_backup_that_runs_anyway_is_not_doubled() -> None:
    small = running()
    small.advance(DAY - 600)
    body = {"properties": {"objectType": "IaasVMBackupRequest"}}
    assert ask(small, "POST", f"{small.item.id}/backup", body).status == 202
    small.advance(DAY / 2)
    assert len(small.world.store.all(BackupJob)) == 1


def test_a_changed_policy_runs_at_its_new_time_only() -> None:
    small = running()
    policy = next(one for one in policies(small) if one.name == "DefaultPolicy")
    at = "2026-08-22T20:00:00Z"
    body = {
        "backupManagementType": "AzureIaasVM",
        "policyType": "V1",
        "schedulePolicy": {**policy.schedule_policy, "scheduleRunTimes": [at]},
        "retentionPolicy": {
            "retentionPolicyType": "LongTermRetentionPolicy",
            "dailySchedule": {
                "retentionTimes": [at],
                "retentionDuration": {"count": 9, "durationType": "Days"},
            },
        },
    }
    assert ask(small, "PUT", policy.id, {"properties": body}).status == 200
    small.advance(2 * DAY + 8 * HOUR)
    assert [point.taken_at.hour for point in small.item.recovery_points] == [20, 20, 20]
    ask(small, "PUT", f"{small.vault.id}/backupPolicies/short-lived", {"properties": body})
    ask(small, "DELETE", f"{small.vault.id}/backupPolicies/short-lived")
    small.advance(DAY)
    assert [point.taken_at.hour for point in small.item.recovery_points] == [20, 20, 20, 20]


def test_a_point_in_the_archive_is_not_restored() -> None:
    small = running()
    small.advance(DAY + 3 * HOUR)
    point = small.item.recovery_points[0]
    point.archived = True
    tiers = recovery_point_document(small.world, small.item, point)["properties"]["recoveryPointTierDetails"]
    assert [(tier["type"], tier["status"]) for tier in tiers][1:] == [
        ("HardenedRP", "Deleted"),
        ("ArchivedRP", "Valid"),
    ]
    order = {
        "objectType": "IaasVMRestoreRequest",
        "recoveryPointId": point.name,
        "recoveryType": "RestoreDisks",
        "sourceResourceId": small.vm.id,
        "storageAccountId": "/nowhere",
        "region": small.vault.location,
        "targetResourceGroupId": small.vm.id.split("/providers/")[0],
    }
    with pytest.raises(Refusal, match="archive"):
        ask(small, "POST", f"{small.item.id}/recoveryPoints/{point.name}/restore", {"properties": order})


def rehydrated_order(small: SmallWorld, name: str, duration: str = "P10D") -> dict[str, Any]:
    account = small.vm.id.split("/virtualMachines/")[0] + "/storageAccounts/staging"
    account = account.replace("Microsoft.Compute", "Microsoft.Storage")
    small.world.store.save(
        StorageAccount(id=account, location=small.vault.location, time_created=small.world.clock.now())
    )
    group = small.vm.id.split("/providers/")[0]
    small.world.store.save(ResourceGroup(id=group, location=small.vault.location))
    return {
        "objectType": "IaasVMRestoreWithRehydrationRequest",
        "recoveryPointId": name,
        "recoveryType": "RestoreDisks",
        "sourceResourceId": small.vm.id,
        "storageAccountId": account,
        "region": small.vault.location,
        "targetResourceGroupId": group,
        "recoveryPointRehydrationInfo": {
            "rehydrationRetentionDuration": duration,
            "rehydrationPriority": "Standard",
        },
    }


def test_a_point_in_the_archive_is_rehydrated_by_a_restore_for_some_days() -> None:
    small = running()
    small.advance(DAY + 3 * HOUR)
    point = small.item.recovery_points[0]
    point.archived, point.instant_until = True, None
    small.world.store.save(small.item)
    url = f"{small.item.id}/recoveryPoints/{point.name}"
    for wrong in ("P9D", "P31D", "PT10H"):
        with pytest.raises(Refusal, match="10 to 30 days"):
            ask(small, "POST", f"{url}/restore", {"properties": rehydrated_order(small, point.name, wrong)})

    def tier() -> str:
        tiers = ask(small, "GET", url).body["properties"]["recoveryPointTierDetails"]
        return str(tiers[-1]["status"])

    order = {"properties": rehydrated_order(small, point.name)}
    job_id = ask(small, "POST", f"{url}/restore", order).headers["Location"].split("?")[0].rsplit("/", 1)[-1]

    def job() -> str:
        return str(ask(small, "GET", f"{small.vault.id}/backupJobs/{job_id}").body["properties"]["status"])

    small.advance(7 * HOUR)
    assert (tier(), job()) == ("Valid", "InProgress")
    small.advance(7.5 * HOUR)
    assert (tier(), job()) == ("Rehydrated", "Completed")
    plain = rehydrated_order(small, point.name) | {"objectType": "IaasVMRestoreRequest"}
    del plain["recoveryPointRehydrationInfo"]
    ask(small, "POST", f"{url}/restore", {"properties": plain})
    small.advance(10 * DAY)
    assert tier() == "Valid"


# the contoso fleet ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def contoso() -> World:
    world = World(Store(None, KINDS, 1), Clock(datetime.fromisoformat(NOW), speed=0))
    fleets.seed(world, "contoso")
    return world


def points_of(world: World, name: str) -> list[RecoveryPoint]:
    item = next(one for one in world.store.all(ProtectedItem) if one.vm_id.endswith(f"/{name}"))
    return live_points(world, item)


def test_contoso_has_something_of_everything(contoso: World) -> None:
    days = {point.taken_at.date() for point in points_of(contoso, "dc-02")}
    whole = {max(days) - timedelta(days=number) for number in range((max(days) - min(days)).days + 1)}
    assert len(whole - days) == 3
    alerts = [(point.threat, bool(point.threats), point.archived) for point in points_of(contoso, "file-01")]
    assert set(alerts) == {("UnHealthy", True, False), ("Healthy", False, False), ("Healthy", False, True)}
    assert {len(point.disks) for point in points_of(contoso, "sql-02")} == {2, 3}
    assert points_of(contoso, "app-02")[-1].consistency == "CrashConsistent"
    crossing = [vault.name for vault in contoso.store.all(Vault) if vault.cross_region_restore]
    assert crossing == ["rsv-weu"]


def test_an_hourly_history_is_what_the_schedule_would_have_left(contoso: World) -> None:
    points = points_of(contoso, "sql-02")
    start = datetime.fromisoformat(NOW)
    young = [point for point in points if start - point.taken_at < timedelta(days=1)]
    old = [point for point in points if start - point.taken_at > timedelta(days=3)]
    assert len(young) == 4
    assert {point.in_vault for point in old} == {True}
    assert len({point.taken_at.date() for point in old}) == len(old)


def test_every_policy_of_a_fleet_has_its_next_run(contoso: World) -> None:
    for policy in contoso.store.all(BackupPolicy):
        assert (policy.next_run is not None) == (policy.backup_management_type == "AzureIaasVM")
