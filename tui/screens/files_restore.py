"""Ticked files to a folder of this machine: where to, and what will be written."""

from __future__ import annotations

import os
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

import msgspec
from textual import on
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Button, Input, OptionList, Static

from azure_ops import wire
from azure_ops.errors import RecoveryError
from azure_ops.file_model import (
    Conflict,
    FileChoice,
    FileCount,
    FolderCheck,
)
from widgets.choices import Choice, Choices
from widgets.file_tree import text_of
from widgets.page import Page
from widgets.plain_text import plain
from widgets.tick import Tick
from widgets.vaults import amount

from ..driver import TerminalDriver
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
