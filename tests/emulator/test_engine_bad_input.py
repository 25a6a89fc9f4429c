"""What users get wrong and what changes under their hands: a clear line, the state read again, and never
more than one request."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from azure_ops import wire
from azure_ops.errors import NotFound, Refused
from azure_ops.model import CheckState, FleetItem, Operation, Phase

from .engine_world import EngineWorld, Told, point_folders
from .test_engine_operations import finish
from .test_engine_restores import delete_machine, form_of, sent

DAY_S = 86_400


async def outcome(console: Told, ids: tuple[str, ...]) -> Operation:
    (operation,) = await console.ended(ids)
    return operation


def clear(operation: Operation, kind: str) -> str:
    """The one line and the next step of an operation that was refused."""
    assert operation.phase is Phase.FAILED
    assert operation.error is not None
    assert (operation.error.kind, operation.error.title) == (kind, operation.message)
    assert operation.target_name in operation.title
    assert "\n" not in operation.message
    assert operation.error.hint
    return operation.message


async def other_desk(world: EngineWorld, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    """A second operator on another machine: an engine and a journal of their own."""
    point_folders(monkeypatch, folder / "other")
    return await world.filled_console()


def machine(console: Told, name: str = "app-01") -> FleetItem:
    return console.named(name)


# what was right when the plan was made ----------------------------------------------------------------------


async def test_an_expiry_that_passed_while_the_plan_lay_open(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = machine(console)
    plan = await console.plan("backup-now", [vm.key], {"expires": "2026-08-23"})
    assert plan.refused == ()
    world.emulator.advance(DAY_S)
    answer = await console.call(wire.Confirm(plan_id=plan.id))
    assert isinstance(answer, wire.Replanned)
    assert "2026-08-23 is not within the next ten years" in answer.plan.refused[0]
    assert answer.plan.amend
    assert world.emulator.requests() == []
    assert world.entries() == []


@pytest.mark.parametrize("action", ["restore-vm", "restore-disks", "replace-disks"])
async def test_a_point_that_expired_while_the_form_was_open(world: EngineWorld, action: str) -> None:
    console = await world.filled_console()
    vm = machine(console)
    form = await form_of(console, action, vm.key)
    answers = {name: field.default for name, field in form.items()}
    answers["point"] = form["point"].options[-1].value
    world.emulator.advance(40 * DAY_S)
    made = await console.call(wire.MakePlan(action=action, keys=(vm.key,), answers=answers))
    assert isinstance(made, wire.GotPlan)
    assert "has no such recovery point (any more). Choose another point." in made.plan.refused[0]
    assert made.plan.amend
    assert sent(world) == []


async def test_a_point_that_expired_while_the_plan_lay_open(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = machine(console)
    oldest = (await form_of(console, "restore-disks", vm.key))["point"].options[-1].value
    plan = await console.plan("restore-disks", [vm.key], {"point": oldest})
    assert plan.refused == ()
    world.emulator.advance(40 * DAY_S)
    answer = await console.call(wire.Confirm(plan_id=plan.id))
    assert isinstance(answer, wire.Replanned)
    assert any("what was chosen has expired" in change for change in answer.changes)
    assert "has no such recovery point" in answer.plan.refused[0]
    assert sent(world) == []
    assert world.entries() == []


@pytest.mark.parametrize("action", ["backup-now", "snapshot-disks", "replace-disks"])
async def test_a_machine_that_was_deleted_while_its_plan_lay_open(world: EngineWorld, action: str) -> None:
    console = await world.filled_console()
    vm = machine(console)
    plan = await console.plan(action, [vm.key])
    assert plan.refused == ()
    delete_machine(world, vm.name)
    with pytest.raises(NotFound, match=vm.name) as caught:
        await console.confirm(plan)
    assert caught.value.hint
    assert world.entries() == []
    asked = [str(request["path"]).split("?")[0] for request in world.emulator.requests()]
    assert all(path.endswith("/backupValidateOperation") for path in asked)
    await console.call(wire.Refresh(), timeout_s=90)
    await console.until(lambda: not console.items[vm.key].exists)


# what Azure would refuse ------------------------------------------------------------------------------------


async def test_a_network_of_another_region_is_not_taken(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = machine(console)
    offered = (await form_of(console, "restore-vm", vm.key))["subnet"].options
    elsewhere = next(
        f"{network['id']}/subnets/{network['properties']['subnets'][0]['name']}"
        for network in networks(world, vm)
        if network["location"] != vm.location
    )
    assert elsewhere.lower() not in {option.value.lower() for option in offered}
    plan = await console.plan("restore-vm", [vm.key], {"subnet": elsewhere})
    assert "is not one of those that there are now" in plan.refused[0]
    assert plan.amend
    assert sent(world) == []


def networks(world: EngineWorld, vm: FleetItem) -> list[dict[str, Any]]:
    path = f"/subscriptions/{vm.subscription_id}/providers/Microsoft.Network/virtualNetworks"
    found: list[dict[str, Any]] = world.emulator.get(f"{path}?api-version=2024-05-01").body["value"]
    return found


async def test_a_quota_that_was_used_up_after_the_validation(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = machine(console)
    plan = await console.plan("restore-vm", [vm.key])
    world.emulator.fault(
        "status",
        method="POST",
        path="*/restore",
        status=400,
        code="UserErrorCoreCountSubscriptionQuotaReached",
        message="Core Count subscription quota has been reached.",
    )
    line = clear(await outcome(console, await console.confirm(plan)), "QuotaExceeded")
    assert "the core quota of the target region is used up" in line
    assert len(sent(world)) == 1
    assert await console.start("restore-vm", [vm.key]), "the target is free again"


async def test_a_name_that_was_taken_after_the_plan(
    world: EngineWorld, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = await world.filled_console()
    vm = machine(console)
    plan = await console.plan("restore-vm", [vm.key])
    other = await other_desk(world, folder, monkeypatch)
    ids = await other.start("restore-vm", [machine(other, "app-02").key], {"name": f"{vm.name}-restored"})
    await other.until(lambda: ids[0] in other.operations and other.operations[ids[0]].job_id)
    world.emulator.advance(7200)
    await other.ended(ids)
    refused = await outcome(console, await console.confirm(plan))
    clear(refused, "InvalidState")
    assert len(sent(world)) == 2
    await console.call(wire.Refresh())
    again = await console.plan("restore-vm", [vm.key], {"name": f"{vm.name}-restored"})
    assert "already; choose another name" in again.refused[0]


async def test_a_snapshot_name_that_is_taken_is_never_overwritten(world: EngineWorld) -> None:
    """Two plans of one second give one name: the second must not change the first one's snapshot."""
    console = await world.filled_console()
    vm = machine(console, "jump-01")
    plans = [await console.plan("snapshot-disks", [vm.key]) for _ in range(2)]
    (one,) = await finish(world, console, await console.confirm(plans[0]), 60)
    (two,) = await finish(world, console, await console.confirm(plans[1]), 60)
    assert one.phase is Phase.SUCCEEDED
    assert two.phase is Phase.SUCCEEDED
    paths = [str(request["path"]) for request in world.emulator.requests()]
    assert len(set(paths)) == len(paths) == 2


