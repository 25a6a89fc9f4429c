"""Files on their way to their place: begun, paused, cancelled, gone on with after a death.

Each is an operation in the journal, with a line for every file that arrived.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from .. import wire
from ..errors import Busy, InvalidState, NotFound, RecoveryError, Refused
from ..file_model import RESTORE_FILES, Conflict, Control, FileChoice, FileRestore, RestoreState
from ..file_places import Place, PlaceKind
from ..file_restore.extraction import Extraction
from ..file_restore.reports import Options, Report
from ..journal.store import Entry, Journal
from ..model import Phase, Plan, Risk
from .console import Board
from .file_places import check_place, opener_of, refuse_read_only
from .file_session import FileSession, check_choice
from .operations import operation_of

log = logging.getLogger(__name__)

_WORDS: dict[Conflict, Literal["keep both", "overwrite", "skip"]] = {
    Conflict.KEEP_BOTH: "keep both",
    Conflict.OVERWRITE: "overwrite",
    Conflict.SKIP: "skip",
}
LOSSES_SHOWN = 200
LONGEST_LOSS = 1000
MOST_AUDIT_LINES = 20_000
AUDIT_LINES_AT_ONCE = 500


class Restore:
    """One that this engine has begun or found interrupted."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.state = RestoreState.INTERRUPTED
        self.extraction: Extraction | None = None
        self.task: asyncio.Task[None] | None = None
        self.report: Report | None = None

    @property
    def busy(self) -> bool:
        """Something may still be written, also just after a cancel."""
        return self.task is not None and not self.task.done()

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(msgspec.json.decode(self.entry.arguments["sources"], type=list[str]))

    @property
    def place(self) -> Place:
        arguments = self.entry.arguments
        if "place" not in arguments:
            return Place(path=arguments["folder"])
        return msgspec.json.decode(arguments["place"], type=Place)

    def told(self) -> FileRestore:
        arguments = self.entry.arguments
        told = FileRestore(
            id=self.entry.id,
            volume=arguments["volume"],
            place=self.place,
            conflict=Conflict(arguments["conflict"]),
            state=self.state,
            error=self.entry.error,
        )
        if self.extraction is not None:
            now = self.extraction.progress
            told = msgspec.structs.replace(
                told, files=now.files, size=now.size, planned=now.planned, files_done=now.files_done,
                bytes_done=now.bytes_done, bytes_fetched=now.bytes_fetched, path=now.path,
                checking=now.checking,
            )  # fmt: skip
        report = self.report
        if report is not None:
            told = msgspec.structs.replace(
                told, restored=report.files, restored_bytes=report.size, resumed=report.resumed,
                skipped=report.skipped,
                losses=tuple(loss[:LONGEST_LOSS] for loss in report.losses[:LOSSES_SHOWN]),
                losses_count=len(report.losses) + report.losses_left_out,
                manifest=str(report.manifest or ""), made=str(report.made or ""),
            )  # fmt: skip
        return told


