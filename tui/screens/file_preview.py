"""The beginning of a file as text or hex, and all that is known of an entry."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType
from textual.widgets import Static

from azure_ops import wire
from azure_ops.errors import RecoveryError
from azure_ops.file_model import READ_AT_ONCE, FileVolume
from widgets.ages import zone_name
from widgets.file_tree import FileRow, mode_text, owner_text, text_of, time_text
from widgets.page import Page
from widgets.plain_text import plain
from widgets.vaults import amount

from ..keys import bindings
from .dialog import Dialog, Message

if TYPE_CHECKING:
    from ..app import ConsoleApp

HEX_WIDTH = 16
HEX_AT_MOST = 16 * 1024


class FilePreview(Dialog[None]):
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(("hex",), "switch")]

    def __init__(self, app: ConsoleApp, session: str, volume: str, row: FileRow) -> None:
        super().__init__(f"/{text_of(row.path)}", "↑↓ scroll · esc back")
        self._console_app = app
        self._request = wire.ReadFile(
            session=session, volume=volume, id=row.entry.id, offset=0, length=READ_AT_ONCE
        )
        self._row = row
        self._data: bytes | None = None
        self._problem = row.entry.refused
        self._hex = False

    def page(self) -> Page:
        entry, page = self._row.entry, Page()
        page.note(f"{amount(entry.size)} · {mode_text(entry)} · {time_text(entry.modified_ns)}", 0)
        if self._problem:
            return page.bullet(self._problem, sign="✖", style="$text-error")
        if self._data is None:
            return page.note("reading …", 0)
        shown = self._data[:HEX_AT_MOST] if self._hex else self._data
        if len(shown) < entry.size:
            page.note(f"the first {len(shown):,} of {entry.size:,} bytes", 0)
        page.blank()
        return page.verbatim(hex_lines(shown) if self._hex else text_lines(shown))

    def on_mount(self) -> None:
        if not self._problem:
            self.run_worker(self._read(), group="preview", exit_on_error=False)

    async def _read(self) -> None:
        try:
            self._data = (await self._console_app.link.ask(self._request, wire.FileRead)).data
        except RecoveryError as error:
            self._problem = str(error)
        else:
            self._hex = not is_text(self._data)
        key = self._console_app.keys.shown("hex")
        other = "text" if self._hex else "hex"
        self.query_one("#hints", Static).update(plain(f"{key} {other} · ↑↓ scroll · esc back"))
        self.show_page(self.page())

    def action_switch(self, id: str) -> None:
        if self._data is not None:
            self._hex = not self._hex
            self.show_page(self.page())


def facts_of(row: FileRow) -> Message:
    """Everything that is known of an entry."""
    entry, page = row.entry, Page()
    page.pair("path", f"/{text_of(row.path)}")
    page.pair("kind", entry.kind)
    page.pair("size", f"{entry.size:,} bytes")
    page.pair("mode", f"{mode_text(entry)} ({entry.mode:04o})" if entry.mode else mode_text(entry))
    if owner_text(entry):
        page.pair("owner", f"{owner_text(entry)} (user and group, by number)")
    page.pair("changed", f"{time_text(entry.modified_ns)} {zone_name()}")
    if entry.links > 1 and entry.kind != "directory":
        page.pair("names", f"{entry.links} (hard links)")
    if entry.target:
        page.pair("leads to", text_of(entry.target))
    page.pair("number", str(entry.id))
    for note in entry.notes:
        page.bullet(note)
    for reason in (entry.refused, entry.problem):
        if reason:
            page.bullet(reason, sign="✖", style="$text-error")
    return Message(text_of(entry.name) or "/", page)


def facts_of_volume(volume: FileVolume) -> Message:
    page = Page().pair("what", volume.description).pair("size", f"{volume.size:,} bytes")
    page.pair("state", volume.state)
    if volume.label:
        page.pair("label", volume.label)
    if volume.uuid:
        page.pair("uuid", volume.uuid)
    for fact in volume.facts:
        page.bullet(fact)
    if volume.reason:
        page.bullet(volume.reason, sign="✖", style="$text-warning")
    return Message(volume.key, page)


def is_text(data: bytes) -> bool:
    """As far as the beginning tells; a sign that is cut at its end does not count."""
    if b"\0" in data:
        return False
    return data.decode("utf-8", "replace")[:-4].count("\N{REPLACEMENT CHARACTER}") * 20 <= len(data)


def text_lines(data: bytes) -> str:
    return data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\t", "    ")


def hex_lines(data: bytes) -> str:
    lines = []
    for at in range(0, len(data), HEX_WIDTH):
        part = data[at : at + HEX_WIDTH]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"{at:08x}  {part.hex(' '):<47}  {shown}")
    return "\n".join(lines)
