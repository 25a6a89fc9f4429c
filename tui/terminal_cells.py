"""The screen as cells: takes in what Textual writes, gives out only what the terminal does not show yet.

Pure: no terminal, no Textual. `driver.py` owns one `CellScreen`. Only sequences that Textual is known to
write are understood; everything else that begins with a control character is dropped.
"""

from __future__ import annotations

import re
from operator import and_, eq

from rich.cells import split_graphemes

from .terminal_pens import combine, transition

_TOKEN = re.compile(
    r"(?P<text>[^\x00-\x1f\x7f-\x9f]+)"
    r"|\x1b\[(?P<sgr>[0-9;]*)m"
    r"|\x1b\[(?P<row>[0-9]+);(?P<column>[0-9]+)H"
    r"|(?P<newline>\n)"
    r"|\x1b\[\?2026(?P<sync>[hl])"
    r"|(?P<control>\x1b\[\?[0-9]+(?:\$p|[hl])|\x1b\[>[0-9]+u|\x1b\[<u|\x07|\x1b\]52;c;[A-Za-z0-9+/=]*\x07)"
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|."
    , re.DOTALL,
)  # fmt: skip
_SURE = re.compile("[\x20-\x7e\xa1-\xac\xae-\u02ff\u0370-\u0482\u2500-\u25fc\u2800-\u28ff]*").fullmatch
"""Characters of which every terminal agrees that they are one cell wide."""
_UNKNOWN = "\x00"
"""In a shown cell: nobody knows what the terminal shows there."""
_SHORT_GAP = 4
"""So many unchanged cells are cheaper to write again than to step over."""

_SCROLLED_LINES = 4
"""Fewer lines that have moved are written again."""
_SCROLLS = (1, -1, 2, -2, 3, -3, 4, -4, 5, -5)


