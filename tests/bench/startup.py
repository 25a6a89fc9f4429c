"""Process start → first frame and → filled table, beside the smallest Textual application; and memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from tests.bench import world
from tests.bench.figures import Figure, median
from tests.bench.terminal import Terminal, resident_bytes

SMALLEST = (
    "from textual.app import App\n"
    "from textual.widgets import Static\n"
    "class Smallest(App):\n"
    "    def compose(self): yield Static('hello')\n"
    "Smallest().run()\n"
)
RUNS = 9
MEGABYTE = 1024 * 1024


def first_frame_of_smallest() -> float:
    with world.program([sys.executable, "-c", SMALLEST]) as terminal:
        return (terminal.wait_for(lambda text: "hello" in text) - terminal.started_at) * 1000


def first_frame(terminal: Terminal) -> float:
    return (terminal.wait_for(lambda text: "azrecover" in text) - terminal.started_at) * 1000


def filled(terminal: Terminal, row: str) -> float:
    return (terminal.wait_for(lambda text: row in text) - terminal.started_at) * 1000


def measure() -> Iterator[Figure]:
    with world.private_folders(), world.emulator("25") as env:
        yield from first_frames(env)
    for fleet in ("25", "1000", "10000"):
        with world.private_folders(), world.emulator(fleet) as env:
            yield from tables(fleet, env)


def first_frames(env: dict[str, str]) -> Iterator[Figure]:
    """In turns, so that a noisy moment of the machine hits both."""
    ours, smallest = [], []
    first_frame_of_smallest()
    for _ in range(RUNS):
        smallest.append(first_frame_of_smallest())
        with world.console(env) as terminal:
            ours.append(first_frame(terminal))
    world.stop_engine(env)
    yield Figure(
        "start → first frame (floor: smallest Textual app)", median(ours), "ms", median(smallest), 1.3
    )


def tables(fleet: str, env: dict[str, str]) -> Iterator[Figure]:
    count = f"({int(fleet):d})"
    with world.console(env) as terminal:
        cold = filled(terminal, count)
        frames, warm = [], []
        for _ in range(5):
            with world.console(env) as second:
                frames.append(first_frame(second))
                warm.append(filled(second, count))
        console_rss = resident_bytes(terminal.pid) / MEGABYTE
        engine_rss = resident_bytes(world.engine_pid(env)) / MEGABYTE
    world.stop_engine(env)
    yield Figure(f"start → table of {fleet} VMs filled, engine started too", cold, "ms")
    yield Figure(
        f"second console → table of {fleet} filled (floor: first frame)",
        median(warm),
        "ms",
        median(frames),
        1.2,
    )
    yield Figure(f"resident memory of the console, {fleet} VMs", console_rss, "MiB")
    yield Figure(f"resident memory of the engine, {fleet} VMs", engine_rss, "MiB")
