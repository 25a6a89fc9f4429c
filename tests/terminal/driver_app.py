"""The application that the driver tests run in a pseudo-terminal: `driver_app.py stock|ours [log file]`."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from tui.driver import driver_class
from widgets.columns import Cell, Column, Tone
from widgets.keyed_table import KeyedTable

Row = tuple[str, str, int]
WORDS = ["web", "データ", "été", "e\u0301tage", "한국", "🙂ok", "plain", "漢字漢字漢字漢字漢字漢字漢字漢字"]
COLUMNS: tuple[Column[Row], ...] = (
    Column("name", "NAME", lambda row: Cell(row[1], Tone.STRONG), None, 16, 8, 30),
    Column(
        "state", "STATE", lambda row: Cell("✔ good", Tone.GOOD) if row[2] % 2 else Cell("✖ bad", Tone.BAD)
    ),
    Column("number", "NUMBER", lambda row: Cell(str(row[2])), lambda row: row[2], right=True),
)


class Box(ModalScreen[None]):
    CSS = "Box { align: center middle; } Box Static { width: 31; height: 7; border: round $accent; }"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("x", "dismiss", "Close")]

    def compose(self) -> ComposeResult:
        yield Static(Content("漢字 in a box " * 5))


class DriverApp(App[None]):
    CSS = "Horizontal { height: 1fr; } #side { width: 23; } .hidden { display: none; }"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit"), Binding("m", "box"), Binding("c", "change"), Binding("u", "rows"),
        Binding("t", "side"), Binding("n", "nothing"), Binding("f", "flood"), Binding("z", "suspend_process"),
    ]  # fmt: skip

    def __init__(self, kind: str, log: Path | None) -> None:
        super().__init__(driver_class=driver_class() if kind == "ours" else None)
        self.random = random.Random(7)
        self.log_file = log
        self.beats = 0
        self.changes = 0

    def compose(self) -> ComposeResult:
        yield Static("title", id="title", markup=False)
        with Horizontal():
            yield KeyedTable(COLUMNS, key=lambda row: row[0], natural=lambda row: int(row[0]))
            yield Static(Content("side 漢字 " * 30), id="side")
        yield Input(id="input")

    def on_mount(self) -> None:
        self.query_one(Input).cursor_blink = False
        table = self.query_one(KeyedTable)
        table.update([self.new_row(number) for number in range(60)])
        table.focus()
        if self.log_file is not None:
            self.set_interval(0.1, self.beat)

    def new_row(self, number: int) -> Row:
        return str(number), f"{self.random.choice(WORDS)}-{number}", self.random.randrange(100)

    def beat(self) -> None:
        """Says in the log file that the event loop is alive."""
        self.beats += 1
        assert self.log_file is not None
        with self.log_file.open("a") as log:
            log.write(f"beat {time.monotonic()}\n")

    def on_unmount(self) -> None:
        if self.log_file is not None:
            with self.log_file.open("a") as log:
                log.write("unmounted\n")

    def action_box(self) -> None:
        self.push_screen(Box())

    def action_change(self) -> None:
        self.changes += 1
        words = " ".join(self.random.choice(WORDS) for _ in range(self.random.randrange(1, 9)))
        self.query_one("#title", Static).update(Content(f"{self.changes} {words}"))

    def action_rows(self) -> None:
        self.query_one(KeyedTable).update([self.new_row(self.random.randrange(70)) for _ in range(5)], ["3"])

    def action_side(self) -> None:
        self.query_one("#side").toggle_class("hidden")

    def action_nothing(self) -> None:
        self.query_one(KeyedTable).tick()
        self.refresh()

    def action_flood(self) -> None:
        """Repaints as much as it can, 50 times a second."""
        self.set_interval(0.02, self.flood)

    def flood(self) -> None:
        self.changes += 1
        fill = chr(ord("a") + self.changes % 26) * 3000
        self.query_one("#side", Static).update(Content(fill))
        self.query_one("#title", Static).update(Content(f"flood {self.changes}"))


if __name__ == "__main__":
    app = DriverApp(sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    app.run()
    sys.exit(app.return_code or 0)
