"""Operations through the engine: the gate, each action from plan to end, doubt, competing consoles."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from azure_ops import wire
from azure_ops.errors import Busy, Refused
from azure_ops.model import JobState, Operation, Phase, Risk

from ..support import READER_CLIENT_ID
from .engine_world import EngineWorld, Told

DRILL_NETWORK = "vnet-drill-neu"


async def running(console: Told, ids: tuple[str, ...]) -> None:
    await console.until(
        lambda: all(id_ in console.operations and console.operations[id_].job_id for id_ in ids)
    )


async def finish(world: EngineWorld, console: Told, ids: tuple[str, ...], seconds: float) -> list[Operation]:
    """Let the world's time pass in steps, as the engine would see it pass."""
    await running(console, ids)
    for _ in range(12):
        world.emulator.advance(seconds / 12)
    return await console.ended(ids)


def only_request_of(world: EngineWorld, operation: Operation) -> dict[str, object]:
    """Exactly one changing request carried this operation's id."""
    entry = next(entry for entry in world.entries() if entry.id == operation.id)
    (found,) = world.posts(entry.request_id)
    assert entry.phase == operation.phase
    return found


async def test_from_drill_to_commit(world: EngineWorld) -> None:
    console = await world.filled_console()
    key = console.named("app-01").key

    (drill,) = await finish(world, console, await console.start("test-failover", [key]), 900)
    assert drill.phase is Phase.SUCCEEDED, drill.message
    assert drill.job is not None
    assert [task.state for task in drill.job.tasks] == [JobState.SUCCEEDED] * len(drill.job.tasks)
    assert str(only_request_of(world, drill)["path"]).endswith("/testFailover")
    await console.until(lambda: console.items[key].replication.allows("TestFailoverCleanup"))  # type: ignore[union-attr]

    ids = await console.start("clean-up-test-failover", [key], {"comments": "booted, app answered"})
    (clean_up,) = await finish(world, console, ids, 900)
    assert clean_up.phase is Phase.SUCCEEDED
    await console.until(lambda: console.items[key].replication.allows("UnplannedFailover"))  # type: ignore[union-attr]

    (failover,) = await finish(world, console, await console.start("failover", [key]), 900)
    assert failover.phase is Phase.SUCCEEDED
    await console.until(lambda: console.items[key].replication.allows("Commit"))  # type: ignore[union-attr]

    (commit,) = await finish(world, console, await console.start("commit-failover", [key]), 300)
    assert commit.phase is Phase.SUCCEEDED
    await console.until(lambda: len(console.notices) == 4)
    assert all(notice.ended for notice in console.notices)
    verbs = [str(request["path"]).rsplit("/", 1)[-1] for request in world.emulator.requests()]
    assert verbs == ["testFailover", "testFailoverCleanup", "unplannedFailover", "failoverCommit"]


