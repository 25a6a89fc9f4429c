"""Running a recovery script: what may be run, its questions, its password, its table of mounts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from azure_ops.engine import item_scripts
from azure_ops.item_recovery import Script
from azure_ops.services.item_recovery import name_and_password
from tui.recovery_script import CannotRun, RunningScript, check

PASSWORD = "0123456789abcde"
TALKS = """
import getpass, sys
print("Hello \\x1b[31mred")
given = getpass.getpass("Please enter the password as shown on the portal. : ")
print("you said", given)
print("well" if input("Install it (Y/N)? ") == "y" else "no")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "items" / "one"
    script = Script(name="web_12_34.py", content=TALKS.encode(), password=PASSWORD, os_type="Linux")
    item_scripts.write(made, [script])
    return made


def test_script_and_password_are_kept_from_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert check(folder) == (folder / "web_12_34.py", PASSWORD)
    assert PASSWORD not in repr(Script(name="x", content=b"", password=PASSWORD))


@pytest.mark.parametrize("name", ["", "web_12_34.py", "password"])
def test_what_others_could_have_changed_is_not_run(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (folder / name).chmod(0o777)
    with pytest.raises(CannotRun, match="changed by others"):
        check(folder)


def test_without_root_it_says_how(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(CannotRun, match=f"sudo azrecover files --script {folder}"):
        check(folder)


def test_a_folder_without_a_script_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    tmp_path.chmod(0o700)
    with pytest.raises(CannotRun, match="holds no recovery script"):
        check(tmp_path)


def test_the_script_gets_its_password_and_its_lines_are_plain(folder: Path) -> None:
    told: list[str] = []
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return "y"

    running = RunningScript(folder / "web_12_34.py", PASSWORD, told.append, ask)
    with pytest.raises(CannotRun, match="ended without mounting"):
        running.start()
    running.end()
    assert told[0] == "Hello  [31mred"
    assert "you said " + "•" * 8 in told
    assert "well" in told
    assert asked == ["Install it (Y/N)?"]
    assert PASSWORD not in "".join(told)


def test_what_is_not_mounted_is_not_opened(folder: Path) -> None:
    script = folder / "web_12_34.py"
    script.write_text("print('1)  |  /dev/sdc  |  /dev/sdc1  |  /etc/Volume1')\nprint('q/Q to exit')\n")
    running = RunningScript(script, PASSWORD, lambda _: None, input)
    with pytest.raises(CannotRun, match="mounted no volume"):
        running.start()
    running.end()
    assert running.places == [Path("/etc/Volume1")]


def test_what_was_written_for_a_point_goes_with_it(folder: Path) -> None:
    other = folder.parent / "two"
    item_scripts.write(other, [Script(name="web_99_1.py", content=b"", password=PASSWORD)])
    item_scripts.remove_of(folder.parent, "12")
    assert not folder.exists()
    assert other.exists()
    item_scripts.remove_of(folder.parent / "never", "12")


def test_the_password_is_cut_out_of_the_name() -> None:
    digits = "a" * 32 + PASSWORD + "b" * 14
    stem, password = name_and_password(f"../web/01_1_we_7_12_{digits}")
    assert password == PASSWORD
    assert stem == f"web01_1_we_7_12_{'a' * 32}{'b' * 14}"
