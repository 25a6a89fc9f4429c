"""Restores through the engine: what the form offers, what the service says beforehand, exactly one request,
and what is in the world afterwards."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from typing import Any

import pytest

from azure_ops import wire
from azure_ops.errors import Busy, Refused
from azure_ops.model import CheckState, FleetItem, Operation, Phase, Plan, Risk

from .engine_world import EngineWorld, Told

ACTIONS = ("restore-disks", "restore-vm", "replace-disks")
VALIDATED = "Azure Backup would carry it out"


async def form_of(console: Told, action: str, key: str) -> dict[str, Any]:
    prepared = await console.call(wire.Prepare(action=action, keys=(key,)))
    assert isinstance(prepared, wire.Prepared)
    return {field.id: field for field in prepared.form.fields}


async def finish(world: EngineWorld, console: Told, ids: tuple[str, ...], seconds: float) -> Operation:
    await console.until(lambda: ids[0] in console.operations and console.operations[ids[0]].job_id)
    for _ in range(12):
        world.emulator.advance(seconds / 12)
    (ended,) = await console.ended(ids)
    return ended


def sent(world: EngineWorld) -> list[str]:
    """The bodies' kind is told by the path: validations are no restores."""
    paths = [str(request["path"]).split("?")[0] for request in world.emulator.requests()]
    return [path for path in paths if path.endswith("/restore")]


def disks_in(world: EngineWorld, group_id: str) -> dict[str, dict[str, Any]]:
    answer = world.emulator.get(f"{group_id}/providers/Microsoft.Compute/disks")
    return {disk["name"]: disk for disk in answer.body["value"]}


def body_of(plan: Plan) -> dict[str, Any]:
    properties: dict[str, Any] = json.loads(plan.requests[0].body)["properties"]
    return properties


def other_group(form: dict[str, Any], name: str = "rg-recovery") -> str:
    return next(option.value for option in form["group"].options if option.label == name)


def verdict(plan: Plan) -> CheckState:
    return next(check.state for check in plan.checks if check.label == VALIDATED)


def vm_with_disks(console: Told) -> FleetItem:
    return console.named("app-01")


