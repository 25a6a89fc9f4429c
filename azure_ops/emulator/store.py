"""The world's state: typed records in memory, written through to SQLite in one transaction per request."""

from __future__ import annotations

import itertools
import random
import sqlite3
import uuid
from bisect import bisect_left, insort
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

SCHEMA = """
CREATE TABLE IF NOT EXISTS records (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL,
    body BLOB NOT NULL, UNIQUE (kind, id));
CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, name TEXT NOT NULL,
    payload BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS events_at ON events (at, seq);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS requests (seq INTEGER PRIMARY KEY, at REAL NOT NULL, method TEXT NOT NULL,
    path TEXT NOT NULL, status INTEGER NOT NULL, client_request_id TEXT NOT NULL);
"""
SAVE_RECORD = (
    "INSERT INTO records VALUES (?, ?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body"
)


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
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _microseconds(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


class Shelf:
    """The records of one kind: by id, and in two orders: as they were made, and by id for `under`."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.made: dict[str, int] = {}
        self._keys: list[str] = []
        self._new: list[str] = []
        self._gone = 0

    def put(self, key: str, record: Record, seq: int) -> None:
        if key not in self.records:
            self.made[key] = seq
            self._new.append(key)
        self.records[key] = record

    def remove(self, key: str) -> None:
        if self.records.pop(key, None) is not None:
            del self.made[key]
            self._gone += 1

    def under(self, prefix: str) -> list[Record]:
        keys = self._sorted_keys()
        start = bisect_left(keys, prefix)
        end = bisect_left(keys, prefix[:-1] + chr(ord("/") + 1), start)
        found = [key for key in keys[start:end] if key in self.records]
        found.sort(key=self.made.__getitem__)
        return [self.records[key] for key in found]

    def _sorted_keys(self) -> list[str]:
        """Kept lazily: a fleet is seeded in one go and sorted once, later records are put in their place."""
        if self._gone > len(self.records) or len(self._new) > 100:
            self._keys, self._gone = sorted(self.records), 0
        else:
            for key in self._new:
                at = bisect_left(self._keys, key)
                if at == len(self._keys) or self._keys[at] != key:
                    insort(self._keys, key)
        self._new = []
        return self._keys


class Store:
    """Single-threaded: handlers run on the server's loop and never await between reading and saving."""

    def __init__(self, path: Path | None, kinds: list[type[Record]], seed: int) -> None:
        """`path` None keeps the world in memory only. Raises `sqlite3.Error` for a file it cannot use and
        `msgspec.MsgspecError` for records of another version."""
        self._db = sqlite3.connect(str(path) if path else ":memory:", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(SCHEMA)
        self._kinds = {kind.__name__: kind for kind in kinds}
        self._shelves: dict[type[Record], Shelf] = {kind: Shelf() for kind in kinds}
        self._dirty: dict[tuple[type[Record], str], Record | None] = {}
        self._depth = 0
        self._random = random.Random(seed)
        self._random_used = False
        self._record_seq = itertools.count(self._last_seq("records") + 1)
        self._seq = itertools.count(self._last_seq("events") + 1)
        self._load()

    def _last_seq(self, table: str) -> int:
        return int(self._db.execute(f"SELECT max(seq) FROM {table}").fetchone()[0] or 0)  # noqa: S608

    def _load(self) -> None:
        for seq, kind, key, body in self._db.execute("SELECT seq, kind, id, body FROM records ORDER BY seq"):
            cls = self._kinds.get(kind)
            if cls is not None:
                self._shelves[cls].put(key, msgspec.json.decode(body, type=cls), seq)
        state = self.fact("random_state")
        if state:
            version, internal, gauss = msgspec.json.decode(state)
            self._random.setstate((version, tuple(internal), gauss))

    def close(self) -> None:
        self._db.close()

    def tidy(self) -> None:
        """Moves what was written into the main file; a big fleet leaves a log of its own size otherwise."""
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    # records ------------------------------------------------------------------------------------------

    def find(self, kind: type[R], record_id: str) -> R | None:
        return cast("R | None", self._shelves[kind].records.get(record_id.lower()))

    def all(self, kind: type[R], under: str = "") -> list[R]:
        """Records whose id starts with `under`, without regard to case, in the order they were made."""
        shelf = self._shelves[kind]
        if not under:
            return cast("list[R]", list(shelf.records.values()))
        return cast("list[R]", shelf.under(under.lower().rstrip("/") + "/"))

    def save(self, record: Record) -> None:
        """Adds the record or marks it changed; it reaches the disk when the transaction ends."""
        kind, key = type(record), record.id.lower()
        shelf = self._shelves[kind]
        shelf.put(key, record, 0 if key in shelf.made else next(self._record_seq))
        self._mark(kind, key, record)

    def delete(self, record: Record) -> None:
        kind, key = type(record), record.id.lower()
        self._shelves[kind].remove(key)
        self._mark(kind, key, None)

    def _mark(self, kind: type[Record], key: str, record: Record | None) -> None:
        self._dirty[kind, key] = record
        if not self._depth:
            with self.transaction():
                pass

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything done inside reaches the disk together, at the end of the outermost one.

        An exception does not undo: memory cannot be rolled back, so disk and memory are kept alike instead
        and handlers check everything before they change anything."""
        self._depth += 1
        if self._depth == 1:
            self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self._commit()

    def _commit(self) -> None:
        try:
            self._flush()
            self._db.execute("COMMIT")
        except sqlite3.Error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _flush(self) -> None:
        for (kind, key), record in self._dirty.items():
            if record is None:
                self._db.execute("DELETE FROM records WHERE kind = ? AND id = ?", (kind.__name__, key))
            else:
                made = self._shelves[kind].made[key]
                self._db.execute(SAVE_RECORD, (made, kind.__name__, key, msgspec.json.encode(record)))
        self._dirty.clear()
        if self._random_used:
            self.set_fact("random_state", msgspec.json.encode(self._random.getstate()).decode())
            self._random_used = False

    # events -------------------------------------------------------------------------------------------

    def schedule(self, at: datetime, name: str, payload: dict[str, Any]) -> int:
        seq = next(self._seq)
        self._db.execute(
            "INSERT INTO events VALUES (?, ?, ?, ?)",
            (seq, _microseconds(at), name, msgspec.json.encode(payload)),
        )
        return seq

    def unschedule(self, seq: int) -> None:
        self._db.execute("DELETE FROM events WHERE seq = ?", (seq,))

    def next_event_at(self) -> datetime | None:
        at = self._db.execute("SELECT min(at) FROM events").fetchone()[0]
        return None if at is None else EPOCH + timedelta(microseconds=at)

    def pop_due(self, now: datetime) -> Event | None:
        """Takes the earliest event out; call it in the transaction that also does what the event does."""
        row = self._db.execute(
            "SELECT seq, at, name, payload FROM events WHERE at <= ? ORDER BY at, seq LIMIT 1",
            (_microseconds(now),),
        ).fetchone()
        if row is None:
            return None
        seq, at, name, payload = row
        self.unschedule(seq)
        return Event(seq, EPOCH + timedelta(microseconds=at), name, msgspec.json.decode(payload))

    # facts, ids and the request log ---------------------------------------------------------------------

    def fact(self, name: str) -> str | None:
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_fact(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    @property
    def random(self) -> random.Random:
        """The world's own seeded random: two runs vary alike, and a restart goes on where it was."""
        self._random_used = True
        return self._random

    def new_guid(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def log_request(self, at: datetime, method: str, path: str, status: int, client_request_id: str) -> None:
        """Kept for mutating requests only: the count that says whether a client sent a thing twice."""
        self._db.execute(
            "INSERT INTO requests (at, method, path, status, client_request_id) VALUES (?, ?, ?, ?, ?)",
            (at.timestamp(), method, path, status, client_request_id),
        )

    def requests(self) -> list[dict[str, Any]]:
        columns = ("seq", "at", "method", "path", "status", "client_request_id")
        rows = self._db.execute(f"SELECT {', '.join(columns)} FROM requests ORDER BY seq")  # noqa: S608
        return [dict(zip(columns, row, strict=True)) for row in rows]
