"""Whether this terminal can show the console, and what to do if not. Called by `cli.py` and `doctor.py`."""

from __future__ import annotations

import os
import sys

SMALLEST = (60, 16)
"""Columns and lines below which the console only says that the window is too small."""

_NO_SCREEN = {"", "dumb", "unknown", "vt100", "vt52"}


def why_unusable() -> str | None:
    """One line with the way out, or None. Textual draws on standard error: all three must be terminals."""
    for name, stream in (("input", sys.stdin), ("output", sys.stdout), ("error", sys.stderr)):
        if stream is None or not stream.isatty():
            return (
                f"standard {name} is not a terminal: the console needs one. Run it without pipes and "
                "redirections, over SSH with 'ssh -t', or use 'azrecover journal list' in scripts."
            )
    term = os.environ.get("TERM", "")
    if term in _NO_SCREEN:
        shown = f"TERM is {term!r}" if term else "TERM is not set"
        return f"{shown}, a terminal without a full screen. Set it to yours, such as TERM=xterm-256color."
    for name, stream in (("output", sys.stdout), ("error", sys.stderr)):
        encoding = (stream.encoding or "").lower().replace("-", "").replace("_", "")
        if encoding != "utf8":
            return (
                f"standard {name} is encoded as {stream.encoding or 'nothing known'}, not UTF-8. "
                "Start with LC_ALL=C.UTF-8 and without PYTHONIOENCODING."
            )
    return None


def prepare(colours: str) -> None:
    """What Textual reads from the environment at import. Values of the user win."""
    wanted = {"16": "standard", "256": "256", "true": "truecolor"}.get(colours, "")
    term = os.environ.get("TERM", "")
    many = "256color" in term or os.environ.get("COLORTERM", "") or "kitty" in term or "direct" in term
    if not wanted and many:
        wanted = "256"
    if wanted:
        os.environ.setdefault("TEXTUAL_COLOR_SYSTEM", wanted)
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    os.environ.setdefault("TEXTUAL_FPS", "120")  # how long a key waits for its frame; nothing ticks by itself
