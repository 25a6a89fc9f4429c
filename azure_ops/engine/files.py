"""The disks that consoles have opened to take files out of, and what the engine answers about them.

A session belongs to its console. When the line is lost it is kept for a while, and as long as files are being
restored from it; the next console that opens the same disks finds it again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .. import file_model as model
from .. import wire
from ..errors import NotFound, Refused
from ..file_restore.byte_source import LocalImage
from ..file_restore.disks import open_disks
from ..file_restore.problems import FileRestoreError
from ..journal.store import Journal
from .console import Board, Console
from .file_places import check_place, refuse_read_only
from .file_restores import FileRestores
from .file_session import FileSession
from .unlocking import unlock

if TYPE_CHECKING:
    from ..file_restore.folder import Folder
    from .point_files import PointOpening
    from .services import Services

log = logging.getLogger(__name__)

GRACE_S = 60.0
"""A console whose line broke comes back within this time, or its disks are closed."""
LOOK_S = 5.0
POINT_LOOK_S = 0.4
CLOSES_WITHIN_S = 8.0
"""When the engine ends: whoever stops it waits."""
MOST_SESSIONS = 8
MOST_DISKS = 64
CACHE_BYTES = 64 * 1024 * 1024

FileRequest = (
    wire.OpenFiles | wire.OpenFileSystem | wire.IdentifyVolumes | wire.UnlockVolume | wire.ListFiles
    | wire.FindFiles | wire.LookUpPath | wire.ReadFile | wire.HashFile | wire.CountFiles | wire.CheckPlace
    | wire.RestoreFiles | wire.ResumeRestore | wire.GetRestore | wire.ControlRestore | wire.CloseFiles
)  # fmt: skip


Asked = tuple[object, ...]
"""A point and the way to it, as a console asks for them."""


class _Opening:
    task: asyncio.Task[str]

    def __init__(self, services: Services, request: wire.OpenPoint, console: Console) -> None:
        from .point_files import PointOpening

        self.work = PointOpening(services, request, by=console.label, read_only=console.read_only)


class FileSessions:
    def __init__(
        self,
        journal: Journal,
        board: Board,
        *,
        wake: Callable[[], None],
        notify: Callable[[wire.Notice], None],
        grace_s: float = GRACE_S,
    ) -> None:
        self.restores = FileRestores(journal, board, wake, notify)
        self._sessions: dict[str, FileSession] = {}
        self._owners: dict[str, Console | None] = {}
        self._left_at: dict[str, float] = {}
        self._grace_s = grace_s
        self._opening = asyncio.Lock()
        self._openings: dict[Asked, _Opening] = {}
        self._points: dict[Asked, str] = {}
        """The newest session of each point that was asked for."""

    @property
    def count(self) -> int:
        return len(self._sessions)

    async def run(self) -> None:
        """Closes what was left, when its time is over."""
        while True:
            await asyncio.sleep(min(LOOK_S, self._grace_s))
            now = asyncio.get_running_loop().time()
            for id, left_at in list(self._left_at.items()):
                session = self._sessions[id]
                if now - left_at >= self._grace_s and not self.restores.runs(session.sources):
                    await self._close(id)

    def console_left(self, console: Console) -> None:
        for id, owner in self._owners.items():
            if owner is console:
                self._owners[id] = None
                self._left_at[id] = asyncio.get_running_loop().time()

    async def close(self) -> None:
        going_on = {id for id, session in self._sessions.items() if self.restores.runs(session.sources)}
        await self.restores.close()
        for opening in self._openings.values():
            opening.task.cancel()
        await asyncio.gather(*(one.task for one in self._openings.values()), return_exceptions=True)
        try:
            async with asyncio.timeout(CLOSES_WITHIN_S):
                for id in list(self._sessions):
                    await self._close(id, keep=id in going_on)
        except TimeoutError:
            log.warning("Disks could not be closed in time; the next engine ends access to them")

    async def open_point(
        self, console: Console, request: wire.OpenPoint, services: Services
    ) -> wire.PointTold:
        """Begun by the first question, answered when it is open: a restore may be on the way to it."""
        asked = (request.key.lower(), *sorted(request.answers.items()))
        opening = self._openings.get(asked)
        if opening is None:
            found = self._points.get(asked, "")
            if found in self._sessions and self._owners[found] in (None, console):
                return await self._told_point(console, self._sessions[found])
            opening = self._openings[asked] = _Opening(services, request, console)
            opening.task = asyncio.create_task(self._open_point(asked, opening.work), name="open-point")
        await asyncio.wait([opening.task], timeout=POINT_LOOK_S)
        if not opening.task.done():
            return wire.PointTold(text=opening.work.text)
        self._openings.pop(asked, None)
        id = opening.task.result()
        return await self._told_point(console, self._session(id))

    async def _open_point(self, asked: Asked, work: PointOpening) -> str:
        """Nobody's until somebody asks for it: closed again when nobody does."""
        await self._make_room()
        found = await work.run()
        session = FileSession(
            uuid.uuid4().hex, found.sources, found.disks, title=found.title, notes=found.notes,
            release=found.release,
        )  # fmt: skip
        self._sessions[session.id] = session
        self._owners[session.id] = None
        self._left_at[session.id] = asyncio.get_running_loop().time()
        self._points[asked] = session.id
        return session.id

    async def _told_point(self, console: Console, session: FileSession) -> wire.PointTold:
        self._owners[session.id] = console
        self._left_at.pop(session.id, None)
        return wire.PointTold(session=await self._told(session))

    async def answer(self, console: Console, request: FileRequest) -> wire.Result:
        match request:
            case wire.OpenFiles():
                return wire.FilesOpened(session=await self._open(console, request.paths))
            case wire.CheckPlace():
                refuse_read_only(request.place, console.read_only)
                check = await asyncio.to_thread(check_place, request.place, request.conflict, request.agent)
                return wire.PlaceChecked(check=check)
            case wire.UnlockVolume():
                session = self._session(request.session)
                await unlock(session, request.volume, request.secret, request.key_file)
                return wire.VolumesTold(volumes=await session.volumes())
            case wire.CloseFiles():
                await self._leave(request.session)
                return wire.Done()
            case wire.ResumeRestore():
                session = self._session(request.session)
                interrupted = self._restore_of(session)
                if interrupted is not None:
                    await session.open(interrupted.volume)  # it may have to be unlocked first
                return wire.RestoreTold(restore=await self._restore(console, request))
            case wire.RestoreFiles() | wire.GetRestore() | wire.ControlRestore():
                return wire.RestoreTold(restore=await self._restore(console, request))
            case _:
                return await self._look(self._session(request.session), request)

    async def _look(
        self,
        session: FileSession,
        request: wire.OpenFileSystem | wire.IdentifyVolumes | wire.ListFiles | wire.FindFiles
        | wire.LookUpPath | wire.ReadFile | wire.HashFile | wire.CountFiles,
    ) -> wire.Result:  # fmt: skip
        match request:
            case wire.OpenFileSystem():
                return wire.FileSystemOpened(system=await session.open(request.volume))
            case wire.IdentifyVolumes():
                return wire.VolumesTold(volumes=await session.identified())
            case wire.ListFiles():
                entries, problem, more = await session.list(request.volume, request.directory, request.more)
                return wire.FilesListed(entries=entries, problem=problem, more=more)
            case wire.FindFiles():
                hits, problem, more = await session.find(
                    request.volume, request.directory, request.path, request.pattern, request.more
                )
                return wire.FilesFound(hits=hits, problem=problem, more=more)
            case wire.LookUpPath():
                return wire.PathFound(entries=await session.look_up(request.volume, request.path))
            case wire.ReadFile():
                data = await session.read(request.volume, request.id, request.offset, request.length)
                return wire.FileRead(data=data)
            case wire.HashFile():
                done, digest = await session.hash(request.volume, request.id, request.more)
                return wire.FileHashed(done=done, digest=digest)
            case wire.CountFiles():
                return wire.FilesCounted(
                    count=await session.count(request.choice, request.place, request.agent)
                )

    async def _restore(
        self,
        console: Console,
        request: wire.RestoreFiles | wire.ResumeRestore | wire.GetRestore | wire.ControlRestore,
    ) -> model.FileRestore | None:
        session = self._session(request.session)
        match request:
            case wire.RestoreFiles():
                begun = await self.restores.begin(
                    session, request, confirmed_by=console.label, read_only=console.read_only
                )
                return begun.told()
            case wire.ResumeRestore():
                return self.restores.resume(
                    session, request, by=console.label, read_only=console.read_only
                ).told()
            case wire.ControlRestore():
                return self.restores.control(session, request.control).told()
            case wire.GetRestore():
                return self._restore_of(session)

    def _restore_of(self, session: FileSession) -> model.FileRestore | None:
        restore = self.restores.of(session.sources)
        return restore.told() if restore is not None else None

    def _session(self, id: str) -> FileSession:
        session = self._sessions.get(id)
        if session is None:
            raise NotFound("These disks are not open any more.", "Open them again.")
        return session

    async def _open(self, console: Console, paths: tuple[str, ...]) -> model.FileSession:
        if not 0 < len(paths) <= MOST_DISKS:
            raise FileRestoreError("Name between one and 64 image files.", "All disks of one machine.")
        for path in paths:
            if not path.startswith("/") or "\0" in path:
                raise FileRestoreError(f"{path[:200]!r} is no whole path.", "Begin it with a slash.")
        async with self._opening:
            session = self._found_again(console, paths)
            if session is None:
                session = await self._opened(paths)
            self._owners[session.id] = console
            self._left_at.pop(session.id, None)
        return await self._told(session)

    async def _told(self, session: FileSession) -> model.FileSession:
        return model.FileSession(
            id=session.id,
            names=session.sources,
            volumes=await session.volumes(),
            title=session.title,
            notes=session.notes,
            restore=self._restore_of(session),
        )

    def _found_again(self, console: Console, paths: tuple[str, ...]) -> FileSession | None:
        """Of this console, or left by one whose line broke."""
        left = (self._sessions[id] for id, owner in self._owners.items() if owner in (None, console))
        return next((session for session in left if session.sources == paths), None)

    async def _make_room(self) -> None:
        if len(self._sessions) >= MOST_SESSIONS:
            idle = [id for id in self._left_at if not self.restores.runs(self._sessions[id].sources)]
            if not idle:
                raise Refused(
                    f"{MOST_SESSIONS} sets of disks are open already.", "Close one of them in its console."
                )
            await self._close(idle[0])

    async def _opened(self, paths: tuple[str, ...]) -> FileSession:
        await self._make_room()
        folder = await asyncio.to_thread(_folder_of, paths)
        disks = [] if folder else await open_disks([LocalImage(Path(path)) for path in paths], CACHE_BYTES)
        session = FileSession(uuid.uuid4().hex, paths, disks, folder)
        self._sessions[session.id] = session
        return session

    async def _leave(self, id: str) -> None:
        """Closed at once, unless files are being restored: then when they are there."""
        session = self._session(id)
        if self.restores.runs(session.sources):
            self._owners[id] = None
            self._left_at[id] = asyncio.get_running_loop().time() - self._grace_s
        else:
            await self._close(id)

    async def _close(self, id: str, *, keep: bool = False) -> None:
        session = self._sessions.pop(id)
        self._owners.pop(id, None)
        self._left_at.pop(id, None)
        await session.close(keep=keep)


def _folder_of(paths: tuple[str, ...]) -> Folder | None:
    """What was named, when it is a folder of this machine and no image."""
    if not any(os.path.isdir(path) for path in paths):
        return None
    if len(paths) > 1:
        raise FileRestoreError("A folder is opened alone.", "Name one folder, or the images of one machine.")
    from ..file_restore.folder import Folder

    return Folder(Path(os.path.realpath(paths[0])))
