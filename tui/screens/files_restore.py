"""Ticked files to a folder of this machine: where to, what is written, how far it is, what is missing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

import msgspec
from textual import on
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Button, Input, OptionList, Static

from azure_ops import wire
from azure_ops.errors import EngineUnavailable, RecoveryError
from azure_ops.file_model import (
    Conflict,
    Control,
    FileChoice,
    FileCount,
    FileRestore,
    FolderCheck,
    RestoreState,
)
from widgets.choices import Choice, Choices
from widgets.file_tree import text_of
from widgets.page import Page
from widgets.plain_text import plain
from widgets.tick import Tick
from widgets.vaults import amount

from ..driver import TerminalDriver
from ..keys import bindings
from .dialog import Dialog, button_row

if TYPE_CHECKING:
    from ..app import ConsoleApp

LOOK_S = 0.3
CONFLICTS = {
    Conflict.KEEP_BOTH: "Keep both: the restored file gets a number",
    Conflict.SKIP: "Skip: what is there stays, the file is not restored",
    Conflict.OVERWRITE: "Overwrite: what is there is replaced",
}


class Answers(msgspec.Struct, frozen=True):
    check: FolderCheck
    conflict: Conflict


class RestoreForm(Dialog[Answers]):
    """Closes with a folder that can be written to, or None."""

    def __init__(self, app: ConsoleApp, what: str, before: Answers | None = None) -> None:
        super().__init__("Restore files to a folder", "tab next · enter on · esc back")
        self._console_app = app
        self._what = what
        self._before = before
        self._problem = ""

    def page(self) -> Page:
        page = Page().text(self._what)
        if self._problem:
            page.bullet(self._problem, sign="✖", style="$text-error")
        return page

    def body(self) -> list[Widget]:
        folder = self._before.check.folder if self._before else os.path.join(os.getcwd(), "restored")
        field = Input(value=folder, id="folder")
        field.cursor_blink = False
        chosen = list(CONFLICTS).index(self._before.conflict) if self._before else 0
        choices = [Choice(plain(line)) for line in CONFLICTS.values()]
        return [
            Vertical(
                Static(plain("Folder of this machine", "bold"), markup=False), field, classes="question"
            ),
            Vertical(
                Static(plain("Where a name is taken", "bold"), markup=False),
                Choices(choices, chosen=chosen, id="conflict"),
                classes="question",
            ),
        ]

    def controls(self) -> list[Widget]:
        on = Button("Show the plan", id="on", variant="primary")
        return [button_row(Button("Cancel", id="cancel"), on)]

    def on_mount(self) -> None:
        self.query_one("#folder").focus()

    @on(Input.Submitted)
    def _to_conflict(self) -> None:
        self.query_one("#conflict").focus()

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self._finish()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "on":
            self._finish()
        else:
            self.dismiss(None)

    def _finish(self) -> None:
        self.run_worker(self._check(), group="check", exclusive=True, exit_on_error=False)

    async def _check(self) -> None:
        folder = _whole_path(self.query_one("#folder", Input).value.strip() or ".")
        conflict = list(CONFLICTS)[self.query_one("#conflict", Choices).highlighted or 0]
        try:
            asked = wire.CheckFolder(folder=folder)
            check = (await self._console_app.link.ask(asked, wire.FolderChecked)).check
            self._problem = check.problem
        except RecoveryError as error:
            self._problem = str(error)
        else:
            if not check.problem:
                self.dismiss(Answers(check, conflict))
                return
        self.show_page(self.page())
        self.query_one("#folder").focus()


def _whole_path(path: str) -> str:
    """As a shell in the console's folder would take it."""
    return os.path.abspath(os.path.expanduser(path))


