# ruff: noqa: ASYNC220, ASYNC240
"""The script that an item-level recovery hands out for Linux mounts the point's volumes when root runs it."""

from __future__ import annotations

import base64
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support import NOW, Emulator
from .sdk import sdk_clients
from .sessions import point_at
from .test_item_recovery import provision, scripts_of, segments

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/dev/loop-control").exists(), reason="needs root and loop devices"
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    folder: Path = tmp_path_factory.mktemp("ilr-mount") / "emulator"
    emulator = Emulator(folder, "--speed", "0", "--now", NOW)
    yield emulator
    emulator.kill()


async def script(world: Emulator, monkeypatch: pytest.MonkeyPatch, folder: Path) -> tuple[Path, str]:
    point_at(world, monkeypatch)
    async with sdk_clients(world) as clients:
        point, operation = await provision(clients, world, "web-01")
        world.advance(60)
        [found] = (await scripts_of(clients, point, operation)).client_scripts
    path = folder / "script.py"
    path.write_bytes(base64.b64decode(found.script_content))
    return path, found.script_name_suffix.rpartition("_")[2][32:47]


@needs_root
async def test_volumes_are_mounted_until_it_is_told_to_stop(
    world: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path, password = await script(world, monkeypatch, tmp_path)
    assert password not in path.read_text()
    master, slave = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, str(path)], stdin=slave, stdout=slave, stderr=slave, cwd=tmp_path,
        start_new_session=True, preexec_fn=lambda: os.close(master),
    )  # fmt: skip
    os.close(slave)
    said = b""
    try:
        deadline = time.monotonic() + 60
        answered = False
        while b"to exit..." not in said and time.monotonic() < deadline:
            said += os.read(master, 4096)
            if not answered and b"password" in said:
                os.write(master, f"{password}\n".encode())
                answered = True
        assert password.encode() not in said
        places = [Path(os.fsdecode(one)) for one in re.findall(rb"(/\S+/Volume\d+)\r?\n", said)]
        root = next(place for place in places if (place / "etc/fstab").exists())
        assert os.path.ismount(root)
        assert b"/ " in (root / "etc/fstab").read_bytes()
        os.write(master, b"q\n")
        assert running.wait(30) == 0
        assert not root.exists()
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGTERM)
            running.wait(10)
        os.close(master)


@needs_root
async def test_a_wrong_password_mounts_nothing_and_a_revoked_point_gives_nothing(
    world: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path, password = await script(world, monkeypatch, tmp_path)

    def run(word: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(path)], input=f"{word}\n", capture_output=True, text=True, cwd=tmp_path,
            start_new_session=True, timeout=60, check=False,
        )  # fmt: skip

    wrong = run("0" * 15)
    assert wrong.returncode == 1
    assert "The password entered is not valid." in wrong.stdout
    async with sdk_clients(world) as clients:
        point, _ = await provision(clients, world, "web-01", renew=True)
        world.advance(60)
        vault, group, *rest = segments(point)
        await clients.backup.item_level_recovery_connections.revoke(vault, group, *rest)
        world.advance(60)
    late = run(password)
    assert late.returncode == 1
    assert "Could not connect to the recovery point" in late.stdout
    assert list(tmp_path.iterdir()) == [path]
