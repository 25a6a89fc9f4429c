"""Ticks of three states, and what is shown of files."""

from __future__ import annotations

import random

from azure_ops.file_model import FileEntry
from tui.screens.file_preview import hex_lines, is_text, text_lines
from tui.ticks import Ticks
from widgets.file_tree import FileRow, Ticked, mode_text, name_cell, time_text

DIRECTORIES = [b"", b"a", b"a/b", b"a/b/c", b"ab", b"ab/c"]
FILES = [b"a/1", b"a/b/1", b"a/b/2", b"a/b/c/1", b"a/b/c/2", b"ab/1", b"ab/c/1", b"x"]
PATHS = [*DIRECTORIES, *FILES]


def below(directory: bytes) -> set[bytes]:
    return {path for path in FILES if not directory or path.startswith(directory + b"/")} or {directory}


def chosen(ticks: Ticks) -> set[bytes]:
    """The files that the engine's walk would take."""
    choice = ticks.choice("disk0")
    found: set[bytes] = set()
    for one in choice.ticked:
        left_out = set().union(
            *(below(path) | {path} for path in choice.without if path.startswith(one.path))
        )
        found |= (below(one.path) | {one.path}) - left_out
    return found & set(FILES)


def test_ticks_are_what_a_set_of_files_would_be() -> None:
    rng = random.Random(5)
    for _ in range(300):
        ticks, model = Ticks(), set[bytes]()
        for _ in range(12):
            path = rng.choice(PATHS)
            whole = below(path) if path in DIRECTORIES else {path}
            if ticks.state(path) is Ticked.WHOLE:
                model -= whole
            else:
                model |= whole
            ticks.toggle(path, 1)
            for file in FILES:
                assert ticks.state(file) is (Ticked.WHOLE if file in model else Ticked.NOT)
            for directory in DIRECTORIES:
                if ticks.state(directory) is Ticked.NOT:
                    assert not below(directory) & model
            assert chosen(ticks) == model


def test_a_directory_is_in_part_when_one_below_differs() -> None:
    ticks = Ticks()
    ticks.toggle(b"a", 1)
    ticks.toggle(b"a/b/1", 2)
    assert [ticks.state(path) for path in (b"", b"a", b"a/b", b"a/b/1", b"ab")] == [
        Ticked.PART, Ticked.PART, Ticked.PART, Ticked.NOT, Ticked.NOT,
    ]  # fmt: skip
    choice = ticks.choice("disk0")
    assert [one.path for one in choice.ticked] == [b"a"]
    assert choice.without == (b"a/b/1",)
    ticks.toggle(b"a", 1)
    assert ticks.state(b"a/b/1") is Ticked.WHOLE
    ticks.toggle(b"a", 1)
    assert not ticks


def entry(kind: str = "file", mode: int = 0o644, uid: int | None = 0) -> FileEntry:
    return FileEntry(name=b"n\xff", id=1, kind=kind, mode=mode, uid=uid, gid=uid)


def test_what_a_row_says() -> None:
    assert mode_text(entry(mode=0o6755)) == "-rwsr-sr-x"
    assert mode_text(entry("directory", mode=0, uid=None)) == "d"
    assert name_cell(FileRow(b"d/n\xff", entry())).text == "n\\xff"
    assert name_cell(FileRow(b"d/n\xff", entry(), found=True)).text == "d/n\\xff"
    assert time_text(10**30) == "out of range"
    assert time_text(0) == "1970-01-01 00:00"


def test_previews() -> None:
    assert is_text("größer\n".encode())
    assert is_text("größer".encode()[:-1] + "ß".encode()[:1])
    assert not is_text(b"MZ\0\0")
    assert not is_text(bytes(range(128, 256)))
    assert text_lines(b"a\tb\r\nc") == "a    b\nc"
    assert hex_lines(b"0123456789abcdefX\x1b").splitlines() == [
        "00000000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef",
        "00000010  58 1b                                            X.",
    ]
