"""Leave to read disks, from its beginning to its end: each an entry of the journal, written before Azure is
asked, kept open only as long as somebody reads, and ended by the next engine when this one was killed.

The address is in this process's memory alone.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from .. import wire
from ..actions.spec import Step
from ..disk_sources import DISKS, Grant, kind_of
from ..errors import NotFound, RecoveryError, StateUnusable
from ..file_restore.page_blob import PageBlob
from ..file_restore.problems import AccessExpired
from ..file_ways import LASTS_S, READ_DISK
from ..journal.store import Entry, Journal
from ..model import Phase, Plan
from .console import Board
from .operations import operation_of

if TYPE_CHECKING:
    from ..services.session import Session

log = logging.getLogger(__name__)

RENEWED_BEFORE = timedelta(minutes=10)
LOOK_S = 1.0
ENDS_WITHIN_S = 6.0
"""When the engine ends nobody waits longer: what is open then is ended by the next one."""


class Held:
    """One disk that is read, by however many consoles."""

    def __init__(self, entry: Entry, grant: Grant) -> None:
        self.entry = entry
        self.grant = grant
        self.readers = 1
        self.blobs: list[PageBlob] = []
        self.used = 0
        """Requests for its bytes when it was granted last."""

    @property
    def requests(self) -> int:
        return sum(blob.requests for blob in self.blobs)


class DiskAccess:
    def __init__(
        self,
        session: Session,
        journal: Journal,
        board: Board,
        *,
        wake: Callable[[], None],
        notify: Callable[[wire.Notice], None],
    ) -> None:
        self._session = session
        self._journal = journal
        self._board = board
        self._wake = wake
        self._notify = notify
        self._tls: ssl.SSLContext | None = None
        self._held: dict[str, Held] = {}
        self._left: dict[str, Entry] = {}
        """By operation: what could not be ended."""
        self._locks: dict[str, asyncio.Lock] = {}

    async def run(self) -> None:
        """Ends what an earlier engine left open, then renews what is used before its time is over."""
        await self._end_what_was_left()
        while True:
            await asyncio.sleep(LOOK_S)
            for key, held in list(self._held.items()):
                due = self._session.service_now() >= held.grant.expires_at - RENEWED_BEFORE
                if due and held.requests > held.used:
                    try:
                        await self._renewed(key, held.grant)
                    except RecoveryError as problem:
                        # The next read asks again, and tells whoever reads.
                        held.used = held.requests
                        log.warning("Access to %s was not renewed: %s", held.entry.target_name, problem)

    # opening ------------------------------------------------------------------------------------------------

    async def open(self, step: Step, plan: Plan, *, by: str) -> PageBlob:
        """A source of the disk's bytes; `close` it by the same id. Raises what Azure refuses it for."""
        key = step.target_id.lower()
        async with self._lock(key):
            held = self._held.get(key)
            if held is None:
                held = self._held[key] = await self._begun(step, plan, by)
            else:
                held.readers += 1
            blob = self._blob(key, step, held)
            held.blobs.append(blob)
            return blob

    def _blob(self, key: str, step: Step, held: Held) -> PageBlob:
        from ..services.transport import ssl_context

        if self._tls is None:
            self._tls = ssl_context(self._session.settings.ca_file)

        async def renew() -> str:
            return await self._renewed(key, held.grant)

        immutable = kind_of(step.target_id) != DISKS
        name = f"{step.arguments['disk']} of {step.arguments['of']}"
        return PageBlob(held.grant.address, name, renew=renew, tls=self._tls, immutable=immutable)

    async def _begun(self, step: Step, plan: Plan, by: str) -> Held:
        from ..services import disk_access
        from ..services.azure_failures import certainly_not_done

        entry = self._entry(step, plan, by)
        self._journal.intend([entry])
        self._show(entry)
        try:
            grant = await disk_access.grant(self._session, entry.target_id, LASTS_S, entry.request_id)
        except RecoveryError as problem:
            entry = msgspec.structs.replace(entry, error=problem.note())
            if certainly_not_done(problem):
                self._record(entry, Phase.FAILED, f"refused: {problem.title}")
            else:
                await self._ended(entry, f"nothing is open: {problem.title}", Phase.FAILED)
            raise
        except asyncio.CancelledError:
            # Whether it was granted is not known: it is ended in any case, by the next engine if not here.
            await self._ended(entry, "given up while it was asked for", Phase.CANCELLED)
            raise
        until = f"{grant.expires_at:%H:%M:%S} UTC"
        entry = self._record(
            entry, Phase.RUNNING, f"open for reading until {until}, renewed while it is used"
        )
        return Held(entry, grant)

    def _entry(self, step: Step, plan: Plan, by: str) -> Entry:
        now = datetime.now(UTC)
        return Entry(
            id=str(uuid.uuid4()), plan_id=plan.id, action=READ_DISK, title=step.title,
            target_key=step.target_id.lower(), target_name=step.arguments["disk"], target_id=step.target_id,
            request_id=str(uuid.uuid4()), arguments=step.arguments,
            plan=msgspec.structs.replace(plan, requests=(step.request,)),
            confirmed_by=by, created_at=now, service_created_at=self._session.service_now(),
            message="access is asked for",
        )  # fmt: skip

    async def _renewed(self, key: str, old: Grant) -> str:
        """The address as it is now; asked for once when several readers find the old one ended."""
        from ..services import disk_access

        async with self._lock(key):
            held = self._held.get(key)
            if held is None:
                raise AccessExpired("Access to this disk has been closed.", "Open the files again.")
            if held.grant is not old:
                return held.grant.address
            request_id = str(uuid.uuid4())
            self._journal.note(held.entry, f"asked for again, request {request_id}")
            held.grant = await disk_access.grant(self._session, held.entry.target_id, LASTS_S, request_id)
            held.used = held.requests
            held.entry = self._record(held.entry, Phase.RUNNING, _open_line(held.grant))
            return held.grant.address

    # ending -------------------------------------------------------------------------------------------------

    async def close(self, source_id: str) -> bool:
        """One reader less; the last one ends the access. Whether nothing is open any more."""
        key = source_id.lower()
        async with self._lock(key):
            held = self._held.get(key)
            if held is None:
                return True
            held.readers -= 1
            if held.readers:
                return False
            del self._held[key]
            return await self._ended(held.entry, "ended: nobody can read it any more", Phase.SUCCEEDED)

    async def end_left(self, operation_id: str) -> None:
        """Try again to end what could not be ended. Raises what keeps it open."""
        entry = self._left.get(operation_id)
        if entry is None:
            raise NotFound("No access is left open under this name.", "Look at the operations (4).")
        if not await self._ended(entry, "ended: nobody can read it any more", Phase.SUCCEEDED):
            left = self._left[operation_id]
            raise RecoveryError(left.message, left.error.hint if left.error else "")

    async def close_all(self) -> None:
        """The engine ends. What does not end in time the next engine finds in the journal."""
        held, self._held = list(self._held.values()), {}
        ending = (
            self._ended(one.entry, "ended with the engine: nobody can read it any more", Phase.SUCCEEDED)
            for one in held
        )
        try:
            async with asyncio.timeout(ENDS_WITHIN_S):
                await asyncio.gather(*ending)
        except TimeoutError:
            log.warning("Access to %d disks is left to the next engine to end", len(held))

    async def _end_what_was_left(self) -> None:
        if self._journal.problem is not None:
            return
        left = [entry for entry in self._journal.unfinished() if entry.action == READ_DISK]
        for entry in left:
            self._show(entry)
        said = "ended by the next engine: the one that opened it was killed"
        await asyncio.gather(*(self._ended(entry, said, Phase.SUCCEEDED) for entry in left))

    async def _ended(self, entry: Entry, said: str, phase: Phase) -> bool:
        from ..services import disk_access

        request_id = str(uuid.uuid4())
        try:
            self._journal.note(entry, f"ending it, request {request_id}")
            await disk_access.revoke(self._session, entry.target_id, request_id)
        except RecoveryError as problem:
            message = f"access is left open: {problem.title} It ends by itself after {LASTS_S // 60} minutes"
            entry = msgspec.structs.replace(entry, error=problem.note())
            self._left[entry.id] = self._record(entry, Phase.UNKNOWN, message)
            return False
        self._left.pop(entry.id, None)
        if phase is Phase.SUCCEEDED:
            entry = msgspec.structs.replace(entry, error=None)
        self._record(entry, phase, said)
        return True

    # telling ------------------------------------------------------------------------------------------------

    def _lock(self, key: str) -> asyncio.Lock:
        return self._locks.setdefault(key, asyncio.Lock())

    def _record(self, entry: Entry, phase: Phase, text: str) -> Entry:
        entry = msgspec.structs.replace(entry, phase=phase, message=text)
        if phase.ended:
            took_s = (self._session.service_now() - entry.service_created_at).total_seconds()
            entry = msgspec.structs.replace(entry, ended_at=datetime.now(UTC), duration_s=max(0.0, took_s))
        try:
            self._journal.change(entry, text)
        except StateUnusable as problem:
            log.error("%s", problem)
            self._notify(wire.Notice(severity="error", title=problem.title, text=problem.hint))
        self._show(entry)
        if phase is Phase.UNKNOWN:
            title = f"{entry.title}: {text}"
            self._notify(wire.Notice(severity="error", title=title, operation_id=entry.id))
        return entry

    def _show(self, entry: Entry) -> None:
        self._board.operations = {**self._board.operations, entry.id: operation_of(entry, None, [])}
        self._wake()


def _open_line(grant: Grant) -> str:
    return f"open for reading until {grant.expires_at:%H:%M:%S} UTC, renewed while it is used"
