"""Backups deleted and brought back through the engine; refusals, before or by the service; and doubt."""

from __future__ import annotations

import json
from typing import Any

import pytest

from azure_ops import wire
from azure_ops.errors import NotFound, RecoveryError, Refused
from azure_ops.model import Phase, Risk

from ..support import READER_CLIENT_ID
from .engine_world import EngineWorld, Told, kill
from .protection_steps import (
    backup_of,
    do,
    done,
    only_request_of,
    policy_named,
    set_immutability,
    shorter_policy,
)

# deleting and undeleting ------------------------------------------------------------------------------------


async def test_deleted_and_brought_back(world: EngineWorld) -> None:
    console = await world.filled_console()
    key = console.named("app-01").key
    plan = await console.plan("delete-backups", [key])
    assert (plan.risk, plan.confirm_name) == (Risk.DESTROYS, "app-01")
    assert "30 recovery points, 2026-07-24 to 2026-08-22" in plan.losses[0]
    assert plan.losses[1].startswith("Soft delete keeps them until 2026-09-05 14:00 UTC (14 days)")
    assert (plan.requests[0].method, plan.requests[0].body) == ("DELETE", "")
    with pytest.raises(Refused):
        await console.call(wire.Confirm(plan_id=plan.id, typed="app-01"))
    (deletion,) = await done(world, console, await console.confirm(plan))
    assert deletion.phase is Phase.SUCCEEDED, deletion.message
    assert deletion.job is not None
    assert deletion.job.operation == "DeleteBackupData"
    assert only_request_of(world, deletion)["method"] == "DELETE"
    await console.until(lambda: backup_of(console, "app-01").soft_deleted)
    purged_at = backup_of(console, "app-01").purged_at
    assert purged_at is not None
    assert purged_at.isoformat().startswith("2026-09-05T14:0")
    for action in ("delete-backups", "stop-protection", "resume-protection", "change-policy", "protect"):
        with pytest.raises(Refused, match="deleted"):
            await console.plan(action, [key])

    plan = await console.plan("undelete-backups", [key])
    assert "until 2026-09-05" in next(check.detail for check in plan.checks if check.label == "Still kept")
    (undeletion,) = await done(world, console, await console.confirm(plan))
    assert undeletion.phase is Phase.SUCCEEDED
    await console.until(lambda: not backup_of(console, "app-01").soft_deleted)
    assert backup_of(console, "app-01").stopped
    await do(world, console, "resume-protection", "app-01")
    await console.until(lambda: backup_of(console, "app-01").protection_state == "Protected")


async def test_marked_rows_are_deleted_by_one_plan_and_undeleted_though_an_answer_was_lost(
    world: EngineWorld,
) -> None:
    console = await world.filled_console()
    keys = [console.named(name).key for name in ("app-01", "mon-01", "jump-01")]
    plan = await console.plan("delete-backups", keys)
    assert plan.confirm_name == "2 VMs"
    assert {loss.split(":")[0] for loss in plan.losses} == {"app-01", "mon-01"}
    assert any(line.startswith("Left out: jump-01") for line in plan.consequences)
    deletions = await done(world, console, await console.confirm(plan))
    assert [operation.phase for operation in deletions] == [Phase.SUCCEEDED] * 2
    await console.until(lambda: backup_of(console, "mon-01").soft_deleted)
    plan = await console.plan("undelete-backups", keys[:2])
    world.emulator.fault("reset", method="PUT", path="*/protectedItems/*", after=True, count=2)
    for operation in await done(world, console, await console.confirm(plan)):
        assert operation.phase is Phase.SUCCEEDED, operation.message
        only_request_of(world, operation)


async def test_a_vault_without_soft_delete_is_said_plainly(world: EngineWorld) -> None:
    console = await world.filled_console()
    config = f"{backup_of(console, 'app-01').vault_id}/backupconfig/vaultconfig"
    off = {"properties": {"enhancedSecurityState": "Disabled", "softDeleteFeatureState": "Disabled"}}
    assert world.emulator.request("PATCH", config, off).status == 200
    plan = await console.plan("delete-backups", [console.named("app-01").key])
    assert "Soft delete is off" in plan.losses[1]


@pytest.mark.parametrize(("state", "said"), [("Unlocked", "switch that off"), ("Locked", "for good")])
async def test_an_immutable_vault_keeps_its_points_and_that_is_said_before(
    world: EngineWorld, state: str, said: str
) -> None:
    console = await world.filled_console()
    vault_id = backup_of(console, "app-01").vault_id
    plan = await console.plan("delete-backups", [console.named("app-01").key])
    set_immutability(world, vault_id, "Unlocked")
    (late,) = await console.ended(await console.confirm(plan))
    assert late.phase is Phase.FAILED
    assert late.error is not None
    assert late.error.kind == "InvalidState"
    assert "the vault is immutable" in late.error.title
    if state == "Locked":
        set_immutability(world, vault_id, "Locked")
    plan = await console.plan("delete-backups", [console.named("app-01").key])
    assert "is immutable" in plan.refused[0]
    assert said in plan.refused[0]
    policy = shorter_policy(world, console)
    change = await console.plan("change-policy", [console.named("app-01").key], {"policy": policy})
    assert "keeps points shorter than DefaultPolicy" in change.refused[0]


