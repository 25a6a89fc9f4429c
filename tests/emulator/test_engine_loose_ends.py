"""What restores leave behind, found, told and ended through the engine; and the note for the next shift."""

from __future__ import annotations

import asyncio
import json
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from azure_ops import wire
from azure_ops.errors import Refused
from azure_ops.loose_ends import Kind, LooseEnd, loose_ends
from azure_ops.model import CheckState, Leftovers, Phase, Plan, Risk

from .engine_world import EngineWorld, Told


def leftovers(console: Told) -> Leftovers:
    told = [message for message in console.messages if isinstance(message, wire.LeftoversTold)]
    return told[-1].leftovers if told else Leftovers()


def ends(console: Told, world: EngineWorld) -> dict[str, LooseEnd]:
    now = datetime.fromisoformat(world.emulator.status()["now"]).astimezone(UTC)
    found = loose_ends(
        console.items.values(), console.jobs.values(), console.operations.values(), leftovers(console), now
    )
    return {end.key: end for end in found}


def of_kind(console: Told, world: EngineWorld, kind: Kind) -> list[LooseEnd]:
    return [end for end in ends(console, world).values() if end.kind is kind]


async def restored(
    world: EngineWorld,
    console: Told,
    action: str,
    name: str,
    answers: dict[str, str],
    *,
    graph: bool = True,
) -> None:
    """One restore, to its end; without `graph` Resource Graph fails from its confirmation on."""
    plan = await console.plan(action, [console.named(name).key], answers)
    assert plan.refused == (), plan.refused
    if not graph:
        path = "*/Microsoft.ResourceGraph/resources"
        world.emulator.fault("status", status=503, path=path, count=10_000)
    ids = await console.confirm(plan)
    await console.until(lambda: ids[0] in console.operations and console.operations[ids[0]].job_id)
    for _ in range(12):
        world.emulator.advance(300)
    (operation,) = await console.ended(ids)
    assert operation.phase is Phase.SUCCEEDED, operation.message


def group(world: EngineWorld, name: str) -> str:
    return str(
        world.emulator.get(f"/subscriptions/{world.emulator.subscription_ids[0]}/resourceGroups/{name}").body[
            "id"
        ]
    )


async def planned(console: Told, disk_id: str) -> Plan:
    answer = await console.call(wire.MakePlan(action="delete-disk", keys=(disk_id,)))
    assert isinstance(answer, wire.GotPlan)
    return answer.plan


async def test_restored_disks_are_loose_ends_until_they_are_deleted(world: EngineWorld) -> None:
    console = await world.filled_console()
    await console.until(lambda: len(leftovers(console).schedules) >= 4)
    assert leftovers(console).disks == ()
    await restored(world, console, "restore-disks", "app-01", {"group": group(world, "rg-recovery")})
    await console.until(lambda: len(of_kind(console, world, Kind.DISK_RESTORED)) == 2)
    (first, other) = of_kind(console, world, Kind.DISK_RESTORED)
    assert first.action == "delete-disk"
    assert "app-01" in first.what
    assert first.facts[0].startswith("our journal: Restore of disks of app-01, started by ")
    assert first.costs.endswith("GB Premium_LRS: a price is not known here")

    plan = await planned(console, first.arm_id)
    assert plan.refused == ()
    assert (plan.risk, plan.confirm_name) == (Risk.DESTROYS, first.name)
    assert plan.requests[0].method == "DELETE"
    with pytest.raises(Refused, match="not confirmed as understood"):
        await console.call(wire.Confirm(plan_id=plan.id, typed=plan.confirm_name))
    ids = await console.confirm(plan)
    await console.until(lambda: console.phase(ids[0]) in (Phase.SUBMITTED, Phase.RUNNING))
    world.emulator.advance(5)
    (operation,) = await console.ended(ids)
    assert operation.phase is Phase.SUCCEEDED, operation.message
    await console.until(
        lambda: [end.name for end in of_kind(console, world, Kind.DISK_RESTORED)] == [other.name]
    )
    (sent,) = [one for one in world.emulator.requests() if one["method"] == "DELETE"]
    assert sent["path"] == plan.requests[0].url.split("?")[0]
    gone = await console.call(wire.MakePlan(action="delete-disk", keys=(other.arm_id,)))
    assert isinstance(gone, wire.GotPlan)


async def test_a_disk_that_a_running_restore_is_about_to_attach_is_not_deleted(world: EngineWorld) -> None:
    console = await world.filled_console()
    web = console.named("web-02")
    plan = await console.plan("replace-disks", [web.key])
    ids = await console.confirm(plan)
    await console.until(lambda: ids[0] in console.operations and console.operations[ids[0]].job_id)
    world.emulator.advance(300)
    disks = world.emulator.get(f"{web.id.split('/virtualMachines/')[0]}/disks?api-version=2026-03-02").body[
        "value"
    ]
    (made,) = [one for one in disks if one["name"].startswith("web-02-osdisk-")]
    assert made["properties"]["diskState"] == "Unattached"
    answer = await planned(console, made["id"])
    assert answer.refused == (
        f"{made['name']}: a restore of web-02 runs and is about to use it; wait until it has ended",
    )
    world.emulator.advance(3600)
    (operation,) = await console.ended(ids)
    assert operation.phase is Phase.SUCCEEDED, operation.message


