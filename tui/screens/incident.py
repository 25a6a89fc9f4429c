"""When did it begin? Opened by the key that asks for a point; what cannot be read is told and stays to be
corrected."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from textual import on
from textual.widget import Widget
from textual.widgets import Button, Input, Static

from azure_ops.errors import Refused
from azure_ops.incident_time import FORMATS_SAID, parse_incident
from widgets.ages import zone, zone_name
from widgets.page import Page
from widgets.plain_text import plain, visible

from .dialog import Dialog, button_row


class IncidentForm(Dialog[datetime]):
    """Closes with the moment in UTC, or None."""

    def __init__(self, name: str, now: Callable[[], datetime]) -> None:
        super().__init__(f"Which point of {visible(name)}?", "enter on · esc back")
        self._now = now

    def page(self) -> Page:
        return (
            Page()
            .text("When did the trouble begin? The point will be from before that.", style="bold")
            .note(f"In {zone_name()}, or with a zone of its own: {FORMATS_SAID}", indent=0)
        )

    def controls(self) -> list[Widget]:
        answer = Input(value="now", id="incident", select_on_focus=True)
        answer.cursor_blink = False
        wrong = Static("", id="wrong", markup=False)
        wrong.display = False
        on = Button("Weigh the points", id="on", variant="primary")
        return [answer, wrong, button_row(Button("Cancel", id="cancel"), on)]

    def on_mount(self) -> None:
        self.query_one("#incident").focus()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._finish()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "on":
            self._finish()
        else:
            self.dismiss(None)

    def _finish(self) -> None:
        answer, wrong = self.query_one("#incident", Input), self.query_one("#wrong", Static)
        try:
            at = parse_incident(answer.value, self._now(), zone())
        except Refused as problem:
            wrong.update(plain(str(problem), "bold $text-error"))
            wrong.display = True
            self.call_after_refresh(self._fit)
            answer.focus()
            return
        self.dismiss(at)
