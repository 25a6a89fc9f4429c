"""Find anything by typing: `:` or ctrl+p. Closes with the chosen entry."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from widgets.plain_text import fit, plain

from ..palette import Entry, search

TITLE_WIDTH = 44


class Palette(ModalScreen[Entry]):
    BINDINGS = [  # noqa: RUF012
        Binding("escape", "close", show=False),
        Binding("down", "move(1)", show=False, priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("pagedown", "move(10)", show=False, priority=True),
        Binding("pageup", "move(-10)", show=False, priority=True),
    ]

    def __init__(self, index: list[Entry]) -> None:
        super().__init__()
        self._index = index
        self._shown: list[Entry] = []

    def compose(self) -> ComposeResult:
        with Vertical(id="palette") as box:
            box.border_title = "Find anything"
            box.border_subtitle = "↑↓ choose · enter go · esc back"
            field = Input(placeholder="a VM, an action, a command", id="query")
            field.cursor_blink = False
            yield field
            found = OptionList(markup=False)
            found.can_focus = False
            yield found

    def on_mount(self) -> None:
        self._search("")

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._search(event.value)

    def _search(self, query: str) -> None:
        self._shown = search(self._index, query)
        menu = self.query_one(OptionList)
        menu.clear_options()
        menu.add_options([Option(_label(entry)) for entry in self._shown])
        menu.highlighted = 0 if self._shown else None

    def action_move(self, by: int) -> None:
        menu = self.query_one(OptionList)
        if self._shown:
            menu.highlighted = max(0, min((menu.highlighted or 0) + by, len(self._shown) - 1))

    @on(Input.Submitted)
    def _chosen(self) -> None:
        chosen = self.query_one(OptionList).highlighted
        self.dismiss(self._shown[chosen] if chosen is not None else None)

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._shown[event.option_index])

    def action_close(self) -> None:
        self.dismiss(None)


def _label(entry: Entry) -> Content:
    return Content.assemble(
        plain(f"{fit(entry.kind, 10)}", "$text-muted"), plain(f"{fit(entry.title, TITLE_WIDTH)} "),
        plain(entry.note, "$text-muted"),
    )  # fmt: skip
