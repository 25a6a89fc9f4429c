"""Nothing that content says may reach the terminal as an order: real bytes, in many widgets."""

from __future__ import annotations

import re

import pytest

from .pty_screen import ROOT, PtyScreen

APP = str(ROOT / "tests" / "terminal" / "hostile_app.py")
WIDGETS = (
    "static", "label", "input", "border", "data-table", "keyed-table", "tree", "option-list", "log",
    "rich-log", "notify", "title",
)  # fmt: skip
OURS = re.compile(
    r"\x1b\[[0-9;]*[mHGCK]"  # pen, cursor, erase to the end of the line
    r"|\x1b\[2J"
    r"|\x1b\[\?(?:1049|25|1004|7|1000|1003|1015|1006|2004|2026|2048|1016)[hl]"
    r"|\x1b\[\?(?:2026|2048)\$p|\x1b\[>[0-9]+u|\x1b\[<u"
)
"""All that the driver itself may say."""
ORDERS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@pytest.mark.parametrize("widget", WIDGETS)
def test_no_order_of_the_content_reaches_the_terminal(widget: str) -> None:
    with PtyScreen(APP, widget, columns=120, rows=60) as screen:
        screen.wait_for("READY")
        screen.settle(0.4)
        written = screen.raw.decode("utf-8")
        assert written.count("\x1b[2J") == 1, "only the driver's own, when it starts"
        left = OURS.sub("", written)
        assert not ORDERS.findall(left), [
            left[max(0, m.start() - 20) : m.end() + 20] for m in ORDERS.finditer(left)
        ]
        assert screen.screen.title == ""
        assert screen.text.splitlines()[0].startswith("READY")


def test_a_table_shows_every_hostile_name_as_text() -> None:
    with PtyScreen(APP, "keyed-table", columns=120, rows=60) as screen:
        screen.wait_for("READY")
        screen.settle(0.4)
        for shown in (
            "␛]0;pwned␇ title", "␛[2Jclear", "�31mred", "a␈b␍c␋␌d", "⇄gnp.exe", "␡delete",
            "[red]markup[/red]", "[/nope]", "[@click=app.quit]x[/]", "lone � surrogate", "␤line␤", "nul␀",
        ):  # fmt: skip
            assert shown in screen.text
