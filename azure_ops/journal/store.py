"""The journal: what was intended, sent and became of it, in SQLite, on the disk before anything is sent.

Only the engine writes (`engine/runner.py`); `reader.py` and `cli.py` read.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ..errors import StateUnusable
from ..model import ErrorNote, Fact, Output, Phase, Plan, Risk

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE operations (
    id TEXT PRIMARY KEY,
    created_at TEXT NOT NULL,
    action TEXT NOT NULL,
    target_key TEXT NOT NULL,
    phase TEXT NOT NULL,
    request_id TEXT NOT NULL UNIQUE,
    duration_s REAL,
    entry TEXT NOT NULL
) STRICT;
CREATE INDEX operations_by_phase ON operations (phase);
CREATE TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    operation_id TEXT NOT NULL REFERENCES operations (id),
    at TEXT NOT NULL,
    phase TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_operation ON events (operation_id);
CREATE TRIGGER events_stay_as_written BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_are_kept BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
"""
ENDED = tuple(phase.value for phase in Phase if phase.ended)

Value = TypeVar("Value")


class Entry(Fact, frozen=True, kw_only=True):
    """One operation as it is kept. Holds no secret: `resume` is a poll URL or the SDK's token without
    credentials."""

    id: str
    plan_id: str
    action: str
    title: str
    target_key: str
    target_name: str
    target_id: str = ""
    phase: Phase = Phase.INTENDED
    request_id: str
    """Sent as `x-ms-client-request-id`; the service repeats it in the job."""
    arguments: dict[str, str] = msgspec.field(default_factory=dict)
    """What the one request is made of, besides the target."""
    answers: dict[str, str] = msgspec.field(default_factory=dict)
    """Of the form, without secrets: what trying again begins with."""
    outputs: tuple[Output, ...] = ()
    plan: Plan
    confirmed_by: str
    created_at: datetime
    service_created_at: datetime
    """The service's clock at the intent: jobs are looked for from then on."""
    submitted_at: datetime | None = None
    ended_at: datetime | None = None
    resume: str = ""
    job_id: str = ""
    message: str = ""
    error: ErrorNote | None = None
    duration_s: float | None = None
    """In the service's time."""


Timing = tuple[str, str, str]
TELLING = "tier", "region"
"""Arguments without which times of one action cannot be compared: a restore takes one minute from a snapshot
and an hour in another region."""


def timing_of(entry: Entry) -> Timing:
    tier, region = (entry.arguments.get(name, "") for name in TELLING)
    return entry.action, tier, region


class Event(Fact, frozen=True, kw_only=True):
    operation_id: str
    at: datetime
    phase: Phase
    text: str = ""


