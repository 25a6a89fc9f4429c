"""The committed pictures are what the console shows today, byte for byte."""

from __future__ import annotations

import pytest

from .pictures import FOLDER
from .screenshots import PICTURES, make, name_of


@pytest.mark.parametrize(("scene", "size"), PICTURES, ids=[name_of(*picture) for picture in PICTURES])
def test_the_picture_is_fresh(scene: str, size: tuple[int, int]) -> None:
    path = FOLDER / name_of(scene, size)
    drawn = make(scene, size)
    assert path.read_text(encoding="utf-8") == drawn, (
        f"{path.name} is stale: run `make screenshots` and look at it"
    )


def test_no_picture_is_left_over() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {name_of(*picture) for picture in PICTURES}
