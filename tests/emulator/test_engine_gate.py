"""What the gate must not be fooled by, and what must not keep it shut: a region that is down, one target
named twice, a plan that lay open, somebody else's job."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from azure_ops import wire
from azure_ops.errors import RecoveryError
from azure_ops.model import Check, CheckState, Phase, Plan

from ..support import Emulator
from .engine_world import EngineWorld, point_environment


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
    await console.until(lambda: console.operations[id_].phase is Phase.RUNNING)
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
    await console.until(lambda: all(console.operations[id_].job_id for id_ in ids))
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
    await console.until(lambda: console.operations[ids[0]].phase is Phase.RUNNING)
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