async def test_disks_are_restored_into_the_chosen_group(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = vm_with_disks(console)
    form = await form_of(console, "restore-disks", vm.key)
    assert list(form) == ["where", "point", "disks", "group", "account"]
    assert form["group"].options[-1].value == ""
    assert form["group"].default.lower().endswith(f"/{vm.resource_group.lower()}")
    assert "snapshot" in form["point"].options[0].label
    assert form["point"].options[0].note.startswith("loses the ")
    assert all(option.note.startswith("Standard") for option in form["account"].options)
    group = other_group(form)
    before = disks_in(world, group)

    plan = await console.plan("restore-disks", [vm.key], {"group": group})
    assert plan.refused == ()
    assert plan.risk is Risk.COSTS
    assert verdict(plan) is CheckState.OK
    assert any("It costs: about" in line for line in plan.consequences)
    assert any(line.endswith("recoveryPoints/restore/action") for line in plan.permissions)
    assert body_of(plan)["recoveryType"] == "RestoreDisks"
    assert "restoreDiskLunList" not in body_of(plan)
    assert sent(world) == []

    ids = await console.confirm(plan)
    operation = await finish(world, console, ids, 120)
    assert operation.phase is Phase.SUCCEEDED, operation.message
    assert len(disks_in(world, group).keys() - before.keys()) == len(vm.disks)
    assert len(sent(world)) == 1
    (entry,) = world.entries()
    assert len(world.posts(entry.request_id)) == 1
    assert operation.job is not None
    assert operation.job.properties["Target resource group"] == "rg-recovery"
    assert operation.job.properties["Create VM Template Blob Uri"].endswith(".json")
    made = {output.value.rsplit("/", 1)[-1] for output in operation.outputs if output.label == "Disk"}
    assert made == disks_in(world, group).keys() - before.keys()
    assert "Template" in [output.label for output in operation.outputs]
    assert operation.answers["group"] == group
    assert entry.answers == operation.answers


async def test_the_os_disk_alone(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = vm_with_disks(console)
    group = other_group(await form_of(console, "restore-disks", vm.key))
    before = disks_in(world, group)
    plan = await console.plan("restore-disks", [vm.key], {"group": group, "disks": ""})
    assert body_of(plan)["restoreDiskLunList"] == []
    operation = await finish(world, console, await console.confirm(plan), 120)
    assert operation.phase is Phase.SUCCEEDED
    (made,) = disks_in(world, group).keys() - before.keys()
    assert "-osdisk-" in made


async def test_a_new_vm_appears_in_the_fleet(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = vm_with_disks(console)
    form = await form_of(console, "restore-vm", vm.key)
    assert form["name"].default == f"{vm.name}-restored"
    assert " / " in form["subnet"].options[0].label
    plan = await console.plan("restore-vm", [vm.key])
    assert plan.refused == ()
    assert verdict(plan) is CheckState.OK
    twin = next(check for check in plan.checks if check.label == "It does not meet its twin")
    assert twin.state is CheckState.WARNING
    assert vm.name in twin.detail
    operation = await finish(world, console, await console.confirm(plan), 400)
    assert operation.phase is Phase.SUCCEEDED, operation.message
    assert operation.job is not None
    assert operation.job.properties["Target VM Name"] == f"{vm.name}-restored"
    await console.until(lambda: f"{vm.key}-restored" in console.items)
    assert len(console.items[f"{vm.key}-restored"].disks) == len(vm.disks)
    assert len(sent(world)) == 1


def delete_machine(world: EngineWorld, name: str) -> None:
    """Behind the emulator's back: it does not serve this itself."""
    emulator = world.emulator
    emulator.stop()
    with contextlib.closing(sqlite3.connect(emulator.state_dir / "world.sqlite")) as store, store:
        gone = store.execute(
            "DELETE FROM records WHERE kind = 'VirtualMachine' AND lower(id) LIKE ?", (f"%/{name}",)
        )
        assert gone.rowcount == 1
    emulator.restart()
    assert emulator.endpoint == world.settings.arm_endpoint


async def test_a_machine_that_is_gone_comes_back(world: EngineWorld) -> None:
    delete_machine(world, "app-01")
    console = await world.filled_console()
    gone = next(item for item in console.items.values() if item.name == "app-01")
    assert not gone.exists
    plan = await console.plan("restore-vm", [gone.key])
    assert plan.refused == (), plan.refused
    assert "app-01 stays gone." in plan.consequences
    operation = await finish(world, console, await console.confirm(plan), 7200)
    assert operation.phase is Phase.SUCCEEDED, operation.message
    await console.until(
        lambda: any(item.name == f"{gone.name}-restored" and item.exists for item in console.items.values())
    )


@pytest.mark.parametrize("name", ["", "-web", "web_01", "w" * 65, "web 01"])
async def test_a_name_that_cannot_be_is_refused(world: EngineWorld, name: str) -> None:
    console = await world.filled_console()
    plan = await console.plan("restore-vm", [vm_with_disks(console).key], {"name": name})
    assert "is no name for a VM" in plan.refused[0]
    assert plan.amend


async def test_a_name_that_is_taken_is_refused_before_anything_is_asked(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = vm_with_disks(console)
    plan = await console.plan("restore-vm", [vm.key], {"name": vm.name.upper()})
    assert "already; choose another name" in plan.refused[0]
    assert plan.amend
    with pytest.raises(Refused, match="cannot be started"):
        await console.confirm(plan)
    assert world.emulator.requests() == []


@pytest.mark.parametrize("action", ACTIONS)
async def test_what_the_validation_says_refuses_the_plan(world: EngineWorld, action: str) -> None:
    console = await world.filled_console()
    vm = vm_with_disks(console)
    world.emulator.fault(
        "fail-step",
        operation="ValidateOperation",
        step=1,
        target=vm.id,
        code="UserErrorCoreCountSubscriptionQuotaReached",
        message="Core Count subscription quota has been reached.",
    )
    plan = await console.plan(action, [vm.key])
    assert plan.refused[0].startswith(f"{vm.name}: Azure Backup says: Core Count subscription quota")
    assert verdict(plan) is CheckState.FAILED
    with pytest.raises(Refused, match="cannot be started"):
        await console.confirm(plan)
    assert sent(world) == []
    assert world.entries() == []


async def test_a_validation_that_does_not_answer_is_told_and_not_in_the_way(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = vm_with_disks(console)
    world.emulator.fault("status", method="POST", path="*/backupValidateOperation", status=503, count=10)
    plan = await console.plan("restore-disks", [vm.key])
    assert plan.refused == ()
    assert verdict(plan) is CheckState.UNKNOWN


async def test_a_place_that_is_not_in_the_list_is_refused(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = vm_with_disks(console)
    for answers in ({"account": "/x/nowhere"}, {"group": "/x/nowhere"}, {"point": "12"}):
        plan = await console.plan("restore-disks", [vm.key], answers)
        assert plan.refused
        assert plan.amend
    assert world.emulator.requests() == []


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("after", [True, False], ids=["taken", "not taken"])
async def test_a_restore_in_doubt_is_looked_up_and_sent_once(
    world: EngineWorld, action: str, *, after: bool
) -> None:
    console = await world.filled_console()
    plan = await console.plan(action, [vm_with_disks(console).key])
    world.emulator.fault("reset", method="POST", path="*/restore", after=after)
    ids = await console.confirm(plan)
    if after:
        operation = await finish(world, console, ids, 3600)
        assert operation.phase is Phase.SUCCEEDED, operation.message
    else:
        await console.until(lambda: console.phase(ids[0]) is Phase.UNKNOWN)
        world.emulator.advance(150)
        (operation,) = await console.ended(ids)
        assert operation.phase is Phase.NOT_SENT
    assert len(sent(world)) == 1


async def test_a_restore_that_fails_says_why(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = vm_with_disks(console)
    world.emulator.fault("fail-step", operation="Restore", step=1, target=vm.id)
    operation = await finish(world, console, await console.start("restore-disks", [vm.key]), 400)
    assert operation.phase is Phase.FAILED
    assert operation.error is not None
    assert operation.error.title.startswith(f"Restore of disks of {vm.name} failed")


async def test_disks_are_replaced_and_the_old_ones_stay_behind(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = vm_with_disks(console)
    assert list(await form_of(console, "replace-disks", vm.key)) == ["point", "account"]
    plan = await console.plan("replace-disks", [vm.key])
    assert plan.refused == ()
    assert (plan.risk, plan.confirm_name) == (Risk.CHANGES, vm.name)
    assert plan.losses[0].startswith("app-01 forgets what was written after ")
    assert any(vm.disks[0].name in line and "stay behind" in line for line in plan.consequences)
    assert verdict(plan) is CheckState.OK
    assert "targetResourceGroupId" not in body_of(plan)
    with pytest.raises(Refused, match="name was not typed"):
        await console.call(wire.Confirm(plan_id=plan.id, typed="", understood=True))
    assert sent(world) == []
    operation = await finish(world, console, await console.confirm(plan), 3600)
    assert operation.phase is Phase.SUCCEEDED, operation.message
    old = {disk.id.lower() for disk in vm.disks}
    now = await console.call(wire.GetDetails(key=vm.key, fresh=True))
    assert isinstance(now, wire.GotDetails)
    assert not old & {disk.id.lower() for disk in now.details.item.disks}
    assert len(now.details.item.disks) == len(vm.disks)
    left = disks_in(world, vm.id.split("/providers/")[0])
    states = {disk["properties"]["diskState"] for disk in left.values() if disk["id"].lower() in old}
    assert states == {"Unattached"}
    assert len(sent(world)) == 1


async def test_nothing_is_replaced_while_a_backup_runs(world: EngineWorld) -> None:
    first, second = await world.filled_console(), await world.filled_console()
    vm = vm_with_disks(first)
    plan = await second.plan("replace-disks", [vm.key])
    ids = await first.start("backup-now", [vm.key])
    await first.until(lambda: ids[0] in first.operations and first.operations[ids[0]].job_id)
    await first.until(lambda: first.operations[ids[0]].job_id.lower() in first.jobs)
    with pytest.raises(Busy, match="is held"):
        await second.confirm(plan)
    refused = await second.plan("replace-disks", [vm.key])
    assert "is running; wait for its end" in refused.refused[0]
    assert sent(world) == []


async def test_a_point_in_the_archive_alone_is_rehydrated_and_restored(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = next(one for one in console.items.values() if one.name == "file-01" and one.backup is not None)
    form = await form_of(console, "restore-disks", vm.key)
    assert form["rehydration"].default == "Standard"
    assert [option.value for option in form["rehydrated-days"].options] == ["10", "15", "20", "30"]
    archived = [option for option in form["point"].options if "rehydrated first" in option.note]
    assert archived
    answers = {"group": other_group(form), "point": archived[0].value}
    without = await console.plan("restore-disks", [vm.key], answers | {"rehydration": ""})
    assert "choose how to rehydrate it" in without.refused[0]
    wrong = await console.plan("restore-disks", [vm.key], answers | {"rehydrated-days": "5"})
    assert "is not rehydrated" in wrong.refused[0]
    ordinary = await console.plan("restore-disks", [vm.key], {"group": answers["group"]})
    assert body_of(ordinary)["objectType"] == "IaasVMRestoreRequest"

    plan = await console.plan("restore-disks", [vm.key], answers | {"rehydrated-days": "15"})
    assert plan.refused == ()
    assert verdict(plan) is CheckState.OK
    assert any("up to 15 hours" in line for line in plan.consequences)
    assert any("stays rehydrated for 15 days" in line for line in plan.consequences)
    assert body_of(plan)["recoveryPointRehydrationInfo"] == {
        "rehydrationRetentionDuration": "P15D",
        "rehydrationPriority": "Standard",
    }
    ids = await console.confirm(plan)
    operation = await finish(world, console, ids, 16 * 3600)
    assert operation.phase is Phase.SUCCEEDED, operation.message
    assert len(sent(world)) == 1
    again = await form_of(console, "restore-disks", vm.key)
    notes = {option.value: option.note for option in again["point"].options}
    assert "rehydrated first" not in notes[answers["point"]]
