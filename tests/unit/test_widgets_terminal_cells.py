"""The cell screen against pyte: what it sends must show the same as what Textual wrote."""

from __future__ import annotations

import random

import pyte
import pytest
from rich.cells import cell_len, set_cell_size

from tui.terminal_cells import CellScreen
from tui.terminal_pens import combine, transition

PENS = ["", "1", "1;38;5;12", "38;5;12;48;5;236", "7", "4;38;2;1;2;3", "2;3;31", "48;5;1", "9;93;104", "1;4"]
TEXTS = ["web-01", " ", "     ", "漢字", "a漢b", "🙂", "é", "e\u0301", "┌──┐", "✔ ok", "x" * 30, "x"]


Piece = tuple[int, int, str, str]


def drawing(chance: random.Random, width: int, height: int) -> list[Piece]:
    """Column, row, pen and text of what one frame draws."""
    pieces: list[Piece] = []
    for _ in range(chance.randrange(1, 12)):
        x, y = chance.randrange(width), chance.randrange(height)
        text = "".join(chance.choices(TEXTS, k=chance.randrange(1, 5)))
        if cell_len(text) <= width - x:
            pieces.append((x, y, chance.choice(PENS), text))
    return pieces


def frame_of(pieces: list[Piece]) -> str:
    """As Textual writes it."""
    drawn = "".join(
        f"\x1b[{y + 1};{x + 1}H" + (f"\x1b[{pen}m{text}\x1b[0m" if pen else text)
        for x, y, pen, text in pieces
    )
    return f"\x1b[?2026h{drawn}\x1b[1;1H\x1b[?2026l"


def shown(screen: pyte.Screen) -> list[list[object]]:
    return [[screen.buffer[y][x] for x in range(screen.columns)] for y in range(screen.lines)]


class Terminal:
    def __init__(self, width: int, height: int) -> None:
        self.screen = pyte.Screen(width, height)
        self.screen.reset_mode(7, private=True)
        self.stream = pyte.Stream(self.screen)

    def put(self, x: int, y: int, pen: str, text: str) -> None:
        """Draws, and blanks what is left of a wide character, as terminals do and pyte does not."""
        row, end = self.screen.buffer[y], x + cell_len(text)
        if x and row[x].data == "":
            row[x - 1] = row[x - 1]._replace(data=" ")
        if end < self.screen.columns and row[end].data == "":
            row[end] = row[end]._replace(data=" ")
        self.stream.feed(frame_of([(x, y, pen, text)]))


@pytest.mark.parametrize("seed", range(60))
def test_both_ways_show_the_same(seed: int) -> None:
    chance = random.Random(seed)
    width, height = chance.choice([(20, 4), (41, 7), (80, 5)])
    plain, ours, cells = Terminal(width, height), Terminal(width, height), CellScreen(width, height)
    if chance.random() < 0.5:
        cells.cleared()
    for _ in range(12):
        pieces = drawing(chance, width, height)
        for piece in pieces:
            plain.put(*piece)
        cells.feed(frame_of(pieces))
        if chance.random() < 0.1:
            ours.screen.reset()
            ours.screen.reset_mode(7, private=True)
            cells.forget()
        ours.stream.feed(cells.changes())
        assert shown(ours.screen) == shown(plain.screen)
        assert cells.changes() == "", "nothing is sent twice"


@pytest.mark.parametrize("seed", range(30))
def test_lists_that_scroll(seed: int) -> None:
    """Lines move up and down between still ones; now and then one changes on its way."""
    chance = random.Random(seed)
    width, height = 30, 14
    plain, ours, cells = Terminal(width, height), Terminal(width, height), CellScreen(width, height)
    names = [f"{chance.choice(TEXTS)[:20]}-{number}" for number in range(80)]
    top = 30
    for _ in range(20):
        top = max(0, min(60, top + chance.choice([-7, -3, -2, -1, 0, 1, 1, 1, 2, 5])))
        frame = []
        for line in range(2, height - 1):
            pen = "7" if line == 5 else "38;5;12;48;5;236"
            frame.append((0, line, pen, set_cell_size(f"│{names[top + line]}", width - 1) + "│"))
        frame.append((0, 0, "1", set_cell_size(f"title {chance.choice(TEXTS)}", width)))
        names[chance.randrange(80)] = f"changed-{chance.randrange(9)}"
        for piece in frame:
            plain.put(*piece)
        cells.feed(frame_of(frame))
        update = cells.changes()
        ours.stream.feed(update)
        assert shown(ours.screen) == shown(plain.screen)


def test_a_list_that_moves_one_line_costs_little() -> None:
    cells, chance = CellScreen(80, 24), random.Random(1)
    rows = [
        set_cell_size("│  " + "".join(chance.choices("abcdefgh 0123", k=40)), 79) + "│" for _ in range(40)
    ]
    cells.feed(frame_of([(0, y, "48;5;236", rows[y]) for y in range(24)]))
    assert len(cells.changes()) > 1500
    cells.feed(frame_of([(0, y, "48;5;236", rows[y + 1]) for y in range(24)]))
    assert len(cells.changes()) < 200


def test_a_wide_character_that_is_half_covered_becomes_a_blank() -> None:
    cells = CellScreen(6, 1)
    cells.feed("\x1b[1;1H漢字漢")
    cells.feed("\x1b[1;2Hab")
    terminal = Terminal(6, 1)
    terminal.stream.feed(cells.changes())
    assert terminal.screen.display == [" ab 漢"]


def test_shrinking_and_growing() -> None:
    cells = CellScreen(6, 2)
    cells.feed("\x1b[1;1H漢字漢\x1b[2;1Habc")
    cells.resize(5, 1)
    cells.resize(8, 2)
    terminal = Terminal(8, 2)
    terminal.stream.feed(cells.changes())
    assert terminal.screen.display == ["漢字    ", "        "]


def test_modes_pass_and_unknown_orders_do_not() -> None:
    cells = CellScreen(10, 1)
    assert cells.feed("\x1b[?1000h\x1b[?2026$p\x07\x1b]52;c;YWJj\x07") == (
        "\x1b[?1000h\x1b[?2026$p\x07\x1b]52;c;YWJj\x07"
    )
    assert cells.feed("\x1b]0;title\x07\x1b[6n\x1b[2J\x1bPq\x1b\\\x1b]22;pointer\x1b\\\x9b5m") == ""
    assert "\x1b]" not in cells.changes()


def test_pens() -> None:
    assert combine("1;31", "32") == "1;32"
    assert combine("1;38;5;3", "0;4") == "4"
    assert combine("1;2;31;44", "22;49") == "31"
    assert transition("1;31", "1;32") == "\x1b[32m"
    assert transition("1;31", "31") == "\x1b[0;31m"
    assert transition("1;31", "") == "\x1b[m"
    assert transition("38;5;3;48;5;4", "38;5;3;48;5;5") == "\x1b[48;5;5m"
