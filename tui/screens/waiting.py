"""While the engine reads for a form or plan, or sends: keys pressed meanwhile must not land anywhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from widgets.plain_text import plain_lines

from .dialog import DIALOG_STYLES, ClosesItself


class Waiting(ClosesItself[None]):
    CSS_PATH = DIALOG_STYLES
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "give_up", show=False)]

    def __init__(self, line: str, give_up: Callable[[], object] | None) -> None:
        """`give_up` is called on escape; None while something is being sent, which nothing takes back."""
        super().__init__()
        self._line = line
        self._give_up = give_up

    def compose(self) -> ComposeResult:
        hint = "esc gives up, nothing was sent" if self._give_up else "being sent; this cannot be taken back"
        yield Static(plain_lines(f"● {self._line}\n  {hint}"), id="waiting", markup=False)

    def action_give_up(self) -> None:
        if self._give_up is not None:
            self._give_up()
