"""Pens: attributes and colours of a cell in a canonical form, and the shortest way from one to another."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=4096)
def combine(pen: str, sgr: str) -> str:
    """The pen after one SGR sequence, in a canonical form: attributes, foreground, background."""
    attributes, foreground, background = _parts(pen)
    codes = (sgr or "0").split(";")
    at = 0
    while at < len(codes):
        code = int(codes[at] or "0")
        taken = 1
        if code == 0:
            attributes, foreground, background = frozenset(), "", ""
        elif code in (38, 48):
            taken = 5 if codes[at + 1 : at + 2] == ["2"] else 3
            color = ";".join(codes[at : at + taken])
            foreground, background = (color, background) if code == 38 else (foreground, color)
        elif 30 <= code <= 39 or 90 <= code <= 97:
            foreground = "" if code == 39 else codes[at]
        elif 40 <= code <= 49 or 100 <= code <= 107:
            background = "" if code == 49 else codes[at]
        elif code in _OFF:
            attributes -= _OFF[code]
        else:
            attributes |= {code}
        at += taken
    return ";".join([*map(str, sorted(attributes)), *filter(None, (foreground, background))])


_OFF = {
    22: {1, 2}, 23: {3}, 24: {4, 21}, 25: {5, 6}, 27: {7}, 28: {8}, 29: {9}, 54: {51, 52}, 55: {53},
}  # fmt: skip


@lru_cache(maxsize=4096)
def _parts(pen: str) -> tuple[frozenset[int], str, str]:
    attributes: set[int] = set()
    foreground = background = ""
    codes = pen.split(";") if pen else []
    at = 0
    while at < len(codes):
        code = int(codes[at])
        taken = 1
        if code in (38, 48):
            taken = 5 if codes[at + 1] == "2" else 3
        if code < 30 or 50 < code < 60:
            attributes.add(code)
        elif 30 <= code <= 38 or 90 <= code <= 97:
            foreground = ";".join(codes[at : at + taken])
        else:
            background = ";".join(codes[at : at + taken])
        at += taken
    return frozenset(attributes), foreground, background


@lru_cache(maxsize=4096)
def transition(old: str, new: str) -> str:
    """The shortest SGR that turns one pen into another."""
    if old == new:
        return ""
    if not new:
        return "\x1b[m"
    fresh = f"\x1b[0;{new}m" if old else f"\x1b[{new}m"
    had, had_foreground, had_background = _parts(old)
    attributes, foreground, background = _parts(new)
    if had - attributes:
        return fresh
    steps = [str(code) for code in sorted(attributes - had)]
    if foreground != had_foreground:
        steps.append(foreground or "39")
    if background != had_background:
        steps.append(background or "49")
    return min(f"\x1b[{';'.join(steps)}m", fresh, key=len)
