"""What a new user does, by key presses in a real pseudo-terminal on a real emulator and engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import EmulatorFactory
from tests.support import Emulator

from .console_driver import BIG, ON_A_VM, SMALL, User, posts

FAST = 160
"""World seconds per second: the operations of the story take a few seconds each."""


@pytest.fixture
def fast_emulator(emulator_factory: EmulatorFactory) -> Emulator:
    return emulator_factory(speed=FAST, throttle=False)


@pytest.fixture(params=[BIG, SMALL], ids=["160x48", "80x24"])
def user(request: pytest.FixtureRequest, fast_emulator: Emulator, tmp_path: Path) -> Iterator[User]:
    started = User(fast_emulator, tmp_path, request.param)
    yield started
    started.close()


@pytest.mark.cold
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
    user.sees("1 VMs (")
    user.presses("T")
    user.answers_form(1)
    user.confirms()
    user.sees("Clean up the test virtual machine")
    user.watches_to_the_end()
    user.presses("escape")
    user.sees("1 VMs (")
    user.presses("O")
    user.sees("Failover of web-02")
    user.answers_form(2)
    user.confirms("web-02", tick=True)
    user.sees("RTO clock")
    user.watches_to_the_end()
    user.presses("escape")
    user.sees("1 VMs (")
    user.presses("C")  # at once: with the word "done" the row must say so, too
    user.confirms("web-02", tick=True)
    user.watches_to_the_end()
    user.presses("escape")
    user.sees("▲ failed over")

    for ending in ("/testFailover", "/testFailoverCleanup", "/unplannedFailover", "/failoverCommit"):
        assert posts(fast_emulator, ending) == 1, ending
    assert user.ends() == 0


@pytest.mark.timeout(240)
def test_a_vault_is_made_and_gets_another_storage(user: User, fast_emulator: Emulator) -> None:
    user.opens_fleet()
    user.presses("v")
    user.sees("1 Vaults (5)", "rsv-weu", "geo", "✔ 14d")

    user.presses("N")
    user.sees("Create vault in Contoso-")
    user.presses("-new")
    user.sees(" -new")
    user.presses(*["enter"] * 5)
    user.sees("-new is not a name for a vault")
    user.presses("enter")
    user.sees("Show the plan", " -new")
    user.presses("home", "rsv")
    user.sees("rsv-new")
    user.answers_form(5)
    user.sees("rsv-new is made in")
    user.presses("enter")
    user.sees("1 Vaults (6)", "rsv-new")

    user.presses("/", "rsv-new", "enter")
    user.sees("(1 of 6)")
    user.presses("d")
    user.sees("yes, until something is protected", "once on, it cannot be switched off again")
    user.presses("escape")
    user.sees_no_more("↑↓ scroll")
    user.presses("a")
    user.sees("▶ ·   Change redundancy", "Cross-region restore on")
    user.presses("enter")
    user.sees("Change redundancy of rsv-new", "▶ geo-redundant (now)")
    user.presses("down")
    user.sees("▶ zone-redundant")
    user.presses("enter")
    user.confirms("rsv-new")
    user.watches_to_the_end()
    user.presses("escape")
    user.sees("1 Vaults (1 of 6)", "zone ")
    user.presses("escape", "escape")
    user.sees("1 VMs (")
    vault = "/providers/Microsoft.RecoveryServices/vaults/rsv-new"
    assert posts(fast_emulator, vault) == 2
    assert user.ends() == 0


@pytest.mark.timeout(240)
def test_backup_and_snapshot(user: User, fast_emulator: Emulator) -> None:
    user.opens_fleet()
    user.finds("app-01")
    user.presses("B")
    user.answers_form(1)
    user.presses("enter")
    user.sees("On its way. Press 4")
    user.presses("4")
    user.sees("4 Operations", "backup-now")
    user.presses("enter")
    user.sees("Take Snapshot", "Transfer data to vault")
    user.watches_to_the_end(120)
    user.presses("escape")

    user.finds("web-03")
    user.presses("S")
    user.answers_form(2)
    user.presses("enter")
    user.sees("On its way. Press 4")
    user.sees("disk snapshot", "done in")
    assert posts(fast_emulator, "/backup") == 1
    assert user.ends() == 0


@pytest.mark.timeout(240)
def test_restore_a_vm_and_its_disks(user: User, fast_emulator: Emulator) -> None:
    user.opens_fleet()
    user.finds("web-02")
    user.presses("V")
    user.sees("Restore as new VM of web-02")
    user.answers_form(6)
    user.confirms()
    user.sees("Restore of web-02 as web-02-restored", "Transfer data from vault")
    user.watches_to_the_end()
    user.sees("VM name: web-02-restored")
    user.presses("escape")
    user.sees("1 VMs (31)")
    user.finds("web-02-restored")

    user.finds("web-02")
    user.presses("D")
    user.sees("Restore disks of web-02")
    user.answers_form(4)
    user.confirms()
    user.watches_to_the_end()
    user.sees("Template", "blob.core.windows.net")
    user.presses("escape")
    assert posts(fast_emulator, "/restore") == 2
    assert user.ends() == 0


class Leaving(NamedTuple):
    """An operation that is under way when its user leaves."""

    action: str
    key: str
    name: str
    fields: int
    ending: str
    dangerous: bool = False
    in_footer: bool = True
    """There is room for a few keys only."""
    words: tuple[str, ...] = ()


LEFT = (
    Leaving("failover", "O", "web-01", 2, "/unplannedFailover", dangerous=True),
    Leaving("test-failover", "F", "web-03", 3, "/testFailover"),
    Leaving("clean-up-test-failover", "T", "sql-02", 1, "/testFailoverCleanup"),
    Leaving("commit-failover", "C", "file-01", 0, "/failoverCommit", dangerous=True, words=("westeurope",)),
    Leaving("backup-now", "B", "app-01", 1, "/backup"),
    Leaving("snapshot-disks", "S", "web-03", 2, ""),
    Leaving("restore-disks", "D", "web-03", 4, "/restore", in_footer=False),
    Leaving("restore-vm", "V", "web-03", 6, "/restore", in_footer=False),
)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("way", ["quits", "loses the line"])
@pytest.mark.parametrize("left", LEFT, ids=[each.action for each in LEFT])
def test_leaving_in_the_middle_ends_the_looking_and_nothing_else(
    fast_emulator: Emulator, tmp_path: Path, left: Leaving, way: str
) -> None:
    """Half of them on a small screen."""
    user = User(fast_emulator, tmp_path, SMALL if (LEFT.index(left) + (way == "quits")) % 2 else BIG)
    try:
        user.opens_fleet()
        user.finds(left.name, *left.words)
        if left.in_footer:
            user.sees(f"{left.key} ")
        user.presses(left.key)
        if left.fields:
            user.answers_form(left.fields)
        fast_emulator.set_speed(0 if left.action == "snapshot-disks" else 1)
        if left.action in ("backup-now", "snapshot-disks"):
            user.sees("Go ahead")
            user.presses("enter")
            user.sees("● 1 running")
        else:
            user.confirms(left.name if left.dangerous else "", tick=left.dangerous)
            user.sees("esc Back, it goes on", "● running")
        if way == "quits":
            assert user.ends() == 0
            assert "go on" in user.terminal.text
        else:
            user.terminal.hang_up()
            user.terminal.wait_exit()

        user.again()
        user.opens_fleet()
        user.sees("● 1 running")
        user.presses("4")
        user.presses("enter")
        fast_emulator.set_speed(FAST)
        user.sees("✔ done", "took", most_s=90)
        if left.ending:
            assert posts(fast_emulator, left.ending) == 1
    finally:
        user.close()


def test_resize_between_layouts_and_down_to_too_small(fast_emulator: Emulator, tmp_path: Path) -> None:
    user = User(fast_emulator, tmp_path, BIG)
    try:
        user.opens_fleet()
        assert "4 Operations" in user.terminal.text
        assert "5 Requests" in user.terminal.text
        user.terminal.resize(*SMALL)
        user.sees("2 Points", "│ 3 Replication", "? Help")
        user.terminal.resize(40, 10)
        user.sees("too small")
        user.terminal.resize(1, 1)
        user.terminal.settle()
        user.terminal.resize(*BIG)
        user.sees("1 VMs (30)", "5 Requests", "? Help")
        assert user.ends() == 0
    finally:
        user.close()


def test_three_fast_keys_open_one_dialog(user: User) -> None:
    user.opens_fleet()
    user.finds("web-02")
    user.presses("F", "F", "F")
    user.sees("Test failover of web-02", "Show the plan")
    user.presses("escape")
    user.sees_no_more("Show the plan")
    assert "▶  web-02" in user.terminal.text


def test_read_only_refuses_before_anything_is_asked(fast_emulator: Emulator, tmp_path: Path) -> None:
    user = User(fast_emulator, tmp_path, BIG, "--read-only")
    try:
        user.opens_fleet()
        user.sees("READ-ONLY")
        user.finds("web-02")
        user.presses("F")
        user.sees("This console is read-only")
        user.presses("a")
        user.sees(f"0 of {len(ON_A_VM)} are possible now")
        assert fast_emulator.requests() == []
    finally:
        user.close()


@pytest.mark.timeout(300)
def test_protect_back_up_and_stop(user: User, fast_emulator: Emulator) -> None:
    user.opens_fleet()
    user.finds("jump-01")
    user.presses("a")
    user.sees("Actions on jump-01", "▶ S   Snapshot disks")
    user.presses("down")
    user.sees("▶ ·   Enable backup")
    user.presses("enter")
    user.sees("Enable backup of jump-01", "rsv-weu · DefaultPolicy", "instant restore 2 days")
    user.answers_form(1)
    user.confirms()
    user.sees("Enabling backup of jump-01")
    user.watches_to_the_end()
    user.presses("escape")
    user.sees("◐ first due")

    user.finds("jump-01")
    user.presses("B")
    user.answers_form(1)
    user.presses("enter")
    user.sees("On its way. Press 4")
    user.sees("Backup of jump-01: done", "● file-system", most_s=120)

    user.finds("jump-01")
    user.presses(":")
    user.sees("Find anything")
    user.presses("stop backup, keep")
    user.sees("▶ action    Stop backup, keep")
    user.presses("enter")
    user.sees("What is lost or cannot be undone") if user.size == BIG else user.sees("Go ahead")
    user.confirms("jump-01")
    user.watches_to_the_end()
    user.presses("escape")
    user.sees("■ stopped")
    assert posts(fast_emulator, "/protectedItems/VM;iaasvmcontainerv2;rg-core-weu;jump-01") == 2
    assert posts(fast_emulator, "/backup") == 1
    assert user.ends() == 0
