"""The plan, in plain words, and the ceremony that its risk asks for. Opened by `flows.py`."""

from __future__ import annotations

from math import inf
from time import monotonic
from typing import ClassVar

import msgspec
from textual import on
from textual.binding import BindingType
from textual.widget import Widget
from textual.widgets import Button, Input
from textual.widgets.button import ButtonVariant

from azure_ops.arm_ids import subscription_of
from azure_ops.model import Check, CheckState, Plan, Risk
from widgets.page import Page
from widgets.plain_text import plain, visible
from widgets.tick import Tick

from ..driver import TerminalDriver
from ..keys import bindings
from .dialog import Dialog, button_row

RISK_WORDS = {
    Risk.LOOK: "looks only",
    Risk.CREATES: "creates, cheap to undo",
    Risk.COSTS: "costs money or blocks others",
    Risk.CHANGES: "changes it, undo exists",
    Risk.DESTROYS: "destroys a way back",
}
_SIGNS = {
    CheckState.OK: ("✔", "$text-success"),
    CheckState.WARNING: ("▲", "$text-warning"),
    CheckState.FAILED: ("✖", "$text-error"),
    CheckState.UNKNOWN: ("?", "$text-muted"),
}


class Consent(msgspec.Struct, frozen=True):
    typed: str = ""
    understood: bool = False


def check_lines(page: Page, checks: tuple[Check, ...]) -> None:
    for check in checks:
        sign, style = _SIGNS[check.state]
        detail = f": {check.detail}" if check.detail else ""
        page.bullet(f"{check.label}{detail}", sign=f"{sign} {check.state.value:<7}", sign_style=style)
        if check.fix:
            page.note(f"→ {check.fix}", indent=5)


def plan_page(plan: Plan, changes: tuple[str, ...] = (), exact: str = "", *, whole: bool = False) -> Page:
    """`exact` is the key that shows paths with their subscriptions' ids, as they are sent: `whole`."""
    page = Page()
    if changes:
        page.text(
            "The target changed since you saw the plan; nothing was sent. Now:", style="bold $text-warning"
        )
        for change in changes:
            page.bullet(change, sign="▲", style="$text-warning")
        page.blank()
    for reason in plan.refused:
        page.bullet(reason, sign="✖ not possible:", style="bold $text-error")
    failed = tuple(check for check in plan.checks if check.state is CheckState.FAILED)
    if failed:
        page.heading("What stands in the way")
        check_lines(page, failed)
    if plan.losses:
        page.heading("What is lost or cannot be undone")
        for loss in plan.losses:
            page.bullet(loss, sign="✖", style="$text-error")
    if plan.consequences:
        page.heading("What will happen")
    for consequence in plan.consequences:
        page.bullet(consequence)
    others = tuple(check for check in plan.checks if check.state is not CheckState.FAILED)
    if others:
        page.heading("Checked when this was opened")
        check_lines(page, others)
    if plan.requests:
        page.heading("What is sent")
    if plan.subscriptions and exact:
        page.note(f"{exact} {'names its subscription' if whole else 'shows the exact path, with the id'}")
    for request in plan.requests:
        page.bullet(f"{request.method} {request.url if whole else _named(request.url, plan)}", sign="→")
        if request.body:
            page.note(request.body)
    if plan.permissions:
        page.heading("Permission it needs")
        for permission in plan.permissions:
            page.bullet(permission)
    return page


def _named(url: str, plan: Plan) -> str:
    """The path with its subscription's name in brackets, which no path has, instead of the id."""
    name = plan.subscriptions.get(subscription_of(url).lower(), "")
    return url.replace(subscription_of(url), f"[{name}]", 1) if name else url


