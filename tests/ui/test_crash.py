"""A crash of the console says one line and where the rest is; local variables are shown nowhere."""

from __future__ import annotations

import stat
from pathlib import Path

from tests.terminal.pty_screen import PtyScreen


def test_a_crash_is_one_line_and_shows_no_locals(tmp_path: Path) -> None:
    with PtyScreen("-m", "tests.ui.crashing_app", str(tmp_path), columns=160, rows=24) as terminal:
        assert terminal.wait_exit() == 1
        text = terminal.text
    log = tmp_path / "console.log"
    assert "the console failed inside (ValueError)" in text
    assert str(log) in text.replace("\n", "")
    assert "Operations go on" in text
    assert b"eyJ-very-secret" not in terminal.raw
    assert "broken after 15 letters" in log.read_text()
    assert "eyJ-very-secret" not in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_without_a_place_for_the_log_it_still_says_so(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with PtyScreen("-m", "tests.ui.crashing_app", str(missing), columns=160, rows=24) as terminal:
        assert terminal.wait_exit() == 1
        assert "could not be written" in terminal.text
