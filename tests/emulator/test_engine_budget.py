"""Polling against budgets that are counted: it stops where the user's own keys still find something left."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from azure_ops import wire
from azure_ops.model import FleetItem, RequestLine

from ..conftest import EmulatorFactory
from ..support import OPERATOR_CLIENT_ID, READER_CLIENT_ID
from .engine_world import EngineWorld, Told, point_environment

HURRY = "100"
ITEM_READS = 300
"""Of protected items, in an hour."""


@pytest.fixture
async def world(
    emulator_factory: EmulatorFactory, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[EngineWorld]:
    emulator = emulator_factory(throttle=True)
    point_environment(monkeypatch, emulator, folder)
    made = EngineWorld(emulator)
    yield made
    await made.close()


def lines(console: Told) -> list[RequestLine]:
    return [line for m in console.messages if isinstance(m, wire.Requests) for line in m.lines]


def item_reads(console: Told) -> list[RequestLine]:
    """Of the backup item itself, not of its points."""
    found = (line for line in lines(console) if line.method == "GET" and "/protectedItems/" in line.path)
    return [line for line in found if "/recoveryPoints" not in line.path]


async def more_lines(console: Told) -> None:
    seen = len(lines(console))
    await console.until(lambda: len(lines(console)) > seen + 10, 60)


def pause(console: Told) -> str:
    source = console.sources.get("rows on screen")
    return source.error.title if source and source.error else ""


async def others_read(world: EngineWorld, console: Told, vm: FleetItem, times: int) -> None:
    """After the engine has seen how much an hour has."""
    assert vm.backup is not None
    await console.call(wire.GetDetails(key=vm.key))
    path = f"{vm.backup.item_id}?api-version=2024-04-01"
    for number in range(times):  # of two clients, each with a budget of its own for reads of any kind
        client_id = OPERATOR_CLIENT_ID if number % 2 else READER_CLIENT_ID
        assert world.emulator.get(path, client_id=client_id).status == 200


async def test_polling_stops_before_it_takes_what_keys_need(world: EngineWorld) -> None:
    console = await world.filled_console(hurry=HURRY)
    vm = console.named("web-01")
    assert vm.replication is not None
    await others_read(world, console, vm, ITEM_READS * 2 // 3)
    console.focus([vm.key], [])
    await console.until(lambda: pause(console), 60)
    assert "Polling pauses until" in pause(console)
    assert "protectedItems/read" in pause(console)
    assert console.sources["rows on screen"].read_at is not None

    await more_lines(console)  # they are told a little later than the pause
    polled = len(item_reads(console))
    assert int(item_reads(console)[-1].remaining) in (ITEM_READS // 4 - 1, ITEM_READS // 4)
    await more_lines(console)
    assert len(item_reads(console)) == polled, "what does not draw on that budget is read on"

    (operation,) = await console.start("backup-now", [vm.key])
    await console.until(lambda: len(item_reads(console)) > polled)
    await console.until(lambda: console.operations.get(operation) and console.operations[operation].job_id)
    plan = await console.plan("backup-now", [console.named("dc-02").key])
    assert plan.refused == ()


async def test_looking_at_rows_leaves_something_to_keys_too(world: EngineWorld) -> None:
    console = await world.filled_console(hurry=HURRY)
    vm = console.named("web-01")
    await others_read(world, console, vm, ITEM_READS * 15 // 16 - 2)
    for _ in range(6):
        answer = await console.call(wire.GetDetails(key=vm.key, fresh=True))
    assert isinstance(answer, wire.GotDetails)
    assert [note.code for note in answer.details.faults] == ["KeptForKeys"]
    assert answer.details.item.backup is not None, "what was known is kept"
    assert await console.start("backup-now", [vm.key])
