"""Two versions of a file as text: what was taken away, what was added. Bounded, whatever they hold."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Literal

import msgspec

from .screens.file_preview import is_text

MOST_BYTES = 512 * 1024
"""Of each file; larger ones are told apart by their hashes."""
MOST_LINES = 2_000
"""That differ, of each file: the search for what they share takes the square of it."""
MOST_SHOWN = 4_000
LONGEST_LINE = 500
AROUND = 3
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class DiffLine(msgspec.Struct, frozen=True):
    kind: Literal["+", "-", " ", "@"]
    text: str


class TextDiff(msgspec.Struct, frozen=True):
    lines: tuple[DiffLine, ...] = ()
    why_not: str = ""
    """They differ, but are not shown as text."""
    same: bool = False
    added: int = 0
    taken: int = 0
    more: int = 0
    """Lines that are not among those shown."""


def compared(old: bytes, new: bytes) -> TextDiff:
    if old == new:
        return TextDiff(same=True)
    if max(len(old), len(new)) > MOST_BYTES:
        return TextDiff(why_not=f"More than {MOST_BYTES // 1024} KB are not compared as text.")
    before, after = text_of_file(old), text_of_file(new)
    if before is None or after is None:
        which = (
            "Both are" if before is after else "The older one is" if before is None else "The newer one is"
        )
        return TextDiff(why_not=f"{which} binary: not compared as text.")
    if before == after:
        return TextDiff(why_not="The text is the same, only its encoding is not.")
    return _of_lines(before.split("\n"), after.split("\n"))


def text_of_file(data: bytes) -> str | None:
    """None when it is no text. What is no UTF-8 in it is shown by its bytes."""
    if data.startswith(UTF_16):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError:
            return None
    return data.decode("utf-8", "backslashreplace") if is_text(data) else None


def _of_lines(old: Sequence[str], new: Sequence[str]) -> TextDiff:
    """What is the same before the first and after the last difference costs nothing."""
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    taken, added = len(old) - head - tail, len(new) - head - tail
    if max(taken, added) > MOST_LINES:
        why = f"{taken:,} lines were replaced by {added:,}: over {MOST_LINES:,} are not compared one by one."
        return TextDiff(why_not=why)
    first, after = max(0, head - AROUND), max(0, tail - AROUND)
    parts = (old[first : len(old) - after], new[first : len(new) - after])
    lines: list[DiffLine] = []
    added = taken = 0
    for group in difflib.SequenceMatcher(None, *parts).get_grouped_opcodes(AROUND):
        at = [group[0][1] + first, group[-1][2] + first, group[0][3] + first, group[-1][4] + first]
        head_line = f"-{at[0] + 1},{at[1] - at[0]} +{at[2] + 1},{at[3] - at[2]}"
        lines.append(DiffLine("@", head_line))
        for tag, old_at, old_end, new_at, new_end in group:
            if tag == "equal":
                lines += [DiffLine(" ", _cut(line)) for line in parts[0][old_at:old_end]]
                continue
            lines += [DiffLine("-", _cut(line)) for line in parts[0][old_at:old_end]]
            lines += [DiffLine("+", _cut(line)) for line in parts[1][new_at:new_end]]
            taken += old_end - old_at
            added += new_end - new_at
    more = max(0, len(lines) - MOST_SHOWN)
    return TextDiff(tuple(lines[:MOST_SHOWN]), added=added, taken=taken, more=more)


def _cut(line: str) -> str:
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]} … {len(line) - LONGEST_LINE:,} more"
