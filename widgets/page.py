"""Running text of a dialog: headings, bullets with a hanging indent, label and value; wrapped to its width.

Every string goes through `plain_text`, so a page may be given anything Azure said.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import NamedTuple

import msgspec
from rich.segment import Segment
from textual.content import Content
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from .line_view import LineView
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

    def wrapped(self, width: int) -> list[Drawn]:
        return [part for line in self.lines for part in _wrapped(line, width)]


class Drawn(NamedTuple):
    """One line of the screen."""

    lead: str
    lead_style: str
    text: str
    style: str

    @property
    def plain(self) -> str:
        return self.lead + self.text

    def content(self) -> Content:
        return Content.assemble((self.lead, self.lead_style), (self.text, self.style))


def _wrapped(line: Line, width: int) -> list[Drawn]:
    prefix = visible(line.prefix)
    indent = cells(prefix)
    texts = [visible(line.text)] if line.keep else wrap(line.text, max(width - indent, 8))
    shown = []
    for number, text in enumerate(texts):
        lead = prefix if number == 0 else " " * indent
        shown.append(Drawn(lead, line.prefix_style, text, line.style))
    return shown


class PageView(Widget):
    """As high as its text; put it into a scrolling container."""

    DEFAULT_CSS = "PageView { height: auto; width: 1fr; }"

    def __init__(self, page: Page | None = None, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._page = page or Page()

    def show(self, page: Page) -> None:
        """Lays out the screen only when the page is not as high as the one before."""
        width = self.content_size.width
        layout = not width or len(page.wrapped(width)) != self.content_size.height
        self._page = page
        self.refresh(layout=layout)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._page.wrapped(width))

    def render(self) -> Content:
        return Content("\n").join(line.content() for line in self._page.wrapped(self.content_size.width))


class PageScroll(LineView, can_focus=True):
    """A page that scrolls by itself and paints only the lines that read differently than before."""

    def __init__(
        self, page: Page | None = None, *, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._page = page or Page()
        self._drawn: list[Drawn] = []
        self._drawn_for = -1

    def show_page(self, page: Page) -> None:
        self._page = page
        before, top = self._drawn, self.scroll_offset.y
        self._wrap()
        for y, (old, new) in enumerate(zip_longest(before, self._drawn)):
            if old != new and top <= y < top + self.size.height:
                self.refresh(Region(0, y - top, self._width, 1))

    def _wrap(self) -> None:
        self._drawn_for = self._width
        self._drawn = self._page.wrapped(self._width) if self._width else []
        self._set_height(len(self._drawn))

    def on_resize(self) -> None:
        if self._width != self._drawn_for:
            self._wrap()

    def render_line(self, y: int) -> Strip:
        if self._width != self._drawn_for:
            self._wrap()
        plain, at = self._style(), y + self.scroll_offset.y
        if at >= len(self._drawn):
            return Strip.blank(self._width, plain)
        lead, lead_style, text, style = self._drawn[at]
        segments = [Segment(lead, self._style(lead_style)), Segment(text, self._style(style))]
        return Strip(segments).adjust_cell_length(self._width, plain)
