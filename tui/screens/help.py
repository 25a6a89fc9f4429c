"""Help: the keys as they hold in this session, generated from the key table; and what the signs mean."""

from __future__ import annotations

from widgets.page import Page
from widgets.plain_text import fit

from ..keys import KeyTable
from .dialog import Dialog

KEY_WIDTH = 8
SIGNS = (
    ("✔", "good: the last backup completed, replication is Normal"),
    ("▲", "look at it: a warning, or something is older than it should be"),
    ("✖", "bad: failed, Critical, or not protected at all"),
    ("●", "running now"),
)


class Help(Dialog[None]):
    def __init__(self, keys: KeyTable) -> None:
        super().__init__("Help", "↑↓ scroll · esc back")
        self._keys = keys

    def page(self) -> Page:
        page = Page().text("Lower case looks, upper case acts; nothing is sent before you saw the plan.")
        section = ""
        for key in self._keys.all:
            if key.section != section:
                section = key.section
                page.heading(section)
            page.bullet(key.title, sign=fit(key.shown or "a or :", KEY_WIDTH), sign_style="bold $accent")
        page.heading("Signs (each stands beside its word)")
        for sign, meaning in SIGNS:
            page.bullet(meaning, sign=fit(sign, KEY_WIDTH), sign_style="bold")
        page.heading("Good to know")
        page.bullet("Operations run in Azure and the engine follows them: closing this console ends neither.")
        page.bullet("An age such as '4m' is counted by the service's clock; RPO tells how old its figure is.")
        page.bullet("What went out to Azure stands in pane 5, what we started in 'azrecover journal list'.")
        return page
