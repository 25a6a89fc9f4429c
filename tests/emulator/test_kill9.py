"""`kill -9` of the engine at random and at chosen moments: nothing is lost, nothing is sent twice.

Consoles in here are lines to the engine; real ones die in `tests/terminal/test_kill9_console.py`."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from azure_ops import paths, wire
from azure_ops.actions import by_id
from azure_ops.errors import RecoveryError
from azure_ops.journal.store import Entry, Journal
from azure_ops.model import FleetItem, Phase

from ..conftest import EmulatorFactory
from ..warm import warm
from .engine_world import EngineWorld, Told, kill, point_environment

MOMENTS = ("random", "intended", "answer held", "submitted", "running", "answer lost", "ended")
ROUNDS = 4 * len(MOMENTS)
VMS = 100
ACTIONS = ("backup-now", "test-failover", "failover")
SENT_TO = ("*/backup", "*/testFailover", "*/unplannedFailover")


@pytest.fixture
async def world(
    emulator_factory: EmulatorFactory, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[EngineWorld]:
    emulator = emulator_factory(fleet=VMS, throttle=False)
    point_environment(monkeypatch, emulator, folder)
    made = EngineWorld(emulator)
    yield made
    await made.close()


def possible(item: FleetItem, action: str) -> bool:
    if not item.exists:
        return False
    if action == "backup-now":
        return item.backup is not None and item.backup.protection_state == "Protected"
    wanted = "TestFailover" if action == "test-failover" else "UnplannedFailover"
    return item.replication is not None and item.replication.allows(wanted)


class Phases:
    """The journal as the dead engine's disk shows it: read beside the running one."""

    def __init__(self, world: EngineWorld) -> None:
        self._world = world

    async def reaches(self, known: set[str], phases: frozenset[Phase], within_s: float = 5.0) -> None:
        """Until a new operation is in one of these phases on the disk."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if any(e.id not in known and e.phase in phases for e in self._world.entries()):
                return
            await asyncio.sleep(0.002)


async def confirm_in_background(console: Told, action: str, key: str) -> asyncio.Task[tuple[str, ...]]:
    plan = await console.plan(action, [key])
    return asyncio.create_task(console.confirm(plan))


async def one_round(
    world: EngineWorld, number: int, choose: random.Random, used: set[str], *, always_cold: bool
) -> str:
    """Start something, kill at this round's moment; what kind of moment it was. Every sixth engine starts
    with all its imports."""
    emulator = world.emulator
    warm.cold = always_cold or number % 6 == 0
    console = await world.filled_console(idle_s=60)
    action = ACTIONS[number % len(ACTIONS)]
    key = next(k for k, item in console.items.items() if k not in used and possible(item, action))
    used.add(key)
    known = {entry.id for entry in world.entries()}
    moment = MOMENTS[number % len(MOMENTS)]
    after = number % 4 < 2
    if moment == "answer held":
        # Held before the service has taken it, or after: the engine dies while it waits for the answer.
        for path in SENT_TO:
            emulator.fault("slow", method="POST", path=path, delay_s=0.2, after=after)
    if moment == "answer lost":
        for path in SENT_TO:
            emulator.fault("reset", method="POST", path=path, after=after)
    confirming = await confirm_in_background(console, action, key)
    phases = Phases(world)
    if moment == "random":
        await asyncio.sleep(choose.uniform(0, 0.12))
    elif moment in ("intended", "answer held", "answer lost"):
        await phases.reaches(
            known, frozenset({Phase.INTENDED, Phase.SUBMITTED, Phase.UNKNOWN, Phase.RUNNING})
        )
        if moment != "intended":
            await asyncio.sleep(choose.uniform(0, 0.05))
    elif moment == "submitted":
        await phases.reaches(known, frozenset({Phase.SUBMITTED, Phase.RUNNING}))
    else:
        await phases.reaches(known, frozenset({Phase.RUNNING}))
        emulator.advance(choose.uniform(5, 120) if moment == "running" else 4 * 3600)
        await asyncio.sleep(choose.uniform(0, 0.05))
    await die(console, confirming, both=number // len(MOMENTS) % 2 == 1)
    emulator.clear_faults()
    emulator.advance(choose.choice((0, 1, 30, 400)))
    return moment


async def die(console: Told, confirming: asyncio.Task[tuple[str, ...]], *, both: bool) -> None:
    """The engine is killed; and with `both` the console's line is cut first, without a word."""
    if both:
        assert console._writer is not None
        console._writer.transport.abort()
    kill(console.pid)
    await console.close()
    with contextlib.suppress(RecoveryError):
        await confirming


async def settle(world: EngineWorld) -> Told:
    """Everything that is still open comes to its end while the world's time goes on."""
    console = await world.filled_console(idle_s=60)
    deadline = time.monotonic() + 60
    while any(not entry.phase.ended for entry in world.entries()):
        assert time.monotonic() < deadline, [
            (e.title, e.phase, e.message) for e in world.entries() if not e.phase.ended
        ]
        world.emulator.advance(600)
        await asyncio.sleep(0.3)
    return console


