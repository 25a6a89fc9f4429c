"""A framed pane with its number and title; says at its lower edge how old its rows are when a source failed.

Several panes may share one window: each shows all their titles and which of them is open.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget

from azure_ops.model import SourceState

from .ages import age, seconds_between
from .columns import TONE_STYLES, Tone
from .plain_text import plain, truncate


class PaneTitle(msgspec.Struct, frozen=True):
    number: int
    text: str
    open: bool = True


class Pane(Vertical):
    """The frame is heavy where the focus is, so that it shows without colours too."""

    DEFAULT_CSS = """
    Pane {
        border: round $secondary-darken-1; height: 1fr; background: transparent;
        border-title-color: $foreground-muted; border-subtitle-color: $warning;
        &:focus-within { border: heavy $accent; border-title-color: $foreground; }
    }
    """

    def __init__(
        self,
        number: int,
        title: str,
        *children: Widget,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(*children, id=id, classes=classes)
        self._titles: tuple[PaneTitle, ...] = (PaneTitle(number, title),)
        self._tail = ""
        self._fault = ""
        self._show_title()

    def show_title(self, *titles: PaneTitle) -> None:
        """All panes that share this window, in their order."""
        if titles != self._titles:
            self._titles = titles
            self._show_title()

    def show_tail(self, tail: str) -> None:
        """What stands behind the titles: a count, a filter, the number of marks."""
        if tail != self._tail:
            self._tail = tail
            self._show_title()

    def show_fault(self, fault: str) -> None:
        """Empty when all sources are well."""
        if fault != self._fault:
            self._fault = fault
            self._show_subtitle()

    def on_resize(self) -> None:
        self._show_subtitle()

    def _show_subtitle(self) -> None:
        width = max(self.size.width - 6, 20)
        self.border_subtitle = plain(f"▲ {truncate(self._fault, width)}") if self._fault else ""

    def _show_title(self) -> None:
        parts: list[Content] = []
        for title in self._titles:
            style = "bold" if title.open and len(self._titles) > 1 else ""
            parts.append(
                Content.assemble(plain(str(title.number), "bold $accent"), " ", plain(title.text, style))
            )
        joined = Content.styled(" │ ", TONE_STYLES[Tone.DIM]).join(parts)
        self.border_title = joined + plain(f" {self._tail}", TONE_STYLES[Tone.DIM]) if self._tail else joined


def counted(shown: int, total: int, filter_text: str = "", marks: int = 0) -> str:
    """`(6)`, `(2 of 6) /web`, `(6) ◆2 marked`."""
    parts = [f"({shown})" if shown == total else f"({shown} of {total})"]
    if filter_text:
        parts.append(f"/{filter_text}")
    if marks:
        parts.append(f"◆{marks} marked")
    return " ".join(parts)


def fault_line(sources: Iterable[SourceState], now: datetime) -> str:
    """Which sources failed, how old their rows are and why. `now` is this machine's, as `read_at` is."""
    return "; ".join(_fault(source, now) for source in sources if source.error is not None)


def _fault(source: SourceState, now: datetime) -> str:
    old = seconds_between(source.read_at, now)
    since = "never read" if old is None else f"{age(old)} old"
    why = source.error.title if source.error is not None else ""
    return f"{source.name} {since}: {why}"


def worst_fault(sources: Sequence[SourceState]) -> SourceState | None:
    """The failed source that was not read for the longest time."""
    failed = [source for source in sources if source.error is not None]
    return min(failed, key=lambda source: source.read_at.timestamp() if source.read_at else 0.0, default=None)
