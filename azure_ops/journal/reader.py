"""Reading a journal beside the engine that writes it, or a damaged one: nothing in the file is changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from ..errors import StateUnusable
from .store import Entry, Event, event_of_row


class Reader:
    """Reads a journal without changing it, as far as it can be read: damaged rows are told and passed
    over."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged: list[str] = []

    def entries(self) -> list[Entry]:
        """Oldest first. Raises StateUnusable when nothing at all can be read."""
        found = [self._entry(text) for (text,) in self._rows("SELECT entry FROM operations ORDER BY rowid")]
        return sorted((entry for entry in found if entry is not None), key=lambda entry: entry.created_at)

    def events(self) -> list[Event]:
        rows = self._rows("SELECT operation_id, at, phase, text FROM events ORDER BY number")
        events: list[Event] = []
        for row in rows:
            try:
                events.append(event_of_row(row))
            except (ValueError, TypeError) as problem:
                self.damaged.append(f"event: {problem}")
        return events

    def _entry(self, text: str) -> Entry | None:
        try:
            return msgspec.json.decode(text, type=Entry)
        except (msgspec.MsgspecError, TypeError) as problem:
            self.damaged.append(f"operation: {problem}")
            return None

    def _rows(self, query: str) -> list[Any]:
        """Every row up to the first damaged page."""
        rows: list[Any] = []
        try:
            database = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=5.0)
        except sqlite3.Error as problem:
            raise self._unreadable(problem) from problem
        try:
            rows.extend(database.execute(query))
        except sqlite3.OperationalError as problem:
            raise self._unreadable(problem) from problem
        except sqlite3.DatabaseError as problem:
            self.damaged.append(str(problem))
            if not rows:
                raise self._unreadable(problem) from problem
        finally:
            database.close()
        return rows

    def _unreadable(self, problem: Exception) -> StateUnusable:
        return StateUnusable(
            f"The journal {self.path} cannot be read: {problem}.",
            "Keep the file: `sqlite3 FILE .recover` may still get something out of it.",
            resource=str(self.path),
        )


def without_resume(entries: Iterable[Entry]) -> list[Entry]:
    """For eyes and files: poll URLs carry signatures, and nobody needs them there."""
    return [msgspec.structs.replace(entry, resume="(kept)" if entry.resume else "") for entry in entries]
