"""The loose ends of what this console knows, kept up to date row by row: the header counts them at every
change, in fleets of any size. What one is, `azure_ops.loose_ends` decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from azure_ops.loose_ends import LooseEnd, beside_rows, by_urgency, of_row, promises_of, protection_begun
from azure_ops.model import FleetItem, Leftovers

if TYPE_CHECKING:
    from .state import ConsoleState

ROWS_A_TICK = 500
"""Backups grow stale without any news: so many rows are judged anew at each tick, in turns."""


class LooseEndKeeper:
    def __init__(self, state: ConsoleState, now: Callable[[], datetime]) -> None:
        self._state = state
        self._now = now
        self._of_rows: dict[str, list[LooseEnd]] = {}
        self._beside: list[LooseEnd] | None = None
        self._promises: dict[str, int] = {}
        self._begun: dict[str, datetime] = {}
        self._due: list[str] = []

    @property
    def count(self) -> int:
        return sum(map(len, self._of_rows.values())) + len(self._others())

    def all(self) -> list[LooseEnd]:
        """The most urgent first."""
        of_rows = [end for ends in self._of_rows.values() for end in ends]
        return by_urgency([*of_rows, *self._others()])

    # what changes -------------------------------------------------------------------------------------------

    def rows_changed(self, changed: Iterable[FleetItem], removed: Iterable[str] = ()) -> None:
        now = self._now()
        for key in removed:
            self._of_rows.pop(key, None)
        for item in changed:
            self._judge(item, now)
        self._beside = None

    def all_rows(self, items: Mapping[str, FleetItem]) -> None:
        self._of_rows.clear()
        self.rows_changed(items.values())

    def work_changed(self) -> None:
        """Jobs or operations."""
        state = self._state
        begun = protection_begun(state.jobs.values(), state.operations.values())
        if begun != self._begun:
            before, self._begun = self._begun, begun
            keys = {key for key in (*begun, *before) if begun.get(key) != before.get(key)}
            self.rows_changed(item for key in keys if (item := state.items.get(key)))
        self._beside = None

    def leftovers_changed(self, leftovers: Leftovers) -> None:
        promises = promises_of(leftovers)
        if promises != self._promises:
            self._promises = promises
            self.all_rows(self._state.items)
        self._beside = None

    def tick(self) -> None:
        items, now = self._state.items, self._now()
        if not self._due:
            self._due = [key for key, item in items.items() if item.backup is not None]
        due, self._due = self._due[:ROWS_A_TICK], self._due[ROWS_A_TICK:]
        for key in due:
            if (item := items.get(key)) is not None:
                self._judge(item, now)
        self._beside = None

    # judging ------------------------------------------------------------------------------------------------

    def _judge(self, item: FleetItem, now: datetime) -> None:
        ends = of_row(item, self._promises, self._begun, now)
        if ends:
            self._of_rows[item.key] = ends
        else:
            self._of_rows.pop(item.key, None)

    def _others(self) -> list[LooseEnd]:
        if self._beside is None:
            state = self._state
            of_rows = [end for ends in self._of_rows.values() for end in ends]
            self._beside = beside_rows(
                state.items,
                state.jobs.values(),
                state.operations.values(),
                state.leftovers or Leftovers(),
                of_rows,
                self._now(),
            )
        return self._beside
