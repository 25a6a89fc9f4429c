"""Texts that a careless console would interpret: markup, escapes, directions, line breaks, wide characters.

Azure allows most of them in tags, descriptions and messages, none of them in a machine's name; the contoso
fleet has them in both, because a console must not depend on it. No name holds a `/`: ids stay routable."""

from __future__ import annotations

MARKUP_NAME = "qa-[red]x[@click=app.quit]"
ESCAPE_NAME = "esc\x1b]0;pwn\x07\x9b31m-01"
RIGHT_TO_LEFT_NAME = "vm-\u202egnp.exe"
WIDE_NAME = "本番データベース🐘01"
TWO_LINE_NAME = "two\nlines\r01"
NAMES = (MARKUP_NAME, ESCAPE_NAME, RIGHT_TO_LEFT_NAME, WIDE_NAME, TWO_LINE_NAME)

TAGS = {
    "owner": "[bold red]ops[/bold red] [/nope]",
    "note": "first line\nsecond line\x1b[2J\x1b]0;pwn\x07",
    "Kostenstelle": "財務部🧾 4711",
    "direction": "\u202elive\u202c \u200fabc",
    "[@click=app.quit]key[/]": "\x9b31mred by C1\x9b0m",
}
ERROR_TEXT = (
    "The agent said: [red]x[/red] [/nope] [@click=app.quit]\x1b]0;pwn\x07\x9b31m\nand then \u202edesrever"
    "\u202c, 次の行🐘."
)
COMMENT = "drill of [b]Q3[/b]\n\x1b[31mnot red\x1b[0m\u2028終わり 🏁 [/nope]"
DISK_NAME = "data-[@click=app.quit]\x1b[5m-全角"
