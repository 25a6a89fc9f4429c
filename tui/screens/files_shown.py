"""What the files browser shows: disks or a directory, where that is, what stands in the way, the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.screen import Screen

from azure_ops.file_model import FileCount, FileEntry, FileSession, FileSystemView
from widgets.file_tree import FileRow, FileTable, Ticked, VolumeTable, count_text, text_of
from widgets.key_line import KeyLine
from widgets.page import Page, PageView
from widgets.pane import Pane, counted
from widgets.table_messages import ShownChanged

from ..file_questions import FileQuestions
from ..ticks import Ticks

if TYPE_CHECKING:
    from ..app import ConsoleApp
    from ..file_opening import DiskOpener
    from ..file_versions import VersionSources


class FilesShown(Screen[None]):
    """The half of `FilesScreen` that asks nothing."""

    CSS_PATH = "../styles/files.tcss"

    def __init__(
        self,
        app: ConsoleApp,
        opener: DiskOpener,
        *,
        closes: bool = True,
        lent: bool = False,
        versions: VersionSources | None = None,
        at: tuple[str, bytes] = ("", b""),
    ) -> None:
        """`closes`: going back from the disks closes them, or leaves them to whom they are only `lent` by.
        `at`: volume and path where it begins."""
        super().__init__()
        self._opener = opener
        self._closes = closes
        self._lent = lent
        self._versions = versions
        self._at = at
        self.console_app = app
        self.session: FileSession | None = None
        self.questions = FileQuestions(app.link, self._session)
        self._view: FileSystemView | None = None
        self._trail: list[FileEntry] = []
        """From the root to the directory that is shown."""
        self._rows: dict[str, list[FileRow]] = {"list": [], "find": []}
        self._pattern = ""
        """Of the search whose hits are shown."""
        self._hidden = False
        self._reading = ""
        self._problem = ""
        self._lacking = b""
        """The path that was gone to last, when there is nothing."""
        self._ticks: dict[str, Ticks] = {}
        """By volume."""
        self._count: FileCount | None = None

    def compose(self) -> ComposeResult:
        yield Pane(
            1, "Disks", VolumeTable(id="volumes"), FileTable(self._tick_of, id="file-table"), id="files-pane"
        )
        yield PageView(id="files-facts")
        yield KeyLine(id="files-keys")

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

    def _session(self) -> str:
        return self.session.id if self.session else ""

    def held_sessions(self) -> list[str]:
        return [self.session.id] if self.session else []

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
            names = (self.session.title if self.session else "") or self._opener.name
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
        if self._lacking:
            page.note(f"{self._key('versions')} looks for it in other points", 0)
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
            if self._closes:
                shown.append(("esc", "Back" if self._lent else "Close"))
        else:
            shown = [("space", "Tick"), (self._key("restore-files"), "Restore")]
            others = ("versions", "Versions") if self._versions is not None else ("hidden-files", "Hidden")
            for id, word in (("find-files", "Find"), ("go-to-path", "Path"), others, ("filter", "Filter")):
                shown.append((self._key(id), word))
        self.query_one(KeyLine).show_keys([*shown, (self._key("help"), "Help")])
