"""The shipped images, unpacked once per run."""

from __future__ import annotations

import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from .truth import IMAGES

_BLOCK = 1 << 20


def unpack(name: str, folder: Path) -> Path:
    """An image with its holes."""
    target = folder / name
    if target.exists():
        return target
    with lzma.open(IMAGES / f"{name}.xz") as source, open(target, "wb") as file:
        while block := source.read(_BLOCK):
            if block.count(0) == len(block):
                file.seek(len(block), 1)
            else:
                file.write(block)
        file.truncate()
    return target


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("images")
    return lambda name: unpack(name, folder)
