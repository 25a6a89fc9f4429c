"""Every version of one file: what other points or images have under its path, read as soon as they are open.

What is opened here is closed when this screen is left.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen

from azure_ops.errors import RecoveryError
from azure_ops.file_model import NOT_THERE, FileChoice, FileSession, TickedFile
from widgets.file_tree import FileRow, text_of
from widgets.file_versions import VersionRow, VersionState, VersionTable
from widgets.key_line import KeyLine
from widgets.page import Page, PageView
from widgets.pane import Pane
from widgets.table_messages import Opened
from widgets.vaults import amount

from ..file_opening import DiskOpener, close_later, let_go
from ..file_questions import FileQuestions
from ..file_restoring import FileRestoring
from ..file_versions import MOST_OPEN, Place, VersionSources, judged, same_volume
from ..keys import bindings
from .file_preview import facts_of
from .files_compare import CompareVersions, Side

if TYPE_CHECKING:
    from collections.abc import Callable

    from azure_ops.file_model import FileSystemView

    from ..app import ConsoleApp

COMMANDS = (
    "back", "details", "copy", "refresh", "help", "quit", "restore-files", "compare", "hash",
)  # fmt: skip


class VersionsScreen(Screen[None]):
    CSS_PATH = "../styles/files.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(COMMANDS, "run")]

    def __init__(
        self,
        app: ConsoleApp,
        sources: VersionSources,
        place: Place,
        view: FileSystemView,
        session: Callable[[], str],
    ) -> None:
        """`session`: of the disks that one came from; they stay open."""
        super().__init__()
        self.console_app = app
        self._sources = sources
        self._place = place
        self._view = view
        self._own_session = session
        self._openers: dict[str, DiskOpener] = {}
        """Of all that is open or on the way."""
        self._sessions: dict[str, FileSession] = {}
        self._problem = ""
        self._left = False

    def compose(self) -> ComposeResult:
        yield Pane(1, "Versions", VersionTable(self._sources.title, id="versions"), id="files-pane")
        yield PageView(id="files-facts")
        yield KeyLine(id="files-keys")

    def on_mount(self) -> None:
        self.table.focus()
        self.query_one("#files-pane", Pane).show_tail(f"· /{text_of(self._place.path)}")
        self._show()
        self._work(self._begin(), "begin")

    @property
    def table(self) -> VersionTable:
        return self.query_one(VersionTable)

    @property
    def _own(self) -> VersionRow | None:
        return next((row for row in self._rows() if row.own), None)

    def _rows(self) -> list[VersionRow]:
        found = (self.table.row(key) for key in self.table.shown_keys)
        return sorted((row for row in found if row is not None), key=lambda row: row.place)

    def held_sessions(self) -> list[str]:
        return [session.id for session in self._sessions.values()]

    # reading ------------------------------------------------------------------------------------------------

    def _work(self, work: Coroutine[Any, Any, None], group: str) -> None:
        self.run_worker(self._said(work), group=group, exclusive=True, exit_on_error=False)

    async def _said(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except RecoveryError as error:
            self._problem = str(error)
            self._show()

    async def _begin(self) -> None:
        rows = await self._sources.rows()
        entry = self._place.entry
        for number, row in enumerate(rows):
            if row.own:
                state = VersionState.THERE if entry is not None else VersionState.ABSENT
                rows[number] = msgspec.structs.replace(
                    row, state=state, entry=entry, volume=self._place.volume.key, note=""
                )
        self.table.empty_text = "There is no other point"
        self.table.replace_rows(rows)
        first = next((row for row in rows if row.state is VersionState.UNREAD), None)
        if first is not None:
            self.table.set_cursor(first.key)
        self._show()
        for key, opener in self._sources.openers_at_once().items():
            self._start(key, opener)

    def _start(self, key: str, opener: DiskOpener) -> None:
        """Each for itself: what fails leaves the others alone."""
        self._openers[key] = opener
        self.change(key, state=VersionState.OPENING, note="")
        self.run_worker(self._opened(key, opener), group=f"open {key}", exclusive=True, exit_on_error=False)

    async def _opened(self, key: str, opener: DiskOpener) -> None:
        try:
            self._sessions[key] = await opener.open(
                self.console_app.link, lambda text: self.change(key, note=text)
            )
            await self._look(key)
        except RecoveryError as error:
            if key not in self._sessions:
                self._openers.pop(key, None)
            self.change(key, state=VersionState.FAILED, note=str(error), entry=None, digest="")

    async def _look(self, key: str) -> None:
        """What the disks that are open have under the path."""
        self.change(key, state=VersionState.OPENING, note="looking")
        volume = same_volume(self._place.volume, self._sessions[key].volumes)
        if isinstance(volume, str):
            self.change(key, state=VersionState.FAILED, note=volume)
            return
        try:
            chain = await self._questions(key).chain(volume.key, self._place.path)
        except RecoveryError as error:
            if error.code != NOT_THERE:
                raise
            self.change(key, state=VersionState.ABSENT, volume=volume.key, note="", entry=None, digest="")
        else:
            entry = chain[-1]
            self.change(key, state=VersionState.THERE, volume=volume.key, note="", entry=entry, digest="")

    def _questions(self, key: str) -> FileQuestions:
        return FileQuestions(self.console_app.link, partial(self._session_of, key))

    def _session_of(self, key: str) -> str:
        row = self.table.row(key)
        if row is not None and row.own:
            return self._own_session()
        session = self._sessions.get(key)
        return session.id if session is not None else ""

    def link_connected(self) -> None:
        """Told by the app after a break: what was open is opened anew, or found again."""
        if not self.table.row_count:
            self._work(self._begin(), "begin")
        for key, opener in self._openers.items():
            self._start(key, opener)

    def on_screen_resume(self) -> None:
        """Back from the disks themselves: a volume may have been unlocked there."""
        for row in self._rows():
            if row.state is VersionState.FAILED and row.key in self._openers:
                self._start(row.key, self._openers[row.key])

    def change(self, key: str, **facts: Any) -> None:
        row = self.table.row(key)
        if row is None or self._left:
            return
        changed = msgspec.structs.replace(row, **facts)
        own = changed if changed.own else self._own
        rows = [changed if one.key == key else one for one in self._rows()] if changed.own else [changed]
        self.table.update([judged(one, own) for one in rows])
        self._show()

    # showing ------------------------------------------------------------------------------------------------

    def on_cursor_moved(self) -> None:
        self._show()

    def on_marks_changed(self) -> None:
        self._show()

    def _show(self) -> None:
        if not self.is_mounted:
            return
        self.query_one("#files-facts", PageView).show(self._facts())
        keys = self.console_app.keys
        row = self.table.cursor_row
        opens = row is not None and (self._may_be_read(row) or row.state is VersionState.COSTS)
        opens = opens or any(self._may_be_read(one) for one in self.table.marked_rows())
        shown = [("space", "Tick"), ("enter", "Read" if opens else "Open")]
        for id, word in (("compare", "Compare"), ("restore-files", "Restore"), ("hash", "Hash")):
            shown.append((keys.shown(id), word))
        self.query_one(KeyLine).show_keys([*shown, ("esc", "Close"), (keys.shown("help"), "Help")])

    def _facts(self) -> Page:
        page = Page()
        if self._problem:
            page.bullet(self._problem, sign="✖", style="$text-error")
        if self._sources.note:
            page.bullet(self._sources.note, sign="▲", style="$text-warning")
        row = self.table.cursor_row
        if row is not None:
            if row.state is VersionState.FAILED:
                page.bullet(f"{row.name}: {row.note}", sign="✖", style="$text-error")
            else:
                page.note(f"{row.name} {row.kind}".strip(), 0)
            if row.state is VersionState.COSTS:
                page.note("enter: what it takes to restore its disks, read them and delete them again", 0)
            if row.digest:
                page.note(f"SHA-256 {row.digest}", 0)
        if self._view.kind.lower() == "ntfs":
            page.note("Shadow copies inside the NTFS volume (VSS) are not read.", 0)
        return page

    # keys ---------------------------------------------------------------------------------------------------

    def on_opened(self, event: Opened) -> None:
        row = self.table.cursor_row
        if row is None:
            return
        self._problem = ""
        ticked = [one for one in self.table.marked_rows() if self._may_be_read(one)]
        if ticked or self._may_be_read(row):
            self._read(ticked or [row])
        elif row.state is VersionState.COSTS:
            self._sources.offer(row.key)
        elif row.own:
            self.console_app.tell("The files you came from are below this: esc goes back to them.")
        elif row.key in self._sessions:
            self._browse(row)
        elif row.note:
            self.console_app.tell(row.note, "warning", title=row.name)

    def _may_be_read(self, row: VersionRow) -> bool:
        failed = row.state is VersionState.FAILED and row.key not in self._openers
        return failed or row.state is VersionState.UNREAD

    def _read(self, rows: Sequence[VersionRow]) -> None:
        if len(self._openers) + len(rows) > MOST_OPEN:
            self.console_app.tell(
                f"No more than {MOST_OPEN} are open at once; esc closes all of them.", "warning"
            )
        elif not any(worker.group == "plan" and worker.is_running for worker in self.workers):
            self._work(self._plan([row.key for row in rows]), "plan")

    async def _plan(self, keys: Sequence[str]) -> None:
        found = await self._sources.openers(keys)
        for key, opener in found.items():
            if isinstance(opener, str):
                self.change(key, state=VersionState.FAILED, note=opener)
            else:
                self._start(key, opener)
        if found:
            self.table.clear_marks()

    def _browse(self, row: VersionRow) -> None:
        """The disks themselves, at the path; they stay open when one comes back."""
        from .files import FilesScreen

        volume = row.volume or self._place.volume.key
        opener = self._openers[row.key]
        self.app.push_screen(FilesScreen(self.console_app, opener, at=(volume, self._place.path), lent=True))

    async def action_run(self, id: str) -> None:
        row = self.table.cursor_row
        match id:
            case "back":
                self._back()
            case "details" if row is not None and row.entry is not None:
                self.app.push_screen(facts_of(FileRow(self._place.path, row.entry)))
            case "copy" if row is not None and row.digest:
                self.app.copy_to_clipboard(row.digest)
                self.console_app.tell("The SHA-256 was copied.")
            case "compare":
                self._compare()
            case "hash":
                self._work(
                    self._hash([one for one in self.table.target_rows() if self._is_file(one)]), "hash"
                )
            case "restore-files" if row is not None:
                self._restore(row)
            case "refresh":
                self._problem = ""
                for key, opener in self._openers.items():
                    self._start(key, opener)
            case "help":
                self.console_app.console_screen.commands.help()
            case "quit":
                await let_go(self.console_app)
                await self.console_app.action_quit()

    def _is_file(self, row: VersionRow) -> bool:
        entry = row.entry
        return entry is not None and entry.kind == "file" and not entry.refused and not entry.problem

    def _compare(self) -> None:
        """Two that are ticked, or the one that is with the one that one came from; the newer one second."""
        rows = self.table.marked_rows()
        if len(rows) != 2:
            own, other = self._own, rows[0] if rows else self.table.cursor_row
            if len(rows) > 2 or own is None or other is None or other.own:
                self.console_app.tell(
                    "Tick two versions, or go to one that differs from this one.", "warning"
                )
                return
            rows = [own, other]
        lacking = next((row for row in rows if not self._is_file(row)), None)
        if lacking is not None:
            entry = lacking.entry
            why = (entry.refused or entry.problem or f"a {entry.kind}") if entry else lacking.state.value
            self.console_app.tell(f"{lacking.name}: {why}.", "warning", title="There is nothing to compare")
            return
        new, old = (
            Side(row, self._questions(row.key), row.digest) for row in sorted(rows, key=lambda row: row.place)
        )
        path = f"/{text_of(self._place.path)}"
        self.app.push_screen(CompareVersions(path, old, new, self._hashed))

    def _hashed(self, key: str, digest: str) -> None:
        self.change(key, digest=digest, note="")

    async def _hash(self, rows: Sequence[VersionRow]) -> None:
        if not rows:
            self.console_app.tell("There is no file to read: open the point first (enter).", "warning")
        for row in rows:
            assert row.entry is not None
            try:
                async for told in self._questions(row.key).hashed(row.volume, row.entry.id):
                    so_far = "" if told.digest else f"read {amount(told.done)} of {amount(row.entry.size)}"
                    self.change(row.key, digest=told.digest, note=so_far)
            except BaseException:
                self.change(row.key, note="")
                raise

    def _restore(self, row: VersionRow) -> None:
        if not self._is_file(row) or row.entry is None:
            self.console_app.tell("Go to a version that is there first.", "warning")
        elif not any(worker.group == "restore" for worker in self.workers):
            ticked = TickedFile(path=self._place.path, id=row.entry.id)
            choice = FileChoice(volume=row.volume, ticked=(ticked,))
            restoring = FileRestoring(self.console_app, partial(self._session_of, row.key))
            what = f"/{text_of(self._place.path)} of {row.name}, {amount(row.entry.size)}"
            self._work(restoring.restore(choice, what), "restore")

    def _back(self) -> None:
        if self.table.marks:
            self.table.clear_marks()
        else:
            self._leave()

    def _leave(self) -> None:
        """Closes all that was opened here, also what is only on its way."""
        self._left = True
        for key, opener in self._openers.items():
            if key in self._sessions:
                close_later(self.console_app, self._sessions[key])
            else:
                self.console_app.run_worker(
                    _closed_when_open(self.console_app, opener), group="close-files", exit_on_error=False
                )
        self.dismiss(None)


async def _closed_when_open(app: ConsoleApp, opener: DiskOpener) -> None:
    close_later(app, await opener.open(app.link, lambda _: None))
