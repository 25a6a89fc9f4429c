"""Which panes are on the screen and how they are titled: side by side when there is room, in tabs when not.

One widget tree serves both: classes on the screen and on the panes decide what is displayed (console.tcss).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widget import Widget

from widgets.pane import Pane, PaneTitle

from .terminal import SMALLEST

if TYPE_CHECKING:
    from .screens.console import ConsoleScreen

WIDE = (120, 30)
"""Columns and lines from which all panes are shown at once."""
NAMES = {1: "VMs", 2: "Points", 3: "Replication", 4: "Operations", 5: "Requests"}
IDS = {1: "vms", 2: "points", 3: "replication", 4: "operations", 5: "requests"}
WINDOWS = ((1,), (2, 3), (4, 5))
"""Panes that share a window where room is short."""
CONTAINERS = {"upper": (1, 2, 3), "detail": (2, 3), "lower": (4, 5)}


class Layout:
    def __init__(self, screen: ConsoleScreen) -> None:
        self._screen = screen
        self._notes: dict[int, str] = {}
        self.active = 1
        self.narrow = False
        self.zoomed = False

    def pane(self, number: int) -> Pane:
        return self._screen.query_one(f"#{IDS[number]}-pane", Pane)

    def content(self, number: int) -> Widget:
        """The widget inside, which takes the focus."""
        return self._screen.query_one(f"#{IDS[number]}")

    def resized(self, width: int, height: int) -> None:
        self.narrow = width < WIDE[0] or height < WIDE[1]
        tiny = width < SMALLEST[0] or height < SMALLEST[1]
        self._screen.set_class(self.narrow, "-narrow")
        self._screen.set_class(tiny, "-tiny")
        self.arrange()

    def go(self, number: int) -> None:
        """Make a pane the active one, bringing it to the front and to the whole screen where needed."""
        self.active = number
        self.arrange()
        self.content(number).focus()

    def focused(self, widget: Widget | None) -> None:
        """The user went into a pane by tab or mouse."""
        for number, name in IDS.items():
            if widget is not None and widget.id == name and number != self.active:
                self.active = number
                self.arrange()

    def next_tab(self, step: int) -> None:
        """Round the window of the active pane; from the VMs into the window below."""
        window = next(window for window in WINDOWS if self.active in window)
        if len(window) == 1:
            self.go(2 if step > 0 else 3)
        else:
            self.go(window[(window.index(self.active) + step) % len(window)])

    def zoom(self, on: bool) -> None:
        if on != self.zoomed:
            self.zoomed = on
            self.arrange()

    def arrange(self) -> None:
        self._screen.set_class(self.zoomed, "-zoomed")
        for window in WINDOWS:
            front = self.active if self.active in window else self._front(window)
            for number in window:
                pane = self.pane(number)
                pane.set_class(number != front, "-behind")
                pane.set_class(number != self.active, "-unzoomed")
        for name, numbers in CONTAINERS.items():
            self._screen.query_one(f"#{name}").set_class(self.active not in numbers, "-unzoomed")
        self.retitle()

    def _front(self, window: tuple[int, ...]) -> int:
        shown = [number for number in window if not self.pane(number).has_class("-behind")]
        return shown[0] if len(shown) == 1 else window[0]

    def note(self, number: int, text: str) -> None:
        """Which row a pane is about; stands behind its name."""
        if self._notes.get(number, "") != text:
            self._notes[number] = text
            self.retitle()

    def retitle(self) -> None:
        for window in WINDOWS:
            for number in window:
                alone = not self.narrow or self.zoomed or len(window) == 1
                titles = [self._title(each, each == number) for each in ((number,) if alone else window)]
                self.pane(number).show_title(*titles)

    def _title(self, number: int, front: bool) -> PaneTitle:
        note = self._notes.get(number, "")
        return PaneTitle(number, f"{NAMES[number]} {note}" if note and front else NAMES[number], front)
