"""The console as a user has it: a pseudo-terminal, an emulator, folders of its own. For the story tests."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
from pathlib import Path

from azure_ops.actions import ALL
from azure_ops.actions.spec import TargetKind
from azure_ops.engine.lock import holder_in
from tests.support import Emulator

from .pty_screen import PtyScreen

BIG, SMALL = (160, 48), (80, 24)
ON_A_VM = [action for action in ALL if action.target not in (TargetKind.VAULT, TargetKind.DISK)]
"""What the menu of the main screen offers."""


class User:
    """Presses keys and reads the screen. Every step waits for what it expects to see, never for time."""

    def __init__(self, emulator: Emulator, folder: Path, size: tuple[int, int] = BIG, *flags: str) -> None:
        self._runtime = tempfile.mkdtemp(prefix="azr-")
        self.size = size
        self.flags = flags
        self.env = emulator.env | {
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "XDG_RUNTIME_DIR": self._runtime,
        }
        self.terminal = self._open()

    def _open(self) -> PtyScreen:
        columns, rows = self.size
        return PtyScreen("-m", "tui.cli", *self.flags, columns=columns, rows=rows, env=self.env)

    def again(self) -> None:
        """Starts the console anew, after it has ended."""
        self.terminal.close()
        self.terminal = self._open()

    def sees(self, *texts: str, most_s: float = 30) -> str:
        self.terminal.wait_for(lambda screen: all(text in screen for text in texts), most_s)
        return self.terminal.text

    def sees_no_more(self, text: str, most_s: float = 30) -> None:
        self.terminal.wait_for(lambda screen: text not in screen, most_s)

    def presses(self, *keys: str) -> None:
        self.terminal.send(*keys)

    def opens_fleet(self) -> None:
        self.sees("1 VMs (", "app-0", "? Help")  # among the first rows of the smallest window
        self.sees_no_more("connecting to the engine")
        self.sees_no_more("… unread")

    def finds(self, name: str, *words: str) -> None:
        """Puts the cursor on a VM by the palette; further words where two have the name."""
        self.presses(":")
        self.sees("Find anything")
        self.presses(" ".join([name, *words]))
        self.sees(f"▶ vm        {name} ")
        self.presses("enter")
        self.sees_no_more("Find anything")
        self.sees(f"2 Points · {name}")

    def answers_form(self, fields: int) -> None:
        """Takes what the form proposes, as fast as keys come."""
        self.sees("Show the plan")
        self.presses(*["enter"] * fields)
        self.sees("What is sent") if self.size == BIG else self.sees("Go ahead")

    def confirms(self, name: str = "", *, tick: bool = False) -> None:
        """Everything that the plan on the screen asks for and the Enter that sends it, in one burst."""
        self.sees("Go ahead")
        self.presses(*self.ceremony(name, tick=tick), "enter")

    @staticmethod
    def ceremony(name: str = "", *, tick: bool = False) -> list[str]:
        """The keys before the last Enter: the focus is in the name's field, else on Cancel."""
        return [*([name, "tab"] if name else []), *(["space", "tab"] if tick else []), "tab"]

    def watches_to_the_end(self, most_s: float = 60) -> str:
        return self.sees("✔ done", "took", most_s=most_s)

    def ends(self) -> int:
        self.presses("q")
        return self.terminal.wait_exit()

    def stops_engine(self) -> None:
        for folder in (Path(self.env["XDG_STATE_HOME"]) / "azrecover").glob("*"):
            if (engine := holder_in(folder)) is not None and engine.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(engine.pid, signal.SIGKILL)

    def close(self) -> None:
        self.terminal.close()
        self.stops_engine()
        shutil.rmtree(self._runtime, ignore_errors=True)


def posts(emulator: Emulator, ending: str) -> int:
    """How many mutating requests whose path ends so the emulator has taken."""
    return sum(each["path"].split("?")[0].lower().endswith(ending.lower()) for each in emulator.requests())
