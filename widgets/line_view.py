"""What tables and running text share: lines drawn one by one, of which only changed ones are painted.

Textual lays out the whole screen, and paints most of it, when the size of what a widget scrolls over changes.
Here that moves the scrollbar and nothing else.
"""

from __future__ import annotations

from rich.style import Style
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.widget import Widget

from .columns import TONE_STYLES, Tone

STYLES: dict[str, str] = {
    **{str(tone): style for tone, style in TONE_STYLES.items()},
    "header": TONE_STYLES[Tone.DIM],
    "sorted": "bold $foreground",
    "cursor": "bold $block-cursor-foreground on $block-cursor-background",
    "cursor-blurred": "bold on $surface-lighten-1",
    "marked": "bold",
}
"""Parsed when drawn. Component classes would be matched against the stylesheet at each change of a class or
of the focus: sixteen of them in each of three tables were a sixth of the start."""


class LineView(ScrollView):
    DEFAULT_CSS = """
    LineView {
        height: 1fr; scrollbar-gutter: stable; scrollbar-size-vertical: 1; overflow-x: hidden;
        background: transparent;
    }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._styles_seen: dict[tuple[str, ...], Style] = {}

    @property
    def _width(self) -> int:
        """Without the scrollbar's column, which is always kept free."""
        return self.scrollable_content_region.width

    def _set_height(self, lines: int) -> None:
        """How many lines there are to scroll over. The screen is laid out only when the scrollbar comes or
        goes."""
        size = Size(self._width, lines)
        if size != self.virtual_size:
            self.set_reactive(Widget.virtual_size, size)
            if self.is_mounted:
                self._scroll_update(size)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles_seen.clear()

    def _style(self, *names: str) -> Style:
        """Of this widget with those of `STYLES`, or of the stylesheet's language, over it."""
        style = self._styles_seen.get(names)
        if style is None:
            parsed = self.visual_style
            for name in names:
                parsed += self.app.stylesheet.parse_style(STYLES.get(name, name))
            style = self._styles_seen[names] = parsed.rich_style
        return style
