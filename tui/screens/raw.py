"""Azure's own answer about a row: the request, the permission it needs, the same with az, and the JSON."""

from __future__ import annotations

from textual.binding import Binding

from azure_ops.model import RawDocument
from widgets.page import Page

from .dialog import Dialog


class RawJson(Dialog[None]):
    BINDINGS = [  # noqa: RUF012
        Binding("c", "copy", "Copy", show=False),
        Binding("j", "scroll_page(1)", show=False),
        Binding("k", "scroll_page(-1)", show=False),
        Binding("g", "scroll_page(-100000)", show=False),
        Binding("G", "scroll_page(100000)", show=False),
    ]

    def __init__(self, name: str, document: RawDocument) -> None:
        super().__init__(f"{name}: as Azure says it", "↑↓ j k g G scroll · c copy the JSON · esc back")
        self._document = document

    def page(self) -> Page:
        document = self._document
        page = (
            Page().pair("request", f"{document.method} {document.url}").pair("status", str(document.status))
        )
        page.pair("permission", document.permission).pair("with az", document.az_command)
        return page.blank().verbatim(document.json_text)

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self._document.json_text)
        self.notify("JSON sent to your terminal's clipboard (OSC 52).", markup=False)
