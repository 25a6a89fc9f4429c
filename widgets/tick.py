"""A box to tick with a sentence beside it. Textual's own shows its state by colour alone."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from .plain_text import wrap

INDENT = 4


class Tick(Widget, can_focus=True):
    DEFAULT_CSS = """
    Tick { height: auto; width: 1fr; }
    Tick:focus { background: $block-cursor-background; color: $block-cursor-foreground; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("space", "tick", "Tick", show=False)]
    ticked: reactive[bool] = reactive(False)

    class Changed(Message):
        pass

    def __init__(self, sentence: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._sentence = sentence

    def action_tick(self) -> None:
        self.ticked = not self.ticked
        self.post_message(self.Changed())

    def on_click(self) -> None:
        self.action_tick()

    def _lines(self, width: int) -> list[str]:
        return wrap(self._sentence, max(width - INDENT, 8))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines(width))

    def render(self) -> Content:
        first, *rest = self._lines(self.content_size.width)
        box = "[✔] " if self.ticked else "[ ] "
        return Content("\n".join([box + first, *(" " * INDENT + line for line in rest)]))