async def test_what_is_left_of_a_deleted_vm_can_be_deleted(world: EngineWorld) -> None:
    console = await world.filled_console()
    key = console.named("app-01").key
    world.emulator.fault(
        "status",
        method="GET",
        path="*/virtualMachines/app-01",
        status=404,
        code="ResourceNotFound",
        count=100,
    )
    for action in ("backup-now", "change-policy"):
        with pytest.raises(NotFound):
            await console.plan(action, [key])
    for action in ("stop-protection", "delete-backups"):
        assert (await console.plan(action, [key])).refused == ()
    (deletion,) = await done(world, console, await console.start("delete-backups", [key]))
    assert deletion.phase is Phase.SUCCEEDED, deletion.message


# permissions, doubt and death -------------------------------------------------------------------------------


async def test_a_reader_is_told_what_is_missing(world: EngineWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_CLIENT_ID", READER_CLIENT_ID)
    console = await world.filled_console()
    plan = await console.plan("delete-backups", [console.named("app-01").key])
    assert "protectedItems/delete" in plan.refused[0]
    plan = await console.plan("stop-protection", [console.named("app-01").key])
    assert "protectedItems/write" in plan.refused[0]
    assert world.emulator.requests() == []


CHANGES = (
    ("protect", "jump-01", "PUT"),
    ("change-policy", "app-01", "PUT"),
    ("stop-protection", "app-02", "PUT"),
    ("resume-protection", "print-01", "PUT"),
    ("delete-backups", "mon-01", "DELETE"),
)


async def start_all(world: EngineWorld, console: Told, fault: dict[str, Any]) -> tuple[str, ...]:
    """One of each kind of change, each meeting the fault."""
    ids: tuple[str, ...] = ()
    for action, name, method in CHANGES:
        answers = {"policy": policy_named(console, "EnhancedPolicy")} if action == "change-policy" else {}
        plan = await console.plan(action, [console.named(name).key], answers)
        world.emulator.fault(**fault, method=method, path="*/protectedItems/*")
        ids += await console.confirm(plan)
    return ids


@pytest.mark.parametrize(
    "fault", [{"kind": "reset", "after": True}, {"kind": "status", "status": 503, "after": True}], ids=str
)
async def test_what_was_done_though_the_answer_was_lost_is_adopted(
    world: EngineWorld, fault: dict[str, Any]
) -> None:
    console = await world.filled_console()
    ids = await start_all(world, console, fault)
    for operation in await done(world, console, ids):
        assert operation.phase is Phase.SUCCEEDED, (operation.title, operation.message)
        only_request_of(world, operation)


async def test_what_was_not_done_is_found_out_and_never_sent_again(world: EngineWorld) -> None:
    console = await world.filled_console()
    ids = await start_all(world, console, {"kind": "reset"})
    await console.until(lambda: all(console.phase(id_) is Phase.UNKNOWN for id_ in ids))
    world.emulator.advance(150)
    for operation in await console.ended(ids):
        assert operation.phase is Phase.NOT_SENT
        entry = next(entry for entry in world.entries() if entry.id == operation.id)
        assert len(world.posts(entry.request_id)) == 1
    assert console.named("jump-01").backup is None


@pytest.mark.parametrize("after", [True, False], ids=["taken", "not taken"])
async def test_an_engine_killed_while_it_sends_looks_it_up(world: EngineWorld, after: bool) -> None:
    """The request is held before or after the service took it; the engine dies meanwhile."""
    console = await world.filled_console()
    plan = await console.plan("protect", [console.named("jump-01").key])
    world.emulator.fault("slow", method="PUT", path="*/protectedItems/*", delay_s=1.0, after=after)
    (id_,) = await console.confirm(plan)
    await console.until(lambda: id_ in console.operations)
    await console.until(lambda: console.operations[id_].message == "being sent")
    dead = console.pid
    kill(dead)
    await console.until(lambda: console.pid != dead)
    await console.until(lambda: id_ in console.operations)
    world.emulator.clear_faults()
    entry = next(entry for entry in world.entries() if entry.id == id_)
    operation = await world.goes_on(console, id_)
    sent = world.posts(entry.request_id)
    assert len(sent) <= 1
    assert operation.phase is (Phase.SUCCEEDED if sent and sent[0]["status"] == 202 else Phase.NOT_SENT)
    await console.call(wire.Refresh())
    held = console.named("jump-01").backup is not None
    assert held is (operation.phase is Phase.SUCCEEDED)


async def test_a_failed_configuration_says_why(world: EngineWorld) -> None:
    console = await world.filled_console()
    world.emulator.fault(
        "fail-step",
        operation="ConfigureBackup",
        step=1,
        target="jump-01",
        code="UserErrorGenericResourceNotFound",
    )
    (operation,) = await done(world, console, await console.start("protect", [console.named("jump-01").key]))
    assert operation.phase is Phase.FAILED
    assert operation.error is not None
    assert operation.error.title.startswith("Enabling backup of jump-01 failed")
    assert console.named("jump-01").backup is None


async def test_another_change_holds_the_item(world: EngineWorld) -> None:
    console = await world.filled_console()
    plan = await console.plan("protect", [console.named("jump-01").key])
    body = json.loads(plan.requests[0].body)
    assert world.emulator.request("PUT", plan.requests[0].url.split("?")[0], body).status == 202
    (operation,) = await console.ended(await console.confirm(plan))
    assert operation.error is not None
    assert operation.error.kind == "Busy"
    with pytest.raises(RecoveryError):
        await console.start("resume-protection", [console.named("jump-01").key])
