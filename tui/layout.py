"""Which panes are on the screen and how they are titled: side by side when there is room, in tabs when not.

One widget tree serves both: classes on the screen and on the panes decide what is displayed (console.tcss).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Container
from textual.geometry import Region
from textual.strip import Strip
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


class Bare(Container):
    """Holds others and shows nothing itself: its lines are all alike, so one of them is made."""

    def render_lines(self, crop: Region) -> list[Strip]:
        return super().render_lines(Region(crop.x, crop.y, crop.width, 1)) * crop.height


class Layout:
    def __init__(self, screen: ConsoleScreen) -> None:
        self._screen = screen
        self._notes: dict[int, str] = {}
        self._contents: dict[int, Widget] = {}
        self._panes: dict[int, Pane] = {}
        self._containers: dict[str, Widget] = {}
        self.active = 1
        self.narrow = False
        self.zoomed = False

    def build(self, contents: dict[int, Widget], width: int, height: int) -> Widget:
        """The panes around their contents, arranged for a window of this size before they are mounted, so
        that the stylesheet is applied once."""
        self._contents = contents
        panes = self._panes = {
            number: Pane(number, NAMES[number], content, id=f"{IDS[number]}-pane")
            for number, content in contents.items()
        }
        detail = Bare(panes[2], panes[3], id="detail")
        upper = Bare(panes[1], detail, id="upper")
        lower = Bare(panes[4], panes[5], id="lower")
        self._containers = {"upper": upper, "detail": detail, "lower": lower}
        self._sized(width, height)
        self._classify()
        self.retitle()
        return Bare(upper, lower, id="body")

    def pane(self, number: int) -> Pane:
        return self._panes[number]

    def content(self, number: int) -> Widget:
        """The widget inside, which takes the focus."""
        return self._contents[number]

    def resized(self, width: int, height: int) -> None:
        self._sized(width, height)
        self.arrange()

    def _sized(self, width: int, height: int) -> None:
        self.narrow = width < WIDE[0] or height < WIDE[1]
        self._tiny = width < SMALLEST[0] or height < SMALLEST[1]

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
        if self._classify():
            self._screen.update_node_styles(animate=False)
        self.retitle()

    def _classify(self) -> bool:
        """Gives screen and panes their classes; False when all had them."""
        wanted: list[tuple[Widget, dict[str, bool]]] = [
            (self._screen, {"-narrow": self.narrow, "-tiny": self._tiny, "-zoomed": self.zoomed})
        ]
        for window in WINDOWS:
            front = self.active if self.active in window else self._front(window)
            for number in window:
                classes = {"-behind": number != front, "-unzoomed": number != self.active}
                wanted.append((self._panes[number], classes))
        for name, numbers in CONTAINERS.items():
            wanted.append((self._containers[name], {"-unzoomed": self.active not in numbers}))
        changed = False
        for widget, classes in wanted:
            before = widget.classes
            widget.update_classes(classes, update=False)
            changed = changed or widget.classes != before
        return changed

    def _front(self, window: tuple[int, ...]) -> int:
        shown = [number for number in window if not self._panes[number].has_class("-behind")]
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
