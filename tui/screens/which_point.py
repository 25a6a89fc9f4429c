"""The answer to "Which point should I take?": one point, up to three others, and the keys that take them."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import msgspec
from textual import on
from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import OptionList

from azure_ops import points as meaning
from azure_ops.actions.restore_places import REGION
from azure_ops.model import Details, Option, PointSource, RecoveryPoint
from azure_ops.recommend import Advice, Choice, recommend
from widgets.ages import here, zone_name
from widgets.choices import Choice as Line
from widgets.choices import Choices
from widgets.page import Page
from widgets.plain_text import plain, visible

from ..keys import KeyTable, bindings
from ..wording import span
from .dialog import Dialog
from .point_details import point_page

RESTORES = ("restore-vm", "restore-disks", "open-files", "menu")
SNAPSHOTS = ("open-files",)
FAILOVERS = ("failover", "test-failover", "menu")
LIST_HEIGHT = "35vh"


class Taken(msgspec.Struct, frozen=True):
    """What to do with which point."""

    action: str
    point: RecoveryPoint
    options: dict[str, Option]
    """What stands in the form then, by field id: the point, and of a copy the region that has it."""


class WhichPoint(Dialog[Taken]):
    """Closes with what is to be done, or None. The list holds the points; its cursor says which is taken."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(dict.fromkeys((*RESTORES, *FAILOVERS)), "take"),
        *bindings(("details",), "look"),
    ]

    def __init__(self, details: Details, at: datetime, now: datetime, keys: KeyTable) -> None:
        super().__init__(f"Which point of {visible(details.item.name)}?")
        self._details = details
        self._at, self._now = at, now
        self._keys = keys
        replication = details.item.replication
        self._advice = recommend(
            at,
            details.points,
            details.item.disks,
            now=now,
            times=details.restore_times,
            failover=replication is not None and replication.allows("UnplannedFailover"),
        )
        self.hints = "↑↓ choose · esc back"

    @property
    def choices(self) -> tuple[Choice, ...]:
        chosen = self._advice.chosen
        return (chosen, *self._advice.alternatives) if chosen else ()

    def page(self) -> Page:
        return advice_page(self._advice, self._choice(), self._at, self._now, self._details)

    def controls(self) -> list[Widget]:
        if not self.choices:
            return []
        lines = [_line(number, choice) for number, choice in enumerate(self.choices)]
        found = Choices(lines, id="points")
        found.styles.max_height = LIST_HEIGHT
        return [found]

    def on_mount(self) -> None:
        if self.choices:
            self.query_one("#points").focus()
        self._say_keys()

    def _choice(self) -> Choice | None:
        if not self.choices:
            return None
        at = self.query_one("#points", Choices).highlighted if self.query("#points") else 0
        return self.choices[at or 0]

    @on(OptionList.OptionHighlighted)
    def _moved(self, event: OptionList.OptionHighlighted) -> None:
        self.show_page(self.page())
        self._say_keys()

    @on(OptionList.OptionSelected)
    def _opened(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.action_look("details")

    def _say_keys(self) -> None:
        from textual.widgets import Static

        choice = self._choice()
        words = ["↑↓ choose", "enter all about it"] if choice else []
        for id in _actions(choice.point) if choice else ():
            key, entry = self._keys.shown(id), self._keys.of(id)
            if key and entry:
                words.append(f"{key} {entry.short or entry.title}")
        self.query_one("#hints", Static).update(plain(" · ".join((*words, "esc back"))))
        self.call_after_refresh(self._fit)

    def action_take(self, id: str) -> None:
        choice = self._choice()
        if choice is None:
            return
        if id not in _actions(choice.point):
            self.notify(_why_not(choice.point, self._keys), severity="warning", markup=False)
            return
        self.dismiss(Taken(id, choice.point, options_of(choice.point)))

    def action_look(self, id: str) -> None:
        from .dialog import Message

        choice = self._choice()
        if choice is not None:
            page = point_page(choice.point, self._details, self._now)
            self.app.push_screen(Message(f"A recovery point of {visible(self._details.item.name)}", page))


def options_of(point: RecoveryPoint) -> dict[str, Option]:
    """As the forms name points: backups by name, replication points by id."""
    by_name = point.source is PointSource.BACKUP
    label = f"{point.taken_at:%Y-%m-%d %H:%M} UTC  {point.consistency}"
    options = {"point": Option(value=point.name if by_name else point.id, label=label, note="as recommended")}
    if point.secondary:
        options["where"] = Option(value=REGION + point.region, label=f"{point.region}, the paired region")
    return options


def _actions(point: RecoveryPoint) -> tuple[str, ...]:
    """Which keys can take this point."""
    if point.source is PointSource.SNAPSHOT:
        return SNAPSHOTS
    if point.secondary:
        return tuple(id for id in RESTORES if id != "open-files")
    if point.source is PointSource.REPLICATION:
        return FAILOVERS
    return RESTORES


def _why_not(point: RecoveryPoint, keys: KeyTable) -> str:
    if point.source is PointSource.SNAPSHOT:
        return (
            f"No key restores disk snapshots: open their files ({keys.shown('open-files')}), or make "
            "disks of them and attach them by hand."
        )
    if point.source is PointSource.REPLICATION:
        return f"A replication point is taken by a failover ({keys.shown('failover')})."
    return "A backup point is restored, not failed over to."


def _line(number: int, choice: Choice) -> Line:
    point = choice.point
    sign = "✔ take " if number == 0 else "  or   "
    when = f"{here(point.taken_at):%Y-%m-%d %H:%M}"
    text = Content.assemble(
        plain(sign, "bold $text-success" if number == 0 else ""),
        plain(f"{when}  {_source(point)}", "bold" if number == 0 else ""),
    )
    return Line(text, choice.instead)


def _source(point: RecoveryPoint) -> str:
    kind = meaning.consistency_of(point.consistency) or "consistency not told"
    if point.source is PointSource.REPLICATION:
        return f"{kind}, replication"
    if point.source is PointSource.SNAPSHOT:
        return f"{kind}, disk snapshots"
    tiers = "+".join(meaning.TIERS.get(tier, tier) for tier in meaning.tiers_of(point))
    return f"{kind}, {tiers}" + (f" in {point.region}" if point.secondary else "")


def advice_page(advice: Advice, choice: Choice | None, at: datetime, now: datetime, details: Details) -> Page:
    page = Page()
    passed = span((now - at).total_seconds())
    page.pair("trouble since", f"{here(at):%Y-%m-%d %H:%M:%S} {zone_name()}, {passed} ago")
    for source in details.point_sources:
        if source.error is not None:
            page.bullet(f"Not weighed as of now, {source.name}: {source.error.title}", "▲", "$text-warning")
    if choice is None:
        page.blank().text(advice.problem, style="bold $text-warning")
    else:
        _choice_lines(page, choice)
    for gap in details.gaps:
        if choice is not None and choice.point.taken_at < gap.since <= at:
            count = f"{gap.missing} point{'s' * (gap.missing != 1)} of the schedule"
            page.bullet(f"{count} between it and the incident: missing", "▲", "$text-warning")
    for line in advice.left_out:
        page.note(f"left out, {line}", indent=1)
    return page.blank()


def _choice_lines(page: Page, choice: Choice) -> None:
    point = choice.point
    page.heading(f"{here(point.taken_at):%Y-%m-%d %H:%M:%S} {zone_name()}, {_source(point)}")
    for reason in choice.reasons:
        page.bullet(reason, "✔", sign_style="$text-success")
    for loss in choice.losses:
        page.bullet(f"loses: {loss}" if loss.startswith("what ") else loss, "▲", sign_style="$text-warning")
    if len(choice.snapshots) > 1:
        page.note("snapshots: " + ", ".join(one.name for one in choice.snapshots), indent=1)
