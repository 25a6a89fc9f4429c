"""A list to choose one from: the chosen line carries a pointer, so that it shows without colours too."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from .plain_text import plain

POINTER, BLANK = "▶ ", "  "


class Choices(OptionList):
    def __init__(self, labels: Sequence[Content], *, chosen: int = 0, id: str | None = None) -> None:
        """Lines of a label after the first are indented by the caller."""
        super().__init__(*(Option(plain(BLANK) + label) for label in labels), id=id, markup=False)
        self._labels = list(labels)
        self._pointed: int | None = None
        self.highlighted = chosen if labels else None

    def on_mount(self) -> None:
        self._point(self.highlighted)

    @on(OptionList.OptionHighlighted)
    def _moved(self, event: OptionList.OptionHighlighted) -> None:
        self._point(event.option_index)

    def _point(self, index: int | None) -> None:
        if self._pointed is not None and self._pointed < len(self._labels):
            self.replace_option_prompt_at_index(self._pointed, plain(BLANK) + self._labels[self._pointed])
        self._pointed = index
        if index is not None:
            self.replace_option_prompt_at_index(index, plain(POINTER, "bold") + self._labels[index])

    def show(self, labels: Sequence[Content]) -> None:
        """Other lines; the first is chosen."""
        self._pointed = None
        self._labels = list(labels)
        self.clear_options()
        self.add_options([Option(plain(BLANK) + label) for label in labels])
        self.highlighted = 0 if labels else None
