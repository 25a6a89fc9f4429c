"""The way home by keys, from the loose ends on: re-protect, fail back, commit, re-protect again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import EmulatorFactory
from tests.support import Emulator

from .console_driver import User, posts

FAST = 400
UNTIL_PROTECTED_S = 3000


@pytest.fixture
def world(emulator_factory: EmulatorFactory) -> Emulator:
    return emulator_factory(speed=FAST, throttle=False)


@pytest.fixture
def user(world: Emulator, tmp_path: Path) -> Iterator[User]:
    started = User(world, tmp_path)
    yield started
    started.close()


@pytest.mark.timeout(240)
def test_from_a_committed_failover_back_home(user: User, world: Emulator) -> None:
    user.opens_fleet()
    user.presses("L")
    user.sees("✖ not protected again", "▲ test not cleaned up")
    user.presses("j")
    user.sees("shop-02: it runs in westus and nothing replicates it")
    user.presses("R")
    user.sees("Re-protect of shop-02", "Cache storage account", "Availability zone")
    user.answers_form(3)
    user.sees("is switched off and DELETED", "example takes three hours")
    user.confirms("shop-02", tick=True)
    user.sees("Reprotecting virtual machine (1)")
    user.watches_to_the_end()
    user.sees("wait until it is protected, then fail back to eastus")
    user.presses("escape")
    user.sees("▲ re-protect synchronises")

    world.advance(UNTIL_PROTECTED_S)
    user.presses("r")
    user.sees("▲ not failed back")
    user.presses("g", "j", "j")
    user.sees("shop-02: it runs in westus since a failover")
    user.presses("O")
    user.sees("Failover of shop-02", "Shut down the source first")
    user.answers_form(2)
    user.sees("shop-02 is created and started in eastus")
    user.confirms("shop-02", tick=True)
    user.sees("RTO clock")
    user.watches_to_the_end()
    user.sees("look whether it works in eastus, then commit (C)")
    user.presses("C")
    user.confirms("shop-02", tick=True)
    user.sees("Commit of the failover of shop-02")
    user.sees("so that it can go back to westus (R)")
    user.presses("R")
    user.answers_form(3)
    user.sees("stays, switched off, with its interfaces")
    user.confirms("shop-02", tick=True)
    user.sees("Reprotecting virtual machine (1)")
    user.sees("wait until it is protected, then it is whole again")
    assert posts(world, "/switchprotection") == 2
    assert posts(world, "/unplannedFailover") == posts(world, "/failoverCommit") == 1
    assert user.ends() == 0
