"""The command line as a user meets it: every mistake is one line with the way out, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.terminal import Terminal


def environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
    for name in ("CONFIG", "STATE", "CACHE", "DATA"):
        kept[f"XDG_{name}_HOME"] = str(folder / name.lower())
    runtime = folder / "run"
    runtime.mkdir(mode=0o700, exist_ok=True)
    return {**kept, "XDG_RUNTIME_DIR": str(runtime), "PYTHONUTF8": "1", **more}


def azrecover(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tui.cli", *arguments],
        env=environment(folder, **more), capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip


def in_terminal(folder: Path, *arguments: str, term: str = "xterm-256color", **more: str) -> str:
    """What the program wrote before it ended by itself."""
    argv = [sys.executable, "-m", "tui.cli", *arguments]
    terminal = Terminal(argv, environment(folder, TERM=term, **more), 400, 24)
    try:
        terminal.wait_for(lambda text: "azrecover:" in text, timeout_s=30)
        return " ".join(terminal.text().split())
    finally:
        terminal.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--bogus"], "unrecognized arguments: --bogus"),
        (
            ["frobnicate"],
            "unknown command 'frobnicate'; known are emulator, engine, journal, files, handover, doctor",
        ),
        (["--cloud", "mars"], "argument --cloud: invalid choice: 'mars'"),
        (["--cloud"], "argument --cloud: expected one argument"),
        (
            ["--cloud", "public", "--arm-endpoint", "https://x"],
            "--cloud and --arm-endpoint exclude each other",
        ),
        (["--arm-endpoint", "http://x"], "--arm-endpoint must start with https://"),
        (["--ca", "x.pem"], "--ca needs --arm-endpoint"),
        (["--arm-endpoint", "https://x", "--ca", "nowhere.pem"], "the CA file 'nowhere.pem' does not exist"),
        (["--emulator", "--cloud", "china"], "--emulator brings its own endpoint"),
        (["--emul"], "unrecognized arguments: --emul"),
        (["engine"], "'azrecover engine' needs one of: status, stop, log"),
        (["journal"], "'azrecover journal' needs one of: list, show, export, give-up"),
    ],
)
def test_wrong_flags_get_one_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    answer = azrecover(tmp_path, *arguments)
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert answer.stderr.startswith("azrecover: ")
    assert said in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_a_wrong_config_gets_one_line_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "config" / "azrecover" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text("colour = 1")
    answer = azrecover(tmp_path)
    assert answer.returncode == 2
    assert answer.stderr == f"azrecover: {path}: unknown key 'colour' (do you mean 'colours'?)\n"


def test_without_a_terminal_it_says_so(tmp_path: Path) -> None:
    answer = azrecover(tmp_path, TERM="xterm")
    assert answer.returncode == 2
    assert "standard input is not a terminal" in answer.stderr
    assert answer.stderr.count("\n") == 1


@pytest.mark.parametrize("term", ["", "dumb", "vt100"])
def test_a_terminal_without_a_full_screen_is_refused(tmp_path: Path, term: str) -> None:
    said = in_terminal(tmp_path, term=term)
    assert "TERM" in said
    assert "TERM=xterm-256color" in said


def test_an_encoding_other_than_utf8_is_refused(tmp_path: Path) -> None:
    said = in_terminal(tmp_path, PYTHONUTF8="0", PYTHONIOENCODING="latin-1")
    assert "not UTF-8" in said


def test_a_key_clash_in_the_config_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config" / "azrecover" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text('[keys]\nfailover = "F"\n')
    said = in_terminal(tmp_path)
    assert "key 'F' is wanted by test-failover and by failover" in said


def test_version_and_help(tmp_path: Path) -> None:
    assert azrecover(tmp_path, "--version").stdout.startswith("azrecover ")
    answer = azrecover(tmp_path, "--help")
    assert answer.returncode == 0
    assert "--emulator" in answer.stdout
    assert "doctor" in answer.stdout


def test_options_of_a_command_are_left_to_it(tmp_path: Path) -> None:
    answer = azrecover(tmp_path, "--read-only", "engine", "log", "--lines", "3")
    assert answer.returncode == 0, answer.stderr
    assert "no log yet" in answer.stdout


def test_no_runtime_folder_of_a_session_manager_is_no_warning(tmp_path: Path) -> None:
    env = environment(tmp_path)
    del env["XDG_RUNTIME_DIR"]
    code = "from azure_ops import cloud, paths; print(paths.runtime_dir(cloud.CloudSettings()))"
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert run.stderr == ""
