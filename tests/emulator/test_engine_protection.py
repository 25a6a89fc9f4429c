"""Protection through the engine, each action from plan to end: enabled, changed, stopped, resumed."""

from __future__ import annotations

import pytest

from azure_ops import wire
from azure_ops.errors import Refused
from azure_ops.model import DiskChoice, Phase, Risk

from .engine_world import EngineWorld
from .protection_steps import (
    backup_of,
    body_of,
    do,
    done,
    form,
    only_request_of,
    policy_named,
    set_immutability,
)

# enabling ---------------------------------------------------------------------------------------------------


async def test_a_vm_is_protected_and_waits_for_its_first_backup(world: EngineWorld) -> None:
    console = await world.filled_console()
    asked = await form(console, "protect", "jump-01")
    (policy,) = asked.fields
    assert [option.label for option in policy.options] == [
        f"{vault} · {policy}"
        for vault in ("rsv-weu", "rsv-weu-guarded", "rsv-weu-zrs")
        for policy in ("DefaultPolicy", "EnhancedPolicy")
    ]
    notes = [option.note for option in policy.options]
    assert notes[0].startswith(
        "daily at 12:00 UTC; instant restore 2 days; keeps daily points 30 days; standard"
    )
    assert notes[1].startswith("every 4 h from 12:00 UTC for 12 h; ")
    plan = await console.plan("protect", [console.named("jump-01").key])
    assert plan.refused == ()
    assert plan.risk is Risk.COSTS
    assert any("first backup" in line for line in plan.consequences)
    assert world.emulator.requests() == [], "making a plan changes nothing"
    assert body_of(plan) == {
        "protectedItemType": "Microsoft.Compute/virtualMachines",
        "sourceResourceId": console.named("jump-01").id,
        "policyId": policy.default,
    }
    ids = await console.confirm(plan)
    (operation,) = await done(world, console, ids)
    assert operation.phase is Phase.SUCCEEDED, operation.message
    assert operation.job is not None
    assert operation.job.operation == "ConfigureBackup"
    assert only_request_of(world, operation)["method"] == "PUT"
    await console.until(lambda: console.named("jump-01").backup is not None)
    assert backup_of(console, "jump-01").protection_state == "IRPending"
    with pytest.raises(Refused, match="protected by rsv-weu already"):
        await console.plan("protect", [console.named("jump-01").key])


async def test_a_new_item_shows_before_the_fleet_query_knows_it(world: EngineWorld) -> None:
    console = await world.filled_console()
    world.emulator.fault("status", method="POST", path="*/resources", status=503, count=100)
    plan = await console.call(
        wire.MakePlan(
            action="protect",
            keys=(console.named("jump-01").key,),
            answers={"policy": policy_named(console, "DefaultPolicy")},
        )
    )
    assert isinstance(plan, wire.GotPlan)
    assert "cannot be made" in plan.plan.refused[0], "the vaults of the fleet are asked, too"
    world.emulator.clear_faults()
    ids = await console.start("protect", [console.named("jump-01").key])
    world.emulator.fault("status", method="POST", path="*/resources", status=503, count=100)
    await done(world, console, ids)
    await console.until(lambda: console.named("jump-01").backup is not None)
    assert backup_of(console, "jump-01").protection_state == "IRPending"


async def test_disks_are_chosen_by_lun(world: EngineWorld) -> None:
    console = await world.filled_console()
    sql = console.named("sql-01")
    asked = await form(console, "change-policy", "sql-01")
    assert [field.id for field in asked.fields] == ["policy", "disks", "leave-out"]
    assert asked.fields[1].options[0].note == "all disks"
    assert [option.label for option in asked.fields[0].options] == ["rsv-weu · EnhancedPolicy (now)"]
    nothing = await console.plan("change-policy", [sql.key])
    assert "in force already" in nothing.refused[0]
    plan = await console.plan("change-policy", [sql.key], {"disks": "all", "leave-out": "0, 2"})
    assert body_of(plan)["extendedProperties"] == {
        "diskExclusionProperties": {"diskLunList": [0, 2], "isInclusionList": False}
    }
    assert "LUN 0 (" in plan.losses[0]
    await done(world, console, await console.confirm(plan))
    await console.until(lambda: backup_of(console, "sql-01").disks == DiskChoice(luns=(0, 2)))
    await do(world, console, "change-policy", "sql-01", {"disks": "os"})
    await console.until(lambda: backup_of(console, "sql-01").disks == DiskChoice(only_these=True))
    await do(world, console, "change-policy", "sql-01", {"disks": "all"})
    await console.until(lambda: backup_of(console, "sql-01").disks is None)
    for answers in ({"disks": "all", "leave-out": "9"}, {"disks": "os", "leave-out": "0"}):
        assert (await console.plan("change-policy", [sql.key], answers)).refused