class Journal:
    """`problem` says why it cannot be used; everything but looking is refused then, and nothing in it is
    touched."""

    def __init__(
        self, path: Path, database: sqlite3.Connection | None, problem: StateUnusable | None = None
    ) -> None:
        self.path = path
        self.problem = problem
        self._database = database

    @classmethod
    def open(cls, path: Path) -> Journal:
        try:
            return cls(path, _open_checked(path))
        except StateUnusable as problem:
            return cls(path, None, problem)
        except (sqlite3.Error, OSError) as problem:
            return cls(path, None, _unusable(path, str(problem)))

    def close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def intend(self, entries: Sequence[Entry]) -> None:
        """All of them or none, on the disk when this returns. Raises StateUnusable: then nothing may be
        sent."""

        def write(database: sqlite3.Connection) -> None:
            for entry in entries:
                database.execute(
                    "INSERT INTO operations VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        entry.id,
                        entry.created_at.isoformat(),
                        entry.action,
                        entry.target_key,
                        entry.phase.value,
                        entry.request_id,
                        entry.duration_s,
                        msgspec.json.encode(entry).decode(),
                    ),
                )
                _append(database, entry, f"confirmed by {entry.confirmed_by}{_ceremony(entry)}")

        self._write(write)

    def change(self, entry: Entry, text: str) -> None:
        """Keep the entry as it is now, with an event that says why. Raises StateUnusable."""

        def write(database: sqlite3.Connection) -> None:
            database.execute(
                "UPDATE operations SET phase = ?, duration_s = ?, entry = ? WHERE id = ?",
                (entry.phase.value, entry.duration_s, msgspec.json.encode(entry).decode(), entry.id),
            )
            _append(database, entry, text)

        self._write(write)

    def note(self, entry: Entry, text: str) -> None:
        """An event that changes nothing. Raises StateUnusable."""
        self._write(lambda database: _append(database, entry, text))

    def notes(self, entry: Entry, texts: Sequence[str]) -> None:
        """Several of them at once. Raises StateUnusable."""

        def write(database: sqlite3.Connection) -> None:
            for text in texts:
                _append(database, entry, text)

        self._write(write)

    def unfinished(self) -> list[Entry]:
        marks = ", ".join("?" * len(ENDED))
        return self._entries(f"WHERE phase NOT IN ({marks}) ORDER BY created_at", ENDED)

    def recent(self, limit: int) -> list[Entry]:
        """Newest first."""
        return self._entries("ORDER BY created_at DESC LIMIT ?", (limit,))

    def ended_of(self, actions: Sequence[str]) -> list[Entry]:
        """Every one that there ever was of these actions and that has ended."""
        marks, ended = ", ".join("?" * len(actions)), ", ".join("?" * len(ENDED))
        condition = f"WHERE action IN ({marks}) AND phase IN ({ended}) ORDER BY created_at"
        return self._entries(condition, (*actions, *ENDED))

    def durations_s(self, timing: Timing, limit: int = 25) -> list[float]:
        """Of the newest operations of this kind that succeeded, in the service's time."""
        action, *arguments = timing
        alike = " ".join(
            f"AND coalesce(json_extract(entry, '$.arguments.{name}'), '') = ?" for name in TELLING
        )
        rows = self._read(
            f"SELECT duration_s FROM operations WHERE action = ? {alike} AND phase = ? "  # noqa: S608
            "AND duration_s IS NOT NULL ORDER BY created_at DESC LIMIT ?",
            (action, *arguments, Phase.SUCCEEDED.value, limit),
        )
        return [float(seconds) for (seconds,) in rows]

    def events(self, operation_id: str) -> list[Event]:
        rows = self._read(
            "SELECT operation_id, at, phase, text FROM events WHERE operation_id = ? ORDER BY number",
            (operation_id,),
        )
        return [event_of_row(row) for row in rows]

    def require(self) -> sqlite3.Connection:
        """Raises StateUnusable when the journal cannot be relied on."""
        if self.problem is not None:
            raise self.problem
        if self._database is None:
            raise StateUnusable("The journal is closed.", "Start azrecover again.")
        return self._database

    def _write(self, write: Callable[[sqlite3.Connection], None]) -> None:
        database = self.require()
        try:
            with database:
                database.execute("BEGIN IMMEDIATE")
                write(database)
        except (sqlite3.Error, OSError) as problem:
            raise StateUnusable(
                f"The journal {self.path} cannot be written: {problem}.",
                "Nothing is started without it. Make room or make it writable, then try again.",
                resource=str(self.path),
            ) from problem

    def _read(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        try:
            return self.require().execute(query, values).fetchall()
        except sqlite3.Error as problem:
            raise _unusable(self.path, str(problem)) from problem

    def _entries(self, condition: str, values: Sequence[Any] = ()) -> list[Entry]:
        rows = self._read(f"SELECT entry FROM operations {condition}", values)  # noqa: S608
        try:
            return [msgspec.json.decode(text, type=Entry) for (text,) in rows]
        except msgspec.MsgspecError as problem:
            raise _unusable(self.path, str(problem)) from problem


def _ceremony(entry: Entry) -> str:
    """What the plan asked for, and got, before it was confirmed."""
    typed = f", who typed {entry.plan.confirm_name!r}" if entry.plan.confirm_name else ""
    lost = " and understood what is lost" if entry.plan.risk >= Risk.DESTROYS else ""
    return f"{typed}{lost}"


def _append(database: sqlite3.Connection, entry: Entry, text: str) -> None:
    database.execute(
        "INSERT INTO events (operation_id, at, phase, text) VALUES (?, ?, ?, ?)",
        (entry.id, datetime.now(UTC).isoformat(), entry.phase.value, text),
    )


def event_of_row(row: tuple[str, str, str, str]) -> Event:
    operation_id, at, phase, text = row
    return Event(operation_id=operation_id, at=datetime.fromisoformat(at), phase=Phase(phase), text=text)


def _open_checked(path: Path) -> sqlite3.Connection:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.close(fd)
    database = sqlite3.connect(path, timeout=5.0, isolation_level=None)
    try:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise StateUnusable(
                f"The journal {path} was written by a newer azrecover (format {version}).",
                "Use that version, or move the file away to begin a new one; looking works meanwhile.",
                resource=str(path),
            )
        if version == 0 and database.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise _unusable(path, "it is the database of something else")
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise _unusable(path, str(verdict))
        if version == 0:
            database.executescript(f"BEGIN;{SCHEMA}PRAGMA user_version = {SCHEMA_VERSION};COMMIT;")
        for (text,) in database.execute("SELECT entry FROM operations"):
            msgspec.json.decode(text, type=Entry)
    except msgspec.MsgspecError as problem:
        database.close()
        raise _unusable(path, str(problem)) from problem
    except BaseException:
        database.close()
        raise
    return database


def _unusable(path: Path, why: str) -> StateUnusable:
    return StateUnusable(
        f"The journal {path} is damaged or unreadable ({why[:200]}).",
        "Looking works; nothing is started. Move the file away and run `azrecover engine stop`: the next "
        "start begins a new one. Keep the old one; `sqlite3 FILE .recover` may read it.",
        resource=str(path),
    )
