"""A list to choose one from: the chosen line carries a pointer, so that it shows without colours too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple

from textual import events, on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from .plain_text import plain, wrap

POINTER, BLANK, INDENT = "▶ ", "  ", 4
LEAST_WIDTH = 20


class Choice(NamedTuple):
    line: Content
    note: str = ""
    """Below the line, indented and wrapped; may come from Azure."""
    style: str = "$text-muted"


class Choices(OptionList):
    def __init__(self, choices: Sequence[Choice] = (), *, chosen: int = 0, id: str | None = None) -> None:
        super().__init__(id=id, markup=False)
        self._choices = list(choices)
        self._pointed: int | None = None
        self._fill(chosen)

    def show(self, choices: Sequence[Choice]) -> None:
        """Others; the first of them is chosen."""
        self._choices = list(choices)
        self._fill(0)

    def on_resize(self, event: events.Resize) -> None:
        for index in range(len(self._choices)):
            self._draw(index)

    @on(OptionList.OptionHighlighted)
    def _moved(self, event: OptionList.OptionHighlighted) -> None:
        before, self._pointed = self._pointed, self.highlighted
        for index in (before, self._pointed):
            if index is not None and index < len(self._choices):
                self._draw(index)

    def _fill(self, chosen: int) -> None:
        self._pointed = chosen if self._choices else None
        self.clear_options()
        self.add_options([Option(self._prompt(index)) for index in range(len(self._choices))])
        self.highlighted = self._pointed

    def _draw(self, index: int) -> None:
        self.replace_option_prompt_at_index(index, self._prompt(index))

    def _before(self, index: int) -> Content:
        return plain(POINTER if index == self._pointed else BLANK, "bold")

    def _prompt(self, index: int) -> Content:
        choice = self._choices[index]
        first = self._before(index) + choice.line
        if not choice.note:
            return first
        width = max((self.scrollable_content_region.width or 60) - INDENT, LEAST_WIDTH)
        notes = ["\n" + " " * INDENT + line for line in wrap(choice.note, width)]
        return first + Content.styled("".join(notes), choice.style)


class CheckList(Choices):
    """Any number of them: space takes one in or out. Ticks are letters, so that they show everywhere."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("space", "tick", "In or out", show=False)]

    def __init__(self, choices: Sequence[Choice], ticked: Iterable[int], *, id: str | None = None) -> None:
        self.ticked = set(ticked)
        super().__init__(choices, id=id)

    def action_tick(self) -> None:
        if self.highlighted is not None:
            self.ticked ^= {self.highlighted}
            self._draw(self.highlighted)

    def _before(self, index: int) -> Content:
        return super()._before(index) + plain("[x] " if index in self.ticked else "[ ] ")
