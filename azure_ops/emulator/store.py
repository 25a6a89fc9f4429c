"""The world's state: typed records in memory, written through to SQLite in one transaction per request."""

from __future__ import annotations

import itertools
import random
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

SCHEMA = """
CREATE TABLE IF NOT EXISTS records (kind TEXT NOT NULL, id TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, at REAL NOT NULL, name TEXT NOT NULL,
    payload BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS events_at ON events (at, seq);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS requests (seq INTEGER PRIMARY KEY, at REAL NOT NULL, method TEXT NOT NULL,
    path TEXT NOT NULL, status INTEGER NOT NULL, client_request_id TEXT NOT NULL);
"""


class Record(msgspec.Struct, kw_only=True):
    """One thing of the world: facts only; handlers render them to wire documents. `id` keeps its casing,
    the store finds it without regard to case."""

    id: str

    @property
    def name(self) -> str:
        return self.id.rsplit("/", 1)[-1]


class Event(msgspec.Struct, frozen=True):
    """Something that happens when the world's clock reaches `at`."""

    seq: int
    at: datetime
    name: str
    payload: dict[str, Any]


R = TypeVar("R", bound=Record)


class Store:
    """Single-threaded: handlers run on the server's loop and never await between reading and saving."""

    def __init__(self, path: Path | None, kinds: list[type[Record]], seed: int) -> None:
        """`path` None keeps the world in memory only. Raises `sqlite3.Error` for a file it cannot use."""
        self._db = sqlite3.connect(str(path) if path else ":memory:", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(SCHEMA)
        self._kinds = {kind.__name__: kind for kind in kinds}
        self._records: dict[type[Record], dict[str, Any]] = {kind: {} for kind in kinds}
        self._dirty: dict[tuple[type[Record], str], Record | None] = {}
        self._depth = 0
        self._seq = itertools.count(1)
        self.random = random.Random(seed)
        self._load()

    def _load(self) -> None:
        for kind, key, body in self._db.execute("SELECT kind, id, body FROM records"):
            cls = self._kinds.get(kind)
            if cls is not None:
                self._records[cls][key] = msgspec.json.decode(body, type=cls)
        self._seq = itertools.count((self._db.execute("SELECT max(seq) FROM events").fetchone()[0] or 0) + 1)
        state = self.fact("random_state")
        if state:
            version, internal, gauss = msgspec.json.decode(state)
            self.random.setstate((version, tuple(internal), gauss))

    def close(self) -> None:
        self._db.close()

    # records ------------------------------------------------------------------------------------------

    def find(self, kind: type[R], record_id: str) -> R | None:
        return self._records[kind].get(record_id.lower())

    def all(self, kind: type[R], under: str = "") -> list[R]:
        """Records whose id starts with `under`, without regard to case, in the order they were made."""
        records = self._records[kind]
        if not under:
            return list(records.values())
        prefix = under.lower().rstrip("/") + "/"
        return [record for key, record in records.items() if key.startswith(prefix)]

    def save(self, record: Record) -> None:
        """Adds the record or marks it changed; it reaches the disk when the transaction ends."""
        key = record.id.lower()
        self._records[type(record)][key] = record
        self._dirty[type(record), key] = record
        if not self._depth:
            self._flush()

    def delete(self, record: Record) -> None:
        key = record.id.lower()
        self._records[type(record)].pop(key, None)
        self._dirty[type(record), key] = None
        if not self._depth:
            self._flush()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._depth += 1
        if self._depth == 1:
            self._db.execute("BEGIN")
        try:
            yield
            if self._depth == 1:
                self._flush()
        finally:
            # Records already changed in memory stay: a handler checks before it changes, never after.
            self._depth -= 1
            if not self._depth:
                self._db.execute("COMMIT")

    def _flush(self) -> None:
        for (kind, key), record in self._dirty.items():
            if record is None:
                self._db.execute("DELETE FROM records WHERE kind = ? AND id = ?", (kind.__name__, key))
            else:
                self._db.execute(
                    "INSERT OR REPLACE INTO records VALUES (?, ?, ?)",
                    (kind.__name__, key, msgspec.json.encode(record)),
                )
        self._dirty.clear()

    # events -------------------------------------------------------------------------------------------

    def schedule(self, at: datetime, name: str, payload: dict[str, Any]) -> int:
        seq = next(self._seq)
        self._db.execute(
            "INSERT INTO events VALUES (?, ?, ?, ?)", (seq, at.timestamp(), name, msgspec.json.encode(payload))
        )
        return seq

    def unschedule(self, seq: int) -> None:
        self._db.execute("DELETE FROM events WHERE seq = ?", (seq,))

    def next_event_at(self) -> datetime | None:
        at = self._db.execute("SELECT min(at) FROM events").fetchone()[0]
        return None if at is None else datetime.fromtimestamp(at, UTC)

    def pop_due(self, now: datetime) -> Event | None:
        row = self._db.execute(
            "SELECT seq, at, name, payload FROM events WHERE at <= ? ORDER BY at, seq LIMIT 1", (now.timestamp(),)
        ).fetchone()
        if row is None:
            return None
        seq, at, name, payload = row
        self.unschedule(seq)
        return Event(seq, datetime.fromtimestamp(at, UTC), name, msgspec.json.decode(payload))

    # facts, ids and the request log ---------------------------------------------------------------------

    def fact(self, name: str) -> str | None:
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_fact(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def new_guid(self) -> str:
        """From the world's own seeded random, so that two runs name their jobs alike."""
        guid = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
        self.set_fact("random_state", msgspec.json.encode(self.random.getstate()).decode())
        return guid

    def log_request(
        self, at: datetime, method: str, path: str, status: int, client_request_id: str
    ) -> None:
        """Kept for mutating requests only: the count that says whether a client sent a thing twice."""
        self._db.execute(
            "INSERT INTO requests (at, method, path, status, client_request_id) VALUES (?, ?, ?, ?, ?)",
            (at.timestamp(), method, path, status, client_request_id),
        )

    def requests(self) -> list[dict[str, Any]]:
        columns = ("seq", "at", "method", "path", "status", "client_request_id")
        rows = self._db.execute(f"SELECT {', '.join(columns)} FROM requests ORDER BY seq")  # noqa: S608
        return [dict(zip(columns, row, strict=True)) for row in rows]
