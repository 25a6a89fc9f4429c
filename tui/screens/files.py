"""Files of a disk: what is on the disks, directories as they are opened, ticks, search, preview, restore.

The engine does all reading (`file_questions.py`); every answer comes in parts, and only the newest question
counts.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, ClassVar

from textual.binding import BindingType

from azure_ops.errors import RecoveryError
from azure_ops.file_model import (
    NOT_THERE,
    FileEntry,
    FileVolume,
    RestoreState,
)
from widgets.file_tree import FileRow, TickToggled, count_text, text_of
from widgets.table_messages import Opened

from ..file_opening import close_later, let_go
from ..file_restoring import FileRestoring
from ..keys import bindings
from .file_preview import FilePreview, facts_of, facts_of_volume
from .files_input import FilesInput, join, typed_path
from .files_shown import FilesShown

MOST_ROWS = 100_000
"""Of one directory or search; the engine's memory is bounded, this is the console's."""
COMMANDS = (
    "back", "filter", "sort", "details", "copy", "refresh", "help", "quit", "hidden-files", "find-files",
    "go-to-path", "restore-files", "versions",
)  # fmt: skip


class FilesScreen(FilesShown):
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(COMMANDS, "run")]

    def on_mount(self) -> None:
        self.files.display = False
        self.volumes.empty_text = "Opening …"
        self.volumes.focus()
        self._show()
        if self.console_app.link.ready:
            self.link_connected()

    # asking -------------------------------------------------------------------------------------------------

    def _work(self, work: Coroutine[Any, Any, None], group: str) -> None:
        """Only the newest of a group goes on; what fails is said, never raised."""
        self.run_worker(self._said(work), group=group, exclusive=True, exit_on_error=False)

    async def _said(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except RecoveryError as error:
            self._reading = ""
            self._problem = str(error)
            self.volumes.empty_text = self._problem
            self._show()

    def link_connected(self) -> None:
        """Told by the app when an engine is there, again after each break: the disks are opened anew there,
        or found again."""
        if not any(worker.group == "open" for worker in self.workers):
            self._work(self._open(), "open")

    async def _open(self) -> None:
        opened = await self._opener.open(self.console_app.link, self._say_waiting)
        self._reading = ""
        first, self.session = self.session is None, opened
        self._problem = ""
        self.volumes.empty_text = "Nothing that is known is on these disks"
        self.volumes.show(opened.volumes)
        if first:
            readable = [one for one in opened.volumes if one.state == "readable"]
            if readable:
                self.volumes.set_cursor(max(readable, key=lambda one: one.size).key)
        self._show()
        self._identify()
        if first and self._at[0]:
            self._work(self._begin_at(*self._at), "list")
        elif first and [one.description for one in opened.volumes] == ["folder"]:
            self._work(self._enter_volume(opened.volumes[0].key), "list")
        restore = opened.restore
        if restore is None or (restore.state.ended and restore.state is not RestoreState.INTERRUPTED):
            return
        if first:
            self._restore()
        elif restore.state is RestoreState.INTERRUPTED:
            key = self._key("restore-files")
            self.console_app.tell(f"The restore of files was interrupted; {key} goes on with it.", "warning")

    def _say_waiting(self, what: str) -> None:
        self._reading = what
        self._show()

    def _identify(self) -> None:
        """Names and places come when they come; until then the volumes are told apart by their numbers."""
        self._work(self._told_names(), "identify")

    async def _told_names(self) -> None:
        volumes = await self.questions.identified()
        if self.volumes.shows(volumes):
            self.volumes.show(volumes)

    def _unlock(self, volume: FileVolume) -> None:
        from .files_unlock import UnlockForm

        def unlocked(volumes: tuple[FileVolume, ...] | None) -> None:
            if volumes is None:
                return
            self._problem = ""
            self.volumes.show(volumes)
            self._identify()
            inside = [one for one in volumes if one.parent == volume.key]
            if inside:
                self.volumes.set_cursor(inside[0].key)
            if len(inside) == 1 and inside[0].state == "readable":
                self._work(self._enter_volume(inside[0].key), "list")
            self._show()

        self.app.push_screen(UnlockForm(self.console_app, self._session(), volume), unlocked)

    async def _enter_volume(self, volume: str) -> None:
        await self._open_system(volume)
        await self._list()

    async def _begin_at(self, volume: str, path: bytes) -> None:
        """Where nothing has this name any more, in the directory that would hold it."""
        await self._open_system(volume)
        while path:
            try:
                await self._go_to(path)
            except RecoveryError as error:
                if error.code != NOT_THERE:
                    raise
                path = path.rpartition(b"/")[0]
            else:
                return
        await self._list()

    async def _open_system(self, volume: str) -> None:
        self._reading = "opening"
        self._show()
        self._view = view = await self.questions.system(volume)
        self._count = None
        self._trail = [FileEntry(name=b"", id=view.root, kind="directory")]
        self.volumes.display, self.files.display = False, True
        self.files.focus()
        if self.ticks:
            self._recount()

    async def _list(self, cursor: bytes = b"") -> None:
        """The directory at the end of the trail; the cursor goes to a name in it."""
        if self._view is None:
            return
        self._pattern, self._problem, self._reading, self._lacking = "", "", "reading", b""
        above = self._path
        rows = self._rows["list"] = []
        self._fill()
        async for part in self.questions.listed(self._view.volume, self._trail[-1].id):
            self._note(part.problem)
            fresh = [FileRow(join(above, entry.name), entry) for entry in part.entries]
            rows.extend(fresh)
            self.files.update([row for row in fresh if self._is_shown(row)])
            if part.more and not self._has_room(rows):
                break
            self._show()
        self._reading = ""
        self._point_at(cursor)
        self._show()

    async def _find(self, pattern: str) -> None:
        if self._view is None:
            return
        self._pattern, self._problem, self._reading = pattern, "", "searching"
        rows = self._rows["find"] = []
        self._fill()
        async for part in self.questions.found(self._view.volume, self._view.root, pattern):
            self._note(part.problem)
            fresh = [FileRow(hit.path, hit.entry, found=True) for hit in part.hits]
            rows.extend(fresh)
            self.files.update(fresh)
            if part.more and not self._has_room(rows):
                break
            self._show()
        self._reading = ""
        self._show()

    async def _go_to(self, path: bytes) -> None:
        if self._view is None:
            return
        try:
            chain = list(await self.questions.chain(self._view.volume, path))
        except RecoveryError as error:
            self._lacking = (
                path.strip(b"/") if error.code == NOT_THERE and self._versions is not None else b""
            )
            raise
        if chain[-1].kind == "directory":
            self._trail = chain
            await self._list()
        else:
            self._trail = chain[:-1]
            await self._list(chain[-1].name)

    async def _counted(self) -> None:
        if self._view is None:
            return
        async for count in self.questions.counts(self.ticks.choice(self._view.volume)):
            self._count = count
            self._show()

    def _note(self, problem: str) -> None:
        if problem:
            self._problem = problem

    def _has_room(self, rows: list[FileRow]) -> bool:
        if len(rows) < MOST_ROWS:
            return True
        self._problem = (
            f"Only the first {MOST_ROWS:,} are shown; search for the others ({self._key('find-files')})."
        )
        return False

    # keys ---------------------------------------------------------------------------------------------------

    def on_cursor_moved(self) -> None:
        self._show()

    def on_opened(self, event: Opened) -> None:
        if event.table is self.volumes:
            volume = self.volumes.cursor_row
            if volume is not None and volume.state == "readable":
                self._work(self._enter_volume(volume.key), "list")
            elif volume is not None and volume.unlock:
                self._unlock(volume)
            elif volume is not None:
                self._problem = volume.reason or f"{volume.key} holds no files itself."
                self._show()
            return
        row = self.files.cursor_row
        if row is None or row.entry.problem:
            return
        if row.is_directory and not row.found:
            self._trail = [*self._trail, row.entry]
            self.files.set_filter("")
            self._work(self._list(), "list")
        elif row.is_directory or row.entry.kind == "symlink":
            self._work(self._go_to(row.path), "list")
        else:
            self._preview(row)

    def on_tick_toggled(self, event: TickToggled) -> None:
        self.ticks.toggle(event.row.path, event.row.entry.id)
        self.files.tick()
        self._count = None
        self._recount()
        self._show()

    def _recount(self) -> None:
        if self.ticks:
            self._work(self._counted(), "count")
        else:
            self.workers.cancel_group(self, "count")

    async def action_run(self, id: str) -> None:
        row = self.files.cursor_row if self._view is not None else None
        match id:
            case "back":
                self._back()
            case "filter" | "find-files" | "go-to-path":
                if self._view is not None:
                    self._ask(id)
            case "hidden-files" if self._view is not None:
                self._hidden = not self._hidden
                self._fill()
            case "refresh":
                self._refresh()
            case "details" if row is not None:
                self.app.push_screen(facts_of(row))
            case "details" if self._view is None and self.volumes.cursor_row is not None:
                self.app.push_screen(facts_of_volume(self.volumes.cursor_row))
            case "copy" if row is not None:
                self.app.copy_to_clipboard("/" + text_of(row.path))
                self.console_app.tell("The path was copied.")
            case "restore-files":
                self._restore()
            case "versions" if self._view is not None:
                self._show_versions(row)
            case "help":
                self.console_app.console_screen.commands.help()
            case "quit":
                await let_go(self.console_app)
                await self.console_app.action_quit()

    def _refresh(self) -> None:
        if self._view is None:
            self.link_connected()
        elif self._pattern:
            self._work(self._find(self._pattern), "list")
        else:
            self._work(self._list(), "list")

    def _preview(self, row: FileRow) -> None:
        assert self._view is not None
        self.app.push_screen(FilePreview(self.console_app, self._session(), self._view.volume, row))

    def _back(self) -> None:
        """One thing at a time, the newest first; never out of the program."""
        if self.query(FilesInput):
            self._close_input()
            self.files.set_filter("")
        elif self._view is None:
            self._leave()
        elif self.files.filter_text:
            self.files.set_filter("")
        elif self._pattern:
            self._work(self._list(), "list")
        elif len(self._trail) > 1:
            name = self._trail.pop().name
            self._work(self._list(name), "list")
        else:
            self.workers.cancel_group(self, "list")
            self._view, self._reading, self._problem, self._lacking = None, "", "", b""
            self.files.display, self.volumes.display = False, True
            self.volumes.focus()
            self._show()

    def _leave(self) -> None:
        if self._closes:
            if self.session is not None and not self._lent:
                close_later(self.console_app, self.session)
            self.dismiss(None)

    def _show_versions(self, row: FileRow | None) -> None:
        """Of the file under the cursor, or of the one that was looked for and is not here."""
        from ..file_versions import Place
        from .files_versions import VersionsScreen

        assert self._view is not None
        volume = self.volumes.row(self._view.volume)
        path = self._lacking or (row.path if row is not None and row.entry.kind == "file" else b"")
        reason = self._why_no_versions()
        if reason or not path or volume is None or self._versions is None:
            self.console_app.tell(reason or "Go to a file first.", "warning", title="Versions of a file")
            return
        entry = None if self._lacking or row is None else row.entry
        place = Place(volume, path, entry)
        screen = VersionsScreen(self.console_app, self._versions, place, self._view, self._session)
        self.app.push_screen(screen)

    def _why_no_versions(self) -> str:
        from .files_versions import VersionsScreen

        if self._lent or any(isinstance(screen, VersionsScreen) for screen in self.app.screen_stack):
            return "The versions one came from are open below this: go back to them with esc."
        return self._versions.why_none() if self._versions is not None else "There are no other points."

    def _restore(self) -> None:
        """In a worker of its own, from the form to the progress."""
        if self.session is None or any(worker.group == "restore" for worker in self.workers):
            return
        choice = self.ticks.choice(self._view.volume) if self._view is not None and self.ticks else None
        restoring = FileRestoring(self.console_app, self._session)
        self._work(restoring.restore(choice, f"Ticked: {count_text(self._count)}"), "restore")

    # the line of input

    def _ask(self, what: str) -> None:
        if self.query(FilesInput):
            return
        field = FilesInput(what, self.files.filter_text if what == "filter" else "")
        self.mount(field, before="#files-facts")
        field.focus()

    def _close_input(self) -> None:
        self.query(FilesInput).remove()
        self.files.focus()

    def on_files_input_typed(self, event: FilesInput.Typed) -> None:
        if event.what == "filter":
            self.files.set_filter(event.value)

    def on_files_input_entered(self, event: FilesInput.Entered) -> None:
        what, value = event.what, event.value
        self._close_input()
        if what == "filter" or not value or self._view is None:
            return
        self.files.set_filter("")
        if what == "find-files":
            self._work(self._find(value), "list")
        else:
            path = typed_path(value, self._path, windows=not self._view.case_sensitive)
            self._work(self._go_to(path), "list")
