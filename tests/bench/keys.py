"""Key press → changed screen, and bytes to the terminal, in a real pseudo-terminal on a changing fleet."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.bench import world
from tests.bench.figures import Figure, median, percentile
from tests.bench.terminal import Terminal

PRESSES = 120
PARSED_LATER_S = 0.1
"""What comes is stamped at once, but looked at when the console is done: this process shares the machine."""
IDLE_S = 60.0
UNCHANGED_TICK_S = 2.5
"""Such a tick says the same time of the service each time: the console's clock comes to rest, and with it
every age. What is written then is waste; an age that reads differently is news."""


def measure() -> Iterator[Figure]:
    with world.private_folders():
        for rows in (25, 10_000):
            yield from latency(rows)
        for columns, lines in ((120, 40), (80, 24)):
            yield from output(columns, lines)


def cursor_row(text: str) -> int | None:
    """The line that carries the table's cursor."""
    return next((number for number, line in enumerate(text.splitlines()) if "▶" in line), None)


def settled(terminal: Terminal, rows: int) -> None:
    terminal.wait_for(lambda text: f"({rows})" in text and cursor_row(text) is not None)
    quiet(terminal)


def quiet(terminal: Terminal, for_s: float = 0.6, at_most_s: float = 8) -> None:
    """Until nothing was written for a while, or the fleet's changes never let it rest."""
    deadline = time.monotonic() + at_most_s
    seen = -1
    while terminal.written != seen and time.monotonic() < deadline:
        seen = terminal.written
        time.sleep(for_s)


def latency(rows: int) -> Iterator[Figure]:
    """The cursor goes down and up within the first rows: the moment its sign stands on another line."""
    with world.feed(rows, 500) as env, world.console(env) as terminal:
        settled(terminal, rows)
        waits = []
        for press in range(PRESSES):
            before = cursor_row(terminal.text())
            sent = terminal.press("down" if (press // 8) % 2 == 0 else "up")
            time.sleep(PARSED_LATER_S)
            seen = terminal.wait_for(lambda text, before=before: cursor_row(text) not in (None, before), 10)
            waits.append((seen - sent) * 1000)
            time.sleep(0.03)
    name = f"key → moved cursor, {rows} rows, 500 cells a second change"
    yield Figure(f"{name}, p50", median(waits), "ms")
    yield Figure(f"{name}, p99", percentile(waits, 0.99), "ms", goal=50)


def output(columns: int, lines: int) -> Iterator[Figure]:
    size = f"{columns}×{lines}"
    with world.feed(1000, 0, tick_s=3600) as env, world.console(env, columns, lines) as terminal:
        settled(terminal, 1000)
        yield Figure(f"bytes per cursor key at {size}", bytes_per(terminal, "down", 10), "B", goal=1000)
        yield Figure(f"bytes per page at {size}", bytes_per(terminal, "pagedown", 5), "B")
        quiet(terminal)
        before = terminal.written
        time.sleep(IDLE_S)
        news = terminal.written - before
        yield Figure(f"bytes per idle minute at {size}, shown ages and the clock go on", news, "B")
    with world.feed(1000, 0, tick_s=UNCHANGED_TICK_S) as env, world.console(env, columns, lines) as terminal:
        settled(terminal, 1000)
        time.sleep(3 * UNCHANGED_TICK_S)
        silent = bytes_in(terminal, IDLE_S)
        yield Figure(f"bytes per idle minute at {size}, no shown age changes", silent, "B", goal=0)
        per_tick = silent / (IDLE_S / UNCHANGED_TICK_S)
        yield Figure(f"bytes per unchanged tick at {size}", per_tick, "B", goal=0)
    with world.feed(1000, -1, tick_s=1.0) as env, world.console(env, columns, lines) as terminal:
        settled(terminal, 1000)
        yield Figure(
            f"bytes per tick with one changed cell at {size}", bytes_in(terminal, 10.0) / 10, "B", goal=1000
        )


def bytes_per(terminal: Terminal, key: str, presses: int) -> float:
    before = terminal.written
    for _ in range(presses):
        terminal.press(key)
        time.sleep(0.5)
    return (terminal.written - before) / presses


def bytes_in(terminal: Terminal, seconds: float) -> float:
    before = terminal.written
    time.sleep(seconds)
    return terminal.written - before
