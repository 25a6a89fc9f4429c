"""What works once the session with Azure is open: watcher, focus, details and runner, put together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any

from .. import paths, wire
from ..cloud import CloudSettings
from ..journal.store import Entry, Journal
from ..model import Phase
from ..points import SECONDARY
from ..services.session import Session
from .console import Board, Console
from .details import DetailsReader
from .disk_access import DiskAccess
from .elsewhere import ElsewhereReader
from .history import History
from .leftovers import LeftoverReader
from .pace import Pace
from .runner import Runner
from .vaults import VaultReader
from .watch import Watcher
from .watch_focus import FocusReader

CLOSES_WITHIN_S = 5.0


class Services:
    def __init__(
        self,
        session: Session,
        board: Board,
        journal: Journal,
        *,
        hurry: float,
        wake: Callable[[], None],
        notify: Callable[[wire.Notice], None],
    ) -> None:
        settings: CloudSettings = session.settings
        self.session = session
        self._wake = wake
        self.notify = notify
        self._board = board
        board.service_now = session.service_now
        pace = Pace(session.budget, lambda: session.clock.rate, hurry=hurry)
        self._history = history = History(paths.history_path(settings))
        self.watcher = Watcher(session, board, wake, history)
        self.details = DetailsReader(session, self.watcher, history)
        self.leftovers = LeftoverReader(session, self.watcher, journal, board, wake)
        self.elsewhere = ElsewhereReader(session, self.watcher)
        self.vaults = VaultReader(session)
        self.focus = FocusReader(session, self.watcher, board, pace)
        self.runner = Runner(
            session,
            journal,
            self.watcher,
            board,
            pace,
            on_change=self._operations_changed,
            on_notice=notify,
            on_ended=self._operation_ended,
            times=history.restore_times,
            read_row=self.focus.read_now,
            read_only=settings.read_only,
        )
        self.access = DiskAccess(session, journal, board, wake=wake, notify=notify)

    def workers(self) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        """What has to run, by name; the engine starts and ends them."""
        return [
            ("watcher", self.watcher.run()),
            ("focus", self.focus.run()),
            ("leftovers", self.leftovers.run()),
            ("jobs elsewhere", self.elsewhere.run()),
            ("disk access", self.access.run()),
        ]

    def look(self, consoles: Iterable[Console]) -> None:
        """What is fetched fast is what these consoles show."""
        looking = [console for console in consoles if not console.paused and not console.stalled]
        self.watcher.look(looking=bool(looking))
        self.leftovers.look(looking=bool(looking))
        self.elsewhere.look(looking=bool(looking))
        self.focus.look(
            (key for console in looking for key in console.focus.keys),
            (job_id for console in looking for job_id in console.focus.job_ids),
            looking=bool(looking),
        )

    async def hand_over(self, by: str, keys: Mapping[str, str]) -> wire.HandoverWritten:
        from .handover_file import write_handover

        return await write_handover(self.session, self._board, self.watcher, self.leftovers, by=by, keys=keys)

    async def close(self) -> None:
        await self.access.close_all()
        await self.runner.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.session.close(), CLOSES_WITHIN_S)

    def _operations_changed(self) -> None:
        self.focus.operations_changed()
        self._wake()

    def _operation_ended(self, entry: Entry) -> None:
        self._remember_how_long(entry)
        self.details.forget(entry.target_key)
        self.vaults.forget(entry.target_id)
        self.elsewhere.forget(entry.target_id)
        if entry.phase is Phase.SUCCEEDED:
            self.focus.made(entry.target_key, entry.target_id)
            if entry.action == "delete-disk":
                self.leftovers.forget_disk(entry.target_id)
        self.leftovers.poke()
        self.watcher.poke()

    def _remember_how_long(self, entry: Entry) -> None:
        """Of what goes back to a point: a restore says which tier it reads, a failover reads none."""
        if entry.phase is not Phase.SUCCEEDED or entry.duration_s is None or entry.ended_at is None:
            return
        tier = entry.arguments.get("tier", "")
        if tier and entry.arguments.get("region"):
            tier = SECONDARY
        if tier or "point_id" in entry.arguments:
            self._history.restored(entry.id, entry.action, tier, entry.duration_s, entry.ended_at)
