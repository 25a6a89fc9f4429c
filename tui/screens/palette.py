"""Find anything by typing: `:` or ctrl+p. Closes with the chosen entry."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList

from widgets.choices import Choice, Choices
from widgets.plain_text import cells, fit, plain, truncate

from ..palette import Entry, search
from .dialog import DIALOG_STYLES

KIND_WIDTH = 10
BORDERS = 8


class Palette(ModalScreen[Entry]):
    CSS_PATH = DIALOG_STYLES
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
            found = Choices()
            found.can_focus = False
            yield found

    def on_mount(self) -> None:
        self._search("")

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._search(event.value)

    def _search(self, query: str) -> None:
        self._shown = search(self._index, query)
        width = min(int(self.app.size.width * 0.8), 90) - BORDERS - KIND_WIDTH
        self.query_one(Choices).show([Choice(_label(entry, width)) for entry in self._shown])

    def action_move(self, by: int) -> None:
        menu = self.query_one(Choices)
        if self._shown:
            menu.highlighted = max(0, min((menu.highlighted or 0) + by, len(self._shown) - 1))

    @on(Input.Submitted)
    def _chosen(self) -> None:
        chosen = self.query_one(Choices).highlighted
        self.dismiss(self._shown[chosen] if chosen is not None else None)

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._shown[event.option_index])

    def action_close(self) -> None:
        self.dismiss(None)


def _label(entry: Entry, width: int) -> Content:
    """Kind, title and note on one line of the box."""
    note = truncate(entry.note, width // 2)
    return Content.assemble(
        plain(fit(entry.kind, KIND_WIDTH), "$text-muted"),
        plain(f"{fit(entry.title, width - cells(note) - 1)} "),
        plain(note, "$text-muted"),
    )
