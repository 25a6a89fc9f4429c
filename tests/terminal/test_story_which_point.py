"""From "when did it begin?" to the form of a restore, by keys; the timeline's rows and what Enter says of
them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import Emulator

from .console_driver import SMALL, User, posts


@pytest.fixture
def user(emulator: Emulator, tmp_path: Path) -> Iterator[User]:
    started = User(emulator, tmp_path, SMALL)
    yield started
    started.close()


@pytest.mark.timeout(120)
def test_the_recommended_point_stands_in_the_forms(user: User, emulator: Emulator) -> None:
    user.opens_fleet()
    user.finds("dc-02")
    user.sees("▲ 3 missing")

    user.presses("w")
    user.sees("When did the trouble begin?")
    user.presses("soon", "enter")
    user.sees("'soon' is no time.")
    user.presses("\x15", "2026-08-20 09:00", "enter")
    user.sees("✔ take 2026-08-17", "left out")
    user.presses("D")
    user.sees("Restore disks of dc-02", "▶ 2026-08-17")
    user.presses(*["enter"] * 4)
    user.sees("Go ahead")
    user.presses("escape")

    user.presses("w")
    user.sees("When did the trouble begin?")
    user.presses("20h ago", "enter")
    user.sees("replication", "O Failover")
    user.presses("O")
    user.sees("Failover of dc-02", "▶ 2026-08-21 ")
    user.presses("escape")

    user.presses("2", "/", "missing", "enter", "enter")
    user.sees("A gap of dc-02", "The policy promises points that are not there")
    user.presses("escape")
    for ending in ("/restore", "/unplannedFailover"):
        assert posts(emulator, ending) == 0
    assert user.ends() == 0
