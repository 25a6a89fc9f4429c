"""What we saw ourselves, in SQLite: each replicated VM's recovery point objective in the last 24 hours, and
how long our restores took, by kind and by the tier that they came from.

A convenience, not a record: an unusable file is put aside and begun anew. Only the engine writes.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from ..model import FleetItem, RestoreTime

KEPT = timedelta(hours=24)
RESTORES_COUNTED = 25
"""Of each kind and tier, the newest."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS restores (
    operation TEXT PRIMARY KEY, at REAL, action TEXT, tier TEXT, seconds REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rpo (key TEXT, at REAL, seconds INTEGER, PRIMARY KEY (key, at)) WITHOUT ROWID;
"""


class History:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._told: dict[str, float] = {}
        self._database = self._open()
        self._purged_at = 0.0

    def _open(self) -> sqlite3.Connection:
        try:
            return _connect(str(self._path))
        except sqlite3.DatabaseError:
            with contextlib.suppress(OSError):
                self._path.rename(self._path.with_suffix(".damaged"))
        try:
            return _connect(str(self._path))
        except sqlite3.DatabaseError:
            return _connect(":memory:")

    def saw(self, items: Iterable[FleetItem]) -> None:
        """Keep each figure once: Azure calculates it every few minutes, we look more often."""
        fresh: list[tuple[str, float, int]] = []
        for item in items:
            replication = item.replication
            if replication is None or replication.rpo_s is None or replication.rpo_calculated_at is None:
                continue
            at = replication.rpo_calculated_at.timestamp()
            if self._told.get(item.key) != at:
                self._told[item.key] = at
                fresh.append((item.key, at, replication.rpo_s))
        if not fresh:
            return
        newest = max(at for _, at, _ in fresh)
        with contextlib.suppress(sqlite3.DatabaseError), self._database:
            self._database.executemany("INSERT OR REPLACE INTO rpo VALUES (?, ?, ?)", fresh)
            if newest - self._purged_at > 3600:
                self._purged_at = newest
                self._database.execute("DELETE FROM rpo WHERE at < ?", (newest - KEPT.total_seconds(),))

    def rpo(self, key: str, now: datetime) -> tuple[tuple[datetime, int], ...]:
        """(service time, seconds), oldest first."""
        since = (now - KEPT).timestamp()
        try:
            rows = self._database.execute(
                "SELECT at, seconds FROM rpo WHERE key = ? AND at >= ? ORDER BY at", (key, since)
            ).fetchall()
        except sqlite3.DatabaseError:
            return ()
        return tuple((datetime.fromtimestamp(at, UTC), seconds) for at, seconds in rows)

    def restored(self, operation: str, action: str, tier: str, seconds: float, at: datetime) -> None:
        """A restore or failover of ours that succeeded; `tier` is empty for what reads none."""
        row = (operation, at.timestamp(), action, tier, seconds)
        with contextlib.suppress(sqlite3.DatabaseError), self._database:
            self._database.execute("INSERT OR REPLACE INTO restores VALUES (?, ?, ?, ?, ?)", row)

    def restore_times(self) -> tuple[RestoreTime, ...]:
        try:
            rows = self._database.execute("SELECT action, tier, seconds FROM restores ORDER BY at DESC")
            found: dict[tuple[str, str], list[float]] = {}
            for action, tier, seconds in rows:
                of_kind = found.setdefault((action, tier), [])
                if len(of_kind) < RESTORES_COUNTED:
                    of_kind.append(seconds)
        except sqlite3.DatabaseError:
            return ()
        return tuple(
            RestoreTime(action=action, tier=tier, median_s=median(seconds), runs=len(seconds))
            for (action, tier), seconds in sorted(found.items())
        )

    def close(self) -> None:
        self._database.close()


def _connect(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=1.0)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=OFF")
        database.executescript(SCHEMA)
    except sqlite3.DatabaseError:
        database.close()
        raise
    return database
