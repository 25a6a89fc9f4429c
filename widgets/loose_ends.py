"""The table of loose ends: what is open, since when, what ends it, what it costs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from azure_ops.loose_ends import Kind, LooseEnd

from .ages import age, seconds_between
from .columns import Cell, Column, Tone, natural_key
from .keyed_table import KeyedTable

Now = Callable[[], datetime]
KeyOf = Callable[[LooseEnd], str]

_BAD = {
    Kind.OPERATION_UNKNOWN, Kind.FAILOVER_UNCOMMITTED, Kind.NOT_REPROTECTED, Kind.BACKUP_FAILED,
    Kind.NO_POINT, Kind.OPERATION_FAILED, Kind.JOB_FAILED,
}  # fmt: skip
_LEFT = {Kind.DISK_REPLACED, Kind.DISK_RESTORED, Kind.VM_RESTORED}


class LooseEndTable(KeyedTable[LooseEnd]):
    def __init__(self, now: Now, key_of: KeyOf, *, id: str | None = None) -> None:
        """`key_of` says what the user presses to end it."""
        self._places: dict[str, int] = {}
        super().__init__(
            loose_end_columns(now, key_of),
            key=lambda end: end.key,
            natural=lambda end: self._places.get(end.key, 0),
            search=lambda end: f"{end.kind} {end.name} {end.what} {end.vault} {end.costs}",
            empty="Nothing is left open",
            markable=False,
            id=id,
        )

    def show(self, ends: list[LooseEnd]) -> None:
        """In this order."""
        self._places = {end.key: place for place, end in enumerate(ends)}
        self.replace_rows(ends)


def loose_end_columns(now: Now, key_of: KeyOf) -> tuple[Column[LooseEnd], ...]:
    return (
        Column("kind", "OPEN", kind_cell, lambda end: end.kind, 24, 22, 26),
        Column("name", "NAME", lambda end: Cell(end.name), lambda end: natural_key(end.name), 12, 9, 30),
        Column("age", "AGE", lambda end: age_cell(end, now()), _since, 8, 8, right=True),
        Column("key", "KEY", lambda end: Cell(key_of(end) or "–", Tone.STRONG), None, 3),
        Column("what", "WHAT", lambda end: Cell(end.what), None, 56, 12, 110),
        Column("vault", "VAULT", lambda end: Cell(end.vault, Tone.DIM), None, 10, 8, 18, priority=2),
        Column("costs", "COSTS", lambda end: Cell(end.costs, Tone.DIM), None, 20, 14, 60, priority=3),
    )


def kind_cell(end: LooseEnd) -> Cell:
    if end.kind in _BAD:
        return Cell(f"✖ {end.kind}", Tone.BAD)
    return Cell(f"○ {end.kind}") if end.kind in _LEFT else Cell(f"▲ {end.kind}", Tone.WARN)


def age_cell(end: LooseEnd, now: datetime) -> Cell:
    """How long it is open; of what goes by itself, how long it stays."""
    if end.until is not None:
        left = (end.until - now).total_seconds()
        return Cell(f"{age(left)} left" if left > 0 else "expired", Tone.WARN)
    return Cell("?", Tone.DIM) if end.since is None else Cell(age(seconds_between(end.since, now)))


def _since(end: LooseEnd) -> float | None:
    return None if end.since is None else end.since.timestamp()
