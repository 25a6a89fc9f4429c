"""The loose ends of what this console knows, kept up to date row by row: the header counts them at every
change, in fleets of any size. What one is, `azure_ops.loose_ends` decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from azure_ops.model import FleetItem, Leftovers

if TYPE_CHECKING:
    from azure_ops.loose_ends import LooseEnd, Turns

    from .state import ConsoleState

ROWS_AT_ONCE = 1000
"""More are judged in turns, tick by tick: all at once would be felt at the next key. Backups grow stale
without any news, so the turns never end."""
OTHERS_EVERY = 10
"""Ticks after which what is no row is judged anew without any news."""


class LooseEndKeeper:
    def __init__(self, state: ConsoleState, now: Callable[[], datetime]) -> None:
        self._state = state
        self._now = now
        self._of_rows: dict[str, list[LooseEnd]] = {}
        self._beside: list[LooseEnd] | None = None
        self._promises: dict[str, int] = {}
        self._turns: dict[str, Turns] = {}
        self._due: list[str] = []
        self._unjudged = False
        self._ticks = 0
        self._awake = False

    def wake(self) -> None:
        """Nothing is judged before the first frame is out: it would be felt there."""
        self._awake = True
        self.all_rows(self._state.items)
        self.work_changed()
        if self._state.leftovers is not None:
            self.leftovers_changed(self._state.leftovers)

    @property
    def count(self) -> int:
        return sum(map(len, self._of_rows.values())) + len(self._others())

    def all(self) -> list[LooseEnd]:
        """The most urgent first."""
        from azure_ops.loose_ends import by_urgency

        if self._unjudged:
            self._take_turn(len(self._due))
        of_rows = [end for ends in self._of_rows.values() for end in ends]
        return by_urgency([*of_rows, *self._others()])

    # what changes -------------------------------------------------------------------------------------------

    def rows_changed(self, changed: Iterable[FleetItem], removed: Iterable[str] = ()) -> None:
        if self._awake:
            for key in removed:
                self._of_rows.pop(key, None)
            self._judge(changed)
            self._beside = None

    def all_rows(self, items: Mapping[str, FleetItem]) -> None:
        if self._awake:
            self._of_rows = {key: ends for key, ends in self._of_rows.items() if key in items}
            self._due, self._unjudged = list(items), True
            self._take_turn(ROWS_AT_ONCE)

    def work_changed(self) -> None:
        """Jobs or operations."""
        if not self._awake:
            return
        from azure_ops.loose_ends import turns_of

        state = self._state
        turns = turns_of(state.jobs.values(), state.operations.values())
        if turns != self._turns:
            before, self._turns = self._turns, turns
            keys = {key for key in (*turns, *before) if turns.get(key) != before.get(key)}
            self.rows_changed(item for key in keys if (item := state.items.get(key)))
        self._beside = None

    def leftovers_changed(self, leftovers: Leftovers) -> None:
        if not self._awake:
            return
        from azure_ops.loose_ends import promises_of

        promises = promises_of(leftovers)
        if promises != self._promises:
            self._promises = promises
            self.all_rows(self._state.items)
        self._beside = None

    def tick(self) -> None:
        if not self._awake:
            return
        self._ticks += 1
        if not self._due:
            self._due = [key for key, item in self._state.items.items() if item.backup is not None]
        self._take_turn(ROWS_AT_ONCE)
        if self._ticks % OTHERS_EVERY == 0:
            self._beside = None

    # judging ------------------------------------------------------------------------------------------------

    def _take_turn(self, most: int) -> None:
        due, self._due = self._due[:most], self._due[most:]
        self._unjudged = self._unjudged and bool(self._due)
        items = self._state.items
        self._judge(item for key in due if (item := items.get(key)) is not None)

    def _judge(self, items: Iterable[FleetItem]) -> None:
        from azure_ops.loose_ends import of_row

        now, changed = self._now(), False
        for item in items:
            ends = of_row(item, self._promises, self._turns, now)
            changed = changed or ends != self._of_rows.get(item.key, [])
            if ends:
                self._of_rows[item.key] = ends
            else:
                self._of_rows.pop(item.key, None)
        if changed:
            self._beside = None

    def _others(self) -> list[LooseEnd]:
        if not self._awake:
            return []
        if self._beside is None:
            from azure_ops.loose_ends import beside_rows

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