class RestorePlan(Dialog[bool]):
    """Everything that will be written, read from the disk before anything is. Closes with True to begin."""

    keys_from = inf
    """Keys typed before the plan was seen do not reach it."""

    def __init__(self, app: ConsoleApp, session: str, choice: FileChoice, answers: Answers) -> None:
        ticks = "space ticks, " if answers.conflict is Conflict.OVERWRITE else ""
        super().__init__("Restore files", f"{ticks}tab to 'Go ahead', enter · ↑↓ scroll · esc back")
        self._console_app = app
        self._request = wire.CountFiles(session=session, choice=choice, folder=answers.check.folder)
        self._answers = answers
        self._count: FileCount | None = None
        self._problem = ""

    @property
    def overwriting(self) -> bool:
        return self._answers.conflict is Conflict.OVERWRITE

    @property
    def replaced(self) -> int:
        return self._count.existing if self._count and self.overwriting else 0

    def page(self) -> Page:
        return plan_page(self._answers, self._count, self._problem)

    def controls(self) -> list[Widget]:
        found: list[Widget] = []
        if self.overwriting:
            found.append(Tick("I understand: files that are there are replaced", id="understood"))
        go = Button("Go ahead", id="go", variant="error" if self.overwriting else "primary", disabled=True)
        return [*found, button_row(Button("Cancel", id="cancel"), go)]

    def on_mount(self) -> None:
        self.query_one("#understood" if self.overwriting else "#cancel").focus()
        self.run_worker(self._read(), group="count", exit_on_error=False)
        self.call_after_refresh(self._seen, monotonic())

    def _seen(self, mounted_at: float) -> None:
        driver = self.app._driver
        if isinstance(driver, TerminalDriver):
            self.keys_from = driver.first_frame_since(mounted_at)
        else:
            self.keys_from = monotonic()

    async def _read(self) -> None:
        while True:
            try:
                answer = await self._console_app.link.ask(self._request, wire.FilesCounted, 120)
            except RecoveryError as error:
                self._problem = str(error)
                self.show_page(self.page())
                return
            self._count = answer.count
            self.show_page(self.page())
            if answer.count.whole or answer.count.problem:
                self._enable()
                return

    def _ready(self) -> bool:
        count = self._count
        if count is None or not count.whole or not count.files + count.directories + count.links:
            return False
        return not self.overwriting or self.query_one("#understood", Tick).ticked

    @on(Tick.Changed)
    def _enable(self) -> None:
        self.query_one("#go", Button).disabled = not self._ready()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "go" and self._ready())


def plan_page(answers: Answers, count: FileCount | None, problem: str = "") -> Page:
    check, page = answers.check, Page()
    if problem:
        page.bullet(problem, sign="✖", style="$text-error")
    page.pair("to", check.folder)
    page.pair("folder", "is there" if check.exists else "will be made")
    page.pair("free", amount(check.free_bytes))
    page.pair("names taken", answers.conflict.value)
    if count is None:
        return page.note("reading the disk …", 0)
    page.pair("files", f"{count.files:,} ({amount(count.size)}){'' if count.whole else ' so far …'}")
    page.pair("directories", f"{count.directories:,}; {count.links:,} links")
    if count.problem:
        page.bullet(f"Not all could be read: {count.problem}", sign="✖", style="$text-error")
    if count.size > check.free_bytes:
        page.bullet("The folder has not that much room.", sign="▲", style="$text-warning")
    if count.refused:
        page.bullet(f"{count.refused:,} cannot be restored; they are named below.", "▲", "$text-warning")
    if count.existing:
        what = {
            Conflict.KEEP_BOTH: "get a number behind their names",
            Conflict.SKIP: "are skipped",
            Conflict.OVERWRITE: "REPLACE what is there",
        }[answers.conflict]
        page.bullet(f"{count.existing:,} have a name that is taken: they {what}.", "▲", "$text-warning")
    page.heading("What is written")
    for line in count.lines:
        name = text_of(line.path) + ("/" if line.kind == "directory" else "")
        if line.refused:
            page.bullet(f"{name}: {line.refused}", sign="✖", style="$text-error")
        elif line.exists:
            page.bullet(f"{name}  {amount(line.size)}, the name is taken", sign="▲", style="$text-warning")
        else:
            page.bullet(f"{name}  {amount(line.size)}" if line.kind == "file" else name, sign="+")
    more = count.files + count.directories + count.links + count.refused - len(count.lines)
    if more > 0:
        page.note(f"and {more:,} more")
    page.blank().note("At the end a list of SHA-256 hashes stands in the folder.", 0)
    return page


class GoOn(Dialog[bool]):
    """True goes on with an interrupted restore, False gives it up, None leaves it."""

    def __init__(self, told: FileRestore) -> None:
        super().__init__("A restore was interrupted", "tab, enter · esc leaves it for later")
        self._told = told

    def page(self) -> Page:
        page = Page().text(f"Files of {self._told.volume} were on their way to {self._told.folder}.")
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
        super().__init__(f"Restore files to {told.folder}")
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
        await self._ask(wire.ResumeRestore(session=self._session(), id=self._told.id))

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
        "✖ cancelled; the same files to the same folder go on from here",
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
    if told.path and not told.state.ended:
        page.pair("last", f"/{text_of(told.path)}")
    if told.state is not RestoreState.DONE:
        return page
    page.pair("restored", f"{told.restored:,} files, {amount(told.restored_bytes)}")
    if told.resumed:
        page.pair("there before", f"{told.resumed:,} files, not read again")
    if told.skipped:
        page.pair("skipped", f"{told.skipped:,}: their names were taken")
    page.pair("hashes", told.manifest)
    page.pair("check with", "sha256sum --check, in the folder")
    if told.losses_count:
        page.heading(f"What could not be carried ({told.losses_count:,})")
        for loss in told.losses:
            page.bullet(loss, sign="▲", style="$text-warning")
        if told.losses_count > len(told.losses):
            page.note(f"and {told.losses_count - len(told.losses):,} more, in a list beside the hashes")
    return page
