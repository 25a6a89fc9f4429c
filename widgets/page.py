"""Running text of a dialog: headings, bullets with a hanging indent, label and value; wrapped to its width.

Every string goes through `plain_text`, so a page may be given anything Azure said.
"""

from __future__ import annotations

import msgspec
from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from .plain_text import cells, fit, visible, wrap

LABEL_WIDTH = 18


class Line(msgspec.Struct, frozen=True):
    text: str
    prefix: str = ""
    style: str = ""
    prefix_style: str = ""
    keep: bool = False
    """Keep the line as it is, cut at the edge: for JSON and commands."""


class Page:
    """Collects lines; the methods return the page, so that they chain."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def text(self, text: str, style: str = "") -> Page:
        self.lines.append(Line(text, style=style))
        return self

    def heading(self, text: str) -> Page:
        if self.lines:
            self.blank()
        self.lines.append(Line(text, style="bold $accent"))
        return self

    def bullet(self, text: str, sign: str = "•", style: str = "", sign_style: str = "") -> Page:
        self.lines.append(Line(text, prefix=f" {sign} ", style=style, prefix_style=sign_style or style))
        return self

    def note(self, text: str, indent: int = 3) -> Page:
        self.lines.append(Line(text, prefix=" " * indent, style="$text-muted"))
        return self

    def pair(self, label: str, text: str, style: str = "") -> Page:
        self.lines.append(
            Line(text, prefix=f" {fit(label, LABEL_WIDTH)} ", style=style, prefix_style="$text-muted")
        )
        return self

    def verbatim(self, text: str, style: str = "") -> Page:
        self.lines.extend(Line(line, style=style, keep=True) for line in text.split("\n"))
        return self

    def blank(self) -> Page:
        self.lines.append(Line(""))
        return self

    def wrapped(self, width: int) -> list[Content]:
        return [part for line in self.lines for part in _wrapped(line, width)]


def _wrapped(line: Line, width: int) -> list[Content]:
    prefix = visible(line.prefix)
    indent = cells(prefix)
    texts = [visible(line.text)] if line.keep else wrap(line.text, max(width - indent, 8))
    shown = []
    for number, text in enumerate(texts):
        lead = prefix if number == 0 else " " * indent
        shown.append(Content.assemble((lead, line.prefix_style), (text, line.style)))
    return shown


class PageView(Widget):
    """As high as its text; put it into a scrolling container."""

    DEFAULT_CSS = "PageView { height: auto; width: 1fr; }"

    def __init__(self, page: Page | None = None, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._page = page or Page()

    def show(self, page: Page) -> None:
        self._page = page
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._page.wrapped(width))

    def render(self) -> Content:
        return Content("\n").join(self._page.wrapped(self.content_size.width))
