"""The fleet: one row a VM, its backup and its replication joined."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from azure_ops.failback import synchronises
from azure_ops.model import Backup, FleetItem, Replication

from . import signs
from .ages import age, seconds_between
from .columns import Cell, Column, Tone, natural_key
from .keyed_table import KeyedTable

LATE_BACKUP_S = 26 * 3600
"""A daily backup is late after so long; what the policy asks for is not in the fleet's facts."""
LATE_RPO_S = 30 * 60
BAD_RPO_S = 2 * 3600

Now = Callable[[], datetime]
Unread = Callable[[], frozenset[str]]
UNREAD = Cell("… unread", Tone.DIM)


class VmTable(KeyedTable[FleetItem]):
    def __init__(self, now: Now, *, id: str | None = None, classes: str | None = None) -> None:
        self._unread: frozenset[str] = frozenset()
        self._fell_back: frozenset[str] = frozenset()
        super().__init__(
            vm_columns(now, lambda: self._unread, lambda: self._fell_back),
            key=lambda item: item.key,
            natural=lambda item: (natural_key(item.name), item.key),
            search=search_text,
            empty="No virtual machines yet",
            id=id,
            classes=classes,
        )

    def say_unread(self, sources: frozenset[str]) -> None:
        """Sources that have not answered yet: a VM without a backup item is not unprotected for that."""
        if sources != self._unread:
            self._unread = sources
            self.tick()

    def say_fell_back(self, keys: frozenset[str]) -> None:
        """Rows whose newest backup is known to have made do with a crash-consistent snapshot."""
        if keys != self._fell_back:
            self._fell_back = keys
            self.tick()


def vm_columns(
    now: Now, unread: Unread = frozenset, fell_back: Unread = frozenset
) -> tuple[Column[FleetItem], ...]:
    """`now` is the service's clock, `unread` names the sources that have not answered yet, `fell_back` the
    rows whose newest backup is crash-consistent only."""

    def backup(item: FleetItem) -> Cell:
        if item.backup is None and "backup" in unread():
            return UNREAD
        return backup_cell(item, now(), fell_back=item.key in fell_back())

    def replication(item: FleetItem) -> Cell:
        return UNREAD if _replication_unread(item) else replication_cell(item)

    def rpo(item: FleetItem) -> Cell:
        return UNREAD if _replication_unread(item) else rpo_cell(item, now())

    def _replication_unread(item: FleetItem) -> bool:
        return item.replication is None and "replication" in unread()

    return (
        Column("name", "NAME", name_cell, lambda item: natural_key(item.name), 18, 10, 28),
        Column("state", "STATE", state_cell, lambda item: state_cell(item).text, 14, 9),
        Column("backup", "LAST BACKUP", backup, _backup_at, 14, 11, 17),
        Column("replication", "REPL", replication, _replication_rank, 13, 10, 16),
        Column("rpo", "RPO", rpo, _rpo_since, 7, 6, right=True),
        Column("region", "REGION", lambda item: Cell(item.location, Tone.DIM), None, 12, 8, 18, priority=2),
        Column("vault", "VAULT", lambda item: Cell(vault_name(item), Tone.DIM), None, 10, 8, 18, priority=3),
        Column(
            "group", "GROUP", lambda item: Cell(item.resource_group, Tone.DIM), None, 14, 8, 22, priority=4
        ),
        Column("size", "SIZE", lambda item: Cell(item.size, Tone.DIM), None, 16, 10, 20, priority=5),
    )


def search_text(item: FleetItem) -> str:
    backup, replication = item.backup, item.replication
    words = [
        item.name,
        item.resource_group,
        item.location,
        item.subscription_id,
        vault_name(item),
        item.os_type,
    ]
    words += [state_cell(item).text, replication_cell(item).text]
    words += ["unprotected"] * (backup is None) + ["unreplicated"] * (replication is None)
    if backup is not None:
        words += [backup.protection_state, backup.health, backup.last_status, backup.policy_name]
        words += ["soft-deleted"] * backup.soft_deleted + ["stopped"] * backup.stopped
    if replication is not None:
        words += [replication.protection_state, replication.replication_health, replication.recovery_region]
    return " ".join(words)


def vault_name(item: FleetItem) -> str:
    names = [part.vault_name for part in (item.backup, item.replication) if part is not None]
    return " ".join(dict.fromkeys(names))