async def test_a_failover_plan_says_what_is_lost_and_asks_for_the_name(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = console.named("app-01")
    plan = await console.plan("failover", [vm.key], {"shut-down": "no"})
    assert plan.risk is Risk.DESTROYS
    assert plan.confirm_name == "app-01"
    assert "RPO" in plan.losses[0]
    assert "MB wait at the source" in plan.losses[0]
    body = json.loads(plan.requests[0].body)
    assert body["properties"]["sourceSiteOperations"] == "NotRequired"
    assert any(
        check.label == "Only one of them will run" and check.state == "warning" for check in plan.checks
    )
    for typed, understood in (("app-1", True), ("app-01", False), ("", True)):
        with pytest.raises(Refused):
            await console.call(wire.Confirm(plan_id=plan.id, typed=typed, understood=understood))
    assert world.emulator.requests() == []
    assert world.entries() == []
    await console.confirm(plan)
    with pytest.raises(Refused, match="no longer known"):
        await console.confirm(plan)


@pytest.mark.parametrize("choice", ["latest-processed", "latest-app-consistent"])
async def test_a_chosen_point_is_sent_by_its_id_and_latest_without_one(
    world: EngineWorld, choice: str
) -> None:
    console = await world.filled_console()
    vm = console.named("app-01")
    details = await console.call(wire.GetDetails(key=vm.key))
    assert isinstance(details, wire.GotDetails)
    points = [point for point in details.details.points if point.source == "replication"]
    if choice == "latest-app-consistent":
        points = [point for point in points if point.consistency == "ApplicationConsistent"]
    newest = max(points, key=lambda point: point.taken_at)
    chosen = await console.plan("failover", [vm.key], {"point": choice})
    sent = json.loads(chosen.requests[0].body)["properties"]["providerSpecificDetails"]
    assert sent == {"instanceType": "A2A", "recoveryPointId": newest.id}
    assert "is lost" in chosen.losses[0]
    latest = await console.plan("failover", [vm.key], {"point": "latest"})
    assert json.loads(latest.requests[0].body)["properties"]["providerSpecificDetails"] == {
        "instanceType": "A2A"
    }


async def test_the_production_network_is_last_marked_and_refused_unless_insisted(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = console.named("app-01")
    prepared = await console.call(wire.Prepare(action="test-failover", keys=(vm.key,)))
    assert isinstance(prepared, wire.Prepared)
    network = next(field for field in prepared.form.fields if field.id == "network")
    assert network.default.endswith(DRILL_NETWORK)
    assert "(production)" in network.options[-1].label
    production = network.options[-1].value
    refused = await console.plan("test-failover", [vm.key], {"network": production})
    assert "production network" in refused.refused[0]
    with pytest.raises(Refused, match="cannot be started"):
        await console.confirm(refused)
    insisted = await console.plan("test-failover", [vm.key], {"network": production, "production": "insist"})
    assert insisted.refused == ()
    elsewhere = production.rsplit("/", 1)[0] + "/vnet-of-nowhere"
    nowhere = await console.plan("test-failover", [vm.key], {"network": elsewhere})
    assert nowhere.refused


async def test_snapshots_are_one_operation_and_one_request_for_each_disk(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = console.named("file-01")
    vm = next(item for item in console.items.values() if item.name == "file-01" and len(item.disks) > 1)
    ids = await console.start("snapshot-disks", [vm.key], {"kind": "full"})
    assert len(ids) == len(vm.disks)
    for operation in await finish(world, console, ids, 600):
        assert operation.phase is Phase.SUCCEEDED, operation.message
        assert only_request_of(world, operation)["method"] == "PUT"
    details = await console.call(wire.GetDetails(key=vm.key, fresh=True))
    assert isinstance(details, wire.GotDetails)
    made = [
        p
        for p in details.details.points
        if p.source == "snapshot" and p.taken_at >= datetime(2026, 8, 22, 14, tzinfo=UTC)
    ]
    assert len(made) == len(vm.disks)


async def test_a_backup_runs_and_its_point_appears(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = console.named("mon-01")
    ids = await console.start("backup-now", [vm.key], {"expires": "2026-09-30"})
    (backup,) = await finish(world, console, ids, 4 * 3600)
    assert backup.phase is Phase.SUCCEEDED, backup.message
    assert "in " in backup.message
    only_request_of(world, backup)
    again = await console.start("backup-now", [vm.key])
    await running(console, again)
    assert console.operations[again[0]].normal_count == 1
    assert console.operations[again[0]].normal_s == pytest.approx(
        next(entry.duration_s for entry in world.entries() if entry.id == backup.id)
    )


@pytest.mark.parametrize("answer", ["tomorrow", "2020-01-01", "2999-01-01"])
async def test_an_expiry_that_cannot_be_is_refused(world: EngineWorld, answer: str) -> None:
    console = await world.filled_console()
    plan = await console.plan("backup-now", [console.named("mon-01").key], {"expires": answer})
    assert plan.refused
    assert plan.requests == ()


async def test_a_running_backup_is_cancelled(world: EngineWorld) -> None:
    console = await world.filled_console()
    backup_ids = await console.start("backup-now", [console.named("mon-01").key])
    await running(console, backup_ids)
    job_id = console.operations[backup_ids[0]].job_id
    await console.until(lambda: console.phase(backup_ids[0]) is Phase.RUNNING)
    cancel_ids = await console.start("cancel-job", [job_id])
    await running(console, cancel_ids)
    world.emulator.advance(1800)
    cancel, backup = await console.ended((*cancel_ids, *backup_ids))
    assert cancel.phase is Phase.SUCCEEDED, cancel.message
    assert backup.phase in (Phase.CANCELLED, Phase.SUCCEEDED)
    with pytest.raises(Refused, match="has ended"):
        await console.plan("cancel-job", [job_id])


async def test_of_two_consoles_that_press_at_once_exactly_one_gets_through(world: EngineWorld) -> None:
    first, second = await world.filled_console(), await world.filled_console()
    key = first.named("app-01").key
    plans = [await first.plan("failover", [key]), await second.plan("failover", [key])]
    answers = await asyncio.gather(first.confirm(plans[0]), second.confirm(plans[1]), return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["Busy", "tuple"]
    await running(first, next(answer for answer in answers if isinstance(answer, tuple)))
    with pytest.raises(Busy, match=r"app-01 is held: Failover of app-01, started by .* at ..:..:.. UTC"):
        await second.start("backup-now", [key])
    with pytest.raises(Refused, match="still runs on it"):
        await second.plan("failover", [key])
    assert len(world.emulator.requests()) == 1


async def test_a_target_that_changed_since_the_plan_gets_a_new_plan_and_nothing_is_sent(
    world: EngineWorld,
) -> None:
    console = await world.filled_console()
    vm = console.named("app-01")
    plan = await console.plan("failover", [vm.key])
    assert vm.replication is not None
    drill = await console.plan("test-failover", [vm.key])
    sent = world.emulator.post(
        f"{vm.replication.item_id}/testFailover?api-version=2025-08-01", json.loads(drill.requests[0].body)
    )
    assert sent.status == 202
    world.emulator.advance(900)
    answer = await console.call(wire.Confirm(plan_id=plan.id, typed=plan.confirm_name, understood=True))
    assert isinstance(answer, wire.Replanned)
    assert any("test failover" in change for change in answer.changes)
    assert answer.plan.refused
    assert len(world.emulator.requests()) == 1
    assert world.entries() == []


async def test_several_rows_are_one_plan_with_an_outcome_each(world: EngineWorld) -> None:
    console = await world.filled_console()
    keys = [console.named(name).key for name in ("app-01", "app-02", "mon-01")]
    plan = await console.plan("backup-now", [*keys, console.named("jump-01").key])
    assert len(plan.keys) == 3
    assert any(line.startswith("Left out: jump-01") for line in plan.consequences)
    assert len(plan.requests) == 3
    ids = await console.confirm(plan)
    ended = await finish(world, console, ids, 4 * 3600)
    assert {operation.target_name for operation in ended} == {"app-01", "app-02", "mon-01"}
    assert all(operation.phase is Phase.SUCCEEDED for operation in ended)
    assert len(world.emulator.requests()) == 3


async def test_a_reader_is_told_which_permission_is_missing(
    world: EngineWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_CLIENT_ID", READER_CLIENT_ID)
    console = await world.filled_console()
    plan = await console.plan("failover", [console.named("app-01").key])
    assert "replicationProtectedItems/unplannedFailover/action" in plan.refused[0]
    with pytest.raises(Refused):
        await console.confirm(plan)
    assert world.emulator.requests() == []


async def test_an_operation_goes_on_while_nobody_looks(world: EngineWorld) -> None:
    console = await world.filled_console()
    ids = await console.start("failover", [console.named("app-01").key])
    await running(console, ids)
    await console.close()
    world.emulator.advance(900)
    again = await world.filled_console()
    (operation,) = await again.ended(ids)
    assert operation.phase is Phase.SUCCEEDED
    assert again.pid == console.pid


async def test_a_failed_job_fails_its_operation_with_the_reason(world: EngineWorld) -> None:
    world.emulator.fault("fail-step", operation="TestFailover", step=2)
    console = await world.filled_console()
    ids = await console.start("test-failover", [console.named("app-01").key])
    (operation,) = await finish(world, console, ids, 900)
    assert operation.phase is Phase.FAILED
    assert operation.error is not None
    assert operation.error.kind == "JobFailed"
    assert operation.error.title.startswith("Test failover of app-01 failed")
    assert operation.error.hint


# an answer that does not come -------------------------------------------------------------------------------


LOST: list[dict[str, Any]] = [
    {"kind": "reset", "after": True},
    {"kind": "cut"},
    {"kind": "malformed"},
    {"kind": "status", "status": 503, "after": True},
    {"kind": "status", "status": 500, "after": True},
]
REFUSED: list[dict[str, Any]] = [
    {"kind": "reset"},
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 500},
]
CHANGES = (
    ("backup-now", "mon-01", "POST", "*/backup"),
    ("test-failover", "app-01", "POST", "*/testFailover"),
    ("failover", "app-02", "POST", "*/unplannedFailover"),
    ("snapshot-disks", "jump-01", "PUT", "*/snapshots/*"),
)


def fault_id(fault: dict[str, Any]) -> str:
    return f"{fault['kind']}{fault.get('status', '')}"


async def start_all(world: EngineWorld, console: Told, fault: dict[str, Any]) -> tuple[str, ...]:
    """One of each kind of change, each meeting the fault."""
    ids: tuple[str, ...] = ()
    for action, name, method, path in CHANGES:
        plan = await console.plan(action, [console.named(name).key])
        world.emulator.fault(**fault, method=method, path=path, count=len(plan.requests))
        ids += await console.confirm(plan)
    return ids


@pytest.mark.parametrize("fault", LOST, ids=fault_id)
async def test_what_was_done_though_the_answer_was_lost_is_adopted(
    world: EngineWorld, fault: dict[str, Any]
) -> None:
    console = await world.filled_console()
    ids = await start_all(world, console, fault)
    for operation in await finish(world, console, ids, 4 * 3600):
        assert operation.phase is Phase.SUCCEEDED, (operation.title, operation.message)
        only_request_of(world, operation)


@pytest.mark.parametrize("fault", REFUSED, ids=fault_id)
async def test_what_was_not_done_is_found_out_and_never_sent_again(
    world: EngineWorld, fault: dict[str, Any]
) -> None:
    console = await world.filled_console()
    ids = await start_all(world, console, fault)
    await console.until(lambda: all(console.phase(id_) is Phase.UNKNOWN for id_ in ids))
    with pytest.raises(Busy, match="is held"):
        await console.start("snapshot-disks", [console.named("app-02").key])
    world.emulator.advance(150)
    for operation in await console.ended(ids):
        assert operation.phase is Phase.NOT_SENT
        assert operation.message.startswith("was not carried out: ")
        assert len(world.posts(entry_of(world, operation.id))) == 1
    assert await console.start("failover", [console.named("app-02").key])


def entry_of(world: EngineWorld, operation_id: str) -> str:
    return next(entry.request_id for entry in world.entries() if entry.id == operation_id)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (409, "Conflict", "Busy"),
        (403, "AuthorizationFailed", "NotAllowed"),
        (429, "TooManyRequests", "Throttled"),
        (400, "BMSUserErrorOperationNotAllowed", "InvalidState"),
    ],
)
async def test_an_answer_that_says_no_ends_the_operation_at_once(
    world: EngineWorld, status: int, code: str, kind: str
) -> None:
    console = await world.filled_console()
    plan = await console.plan("backup-now", [console.named("mon-01").key])
    world.emulator.fault("status", method="POST", path="*/backup", status=status, code=code, message="No.")
    ids = await console.confirm(plan)
    (operation,) = await console.ended(ids)
    assert operation.phase is Phase.FAILED
    assert operation.error is not None
    assert operation.error.kind == kind
    assert len(world.emulator.requests()) == 1


async def test_a_lookup_that_fails_keeps_the_doubt(world: EngineWorld) -> None:
    console = await world.filled_console()
    plan = await console.plan("backup-now", [console.named("mon-01").key])
    world.emulator.fault("reset", method="POST", path="*/backup", after=True)
    world.emulator.fault("status", method="GET", path="*/backupJobs", status=500, count=12)
    ids = await console.confirm(plan)
    await console.until(
        lambda: ids[0] in console.operations and "cannot be looked up" in console.operations[ids[0]].message
    )
    world.emulator.advance(300)
    await console.until(lambda: console.operations[ids[0]].phase is not Phase.UNKNOWN, 60)
    (operation,) = await finish(world, console, ids, 4 * 3600)
    assert operation.phase is Phase.SUCCEEDED
    only_request_of(world, operation)


async def test_reads_that_fail_for_a_while_do_not_end_the_watching(world: EngineWorld) -> None:
    console = await world.filled_console()
    ids = await console.start("failover", [console.named("app-01").key])
    await running(console, ids)
    world.emulator.fault("status", method="GET", path="*/replicationJobs/*", status=503, count=16)
    await console.until(lambda: "cannot be read now" in console.operations[ids[0]].message, 60)
    assert not console.operations[ids[0]].phase.ended
    world.emulator.clear_faults()
    (operation,) = await finish(world, console, ids, 900)
    assert operation.phase is Phase.SUCCEEDED
