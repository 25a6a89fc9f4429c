"""The last gate for content on its way to the terminal: Textual lets ESC, C1 and direction marks of any
content through. `widgets.plain_text` makes them visible before; this makes them harmless where
somebody forgot.

Installed by the driver. What is replaced keeps its width in cells, so that the layout stays right.
"""

from __future__ import annotations

import re

from rich.cells import cell_len, set_cell_size
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

_JOINERS = re.compile("[\u200d\ufe0f]")
"""They take the width away from what follows, also from the blanks that fill up."""


def harmless(text: str) -> str:
    """`text` without anything that a terminal would obey, of the same width in cells."""
    if HARMFUL.search(text) is None:
        return text
    width = cell_len(text)
    cleaned = HARMFUL.sub(lambda one: "�" if cell_len(one[0]) else "", text)
    resized = set_cell_size(cleaned, width)
    if cell_len(resized) == width:
        return resized
    return set_cell_size(_JOINERS.sub("", cleaned), width)


def _render_style(cls: type[Strip], style: Style, text: str, color_system: ColorSystem) -> str:
    codes = style._ansi
    if codes is None:
        codes = cls.render_ansi(style, color_system)
    text = harmless(text)
    return f"\x1b[{codes}m{text}\x1b[0m" if codes else text


def _render(self: Strip, console: Console) -> str:
    if self._render_cache is None:
        system = console._color_system or ColorSystem.TRUECOLOR
        self._render_cache = "".join(_render_segment(self, segment, system) for segment in self._segments)
    return self._render_cache


def _render_segment(strip: Strip, segment: Segment, system: ColorSystem) -> str:
    text, style, _control = segment
    return harmless(text) if style is None else strip.render_style(style, text, system)


def install() -> None:
    """Every strip that is turned into terminal output passes `harmless`; links (OSC 8) are left out."""
    Strip.render_style = classmethod(_render_style)  # type: ignore[method-assign, assignment]
    Strip.render = _render  # type: ignore[method-assign]
