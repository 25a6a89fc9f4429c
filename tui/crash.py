"""When the console itself is wrong: one line and a log file, never local variables on the screen.

Textual prints a crash with all locals, and those may hold what nobody should read in a scrollback.
"""

from __future__ import annotations

import os
import traceback
from datetime import UTC, datetime
from pathlib import Path

from rich.segment import Segments
from rich.text import Text
from textual.app import App
from textual.worker import Worker, WorkerState


class CrashSafe(App[None]):
    def log_folder(self) -> Path:
        """May raise: then there is nowhere to write."""
        raise NotImplementedError

    def _handle_exception(self, error: Exception) -> None:
        self._return_code = 1
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        line = f"azrecover: the console failed inside ({type(error).__name__}). {self._kept(error)}"
        text = Text(f"{line}\nOperations go on; start azrecover again to see them.\n")
        self._exit_renderables.append(Segments(self.console.render(text, self.console.options)))
        self._close_messages_no_wait()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Workers do not end the console when they fail; they say so."""
        error = event.worker.error
        if event.state is WorkerState.ERROR and isinstance(error, Exception):
            where = self._kept(error)
            self.notify(
                f"{type(error).__name__}. {where}",
                title="azrecover failed inside",
                severity="error",
                markup=False,
            )

    def _kept(self, error: Exception) -> str:
        """Where the traceback was written."""
        try:
            path = self.log_folder() / "console.log"
            stamp = datetime.now(UTC).isoformat(timespec="seconds")
            text = f"{stamp} {''.join(traceback.format_exception(error))}\n"
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "a", encoding="utf-8", errors="backslashreplace") as log:
                log.write(text)
        except Exception:
            return "The details could not be written anywhere."
        return f"Details: {path}"