class FileRestores:
    def __init__(
        self,
        journal: Journal,
        board: Board,
        wake: Callable[[], None],
        notify: Callable[[wire.Notice], None],
    ) -> None:
        self._journal = journal
        self._board = board
        self._wake = wake
        self._notify = notify
        self._of_sources: dict[tuple[str, ...], Restore] = {}

    def of(self, sources: tuple[str, ...]) -> Restore | None:
        """Running, else the last one, else the newest that an engine left in the middle."""
        known = self._of_sources.get(sources)
        if known is not None or self._journal.problem is not None:
            return known
        interrupted = self._interrupted(sources)
        if interrupted:
            self._of_sources[sources] = interrupted[-1]
        return self._of_sources.get(sources)

    def runs(self, sources: tuple[str, ...]) -> bool:
        known = self._of_sources.get(sources)
        return known is not None and known.busy

    def _interrupted(self, sources: tuple[str, ...]) -> list[Restore]:
        left = [Restore(entry) for entry in self._journal.unfinished() if entry.action == RESTORE_FILES]
        return [one for one in left if one.sources == sources]

    async def begin(
        self, session: FileSession, request: wire.RestoreFiles, *, confirmed_by: str, read_only: bool
    ) -> Restore:
        refuse_read_only(request.place, read_only)
        check_choice(request.choice)
        if not request.choice.ticked:
            raise Refused("Nothing is ticked.", "Tick files or directories with space.")
        if request.conflict is Conflict.OVERWRITE and not request.overwriting:
            raise Refused("Files would be replaced, and nobody confirmed it.", "Confirm the plan.")
        check = await asyncio.to_thread(check_place, request.place, request.conflict, request.agent)
        if check.problem:
            raise Refused(check.problem, check.hint or "Name another place.", resource=check.place.shown)
        self._refuse_place_within(session, check.place)
        self._refuse_second(session, check.place)
        for left in self._interrupted(session.sources):
            self._record(left, Phase.FAILED, "left in the middle by an engine that ended; begun anew")
        restore = Restore(self._entry(session, request, check.place, confirmed_by))
        self._journal.intend([restore.entry])
        self._start(session, restore, request.agent, "reading the disk")
        return restore

    def resume(
        self, session: FileSession, request: wire.ResumeRestore, *, by: str, read_only: bool
    ) -> Restore:
        restore = self.of(session.sources)
        if restore is None or restore.entry.id != request.id or restore.state is not RestoreState.INTERRUPTED:
            raise NotFound("There is no interrupted restore of this name.", "Restore the files anew.")
        refuse_read_only(restore.place, read_only)
        self._refuse_second(session, restore.place)
        self._start(session, restore, request.agent, f"gone on with by {by}")
        return restore

    def control(self, session: FileSession, control: Control) -> Restore:
        restore = self.of(session.sources)
        if restore is None or (restore.state.ended and restore.state is not RestoreState.INTERRUPTED):
            raise InvalidState("No restore is running.", "See the list of what was restored.")
        if restore.state is RestoreState.INTERRUPTED:
            if control is Control.CANCEL:
                restore.state = RestoreState.CANCELLED
                self._record(restore, Phase.CANCELLED, "left in the middle by an engine that ended; given up")
            return restore
        assert restore.extraction is not None
        if control is Control.PAUSE:
            restore.extraction.pause()
            restore.state = RestoreState.PAUSED
        elif control is Control.GO_ON:
            restore.extraction.go_on()
            restore.state = RestoreState.RUNNING
        elif restore.task is not None:
            restore.state = RestoreState.CANCELLED
            restore.task.cancel()
        return restore

    async def close(self) -> None:
        """The engine ends: what runs stays in the journal as not ended, and can be gone on with."""
        running = [one for one in self._of_sources.values() if one.busy]
        for restore in running:
            restore.state = RestoreState.INTERRUPTED
            if restore.task is not None:
                restore.task.cancel()
        await asyncio.gather(*(one.task for one in running if one.task), return_exceptions=True)

    # inside

    def _refuse_place_within(self, session: FileSession, place: Place) -> None:
        if session.folder is None or place.kind is PlaceKind.SFTP:
            return
        if Path(place.path).is_relative_to(session.folder.path):
            raise Refused(
                f"{place.shown} lies in the folder that is read.",
                "Name one outside of it: copies would be copied again.",
                resource=place.shown,
            )

    def _refuse_second(self, session: FileSession, place: Place) -> None:
        if self.runs(session.sources):
            raise Busy("Files of these disks are being restored already.", "Wait for it, or cancel it.")
        for other in self._of_sources.values():
            if other.busy and other.place == place:
                where = place.shown
                raise Busy(f"Another restore writes to {where}.", "Name another place.", resource=where)

    def _entry(
        self, session: FileSession, request: wire.RestoreFiles, place: Place, confirmed_by: str
    ) -> Entry:
        now, id, folder = datetime.now(UTC), uuid.uuid4().hex, place.shown
        title = f"Restore files to {folder}"
        plan = Plan(
            id=id, action=RESTORE_FILES, title=title, risk=Risk.CREATES, keys=(folder,), names=(folder,),
            consequences=(
                f"{len(request.choice.ticked)} ticked entries of {request.choice.volume} of "
                f"{', '.join(session.sources)} are written to {folder}.",
                f"Where a name is taken: {request.conflict.value}.",
            ),
            losses=("What is there is replaced.",) if request.overwriting else (),
            made_at=now,
        )  # fmt: skip
        return Entry(
            id=id, plan_id=id, action=RESTORE_FILES, title=title, target_key=folder, target_name=folder,
            request_id=str(uuid.uuid4()), plan=plan, confirmed_by=confirmed_by, created_at=now,
            service_created_at=now,
            arguments={
                "sources": msgspec.json.encode(session.sources).decode(),
                "volume": request.choice.volume,
                "choice": msgspec.json.encode(request.choice).decode(),
                "folder": folder,
                "place": msgspec.json.encode(place).decode(),
                "conflict": request.conflict.value,
            },
        )  # fmt: skip

    def _start(self, session: FileSession, restore: Restore, agent: str, text: str) -> None:
        arguments = restore.entry.arguments
        choice = msgspec.json.decode(arguments["choice"], type=FileChoice)
        restore.extraction = Extraction(
            session.disks,
            choice.volume,
            [(one.path, one.id) for one in choice.ticked],
            opener_of(restore.place, agent, self._journal.path.parent / "sftp"),
            Options(conflict=_WORDS[Conflict(arguments["conflict"])]),
            without=choice.without,
            new_reader=session.new_reader,
        )
        restore.state = RestoreState.RUNNING
        self._of_sources[session.sources] = restore
        self._record(restore, Phase.RUNNING, text)
        restore.task = asyncio.create_task(self._run(restore, restore.extraction), name="file-restore")

    async def _run(self, restore: Restore, extraction: Extraction) -> None:
        try:
            restore.report = await extraction.run()
            await self._audit(restore, restore.report)
        except asyncio.CancelledError:
            if restore.state is not RestoreState.CANCELLED:
                raise
            done = extraction.progress.files_done
            self._record(restore, Phase.CANCELLED, f"cancelled after {done:,} files; the same again goes on")
        except RecoveryError as problem:
            self._fail(restore, problem)
        except Exception as problem:
            log.exception("A restore of files failed in an unexpected way")
            self._fail(restore, RecoveryError(f"azrecover failed inside: {type(problem).__name__}."))
        else:
            restore.state = RestoreState.DONE
            self._record(restore, Phase.SUCCEEDED, _summary(restore.report))

    def _fail(self, restore: Restore, problem: RecoveryError) -> None:
        restore.state = RestoreState.FAILED
        restore.entry = msgspec.structs.replace(restore.entry, error=problem.note())
        self._record(restore, Phase.FAILED, problem.title)

    async def _audit(self, restore: Restore, report: Report) -> None:
        """A line for each file with its hash, as the manifest has them."""
        if report.manifest is None:
            return
        text = await asyncio.to_thread(report.manifest.read_bytes)
        lines = [line.decode("utf-8", "backslashreplace") for line in text.split(b"\n") if line]
        for first in range(0, min(len(lines), MOST_AUDIT_LINES), AUDIT_LINES_AT_ONCE):
            some = lines[first : min(first + AUDIT_LINES_AT_ONCE, MOST_AUDIT_LINES)]
            self._journal.notes(restore.entry, [f"restored, SHA-256 {line}" for line in some])
            await asyncio.sleep(0)
        if len(lines) > MOST_AUDIT_LINES:
            left = len(lines) - MOST_AUDIT_LINES
            self._journal.notes(restore.entry, [f"and {left:,} more, as {report.manifest} lists them"])
        lost = [f"not carried: {loss}" for loss in report.losses[:AUDIT_LINES_AT_ONCE]]
        self._journal.notes(restore.entry, lost)

    def _record(self, restore: Restore, phase: Phase, text: str) -> None:
        now = datetime.now(UTC)
        entry = msgspec.structs.replace(restore.entry, phase=phase, message=text)
        if phase.ended:
            took_s = (now - entry.created_at).total_seconds()
            entry = msgspec.structs.replace(entry, ended_at=now, duration_s=took_s)
        restore.entry = entry
        try:
            self._journal.change(entry, text)
        except RecoveryError as problem:
            log.error("%s", problem)
            self._notify(wire.Notice(severity="error", title=problem.title, text=problem.hint))
        self._board.operations = {**self._board.operations, entry.id: operation_of(entry, None, [])}
        if phase.ended:
            severity = {Phase.SUCCEEDED: "information", Phase.CANCELLED: "warning"}.get(phase, "error")
            notice = wire.Notice(severity=severity, title=f"{entry.title}: {text}", operation_id=entry.id)
            self._notify(msgspec.structs.replace(notice, ended=True))
        self._wake()


def _summary(report: Report) -> str:
    lost = len(report.losses) + report.losses_left_out
    parts = [f"{report.files:,} files restored, {report.size:,} bytes"]
    if report.resumed:
        parts.append(f"{report.resumed:,} were there already")
    if report.skipped:
        parts.append(f"{report.skipped:,} skipped")
    if lost:
        parts.append(f"{lost:,} not carried whole")
    return "; ".join(parts)
