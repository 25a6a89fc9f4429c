"""The ceremony of each risk, the form, the menu: driven by keys in a small application."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.screen import Screen
from textual.widgets import Button, Input, Static

from azure_ops import wire
from azure_ops.actions.cancel_job import CANCEL_JOB
from azure_ops.errors import RecoveryError
from azure_ops.model import Check, CheckState, Field, Form, Option, Output, Plan, PlannedRequest, Risk
from tui.screens.action_form import ActionForm, AskAgain
from tui.screens.action_menu import ActionMenu, Entry
from tui.screens.confirm import ConfirmPlan, Consent, phrase, plan_page
from tui.screens.copying import Copying
from widgets.page import PageView

STYLES = Path(__file__).parents[2] / "tui" / "styles" / "dialogs.tcss"


class Stage(App[None]):
    CSS_PATH = STYLES

    def __init__(self, screen: Screen[Any]) -> None:
        super().__init__()
        self._shown = screen
        self.answers: list[Any] = []

    def on_mount(self) -> None:
        self.push_screen(self._shown, self.answers.append)


def plan(risk: Risk, **more: Any) -> Plan:
    facts: dict[str, Any] = {
        "confirm_name": "web-02" if risk >= Risk.CHANGES else "",
        "losses": ("4 min of data",) if risk >= Risk.DESTROYS else (),
        "consequences": ("The VM is started elsewhere.",),
        "requests": (PlannedRequest(method="POST", url="/x/unplannedFailover"),),
    }
    return Plan(
        id="p",
        action="failover",
        title="Failover: web-02",
        risk=risk,
        keys=("k",),
        names=("web-02",),
        **{**facts, **more},
    )


async def pressed(screen: Screen[Any], *keys: str, size: tuple[int, int] = (80, 24)) -> list[Any]:
    app = Stage(screen)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        for key in keys:
            await pilot.press(key)
        await pilot.pause()
        return app.answers


NAME = tuple("web-02")


@pytest.mark.parametrize(
    ("risk", "keys", "wanted"),
    [
        (Risk.CREATES, ("enter",), [Consent()]),
        (Risk.CREATES, ("escape",), [None]),
        (Risk.COSTS, ("enter",), [None]),
        (Risk.COSTS, ("tab", "enter"), [Consent()]),
        (Risk.CHANGES, (*NAME, "enter", "enter"), [Consent(typed="web-02")]),
        (Risk.CHANGES, (*"web-01", "enter", "tab", "enter"), []),
        (Risk.DESTROYS, (*NAME, "tab", "space", "tab", "tab", "enter"), [Consent("web-02", understood=True)]),
        (Risk.DESTROYS, (*NAME, "tab", "tab", "tab", "enter"), []),
        (Risk.DESTROYS, ("tab", "space", "tab", "enter"), [None]),
    ],
)
async def test_each_risk_has_its_ceremony(risk: Risk, keys: tuple[str, ...], wanted: list[Any]) -> None:
    found = await pressed(ConfirmPlan(plan(risk)), *keys)
    assert [each for each in found if each is not None] == [each for each in wanted if each is not None]
    if None in wanted:
        assert found == [None]


async def test_a_refused_plan_cannot_be_confirmed() -> None:
    refused = plan(Risk.DESTROYS, refused=("no quota",))
    assert await pressed(ConfirmPlan(refused), "enter") == [None]


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (160, 48)])
async def test_the_buttons_are_always_in_sight(size: tuple[int, int]) -> None:
    checks = tuple(Check(label=f"check {n}", state=CheckState.OK) for n in range(40))
    app = Stage(ConfirmPlan(plan(Risk.DESTROYS, checks=checks)))
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        await pilot.pause()
        for id in ("#typed", "#understood", "#cancel", "#go"):
            region = app.screen.query_one(id).region
            assert region.height > 0, id
            assert region.bottom <= size[1] - 1, id


def test_what_cannot_be_typed_is_not_asked_for() -> None:
    assert phrase("web-02") == "web-02"
    assert phrase("vm-\u202egnp.exe") == "vm-gnp.exe"
    assert phrase("本番") == "yes"


def test_a_plan_shows_all_it_holds() -> None:
    lines = "\n".join(line.text for line in plan_page(plan(Risk.DESTROYS), ("health is Critical now",)).lines)
    for text in (
        "4 min of data",
        "The VM is started elsewhere.",
        "POST /x/unplannedFailover",
        "health is Critical",
    ):
        assert text in lines


FORM = Form(
    fields=(
        Field(
            id="point", label="Recovery point", default="b",
            options=(Option(value="a", label="Latest"), Option(value="b", label="Processed", note="4 min")),
        ),
        Field(id="comment", label="Comment"),
    )
)  # fmt: skip


async def test_a_form_takes_default_choice_and_text() -> None:
    assert await pressed(ActionForm("Failover", FORM), "enter", *"drill", "enter") == [
        {"point": "b", "comment": "drill"}
    ]


async def test_a_form_wants_what_is_required() -> None:
    assert await pressed(ActionForm("Failover", FORM), "up", "enter", "enter", *"ok", "enter") == [
        {"point": "a", "comment": "ok"}
    ]


async def test_the_menu_takes_the_actions_own_key_and_gives_reasons() -> None:
    entries = [
        Entry("commit-failover", "C", "Commit", Risk.DESTROYS, "nothing to commit"),
        Entry("test-failover", "F", "Test failover", Risk.COSTS),
    ]
    assert await pressed(ActionMenu("web-02", entries), "F") == ["test-failover"]
    assert await pressed(ActionMenu("web-02", entries), "enter") == ["test-failover"]


async def test_foreign_text_in_a_plan_is_never_markup() -> None:
    hostile = plan(Risk.CREATES, consequences=("[@click=app.quit]x[/nope] \x1b]0;pwn\x07",))
    app = Stage(ConfirmPlan(hostile))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        shown = app.screen.query_one(PageView).render().plain
        assert "[@click=app.quit]x[/nope]" in shown
        assert "\x1b" not in shown


async def test_a_wrong_name_is_told_and_keeps_the_focus() -> None:
    app = Stage(ConfirmPlan(plan(Risk.DESTROYS)))
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.pause()
        await pilot.press(*"web-01", "enter")
        await pilot.pause()
        assert app.focused is not None
        assert app.focused.id == "typed"
        assert any("type web-02" in note.message for note in app._notifications)


async def test_a_form_shows_what_was_answered_before() -> None:
    form = Form(fields=(Field(id="expires", label="Until", default="2026-09-01"),))
    found = await pressed(ActionForm("x", form, (), {"expires": "2020-13-45"}), "enter")
    assert found == [{"expires": "2020-13-45"}]


MISSING = Check(label="Permissions on rsv", state=CheckState.FAILED, detail="missing: a/b/action", fix="Ask.")


async def test_a_form_does_not_wait_for_the_early_checks() -> None:
    never: asyncio.Future[wire.Prechecked] = asyncio.get_running_loop().create_future()
    assert await pressed(ActionForm("x", FORM, early=never), "enter", *"ok", "enter") == [
        {"point": "b", "comment": "ok"}
    ]


@pytest.mark.parametrize(("refused", "asks"), [((), True), (("web: missing",), False)])
async def test_red_lines_that_come_later_take_the_form_away(refused: tuple[str, ...], *, asks: bool) -> None:
    early: asyncio.Future[wire.Prechecked] = asyncio.get_running_loop().create_future()
    app = Stage(ActionForm("x", FORM, early=early))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "being checked" in app.screen.query_one("#page", PageView).render().plain
        early.set_result(wire.Prechecked(checks=(MISSING,), refused=refused))
        await pilot.pause()
        await pilot.pause()
        page = app.screen.query_one("#page", PageView).render().plain
        assert "missing: a/b/action" in page
        assert "being checked" not in page
        assert ("not possible" in page) is not asks
        assert app.screen.query_one("#answer-0").region.height > 0 if asks else True
        assert all(question.display is asks for question in app.screen.query(".question"))
        await pilot.press("enter")
        await pilot.pause()
        assert app.answers == ([] if asks else [None])


async def test_early_checks_that_fail_are_said_and_no_hindrance() -> None:
    early: asyncio.Future[wire.Prechecked] = asyncio.get_running_loop().create_future()
    early.set_exception(RecoveryError("The engine is busy.", "Wait."))
    found = await pressed(ActionForm("x", FORM, early=early), "enter", *"ok", "enter")
    assert found == [{"point": "b", "comment": "ok"}]


LED = Form(
    fields=(
        Field(
            id="where", label="Where to", default="here", leads=True,
            options=(Option(value="here", label="Here"), Option(value="there", label="There")),
        ),
        Field(
            id="disks", label="Disks", default="0,2", many=True, required=False,
            options=tuple(Option(value=str(lun), label=f"LUN {lun}") for lun in (0, 1, 2)),
        ),
        Field(id="name", label="Name", default="new"),
    )
)  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "answers"),
    [
        (("enter", "enter", "enter"), {"where": "here", "disks": "0,2", "name": "new"}),
        (("tab", "space", "down", "space", "tab", "enter"), {"where": "here", "disks": "1,2", "name": "new"}),
        (
            ("tab", "space", "down", "down", "space", "tab", "enter"),
            {"where": "here", "disks": "", "name": "new"},
        ),
    ],
)
async def test_several_are_ticked_in_and_out(keys: tuple[str, ...], answers: dict[str, str]) -> None:
    assert await pressed(ActionForm("Restore", LED), *keys) == [answers]


@pytest.mark.parametrize("keys", [("down", "enter"), ("down", "tab")])
async def test_what_leads_the_form_asks_for_it_again(keys: tuple[str, ...]) -> None:
    answers = {"where": "there", "disks": "0,2", "name": "new"}
    assert await pressed(ActionForm("Restore", LED), *keys) == [AskAgain(answers, "disks")]


async def test_a_form_read_again_goes_on_where_it_was_with_what_is_still_offered() -> None:
    form = ActionForm("Restore", LED, (), {"where": "there", "disks": "2,7", "name": "mine"}, "name")
    found = await pressed(form, "enter")
    assert found == [{"where": "there", "disks": "2", "name": "mine"}]
    gone = ActionForm("Restore", LED, (), {"where": "nowhere"}, "name")
    assert await pressed(gone, "enter") == [{"where": "here", "disks": "0,2", "name": "new"}]


async def test_one_of_what_was_made_is_copied() -> None:
    made = [Output(label="Disk", value="/d"), Output(label="Template", value="https://a/t.json")]
    assert await pressed(Copying(made), "down", "enter") == [made[1]]
    assert await pressed(Copying(made), "escape") == [None]


async def test_the_buttons_of_a_cancellation_cannot_be_mistaken() -> None:
    cancelling = plan(Risk.COSTS, leave=CANCEL_JOB.leave, go=CANCEL_JOB.go)
    app = Stage(ConfirmPlan(cancelling))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        labels = [str(button.label) for button in app.screen.query(Button)]
        assert labels == ["Leave it running", "Cancel the job"]
        assert app.focused is not None
        assert app.focused.id == "cancel"
        assert "tab to 'Cancel the job'" in str(app.screen.query_one("#hints", Static).render())


async def test_a_path_names_its_subscription_and_one_key_shows_it_as_it_is_sent() -> None:
    path = "/subscriptions/0A1B/resourceGroups/rg/providers/x?api-version=1"
    named = plan(
        Risk.CHANGES,
        requests=(PlannedRequest(method="POST", url=path), PlannedRequest(method="GET", url="/other")),
        subscriptions={"0a1b": "Contoso \x1b[31m[b]Prod"},
    )
    app = Stage(ConfirmPlan(named, exact="^y"))
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.pause()
        shown = [app.screen.query_one("#page", PageView).render().plain]
        for _ in range(2):
            await pilot.press("ctrl+y")
            await pilot.pause()
            shown.append(app.screen.query_one("#page", PageView).render().plain)
        assert app.screen.query_one("#typed", Input).value == ""
    assert shown[0] == shown[2]
    assert "0A1B" not in shown[0]
    assert "[b]Prod]/resourceGroups/rg" in shown[0]
    assert "\x1b" not in shown[0]
    assert "^y shows the exact path" in shown[0]
    assert f"POST {path}" in shown[1]
    assert "GET /other" in shown[0]
