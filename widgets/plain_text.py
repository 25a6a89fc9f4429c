"""The one place every foreign string goes through on its way to the screen.

What Azure returns is shown, never obeyed: control characters, text-direction marks, newlines, lone surrogates
and characters without width become visible one-cell signs, and nothing is read as markup. All measuring,
cutting and padding by terminal cells is here too.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from functools import lru_cache

from rich.cells import cell_len, split_graphemes
from textual.content import Content

DIRECTION_SIGN = "⇄"
"""Stands for U+202E and its like: they would let a name read backwards."""
INVISIBLE_SIGN = "·"
"""Stands for characters without width, so that two names never look the same by hiding one."""
UNKNOWN_SIGN = "�"
"""Stands for C1 controls, lone surrogates and noncharacters."""
MARKS_AT_MOST = 3
"""Combining marks on one letter; more of them would paint over the lines above and below."""

_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and marks by category that draw nothing."""
_SUSPECT = re.compile(r"[^\x20-\x7e\xa1-\xac\xae-\u02ff\u0370-\u0482\u2500-\u25fc]")


def _sign(character: str) -> str:
    """How one suspect character is shown; a character that is harmless comes back as it is."""
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if character in _DIRECTIONS:
        return DIRECTION_SIGN
    if character in ("\u2028", "\u2029", "\x85"):
        return "␤"
    if character in _BLANK_LETTERS or 0xFE00 <= code <= 0xFE0F or 0xE0000 <= code <= 0xE0FFF:
        return INVISIBLE_SIGN
    category = unicodedata.category(character)
    if category in ("Cc", "Cs", "Cn"):
        return UNKNOWN_SIGN
    if category == "Cf":
        return INVISIBLE_SIGN
    if category == "Zs":
        return " " if cell_len(character) == 1 else "  "
    return character


@lru_cache(maxsize=16384)
def _made_visible(text: str) -> str:
    shown: list[str] = []
    marks = 0
    for character in text:
        sign = _sign(character)
        if unicodedata.category(character)[0] == "M" and sign == character:
            marks += 1
            if marks > MARKS_AT_MOST:
                continue
            if not shown:
                shown.append("◌")
        else:
            marks = 0
            if sign == character and cell_len(character) == 0:
                sign = INVISIBLE_SIGN
        shown.append(sign)
    return "".join(shown)


def visible(text: str) -> str:
    """`text` on one line, with everything in it visible and nothing in it effective."""
    if _SUSPECT.search(text) is None:
        return text
    return _made_visible(text)


def visible_lines(text: str) -> list[str]:
    """The same for text of several lines: only its line ends are obeyed."""
    return [visible(line) for line in re.split(r"\r\n|\n|\r|\u2028|\u2029|\x85", text.replace("\t", "    "))]


def plain(text: str, style: str = "") -> Content:
    """One line of foreign text for a Textual widget, never read as markup."""
    return Content.styled(visible(text), style) if style else Content(visible(text))


def plain_lines(text: str, style: str = "") -> Content:
    lines = "\n".join(visible_lines(text))
    return Content.styled(lines, style) if style else Content(lines)


def cells(text: str) -> int:
    """Width in terminal cells of text that is already visible."""
    return len(text) if text.isascii() else cell_len(text)


def truncate(text: str, width: int) -> str:
    """`text`, made visible and cut to at most `width` cells; `…` says that something is missing."""
    text = visible(text)
    if cells(text) <= width:
        return text
    if width <= 0:
        return ""
    if text.isascii():
        return text[: width - 1] + "…"
    taken = 0
    for start, _end, size in split_graphemes(text)[0]:
        if taken + size > width - 1:
            return text[:start] + "…"
        taken += size
    return text


def truncate_left(text: str, width: int) -> str:
    """As `truncate`, keeping the end: for paths and ids."""
    text = visible(text)
    if cells(text) <= width:
        return text
    if width <= 0:
        return ""
    kept = 0
    for start, end, size in reversed(split_graphemes(text)[0]):
        if kept + size > width - 1:
            return "…" + text[end:]
        kept += size
        del start
    return text


def fit(text: str, width: int, *, right: bool = False) -> str:
    """`text` in exactly `width` cells."""
    text = truncate(text, width)
    padding = " " * (width - cells(text))
    return padding + text if right else text + padding


def wrap(text: str, width: int) -> list[str]:
    """Foreign text in lines of at most `width` cells; words too long for a line are cut."""
    width = max(width, 1)
    wrapped: list[str] = []
    for line in visible_lines(text):
        wrapped.extend(_wrap_line(line, width))
    return wrapped


def _wrap_line(line: str, width: int) -> list[str]:
    if line.isascii():
        return textwrap.wrap(line, width) or [""]
    lines: list[str] = []
    current, used = "", 0
    for word in line.split(" "):
        for piece in _pieces(word, width):
            size = cells(piece)
            if current and used + 1 + size > width:
                lines.append(current)
                current, used = piece, size
            else:
                current = f"{current} {piece}" if current else piece
                used = cells(current)
    return [*lines, current]


def _pieces(word: str, width: int) -> list[str]:
    if cells(word) <= width:
        return [word]
    pieces: list[str] = []
    begin, taken = 0, 0
    for start, _end, size in split_graphemes(word)[0]:
        if taken + size > width and start > begin:
            pieces.append(word[begin:start])
            begin, taken = start, 0
        taken += size
    return [*pieces, word[begin:]]
