"""Ticked files to a folder, an archive or another machine: where to, and what will be written."""

from __future__ import annotations

import os
import re
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
from azure_ops.file_model import Conflict, FileChoice, FileCount
from azure_ops.file_places import READ_ONLY_FORBIDS, Place, PlaceCheck, PlaceKind
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
ARCHIVE_CONFLICTS = {
    Conflict.KEEP_BOTH: "Keep both: the new archive gets a number",
    Conflict.SKIP: "Refuse: nothing is written",
    Conflict.OVERWRITE: "Overwrite: the archive that is there is replaced at the end",
}
KINDS = {
    PlaceKind.FOLDER: "A folder of this machine",
    PlaceKind.TAR: "A tar file: owners, modes, times, links, holes, attributes",
    PlaceKind.ZIP: "A zip file: not compressed, modes and times to the second",
    PlaceKind.SFTP: "Another machine over SFTP, by your own ssh",
}
FIELDS = {
    PlaceKind.FOLDER: "Folder of this machine",
    PlaceKind.TAR: "Name of the tar file",
    PlaceKind.ZIP: "Name of the zip file",
    PlaceKind.SFTP: "USER@HOST:/FOLDER, or sftp://USER@HOST:PORT/FOLDER",
}
DEFAULTS = {
    PlaceKind.FOLDER: "restored", PlaceKind.TAR: "restored.tar", PlaceKind.ZIP: "restored.zip",
}  # fmt: skip


_HOST = r"(?:(?P<user>[^@:/]+)@)?(?P<host>\[[^\]]+\]|[^@:/]+)"
_LIKE_SCP = re.compile(_HOST + r":(?P<port>)(?P<path>.+)", re.DOTALL)
_URL = re.compile(r"sftp://" + _HOST + r"(?::(?P<port>\d{1,5}))?(?P<path>/.*)", re.DOTALL)


class Answers(msgspec.Struct, frozen=True):
    check: PlaceCheck
    conflict: Conflict


class RestoreForm(Dialog[Answers]):
    """Closes with a place that can be written to, or None."""

    def __init__(self, app: ConsoleApp, what: str, before: Answers | None = None) -> None:
        super().__init__("Restore files", "tab next · enter on · esc back")
        self._console_app = app
        self._what = what
        self._before = before
        self._problem = self._hint = ""
        self._kind = before.check.place.kind if before else PlaceKind.FOLDER

    def page(self) -> Page:
        page = Page().text(self._what)
        if self._console_app.read_only and self._problem != READ_ONLY_FORBIDS:
            page.note(READ_ONLY_FORBIDS, 0)
        if self._problem:
            page.bullet(self._problem, sign="✖", style="$text-error")
        if self._hint:
            page.note(f"→ {self._hint}")
        return page

    def body(self) -> list[Widget]:
        field = Input(value=self._first_value(), id="place")
        field.cursor_blink = False
        chosen = list(CONFLICTS).index(self._before.conflict) if self._before else 0
        kinds = [Choice(plain(line)) for line in KINDS.values()]
        return [
            Vertical(
                Static(plain("Where to", "bold"), markup=False),
                Choices(kinds, chosen=list(KINDS).index(self._kind), id="kind"),
                classes="question",
            ),
            Vertical(
                Static(plain(FIELDS[self._kind], "bold"), markup=False, id="field"),
                field,
                classes="question",
            ),
            Vertical(
                Static(plain("Where a name is taken", "bold"), markup=False),
                Choices(self._conflicts(), chosen=chosen, id="conflict"),
                classes="question",
            ),
        ]

    def _first_value(self) -> str:
        if self._before is not None:
            return address_of(self._before.check.place)
        return _default(self._kind)

    def _conflicts(self) -> list[Choice]:
        lines = ARCHIVE_CONFLICTS if self._kind.is_archive else CONFLICTS
        return [Choice(plain(line)) for line in lines.values()]

    def controls(self) -> list[Widget]:
        on = Button("Show the plan", id="on", variant="primary")
        return [button_row(Button("Cancel", id="cancel"), on)]

    def on_mount(self) -> None:
        self.query_one("#kind").focus()

    @on(Input.Submitted)
    def _to_conflict(self) -> None:
        self.query_one("#conflict").focus()

    @on(OptionList.OptionHighlighted, "#kind")
    def _moved(self) -> None:
        kind = list(KINDS)[self.query_one("#kind", Choices).highlighted or 0]
        if kind is self._kind:
            return
        field, before = self.query_one("#place", Input), self._kind
        self._kind = kind
        self.query_one("#field", Static).update(plain(FIELDS[kind], "bold"))
        if field.value == _default(before):
            field.value = _default(kind)
        if kind.is_archive is not before.is_archive:
            conflicts = self.query_one("#conflict", Choices)
            chosen = conflicts.highlighted
            conflicts.show(self._conflicts())
            conflicts.highlighted = chosen

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if event.option_list.id == "kind":
            self.query_one("#place").focus()
        else:
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
        conflict = list(CONFLICTS)[self.query_one("#conflict", Choices).highlighted or 0]
        place = place_of(self._kind, self.query_one("#place", Input).value.strip())
        self._problem = self._hint = ""
        if place is None:
            self._problem = f"Write {FIELDS[self._kind]}."
        else:
            try:
                asked = wire.CheckPlace(place=place, conflict=conflict, agent=agent_socket())
                # A machine may take its time to answer.
                check = (await self._console_app.link.ask(asked, wire.PlaceChecked, 60)).check
                self._problem, self._hint = check.problem, check.hint
            except RecoveryError as error:
                self._problem, self._hint = error.title, error.hint
            else:
                if not check.problem:
                    self.dismiss(Answers(check, conflict))
                    return
        self.show_page(self.page())
        self.query_one("#place").focus()


