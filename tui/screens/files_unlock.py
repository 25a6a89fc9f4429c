"""Passphrase or key file of an encrypted volume. What is typed is never shown and goes to the engine only."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from textual import on
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Button, Input, Static

from azure_ops import wire
from azure_ops.errors import RecoveryError
from azure_ops.file_model import FileVolume, Secret
from widgets.page import Page
from widgets.plain_text import plain

from .dialog import Dialog, button_row

if TYPE_CHECKING:
    from ..app import ConsoleApp

WITHIN_S = 300
"""Hostile or generous parameters: the reader is ended before."""


class UnlockForm(Dialog[tuple[FileVolume, ...]]):
    """Closes with all volumes when the key fits; a wrong one is said, and another can be typed."""

    def __init__(self, app: ConsoleApp, session: str, volume: FileVolume) -> None:
        super().__init__(f"Unlock {volume.key}", "tab next · enter unlocks · esc back")
        self._console_app = app
        self._session = session
        self._volume = volume
        self._problem = ""
        self._working = False

    def page(self) -> Page:
        page = Page().text(self._volume.reason)
        page.note(
            "The key stays in the engine's memory until the disks are closed, and is written nowhere.", 0
        )
        if self._working:
            page.note("unlocking … (the key is made slow to try on purpose)", 0)
        if self._problem:
            page.bullet(self._problem, sign="✖", style="$text-error")
        return page

    def body(self) -> list[Widget]:
        return [
            Vertical(
                Static(plain("Passphrase", "bold"), markup=False),
                Input(password=True, id="passphrase"),
                classes="question",
            ),
            Vertical(
                Static(plain("or a key file of this machine", "bold"), markup=False),
                Input(id="key-file"),
                classes="question",
            ),
        ]

    def controls(self) -> list[Widget]:
        return [button_row(Button("Cancel", id="cancel"), Button("Unlock", id="unlock", variant="primary"))]

    def on_mount(self) -> None:
        for field in self.query(Input):
            field.cursor_blink = False
        self.query_one("#passphrase").focus()

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self._begin()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "unlock":
            self._begin()
        else:
            self.dismiss(None)

    def _begin(self) -> None:
        if self._working:
            return
        passphrase, key_file = self.query_one("#passphrase", Input), self.query_one("#key-file", Input).value
        secret, path = Secret(passphrase.value.encode("utf-8", "surrogateescape")), key_file.strip()
        passphrase.value = ""
        if not secret.value and not path:
            self._say("Type the passphrase or name a key file.")
            return
        if secret.value and path:
            self._say("Either a passphrase or a key file, not both.")
            return
        path = os.path.abspath(os.path.expanduser(path)) if path else ""
        request = wire.UnlockVolume(
            session=self._session, volume=self._volume.key, secret=secret, key_file=path
        )
        self._working = True
        self._say("")
        self.run_worker(self._unlock(request), group="unlock", exit_on_error=False)

    async def _unlock(self, request: wire.UnlockVolume) -> None:
        try:
            answer = await self._console_app.link.ask(request, wire.VolumesTold, WITHIN_S)
        except RecoveryError as error:
            self._working = False
            self._say(str(error))
            self.query_one("#passphrase").focus()
        else:
            self.dismiss(answer.volumes)

    def _say(self, problem: str) -> None:
        self._problem = problem
        self.show_page(self.page())
