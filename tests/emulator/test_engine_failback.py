"""There and back again through the engine: each stage by its action, each with one changing request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from azure_ops import wire
from azure_ops.failback import next_step
from azure_ops.loose_ends import Kind, of_row
from azure_ops.model import FleetItem, Operation, Phase, Risk

from ..conftest import EmulatorFactory
from ..support import ADMIN_CLIENT_ID
from .engine_world import EngineWorld, Told, kill, point_environment


@pytest.fixture
async def world(
    emulator_factory: EmulatorFactory, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[EngineWorld]:
    """Nothing here is about budgets, and moved rows are found by the fleet query only."""
    emulator = emulator_factory(throttle=False)
    point_environment(monkeypatch, emulator, folder)
    made = EngineWorld(emulator)
    yield made
    await made.close()


UNTIL_PROTECTED_S = 3000


async def finish(world: EngineWorld, console: Told, ids: tuple[str, ...]) -> Operation:
    await console.until(lambda: console.operations[ids[0]].job_id if ids[0] in console.operations else False)
    for _ in range(12):
        world.emulator.advance(75)
    (ended,) = await console.ended(ids)
    assert ended.phase is Phase.SUCCEEDED, ended.message
    return ended


async def step(world: EngineWorld, console: Told, action: str, key: str, **answers: str) -> Operation:
    return await finish(world, console, await console.start(action, [key], answers))


def replicated(console: Told, name: str) -> FleetItem | None:
    """The row of that name that holds the replication now."""
    return next((one for one in console.items.values() if one.name == name and one.replication), None)


async def allows(console: Told, name: str, operation: str, *, region: str = "") -> FleetItem:
    """Until the replicated row allows it, and runs in that region."""

    def found() -> FleetItem | None:
        item = replicated(console, name)
        if item is None or item.replication is None or not item.replication.allows(operation):
            return None
        return item if not region or item.replication.primary_region == region else None

    await console.call(wire.Refresh())
    await console.until(found)
    item = found()
    assert item is not None
    return item


def said(console: Told, item: FleetItem) -> list[tuple[Kind, str]]:
    ends = of_row(msgspec.structs.replace(item, backup=None), {}, {}, item.replication.rpo_calculated_at)  # type: ignore[union-attr, arg-type]
    return [(end.kind, end.action) for end in ends]


def paths_of(world: EngineWorld) -> list[str]:
    return [str(request["path"]).rsplit("/", 1)[-1] for request in world.emulator.requests()]


async def test_the_whole_circle_with_one_request_for_each_stage(world: EngineWorld) -> None:
    console = await world.filled_console()
    home = console.named("app-01")
    await step(world, console, "failover", home.key)
    failed_over = await allows(console, "app-01", "Commit")
    assert said(console, failed_over) == [(Kind.FAILOVER_UNCOMMITTED, "commit-failover")]
    await step(world, console, "commit-failover", home.key)
    committed = await allows(console, "app-01", "SwitchProtection")
    assert said(console, committed) == [(Kind.NOT_REPROTECTED, "re-protect")]

    plan = await console.plan("re-protect", [home.key])
    assert (plan.risk, plan.confirm_name, plan.refused) == (Risk.DESTROYS, "app-01", ())
    losses = " ".join(plan.losses)
    assert "app-01 in group" in losses
    assert all(disk.name in losses for disk in home.disks)
    assert "DELETED" in losses
    assert "23 %" in " ".join(plan.consequences)
    sent = json.loads(plan.requests[0].body)["properties"]["providerSpecificDetails"]
    assert plan.requests[0].url.split("?")[0].endswith("/switchprotection")
    assert sent["recoveryResourceGroupId"].endswith(f"/{home.resource_group}")
    assert sent["vmManagedDisks"][0]["primaryStagingAzureStorageAccountId"].endswith("/stcontosorestoreneu")
    await finish(world, console, await console.confirm(plan))
    back = await allows(console, "app-01", "DisableProtection", region="northeurope")
    assert back.key != home.key
    assert said(console, back) == [(Kind.SYNCHRONISING, "")]
    then = next_step(back.replication)  # type: ignore[arg-type]
    assert then is not None
    assert then.text == "wait until it is protected, then fail back to westeurope"

    world.emulator.advance(UNTIL_PROTECTED_S)
    back = await allows(console, "app-01", "UnplannedFailover", region="northeurope")
    assert said(console, back) == [(Kind.AWAY, "failover")]
    network = back.replication.recovery_network_id  # type: ignore[union-attr]
    assert network.endswith("/vnet-prod-weu")
    await step(world, console, "test-failover", back.key, network=network, production="insist")
    back = await allows(console, "app-01", "TestFailoverCleanup", region="northeurope")
    assert said(console, back) == [(Kind.TEST_OPEN, "clean-up-test-failover")]
    await step(world, console, "clean-up-test-failover", back.key)
    back = await allows(console, "app-01", "UnplannedFailover", region="northeurope")
    plan = await console.plan("failover", [back.key])
    assert "created and started in westeurope" in plan.consequences[0]
    assert "shut down first" in " ".join(plan.consequences)
    await finish(world, console, await console.confirm(plan))
    await allows(console, "app-01", "Commit", region="northeurope")
    await step(world, console, "commit-failover", back.key)
    back = await allows(console, "app-01", "SwitchProtection", region="northeurope")

    plan = await console.plan("re-protect", [back.key])
    assert "stays" in plan.losses[0]
    assert "DELETED" not in " ".join(plan.losses)
    await finish(world, console, await console.confirm(plan))
    home_again = await allows(console, "app-01", "DisableProtection", region="westeurope")
    assert said(console, home_again) == [(Kind.SYNCHRONISING, "")]
    world.emulator.advance(UNTIL_PROTECTED_S)
    home_again = await allows(console, "app-01", "UnplannedFailover", region="westeurope")
    assert said(console, home_again) == []
    assert home_again.key == home.key
    assert paths_of(world) == [
        "unplannedFailover", "failoverCommit", "switchprotection", "testFailover", "testFailoverCleanup",
        "unplannedFailover", "failoverCommit", "switchprotection",
    ]  # fmt: skip


async def committed(world: EngineWorld, console: Told, name: str) -> FleetItem:
    key = console.named(name).key
    await step(world, console, "failover", key)
    await allows(console, name, "Commit")
    await step(world, console, "commit-failover", key)
    return await allows(console, name, "SwitchProtection")


@pytest.mark.parametrize("moment", ["before the answer", "running"])
async def test_an_engine_killed_in_a_re_protect_goes_on_with_the_same_one(
    world: EngineWorld, moment: str
) -> None:
    console = await world.filled_console()
    row = await committed(world, console, "app-01")
    plan = await console.plan("re-protect", [row.key])
    if moment == "before the answer":
        world.emulator.fault("slow", method="POST", path="*/switchprotection", delay_s=3, after=True)
        confirming = asyncio.create_task(console.confirm(plan))
        async with asyncio.timeout(20):
            while "switchprotection" not in paths_of(world):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        kill(console.pid)
        await console.close()
        await asyncio.gather(confirming, return_exceptions=True)
        world.emulator.clear_faults()
    else:
        (id_,) = await console.confirm(plan)
        await console.until(lambda: console.phase(id_) is Phase.RUNNING)
        kill(console.pid)
        await console.close()
    entry = next(one for one in world.entries() if one.action == "re-protect")
    console = await world.filled_console()
    ended = await world.goes_on(console, entry.id)
    assert ended.phase is Phase.SUCCEEDED, ended.message
    assert paths_of(world).count("switchprotection") == 1
    back = await allows(console, "app-01", "DisableProtection", region="northeurope")
    assert said(console, back) == [(Kind.SYNCHRONISING, "")]


async def test_what_cannot_be_re_protected_or_disabled_says_why(world: EngineWorld) -> None:
    console = await world.filled_console()
    key = console.named("app-01").key
    plan = await console.call(wire.MakePlan(action="re-protect", keys=(key,), answers={}))
    assert isinstance(plan, wire.GotPlan)
    assert "only what was failed over can be re-protected" in plan.plan.refused[0]
    plan = await console.call(wire.MakePlan(action="change-point", keys=(key,), answers={}))
    assert isinstance(plan, wire.GotPlan)
    assert "between failover and commit" in plan.plan.refused[0]
    disable = await console.plan("disable-replication", [key])
    assert "replicationProtectedItems/remove/action" in disable.refused[0]
    assert any("Site Recovery Contributor" in check.fix for check in disable.checks)
    row = await committed(world, console, "app-01")
    wrong = await console.plan("re-protect", [row.key], {"account": "/subscriptions/x/stother"})
    assert "stother is not one of those" in wrong.refused[0]
    assert paths_of(world) == ["unplannedFailover", "failoverCommit"]


async def test_the_point_of_an_uncommitted_failover_is_changed(world: EngineWorld) -> None:
    console = await world.filled_console()
    key = console.named("app-01").key
    await step(world, console, "failover", key)
    first = (await allows(console, "app-01", "ChangePit")).replication
    assert first is not None
    plan = await console.plan("change-point", [key])
    assert (plan.risk, plan.refused) == (Risk.CHANGES, ())
    assert "since the failover is lost" in plan.losses[0]
    chosen = json.loads(plan.requests[0].body)["properties"]["recoveryPointId"]
    await finish(world, console, await console.confirm(plan))

    def changed() -> bool:
        row = replicated(console, "app-01")
        point = row.replication.failover_point_id if row and row.replication else ""
        return point.rsplit("/", 1)[-1] == chosen.rsplit("/", 1)[-1]

    await console.until(changed)
    assert first.failover_point_id.rsplit("/", 1)[-1] != chosen.rsplit("/", 1)[-1]
    assert paths_of(world) == ["unplannedFailover", "applyRecoveryPoint"]


async def test_disabled_replication_leaves_the_row_unreplicated(world: EngineWorld) -> None:
    settings = msgspec.structs.replace(world.settings, client_id=ADMIN_CLIENT_ID)
    console = await world.filled_console(settings=settings)
    key = console.named("app-01").key
    plan = await console.plan("disable-replication", [key])
    assert (plan.risk, plan.confirm_name) == (Risk.DESTROYS, "app-01")
    assert "replication points" in plan.losses[0]
    (id_,) = await console.confirm(plan)
    await console.until(lambda: console.operations[id_].job_id if id_ in console.operations else False)
    for _ in range(6):
        world.emulator.advance(75)
    (ended,) = await console.ended((id_,))
    assert ended.phase is Phase.SUCCEEDED, ended.message
    await console.until(lambda: console.items[key].replication is None)
    assert console.items[key].exists
    assert paths_of(world) == ["remove"]
