"""What all dialogs share: a framed box with a title, a scrolling page, widgets below it and hints."""

from __future__ import annotations

from pathlib import Path
from typing import Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Static

from widgets.page import Page, PageView
from widgets.plain_text import plain

Result = TypeVar("Result")
DIALOG_STYLES = Path(__file__).parent.parent / "styles" / "dialogs.tcss"
"""Read when the first dialog opens, not at the start."""
TALLEST = 0.94
"""Share of the window's height, as in dialogs.tcss."""


class ClosesItself(ModalScreen[Result], Generic[Result]):
    """A screen that is closed by news, not by its user."""

    _over = _dismissed = False

    def over(self) -> None:
        """Closes, at once or when what lies on top of it has closed."""
        self._over = True
        self._close_when_on_top()

    def on_screen_resume(self) -> None:
        self._close_when_on_top()

    def _close_when_on_top(self) -> None:
        """Once: this screen's own resume may be told after it has closed, and must not close another one."""
        if self._over and not self._dismissed and self.is_current:
            self._dismissed = True
            self.dismiss(None)


class Dialog(ClosesItself[Result], Generic[Result]):
    """Escape closes with None. Arrow keys scroll the page wherever the focus is."""

    CSS_PATH = DIALOG_STYLES
    BINDINGS = [  # noqa: RUF012
        Binding("escape", "close", "Back", show=False),
        Binding("up", "scroll_page(-1)", show=False),
        Binding("down", "scroll_page(1)", show=False),
        Binding("pageup", "scroll_page(-10)", show=False),
        Binding("pagedown", "scroll_page(10)", show=False),
    ]
    TONE = ""
    """CSS class of the frame: empty, `-warning` or `-danger`."""

    def __init__(self, title: str, hints: str = "esc back") -> None:
        super().__init__()
        self.heading = title
        self.hints = hints

    def page(self) -> Page:
        return Page()

    def body(self) -> list[Widget]:
        """Below the text, scrolling with it."""
        return []

    def controls(self) -> list[Widget]:
        """Between page and hints."""
        return []

    def compose(self) -> ComposeResult:
        with Vertical(id="box", classes=self.TONE) as box:
            box.border_title = plain(self.heading)
            with VerticalScroll(id="scroll", can_focus=False):
                yield PageView(self.page(), id="page")
                yield from self.body()
            with Vertical(id="below"):
                yield from self.controls()
                yield Static(plain(self.hints), id="hints", markup=False)

    def on_resize(self) -> None:
        self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        """The page scrolls; what is below it always stays in sight."""
        box, below = self.query_one("#box"), self.query_one("#below")
        most = int(self.size.height * TALLEST) - box.gutter.height - below.outer_size.height
        self.query_one("#scroll").styles.max_height = max(most, 2)

    def show_page(self, page: Page) -> None:
        self.query_one("#page", PageView).show(page)

    def action_scroll_page(self, lines: int) -> None:
        self.query_one("#scroll", VerticalScroll).scroll_relative(y=lines, animate=False)

    def action_close(self) -> None:
        self.dismiss(None)


def button_row(*buttons: Widget) -> Horizontal:
    return Horizontal(*buttons, id="buttons")


class Message(Dialog[None]):
    """Something to read; Enter or Escape closes it."""

    BINDINGS = [Binding("enter", "close", show=False)]  # noqa: RUF012

    def __init__(self, title: str, page: Page, hints: str = "enter or esc back", tone: str = "") -> None:
        super().__init__(title, hints)
        self._page_shown = page
        self.TONE = tone

    def page(self) -> Page:
        return self._page_shown
