"""`kill -9` of a real console, of its engine and of both, at random moments of operations that a user starts
by key presses. The user starts again each time; nothing is lost and nothing is sent twice."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import pytest

from azure_ops.journal.store import Entry
from azure_ops.model import Phase
from tests.conftest import EmulatorFactory
from tests.support import Emulator
from tests.warm import warm
from widgets.signs import PHASE

from .mortal_user import ENDINGS, MortalUser, candidates

VMS = 120
SPEED = 120
"""World seconds per second."""
ROUNDS = 34
ACTIONS = ("backup-now", "test-failover", "failover")
VICTIMS = ("console", "both", "engine", "both", "both")
MOMENTS = ("last key", "answer held", "sending", "under way", "before", "to the end")
LONGEST_JOB_S = 1500


@pytest.fixture
def world(emulator_factory: EmulatorFactory) -> Emulator:
    return emulator_factory(fleet=VMS, speed=SPEED, throttle=False)


@pytest.fixture
def user(world: Emulator, tmp_path: Path) -> Iterator[MortalUser]:
    started = MortalUser(world, tmp_path)
    yield started
    started.close()


class Deaths:
    """Rounds of: start an operation by keys, kill, start again, every sixth time with all its imports.
    Remembers what must not get lost."""

    def __init__(self, user: MortalUser, world: Emulator, seed: int) -> None:
        self.user = user
        self.world = world
        self._always_cold = warm.cold
        self.random = random.Random(seed)
        self.names = candidates(world)
        self.chosen = list(islice(cycle(MOMENTS), ROUNDS))
        self.random.shuffle(self.chosen)
        self.kills: Counter[str] = Counter()
        self.processes = 0
        self.moments: Counter[str] = Counter()
        self.journalled: set[str] = set()
        self.sent: set[str] = set()
        self.asked: set[tuple[str, str]] = set()

    def round(self, number: int) -> None:
        warm.cold = self._always_cold or number % 6 == 0
        action = ACTIONS[number % len(ACTIONS)]
        moment = self.chosen[number]
        victim = VICTIMS[number % len(VICTIMS)]
        name = self.names[action].pop()
        self.asked.add((action, name))
        self.user.asks_for(action, name)
        if moment == "before":
            self.user.looks_on(self.random.uniform(0, 0.6))
        else:
            self.user.comes_to_the_last_key(action, name)
            self._send_and_wait(action, moment)
        self._kill(victim)
        self.moments[moment] += 1
        self.world.clear_faults()
        self._remember()
        if victim == "engine":
            self.user.goes_home()
        else:
            self.user.again()
            self.user.opens_fleet()

    def _send_and_wait(self, action: str, moment: str) -> None:
        """The Enter that sends, and then up to this round's moment of death."""
        known = {entry.id for entry in self.user.entries()}
        if moment == "answer held":
            after = self.random.random() < 0.5
            self.world.fault("slow", method="POST", path=f"*{ENDINGS[action]}", delay_s=0.3, after=after)
        self.user.presses("enter")
        if moment == "last key":
            self.user.looks_on(self.random.uniform(0, 0.05))
            return
        if moment == "sending":
            self.user.looks_on(self.random.uniform(0.05, 0.5))
            return
        wanted = {Phase.INTENDED} if moment == "answer held" else set()
        assert self.user.looks_on_until(lambda: self._reached(known, wanted)), self.user.terminal.text
        if moment == "answer held":
            self.user.looks_on(self.random.uniform(0, 0.3))
            return
        if moment == "to the end":
            self.world.advance(self.random.uniform(0, LONGEST_JOB_S))
        self.user.looks_on(self.random.uniform(0, 1.0))

    def _reached(self, known: set[str], also: set[Phase]) -> bool:
        """A new operation is on the disk and taken by the service, or in one of these phases."""
        return any(
            entry.id not in known and (entry.phase is not Phase.INTENDED or entry.phase in also)
            for entry in self.user.entries()
        )

    def _kill(self, victim: str) -> None:
        kills = {"console": ["console"], "engine": ["engine"], "both": ["console", "engine"]}[victim]
        self.random.shuffle(kills)
        for each in kills:
            (self.user.kill_console if each == "console" else self.user.kill_engine)()
        self.kills[victim] += 1
        self.processes += len(kills)

    def _remember(self) -> None:
        """What the disk and the service knew right after the death."""
        self.journalled |= {entry.id for entry in self.user.entries()}
        self.sent |= {str(request["client_request_id"]) for request in self.world.requests()}

    def settle(self) -> list[Entry]:
        """Everything that is still open comes to its end while the world's time goes on."""
        until = time.monotonic() + 60
        while open_ones := [entry for entry in self.user.entries() if not entry.phase.ended]:
            assert time.monotonic() < until, [(e.title, e.phase, e.message) for e in open_ones]
            self.world.advance(300)
            self.user.looks_on(0.3)
        return self.user.entries()

    def check_books(self, entries: list[Entry]) -> Counter[Phase]:
        """The emulator's log of changing requests against the journal, both ways."""
        requests = self.world.requests()
        sent = Counter(str(request["client_request_id"]) for request in requests)
        paths = Counter(str(request["path"]).partition("?")[0].lower() for request in requests)
        by_id = {entry.request_id: entry for entry in entries}
        assert self.journalled <= {entry.id for entry in entries}, "the journal has lost what it had"
        assert self.sent <= set(sent) <= set(by_id), "something was sent that is not in the journal"
        assert {(entry.action, entry.target_name) for entry in entries} <= self.asked
        for entry in entries:
            expected = 0 if entry.phase is Phase.NOT_SENT else 1
            (planned,) = entry.plan.requests
            path = planned.url.partition("?")[0].lower()
            told = (entry.title, entry.phase, entry.message)
            assert (sent[entry.request_id], paths[path]) == (expected, expected), told
        assert set(paths.values()) <= {1}, paths
        jobs = [entry.job_id for entry in entries if entry.phase is not Phase.NOT_SENT]
        assert all(jobs)
        assert len(set(jobs)) == len(jobs), "two operations watched one job"
        return Counter(entry.phase for entry in entries)

    def check_shown(self, entries: list[Entry]) -> None:
        """The console that was started last shows each of them, and how it ended."""
        rows = self.user.reads_operations().splitlines()
        for entry in entries:
            wanted = (PHASE[entry.phase].text, f" {entry.action} ", f" {entry.target_name} ", " you ")
            assert any(all(word in row for word in wanted) for row in rows), (wanted, rows)


@pytest.mark.timeout(400)
def test_killed_consoles_and_engines_lose_nothing(user: MortalUser, world: Emulator) -> None:
    deaths = Deaths(user, world, seed=20260822)
    user.opens_fleet()
    for number in range(ROUNDS):
        deaths.round(number)
    entries = deaths.settle()
    phases = deaths.check_books(entries)
    print(dict(deaths.kills), dict(deaths.moments), {phase.value: n for phase, n in phases.items()})
    assert set(phases) <= {Phase.SUCCEEDED, Phase.NOT_SENT}, [
        (entry.title, entry.phase, entry.message) for entry in entries if entry.phase is not Phase.SUCCEEDED
    ]
    assert phases[Phase.SUCCEEDED] >= ROUNDS // 2
    assert deaths.processes >= 50
    assert all(deaths.kills[victim] for victim in VICTIMS)
    deaths.check_shown(entries)
