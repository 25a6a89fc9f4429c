# ruff: noqa: ASYNC240
"""`azrecover files --script FOLDER` as root: the script runs, its volumes are browsed, all is unmounted."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulator.sdk import sdk_clients
from tests.emulator.sessions import point_at
from tests.emulator.test_item_recovery import provision, scripts_of
from tests.support import NOW, Emulator

from .console_driver import SMALL, User

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/dev/loop-control").exists(), reason="needs root and loop devices"
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Emulator]:
    emulator = Emulator(tmp_path / "emulator", "--speed", "0", "--now", NOW)
    yield emulator
    emulator.kill()


async def written(world: Emulator, folder: Path) -> str:
    async with sdk_clients(world) as clients:
        point, operation = await provision(clients, world, "web-01")
        world.advance(60)
        [found] = (await scripts_of(clients, point, operation)).client_scripts
    password: str = found.script_name_suffix.rpartition("_")[2][32:47]
    folder.mkdir(mode=0o700)
    for name, content in (
        ("web.py", base64.b64decode(found.script_content)),
        ("password", f"{password}\n".encode()),
    ):
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o600)
    return password


@pytest.mark.timeout(120)
async def test_the_script_is_run_browsed_and_unmounted(
    world: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point_at(world, monkeypatch)
    folder = tmp_path / "script"
    password = await written(world, folder)
    user = User(world, tmp_path / "home", SMALL, "files", "--script", str(folder))
    try:
        user.sees("Volume1/")
        mounted = next(path for path in folder.iterdir() if path.is_dir())
        volumes = sorted(path for path in mounted.iterdir() if os.path.ismount(path))
        root = next(volume for volume in volumes if (volume / "etc/fstab").exists())
        user.presses("t")
        user.sees("path to go to")
        user.presses(f"/{root.name}/etc/fstab", "enter")
        user.sees(f"/{root.name}/etc")
        user.presses("q")
        seen = user.sees("In Azure the connection is open")
        assert not mounted.exists()
        assert password not in seen
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    finally:
        user.close()
