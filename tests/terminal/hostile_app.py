"""Hostile strings in many widgets, as somebody who forgot `plain_text` would put them there."""

from __future__ import annotations

import sys

from rich.text import Text
from textual.app import App, ComposeResult
from textual.content import Content
from textual.widgets import DataTable, Input, Label, Log, OptionList, RichLog, Static, Tree

from tui.driver import driver_class
from widgets.columns import Cell, Column
from widgets.keyed_table import KeyedTable

VECTORS = (
    "\x1b]0;pwned\x07 title", "\x1b[2Jclear", "\x9b31mred", "\x9d0;pwned\x9cosc", "a\x08b\rc\x0b\x0cd",
    "\x1b]52;c;cHduZWQ=\x07clip", "\x1b[6nreport", "\u202egnp.exe", "\u2066iso\u2069", "\x7fdelete",
    "\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "[red]markup[/red]", "[/nope]", "[@click=app.quit]x[/]",
    "lone \ud800 surrogate", "\u2028line\u2029", "x" * 300, "👨\u200d👩\u200d👧 zwj",
    "\x1bPdcs\x1b\\", "nul\x00",
)  # fmt: skip


class HostileApp(App[None]):
    CSS = "Screen { overflow: hidden; } DataTable, Tree, OptionList, Log, RichLog { height: 12; }"
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, which: str) -> None:
        super().__init__(driver_class=driver_class())
        self.which = which

    def compose(self) -> ComposeResult:
        yield Static("READY", markup=False)
        for vector in VECTORS:
            if self.which == "static":
                yield Static(vector, markup=False)
            elif self.which == "label":
                yield Label(Content(vector))
            elif self.which == "input":
                yield Input(value=vector)
            elif self.which == "border":
                box = Static("box", markup=False, classes="box")
                box.styles.border = ("round", "red")
                box.border_title = Content(vector)
                yield box
        if self.which == "data-table":
            yield DataTable()
        elif self.which == "keyed-table":
            columns = (Column[str]("name", "NAME", lambda row: Cell(row), None, 40, 20, 120),)
            yield KeyedTable(columns, key=lambda row: row)
        elif self.which == "tree":
            yield Tree(Text("root"))
        elif self.which == "option-list":
            yield OptionList(*(Content(vector) for vector in VECTORS))
        elif self.which == "log":
            yield Log()
        elif self.which == "rich-log":
            yield RichLog(markup=False)

    def on_mount(self) -> None:
        for table in self.query(DataTable):
            table.add_column("name")
            for vector in VECTORS:
                table.add_row(Text(vector))
        for keyed in self.query(KeyedTable):
            keyed.update(VECTORS)
        for tree in self.query(Tree):
            for vector in VECTORS:
                tree.root.add_leaf(Text(vector))
            tree.root.expand()
        for log in self.query(Log):
            log.write_lines(VECTORS)
        for rich_log in self.query(RichLog):
            for vector in VECTORS:
                rich_log.write(vector)
        if self.which == "notify":
            for vector in VECTORS[:4]:
                self.notify(vector, title=vector, markup=False, timeout=60)
        if self.which == "title":
            self.title = VECTORS[0]


if __name__ == "__main__":
    HostileApp(sys.argv[1]).run()
