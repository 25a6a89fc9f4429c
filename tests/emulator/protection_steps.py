"""Steps that tests of protection through the engine share."""

from __future__ import annotations

import json
from typing import Any

from azure_ops import wire
from azure_ops.model import Backup, Form, Operation, Phase, Plan

from .engine_world import EngineWorld, Told

GUARD = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-guard/providers/"
    "Microsoft.DataProtection/resourceGuards/guard"
)


async def form(console: Told, action: str, *names: str) -> Form:
    keys = tuple(console.named(name).key for name in names)
    prepared = await console.call(wire.Prepare(action=action, keys=keys))
    assert isinstance(prepared, wire.Prepared)
    return prepared.form


def policy_named(console: Told, name: str, vault: str = "rsv-weu") -> str:
    vault_id = next(
        item.backup.vault_id
        for item in console.items.values()
        if item.backup and item.backup.vault_name == vault
    )
    return f"{vault_id}/backupPolicies/{name}"


async def done(world: EngineWorld, console: Told, ids: tuple[str, ...]) -> list[Operation]:
    """The operation tells its job when the work is done: time has to pass for that, and then for the job."""
    await console.until(
        lambda: all(console.phase(id_) not in (None, Phase.INTENDED, Phase.UNKNOWN) for id_ in ids)
    )
    world.emulator.advance(62)
    return await console.ended(ids)


async def do(
    world: EngineWorld, console: Told, action: str, name: str, answers: dict[str, str] | None = None
) -> Operation:
    (operation,) = await done(world, console, await console.start(action, [console.named(name).key], answers))
    assert operation.phase is Phase.SUCCEEDED, (operation.message, operation.error)
    only_request_of(world, operation)
    return operation


def only_request_of(world: EngineWorld, operation: Operation) -> dict[str, Any]:
    entry = next(entry for entry in world.entries() if entry.id == operation.id)
    (found,) = world.posts(entry.request_id)
    assert entry.phase == operation.phase
    return found


def backup_of(console: Told, name: str) -> Backup:
    found = console.named(name).backup
    assert found is not None
    return found


def set_immutability(world: EngineWorld, vault_id: str, state: str) -> None:
    body = {"properties": {"securitySettings": {"immutabilitySettings": {"state": state}}}}
    assert world.emulator.request("PATCH", vault_id, body).status == 202
    world.emulator.advance(10)


def set_guard(world: EngineWorld, vault_id: str, guard: str = GUARD) -> dict[str, str]:
    """The guard's resource for each operation. `GUARD` is in a subscription that nobody here can see."""
    url = f"{vault_id}/backupResourceGuardProxies/VaultProxy"
    put = world.emulator.request("PUT", url, {"properties": {"resourceGuardResourceId": guard}})
    details = put.body["properties"]["resourceGuardOperationDetails"]
    return {one["vaultCriticalOperation"]: one["defaultResourceRequest"] for one in details}


def body_of(plan: Plan) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(plan.requests[0].body)["properties"]
    return found


def shorter_policy(world: EngineWorld, console: Told) -> str:
    """Like DefaultPolicy, for seven days."""
    properties = world.emulator.get(policy_named(console, "DefaultPolicy")).body["properties"]
    properties["retentionPolicy"]["dailySchedule"]["retentionDuration"]["count"] = 7
    policy_id = policy_named(console, "shorter")
    assert world.emulator.request("PUT", policy_id, {"properties": properties}).status == 200
    return policy_id
