"""The device code of a sign-in that the engine waits for. Opened and closed by the engine's messages."""

from __future__ import annotations

from textual.binding import Binding

from azure_ops.wire import SignIn
from widgets.page import Page

from .dialog import Dialog


class SignInDialog(Dialog[None]):
    TONE = "-warning"
    BINDINGS = [Binding("c", "copy", "Copy the code", show=False)]  # noqa: RUF012

    def __init__(self, sign_in: SignIn) -> None:
        super().__init__("Sign in to Azure", "c copy the code · esc hide; the engine goes on waiting")
        self._sign_in = sign_in

    def page(self) -> Page:
        page = Page().text("No other credential was found. In any browser, on any machine, open").blank()
        page.text(f"    {self._sign_in.url}", style="bold $accent").blank()
        page.text("and enter the code").blank()
        page.text(f"    {self._sign_in.code}", style="bold $accent").blank()
        if self._sign_in.expires_at:
            page.note(f"It is good until {self._sign_in.expires_at:%H:%M:%S} UTC.", indent=0)
        return page.note("This dialog closes by itself when you are signed in.", indent=0)

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self._sign_in.code)
        self.notify("Code sent to your terminal's clipboard (OSC 52).", markup=False)