async def test_replaced_disks_are_loose_ends_and_a_lock_keeps_them(world: EngineWorld) -> None:
    console = await world.filled_console()
    before = console.named("sql-02")
    await restored(world, console, "replace-disks", "sql-02", {})
    old = {disk.name for disk in before.disks}
    await console.until(lambda: {end.name for end in of_kind(console, world, Kind.DISK_REPLACED)} == old)
    end = of_kind(console, world, Kind.DISK_REPLACED)[0]
    assert end.what == "sql-02 had it before its disks were replaced"
    plan = await planned(console, end.arm_id)
    assert "it is locked: keep-data on rg-data-weu (CanNotDelete)" in plan.refused[0]
    assert any(check.state is CheckState.FAILED for check in plan.checks)
    with pytest.raises(Refused, match="cannot be started"):
        await console.confirm(plan)
    attached = await planned(console, console.named("app-01").disks[0].id)
    assert "it is attached to app-01" in attached.refused[0]
    assert [one for one in world.emulator.requests() if one["method"] == "DELETE"] == []


async def test_a_disk_that_was_attached_meanwhile_is_not_deleted(world: EngineWorld) -> None:
    """The state is read again when the plan is confirmed; what was lost on the way is looked up."""
    console = await world.filled_console()
    await restored(world, console, "restore-disks", "web-01", {"group": group(world, "rg-recovery")})
    await console.until(lambda: of_kind(console, world, Kind.DISK_RESTORED))
    (end,) = of_kind(console, world, Kind.DISK_RESTORED)
    world.emulator.fault("reset", method="DELETE", path="*/disks/*", after=True)
    ids = await console.confirm(await planned(console, end.arm_id))
    await console.until(lambda: console.phase(ids[0]) is Phase.UNKNOWN)
    world.emulator.advance(5)
    (operation,) = await console.ended(ids)
    assert operation.phase is Phase.SUCCEEDED, operation.message
    assert len(world.posts(world.entries()[-1].request_id)) == 1


async def test_a_restored_vm_is_a_loose_end_until_it_is_protected(world: EngineWorld) -> None:
    console = await world.filled_console()
    await restored(world, console, "restore-vm", "web-02", {})
    await console.until(lambda: of_kind(console, world, Kind.VM_RESTORED))
    (end,) = of_kind(console, world, Kind.VM_RESTORED)
    assert (end.name, end.action) == ("web-02-restored", "protect")
    assert end.what.startswith("made from a backup of web-02, running")


async def test_what_cannot_be_read_is_said_and_the_rest_stays(world: EngineWorld) -> None:
    console = await world.filled_console()
    await console.until(lambda: len(leftovers(console).schedules) >= 4)
    await restored(world, console, "restore-vm", "web-02", {}, graph=False)
    await console.until(lambda: any(source.error for source in leftovers(console).sources))
    told = leftovers(console)
    assert {source.name for source in told.sources if source.error} == {"unattached disks", "backup policies"}
    assert len(told.schedules) >= 4
    assert [trace.action for trace in told.traces] == ["restore-vm"]


# the note for the next shift --------------------------------------------------------------------------------


def handover(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tui.cli", "handover", *arguments], capture_output=True, text=True, timeout=60
    )


def as_written(path: str) -> tuple[int, str]:
    return stat.S_IMODE(Path(path).stat().st_mode), Path(path).read_text()


def note(*arguments: str) -> Any:
    answer = handover("--json", *arguments)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


async def test_the_handover_says_what_runs_what_ended_and_what_is_open(world: EngineWorld) -> None:
    console = await world.filled_console()
    await console.until(lambda: leftovers(console).schedules)
    ids = await console.start("backup-now", [console.named("web-01").key])
    await console.until(lambda: console.phase(ids[0]) is Phase.RUNNING)
    answer = await console.call(wire.WriteHandover(keys={"commit-failover": "C"}))
    assert isinstance(answer, wire.HandoverWritten)
    assert as_written(answer.path) == (0o600, answer.text)
    running, open_ = answer.text.split("STARTED FROM HERE")[0], answer.text.split("\nOPEN (")[1]
    assert "Backup of web-01" in running
    assert f"by {console.operations[ids[0]].confirmed_by}" in running
    assert "file-01: failover not committed, open for 19h" in open_
    assert "next: C  Commit failover" in open_
    for vault in ("rsv-weu", "rsv-neu", "rsv-eus"):
        assert vault in answer.text
    assert all(character.isprintable() or character == "\n" for character in answer.text)
    assert "sig=" not in answer.text

    count = int(open_.split(")")[0])
    told = json.loads(answer.json)
    assert len(told["open"]) == count == len(ends(console, world))
    assert told["running"][0]["title"] == "Backup of web-01"
    again = await console.call(wire.WriteHandover())
    assert isinstance(again, wire.HandoverWritten)
    assert again.path != answer.path, "an older note is kept"


async def test_the_command_starts_an_engine_when_none_runs(world: EngineWorld) -> None:
    found = note()
    assert {one["kind"] for one in found["open"]} >= {"failover not committed", "test not cleaned up"}
    assert next(one for one in found["open"] if one["kind"] == "test not cleaned up")["next_key"] == "T"
    text = handover()
    assert text.stdout.startswith("azrecover handover, 2026-08-22 ")
    assert "Written to " in text.stderr
    wrong = handover("--frobnicate")
    assert wrong.returncode == 2
    stopped = await world.console()  # so that the world knows whom to end
    assert stopped.pid


async def test_without_flags_the_only_engine_is_meant(
    world: EngineWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = await world.filled_console()
    for name in ("AZRECOVER_ARM_ENDPOINT", "AZRECOVER_CA"):
        monkeypatch.delenv(name)
    answer = await asyncio.to_thread(handover)
    assert answer.returncode == 0, answer.stderr
    assert f"Of the only engine that runs, for {world.emulator.endpoint}" in answer.stderr
    assert "OPEN (" in answer.stdout
    assert console.states[-1][0] == "connected", "the same engine wrote it"
