# ruff: noqa: ASYNC110, ASYNC240 (the journal of a process that will be killed tells no event)
"""Item-level recovery through the engine: opened once, its script kept from everybody else, a loose end until
it is revoked, and found again after a kill."""

from __future__ import annotations

import asyncio
import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from azure_ops import paths, wire
from azure_ops.errors import Refused
from azure_ops.loose_ends import Kind, LooseEnd, loose_ends
from azure_ops.model import FleetItem, Leftovers, Operation, Phase, Risk

from .engine_world import EngineWorld, Told, kill

OPENED = "/provisionInstantItemRecovery"
REVOKED = "/revokeInstantItemRecovery"


def sent(world: EngineWorld, what: str) -> int:
    return sum(str(one["path"]).split("?")[0].endswith(what) for one in world.emulator.requests())


def open_ends(world: EngineWorld, console: Told) -> list[LooseEnd]:
    now = datetime.fromisoformat(world.emulator.status()["now"]).astimezone(UTC)
    found = loose_ends(console.items.values(), (), console.operations.values(), Leftovers(), now)
    return [end for end in found if end.kind is Kind.ITEMS_OPEN]


async def ended(world: EngineWorld, console: Told, id_: str) -> Operation:
    async with asyncio.timeout(60):
        while id_ not in console.operations or not console.operations[id_].phase.ended:
            world.emulator.advance(15)
            await asyncio.sleep(0.2)
    return console.operations[id_]


async def opened(
    world: EngineWorld, console: Told, vm: FleetItem, answers: dict[str, str] | None = None
) -> Operation:
    (id_,) = await console.start("recover-items", [vm.key], answers)
    return await ended(world, console, id_)


def point_is_open(world: EngineWorld, vm: FleetItem, point: str) -> bool:
    assert vm.backup is not None
    document = world.emulator.get(f"{vm.backup.item_id}/recoveryPoints/{point}").body
    return bool(document["properties"]["isInstantIlrSessionActive"])


def value(operation: Operation, label: str) -> str:
    return next(output.value for output in operation.outputs if output.label == label)


def state_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


async def test_a_point_is_opened_its_script_is_kept_and_it_is_revoked(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = console.named("web-01")
    plan = await console.plan("recover-items", [vm.key])
    assert plan.refused == ()
    assert plan.risk is Risk.CREATES
    assert json.loads(plan.requests[0].body)["properties"]["renewExistingRegistration"] is False
    assert any("It is a loose end until it is revoked" in line for line in plan.consequences)
    assert sent(world, OPENED) == 0
    (id_,) = await console.confirm(plan)
    operation = await ended(world, console, id_)
    assert operation.phase is Phase.SUCCEEDED, operation.message
    assert sent(world, OPENED) == 1

    script, secret = Path(value(operation, "Script")), Path(value(operation, "Password file"))
    for path, mode in ((script.parent, 0o700), (script, 0o600), (secret, 0o600)):
        assert stat.S_IMODE(path.stat().st_mode) == mode
    assert value(operation, "Run it") == f"sudo azrecover files --script {script.parent}"
    password = secret.read_text().strip()
    assert len(password) == 15
    assert password not in script.name
    for place in (paths.state_dir(world.settings), script.parent.parent):
        assert password.encode() not in state_bytes(place)
    told = msgspec.msgpack.encode(console.messages)
    assert password.encode() not in told

    (end,) = open_ends(world, console)
    assert end.action == "revoke-items"
    assert end.what.startswith("a recovery point is open for file recovery, 11h ")
    assert end.until is not None
    assert end.since is not None
    assert end.until - end.since == timedelta(hours=12)

    again = await console.plan("recover-items", [vm.key])
    assert json.loads(again.requests[0].body)["properties"]["renewExistingRegistration"] is True
    renewed = await opened(world, console, vm)
    assert renewed.phase is Phase.SUCCEEDED
    assert sent(world, OPENED) == 2
    assert len(open_ends(world, console)) == 1
    assert Path(value(renewed, "Password file")).read_text().strip() != password

    (revoking,) = await console.start("revoke-items", [vm.key])
    assert (await ended(world, console, revoking)).phase is Phase.SUCCEEDED
    assert sent(world, REVOKED) == 1
    assert open_ends(world, console) == []
    assert not script.exists()
    assert not secret.exists()
    with pytest.raises(Refused, match="open for file recovery"):
        await console.call(wire.Prepare(action="revoke-items", keys=(vm.key,)))


async def test_nothing_is_written_where_nobody_wants_it_and_hours_run_out(world: EngineWorld) -> None:
    console = await world.filled_console()
    operation = await opened(world, console, console.named("web-02"), {"script": "leave"})
    assert operation.phase is Phase.SUCCEEDED
    assert [output.label for output in operation.outputs] == ["Open until"]
    assert not (paths.state_dir(world.settings) / "items").exists()
    assert len(open_ends(world, console)) == 1
    world.emulator.advance(12 * 3600)
    assert open_ends(world, console) == []


async def test_azure_refuses_and_nothing_is_open(world: EngineWorld) -> None:
    console = await world.filled_console()
    world.emulator.fault("fail-step", operation="ProvisionItemRecovery", step=1, code="UserErrorIlr")
    operation = await opened(world, console, console.named("web-01"))
    assert operation.phase is Phase.FAILED
    assert operation.outputs == ()
    assert open_ends(world, console) == []
    assert sent(world, OPENED) == 1


@pytest.mark.parametrize("taken", [True, False])
async def test_an_engine_that_died_while_it_asked(world: EngineWorld, taken: bool) -> None:
    console = await world.filled_console()
    vm = console.named("web-02")
    path = f"*{OPENED}"
    world.emulator.fault("slow", path=path, delay_s=3, after=taken)
    plan = await console.plan("recover-items", [vm.key])
    confirming = asyncio.create_task(console.confirm(plan))
    async with asyncio.timeout(10):
        while not any(entry.message == "being sent" for entry in world.entries()):
            await asyncio.sleep(0.01)
        while taken and not sent(world, OPENED):
            await asyncio.sleep(0.02)
    kill(console.pid)
    await asyncio.gather(confirming, return_exceptions=True)
    await console.until(lambda: console.operations)
    (entry,) = world.entries()
    operation = await world.goes_on(console, entry.id)
    # A request that was only held may still be taken after its engine's death: the point itself is the truth.
    is_open = point_is_open(world, vm, entry.arguments["point"])
    assert is_open or not taken
    assert operation.phase is (Phase.SUCCEEDED if is_open else Phase.NOT_SENT), operation.message
    assert sent(world, OPENED) <= 1
    assert len(open_ends(world, console)) == int(is_open)
    if is_open:
        assert value(operation, "Script") == "not known any more: renew the connection to get it"
