"""The world: store, clock and the events that happen on it. Knows no HTTP; handlers and fleets work on it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from .clock import Clock
from .store import Event, Store

EventHandler = Callable[["World", Event], None]
EVENT_HANDLERS: dict[str, EventHandler] = {}
"""Filled by handler modules at import with `@happens`."""


def happens(name: str) -> Callable[[EventHandler], EventHandler]:
    """Registers what is done when an event of that name falls due."""

    def register(handler: EventHandler) -> EventHandler:
        if name in EVENT_HANDLERS:
            raise ValueError(f"event {name} is handled twice")
        EVENT_HANDLERS[name] = handler
        return handler

    return register


class World:
    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.ca_file: Path | None = None
        """Of the authority that signed the server's certificate, for programs that are handed out."""
        self.on_schedule: Callable[[], None] = lambda: None
        """Called when an event was added, so that the server's sleeper looks at its alarm again."""
        self.failing_steps: list[dict[str, Any]] = []
        """Faults of the kind "operation fails at step n", put here by the fault table; see `failure_at`."""

    def happens_in(self, seconds: float, name: str, payload: dict[str, Any]) -> int:
        """Schedules an event `seconds` of world time ahead; it survives a restart."""
        return self.happens_at_offset(timedelta(seconds=seconds), name, payload)

    def happens_at_offset(self, offset: timedelta, name: str, payload: dict[str, Any]) -> int:
        seq = self.store.schedule(self.clock.now() + offset, name, payload)
        self.on_schedule()
        return seq

    def catch_up(self, until: datetime | None = None) -> int:
        """Runs every event that is due, in order, each at its own time. Called before each request and by
        the server's sleeper. An event and what it does reach the disk together; one that raises is used up
        all the same, so that a fault of the emulator does not stop the world."""
        until = until or self.clock.now()
        done = 0
        while (at := self.store.next_event_at()) is not None and at <= until:
            with self.store.transaction(), self.clock.standing_at(at):
                event = self.store.pop_due(at)
                if event is not None:
                    EVENT_HANDLERS[event.name](self, event)
            done += 1
        return done

    def failure_at(self, operation: str, target_id: str, step: int) -> tuple[str, str] | None:
        """The (code, message) with which this step must fail, if a fault asks for it; uses the fault up.

        `operation` is the job's own name (`TestFailover`, `Backup`), `step` counts from 1."""
        for fault in self.failing_steps:
            if (
                fault["operation"].lower() == operation.lower()
                and fault["step"] == step
                and fault["target"].lower() in target_id.lower()
                and fault["count"] > 0
            ):
                fault["count"] -= 1
                return fault["code"], fault["message"]
        return None