def place_of(kind: PlaceKind, text: str) -> Place | None:
    """Paths of this machine as a shell in the console's folder would take them."""
    if kind is PlaceKind.SFTP:
        return machine_place(text)
    path = os.path.abspath(os.path.expanduser(text or "."))
    if kind.is_archive and not path.lower().endswith(f".{kind}"):
        path += f".{kind}"
    return Place(kind=kind, path=path)


def machine_place(text: str) -> Place | None:
    """`USER@HOST:/FOLDER`, as scp writes it, or `sftp://USER@HOST:PORT/FOLDER`; None where it is neither."""
    found = (_URL if text.startswith("sftp://") else _LIKE_SCP).fullmatch(text)
    if found is None:
        return None
    host = found["host"].strip("[]")
    return Place(
        kind=PlaceKind.SFTP,
        host=host,
        user=found["user"] or "",
        port=int(found["port"] or 0),
        path=found["path"],
    )


def address_of(place: Place) -> str:
    if place.kind is not PlaceKind.SFTP:
        return place.path
    user = f"{place.user}@" if place.user else ""
    host = f"[{place.host}]" if ":" in place.host else place.host
    if place.port:
        return f"sftp://{user}{host}:{place.port}{place.path}"
    return f"{user}{host}:{place.path}"


def agent_socket() -> str:
    """The console's own: a line that came later may bring another agent than the engine was started with."""
    return os.environ.get("SSH_AUTH_SOCK", "")


def _default(kind: PlaceKind) -> str:
    return os.path.join(os.getcwd(), DEFAULTS[kind]) if kind in DEFAULTS else ""


class RestorePlan(Dialog[bool]):
    """Everything that will be written, read from the disk before anything is. Closes with True to begin."""

    keys_from = inf
    """Keys typed before the plan was seen do not reach it."""

    def __init__(self, app: ConsoleApp, session: str, choice: FileChoice, answers: Answers) -> None:
        ticks = "space ticks, " if answers.conflict is Conflict.OVERWRITE else ""
        super().__init__("Restore files", f"{ticks}tab to 'Go ahead', enter · ↑↓ scroll · esc back")
        self._console_app = app
        self._request = wire.CountFiles(
            session=session, choice=choice, place=answers.check.place, agent=agent_socket()
        )
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
            found.append(Tick("I understand: what is there is replaced", id="understood"))
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
    kind = check.place.kind
    page.pair("to", check.place.shown)
    page.pair(f"{kind} file" if kind.is_archive else "folder", "is there" if check.exists else "will be made")
    if check.free_bytes >= 0:
        page.pair("free", amount(check.free_bytes))
    if kind.is_archive:
        words = {
            Conflict.KEEP_BOTH: "gets a number behind its name",
            Conflict.OVERWRITE: "REPLACES what is there",
        }
        if check.exists:
            page.bullet(f"The name is taken: the new one {words[answers.conflict]}.", "▲", "$text-warning")
        page.text("Written beside, read again, and renamed when every hash is right; a break loses nothing.")
    else:
        page.pair("names taken", answers.conflict.value)
    if kind is PlaceKind.SFTP:
        page.text("Every file is read back and renamed when it is what was sent; a break loses nothing.")
    if count is None:
        return page.note("reading the disk …", 0)
    page.pair("files", f"{count.files:,} ({amount(count.size)}){'' if count.whole else ' so far …'}")
    page.pair("directories", f"{count.directories:,}; {count.links:,} links")
    if count.problem:
        page.bullet(f"Not all could be read: {count.problem}", sign="✖", style="$text-error")
    if 0 <= check.free_bytes < count.size:
        page.bullet("There is not that much room.", sign="▲", style="$text-warning")
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
    beside = "beside the archive" if kind.is_archive else "in the folder"
    page.blank().note(f"At the end a list of SHA-256 hashes stands {beside}.", 0)
    return page
