"""The questions of an action, with the choices the engine read from Azure. Opened by `flows.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from types import MappingProxyType

import msgspec
from msgspec.structs import replace
from textual import on
from textual.containers import Vertical
from textual.events import DescendantFocus
from textual.widget import Widget
from textual.widgets import Button, Input, OptionList, Static

from azure_ops import wire
from azure_ops.errors import RecoveryError
from azure_ops.model import Check, CheckState, Field, Form
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
        early: Awaitable[wire.Prechecked] | None = None,
    ) -> None:
        """`answers` stand in place of the form's own defaults, as far as they are still offered; `early`
        comes while it is being filled in."""
        ticks = "space in or out · " if any(field.many for field in form.fields) else ""
        super().__init__(title, f"↑↓ choose · {ticks}tab next · enter on · esc back")
        given = (_with_answer(field, answers.get(field.id)) for field in form.fields)
        self.form = replace(form, fields=tuple(given))
        self.checks = checks
        self._at = next((n for n, field in enumerate(form.fields) if field.id == at), 0)
        self.refused: tuple[str, ...] = ()
        self._more = early
        self._waits = early is not None

    def page(self) -> Page:
        page = refusal_page(self.refused, self.checks)
        if self._waits:
            page.bullet(
                "permissions and more are being checked; the form can be filled in meanwhile",
                "…",
                "$text-muted",
            )
        return page

    def body(self) -> list[Widget]:
        return [_question(number, field) for number, field in enumerate(self.form.fields)]

    def controls(self) -> list[Widget]:
        return [button_row(Button("Cancel", id="cancel"), _on())]

    def on_mount(self) -> None:
        self.query_one("#page").display = bool(self.checks) or self._waits
        self.query_one(f"#answer-{self._at}").focus()
        if self._more is not None:
            self.run_worker(self._hear(self._more), group="early", exit_on_error=False)

    async def _hear(self, early: Awaitable[wire.Prechecked]) -> None:
        """Red lines take the form away: no answer would do."""
        try:
            told = await early
        except RecoveryError as problem:
            told = wire.Prechecked(checks=(_unknown(problem),))
        self._waits = False
        self.checks, self.refused = (*self.checks, *told.checks), told.refused
        self.show_page(self.page())
        self.query_one("#page").display = bool(self.checks)
        if self.refused:
            self.query(".question").set(display=False)
            self.query_one("#on", Button).display = False
            self.query_one("#hints", Static).update(plain("enter or esc back"))
            self.query_one("#cancel", Button).focus()
        self.call_after_refresh(self._fit)

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
        if self.refused or self._asks_again(0):
            return
        answers = self.answers()
        for number, field in enumerate(self.form.fields):
            if field.required and not answers[field.id]:
                self.query_one(f"#answer-{number}").focus()
                self.notify(f"{visible(field.label)} is needed.", severity="warning", markup=False)
                return
        self.dismiss(answers)


def refusal_page(refused: tuple[str, ...], checks: tuple[Check, ...]) -> Page:
    """Why not, if anything is in the way, and what was looked at."""
    page = Page()
    for reason in refused:
        page.bullet(reason, sign="✖ not possible:", style="bold $text-error")
    if checks:
        page.heading("Checked when this was opened")
        check_lines(page, _briefly(checks))
    return page


def _briefly(checks: tuple[Check, ...]) -> tuple[Check, ...]:
    """What is well takes one line: the questions are to stay in sight."""
    well = [check for check in checks if check.state is CheckState.OK and not check.detail]
    if len(well) < 2:
        return checks
    labels = "; ".join(check.label for check in well)
    return (
        *(check for check in checks if check not in well),
        Check(label=labels, state=CheckState.OK),
    )


def _unknown(problem: RecoveryError) -> Check:
    return Check(label="Permissions", state=CheckState.UNKNOWN, detail=problem.title, fix=problem.hint)


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
