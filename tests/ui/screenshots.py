"""`make screenshots`: the pictures in screenshots/, made by driving the real console on a seeded emulator.

`test_screenshots.py` makes them again and compares.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

from azure_ops.cloud import CloudSettings
from azure_ops.engine.lock import holder
from tests.support import NOW, Emulator
from tests.ui.pictures import FOLDER, SIZES, PictureConsole, Scene, Stage, folders


async def fleet(stage: Stage) -> None:
    await stage.fleet("web-01")
    stage.app.show_requests()
    await stage.pilot.pause()


async def menu(stage: Stage) -> None:
    await stage.fleet("web-01")
    stage.app.show_requests()
    await stage.pilot.press("a")
    await stage.until_seen("esc")


async def failover_plan(stage: Stage) -> None:
    """What will be lost, before the key that loses it."""
    await stage.fleet("app-01")
    await stage.until_engine_stands_still()
    stage.app.show_requests()
    await stage.pilot.press("O")
    await stage.until_seen("Show the plan")
    for _ in range(3):
        if "I understand" in stage.text():
            break
        await stage.pilot.press("enter")
        await stage.pilot.pause(0.3)
    await stage.until_seen("I understand")


async def watch(stage: Stage) -> None:
    """A test failover in its second step."""
    await stage.fleet("web-02")
    stage.app.show_requests()
    await stage.pilot.press("F")
    await stage.until_seen("Show the plan")
    for _ in range(4):
        if "Go ahead" in stage.text():
            break
        await stage.pilot.press("enter")
        await stage.pilot.pause(0.3)
    await stage.until_seen("Go ahead")
    await stage.pilot.press("tab", "enter")
    await stage.until_seen("NotStarted")
    stage.emulator.advance(64)
    await stage.until(lambda: "2/4" in stage.text())


async def which_point(stage: Stage) -> None:
    """The answer where the trouble began before the newest points."""
    await stage.fleet("sql-02")
    await stage.until_engine_stands_still()
    await stage.pilot.press("w")
    await stage.until_seen("When did the trouble begin?")
    await stage.pilot.press(*(["backspace"] * 3), *"3 h ago", "enter")
    await stage.until(lambda: "✔ take" in stage.text() and "azrecover" in stage.text())  # the fleet behind it


async def vaults(stage: Stage) -> None:
    await stage.fleet("web-01")
    await stage.pilot.press("v")
    await stage.until_seen(" ✖2")
    await stage.pilot.press("G")
    await stage.pilot.pause()


async def loose_ends(stage: Stage) -> None:
    await stage.fleet("web-01")
    await stage.until_engine_stands_still()
    await stage.pilot.press("L")
    await stage.until_seen("failover not committed")


async def restore_plan(stage: Stage) -> None:
    """Disks of last night, and what Azure says of it."""
    await stage.fleet("app-01")
    await stage.until_engine_stands_still()
    await stage.pilot.press("D")
    await stage.until_seen("Show the plan")
    for _ in range(8):
        if "What will happen" in stage.text():
            break
        await stage.pilot.press("enter")
        await stage.pilot.pause(0.3)
    await stage.until_seen("What will happen")


SCENES: dict[str, Scene] = {
    "fleet": fleet,
    "menu": menu,
    "failover-plan": failover_plan,
    "watch": watch,
    "which-point": which_point,
    "vaults": vaults,
    "loose-ends": loose_ends,
    "restore-plan": restore_plan,
}
SMALL, MIDDLE, _ = SIZES
PICTURES = [
    *((name, size) for name in ("fleet", "failover-plan", "watch") for size in SIZES),
    *((name, size) for name in ("which-point", "vaults", "loose-ends") for size in (SMALL, MIDDLE)),
    ("menu", SMALL),
    ("restore-plan", MIDDLE),
]


def name_of(scene: str, size: tuple[int, int]) -> str:
    return f"{scene}-{size[0]}x{size[1]}.svg"


def make(scene: str, size: tuple[int, int]) -> str:
    """One picture as SVG text: a world, an engine and a console of its own."""
    with folders(), tempfile.TemporaryDirectory() as state:
        emulator = Emulator(
            Path(state) / "world", "--fleet", "contoso", "--speed", "0", "--seed", "1", "--now", NOW
        )
        before = dict(os.environ)
        try:
            os.environ.update(emulator.env)
            return asyncio.run(_draw(emulator, scene, size))
        finally:
            os.environ.clear()
            os.environ.update(before)
            emulator.kill()


async def _draw(emulator: Emulator, scene: str, size: tuple[int, int]) -> str:
    settings = CloudSettings(name="custom", arm_endpoint=emulator.endpoint, ca_file=emulator.ca_file)
    app = PictureConsole(settings)
    async with app.run_test(size=size, notifications=False) as pilot:
        stage = Stage(app, pilot, emulator)
        await SCENES[scene](stage)
        drawn = stage.picture(f"azrecover {scene}")
    if (engine := holder(settings)) is not None:
        os.kill(engine.pid, signal.SIGTERM)
    return drawn


def all_pictures() -> Iterator[tuple[Path, str]]:
    for scene, size in PICTURES:
        yield FOLDER / name_of(scene, size), make(scene, size)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path, svg in all_pictures():
        path.write_text(svg, encoding="utf-8")
        print(path.relative_to(FOLDER.parent), flush=True)
