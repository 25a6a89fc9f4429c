"""What can be copied of an operation: what it made, and its id. Opened by `c`."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.widget import Widget
from textual.widgets import OptionList

from azure_ops.model import Output
from widgets.choices import Choice, Choices
from widgets.plain_text import plain

from .dialog import Dialog


class Copying(Dialog[Output]):
    """Closes with the chosen one, or None."""

    def __init__(self, found: Sequence[Output]) -> None:
        super().__init__("Copy", "↑↓ choose · enter copies · esc back")
        self.found = list(found)

    def controls(self) -> list[Widget]:
        return [Choices([Choice(plain(each.label, "bold"), each.value) for each in self.found], id="copying")]

    def on_mount(self) -> None:
        self.query_one("#page").display = False
        self.query_one("#copying").focus()

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self.found[event.option_index])
