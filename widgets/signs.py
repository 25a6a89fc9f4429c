"""How states look: always a glyph and a word, coloured by what they mean. Azure's words stay Azure's."""

from __future__ import annotations

from azure_ops.model import JobState, Phase, PowerState

from .columns import Cell, Tone

POWER = {
    PowerState.RUNNING: Cell("● running", Tone.GOOD),
    PowerState.STARTING: Cell("◐ starting", Tone.BUSY),
    PowerState.STOPPING: Cell("◐ stopping", Tone.BUSY),
    PowerState.STOPPED: Cell("○ stopped", Tone.WARN),
    PowerState.DEALLOCATING: Cell("◐ deallocating", Tone.BUSY),
    PowerState.DEALLOCATED: Cell("○ deallocated", Tone.DIM),
    PowerState.UNKNOWN: Cell("? unknown", Tone.DIM),
}
GONE = Cell("✖ deleted", Tone.BAD)

JOB = {
    JobState.WAITING: Cell("○ waiting", Tone.DIM),
    JobState.RUNNING: Cell("● running", Tone.BUSY),
    JobState.CANCELLING: Cell("◐ cancelling", Tone.WARN),
    JobState.SUSPENDED: Cell("▲ suspended", Tone.WARN),
    JobState.SUCCEEDED: Cell("✔ done", Tone.GOOD),
    JobState.WARNED: Cell("▲ warnings", Tone.WARN),
    JobState.SKIPPED: Cell("↷ skipped", Tone.DIM),
    JobState.FAILED: Cell("✖ failed", Tone.BAD),
    JobState.CANCELLED: Cell("■ cancelled", Tone.DIM),
    JobState.UNKNOWN: Cell("? unknown", Tone.DIM),
}

PHASE = {
    Phase.INTENDED: Cell("◐ sending", Tone.BUSY),
    Phase.SUBMITTED: Cell("● accepted", Tone.BUSY),
    Phase.RUNNING: Cell("● running", Tone.BUSY),
    Phase.SUCCEEDED: Cell("✔ done", Tone.GOOD),
    Phase.FAILED: Cell("✖ failed", Tone.BAD),
    Phase.CANCELLED: Cell("■ cancelled", Tone.DIM),
    Phase.UNKNOWN: Cell("? in doubt", Tone.WARN),
    Phase.NOT_SENT: Cell("✖ not done", Tone.WARN),
    Phase.GIVEN_UP: Cell("? given up", Tone.WARN),
}

_HEALTH = {
    "normal": ("✔", Tone.GOOD), "healthy": ("✔", Tone.GOOD), "passed": ("✔", Tone.GOOD),
    "warning": ("▲", Tone.WARN), "actionsuggested": ("▲", Tone.WARN), "actionrequired": ("✖", Tone.BAD),
    "critical": ("✖", Tone.BAD), "invalid": ("✖", Tone.BAD), "error": ("✖", Tone.BAD),
    "none": ("○", Tone.DIM),
}  # fmt: skip


def health(word: str) -> Cell:
    """Azure's health word, `Normal`, `Warning`, `Critical` …, with its sign."""
    sign, tone = _HEALTH.get(word.casefold(), ("?", Tone.DIM))
    return Cell(f"{sign} {word}", tone) if word else Cell("? unknown", Tone.DIM)
