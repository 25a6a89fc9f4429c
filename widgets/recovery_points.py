"""The points to which the VM under the cursor can go back, newest first, of all three sources."""

from __future__ import annotations

from collections.abc import Iterable

from azure_ops.model import PointSource, RecoveryPoint, SourceState

from .ages import age, moment, seconds_between, zone_name
from .columns import Cell, Column, Tone
from .keyed_table import KeyedTable
from .vm_table import Now

_CONSISTENCY = {
    "appconsistent": Cell("✔ app-consistent", Tone.GOOD),
    "applicationconsistent": Cell("✔ app-consistent", Tone.GOOD),
    "filesystemconsistent": Cell("● file-system", Tone.PLAIN),
    "crashconsistent": Cell("○ crash", Tone.DIM),
}
_TIERS = {"InstantRP": "snapshot", "HardenedRP": "vault", "ArchivedRP": "archive"}


class PointTable(KeyedTable[RecoveryPoint]):
    def __init__(self, now: Now, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(
            point_columns(now),
            key=lambda point: point.id,
            natural=lambda point: (-point.taken_at.timestamp(), point.id),
            empty="No recovery points",
            markable=False,
            id=id,
            classes=classes,
        )

    def show(self, points: tuple[RecoveryPoint, ...], *, same_vm: bool = True) -> None:
        """Another VM's points begin at the top."""
        if not same_vm:
            self._steered = False
        self.replace_rows(points)


def when_empty(sources: Iterable[SourceState]) -> str:
    """That there are no points is known only when every source of them was read."""
    unread = [source.name for source in sources if source.error is not None]
    return f"Not read: {', '.join(unread)}; the lower edge says why" if unread else "No recovery points"


def point_columns(now: Now) -> tuple[Column[RecoveryPoint], ...]:
    return (
        Column("when", f"WHEN ({zone_name()})", lambda point: Cell(moment(point.taken_at)), _taken_at, 16),
        Column("age", "AGE", lambda point: _age(point, now), _taken_at, 7, right=True, priority=3),
        Column("consistency", "CONSISTENCY", consistency_cell, None, 16, 14),
        Column("where", "WHERE", where_cell, None, 14, 8, 18),
        Column("note", "NOTE", lambda point: note_cell(point, now), None, 16, 8, 60, priority=1),
    )


def _taken_at(point: RecoveryPoint) -> float:
    return point.taken_at.timestamp()


def _age(point: RecoveryPoint, now: Now) -> Cell:
    return Cell(age(seconds_between(point.taken_at, now())), Tone.DIM)


def consistency_cell(point: RecoveryPoint) -> Cell:
    known = _CONSISTENCY.get(point.consistency.replace("-", "").casefold())
    return known or Cell(f"? {point.consistency or 'not said'}", Tone.DIM)


def where_cell(point: RecoveryPoint) -> Cell:
    if point.source is PointSource.REPLICATION:
        return Cell("ASR")
    if point.source is PointSource.SNAPSHOT:
        return Cell("disk snapshot")
    there = [
        _TIERS.get(tier.name, tier.name) for tier in point.tiers if tier.status in ("Valid", "Rehydrated")
    ]
    return Cell("+".join(there)) if there else Cell("backup", Tone.DIM)


def note_cell(point: RecoveryPoint, now: Now) -> Cell:
    notes: list[str] = []
    tone = Tone.DIM
    included, attached = point.disks_included, point.disks_attached
    if included is not None and attached is not None and included < attached:
        notes.append(f"▲ {included} of {attached} disks")
        tone = Tone.WARN
    if point.note:
        notes.append(point.note)
    if point.expires_at is not None:
        left = (point.expires_at - now()).total_seconds()
        notes.append("✖ expired" if left <= 0 else f"expires in {age(left)}")
    return Cell(", ".join(notes), tone)
