"""What the gate must not be fooled by, and what must not keep it shut: a region that is down, one target
named twice, a plan that lay open, somebody else's job."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest

from azure_ops import wire
from azure_ops.errors import Busy, RecoveryError, Refused
from azure_ops.model import Check, CheckState, FleetItem, Phase, Plan

from .engine_world import EngineWorld, Told


def message(console: Told, id_: str) -> str:
    return console.operations[id_].message if id_ in console.operations else ""


def check(plan: Plan, label: str) -> Check:
    return next(check for check in plan.checks if check.label == label)


DOWN: list[dict[str, Any]] = [{"kind": "status", "status": 503}, {"kind": "slow", "delay_s": 20}]


@pytest.mark.parametrize("fault", DOWN, ids=lambda fault: str(fault["kind"]))
async def test_a_failover_starts_although_the_lost_region_does_not_answer_for_the_vm(
    world: EngineWorld, fault: dict[str, Any]
) -> None:
    console = await world.filled_console()
    vm = console.named("app-01")
    assert vm.backup is not None
    for path in ("*/virtualMachines/app-01", "*/backupFabrics/*"):
        world.emulator.fault(**fault, method="GET", path=path, count=1000)
    plan = await console.plan("failover", [vm.key])
    assert plan.refused == ()
    unread = check(plan, "Virtual machine could be read")
    assert unread.state is CheckState.UNKNOWN
    assert unread.detail
    (id_,) = await console.confirm(plan)
    await console.until(lambda: console.phase(id_) is Phase.RUNNING)
    assert len(world.emulator.requests()) == 1


async def test_a_backup_does_not_need_the_replicated_item_and_a_snapshot_does_need_the_vm(
    world: EngineWorld,
) -> None:
    console = await world.filled_console()
    vm = console.named("app-01")
    world.emulator.fault("status", status=503, method="GET", path="*/replicationProtectedItems/*", count=1000)
    plan = await console.plan("backup-now", [vm.key])
    assert plan.refused == ()
    assert check(plan, "Replicated item could be read").state is CheckState.UNKNOWN
    world.emulator.fault("status", status=503, method="GET", path="*/virtualMachines/app-01", count=1000)
    with pytest.raises(RecoveryError, match="app-01"):
        await console.plan("snapshot-disks", [vm.key])


async def test_a_target_named_twice_in_other_letters_is_one_target(world: EngineWorld) -> None:
    console = await world.filled_console()
    key = console.named("mon-01").key
    plan = await console.plan("backup-now", [key, key.upper(), key])
    assert plan.keys == (key,)
    assert len(plan.requests) == 1
    ids = await console.confirm(plan)
    await console.until(lambda: all(console.phase(id_) is Phase.RUNNING for id_ in ids))
    assert len(ids) == len(world.emulator.requests()) == 1


async def test_a_source_that_was_stopped_since_the_plan_voids_it(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = console.named("app-01")
    plan = await console.plan("failover", [vm.key], {"shut-down": "no"})
    assert check(plan, "Only one of them will run").state is CheckState.WARNING
    world.emulator.post(f"{vm.id}/deallocate")
    world.emulator.advance(600)
    answer = await console.call(wire.Confirm(plan_id=plan.id, typed=plan.confirm_name, understood=True))
    assert isinstance(answer, wire.Replanned)
    assert answer.changes == ("app-01: power state was running, is deallocated now",)
    assert check(answer.plan, "Only one of them will run").state is CheckState.OK


async def test_cancelling_says_whose_job_it_is(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = console.named("mon-01")
    ids = await console.start("backup-now", [vm.key])
    await console.until(lambda: console.phase(ids[0]) is Phase.RUNNING)
    ours = await console.plan("cancel-job", [console.operations[ids[0]].job_id])
    assert check(ours, "Started from this azrecover").detail.startswith("by ")
    other = console.named("app-02")
    assert other.backup is not None
    body = {"properties": {"objectType": "IaasVMBackupRequest"}}
    assert world.emulator.post(f"{other.backup.item_id}/backup?api-version=2025-02-01", body).status == 202
    world.emulator.advance(5)
    await console.call(wire.Refresh())
    await console.until(
        lambda: any(job.target_key == other.key and job.can_cancel for job in console.jobs.values())
    )
    job = next(job for job in console.jobs.values() if job.target_key == other.key and job.can_cancel)
    theirs = await console.plan("cancel-job", [job.id])
    assert check(theirs, "Started from this azrecover").state is CheckState.WARNING


async def test_an_operation_that_cannot_be_looked_up_holds_its_target_until_it_is_given_up(
    world: EngineWorld,
) -> None:
    console = await world.filled_console()
    vm = console.named("mon-01")
    plan = await console.plan("backup-now", [vm.key])
    world.emulator.fault("reset", method="POST", path="*/backup", after=True)
    world.emulator.fault("status", method="GET", path="*/backupJobs", status=403, count=10000)
    (id_,) = await console.confirm(plan)
    await console.until(lambda: "cannot be looked up:" in message(console, id_))
    assert f"azrecover journal give-up {id_[:8]}" in console.operations[id_].message
    world.emulator.advance(3600)
    with pytest.raises(Busy, match="mon-01 is held"):
        await console.start("snapshot-disks", [vm.key])
    command = [
        sys.executable,
        "-m",
        "azure_ops.journal",
        "give-up",
        id_[:8],
        "--reason",
        "vault is gone",
        "--cloud",
        "public",
    ]
    await asyncio.to_thread(subprocess.run, command, check=True, timeout=60)
    (operation,) = await console.ended([id_])
    assert operation.phase is Phase.GIVEN_UP
    assert "vault is gone" in operation.message
    assert world.entries()[0].phase is Phase.GIVEN_UP
    assert await console.start("snapshot-disks", [vm.key])
    again = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
    assert (again.returncode, "No such operation is waited for" in again.stderr) == (1, True)


async def test_an_operation_that_is_followed_cannot_be_given_up(world: EngineWorld) -> None:
    console = await world.filled_console()
    (id_,) = await console.start("backup-now", [console.named("mon-01").key])
    await console.until(lambda: console.phase(id_) is Phase.RUNNING)
    with pytest.raises(Refused, match="can still be followed"):
        await console.call(wire.GiveUp(operation_id=id_, reason="impatience"))


async def test_a_job_whose_address_is_gone_is_found_by_our_request_id(world: EngineWorld) -> None:
    """The first answer named no job, and the poll address is no longer answered."""
    console = await world.filled_console()
    plan = await console.plan("backup-now", [console.named("mon-01").key])
    world.emulator.fault("status", method="GET", path="*/backupOperations/*", status=404, count=1000)
    world.emulator.fault("status", method="GET", path="*/operationsStatus/*", status=404, count=1000)
    world.emulator.fault("status", method="GET", path="*/operationResults/*", status=404, count=1000)
    (id_,) = await console.confirm(plan)
    await console.until(lambda: console.phase(id_) is Phase.RUNNING)
    assert "/backupjobs/" in console.operations[id_].job_id.lower()
    assert len(world.emulator.requests()) == 1


async def test_of_two_machines_with_one_name_the_plan_says_which_one_it_is(world: EngineWorld) -> None:
    console = await world.filled_console()
    named: dict[str, list[FleetItem]] = {}
    for item in console.items.values():
        named.setdefault(item.name.lower(), []).append(item)
    pair = next(found for found in named.values() if len(found) == 2 and all(vm.exists for vm in found))
    one, other = sorted(pair, key=lambda vm: vm.replication is not None)
    plan = await console.plan("snapshot-disks", [one.key])
    found = next(check for check in plan.checks if "another one of this name" in check.detail)
    assert found.state is CheckState.WARNING
    assert one.resource_group in found.label
    assert other.resource_group in found.detail
    moved = await console.plan("snapshot-disks", [other.key])
    assert not any("another one" in check.detail for check in moved.checks)
    started = next(check for check in moved.checks if "what this failover has started" in check.detail)
    assert one.resource_group in started.label
    unique = await console.plan("backup-now", [console.named("mon-01").key])
    assert not any("another one" in check.detail for check in unique.checks)
