"""How far files on their way are, what could not be carried; going on after a break."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import BindingType
from textual.widget import Widget
from textual.widgets import Button, Static

from azure_ops import wire
from azure_ops.errors import EngineUnavailable, RecoveryError
from azure_ops.file_model import Control, FileRestore, RestoreState
from widgets.file_tree import text_of
from widgets.page import Page
from widgets.plain_text import plain
from widgets.vaults import amount

from ..keys import bindings
from .dialog import Dialog, button_row
from .files_restore import agent_socket

if TYPE_CHECKING:
    from ..app import ConsoleApp

LOOK_S = 0.3


class GoOn(Dialog[bool]):
    """True goes on with an interrupted restore, False gives it up, None leaves it."""

    def __init__(self, told: FileRestore) -> None:
        super().__init__("A restore was interrupted", "tab, enter · esc leaves it for later")
        self._told = told

    def page(self) -> Page:
        page = Page().text(f"Files of {self._told.volume} were on their way to {self._told.place.shown}.")
        page.text("azrecover's engine ended before they were there.").blank()
        return page.bullet("Go on: what is there is not read again.").bullet("Give up: what is there stays.")

    def controls(self) -> list[Widget]:
        on = Button("Go on", id="on", variant="primary")
        return [button_row(Button("Give up", id="off"), on)]

    def on_mount(self) -> None:
        self.query_one("#on").focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "on")


class RestoreProgress(Dialog[None]):
    """Follows a restore to its end. Closing it, or the console, does not stop it."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(("pause", "cancel-job"), "control")]

    def __init__(self, app: ConsoleApp, session: Callable[[], str], told: FileRestore) -> None:
        super().__init__(f"Restore files to {told.place.shown}")
        self._console_app = app
        self._session = session
        self._told = told
        self._problem = ""

    def page(self) -> Page:
        return progress_page(self._told, self._problem)

    def on_mount(self) -> None:
        self._say_keys()
        self.run_worker(self._follow(), group="follow", exit_on_error=False)

    async def _follow(self) -> None:
        while not self._told.state.ended:
            await asyncio.sleep(LOOK_S)
            before = self._told.state
            await self._ask(wire.GetRestore(session=self._session()))
            if self._told.state is RestoreState.INTERRUPTED and before is RestoreState.RUNNING:
                # The engine was killed under our eyes: what was confirmed goes on.
                await self._resume()

    async def _resume(self) -> None:
        await self._ask(wire.ResumeRestore(session=self._session(), id=self._told.id, agent=agent_socket()))

    async def _resume_and_follow(self) -> None:
        await self._resume()
        await self._follow()

    async def _ask(self, request: wire.Request) -> None:
        try:
            answer = await self._console_app.link.ask(request, wire.RestoreTold)
        except EngineUnavailable:
            self._problem = "The line to the engine is broken; it comes back by itself."
        except RecoveryError as error:
            self._problem = str(error)
        else:
            self._problem = ""
            if answer.restore is not None:
                self._told = answer.restore
        self._say_keys()
        self.show_page(self.page())

    def _say_keys(self) -> None:
        keys, state = self._console_app.keys, self._told.state
        words = ["esc back"]
        if state is RestoreState.INTERRUPTED:
            words = [f"{keys.shown('pause')} go on", "esc back"]
        elif not state.ended:
            pause = "go on" if state is RestoreState.PAUSED else "pause"
            words = [f"{keys.shown('pause')} {pause}", f"{keys.shown('cancel-job')} cancel",
                     "esc back, it goes on"]  # fmt: skip
        self.query_one("#hints", Static).update(plain(" · ".join(words)))

    def action_control(self, id: str) -> None:
        if self._told.state is RestoreState.INTERRUPTED and id == "pause":
            self.run_worker(self._resume_and_follow(), group="follow", exclusive=True, exit_on_error=False)
        if self._told.state.ended:
            return
        control = Control.CANCEL if id == "cancel-job" else Control.PAUSE
        if id == "pause" and self._told.state is RestoreState.PAUSED:
            control = Control.GO_ON
        asking = self._ask(wire.ControlRestore(session=self._session(), control=control))
        self.run_worker(asking, group="control", exit_on_error=False)


STATE_LINES = {
    RestoreState.RUNNING: ("● running", "$text-accent"),
    RestoreState.PAUSED: ("‖ paused", "$text-warning"),
    RestoreState.DONE: ("✔ done", "$text-success"),
    RestoreState.FAILED: ("✖ failed", "$text-error"),
    RestoreState.CANCELLED: (
        "✖ cancelled; the same files to the same place go on from here",
        "$text-warning",
    ),
    RestoreState.INTERRUPTED: ("▲ interrupted: the engine ended", "$text-warning"),
}


def progress_page(told: FileRestore, problem: str = "") -> Page:
    page, (line, style) = Page(), STATE_LINES[told.state]
    page.text(line, style=f"bold {style}")
    if problem:
        page.bullet(problem, sign="▲", style="$text-warning")
    if told.error is not None:
        page.bullet(told.error.title, sign="✖", style="$text-error")
        if told.error.hint:
            page.note(f"→ {told.error.hint}")
    if told.state is RestoreState.INTERRUPTED:
        return page.note("What is there is kept, and not read again.", 0)
    grows = "" if told.planned else " so far"
    page.pair("files", f"{told.files_done:,} of {told.files:,}{grows}")
    page.pair("bytes", f"{amount(told.bytes_done)} of {amount(told.size)}{grows}")
    if told.checking and not told.state.ended:
        page.pair("now", "links and attributes, and what has to be read again")
    elif told.path and not told.state.ended:
        page.pair("last", f"/{text_of(told.path)}")
    if told.state is not RestoreState.DONE:
        return page
    page.pair("restored", f"{told.restored:,} files, {amount(told.restored_bytes)}")
    if told.resumed:
        page.pair("there before", f"{told.resumed:,} files, not read again")
    if told.skipped:
        page.pair("skipped", f"{told.skipped:,}: their names were taken")
    if told.made:
        page.pair("archive", told.made)
    page.pair("hashes", told.manifest)
    where = "where it is unpacked" if told.made else "in the folder"
    page.pair("check with", f"sha256sum --check, {where}")
    if told.losses_count:
        page.heading(f"What could not be carried ({told.losses_count:,})")
        for loss in told.losses:
            page.bullet(loss, sign="▲", style="$text-warning")
        if told.losses_count > len(told.losses):
            page.note(f"and {told.losses_count - len(told.losses):,} more, in a list beside the hashes")
    return page
