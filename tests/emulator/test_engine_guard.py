"""A Resource Guard in the way: told in the plan, named in the request, and which right on it is missing."""

from __future__ import annotations

import json

import pytest

from azure_ops.model import Check, CheckState, Phase, Plan

from ..support import GUARDED_CLIENT_ID
from .engine_world import EngineWorld
from .protection_steps import backup_of, body_of, do, done, set_guard, shorter_policy

RIGHT = "Microsoft.DataProtection/resourceGuards/deleteProtectedItemRequests/read"


def near_guard(world: EngineWorld) -> str:
    """In a subscription of this tenant, where one's rights can be asked for."""
    group = f"/subscriptions/{world.emulator.subscription_ids[1]}/resourceGroups/rg-recovery-dev"
    return f"{group}/providers/Microsoft.DataProtection/resourceGuards/guard"


def guard_check(plan: Plan) -> Check:
    return next(check for check in plan.checks if check.label == "Resource Guard")


async def test_a_guard_is_named_where_it_can_be(world: EngineWorld) -> None:
    console = await world.filled_console()
    requests = set_guard(world, backup_of(console, "app-01").vault_id, near_guard(world))
    key = console.named("app-01").key
    shorter = await console.plan("change-policy", [key], {"policy": shorter_policy(world, console)})
    assert "23 of 30 recovery points are older than the 7 days of shorter" in shorter.losses[0]
    for plan, operation in (
        (shorter, "protectedItems/write"),
        (await console.plan("stop-protection", [key]), "#stopProtectionWithRetainData"),
    ):
        named = next(value for name, value in requests.items() if name.endswith(operation))
        assert body_of(plan)["resourceGuardOperationRequests"] == [named]
        assert guard_check(plan).state is CheckState.WARNING
    await do(world, console, "stop-protection", "app-01")


async def test_a_deletion_is_unlocked_at_the_guard_and_then_sent_once(world: EngineWorld) -> None:
    console = await world.filled_console()
    vault_id, item_id = backup_of(console, "app-01").vault_id, backup_of(console, "app-01").item_id
    requests = set_guard(world, vault_id, near_guard(world))
    before = len(world.emulator.requests())
    plan = await console.plan("delete-backups", [console.named("app-01").key])
    assert [request.method for request in plan.requests] == ["POST", "DELETE"], "both are shown"
    wanted = next(value for name, value in requests.items() if name.endswith("protectedItems/delete"))
    assert json.loads(plan.requests[0].body) == {
        "resourceGuardOperationRequests": [wanted],
        "resourceToBeDeleted": item_id,
    }
    assert RIGHT in guard_check(plan).detail
    (operation,) = await done(world, console, await console.confirm(plan))
    assert operation.phase is Phase.SUCCEEDED, operation.message
    sent = [
        (one["method"], str(one["path"]).rsplit("/", 1)[-1]) for one in world.emulator.requests()[before:]
    ]
    assert [method for method, _ in sent] == ["POST", "DELETE"]
    assert sent[0][1].startswith("unlockDelete")
    await console.until(lambda: backup_of(console, "app-01").soft_deleted)


async def test_who_has_no_right_on_the_guard_is_told_which_and_whom_to_ask(
    world: EngineWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_CLIENT_ID", GUARDED_CLIENT_ID)
    console = await world.filled_console()
    set_guard(world, backup_of(console, "app-01").vault_id, near_guard(world))
    before = len(world.emulator.requests())
    plan = await console.plan("delete-backups", [console.named("app-01").key])
    check = guard_check(plan)
    assert check.state is CheckState.FAILED
    assert RIGHT in check.detail
    assert f"resource group rg-recovery-dev, subscription {world.emulator.subscription_ids[1]}" in check.fix
    (refused,) = await console.ended(await console.confirm(plan))
    assert refused.phase is Phase.FAILED
    assert refused.error is not None
    assert refused.error.kind == "NotAllowed"
    assert RIGHT in refused.error.title + refused.error.hint
    assert [one["method"] for one in world.emulator.requests()[before:]] == ["POST"], "nothing is deleted"
    assert not backup_of(console, "app-01").soft_deleted


async def test_rights_on_a_guard_of_another_tenant_are_left_to_azure(world: EngineWorld) -> None:
    console = await world.filled_console()
    set_guard(world, backup_of(console, "app-01").vault_id)
    plan = await console.plan("delete-backups", [console.named("app-01").key])
    assert guard_check(plan).state is CheckState.UNKNOWN
    assert "rg-guard" in guard_check(plan).fix
    assert plan.refused == ()


async def test_an_unlocking_whose_answer_was_lost_deletes_nothing(world: EngineWorld) -> None:
    console = await world.filled_console()
    set_guard(world, backup_of(console, "app-01").vault_id, near_guard(world))
    plan = await console.plan("delete-backups", [console.named("app-01").key])
    world.emulator.fault("reset", method="POST", path="*/unlockDelete", after=True)
    before = len(world.emulator.requests())
    (id_,) = await console.confirm(plan)
    await console.until(lambda: console.phase(id_) is Phase.UNKNOWN)
    world.emulator.advance(150)
    (operation,) = await console.ended([id_])
    assert operation.phase is Phase.NOT_SENT
    assert [one["method"] for one in world.emulator.requests()[before:]] == ["POST"]
    assert not backup_of(console, "app-01").soft_deleted
