"""What the measurements stand on: private folders, an emulator process, a feed, consoles in terminals."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from azure_ops import paths
from azure_ops.cloud import CloudSettings
from tests.bench.terminal import Terminal

ROOT = Path(__file__).parents[2]
CONSOLE = Path(sys.executable).with_name("azrecover")
FEED_ENDPOINT = "https://127.0.0.1:1"
FOLDERS = ("XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")


@contextlib.contextmanager
def private_folders() -> Iterator[None]:
    """XDG folders of this measurement alone, in this process's environment, gone afterwards."""
    base = Path(tempfile.mkdtemp(prefix="azrb"))
    before = {name: os.environ.get(name) for name in FOLDERS}
    try:
        for name in FOLDERS:
            folder = base / name[4:7].lower()
            folder.mkdir(mode=0o700)
            os.environ[name] = str(folder)
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        shutil.rmtree(base, ignore_errors=True)


@contextlib.contextmanager
def emulator(fleet: str) -> Iterator[dict[str, str]]:
    """A frozen world without throttling; yields the environment that makes a client use it."""
    state = tempfile.mkdtemp(prefix="azrb-world")
    command = [sys.executable, "-m", "azure_ops.emulator"]
    flags = ["--fleet", fleet, "--speed", "0", "--seed", "1", "--state", state, "--no-throttle"]
    process = subprocess.Popen([*command, "serve", *flags], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        yield {
            "AZRECOVER_ARM_ENDPOINT": ready["endpoint"],
            "AZRECOVER_CA": ready["ca_file"],
            "IDENTITY_ENDPOINT": ready["identity_endpoint"],
            "IDENTITY_HEADER": ready["identity_header"],
            "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
        }
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(state, ignore_errors=True)


@contextlib.contextmanager
def feed(rows: int, cells_per_second: int, tick_s: float = 0.1) -> Iterator[dict[str, str]]:
    """A fleet that changes at a given rate behind the engine's socket."""
    socket = paths.socket_path(CloudSettings(name="custom", arm_endpoint=FEED_ENDPOINT))
    arguments = [str(socket), str(rows), str(cells_per_second), str(tick_s)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.feed", *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield {"AZRECOVER_ARM_ENDPOINT": FEED_ENDPOINT}
    finally:
        process.terminate()
        process.wait()


def environment(more: dict[str, str]) -> dict[str, str]:
    """A user's: what a test machine sets for Python, such as never to keep compiled files, is left out."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "TERM": "xterm-256color", "LANG": "C.UTF-8", "COLORTERM": "truecolor", **more}


@contextlib.contextmanager
def console(env: dict[str, str], columns: int = 120, rows: int = 40) -> Iterator[Terminal]:
    terminal = Terminal([str(CONSOLE)], environment(env), columns, rows)
    try:
        yield terminal
    finally:
        terminal.close()


@contextlib.contextmanager
def program(argv: list[str], columns: int = 120, rows: int = 40) -> Iterator[Terminal]:
    terminal = Terminal(argv, environment({}), columns, rows)
    try:
        yield terminal
    finally:
        terminal.close()


def settings_of(env: dict[str, str]) -> CloudSettings:
    return CloudSettings(
        name="custom", arm_endpoint=env["AZRECOVER_ARM_ENDPOINT"], ca_file=env["AZRECOVER_CA"]
    )


def stop_engine(env: dict[str, str]) -> None:
    command = [sys.executable, "-m", "azure_ops.engine", "stop", *settings_of(env).to_argv()]
    subprocess.run(command, env=environment(env), cwd=ROOT, capture_output=True, check=False)


def engine_pid(env: dict[str, str]) -> int:
    return int(json.loads(paths.lock_path(settings_of(env)).read_text())["pid"])
