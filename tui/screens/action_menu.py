"""Every action with its key and risk, or why it is not possible on this row. Opened with `a`."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from textual import on
from textual.content import Content
from textual.widget import Widget
from textual.widgets import OptionList

from azure_ops.model import Risk
from widgets.choices import Choice, Choices
from widgets.page import Page
from widgets.plain_text import fit, plain, visible

from .confirm import RISK_WORDS
from .dialog import Dialog

TITLE_WIDTH = 24


class Entry(msgspec.Struct, frozen=True):
    id: str
    key: str
    title: str
    risk: Risk
    why_not: str = ""


class ActionMenu(Dialog[str]):
    """Closes with the id of the chosen action, or None. Pressing an action's own key chooses it too."""

    def __init__(self, name: str, entries: Sequence[Entry]) -> None:
        super().__init__(f"Actions on {visible(name)}", "↑↓ and enter, or the key itself · esc back")
        self.entries = sorted(entries, key=lambda entry: bool(entry.why_not))

    def page(self) -> Page:
        possible = sum(not entry.why_not for entry in self.entries)
        return Page().text(f"{possible} of {len(self.entries)} are possible now.", style="$text-muted")

    def controls(self) -> list[Widget]:
        return [Choices([_choice(entry) for entry in self.entries], id="menu")]

    def on_mount(self) -> None:
        self.query_one("#menu").focus()

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self.entries[event.option_index].id)

    def on_key(self, event: object) -> None:
        from textual.events import Key

        if isinstance(event, Key):
            for entry in self.entries:
                if entry.key and event.character == entry.key:
                    event.stop()
                    self.dismiss(entry.id)
                    return


def _choice(entry: Entry) -> Choice:
    muted = "$text-muted"
    line = Content.assemble(
        plain(f"{fit(entry.key or '·', 3)} ", muted if entry.why_not else "bold $accent"),
        plain(f"{fit(entry.title, TITLE_WIDTH)} ", muted if entry.why_not else "bold"),
        plain(f"risk {int(entry.risk)}: {RISK_WORDS[entry.risk]}", muted),
    )
    return Choice(line, f"✖ {entry.why_not}" if entry.why_not else "", "$text-warning")
