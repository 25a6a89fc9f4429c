"""Hang-ups, signals and frozen lines, on a real pseudo-terminal."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .pty_screen import ROOT, PtyScreen

APP = str(ROOT / "tests" / "terminal" / "driver_app.py")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def start(*argv: str) -> PtyScreen:
    screen = PtyScreen(*argv, columns=100, rows=30)
    screen.wait_for("NAME")
    screen.settle()
    return screen


def beats(log: Path) -> list[float]:
    return [float(line.split()[1]) for line in log.read_text().splitlines() if line.startswith("beat")]


def wait_for_beats(log: Path, count: int, screen: PtyScreen) -> None:
    until = time.monotonic() + 15
    while not log.exists() or len(beats(log)) < count:
        assert time.monotonic() < until
        screen.read(0.05)


def test_a_dropped_line_ends_the_console_cleanly(log: Path) -> None:
    with start(APP, "ours", str(log)) as screen:
        dropped = time.monotonic()
        screen.hang_up()
        assert screen.wait_exit() == 129
        assert time.monotonic() - dropped < 1.5
        assert "unmounted" in log.read_text()


def test_a_dropped_line_is_noticed_when_hang_up_signals_are_ignored(log: Path) -> None:
    code = (
        "import signal, sys, runpy; signal.signal(signal.SIGHUP, signal.SIG_IGN);"
        f"sys.argv = [{APP!r}, 'ours', {str(log)!r}]; sys.path.insert(0, {str(ROOT)!r});"
        "import asyncio; keep = asyncio.unix_events._UnixSelectorEventLoop.add_signal_handler;"
        "asyncio.unix_events._UnixSelectorEventLoop.add_signal_handler = "
        "lambda loop, number, *rest: None if number == signal.SIGHUP else keep(loop, number, *rest);"
        f"runpy.run_path({APP!r}, run_name='__main__')"
    )
    with start("-c", code) as screen:
        dropped = time.monotonic()
        screen.hang_up()
        assert screen.wait_exit() == 129
        assert time.monotonic() - dropped < 1.5
        assert "unmounted" in log.read_text()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_restores_the_terminal(number: int, code: int, log: Path) -> None:
    with start(APP, "ours", str(log)) as screen:
        started = len(screen.raw)
        screen.kill(number)
        assert screen.wait_exit() == code
        end = screen.raw[started:]
        for mode in (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1000l", b"\x1b[?2004l", b"\x1b[?7h", b"\x1b[<u"):
            assert mode in end
        assert end.rindex(b"\x1b[?25h") > end.rindex(b"\x1b[?1049l")
        assert "unmounted" in log.read_text()


def test_a_frozen_line_never_stops_the_event_loop(log: Path) -> None:
    with start(APP, "ours", str(log)) as screen:
        wait_for_beats(log, 3, screen)
        screen.send("f")
        frozen_at = time.monotonic()
        time.sleep(3)  # nobody reads: the kernel's buffer fills within the first repaints
        thawed_at = time.monotonic()
        during = [at for at in beats(log) if frozen_at < at < thawed_at]
        gaps = [later - earlier for earlier, later in itertools.pairwise(during)]
        assert len(during) > 20
        assert max(gaps) < 0.6
        latest = len(screen.raw)
        screen.read(1)
        seen = int(screen.screen.display[0].split()[1]) if "flood" in screen.screen.display[0] else 0
        screen.wait_for(lambda text: "flood" in text and int(text.split()[1]) > seen + 20)
        screen.send("q")
        assert screen.wait_exit() == 0
        assert len(screen.raw) > latest


def test_a_frozen_line_does_not_hold_up_the_end(log: Path) -> None:
    with start(APP, "ours", str(log)) as screen:
        screen.send("f")
        time.sleep(1.5)
        screen.kill(signal.SIGTERM)
        until = time.monotonic() + 6
        while "unmounted" not in log.read_text() and time.monotonic() < until:
            time.sleep(0.05)
        assert "unmounted" in log.read_text()
        assert screen.wait_exit() == 143


def test_stop_and_continue_repaint_everything(log: Path) -> None:
    with start(APP, "ours", str(log)) as screen:
        screen.send("c")
        screen.settle()
        before = screen.cells()
        screen.send("z")
        until = time.monotonic() + 5
        while not stopped(screen.pid):
            assert time.monotonic() < until
            screen.read(0.05)
        screen.settle()
        assert b"\x1b[?1049l" in screen.raw[-200:]
        screen.screen.reset()
        screen.kill(signal.SIGCONT)
        screen.wait_for("NAME")
        screen.settle(0.3)
        assert screen.cells() == before
        screen.send("q")
        assert screen.wait_exit() == 0


def test_a_stray_continue_repaints_what_somebody_else_wrote(log: Path) -> None:
    with start(APP, "ours", str(log)) as screen:
        before = screen.cells()
        screen.screen.reset()
        screen.kill(signal.SIGCONT)
        screen.settle(0.3)
        assert screen.cells() == before
        screen.send("down")
        assert screen.settle() > 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_idle_console_uses_no_processor(log: Path) -> None:
    with start(APP, "ours") as screen:
        screen.settle(0.5)
        before = screen.cpu_s()
        screen.settle(2.0)
        assert screen.cpu_s() - before <= 0.1


def stopped(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return state.stdout.strip().startswith("T")