def name_cell(item: FleetItem) -> Cell:
    return Cell(item.name, Tone.STRONG if item.exists else Tone.DIM)


def state_cell(item: FleetItem) -> Cell:
    if item.vm_unread:
        return UNREAD
    return signs.POWER[item.power_state] if item.exists else signs.GONE


def backup_cell(item: FleetItem, now: datetime, *, fell_back: bool = False) -> Cell:
    """`fell_back`: why the newest backup warned is known, and that was it."""
    backup = item.backup
    if backup is None:
        return Cell("none ✖", Tone.BAD)
    if backup.soft_deleted:
        left = seconds_between(now, backup.purged_at) if backup.purged_at else None
        return Cell(f"✖ deleted {age(left)}" if left is not None else "✖ deleted", Tone.BAD)
    since = seconds_between(backup.last_point_at or backup.last_backup_at, now)
    if backup.stopped:
        return Cell(f"{age(since)} ■ stopped", Tone.WARN)
    if since is None:
        return Cell("◐ first due" if backup.protection_state == "IRPending" else "none ✖", Tone.WARN)
    if backup.last_status == "Failed":
        return Cell(f"{age(since)} ✖ failed", Tone.BAD)
    if since > LATE_BACKUP_S:
        return Cell(f"{age(since)} ▲ late", Tone.WARN)
    if backup.last_status == "CompletedWithWarnings":
        return Cell(f"{age(since)} ▲ {'crash' if fell_back else 'warn'}", Tone.WARN)
    return Cell(f"{age(since)} ✔", Tone.GOOD)


def replication_cell(item: FleetItem) -> Cell:
    replication = item.replication
    if replication is None:
        return Cell("–", Tone.DIM)
    return replication_state(replication)


def replication_state(replication: Replication) -> Cell:
    """What has to be known first: something left open, something running, else Azure's health."""
    if replication.allows("TestFailoverCleanup"):
        return Cell("▲ test open", Tone.WARN)
    if replication.allows("Commit"):
        return Cell("▲ uncommitted", Tone.WARN)
    if replication.current_scenario:
        return Cell(f"◐ {replication.current_scenario}", Tone.BUSY)
    if synchronises(replication):
        return Cell("◐ re-protect", Tone.BUSY)
    if replication.protection_state.startswith("InitialReplication"):
        return Cell("◐ first copy", Tone.BUSY)
    if replication.active_location == "Recovery":
        return Cell("▲ failed over", Tone.WARN)
    return signs.health(replication.replication_health)


def true_rpo_s(replication: Replication, now: datetime) -> float | None:
    """What would be lost now: Azure's figure plus the age of that figure."""
    if replication.rpo_s is None:
        return None
    return replication.rpo_s + (seconds_between(replication.rpo_calculated_at, now) or 0.0)


def rpo_tone(rpo_s: float) -> Tone:
    return Tone.BAD if rpo_s > BAD_RPO_S else Tone.WARN if rpo_s > LATE_RPO_S else Tone.PLAIN


def rpo_cell(item: FleetItem, now: datetime) -> Cell:
    if item.replication is None:
        return Cell("–", Tone.DIM)
    rpo = true_rpo_s(item.replication, now)
    return Cell("?", Tone.DIM) if rpo is None else Cell(age(rpo), rpo_tone(rpo))


_RANKS = {"critical": 0, "warning": 1, "normal": 3}


def _replication_rank(item: FleetItem) -> int | None:
    """Worst first."""
    if item.replication is None:
        return None
    if replication_cell(item).text.startswith(("▲ test", "▲ un", "▲ failed")):
        return 2
    return _RANKS.get(item.replication.replication_health.casefold(), 4)


def _backup_at(item: FleetItem) -> float | None:
    backup: Backup | None = item.backup
    at = None if backup is None else backup.last_point_at or backup.last_backup_at
    return None if at is None else at.timestamp()


def _rpo_since(item: FleetItem) -> float | None:
    """Sorts by true RPO at any moment: the moment up to which data is safe."""
    replication = item.replication
    if replication is None or replication.rpo_s is None or replication.rpo_calculated_at is None:
        return None
    return replication.rpo_s - replication.rpo_calculated_at.timestamp()
