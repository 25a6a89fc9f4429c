"""Bad days: each is a clear line with the next step, the console lives on, and nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import EmulatorFactory
from tests.support import READER_CLIENT_ID, Emulator

from .console_driver import BIG, ON_A_VM, SMALL, User, posts


@pytest.fixture
def world(emulator_factory: EmulatorFactory) -> Emulator:
    return emulator_factory(speed=20, throttle=False)


@pytest.fixture
def user(world: Emulator, tmp_path: Path) -> Iterator[User]:
    started = User(world, tmp_path, BIG)
    yield started
    started.close()


def engine_pid(user: User) -> int:
    command = [sys.executable, "-m", "tui.cli", "engine", "status"]
    said = subprocess.run(
        command, env=user.env, capture_output=True, text=True, timeout=30, check=True
    ).stdout
    return int(said.partition("process ")[2].split(",")[0])


@pytest.mark.cold
def test_a_killed_engine_comes_back_and_the_rows_stay(user: User) -> None:
    user.opens_fleet()
    first = engine_pid(user)
    os.kill(first, signal.SIGKILL)
    user.sees("1 VMs (30)", "web-02", "● WRITE", "? Help")
    user.finds("web-02")
    user.presses("r")
    user.sees("2 Points · web-02", "ASR")
    assert engine_pid(user) != first
    assert user.ends() == 0


def test_a_reader_sees_all_and_is_refused_before_anything_is_sent(world: Emulator, tmp_path: Path) -> None:
    user = User(world, tmp_path, BIG, "--client-id", READER_CLIENT_ID)
    try:
        user.opens_fleet()
        user.finds("web-02")
        user.presses("B")
        user.sees("Microsoft.RecoveryServices", "not possible", "Ask for Backup Operator on rsv-weu")
        user.sees_no_more("Show the plan")
        user.presses("escape")
        assert world.requests() == []
        assert user.ends() == 0
    finally:
        user.close()


def test_an_endpoint_that_does_not_answer_is_named(world: Emulator, tmp_path: Path) -> None:
    user = User(world, tmp_path, BIG)
    try:
        user.opens_fleet()
        world.kill()
        user.presses("r")
        user.sees("127.0.0.1", "web-02", "▲")
        user.presses("?")
        user.sees("Lower case looks")
        user.presses("escape")
        assert user.ends() == 0
    finally:
        user.close()


def test_a_state_folder_that_cannot_be_used_is_named(world: Emulator, tmp_path: Path) -> None:
    user = User(world, tmp_path, BIG)
    user.terminal.close()
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    user.env["XDG_STATE_HOME"] = str(blocked)
    try:
        user.again()
        user.sees("The engine is out of reach", "blocked", "XDG_STATE_HOME")
        user.presses("escape")
        assert user.ends() == 0
    finally:
        user.close()


@pytest.mark.timeout(240)
def test_marked_rows_get_one_plan_and_an_outcome_each(user: User, world: Emulator) -> None:
    user.opens_fleet()
    user.presses("/")
    user.sees("enter keeps")
    user.presses(*"web-0")
    user.sees("(3 of 30) /web-0")
    user.presses("enter")
    user.terminal.settle()
    user.presses("space")
    user.sees("◆1 marked")
    user.presses("space")
    user.sees("◆2 marked")
    user.presses("B")
    user.answers_form(1)
    user.sees("web-01", "web-02")
    user.presses("enter")
    user.sees("On its way.")
    user.sees("2 running")
    assert posts(world, "/backup") == 2


def test_what_azure_refuses_is_told_whole(user: User, world: Emulator) -> None:
    world.fault("status", method="POST", path="*/testFailover", status=409, code="Conflict", message="No.")
    user.opens_fleet()
    user.finds("web-02")
    user.presses("F")
    user.answers_form(3)
    user.confirms()
    user.sees("✖ failed", "another operation is in progress", "next step:", "request id")
    assert "Traceback" not in user.terminal.text


def test_looking_around(user: User) -> None:
    """Every key that only looks, on one VM."""
    user.opens_fleet()
    user.finds("web-02")
    for key, seen in (
        ("d", "Virtual machine"),
        ("y", "virtualMachines/read"),
        ("?", "Lower case looks"),
        ("a", f"of {len(ON_A_VM)} are possible now"),
    ):
        user.presses(key)
        user.sees(seen)
        user.presses("escape")
        user.sees_no_more(seen)
    user.presses("c")
    user.sees("clipboard (OSC 52)")
    assert b"\x1b]52;c;" in user.terminal.raw
    user.presses("p")
    user.sees("PAUSED")
    user.presses("p")
    user.sees_no_more("PAUSED")
    user.presses("+")
    user.sees_no_more("5 Requests")
    user.presses("escape")
    user.sees("5 Requests")
    user.presses("5")
    user.presses("+")
    user.sees_no_more("1 VMs")
    assert "5 Requests" in user.terminal.text
    user.presses("_")
    user.sees("1 VMs")
    assert user.ends() == 0


def test_local_times_and_another_key_from_the_settings(world: Emulator, tmp_path: Path) -> None:
    path = tmp_path / "config" / "azrecover" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text('times = "local"\n[keys]\ntest-failover = "f5"\n')
    user = User(world, tmp_path, BIG)
    user.terminal.close()
    user.env["TZ"] = "Asia/Tokyo"
    user.again()
    try:
        user.opens_fleet()
        user.finds("web-02")
        user.sees("WHEN (local)", "2026-08-22 2", "f5 TestFail")
        user.presses("\x1b[15~")
        user.sees("Test failover of web-02", "Show the plan")
    finally:
        user.close()


def test_a_bad_answer_leads_back_to_the_form(user: User, world: Emulator) -> None:
    user.opens_fleet()
    user.finds("web-02")
    user.presses("B")
    user.sees("Keep the point until")
    user.presses(*["\x7f"] * 10, "2020-13-45", "enter")
    user.sees("is no date", "YYYY-MM-DD")
    assert "What is sent" not in user.terminal.text
    user.presses("enter")
    user.sees("Keep the point until", "2020-13-45")
    user.presses(*["\x7f"] * 10, "2026-10-01", "enter")
    user.sees("What is sent", "Go ahead")
    user.presses("enter")
    user.sees("On its way.")
    user.presses("4", "enter")
    user.sees("Backup of web-02", "Take Snapshot")
    assert posts(world, "/backup") == 1


@pytest.mark.timeout(240)
def test_two_operators_at_two_desks_press_the_same_key(world: Emulator, tmp_path: Path) -> None:
    desks = [User(world, tmp_path / name, BIG) for name in ("one", "two")]
    first, second = desks
    try:
        for desk in desks:
            desk.opens_fleet()
            desk.finds("web-02")
            desk.presses("B")
            desk.answers_form(1)
            desk.sees("Go ahead")
        world.set_speed(0)
        first.presses("enter")
        first.sees("On its way.")
        first.terminal.wait_for(lambda _: posts(world, "/backup") == 1)
        second.presses("enter")
        second.sees("✖ failed      backup-now", "● running     Backup")
        assert [request["status"] for request in world.requests()] == [202, 409]
        second.presses("4", "enter")
        second.sees("✖ failed", "a backup operation already runs on it", "next step:")
        second.presses("escape")
        assert second.ends() == 0
    finally:
        for desk in desks:
            desk.close()


def test_a_point_that_expires_while_the_form_is_open_leads_back_to_it(user: User, world: Emulator) -> None:
    user.opens_fleet()
    user.finds("web-02")
    user.presses("D")
    user.sees("Restore disks of web-02", "Show the plan")
    world.advance(60 * 86_400)
    user.presses(*["enter"] * 4)
    user.sees("no such recovery point (any more)", "Choose another point")
    assert "What is sent" not in user.terminal.text
    assert world.requests() == []


def test_an_early_fault_is_told_whole_on_a_small_screen(world: Emulator, tmp_path: Path) -> None:
    user = User(world, tmp_path, SMALL, "--subscription", "11111111-2222-3333-4444-555555555555")
    try:
        user.sees("--subscription")
    finally:
        user.close()


def test_a_machine_without_points_says_so_when_that_is_known(user: User) -> None:
    user.opens_fleet()
    user.finds("jump-01")
    user.sees("No recovery points")


def test_q_quits_while_the_engine_is_out_of_reach(world: Emulator, tmp_path: Path) -> None:
    user = User(world, tmp_path, BIG)
    user.terminal.close()
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    user.env["XDG_STATE_HOME"] = str(blocked)
    try:
        user.again()
        user.sees("The engine is out of reach", "q quits")
        assert user.ends() == 0
    finally:
        user.close()


FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "status", "status": 429, "retry_after": 1},
    {"kind": "status", "status": 429},
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 503},
    {"kind": "reset"},
    {"kind": "slow", "delay_s": 0.5},
    {"kind": "cut"},
    {"kind": "malformed"},
    {"kind": "expired-token"},
)


@pytest.mark.timeout(240)
def test_every_fault_at_every_request_leaves_the_console_alive(user: User, world: Emulator) -> None:
    """All that it reads goes wrong for a while, in each way: rows stay, keys work, and it recovers."""
    user.opens_fleet()
    user.finds("web-02")
    for fault in FAULTS:
        world.fault(path="*", count=60, **fault)
        user.presses("r")
        user.terminal.wait_for(lambda _: any(each["hits"] for each in world.faults()), 30)
        user.presses("?")
        user.sees("Lower case looks")
        user.presses("escape")
        user.sees_no_more("Lower case looks")
        assert "▶  web-02" in user.terminal.text, fault
        assert "Traceback" not in user.terminal.text, fault
        world.clear_faults()
    user.presses("r")
    user.presses("d")
    user.sees("Virtual machine", "web-02")
    user.presses("escape")
    user.sees_no_more("Virtual machine")
    assert user.ends() == 0
