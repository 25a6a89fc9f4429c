"""The RPO of the last 24 hours as one line of blocks, from what the engine saw itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from .ages import age

SPAN_S = 24 * 3600
_BLOCKS = "▁▂▃▄▅▆▇█"
_NOTHING = "·"


def sparkline(history: Sequence[tuple[datetime, int]], now: datetime, width: int) -> str:
    """One character per slice of the day, the worst RPO of each; `·` where nothing was seen."""
    worst: list[int | None] = [None] * width
    for at, rpo_s in history:
        back_s = (now - at).total_seconds()
        if 0 <= back_s < SPAN_S:
            slot = width - 1 - int(back_s / SPAN_S * width)
            seen = worst[slot]
            worst[slot] = rpo_s if seen is None else max(seen, rpo_s)
    top = max((value for value in worst if value is not None), default=0)
    return "".join(
        _NOTHING if value is None else _BLOCKS[min(7, value * 8 // max(top, 1))] for value in worst
    )


def summary(history: Sequence[tuple[datetime, int]], now: datetime) -> str:
    """`worst 41m`, or that nothing was seen."""
    seen = [rpo_s for at, rpo_s in history if 0 <= (now - at).total_seconds() < SPAN_S]
    return f"worst {age(max(seen))}" if seen else "nothing seen yet"
