"""The console driven for its pictures: real engine, real emulator, one moment, one seed."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from textual.pilot import Pilot

from azure_ops.cloud import CloudSettings
from azure_ops.model import RequestLine
from tests.support import Emulator
from tui.app import ConsoleApp
from tui.config import Config
from tui.keys import KeyTable
from tui.messages import RequestsSent
from tui.state import ServiceClock

FOLDER = Path(__file__).parents[2] / "screenshots"
SIZES = ((80, 24), (120, 36), (160, 48))
WAIT_S = 30.0
TOOK_MS = 12.0
ASKED_EVERY_S = 1.0
SAME_TOLD = 3


class StandingClock(ServiceClock):
    """The service's clock as it was told last: no second passes between two looks."""

    def now(self) -> datetime:
        return self._at


class PictureConsole(ConsoleApp):
    """The console itself, but for what no two runs share: clocks of this machine, order of parallel reads."""

    CSS_PATH = str(Path(sys.modules["tui"].__path__[0]) / str(ConsoleApp.CSS_PATH))

    def __init__(self, settings: CloudSettings) -> None:
        super().__init__(settings, Config(), KeyTable({}))
        self.state.clock = StandingClock()
        self._lines: dict[tuple[str, str], RequestLine] = {}

    def on_requests_sent(self, event: RequestsSent) -> None:
        event.prevent_default()
        for line in event.lines:
            still = msgspec.structs.replace(line, at=datetime(2026, 8, 22, 14, tzinfo=UTC), took_ms=TOOK_MS)
            self._lines.setdefault((line.method, line.path), msgspec.structs.replace(still, remaining=""))

    def show_requests(self) -> None:
        """Those of Resource Graph: every run makes them, whatever its timing."""
        lines = [line for _, line in sorted(self._lines.items()) if _always(line)]
        self.console_screen.requests_sent(lines)


def _always(line: RequestLine) -> bool:
    return line.method == "POST" and "Microsoft.ResourceGraph" in line.path


@dataclass
class Stage:
    app: PictureConsole
    pilot: Pilot[None]
    emulator: Emulator

    async def until(self, true: Callable[[], bool]) -> None:
        """Waits for what the picture needs to be there; the engine works in a process of its own."""
        async with _deadline(WAIT_S):
            while not true():
                await self.pilot.pause(0.05)
        await self.pilot.pause()

    async def until_engine_stands_still(self) -> None:
        """The engine has to see a few answers before it knows that this world's clock does not go on; then it
        tells the same time again and again."""
        told: list[datetime] = []
        async with _deadline(WAIT_S):
            while len(told) < SAME_TOLD or len(set(told[-SAME_TOLD:])) > 1:
                await self.pilot.press("r")
                await self.pilot.pause(ASKED_EVERY_S)
                told.append(self.app.state.clock.now())

    async def until_seen(self, text: str) -> None:
        await self.until(lambda: text in self.text())

    def text(self) -> str:
        screen = self.app.screen
        lines = [*screen._compositor.render_strips()]
        return "\n".join("".join(segment.text for segment in strip) for strip in lines)

    async def fleet(self, name: str) -> None:
        """Every source read, the cursor on a VM and its details there."""
        state = self.app.state
        await self.until(lambda: state.complete and len(state.jobs) > 40 and state.leftovers is not None)
        await self.pilot.press(":")
        await self.until_seen("Find anything")
        await self.pilot.press(*name)
        await self.until_seen(f"{name}")
        await self.pilot.press("enter")
        await self.until(lambda: f"Points · {name}" in self.text() and "Reading …" not in self.text())

    def picture(self, title: str) -> str:
        return still(self.app.export_screenshot(title=title))


@contextlib.asynccontextmanager
async def _deadline(seconds: float) -> AsyncIterator[None]:
    import asyncio

    async with asyncio.timeout(seconds):
        yield


def still(svg: str) -> str:
    """Without the emulator's port and the identifiers that are made from it."""
    svg = re.sub(r"127\.0\.0\.1:\d{4,5}", "127.0.0.1:38443", svg)
    return re.sub(r"terminal-\d+", "terminal-0", svg).rstrip() + "\n"


Scene = Callable[[Stage], Awaitable[None]]


@contextlib.contextmanager
def folders() -> Iterator[None]:
    """XDG folders of these pictures alone."""
    base = Path(tempfile.mkdtemp(prefix="azrp"))
    names = ("XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")
    before = {name: os.environ.get(name) for name in names}
    try:
        for name in names:
            (base / name).mkdir(mode=0o700)
            os.environ[name] = str(base / name)
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        shutil.rmtree(base, ignore_errors=True)