async def test_a_policy_is_changed_and_there_is_no_way_back_from_an_enhanced_one(world: EngineWorld) -> None:
    console = await world.filled_console()
    enhanced = policy_named(console, "EnhancedPolicy")
    plan = await console.plan("change-policy", [console.named("app-01").key], {"policy": enhanced})
    assert plan.confirm_name == "app-01"
    assert any("no way back" in line for line in plan.losses)
    await done(world, console, await console.confirm(plan))
    await console.until(lambda: backup_of(console, "app-01").policy_name == "EnhancedPolicy")
    back = {"policy": policy_named(console, "DefaultPolicy")}
    assert (
        "no way back" in (await console.plan("change-policy", [console.named("app-01").key], back)).refused[0]
    )
    other = {"policy": policy_named(console, "DefaultPolicy", "rsv-neu")}
    elsewhere = await console.plan("change-policy", [console.named("app-01").key], other)
    assert "it is protected by rsv-weu" in elsewhere.refused[0]


async def test_several_rows_are_protected_by_one_plan(world: EngineWorld) -> None:
    console = await world.filled_console()
    keys = [console.named(name).key for name in ("jump-01", "dc-01", "build-02")]
    plan = await console.plan("protect", keys, {"policy": policy_named(console, "DefaultPolicy")})
    assert set(plan.names) == {"jump-01", "dc-01"}
    alone = await console.plan("protect", [console.named("build-02").key])
    assert any("stays deallocated" in line for line in alone.consequences)
    assert any(
        line.startswith("Left out: build-02: rsv-weu is not in its region") for line in plan.consequences
    )
    ended = await done(world, console, await console.confirm(plan))
    assert [operation.phase for operation in ended] == [Phase.SUCCEEDED] * 2
    assert len(world.emulator.requests()) == 2


async def test_without_a_vault_in_its_region_nothing_is_asked(world: EngineWorld) -> None:
    console = await world.filled_console()
    with pytest.raises(Refused, match="no Recovery Services vault in eastus"):
        await console.plan("protect", [console.named("shop-01").key])
    assert world.emulator.requests() == []


# stopping and resuming --------------------------------------------------------------------------------------


async def test_stopped_with_its_data_kept_and_resumed(world: EngineWorld) -> None:
    console = await world.filled_console()
    plan = await console.plan("stop-protection", [console.named("app-01").key])
    assert (plan.risk, plan.confirm_name) == (Risk.CHANGES, "app-01")
    assert "no backup" in plan.losses[0]
    assert any("30 recovery points" in line for line in plan.consequences)
    (stop,) = await done(world, console, await console.confirm(plan))
    assert stop.phase is Phase.SUCCEEDED
    assert stop.job is not None
    assert stop.job.operation == "DisableBackup"
    await console.until(lambda: backup_of(console, "app-01").stopped)
    for action, reason in (
        ("stop-protection", "stopped already"),
        ("change-policy", "resume it with the policy"),
        ("backup-now", "resume it first"),
        ("protect", "still holds its backups"),
    ):
        with pytest.raises(Refused, match=reason):
            await console.plan(action, [console.named("app-01").key])

    world.emulator.advance(20 * 86400)
    resume = await console.plan("resume-protection", [console.named("app-01").key])
    assert "Azure removes what is older" in resume.losses[0]
    await done(world, console, await console.confirm(resume))
    await console.until(lambda: not backup_of(console, "app-01").stopped)
    assert backup_of(console, "app-01").policy_name == "DefaultPolicy"


async def test_points_expire_while_suspended_in_an_immutable_vault_only(world: EngineWorld) -> None:
    console = await world.filled_console()
    key = console.named("app-01").key
    assert (await form(console, "stop-protection", "app-01")).fields == ()
    denied = await console.plan("stop-protection", [key], {"keep": "as-policy"})
    assert "not immutable" in denied.refused[0]
    set_immutability(world, backup_of(console, "app-01").vault_id, "Unlocked")
    await do(world, console, "stop-protection", "app-01", {"keep": "as-policy"})
    await console.until(lambda: backup_of(console, "app-01").protection_state == "BackupsSuspended")
    await do(world, console, "resume-protection", "app-01")
    await console.until(lambda: backup_of(console, "app-01").protection_state == "Protected")


async def test_what_a_plan_saw_of_the_policy_must_still_be_so(world: EngineWorld) -> None:
    console = await world.filled_console()
    item = console.named("app-01")
    plan = await console.plan("stop-protection", [item.key])
    body = {
        "properties": {
            "protectedItemType": "Microsoft.Compute/virtualMachines",
            "sourceResourceId": item.id,
            "policyId": policy_named(console, "EnhancedPolicy"),
        }
    }
    assert world.emulator.request("PUT", backup_of(console, "app-01").item_id, body).status == 202
    world.emulator.advance(5)
    answer = await console.call(wire.Confirm(plan_id=plan.id, typed="app-01"))
    assert isinstance(answer, wire.Replanned)
    assert any("backup policy was DefaultPolicy, is EnhancedPolicy now" in line for line in answer.changes)
    assert world.entries() == []