class CellScreen:
    def __init__(self, width: int, height: int) -> None:
        self.sync = False
        """The terminal understands synchronized output."""
        self.width, self.height = width, height
        self._chars = [[" "] * width for _ in range(height)]
        self._styles = [[""] * width for _ in range(height)]
        self._shown_chars = [[_UNKNOWN] * width for _ in range(height)]
        self._shown_styles = [[""] * width for _ in range(height)]
        self._dirty = set(range(height))
        self._x = self._y = 0
        self._pen = ""
        self._cursor = (0, 0)

    # in -----------------------------------------------------------------------------------------------------

    def feed(self, data: str) -> str:
        """Takes in a piece of Textual's output; comes back with the modes to be sent as they are."""
        controls = ""
        for token in _TOKEN.finditer(data):
            kind = token.lastgroup
            if kind == "text":
                self._put(token["text"])
            elif kind == "sgr":
                self._pen = combine(self._pen, token["sgr"])
            elif kind == "column":
                self._y, self._x = int(token["row"]) - 1, int(token["column"]) - 1
            elif kind == "newline":
                self._x, self._y = 0, self._y + 1
            elif kind == "control":
                controls += token["control"]
            elif kind == "sync":
                self.sync = True
        return controls

    def _put(self, text: str) -> None:
        cells = list(text) if _SURE(text) else self._cells(text)
        x, y = self._x, self._y
        self._x += len(cells)
        room = self.width - x
        if not 0 <= y < self.height or room <= 0 or not cells:
            return
        if len(cells) > room:
            if cells[room] == "":
                cells[room - 1] = " "
            del cells[room:]
        chars, styles = self._chars[y], self._styles[y]
        end = x + len(cells)
        if chars[x] == "" and x:
            chars[x - 1] = " "
        if end < self.width and chars[end] == "":
            chars[end] = " "
        chars[x:end] = cells
        styles[x:end] = [self._pen] * len(cells)
        self._dirty.add(y)

    def _cells(self, text: str) -> list[str]:
        """One string per cell; the second cell of a wide character is empty."""
        cells: list[str] = []
        for start, end, size in split_graphemes(text)[0]:
            if size:
                cells.append(text[start:end])
                cells.extend([""] * (size - 1))
            elif cells:
                cells[-1] += text[start:end]
        return cells

    def resize(self, width: int, height: int) -> None:
        if (width, height) == (self.width, self.height):
            return
        for rows, blank in ((self._chars, " "), (self._styles, "")):
            rows[height:] = []
            for row in rows:
                row[width:] = []
                row.extend([blank] * (width - len(row)))
            rows.extend([blank] * width for _ in range(height - len(rows)))
        for row in self._chars:
            _heal(row)
        self.width, self.height = width, height
        self.forget()

    def forget(self) -> None:
        """Nothing is known any more about what the terminal shows: all of it will be sent."""
        self._shown_chars = [[_UNKNOWN] * self.width for _ in range(self.height)]
        self._shown_styles = [[""] * self.width for _ in range(self.height)]
        self._dirty = set(range(self.height))
        self._cursor = (0, 0)

    def cleared(self) -> None:
        """The terminal was cleared to its default colours."""
        self.forget()
        self._shown_chars = [[" "] * self.width for _ in range(self.height)]

    # out ----------------------------------------------------------------------------------------------------

    def changes(self) -> str:
        """What brings the terminal up to date, or nothing. Taken as shown from now on."""
        out: list[str] = []
        pen = ""
        scrolled = self._scroll(out)
        for y in sorted(self._dirty):
            chars, styles = self._chars[y], self._styles[y]
            shown_chars, shown_styles = self._shown_chars[y], self._shown_styles[y]
            if chars != shown_chars or styles != shown_styles:
                changed = [
                    x
                    for x, (a, b, c, d) in enumerate(
                        zip(chars, shown_chars, styles, shown_styles, strict=True)
                    )
                    if a != b or c != d
                ]
                pen = self._write_row(out, y, changed, pen)
                self._shown_chars[y] = chars.copy()
                self._shown_styles[y] = styles.copy()
        self._dirty.clear()
        out.append(transition(pen, ""))
        cursor = (self._x, self._y)
        if cursor != (0, 0) and (cursor != self._cursor or any(out)):
            out.append(f"\x1b[{self._y + 1};{self._x + 1}H")
        self._cursor = cursor
        text = "".join(out)
        if self.sync and (scrolled or len(text) > 256):
            return f"\x1b[?2026h{text}\x1b[?2026l"
        return text

    def _scroll(self, out: list[str]) -> bool:
        """Lets the terminal move lines by itself, where a list has moved over the whole width."""
        changed = [y for y in sorted(self._dirty) if self._differs(y, y)]
        if len(changed) < _SCROLLED_LINES:
            return False
        best: tuple[int, int, int, int] | None = None
        for by in _SCROLLS:
            same = [y for y in changed if 0 <= y + by < self.height and not self._differs(y, y + by)]
            if len(same) < _SCROLLED_LINES:
                continue
            top, bottom = (same[0], same[-1] + by) if by > 0 else (same[0] + by, same[-1])
            spoilt = sum(not self._differs(y, y) for y in range(top, bottom + 1))
            gain = len(same) - spoilt
            if gain >= _SCROLLED_LINES and (best is None or gain > best[0]):
                best = (gain, by, top, bottom)
        if best is None:
            return False
        _, by, top, bottom = best
        lines = range(top, bottom + 1)
        moved = [y + by if top <= y + by <= bottom else None for y in lines]
        if sum(map(self._cells_to_write, lines, moved)) * 2 > sum(map(self._cells_to_write, lines, lines)):
            return False
        line, order = (bottom, "\n") if by > 0 else (top, "\x1bM")
        out.append(f"\x1b[{top + 1};{bottom + 1}r\x1b[{line + 1}H{order * abs(by)}\x1b[r")
        for rows, blank in ((self._shown_chars, " "), (self._shown_styles, "")):
            fresh = [[blank] * self.width for _ in range(abs(by))]
            kept = rows[top : bottom + 1]
            rows[top : bottom + 1] = kept[by:] + fresh if by > 0 else fresh + kept[:by]
        self._dirty.update(range(top, bottom + 1))
        return True

    def _differs(self, y: int, shown_y: int) -> bool:
        """Whether a wanted line reads differently than a shown one."""
        return self._chars[y] != self._shown_chars[shown_y] or self._styles[y] != self._shown_styles[shown_y]

    def _cells_to_write(self, y: int, shown_y: int | None) -> int:
        """How much is to be written on a line if the terminal showed another line, or blanks, there."""
        if shown_y is None:
            return self.width
        if not self._differs(y, shown_y):
            return 0
        same = map(eq, self._chars[y], self._shown_chars[shown_y])
        alike = map(eq, self._styles[y], self._shown_styles[shown_y])
        return self.width - int(sum(map(and_, same, alike)))

    def _write_row(self, out: list[str], y: int, changed: list[int], pen: str) -> str:
        """Appends what changes one row; comes back with the pen as it was left."""
        chars, styles = self._chars[y], self._styles[y]
        at: int | None = None
        blank_from = self._blank_tail(y)
        for start, end in _spans(changed, chars, styles):
            erase = end == self.width and blank_from < end - _SHORT_GAP
            stop = max(start, blank_from) if erase else end
            if at != start:
                out.append(_move(y, at, start))
            at = x = start
            while x < stop:
                if at is None:
                    out.append(f"\x1b[{x + 1}G")
                out.append(transition(pen, styles[x]))
                pen = styles[x]
                last = x + 1
                while last < stop and styles[last] == pen:
                    last += 1
                text = "".join(chars[x:last])
                if _SURE(text):
                    out.append(text)
                    at = last
                else:
                    at = self._write_unsure(out, x, last, chars)
                x = last
            if erase:
                if at is None:
                    out.append(f"\x1b[{x + 1}G")
                out.append(transition(pen, "") + "\x1b[K")
                pen = ""
            if at == self.width:
                at = None
        return pen

    @staticmethod
    def _write_unsure(out: list[str], x: int, last: int, chars: list[str]) -> int | None:
        """Writes cells on whose width terminals differ, stepping to the right column after each of them.
        Comes back with the column after the last cell, None when the terminal may think otherwise."""
        sure = True
        for column in range(x, last):
            char = chars[column]
            if char == "":
                continue
            if not sure:
                out.append(f"\x1b[{column + 1}G")
            out.append(char)
            sure = _SURE(char) is not None
        return last if sure else None

    def _blank_tail(self, y: int) -> int:
        """Where the row's end of blanks in default colours begins."""
        chars, styles = self._chars[y], self._styles[y]
        x = self.width
        while x and chars[x - 1] == " " and styles[x - 1] == "":
            x -= 1
        return x


def _heal(row: list[str]) -> None:
    """A wide character cut by the right edge becomes a blank."""
    if row and row[-1] not in ("", " ") and split_graphemes(row[-1])[1] == 2:
        row[-1] = " "


def _move(y: int, at: int | None, x: int) -> str:
    if at is None:
        return f"\x1b[{y + 1};{x + 1}H" if x else f"\x1b[{y + 1}H"
    by = f"\x1b[{x - at}C" if x - at > 1 else "\x1b[C"
    to = f"\x1b[{x + 1}G"
    return by if x > at and len(by) < len(to) else to


def _spans(changed: list[int], chars: list[str], styles: list[str]) -> list[tuple[int, int]]:
    """Stretches of a row to write: changed cells, whole characters, short gaps of one style between them."""
    spans: list[tuple[int, int]] = []
    for x in changed:
        start = x
        while start and chars[start] == "":
            start -= 1
        end = x + 1
        while end < len(chars) and chars[end] == "":
            end += 1
        if spans:
            begin, before = spans[-1]
            gap = start - before
            if gap <= 0 or (gap <= _SHORT_GAP and len(set(styles[before - 1 : start])) == 1):
                spans[-1] = (begin, max(end, before))
                continue
        spans.append((start, end))
    return spans
