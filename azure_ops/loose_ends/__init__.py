"""What somebody has begun and nobody has ended, what it costs, and which action ends it. Pure.

The console's header counts these, the loose-ends screen lists them and the handover writes them down: one
list for all three.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from ..model import FleetItem, Job, Leftovers, Operation
from .kinds import NO_PRICE, Kind, LooseEnd
from .restored import of_disks, of_machines
from .rows import Turns, of_row, promises_of, turns_of
from .work import of_connections, of_jobs, of_operations

__all__ = [
    "NO_PRICE", "Kind", "LooseEnd", "Turns", "beside_rows", "by_urgency", "loose_ends", "of_row",
    "promises_of", "turns_of",
]  # fmt: skip
_ORDER = {kind: number for number, kind in enumerate(Kind)}


def loose_ends(
    items: Iterable[FleetItem],
    jobs: Iterable[Job],
    operations: Iterable[Operation],
    leftovers: Leftovers,
    now: datetime,
) -> list[LooseEnd]:
    """All there are, the most urgent first. `now` is the service's clock."""
    fleet = {item.key: item for item in items}
    known_jobs, known_operations = list(jobs), list(operations)
    promises, turns = promises_of(leftovers), turns_of(known_jobs, known_operations)
    of_rows = [end for item in fleet.values() for end in of_row(item, promises, turns, now)]
    return by_urgency([*of_rows, *beside_rows(fleet, known_jobs, known_operations, leftovers, of_rows, now)])


def beside_rows(
    fleet: Mapping[str, FleetItem],
    jobs: Collection[Job],
    operations: Collection[Operation],
    leftovers: Leftovers,
    of_rows: Collection[LooseEnd],
    now: datetime,
) -> list[LooseEnd]:
    """Those of operations, jobs, disks and machines. What a row says already is not said again."""
    said: set[str] = set()
    for end in of_rows:
        if isinstance(end.target, FleetItem):
            said |= {end.target.key, end.target.name.lower()}
    failed = {
        end.target.key
        for end in of_rows
        if end.kind is Kind.BACKUP_FAILED and isinstance(end.target, FleetItem)
    }
    untold = [one for one in operations if one.action != "backup-now" or one.target_key not in failed]
    return [
        *of_operations(untold, now),
        *of_connections(operations, now),
        *of_jobs(jobs, operations, said, now),
        *of_disks(fleet, jobs, leftovers),
        *of_machines(fleet, leftovers),
    ]


def by_urgency(ends: Iterable[LooseEnd]) -> list[LooseEnd]:
    """The oldest first within a kind; what has no age comes last there."""

    def order(end: LooseEnd) -> tuple[int, bool, float, str]:
        return _ORDER[end.kind], end.since is None, end.since.timestamp() if end.since else 0.0, end.key

    return sorted(ends, key=order)
