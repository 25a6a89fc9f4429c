"""The footer: a few short keys."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widget import Widget

from .plain_text import cells, plain, visible

MOST_KEYS = 7


class KeyLine(Widget):
    DEFAULT_CSS = "KeyLine { height: 1; width: 1fr; padding: 0 1; }"

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._keys: tuple[tuple[str, str], ...] = ()

    def show_keys(self, keys: Sequence[tuple[str, str]]) -> None:
        """(key, word); at most seven, the last one of them always (help)."""
        kept = tuple(keys)
        if len(kept) > MOST_KEYS:
            kept = (*kept[: MOST_KEYS - 1], kept[-1])
        if kept != self._keys:
            self._keys = kept
            self.refresh()

    def render(self) -> Content:
        parts: list[Content] = []
        used = 0
        for key, word in self._keys:
            width = cells(visible(key)) + cells(word) + 3
            if used + width > self.size.width + 2:
                break
            used += width
            parts.append(Content.assemble(plain(key, "bold $accent"), f" {word}"))
        return Content("  ").join(parts)
