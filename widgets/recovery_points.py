"""One timeline of a VM: the points to which it can go back, newest first, of all three sources, and between
them the gaps where its policy's schedule promised points that are not there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from azure_ops import points as meaning
from azure_ops.model import Details, Disk, Gap, PointSource, RecoveryPoint, RestoreTime, SourceState

from .ages import age, moment, seconds_between, zone_name
from .columns import Cell, Column, Tone
from .keyed_table import KeyedTable
from .vm_table import Now

Row = RecoveryPoint | Gap
Disks = Callable[[], Sequence[Disk]]
Times = Callable[[], Sequence[RestoreTime]]

_CONSISTENCY = {
    meaning.APP: Cell("✔ app-consistent", Tone.GOOD),
    meaning.FILE_SYSTEM: Cell("● file-system", Tone.PLAIN),
    meaning.CRASH: Cell("○ crash", Tone.DIM),
}
_FELL_BACK = Cell("▲ crash", Tone.WARN)
_THREATS = {
    "warning": ("▲ alert (warning) on the VM then", Tone.WARN),
    "unhealthy": ("✖ alert on the VM then", Tone.BAD),
}


class PointTable(KeyedTable[Row]):
    def __init__(self, now: Now, *, id: str | None = None, classes: str | None = None) -> None:
        self._disks: Sequence[Disk] = ()
        self._times: Sequence[RestoreTime] = ()
        super().__init__(
            point_columns(now, lambda: self._disks, lambda: self._times),
            key=lambda row: row.id,
            natural=lambda row: (-row.taken_at.timestamp(), row.id),
            empty="No recovery points",
            markable=False,
            id=id,
            classes=classes,
        )

    def show(self, details: Details | None, *, same_vm: bool = True) -> None:
        """Another VM's points begin at the top."""
        if not same_vm:
            self._steered = False
        disks = details.item.disks if details else ()
        times = details.restore_times if details else ()
        anew = (disks, times) != (self._disks, self._times)
        self._disks, self._times = disks, times
        self.replace_rows((*details.points, *details.gaps) if details else ())
        if anew:
            self.tick()


def when_empty(sources: Iterable[SourceState]) -> str:
    """That there are no points is known only when every source of them was read."""
    unread = [source.name for source in sources if source.error is not None]
    return f"Not read: {', '.join(unread)}; the lower edge says why" if unread else "No recovery points"


def point_columns(now: Now, disks: Disks = tuple, times: Times = tuple) -> tuple[Column[Row], ...]:
    """`disks` are the VM's now, `times` how long restores took here."""
    return (
        Column("when", f"WHEN ({zone_name()})", lambda row: Cell(moment(row.taken_at)), _taken_at, 16),
        Column("age", "AGE", lambda row: _age(row, now), _taken_at, 7, right=True, priority=3),
        Column("consistency", "CONSISTENCY", consistency_cell, None, 16, 14),
        Column("where", "WHERE", where_cell, None, 14, 8, 18),
        Column("back", "BACK IN", lambda row: back_cell(row, times()), None, 7, right=True, priority=2),
        Column("note", "NOTE", lambda row: note_cell(row, now, disks()), None, 14, 8, 70, priority=1),
    )


def _taken_at(row: Row) -> float:
    return row.taken_at.timestamp()


def _age(row: Row, now: Now) -> Cell:
    return Cell(age(seconds_between(row.taken_at, now())), Tone.DIM)


def consistency_cell(row: Row) -> Cell:
    if isinstance(row, Gap):
        return Cell(f"▲ {row.missing} missing", Tone.WARN)
    if row.fell_back:
        return _FELL_BACK
    known = _CONSISTENCY.get(meaning.consistency_of(row.consistency))
    return known or Cell(f"? {row.consistency or 'not said'}", Tone.DIM)


def where_cell(row: Row) -> Cell:
    if isinstance(row, Gap):
        return Cell("- - - -", Tone.WARN)
    if row.source is PointSource.REPLICATION:
        return Cell("ASR")
    if row.source is PointSource.SNAPSHOT:
        return Cell("disk snapshot")
    there = "+".join(meaning.TIERS.get(tier, tier) for tier in meaning.tiers_of(row))
    if row.secondary:
        return Cell(f"{there or 'backup'} {row.region}")
    return Cell(there) if there else Cell("backup", Tone.DIM)


def back_cell(row: Row, times: Sequence[RestoreTime]) -> Cell:
    """What our own history says, nothing where there is none."""
    if isinstance(row, Gap) or row.source is PointSource.SNAPSHOT:
        return Cell("")
    if row.source is PointSource.REPLICATION:
        known = meaning.usual_s(times, "failover", "") or meaning.usual_s(times, "test-failover", "")
    else:
        known = meaning.quickest(times, meaning.timed_by(row))
    return Cell(f"~{age(known.median_s)}", Tone.DIM) if known else Cell("")


def note_cell(row: Row, now: Now, disks: Sequence[Disk] = ()) -> Cell:
    if isinstance(row, Gap):
        due = moment(row.since) if row.missing == 1 else f"{moment(row.since)} to {moment(row.taken_at)}"
        return Cell(f"due by the schedule {due}, not there", Tone.WARN)
    found: list[tuple[str, Tone]] = []
    if threat := _THREATS.get(row.threat.casefold()):
        found.append(threat)
    if lacking := _lacking(row, disks):
        found.append((f"▲ {lacking}", Tone.WARN))
    if row.fell_back:
        found.append((f"▲ {row.fell_back}", Tone.WARN))
    if row.soft_deleted:
        found.append(("✖ soft-deleted", Tone.BAD))
    words = ("immutable" if row.immutable else "", "encrypted" if row.encrypted else "", row.rule, row.note)
    found += [(word, Tone.DIM) for word in words if word]
    if row.expires_at is not None:
        left = (row.expires_at - now()).total_seconds()
        sooner = ", sooner unless copied to the vault" if meaning.snapshot_only(row) else ""
        found.append(("✖ expired", Tone.BAD) if left <= 0 else (f"expires in {age(left)}{sooner}", Tone.DIM))
    tones = [tone for _, tone in found]
    worst = next((tone for tone in (Tone.BAD, Tone.WARN) if tone in tones), Tone.DIM)
    return Cell(", ".join(text for text, _ in found), worst)


def _lacking(point: RecoveryPoint, disks: Sequence[Disk]) -> str:
    """Against the disks that the VM has now, else as the point itself counts them."""
    if point.source is PointSource.SNAPSHOT:
        return ""
    if missing := meaning.missing_disks(point, disks):
        return f"without {', '.join(disk.name for disk in missing)}"
    included, attached = point.disks_included, point.disks_attached
    if included is not None and attached is not None and included < attached:
        return f"{included} of {attached} disks"
    return ""
