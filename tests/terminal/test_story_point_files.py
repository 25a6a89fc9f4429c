"""`I` on a recovery point: form, plan, the files of the disk in Azure, and one of them in a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from azure_ops.emulator.disks import build_truth
from tests.conftest import EmulatorFactory
from tests.support import Emulator

from .console_driver import SMALL, User, posts


@pytest.fixture
def emulator(emulator_factory: EmulatorFactory) -> Emulator:
    return emulator_factory(speed=10, throttle=False)


@pytest.fixture
def user(emulator: Emulator, tmp_path: Path) -> Iterator[User]:
    started = User(emulator, tmp_path, SMALL)
    yield started
    started.close()


def fstabs() -> set[str]:
    truth = build_truth.read_truth(Path(build_truth.__file__).parent / "data/ubuntu.truth")
    systems = [system for stage in truth["stages"].values() for system in stage]
    return {
        str(entry["sha256"])
        for system in systems
        for entry in system["entries"]
        if entry["path"] == "etc/fstab"
    }


@pytest.mark.timeout(120)
def test_a_file_of_a_recovery_point(user: User, emulator: Emulator, tmp_path: Path) -> None:
    out = tmp_path / "out"
    user.opens_fleet()
    user.finds("web-02")
    user.presses("2")
    user.sees("Points · web-02")
    user.presses("/", "vault", "enter", "g")
    user.sees("(", "snapshot+vault")
    user.presses("I")
    user.sees("Open files of web-02", "Recovery point")
    user.presses("enter")
    user.sees("Read the backup's own snapshot")
    user.presses("enter")
    user.sees("Open files: web-02", "Read the backup's own snapshot, of the point of")
    assert posts(emulator, "/beginGetAccess") == 0
    user.presses("tab", "enter")
    user.sees("disk0/p1", "ext4", "✔ readable", "esc Close")
    assert posts(emulator, "/beginGetAccess") == 1
    user.presses("enter")
    user.sees("etc/", "file-system-consistent: files are whole")
    user.presses("t", "/etc/fstab", "enter")
    user.sees("▶  [ ]  fstab")
    user.presses("space")
    user.sees("Ticked: 1 files")
    user.presses("E")
    user.sees("Where to", "Folder of this machine")
    user.presses("enter", "\x15", str(out), "enter", "enter")
    user.sees("will be made", "Go ahead")
    user.presses("tab", "enter")
    user.sees("✔ done", "1 of 1")
    assert hashlib.sha256((out / "etc/fstab").read_bytes()).hexdigest() in fstabs()

    user.presses("escape")
    user.sees_no_more("✔ done")
    user.presses("escape")
    user.sees("/ (1")
    user.presses("escape")
    user.sees("esc Close")
    assert posts(emulator, "/endGetAccess") == 0
    user.presses("escape")
    user.sees("Points · web-02")
    user.terminal.wait_for(lambda _: posts(emulator, "/endGetAccess") == 1, 30)
    assert posts(emulator, "/endGetAccess") == 1
    assert user.ends() == 0