class ConfirmPlan(Dialog[Consent]):
    """Closes with the consent, or None. The engine checks name and tick again by itself."""

    keys_from = inf
    """Keys that were typed before, by `time.monotonic`, do not reach the plan: nobody had read it."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(("exact-path",), "run")]

    def __init__(self, plan: Plan, changes: tuple[str, ...] = (), exact: str = "") -> None:
        """`exact` is the key that shows the paths with their subscriptions' ids."""
        super().__init__(plan.title, _hints(plan))
        self.plan = plan
        self.changes = changes
        self._exact = exact
        self._whole = False
        self.TONE = {Risk.CHANGES: "-warning", Risk.DESTROYS: "-danger"}.get(plan.risk, "")

    def page(self) -> Page:
        return plan_page(self.plan, self.changes, self._exact, whole=self._whole)

    def action_run(self, id: str) -> None:
        self._whole = not self._whole
        self.show_page(self.page())

    def controls(self) -> list[Widget]:
        if self.plan.refused:
            return [button_row(Button("Close", id="cancel"))]
        found: list[Widget] = []
        if self.plan.confirm_name:
            found.append(_name_input(self.plan.confirm_name))
        if self.plan.risk >= Risk.DESTROYS:
            losses = " ".join(self.plan.losses) or "this cannot be undone"
            found.append(Tick(f"I understand: {losses}", id="understood"))
        variant: ButtonVariant = "error" if self.plan.risk >= Risk.CHANGES else "primary"
        go = Button(plain(self.plan.go), id="go", variant=variant)
        return [*found, button_row(Button(plain(self.plan.leave), id="cancel"), go)]

    def on_mount(self) -> None:
        first = "#go" if self.plan.risk <= Risk.CREATES else "#cancel"
        if self.plan.confirm_name:
            first = "#typed"
        if self.plan.refused:
            first = "#cancel"
        self.query_one(first).focus()
        self._enable()
        self.call_after_refresh(self._seen, monotonic())

    def _seen(self, mounted_at: float) -> None:
        driver = self.app._driver
        if isinstance(driver, TerminalDriver):
            self.keys_from = driver.first_frame_since(mounted_at)
        else:
            self.keys_from = monotonic()

    def consent(self) -> Consent | None:
        """None while the ceremony is not complete."""
        if self.plan.refused:
            return None
        typed = self.query_one("#typed", Input).value if self.plan.confirm_name else ""
        understood = self.plan.risk >= Risk.DESTROYS and self.query_one("#understood", Tick).ticked
        name = self.plan.confirm_name
        if name and not self._names_it(typed):
            return None
        if self.plan.risk >= Risk.DESTROYS and not understood:
            return None
        return Consent(typed=name, understood=understood)

    def _names_it(self, typed: str) -> bool:
        name = self.plan.confirm_name
        return typed.strip() in (visible(name), phrase(name))

    def _enable(self) -> None:
        if not self.plan.refused:
            self.query_one("#go", Button).disabled = self.consent() is None

    @on(Input.Changed)
    @on(Tick.Changed)
    def _changed(self) -> None:
        self._enable()

    @on(Input.Submitted)
    def _next(self, event: Input.Submitted) -> None:
        if not self._names_it(event.value):
            self.notify(
                f"This is not the name; type {phrase(self.plan.confirm_name)}.",
                severity="warning",
                markup=False,
            )
        elif self.consent() is None:
            self.screen.focus_next()
        else:
            self.query_one("#go").focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(self.consent() if event.button.id == "go" else None)


def phrase(name: str) -> str:
    """What has to be typed: the name, without the characters of it that no keyboard has."""
    return "".join(letter for letter in visible(name) if " " <= letter <= "~").strip() or "yes"


def _name_input(name: str) -> Input:
    field = Input(placeholder=f"type {phrase(name)} to confirm", id="typed")
    field.cursor_blink = False
    return field


def _hints(plan: Plan) -> str:
    risk = f"risk {int(plan.risk)}: {RISK_WORDS[plan.risk]}"
    if plan.refused:
        return f"{risk} · {'enter or esc back to the form' if plan.amend else 'esc back'}"
    if plan.risk >= Risk.DESTROYS:
        return f"{risk} · type the name, tab, space ticks, tab tab, enter · ↑↓ scroll · esc back"
    if plan.confirm_name:
        return f"{risk} · type the name, tab tab, enter · ↑↓ scroll · esc back"
    if plan.risk >= Risk.COSTS:
        return f"{risk} · tab to '{plan.go}', enter · ↑↓ scroll · esc back"
    return f"{risk} · enter to go ahead · ↑↓ scroll · esc back"
