"""A burst of keys does what the same keys do one by one, and a plan nobody has seen is not confirmed."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.pilot import Pilot
from textual.widgets import Input

from azure_ops.model import Risk
from tui.key_order import LOOK_S, KeysInOrder
from tui.screens.confirm import ConfirmPlan, Consent

from .test_dialogs import STYLES, plan

BURST = (*"web-02", "tab", "space", "tab", "tab", "enter")


class Console(KeysInOrder):
    CSS_PATH = STYLES
    BINDINGS: ClassVar[list[BindingType]] = [Binding("o", "ask")]

    def __init__(self, risk: Risk) -> None:
        super().__init__()
        self.risk = risk
        self.answers: list[Any] = []

    def action_ask(self) -> None:
        self.push_screen(ConfirmPlan(plan(self.risk)), self.answers.append)


def burst(app: Console, *keys: str) -> None:
    """All at once, as a terminal's buffer hands them over."""
    assert app._driver is not None
    for key in keys:
        character = {"space": " "}.get(key, key if len(key) == 1 else None)
        app._driver.send_message(events.Key(key, character))


async def until_asked(app: Console, pilot: Pilot[None]) -> None:
    async with asyncio.timeout(10):
        while getattr(app.screen, "keys_from", 1e300) > 1e200:
            await pilot.pause(0.01)


async def answered(app: Console, pilot: Pilot[None]) -> list[Any]:
    async with asyncio.timeout(10):
        while not app.answers:
            await pilot.pause(0.01)
    return app.answers


async def test_the_whole_ceremony_in_one_burst() -> None:
    app = Console(Risk.DESTROYS)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("o")
        await until_asked(app, pilot)
        burst(app, *BURST)
        assert await answered(app, pilot) == [Consent("web-02", understood=True)]


async def test_keys_behind_a_button_reach_what_is_below_the_dialog() -> None:
    app = Console(Risk.COSTS)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("o")
        await until_asked(app, pilot)
        burst(app, "enter", "o")
        assert await answered(app, pilot) == [None]
        await until_asked(app, pilot)


async def test_what_was_typed_before_the_plan_was_seen_does_not_confirm_it() -> None:
    app = Console(Risk.CREATES)
    async with app.run_test(size=(80, 24)) as pilot:
        burst(app, "o", "enter", "enter")
        await until_asked(app, pilot)
        await pilot.pause(0.2)
        assert app.answers == []
        burst(app, "enter")
        assert await answered(app, pilot) == [Consent()]


async def test_a_key_whose_widget_vanished_does_not_stop_those_behind_it() -> None:
    app = Console(Risk.CREATES)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("o")
        await until_asked(app, pilot)
        burst(app, "tab", "tab")
        await app.screen.query("Button").remove()
        burst(app, "escape")
        assert await answered(app, pilot) == [None]


class Slow(KeysInOrder):
    def compose(self) -> ComposeResult:
        yield Busy(id="first")
        yield Input(id="second")


class Busy(Input):
    async def _on_key(self, event: events.Key) -> None:
        """It takes longer over a key than anybody waits between two looks."""
        await asyncio.sleep(2 * LOOK_S)
        await super()._on_key(event)


async def test_a_slow_widget_does_not_change_the_order() -> None:
    app = Slow()
    async with app.run_test(size=(80, 24)) as pilot:
        first, second = app.query_one("#first", Input), app.query_one("#second", Input)
        first.focus()
        await pilot.pause()
        burst(app, "a", "tab", "b")
        async with asyncio.timeout(10):
            while not (first.value[1:] or second.value):
                await pilot.pause(0.01)
        assert (first.value, second.value) == ("a", "b")
