"""The questions of an action, with the choices the engine read from Azure. Opened by `flows.py`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from msgspec.structs import replace
from textual import on
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Button, Input, OptionList, Static

from azure_ops.model import Check, Field, Form
from widgets.choices import Choice, Choices
from widgets.page import Page
from widgets.plain_text import plain, visible

from .confirm import check_lines
from .dialog import Dialog, button_row

LINES_PER_CHOICE_LIST = 8


class ActionForm(Dialog[dict[str, str]]):
    """Closes with the answers by field id, or None."""

    def __init__(
        self,
        title: str,
        form: Form,
        checks: tuple[Check, ...] = (),
        answers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`answers` stand in place of the form's own defaults."""
        super().__init__(title, "↑↓ choose · tab next · enter on · esc back")
        given = (replace(field, default=answers.get(field.id, field.default)) for field in form.fields)
        self.form = replace(form, fields=tuple(given))
        self.checks = checks

    def page(self) -> Page:
        page = Page()
        if self.checks:
            page.heading("Checked just now")
            check_lines(page, self.checks)
        return page

    def body(self) -> list[Widget]:
        return [_question(number, field) for number, field in enumerate(self.form.fields)]

    def controls(self) -> list[Widget]:
        return [button_row(Button("Cancel", id="cancel"), _on())]

    def on_mount(self) -> None:
        self.query_one("#page").display = bool(self.checks)
        self.query_one("#answer-0").focus()

    def answers(self) -> dict[str, str]:
        return {field.id: self._answer(number, field) for number, field in enumerate(self.form.fields)}

    def _answer(self, number: int, field: Field) -> str:
        if not field.options:
            return self.query_one(f"#answer-{number}", Input).value.strip()
        chosen = self.query_one(f"#answer-{number}", OptionList).highlighted
        return field.options[chosen].value if chosen is not None else ""

    @on(OptionList.OptionSelected)
    @on(Input.Submitted)
    def _go_on(self, event: OptionList.OptionSelected | Input.Submitted) -> None:
        event.stop()
        widget = event.option_list if isinstance(event, OptionList.OptionSelected) else event.input
        following = int((widget.id or "answer-0").rsplit("-", 1)[1]) + 1
        if following < len(self.form.fields):
            self.query_one(f"#answer-{following}").focus()
        else:
            self._finish()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "on":
            self._finish()
        else:
            self.dismiss(None)

    def _finish(self) -> None:
        answers = self.answers()
        for number, field in enumerate(self.form.fields):
            if field.required and not answers[field.id]:
                self.query_one(f"#answer-{number}").focus()
                self.notify(f"{visible(field.label)} is needed.", severity="warning", markup=False)
                return
        self.dismiss(answers)


def _on() -> Button:
    return Button("Show the plan", id="on", variant="primary")


def _question(number: int, field: Field) -> Vertical:
    parts: list[Widget] = [Static(plain(field.label, "bold"), markup=False)]
    if field.help:
        parts.append(Static(plain(field.help, "$text-muted"), markup=False))
    if field.options:
        parts.append(_choices(number, field))
    else:
        answer = Input(value=field.default, id=f"answer-{number}")
        answer.cursor_blink = False
        parts.append(answer)
    return Vertical(*parts, classes="question")


def _choices(number: int, field: Field) -> Choices:
    chosen = next((index for index, each in enumerate(field.options) if each.value == field.default), 0)
    choices = [Choice(plain(each.label or each.value), each.note) for each in field.options]
    found = Choices(choices, chosen=chosen, id=f"answer-{number}")
    found.styles.max_height = LINES_PER_CHOICE_LIST
    return found
