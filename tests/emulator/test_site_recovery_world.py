"""Site Recovery without a server: what no role may do, what no fleet has, and replication's arithmetic."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from azure_ops.emulator.answers import Answer, Refusal
from azure_ops.emulator.clock import Clock
from azure_ops.emulator.fleets import contoso
from azure_ops.emulator.handlers import all_routes
from azure_ops.emulator.handlers.site_recovery_replication import (
    pending_mb,
    recovery_points,
    replicated_until,
    rpo_calculated_at,
    rpo_s,
)
from azure_ops.emulator.handlers.site_recovery_runner import reversed_ticks
from azure_ops.emulator.records import KINDS
from azure_ops.emulator.records.compute import VirtualMachine
from azure_ops.emulator.records.site_recovery import (
    HEARTBEAT_TROUBLE,
    RPO_TROUBLE,
    STALL_TROUBLE,
    ReplicatedDisk,
    ReplicatedItem,
    ReplicationPolicy,
)
from azure_ops.emulator.routing import Context, Principal
from azure_ops.emulator.store import Store
from azure_ops.emulator.world import World

NOW = datetime(2026, 8, 22, 14, tzinfo=UTC)
ROUTES = all_routes()


@pytest.fixture
def world() -> World:
    made = World(Store(None, KINDS, seed=1), Clock(NOW, speed=0))
    contoso.seed(made)
    return made


def ask(world: World, method: str, path: str, body: Any = None, **query: str) -> Answer:
    """A request past the front: no token, no role."""
    world.catch_up()
    found = ROUTES.match(method, path)
    assert found is not None, path
    route, params = found
    ctx = Context(
        world=world,
        principal=Principal("owner", "0", ("*",)),
        method=method,
        base_url="https://127.0.0.1:1",
        path=path,
        params=params,
        query={"api-version": "2024-10-01", **query},
        headers={"x-ms-client-request-id": "asked"},
        body=body,
        now=world.clock.now(),
    )
    with world.store.transaction():
        return route.handler(ctx)


def advance(world: World, seconds: float) -> None:
    world.clock.advance(seconds)
    world.catch_up()


def item_named(world: World, name: str) -> ReplicatedItem:
    return next(item for item in world.store.all(ReplicatedItem) if item.vm_name == name)


def vault_of(item: ReplicatedItem) -> str:
    return item.id.split("/replicationFabrics")[0]


def body_of(answer: Answer) -> dict[str, Any]:
    assert isinstance(answer.body, dict)
    return answer.body


FAILOVER = {"properties": {"failoverDirection": "PrimaryToRecovery", "sourceSiteOperations": "NotRequired"}}


def test_a_taken_name_is_changed_and_the_operation_warns_though_it_succeeds(world: World) -> None:
    item = item_named(world, "web-01")
    source = world.store.find(VirtualMachine, item.vm_id)
    assert source is not None
    taken_id = f"{item.recovery_group_id}/providers/Microsoft.Compute/virtualMachines/web-01"
    world.store.save(
        VirtualMachine(
            id=taken_id, location="northeurope", size=source.size, os_type="Linux",
            os_disk_id=source.os_disk_id, time_created=NOW, vm_id="somebody-else",
        )
    )  # fmt: skip
    answer = ask(world, "POST", item.id + "/unplannedFailover", FAILOVER)
    advance(world, 400)
    status_path = answer.headers["Azure-AsyncOperation"].split("127.0.0.1:1")[1].split("?")[0]
    status = body_of(ask(world, "GET", status_path))
    assert status["status"] == "Succeeded"
    assert status["error"]["code"] == "28175"
    assert item.recovery_vm_name.startswith("web-01-")
    assert item.recovery_vm_id.endswith(item.recovery_vm_name)
    other = world.store.find(VirtualMachine, taken_id)
    assert other is not None
    assert other.vm_id == "somebody-else"


def test_a_failover_goes_on_without_a_source_to_shut_down(world: World) -> None:
    item = item_named(world, "web-01")
    source = world.store.find(VirtualMachine, item.vm_id)
    assert source is not None
    world.store.delete(source)
    body = {"properties": {**FAILOVER["properties"], "sourceSiteOperations": "Required"}}
    answer = ask(world, "POST", item.id + "/unplannedFailover", body)
    advance(world, 400)
    job = body_of(ask(world, "GET", answer.headers["x-ms-request-id"]))["properties"]
    assert job["state"] == "Succeeded"
    assert [task["state"] for task in job["tasks"]] == [
        "Succeeded",
        "Failed",
        "Other",
        "Succeeded",
        "Succeeded",
    ]


def test_a_refresh_runs_the_failover_validator_now(world: World) -> None:
    item = item_named(world, "erp-01")
    while body_of(ask(world, "GET", item.id))["properties"]["protectionState"] != "Protected":
        advance(world, 30)
    assert body_of(ask(world, "GET", item.id))["properties"]["failoverHealth"] == "Normal"
    health = vault_of(item) + "/replicationVaultHealth"
    answer = ask(world, "POST", health + "/default/refresh")
    guid = answer.headers["x-ms-request-id"].rsplit("/", 1)[-1]
    location = answer.headers["Location"].split("127.0.0.1:1")[1].split("?")[0]
    assert location.lower() == f"{health}/operationresults/{guid}".lower()
    assert ask(world, "GET", location).status == 202
    advance(world, 4)
    assert body_of(ask(world, "GET", location))["name"] == "Default"
    shown = body_of(ask(world, "GET", item.id))["properties"]
    assert [error["errorCode"] for error in shown["healthErrors"]] == ["161011"]
    job = body_of(ask(world, "GET", answer.headers["x-ms-request-id"]))["properties"]
    assert (job["scenarioName"], job["targetInstanceType"]) == ("RefreshVaultHealth", "Vault")
    assert job["targetObjectId"].isdigit()


def test_alert_settings_answer_at_once(world: World) -> None:
    path = vault_of(item_named(world, "web-01")) + "/replicationAlertSettings/defaultAlertSetting"
    asked = {"sendToOwners": "Send", "customEmailAddresses": ["a@b.example"], "locale": "fr_FR"}
    answer = ask(world, "PUT", path, {"properties": asked})
    assert (answer.status, body_of(answer)["properties"]) == (200, asked)
    assert body_of(ask(world, "GET", path)) == answer.body
    assert body_of(ask(world, "GET", path.rsplit("/", 1)[0]))["value"] == [answer.body]


def test_eligibility_names_what_is_in_the_way(world: World) -> None:
    machines = {machine.name: machine for machine in world.store.all(VirtualMachine)}
    results = "/providers/Microsoft.RecoveryServices/replicationEligibilityResults"
    assert (
        body_of(ask(world, "GET", machines["jump-01"].id + results))["value"][0]["properties"]["errors"] == []
    )
    stopped = body_of(ask(world, "GET", machines["batch-01"].id + results + "/default"))
    assert stopped["properties"]["errors"][0]["code"] == "AzureVmIsNotInDesiredPowerState"
    with pytest.raises(Refusal) as caught:
        ask(world, "GET", machines["jump-01"].id + "x" + results)
    assert caught.value.code == "ResourceNotFound"


def test_a_world_of_the_same_seed_names_its_jobs_alike() -> None:
    names = []
    for _ in range(2):
        made = World(Store(None, KINDS, seed=7), Clock(NOW, speed=0))
        contoso.seed(made)
        answer = ask(made, "POST", item_named(made, "web-01").id + "/unplannedFailover", FAILOVER)
        names.append(answer.headers["x-ms-request-id"])
    assert names[0] == names[1]


def test_event_names_count_backwards() -> None:
    """The recorded name of an event of 2017-05-02T16:00:33.0705652Z, to the microsecond."""
    at = datetime(2017, 5, 2, 16, 0, 33, 70565, tzinfo=UTC)
    assert abs(reversed_ticks(at) - 9091989892524070155) < 100


# replication's arithmetic -----------------------------------------------------------------------------------


def replica(**facts: Any) -> ReplicatedItem:
    return ReplicatedItem(
        id="/f/replicationProtectedItems/i", guid="5d1f0a3c-0000-4000-8000-000000000001", vm_id="/vm",
        vm_name="vm", recovery_container_id="/c", policy_id="/p", recovery_group_id="/rg",
        recovery_vm_size="s", recovery_network_id="/n",
        disks=[
            ReplicatedDisk(disk_id="/d/os", size_gb=30, is_os=True),
            ReplicatedDisk(disk_id="/d/1", size_gb=90),
        ],
        protected_at=NOW - timedelta(days=30), **facts,
    )  # fmt: skip


@pytest.mark.parametrize("trouble", ["", RPO_TROUBLE, STALL_TROUBLE, HEARTBEAT_TROUBLE])
@pytest.mark.parametrize("typical_rpo_s", [20, 120, 600])
def test_the_target_never_loses_what_it_had(trouble: str, typical_rpo_s: int) -> None:
    item = replica(trouble=trouble, trouble_since=NOW + timedelta(hours=2), typical_rpo_s=typical_rpo_s)
    policy = ReplicationPolicy(id="/p", retention_minutes=7 * 1440, app_consistent_minutes=240)
    reached, seen = NOW - timedelta(days=1), {}
    for minute in range(0, 360, 3):
        at = NOW + timedelta(minutes=minute)
        now_reached = replicated_until(item, at)
        assert reached <= now_reached < at
        reached = now_reached
        assert rpo_calculated_at(item, at) <= at
        assert rpo_s(item, at) > 0
        points = recovery_points(item, policy, at)
        assert points[-1].at <= at
        newest = max(seen.values(), default=points[0].at)
        assert points[-1].at >= newest
        seen |= {point.guid: point.at for point in points}
        assert all(seen[point.guid] == point.at for point in points)
        assert all(a >= 0 and b >= 0 for a, b in (pending_mb(item, disk, at) for disk in item.disks))


def test_points_only_go_by_age() -> None:
    """Hour by hour over sixteen days: what is there now was there before, or is new."""
    item = replica()
    policy = ReplicationPolicy(id="/p", retention_minutes=15 * 1440, app_consistent_minutes=60)
    before = {point.guid for point in recovery_points(item, policy, NOW)}
    for hour in range(1, 16 * 24, 3):
        at = NOW + timedelta(hours=hour)
        points = recovery_points(item, policy, at)
        recent = {point.guid for point in points if at - point.at < timedelta(hours=3, minutes=10)}
        assert {point.guid for point in points} - recent <= before
        assert at - points[0].at <= timedelta(minutes=policy.retention_minutes)
        before = {point.guid for point in points}
    ages = [(at - point.at).total_seconds() / 3600 for point in points]
    assert 23 <= sum(age < 2 for age in ages) <= 25
    assert sum(3 < age < 24 for age in ages) in range(19, 24)
    assert sum(25 < age < 168 for age in ages) in range(69, 74)
    assert sum(169 < age < 360 for age in ages) in range(45, 50)
    assert sum(point.app_consistent for point in points if (at - point.at) < timedelta(hours=2)) == 2
