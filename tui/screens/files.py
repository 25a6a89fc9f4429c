"""Files of a disk: what is on the disks, directories as they are opened, ticks, search, preview, restore.

`azrecover files IMAGE…` opens it. The engine does all reading; every answer comes in parts, and only the
newest question counts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Input

from azure_ops import wire
from azure_ops.errors import RecoveryError
from azure_ops.file_model import FileCount, FileEntry, FileSession, FileSystemView, FileVolume, RestoreState
from widgets.file_tree import FileRow, FileTable, Ticked, TickToggled, VolumeTable, count_text, text_of
from widgets.key_line import KeyLine
from widgets.page import Page, PageView
from widgets.pane import Pane, counted
from widgets.table_messages import Opened, ShownChanged

from ..file_restoring import FileRestoring
from ..keys import bindings
from ..ticks import Ticks
from .file_preview import FilePreview, facts_of, facts_of_volume

if TYPE_CHECKING:
    from ..app import ConsoleApp
    from ..file_opening import PointOpener

MOST_ROWS = 100_000
"""Of one directory or search; the engine's memory is bounded, this is the console's."""
LETS_GO_S = 2.0
COMMANDS = (
    "back", "filter", "sort", "details", "copy", "refresh", "help", "quit", "hidden-files", "find-files",
    "go-to-path", "restore-files",
)  # fmt: skip
HINTS = {
    "filter": "filter: words, !not, regular expressions; enter keeps, esc clears",
    "find-files": "find in the whole file system: part of a name, or a glob such as *.conf",
    "go-to-path": "path to go to, such as /etc/fstab",
}


class FilesScreen(Screen[None]):
    CSS_PATH = "../styles/files.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(COMMANDS, "run")]

    def __init__(self, app: ConsoleApp, paths: tuple[str, ...], opener: PointOpener | None = None) -> None:
        """`opener`: of a recovery point, instead of image files; going back from its disks closes it."""
        super().__init__()
        self._opener = opener
        self.console_app = app
        self._paths = paths
        self.session: FileSession | None = None
        self._view: FileSystemView | None = None
        self._trail: list[FileEntry] = []
        """From the root to the directory that is shown."""
        self._rows: dict[str, list[FileRow]] = {"list": [], "find": []}
        self._pattern = ""
        """Of the search whose hits are shown."""
        self._hidden = False
        self._reading = ""
        self._problem = ""
        self._ticks: dict[str, Ticks] = {}
        """By volume."""
        self._count: FileCount | None = None
        self._asking = ""
        """What the line of input is for."""

    def compose(self) -> ComposeResult:
        yield Pane(
            1, "Disks", VolumeTable(id="volumes"), FileTable(self._tick_of, id="file-table"), id="files-pane"
        )
        yield PageView(id="files-facts")
        yield KeyLine(id="files-keys")

    def on_mount(self) -> None:
        self.files.display = False
        self.volumes.empty_text = "Opening …"
        self.volumes.focus()
        self._show()
        if self.console_app.link.ready:
            self.link_connected()

    @property
    def volumes(self) -> VolumeTable:
        return self.query_one(VolumeTable)

    @property
    def files(self) -> FileTable:
        return self.query_one(FileTable)

    @property
    def ticks(self) -> Ticks:
        return self._ticks.setdefault(self._view.volume if self._view else "", Ticks())

    def _tick_of(self, row: FileRow) -> Ticked:
        return self.ticks.state(row.path)

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
        opened = await self._opened()
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
        if first and [one.description for one in opened.volumes] == ["folder"]:
            self._work(self._enter_volume(opened.volumes[0].key), "list")
        restore = opened.restore
        if restore is None or (restore.state.ended and restore.state is not RestoreState.INTERRUPTED):
            return
        if first:
            self._restore()
        elif restore.state is RestoreState.INTERRUPTED:
            key = self._key("restore-files")
            self.console_app.tell(f"The restore of files was interrupted; {key} goes on with it.", "warning")

    async def _opened(self) -> FileSession:
        if self._opener is not None:
            return await self._opener.open(self.console_app.link, self._say_waiting)
        answer = await self.console_app.link.ask(wire.OpenFiles(paths=self._paths), wire.FilesOpened, 120)
        return answer.session

    def _say_waiting(self, what: str) -> None:
        self._reading = what
        self._show()

    def _identify(self) -> None:
        """Names and places come when they come; until then the volumes are told apart by their numbers."""
        self._work(self._told_names(), "identify")

    async def _told_names(self) -> None:
        request = wire.IdentifyVolumes(session=self._session())
        told = await self.console_app.link.ask(request, wire.VolumesTold, 120)
        if self.volumes.shows(told.volumes):
            self.volumes.show(told.volumes)

    def _close_point(self) -> None:
        """What is being restored goes on; then the engine ends access to the disks."""
        if self.session is not None:
            closing = self.console_app.link.ask(wire.CloseFiles(session=self.session.id), wire.Done)
            self.console_app.run_worker(closing, group="close-files", exit_on_error=False)
        self.dismiss(None)

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

    def _session(self) -> str:
        return self.session.id if self.session else ""

    async def _enter_volume(self, volume: str) -> None:
        self._reading = "opening"
        self._show()
        request = wire.OpenFileSystem(session=self._session(), volume=volume)
        view = (await self.console_app.link.ask(request, wire.FileSystemOpened, 120)).system
        self._view = view
        self._count = None
        self._trail = [FileEntry(name=b"", id=view.root, kind="directory")]
        self.volumes.display, self.files.display = False, True
        self.files.focus()
        if self.ticks:
            self._recount()
        await self._list()

    async def _list(self, cursor: bytes = b"") -> None:
        """The directory at the end of the trail; the cursor goes to a name in it."""
        if self._view is None:
            return
        self._pattern, self._problem, self._reading = "", "", "reading"
        above = self._path
        rows = self._rows["list"] = []
        self._fill()
        request = wire.ListFiles(
            session=self._session(), volume=self._view.volume, directory=self._trail[-1].id
        )
        more = True
        while more:
            part = await self.console_app.link.ask(request, wire.FilesListed, 120)
            self._note(part.problem)
            fresh = [FileRow(_join(above, entry.name), entry) for entry in part.entries]
            rows.extend(fresh)
            self.files.update([row for row in fresh if self._is_shown(row)])
            more = part.more and self._has_room(rows)
            request = wire.ListFiles(
                session=request.session, volume=request.volume, directory=request.directory, more=True
            )
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
        root = self._view.root
        request = wire.FindFiles(
            session=self._session(), volume=self._view.volume, directory=root, path=b"", pattern=pattern
        )
        more = True
        while more:
            part = await self.console_app.link.ask(request, wire.FilesFound, 120)
            self._note(part.problem)
            fresh = [FileRow(hit.path, hit.entry, found=True) for hit in part.hits]
            rows.extend(fresh)
            self.files.update(fresh)
            more = part.more and self._has_room(rows)
            request = wire.FindFiles(
                session=request.session, volume=request.volume, directory=root, path=b"", pattern=pattern,
                more=True,
            )  # fmt: skip
            self._show()
        self._reading = ""
        self._show()

    async def _go_to(self, path: bytes) -> None:
        if self._view is None:
            return
        request = wire.LookUpPath(session=self._session(), volume=self._view.volume, path=path)
        chain = list((await self.console_app.link.ask(request, wire.PathFound, 120)).entries)
        if chain[-1].kind == "directory":
            self._trail = chain
            await self._list()
        else:
            self._trail = chain[:-1]
            await self._list(chain[-1].name)

    async def _counted(self) -> None:
        if self._view is None:
            return
        choice = self.ticks.choice(self._view.volume)
        while True:
            request = wire.CountFiles(session=self._session(), choice=choice)
            self._count = (await self.console_app.link.ask(request, wire.FilesCounted, 120)).count
            self._show()
            if self._count.whole or self._count.problem:
                return

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

    # showing ------------------------------------------------------------------------------------------------

    @property
    def _path(self) -> bytes:
        return b"/".join(entry.name for entry in self._trail[1:])

    def _key(self, id: str) -> str:
        return self.console_app.keys.shown(id)

    def _is_shown(self, row: FileRow) -> bool:
        return self._hidden or row.found or not row.entry.name.startswith(b".")

    def _fill(self) -> None:
        """Another directory, search or choice of what is shown."""
        rows = self._rows["find" if self._pattern else "list"]
        self.files.show_paths(bool(self._pattern))
        self.files.replace_rows([row for row in rows if self._is_shown(row)])
        self._show()

    def _point_at(self, name: bytes) -> None:
        if not name:
            self.files.action_edge(0)
            return
        row = next((row for row in self._rows["list"] if row.entry.name == name), None)
        if row is not None:
            if not self._is_shown(row):
                self._hidden = True
                self._fill()
            self.files.set_filter("")
            self.files.set_cursor(self.files._order.key(row))

    def on_shown_changed(self, event: ShownChanged) -> None:
        self._show()

    def _show(self) -> None:
        if not self.is_mounted:
            return
        pane, table = self.query_one("#files-pane", Pane), self.files
        reading = f" {self._reading} …" if self._reading else ""
        if self._view is None:
            names = ", ".join(path.rpartition("/")[2] for path in self._paths)
            if self._opener is not None:
                names = self.session.title if self.session else self._opener.name
            pane.show_tail(f"· {names}{reading}")
        else:
            place = f"/{text_of(self._path)}" if not self._pattern else f"found: {self._pattern}"
            count = counted(table.shown_count, table.row_count, table.filter_text)
            pane.show_tail(f"· {self._view.volume} ({self._view.kind}) · {place} {count}{reading}")
        self.query_one("#files-facts", PageView).show(self._facts())
        self._show_keys()

    def _facts(self) -> Page:
        page = Page()
        if self._problem:
            page.bullet(self._problem, sign="✖", style="$text-error")
        for note in self.session.notes if self.session else ():
            page.note(note, 0)
        for banner in self._view.banners if self._view else ():
            page.bullet(banner, sign="▲", style="$text-warning")
        volume = self.volumes.cursor_row
        if self._view is None and volume is not None and volume.reason:
            page.bullet(f"{volume.key}: {volume.reason}", sign="✖", style="$text-warning")
            if volume.unlock:
                page.note("enter asks for its passphrase or key file", 0)
        if self._view is not None:
            hidden = sum(not self._is_shown(row) for row in self._rows["list"]) if not self._pattern else 0
            if hidden:
                page.note(f"{hidden:,} hidden ({self._key('hidden-files')} shows them)", 0)
            if self.ticks:
                page.text(f"Ticked: {count_text(self._count)}", style="bold")
        return page

    def _show_keys(self) -> None:
        if self._view is None:
            volume = self.volumes.cursor_row
            locked = volume is not None and bool(volume.unlock)
            shown = [("enter", "Unlock" if locked else "Open"), (self._key("details"), "Details")]
            if self._opener is not None:
                shown.append(("esc", "Close"))
        else:
            shown = [("space", "Tick"), (self._key("restore-files"), "Restore")]
            for id, word in (("find-files", "Find"), ("go-to-path", "Path"), ("filter", "Filter"),
                             ("hidden-files", "Hidden")):  # fmt: skip
                shown.append((self._key(id), word))
        self.query_one(KeyLine).show_keys([*shown, (self._key("help"), "Help")])

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
            case "help":
                self.console_app.console_screen.commands.help()
            case "quit":
                await self._let_go()
                await self.console_app.action_quit()

    async def _let_go(self) -> None:
        """Nobody waits for a minute to unmount what was looked at; what is being restored goes on."""
        with contextlib.suppress(RecoveryError):
            await self.console_app.link.ask(wire.CloseFiles(session=self._session()), wire.Done, LETS_GO_S)

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
        if self._asking:
            self._close_input()
            self.files.set_filter("")
        elif self._view is None:
            if self._opener is not None:
                self._close_point()
        elif self.files.filter_text:
            self.files.set_filter("")
        elif self._pattern:
            self._work(self._list(), "list")
        elif len(self._trail) > 1:
            name = self._trail.pop().name
            self._work(self._list(name), "list")
        else:
            self.workers.cancel_group(self, "list")
            self._view, self._reading, self._problem = None, "", ""
            self.files.display, self.volumes.display = False, True
            self.volumes.focus()
            self._show()

    def _restore(self) -> None:
        """In a worker of its own, from the form to the progress."""
        if self.session is None or any(worker.group == "restore" for worker in self.workers):
            return
        choice = self.ticks.choice(self._view.volume) if self._view is not None and self.ticks else None
        restoring = FileRestoring(self.console_app, self._session)
        self._work(restoring.restore(choice, f"Ticked: {count_text(self._count)}"), "restore")

    # the line of input

    def _ask(self, what: str) -> None:
        if self._asking:
            return
        self._asking = what
        value = self.files.filter_text if what == "filter" else ""
        field = Input(value, placeholder=HINTS[what], id="files-input", select_on_focus=False)
        field.cursor_blink = False
        self.mount(field, before="#files-facts")
        field.focus()

    def _close_input(self) -> None:
        self._asking = ""
        self.query("#files-input").remove()
        self.files.focus()

    @on(Input.Changed, "#files-input")
    def _typed(self, event: Input.Changed) -> None:
        if self._asking == "filter":
            self.files.set_filter(event.value)

    @on(Input.Submitted, "#files-input")
    def _entered(self, event: Input.Submitted) -> None:
        what, value = self._asking, event.value.strip()
        self._close_input()
        if what == "find-files" and value:
            self.files.set_filter("")
            self._work(self._find(value), "list")
        elif what == "go-to-path" and value:
            self.files.set_filter("")
            self._work(self._go_to(self._typed_path(value)), "list")

    def _typed_path(self, value: str) -> bytes:
        """Relative to the directory that is shown; of Windows' disks also as Windows writes it."""
        if self._view is not None and not self._view.case_sensitive:
            value = value.replace("\\", "/")
            value = value[2:] if value[1:2] == ":" else value
        path = value.encode("utf-8", "surrogateescape")
        return path if path.startswith(b"/") else _join(self._path, path)


def _join(above: bytes, name: bytes) -> bytes:
    return above + b"/" + name if above else name
