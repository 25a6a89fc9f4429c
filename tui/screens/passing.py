"""Dialogs that the engine's news open and close: the device code of a sign-in, and an engine out of reach."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from azure_ops.wire import SignIn
from widgets.ages import here, zone_name
from widgets.page import Page

from ..keys import bindings
from .dialog import Dialog


class Passing(Dialog[None]):
    TONE = "-warning"
    BINDINGS: ClassVar[list[BindingType]] = bindings(("quit",), "leave")  # type: ignore[assignment]

    async def action_leave(self, _: str) -> None:
        await self.app.action_quit()


class SignInDialog(Passing):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("c", "copy", "Copy the code", show=False)]

    def __init__(self, sign_in: SignIn) -> None:
        super().__init__("Sign in to Azure", "c copy the code · esc hide; the engine goes on waiting")
        self._sign_in = sign_in

    def page(self) -> Page:
        page = Page().text("No other credential was found. In any browser, on any machine, open").blank()
        page.text(f"    {self._sign_in.url}", style="bold $accent").blank()
        page.text("and enter the code").blank()
        page.text(f"    {self._sign_in.code}", style="bold $accent").blank()
        if self._sign_in.expires_at:
            page.note(f"It is good until {here(self._sign_in.expires_at):%H:%M:%S} {zone_name()}.", indent=0)
        return page.note("This dialog closes by itself when you are signed in.", indent=0)

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self._sign_in.code)
        self.notify("Code sent to your terminal's clipboard (OSC 52).", markup=False)


class EngineLost(Passing):
    def __init__(self, line: str) -> None:
        super().__init__("The engine is out of reach", "esc back, the console goes on trying; q quits")
        self._line = line

    def page(self) -> Page:
        page = Page().text(self._line, style="bold").blank()
        page.bullet("What runs in Azure goes on; nothing is lost.")
        page.bullet("Rows that were read stay on the screen and grow old.")
        return page.bullet("This dialog closes by itself when the engine answers.")
