"""Whatever Azure says is shown as plain, visible text of a known width."""

from __future__ import annotations

import random
import unicodedata

import pytest
from rich.cells import cell_len

from tui.terminal_guard import HARMFUL, harmless
from widgets.plain_text import cells, fit, plain, plain_lines, truncate, truncate_left, visible, wrap

NASTY = [
    *map(chr, range(0x20)), "\x7f", *map(chr, range(0x80, 0xA0)), "\u061c", "\u200b", "\u200d", "\u200e",
    "\u202e", "\u2028", "\u2066", "\ufeff", "\xad", "\ufe0f", "\ud800", "\U000e0041", "\u3164", "\u0301",
    "\uffff",
]  # fmt: skip
PIECES = [*NASTY, "web-01", "漢字", "👨", "é", "[red]", "한", " ", "नमस्ते", "─"]


@pytest.mark.parametrize("character", NASTY, ids=ascii)
def test_nothing_hides_and_nothing_acts(character: str) -> None:
    shown = visible(f"a{character}b")
    assert shown[0] == "a"
    assert shown[-1] == "b"
    assert cell_len(shown) >= 2
    assert not HARMFUL.search(shown)
    if unicodedata.category(character)[0] != "M":
        assert cell_len(shown) == 3, "everything takes its one cell"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("web-01", "web-01"),
        ("\x1b[2J", "␛[2J"),
        ("a\r\nb\tc", "a␍␊b␉c"),
        ("\u202egnp.exe", "⇄gnp.exe"),
        ("web\u200b01", "web·01"),
        ("caf\u00e9 cafe\u0301", "café cafe\u0301"),
        ("\u0301", "◌\u0301"),
        ("z" + "\u0335" * 50, "z" + "\u0335" * 3),
        ("\x9b31m\ud800", "�31m�"),
        ("[red]x[/red] [/nope]", "[red]x[/red] [/nope]"),
    ],
)
def test_how_it_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_content_is_never_markup() -> None:
    assert plain("[red]x[/nope]").plain == "[red]x[/nope]"
    assert plain("[b]x", "bold").plain == "[b]x"
    assert plain_lines("a\n[b]\x1b\r\nc").plain == "a\n[b]␛\nc"


def test_widths_hold_for_anything() -> None:
    chance = random.Random(3)
    for _ in range(3000):
        text = "".join(chance.choices(PIECES, k=chance.randrange(12)))
        width = chance.randrange(20)
        assert cell_len(fit(text, width)) == width, ascii(text)
        assert cell_len(fit(text, width, right=True)) == width
        for cut in (truncate(text, width), truncate_left(text, width)):
            assert cells(cut) <= width
            assert cut == visible(text) or width == 0 or "…" in cut
        assert all(cell_len(line) <= max(width, 2) for line in wrap(text, width))
        assert cell_len(harmless(text)) == cell_len(text)
        assert not HARMFUL.search(harmless(text))


def test_cutting_says_so_and_keeps_the_asked_end() -> None:
    assert truncate("virtual-machine", 8) == "virtual…"
    assert truncate("漢字漢字", 4) == "漢…"
    assert truncate_left("/subscriptions/0/vm-1", 6) == "…/vm-1"
    assert fit("7", 3, right=True) == "  7"


def test_wrapping_keeps_words_and_lines() -> None:
    assert wrap("one two three\nfour", 8) == ["one two", "three", "four"]
    assert wrap("", 8) == [""]
    assert wrap("漢字漢字漢字", 5) == ["漢字", "漢字", "漢字"]
