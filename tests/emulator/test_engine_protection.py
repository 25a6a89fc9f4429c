"""Protection through the engine, each action from plan to end: enabled, changed, stopped, resumed, deleted,
undeleted; what is refused before or by the service; and doubt."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from azure_ops import wire
from azure_ops.errors import NotFound, RecoveryError, Refused
from azure_ops.model import Backup, DiskChoice, Form, Operation, Phase, Plan, Risk

from ..support import READER_CLIENT_ID, Emulator
from .engine_world import EngineWorld, Told, kill, point_environment

GUARD = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-guard/providers/"
    "Microsoft.DataProtection/resourceGuards/guard"
)


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="azr-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
async def world(
    emulator: Emulator, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[EngineWorld]:
    point_environment(monkeypatch, emulator, folder)
    made = EngineWorld(emulator)
    yield made
    await made.close()


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


def set_guard(world: EngineWorld, vault_id: str) -> dict[str, str]:
    """The guard's resource for each operation."""
    url = f"{vault_id}/backupResourceGuardProxies/VaultProxy"
    put = world.emulator.request("PUT", url, {"properties": {"resourceGuardResourceId": GUARD}})
    details = put.body["properties"]["resourceGuardOperationDetails"]
    return {one["vaultCriticalOperation"]: one["defaultResourceRequest"] for one in details}


def body_of(plan: Plan) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(plan.requests[0].body)["properties"]
    return found


# enabling ---------------------------------------------------------------------------------------------------


async def test_a_vm_is_protected_and_waits_for_its_first_backup(world: EngineWorld) -> None:
    console = await world.filled_console()
    asked = await form(console, "protect", "jump-01")
    (policy,) = asked.fields
    assert [option.label for option in policy.options] == [
        "rsv-weu · DefaultPolicy",
        "rsv-weu · EnhancedPolicy",
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
    assert any("no way back" in line for line in plan.consequences)
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


def shorter_policy(world: EngineWorld, console: Told) -> str:
    """Like DefaultPolicy, for seven days."""
    properties = world.emulator.get(policy_named(console, "DefaultPolicy")).body["properties"]
    properties["retentionPolicy"]["dailySchedule"]["retentionDuration"]["count"] = 7
    policy_id = policy_named(console, "shorter")
    assert world.emulator.request("PUT", policy_id, {"properties": properties}).status == 200
    return policy_id


async def test_a_resource_guard_is_named_where_it_can_be_and_told_where_it_cannot(world: EngineWorld) -> None:
    console = await world.filled_console()
    vault_id, item_id = backup_of(console, "app-01").vault_id, backup_of(console, "app-01").item_id
    requests = set_guard(world, vault_id)
    key = console.named("app-01").key
    shorter = await console.plan("change-policy", [key], {"policy": shorter_policy(world, console)})
    assert "23 of 30 recovery points are older than the 7 days of shorter" in shorter.losses[0]
    for plan, operation in (
        (shorter, "protectedItems/write"),
        (await console.plan("stop-protection", [key]), "#stopProtectionWithRetainData"),
    ):
        named = next(value for name, value in requests.items() if name.endswith(operation))
        assert body_of(plan)["resourceGuardOperationRequests"] == [named]
        assert any(check.label == "Resource Guard" for check in plan.checks)
    await do(world, console, "stop-protection", "app-01")
    plan = await console.plan("delete-backups", [key])
    guard = next(check for check in plan.checks if check.label == "Resource Guard")
    assert "unlockDelete" in guard.fix
    (refused,) = await console.ended(await console.confirm(plan))
    assert refused.phase is Phase.FAILED
    assert refused.error is not None
    assert refused.error.kind == "NotAllowed"
    assert "owner's approval" in refused.error.title
    assert "unlockDelete" in refused.error.hint
    wanted = next(value for name, value in requests.items() if name.endswith("protectedItems/delete"))
    unlock = {"resourceGuardOperationRequests": [wanted], "resourceToBeDeleted": item_id}
    url = f"{vault_id}/backupResourceGuardProxies/VaultProxy/unlockDelete"
    assert world.emulator.post(url, unlock).status == 200
    await do(world, console, "delete-backups", "app-01")


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
    await console.until(lambda: console.operations[id_].message == "being sent")
    dead = console.pid
    kill(dead)
    await console.until(lambda: console.pid != dead)
    await console.until(lambda: id_ in console.operations)
    world.emulator.clear_faults()
    entry = next(entry for entry in world.entries() if entry.id == id_)
    for _ in range(4):
        world.emulator.advance(62)
    (operation,) = await console.ended([id_], 60)
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