def was_done(world: EngineWorld, console: Told, entry: Entry) -> bool:
    """Whether the service did it, by its own word: each row is acted on once in these tests."""
    if entry.action == "backup-now":
        return any(entry.request_id in job.client_request_id for job in console.jobs.values())
    item = world.emulator.get(f"{entry.target_id}?api-version=2025-08-01")
    assert item.status == 200, item.body
    return by_id(entry.action).azure_operation not in item.body["properties"]["allowedOperations"]


def shown_as_done(console: Told, entry: Entry) -> bool:
    if entry.action == "backup-now":
        return any(entry.request_id in job.client_request_id for job in console.jobs.values())
    replication = console.items[entry.target_key].replication
    assert replication is not None, (console.items[entry.target_key], console.sources)
    return not replication.allows(by_id(entry.action).azure_operation)


async def check_books(world: EngineWorld, console: Told) -> Counter[Phase]:
    """The emulator's log of changing requests against the journal, both ways, and against what was done."""
    await console.call(wire.Refresh())
    await console.call(wire.GetStatus())
    await console.until(lambda: len(console.jobs) >= console.sources["jobs"].rows)
    entries = world.entries()
    sent = Counter(str(request["client_request_id"]) for request in world.emulator.requests())
    known = {entry.request_id for entry in entries}
    assert set(sent) <= known, "something was sent that is not in the journal"
    for entry in entries:
        done = was_done(world, console, entry)
        told = (entry.title, entry.phase, entry.message, world.posts(entry.request_id))
        assert sent[entry.request_id] <= 1, told
        assert done is (entry.phase is not Phase.NOT_SENT), told
        assert sent[entry.request_id] == 1 or not done, told
        assert shown_as_done(console, entry) is done, (told, console.items[entry.target_key], console.sources)
    return Counter(entry.phase for entry in entries)


@pytest.mark.timeout(300)
async def test_killed_engines_lose_nothing_and_send_nothing_twice(world: EngineWorld) -> None:
    always_cold = warm.cold
    choose = random.Random(20260822)
    used: set[str] = set()
    moments: Counter[str] = Counter()
    for number in range(ROUNDS):
        moments[await one_round(world, number, choose, used, always_cold=always_cold)] += 1
    console = await settle(world)
    phases = await check_books(world, console)
    entries = world.entries()
    print(dict(moments), {phase.value: count for phase, count in phases.items()})
    assert all(moments[moment] == ROUNDS // len(MOMENTS) for moment in MOMENTS)
    assert len({entry.id for entry in entries}) == len(entries)
    assert set(phases) <= {Phase.SUCCEEDED, Phase.NOT_SENT}, [
        (entry.title, entry.phase, entry.message) for entry in entries if entry.phase is Phase.FAILED
    ]
    assert phases[Phase.SUCCEEDED] >= ROUNDS // 2
    await console.until(lambda: {entry.id for entry in entries} <= set(console.operations))
    for entry in entries:
        assert console.operations[entry.id].phase is entry.phase
        assert entry.target_key in used


async def test_a_journal_on_disk_survives_a_kill_in_the_middle_of_its_writes(world: EngineWorld) -> None:
    console = await world.filled_console()
    keys = [key for key, item in console.items.items() if possible(item, "backup-now")][:12]
    plan = await console.plan("backup-now", keys)
    confirming = asyncio.create_task(console.confirm(plan))
    await Phases(world).reaches(set(), frozenset({Phase.SUBMITTED, Phase.RUNNING}))
    await die(console, confirming, both=True)
    journal = Journal.open(paths.journal_path(world.settings))
    assert journal.problem is None
    assert len(journal.recent(100)) == len(keys), "rows of a batch that were confirmed are gone"
    journal.close()
    phases = await check_books(world, await settle(world))
    assert phases[Phase.SUCCEEDED] + phases[Phase.NOT_SENT] == len(keys)
    assert phases[Phase.SUCCEEDED] >= 1


async def test_an_engine_killed_while_it_looks_up_goes_on_looking(world: EngineWorld) -> None:
    console = await world.filled_console()
    key = next(key for key, item in console.items.items() if possible(item, "failover"))
    plan = await console.plan("failover", [key])
    world.emulator.fault("reset", method="POST", path="*/unplannedFailover", after=True)
    world.emulator.fault("status", method="GET", path="*/replicationJobs", status=503, count=60)
    (id_,) = await console.confirm(plan)
    for _ in range(3):
        await console.until(lambda: console.phase(id_) is Phase.UNKNOWN)
        dead = console.pid
        kill(dead)
        await console.until(lambda dead=dead: console.pid != dead)  # type: ignore[misc]
    world.emulator.clear_faults()
    await console.until(lambda: console.phase(id_) in (Phase.SUBMITTED, Phase.RUNNING), 60)
    world.emulator.advance(1200)
    (operation,) = await console.ended([id_])
    assert operation.phase is Phase.SUCCEEDED
    await check_books(world, console)
