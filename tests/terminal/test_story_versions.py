"""A file that is gone today: `e` finds it in the night before, compares it and gets it back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from azure_ops.emulator.disks import build_truth
from tests.conftest import EmulatorFactory
from tests.support import Emulator

from .console_driver import SMALL, User, posts
from .test_story_files import NoAzure

GONE = "srv/finance/payroll-02.csv"


@pytest.fixture
def emulator(emulator_factory: EmulatorFactory) -> Emulator:
    return emulator_factory(speed=10, throttle=False)


@pytest.fixture
def user(emulator: Emulator, tmp_path: Path) -> Iterator[User]:
    started = User(emulator, tmp_path, SMALL)
    yield started
    started.close()


def digests(path: str) -> set[str]:
    truth = build_truth.read_truth(Path(build_truth.__file__).parent / "data/ubuntu.truth")
    entries = (entry for stage in truth["stages"].values() for system in stage for entry in system["entries"])
    return {str(entry["sha256"]) for entry in entries if entry["path"] == path}


@pytest.mark.timeout(120)
def test_a_file_that_ransomware_took(user: User, emulator: Emulator, tmp_path: Path) -> None:
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
    user.sees("Open files: web-02", "What will happen")
    user.presses("tab", "enter")
    user.sees("disk0/p1", "esc Close")
    user.presses("enter")
    user.sees("etc/", "e Versions")
    user.presses("t", f"/{GONE}", "enter")
    user.sees("there is no payroll-02.csv there", "e looks for it in other points")
    user.presses("e")
    user.sees(f"Versions · /{GONE}", "✖ not there", "not read yet", "a restore, 16 to 57 min")

    user.presses("space", "k", "enter")
    user.sees("What will happen", "Go ahead")
    assert posts(emulator, "/beginGetAccess") == 1
    user.presses("tab", "enter")
    user.sees("✔ there", "9.5 KB", "enter Open")
    assert posts(emulator, "/beginGetAccess") == 2
    user.presses("#")
    (expected,) = digests(GONE)
    user.sees(f"SHA-256 {expected}")
    user.presses("E")
    user.sees("Folder of this machine")
    user.presses("enter", "\x15", str(out), "enter", "enter")
    user.sees("will be made", "1 (9.5 KB)", "directories")
    user.presses("tab", "enter")
    user.sees("✔ done", "1 of 1")
    assert hashlib.sha256((out / GONE).read_bytes()).hexdigest() == expected
    user.presses("escape")
    user.sees("= Compare", "✔ there")
    user.presses("escape")
    user.sees("disk0/p1 (ext4)")
    user.sees_no_more("= Compare")

    user.presses("t", "/etc/nginx/nginx.conf", "enter")
    user.sees("▶  [ ]  nginx.conf")
    user.presses("e")
    user.sees("Versions · /etc/nginx/nginx.conf", "this one", "not read yet")
    user.presses("q")
    assert user.terminal.wait_exit() == 0
    assert posts(emulator, "/beginGetAccess") == posts(emulator, "/endGetAccess") == 2


@pytest.mark.timeout(60)
def test_two_folders_are_compared_as_text(tmp_path: Path) -> None:
    for day, words in (("monday", "listen 80;\nserver shop;\n"), ("tuesday", "listen 8080;\nserver shop;\n")):
        (tmp_path / day / "etc").mkdir(parents=True)
        (tmp_path / day / "etc/site.conf").write_text(words)
    folders = (str(tmp_path / "tuesday"), "--also", str(tmp_path / "monday"))
    user = User(NoAzure(), tmp_path, SMALL, "files", *folders)  # type: ignore[arg-type]
    try:
        user.sees("etc/", "e Versions")
        user.presses("t", "etc/site.conf", "enter")
        user.sees("▶  [ ]  site.conf")
        user.presses("e")
        user.sees("Versions · /etc/site.conf", "this one", "monday", "≠ different")
        user.presses("=")
        user.sees("Compare /etc/site.conf", "-listen 80;", "+listen 8080;", " server shop;", "1 added")
        user.presses("escape")
        user.sees_no_more("Compare /etc")
        user.presses("#")
        digest = hashlib.sha256((tmp_path / "monday/etc/site.conf").read_bytes()).hexdigest()
        user.sees(f"SHA-256 {digest}")
        user.presses("enter")
        user.sees("/etc (1)")
        assert user.ends() == 0
    finally:
        user.close()