# two operators ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "name", "ending", "kind"),
    [
        ("backup-now", "mon-01", "/backup", "Busy"),
        ("replace-disks", "app-01", "/restore", "Busy"),
        ("failover", "app-01", "/unplannedFailover", "Busy"),
    ],
)
async def test_two_operators_with_engines_of_their_own_press_at_once(
    world: EngineWorld,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
    name: str,
    ending: str,
    kind: str,
) -> None:
    one = await world.filled_console()
    two = await other_desk(world, folder, monkeypatch)
    assert one.pid != two.pid
    key = one.named(name).key
    plans = [await one.plan(action, [key]), await two.plan(action, [key])]
    answers = await asyncio.gather(
        *(desk.confirm(plan) for desk, plan in zip((one, two), plans, strict=True))
    )
    desks = {answer[0]: desk for answer, desk in zip(answers, (one, two), strict=True)}
    for id_, desk in desks.items():
        await desk.until(lambda id_=id_, desk=desk: desk.phase(id_) in (Phase.RUNNING, Phase.FAILED))  # type: ignore[misc]
    (refused,) = [desk.operations[id_] for id_, desk in desks.items() if desk.phase(id_) is Phase.FAILED]
    clear(refused, kind)
    posts = [
        request
        for request in world.emulator.requests()
        if str(request["path"]).split("?")[0].endswith(ending)
    ]
    assert sorted(int(str(request["status"])) // 100 for request in posts) == [2, 4]
    loser = desks[refused.id]
    if action != "failover":
        await loser.until(
            lambda: any(job.target_key == key and not job.state.ended for job in loser.jobs.values())
        )
    assert await says_why_not(loser, action, key)
    assert len(posts) == 2


async def says_why_not(console: Told, action: str, key: str) -> bool:
    """The next plan names what runs, or is not made for it."""
    try:
        plan = await console.plan(action, [key])
    except Refused as problem:
        return "not possible now" in problem.title or "still runs" in problem.title
    said = [*plan.refused, *(each.detail for each in plan.checks if each.state is not CheckState.OK)]
    return any("since" in line or "is running" in line or "still runs" in line for line in said)
