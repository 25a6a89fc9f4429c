"""Sizes through the engine: what a restore says of them, and `Resize VM` from its form to its end."""

from __future__ import annotations

import json

import pytest

from azure_ops import wire
from azure_ops.errors import Refused
from azure_ops.model import CheckState, Phase, Plan, Risk
from azure_ops.sizes import LEFT, OFFERED

from .engine_world import EngineWorld, Told


def state_of(plan: Plan, label: str) -> CheckState:
    return next(check.state for check in plan.checks if check.label == label)


def patches(world: EngineWorld) -> list[str]:
    return [str(one["path"]) for one in world.emulator.requests() if one["method"] == "PATCH"]


async def resize(world: EngineWorld, console: Told, name: str, size: str) -> Phase:
    ids = await console.start("resize-vm", [console.named(name).key], {"size": size})
    await console.until(lambda: console.phase(ids[0]) in (Phase.SUBMITTED, Phase.RUNNING))
    world.emulator.advance(90)
    return (await console.ended(ids))[0].phase


async def test_a_vm_is_resized_once_and_its_row_shows_it(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = console.named("web-01")
    prepared = await console.call(wire.Prepare(action="resize-vm", keys=(vm.key,)))
    assert isinstance(prepared, wire.Prepared)
    (field,) = prepared.form.fields
    values = [option.value for option in field.options]
    assert "Standard_D4s_v5" in values
    assert not {vm.size, "Standard_F4s_v2", "Standard_A1_v2"} & set(values)
    notes = {option.value: option.note for option in field.options}
    assert notes["Standard_D4s_v5"] == ""
    assert "deallocated first" in notes["Standard_B4ms"]
    plan = await console.plan("resize-vm", [vm.key], {"size": "Standard_D4s_v5"})
    assert plan.refused == ()
    assert plan.risk is Risk.CHANGES
    assert (state_of(plan, OFFERED), state_of(plan, LEFT)) == (CheckState.OK, CheckState.OK)
    assert any("restarts at once" in line for line in plan.consequences)
    assert json.loads(plan.requests[0].body) == {
        "properties": {"hardwareProfile": {"vmSize": "Standard_D4s_v5"}}
    }
    assert patches(world) == []
    ids = await console.confirm(plan)
    await console.until(lambda: console.phase(ids[0]) in (Phase.SUBMITTED, Phase.RUNNING))
    world.emulator.advance(90)
    (ended,) = await console.ended(ids)
    assert ended.phase is Phase.SUCCEEDED, ended.message
    assert len(patches(world)) == 1
    (entry,) = world.entries()
    assert len(world.posts(entry.request_id)) == 1
    await console.until(lambda: console.items[vm.key].size == "Standard_D4s_v5")


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        ("Standard_B4ms", "deallocate it first"),
        ("Standard_F4s_v2", "not available to this subscription in westeurope"),
        ("Standard_A1_v2", "takes no premium disks"),
        ("Standard_D2s_v5", "has the size Standard_D2s_v5 already"),
        ("Standard_Nix", "is no size of westeurope"),
    ],
)
async def test_what_cannot_be_is_refused_before_anything_is_sent(
    world: EngineWorld, size: str, reason: str
) -> None:
    console = await world.filled_console()
    plan = await console.plan("resize-vm", [console.named("web-01").key], {"size": size})
    assert reason in "; ".join(plan.refused)
    assert plan.amend
    with pytest.raises(Refused, match="cannot be started"):
        await console.confirm(plan)
    assert patches(world) == []


async def test_a_full_quota_refuses_the_next_resize_and_the_restore(world: EngineWorld) -> None:
    console = await world.filled_console()
    before = await console.plan("restore-vm", [console.named("sql-02").key])
    assert before.refused == ()
    assert (state_of(before, OFFERED), state_of(before, LEFT)) == (CheckState.OK, CheckState.OK)
    assert "size Standard_E8s_v5" in before.consequences[0]
    assert await resize(world, console, "sql-01", "Standard_E16s_v5") is Phase.SUCCEEDED
    for action, answers in (("restore-vm", {}), ("resize-vm", {"size": "Standard_E16s_v5"})):
        plan = await console.plan(action, [console.named("sql-02").key], answers)
        assert "28 of 32 are in use" in plan.refused[0]
        assert state_of(plan, LEFT) is CheckState.FAILED
    assert len(patches(world)) == 1


async def test_quotas_that_cannot_be_read_are_told_and_not_in_the_way(world: EngineWorld) -> None:
    console = await world.filled_console()
    world.emulator.fault(
        "status", method="GET", path="*/usages*", status=403, code="AuthorizationFailed", count=10
    )
    world.emulator.fault("status", method="GET", path="*/skus*", status=403, code="AuthorizationFailed")
    plan = await console.plan("restore-vm", [console.named("app-01").key])
    assert plan.refused == ()
    assert state_of(plan, OFFERED) is CheckState.UNKNOWN
    plan = await console.plan("resize-vm", [console.named("web-01").key], {"size": "Standard_D4s_v5"})
    assert plan.refused == ()
    assert state_of(plan, LEFT) is CheckState.UNKNOWN


@pytest.mark.parametrize("after", [True, False], ids=["taken", "not taken"])
async def test_a_resize_in_doubt_is_looked_up_and_sent_once(world: EngineWorld, *, after: bool) -> None:
    console = await world.filled_console()
    plan = await console.plan("resize-vm", [console.named("web-01").key], {"size": "Standard_D4s_v5"})
    world.emulator.fault("reset", method="PATCH", path="*/virtualMachines/*", after=after)
    ids = await console.confirm(plan)
    if not after:
        await console.until(lambda: console.phase(ids[0]) is Phase.UNKNOWN)
    ended = await world.goes_on(console, ids[0])
    assert ended.phase is (Phase.SUCCEEDED if after else Phase.NOT_SENT), ended.message
    assert len(patches(world)) == 1


async def test_a_resize_that_fails_says_why(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = console.named("web-01")
    world.emulator.fault(
        "fail-step",
        operation="Resize",
        step=1,
        target=vm.id,
        code="AllocationFailed",
        message="Allocation failed. There is not enough capacity.",
    )
    assert await resize(world, console, "web-01", "Standard_D4s_v5") is Phase.FAILED
    assert console.items[vm.key].size == vm.size
