"""A restore that stands still in the middle, on an engine of its own."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from azure_ops import wire
from azure_ops.file_model import Conflict, Control, FileChoice, FileRestore, FileSession, RestoreState
from azure_ops.file_places import Place
from tests.emulator.engine_world import Told


def big_image(folder: Path) -> tuple[Path, Path]:
    """Enough that a restore of it can be stopped in the middle: what is in it, and the image."""
    if not shutil.which("mkfs.ext4"):
        pytest.skip("mkfs.ext4 is not installed")
    rng = random.Random(4)
    (folder / "source/data").mkdir(parents=True)
    for number in range(600):
        (folder / f"source/data/{number}").write_bytes(rng.randbytes(200_000))
    image = folder / "big.img"
    with open(image, "wb") as file:
        file.truncate(160 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-d", folder / "source", image], check=True, timeout=60)
    return folder / "source", image


async def opened(console: Told, *images: Path) -> FileSession:
    answer = await console.call(wire.OpenFiles(paths=tuple(map(str, images))))
    assert isinstance(answer, wire.FilesOpened)
    return answer.session


async def begin_paused(console: Told, session: FileSession, wanted: FileChoice, place: Place) -> FileRestore:
    """Some of it is there, most of it is not."""
    request = wire.RestoreFiles(session=session.id, choice=wanted, place=place, conflict=Conflict.KEEP_BOTH)
    await console.call(request)
    while True:
        told = await console.call(wire.GetRestore(session=session.id))
        assert isinstance(told, wire.RestoreTold)
        assert told.restore is not None
        if told.restore.files_done > 150:
            break
    told = await console.call(wire.ControlRestore(session=session.id, control=Control.PAUSE))
    assert isinstance(told, wire.RestoreTold)
    assert told.restore is not None
    assert told.restore.state is RestoreState.PAUSED
    return told.restore
