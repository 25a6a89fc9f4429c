"""An engine in folders of its own on the contoso fleet: what the tests of engine and actions stand on."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support import Emulator

from .engine_world import EngineWorld, point_environment


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short: a socket's path has little room."""
    made = Path(tempfile.mkdtemp(prefix="azr-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
async def world(
    emulator: Emulator, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[EngineWorld]:
    """Files whose world differs have a fixture of their own."""
    point_environment(monkeypatch, emulator, folder)
    made = EngineWorld(emulator)
    yield made
    await made.close()
