"""The questions of an action, with the choices the engine read from Azure. Opened by `flows.py`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec
from msgspec.structs import replace
from textual import on
from textual.containers import Vertical
from textual.events import DescendantFocus
from textual.widget import Widget
from textual.widgets import Button, Input, OptionList, Static

from azure_ops.model import Check, Field, Form
from widgets.choices import CheckList, Choice, Choices
from widgets.page import Page
from widgets.plain_text import plain, visible

from .confirm import check_lines
from .dialog import Dialog, button_row

LINES_PER_CHOICE_LIST = 8


class AskAgain(msgspec.Struct, frozen=True):
    """Another option of a leading field was chosen: the form must be read anew."""

    answers: dict[str, str]
    at: str
    """Id of the field to go on with."""


class ActionForm(Dialog[dict[str, str] | AskAgain]):
    """Closes with the answers by field id, with `AskAgain`, or with None."""

    def __init__(
        self,
        title: str,
        form: Form,
        checks: tuple[Check, ...] = (),
        answers: Mapping[str, str] = MappingProxyType({}),
        at: str = "",
    ) -> None:
        """`answers` stand in place of the form's own defaults, as far as they are still offered."""
        ticks = "space in or out · " if any(field.many for field in form.fields) else ""
        super().__init__(title, f"↑↓ choose · {ticks}tab next · enter on · esc back")
        given = (_with_answer(field, answers.get(field.id)) for field in form.fields)
        self.form = replace(form, fields=tuple(given))
        self.checks = checks
        self._at = next((n for n, field in enumerate(form.fields) if field.id == at), 0)

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
        self.query_one(f"#answer-{self._at}").focus()

    def answers(self) -> dict[str, str]:
        return {field.id: self._answer(number, field) for number, field in enumerate(self.form.fields)}

    def _answer(self, number: int, field: Field) -> str:
        if not field.options:
            return self.query_one(f"#answer-{number}", Input).value.strip()
        if field.many:
            ticked = self.query_one(f"#answer-{number}", CheckList).ticked
            return ",".join(option.value for at, option in enumerate(field.options) if at in ticked)
        chosen = self.query_one(f"#answer-{number}", OptionList).highlighted
        return field.options[chosen].value if chosen is not None else ""

    @on(OptionList.OptionSelected)
    @on(Input.Submitted)
    def _go_on(self, event: OptionList.OptionSelected | Input.Submitted) -> None:
        event.stop()
        widget = event.option_list if isinstance(event, OptionList.OptionSelected) else event.input
        following = int((widget.id or "answer-0").rsplit("-", 1)[1]) + 1
        if self._asks_again(min(following, len(self.form.fields) - 1)):
            return
        if following < len(self.form.fields):
            self.query_one(f"#answer-{following}").focus()
        else:
            self._finish()

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        number = (event.widget.id or "").removeprefix("answer-")
        self._asks_again(int(number) if number.isdecimal() else len(self.form.fields) - 1)

    def _asks_again(self, at: int) -> bool:
        """Closes for another form when what leads it was answered anew."""
        answers = self.answers()
        if not any(field.leads and answers[field.id] != field.default for field in self.form.fields):
            return False
        self.dismiss(AskAgain(answers, self.form.fields[at].id))
        return True

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "on":
            self._finish()
        else:
            self.dismiss(None)

    def _finish(self) -> None:
        if self._asks_again(0):
            return
        answers = self.answers()
        for number, field in enumerate(self.form.fields):
            if field.required and not answers[field.id]:
                self.query_one(f"#answer-{number}").focus()
                self.notify(f"{visible(field.label)} is needed.", severity="warning", markup=False)
                return
        self.dismiss(answers)


def _with_answer(field: Field, answer: str | None) -> Field:
    """What is not offered any more is no answer; of several those that still are."""
    if answer is None or not field.options:
        return field if answer is None else replace(field, default=answer)
    offered = [option.value for option in field.options]
    if field.many:
        return replace(field, default=",".join(one for one in answer.split(",") if one in offered))
    return replace(field, default=answer) if answer in offered else field


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
    found: Choices
    if field.many:
        default = field.default.split(",")
        ticked = (index for index, each in enumerate(field.options) if each.value in default)
        found = CheckList(choices, ticked, id=f"answer-{number}")
    else:
        found = Choices(choices, chosen=chosen, id=f"answer-{number}")
    found.styles.max_height = LINES_PER_CHOICE_LIST
    return found
