"""What screens ask about the files of opened disks. Long answers come in parts, pulled as they are shown."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

import msgspec

from azure_ops import wire
from azure_ops.file_model import READ_AT_ONCE, FileChoice, FileCount, FileEntry, FileSystemView, FileVolume

if TYPE_CHECKING:
    from .link import Link

WITHIN_S = 120


class FileQuestions:
    """`session` is asked each time: after a break the disks are open under another name."""

    def __init__(self, link: Link, session: Callable[[], str]) -> None:
        self._link = link
        self._session = session

    async def system(self, volume: str) -> FileSystemView:
        request = wire.OpenFileSystem(session=self._session(), volume=volume)
        return (await self._link.ask(request, wire.FileSystemOpened, WITHIN_S)).system

    async def identified(self) -> tuple[FileVolume, ...]:
        """The volumes by the names of their file systems."""
        request = wire.IdentifyVolumes(session=self._session())
        return (await self._link.ask(request, wire.VolumesTold, WITHIN_S)).volumes

    async def listed(self, volume: str, directory: int) -> AsyncIterator[wire.FilesListed]:
        request = wire.ListFiles(session=self._session(), volume=volume, directory=directory)
        while True:
            part = await self._link.ask(request, wire.FilesListed, WITHIN_S)
            yield part
            if not part.more:
                return
            request = msgspec.structs.replace(request, more=True)

    async def found(self, volume: str, root: int, pattern: str) -> AsyncIterator[wire.FilesFound]:
        request = wire.FindFiles(
            session=self._session(), volume=volume, directory=root, path=b"", pattern=pattern
        )
        while True:
            part = await self._link.ask(request, wire.FilesFound, WITHIN_S)
            yield part
            if not part.more:
                return
            request = msgspec.structs.replace(request, more=True)

    async def chain(self, volume: str, path: bytes) -> tuple[FileEntry, ...]:
        """From the root to what the path names, links followed. Raises with the code `NOT_THERE`, too."""
        request = wire.LookUpPath(session=self._session(), volume=volume, path=path)
        return (await self._link.ask(request, wire.PathFound, WITHIN_S)).entries

    async def counts(self, choice: FileChoice) -> AsyncIterator[FileCount]:
        """More of the same count each time, until it is whole or has a problem."""
        while True:
            request = wire.CountFiles(session=self._session(), choice=choice)
            count = (await self._link.ask(request, wire.FilesCounted, WITHIN_S)).count
            yield count
            if count.whole or count.problem:
                return

    async def content(self, volume: str, id: int, most: int) -> bytes:
        """The first bytes of a file, all of them where there are no more than `most`."""
        found = b""
        while len(found) < most:
            length = min(READ_AT_ONCE, most - len(found))
            request = wire.ReadFile(
                session=self._session(), volume=volume, id=id, offset=len(found), length=length
            )
            data = (await self._link.ask(request, wire.FileRead, WITHIN_S)).data
            found += data
            if len(data) < length:
                break
        return found

    async def hashed(self, volume: str, id: int) -> AsyncIterator[wire.FileHashed]:
        """How far the reading is, the last time with the digest."""
        request = wire.HashFile(session=self._session(), volume=volume, id=id)
        while True:
            told = await self._link.ask(request, wire.FileHashed, WITHIN_S)
            yield told
            if told.digest:
                return
            request = msgspec.structs.replace(request, more=True)

    async def close(self) -> None:
        """What is being restored goes on; then the engine closes the disks and ends access to them."""
        await self._link.ask(wire.CloseFiles(session=self._session()), wire.Done)
