"""What a restore leaves behind is found and ended by keys, and the next shift is told, on a small screen."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import EmulatorFactory
from tests.support import Emulator

from .console_driver import SMALL, User

FAST = 160


@pytest.fixture
def world(emulator_factory: EmulatorFactory) -> Emulator:
    return emulator_factory(speed=FAST, throttle=False)


@pytest.fixture
def user(world: Emulator, tmp_path: Path) -> Iterator[User]:
    started = User(world, tmp_path, SMALL)
    yield started
    started.close()


@pytest.mark.timeout(240)
def test_a_restored_disk_is_deleted_from_the_loose_ends(user: User, world: Emulator) -> None:
    user.opens_fleet()
    user.finds("web-02")
    user.presses("D")
    user.answers_form(4)
    user.confirms()
    user.watches_to_the_end()
    user.presses("escape")
    user.sees("1 VMs (")
    user.presses("L")
    user.sees("Loose ends (", "✖ failover not committed", "○ restored disk")
    user.presses("G")
    user.sees("our journal: Restore of disks")
    user.presses("X")
    screen = user.sees("Delete disk: web-02-osdisk-", "Go ahead")
    name = screen.split("Delete disk: ")[1].split(" ")[0]
    user.confirms(name, tick=True)
    user.watches_to_the_end()
    user.presses("escape")
    user.sees("Loose ends (")
    user.sees_no_more("○ restored disk")
    assert sum(one["method"] == "DELETE" for one in world.requests()) == 1

    user.presses("h")
    user.sees("Written to", "azrecover handover, ")
    user.presses("escape", "escape")
    user.sees("1 VMs (")
    assert user.ends() == 0
    command = [sys.executable, "-m", "tui.cli", "handover"]
    told = subprocess.run(
        command, env=user.env, capture_output=True, text=True, timeout=60, check=True
    ).stdout
    assert f"Deletion of disk {name}" in told
    assert "next: C  Commit failover" in told
