"""What the terminal shows must be the same with Textual's own driver and with ours, which sends far less."""

from __future__ import annotations

import random
import time

import pytest

from .pty_screen import ROOT, PtyScreen

APP = str(ROOT / "tests" / "terminal" / "driver_app.py")
MOVES = [
    "down",
    "down",
    "up",
    "pagedown",
    "pageup",
    "end",
    "home",
    "s",
    "space",
    "c",
    "u",
    "t",
    "m",
    "x",
    "tab",
]
SIZES = [(80, 24), (120, 40), (61, 17), (100, 30)]


def start(kind: str, *more: str, columns: int = 80, rows: int = 24) -> PtyScreen:
    screen = PtyScreen(APP, kind, *more, columns=columns, rows=rows)
    screen.wait_for("NAME")
    screen.settle()
    return screen


def differences(one: PtyScreen, other: PtyScreen) -> list[str]:
    return [
        f"{x},{y}: {a} {b}"
        for y, (mine, theirs) in enumerate(zip(one.cells(), other.cells(), strict=True))
        for x, (a, b) in enumerate(zip(mine, theirs, strict=True))
        if a != b
    ]


def agree(stock: PtyScreen, ours: PtyScreen) -> None:
    until = time.monotonic() + 5
    while True:
        stock.settle(0.08)
        ours.settle(0.08)
        different = differences(stock, ours)
        if not different:
            return
        assert time.monotonic() < until, different[:8]


@pytest.mark.parametrize("seed", range(4))
def test_screens_are_the_same_over_random_scripts(seed: int) -> None:
    script = random.Random(seed)
    with start("stock") as stock, start("ours") as ours:
        agree(stock, ours)
        for _ in range(25):
            if script.random() < 0.12:
                size = script.choice(SIZES)
                stock.resize(*size)
                ours.resize(*size)
            else:
                keys = script.choices(MOVES, k=script.randrange(1, 3))
                for (
                    key
                ) in keys:  # one by one: which screen gets a key while a dialog opens is a matter of luck
                    stock.send(key)
                    ours.send(key)
                    stock.settle(0.04)
                    ours.settle(0.04)
            agree(stock, ours)
        assert len(ours.raw) < len(stock.raw) / 3


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_bytes_stay_within_budget(size: tuple[int, int]) -> None:
    with start("ours", columns=size[0], rows=size[1]) as ours:
        assert ours.settle(1.0) == 0, "an idle screen costs nothing"
        ours.send("n")
        assert ours.settle(0.3) == 0, "a repaint of what is there costs nothing"
        ours.send("down")
        assert 0 < ours.settle(0.3) <= 1000
        ours.send("c")
        assert 0 < ours.settle(0.3) <= 1000
        ours.send("pagedown")
        assert 0 < ours.settle(0.3) <= 5000
