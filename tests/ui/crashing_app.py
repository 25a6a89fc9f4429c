"""Not a test: a console that fails inside, for `test_crash.py`, to be run in a pseudo-terminal."""

from __future__ import annotations

import sys
from pathlib import Path

from tui.crash import CrashSafe


class Crashing(CrashSafe):
    def log_folder(self) -> Path:
        return Path(sys.argv[1])

    def on_mount(self) -> None:
        self.call_later(self.fail)

    def fail(self) -> None:
        token = "eyJ-very-" + "secret"
        raise ValueError(f"broken after {len(token)} letters")


if __name__ == "__main__":
    app = Crashing()
    app.run()
    raise SystemExit(app.return_code)
