"""What a new user does, by key presses in a real pseudo-terminal on a real emulator and engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import EmulatorFactory
from tests.support import Emulator

from .console_driver import BIG, SMALL, User, posts

FAST = 40
"""World seconds per second: the operations of the story take a few seconds each."""


@pytest.fixture
def fast_emulator(emulator_factory: EmulatorFactory) -> Emulator:
    return emulator_factory(speed=FAST, throttle=False)


@pytest.fixture(params=[BIG, SMALL], ids=["160x48", "80x24"])
def user(request: pytest.FixtureRequest, fast_emulator: Emulator, tmp_path: Path) -> Iterator[User]:
    started = User(fast_emulator, tmp_path, request.param)
    yield started
    started.close()


@pytest.mark.timeout(300)
def test_drill_failover_commit(user: User, fast_emulator: Emulator) -> None:
    user.opens_fleet()
    user.finds("web-02")

    user.presses("F")
    user.sees("Test failover of web-02")
    user.answers_form(3)
    user.confirms()
    user.sees("Test failover of web-02", "Prerequisites check for test failover")
    user.watches_to_the_end()
    user.presses("escape")
    user.sees("▲ test open")

    user.presses("T")
    user.answers_form(1)
    user.confirms()
    user.sees("Clean up the test virtual machine")
    user.watches_to_the_end()
    user.presses("escape")
    user.sees("F TestFail")

    user.presses("O")
    user.sees("Failover of web-02")
    user.answers_form(2)
    user.confirms("web-02", tick=True)
    user.sees("RTO clock")
    user.watches_to_the_end()
    user.presses("escape")
    user.sees("▲ uncommitted")

    user.presses("C")
    user.confirms("web-02", tick=True)
    user.watches_to_the_end()
    user.presses("escape")
    user.sees("▲ failed over")

    for ending in ("/testFailover", "/testFailoverCleanup", "/unplannedFailover", "/failoverCommit"):
        assert posts(fast_emulator, ending) == 1, ending
    assert user.ends() == 0


@pytest.mark.timeout(240)
def test_backup_and_snapshot(user: User, fast_emulator: Emulator) -> None:
    user.opens_fleet()
    user.finds("app-01")
    user.presses("B")
    user.answers_form(1)
    user.presses("enter")
    user.sees("● running")
    user.presses("4")
    user.presses("enter")
    user.sees("Take Snapshot")
    user.watches_to_the_end(120)
    user.presses("escape")
    user.sees("4 Operations")

    user.finds("web-03")
    user.presses("S")
    user.sees("Go ahead")
    user.presses("enter")
    user.sees("snapshot-disks")
    assert posts(fast_emulator, "/backup") == 1
    assert user.ends() == 0
