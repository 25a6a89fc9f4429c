"""The console's own colours, dark and light. Any theme of Textual may be chosen in `config.toml` instead."""

from __future__ import annotations

from textual.theme import BUILTIN_THEMES, Theme

DARK = Theme(
    name="azrecover",
    primary="#4aa3df",
    secondary="#7f8ea3",
    accent="#5fb3e8",
    success="#6cc070",
    warning="#e2b03c",
    error="#ec6a5e",
    foreground="#d7dde5",
    background="#10151c",
    surface="#151c25",
    panel="#1d2733",
    dark=True,
)
LIGHT = Theme(
    name="azrecover-light",
    primary="#0f5fa8",
    secondary="#5a6675",
    accent="#0b66b5",
    success="#1d7a34",
    warning="#8a5a00",
    error="#b3261e",
    foreground="#1b2430",
    background="#f7f9fb",
    surface="#eef2f6",
    panel="#e1e7ee",
    dark=False,
)


def names() -> list[str]:
    """Of all themes that `config.toml` may name."""
    return sorted({DARK.name, LIGHT.name, *BUILTIN_THEMES})
