"""The door to the files of a folder: the questions of `Reader`, answered by a thread of this process."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator

from . import pipe
from .damage import Damaged, NotReadable
from .folder import Folder, FolderDesk
from .problems import FileRestoreError, ReaderStopped
from .reader import SILENCE_S, Reader

KEPT = 4
"""Parts of an answer that are made ahead of whoever takes them."""
_Said = pipe.Part | BaseException | None


class FolderReader(Reader):
    """No process and no disks. A mount that does not answer any more holds up its thread, nobody else."""

    living = True

    def __init__(self, folder: Folder, silence_s: float = SILENCE_S) -> None:
        super().__init__((), silence_s)
        self._folder = folder
        self._desk: FolderDesk | None = None

    async def close(self) -> None:
        async with self._lock:
            desk, self._desk = self._desk, None
            if desk is not None:
                desk.system.close()

    async def _call(self, call: pipe.Call) -> AsyncIterator[pipe.Part]:
        async with self._lock:
            answer = _Answer(self._desk or FolderDesk(self._folder), call)
            self._desk = answer.desk
            try:
                async for part in answer.parts(self._silence_s):
                    yield part
            finally:
                if not await asyncio.shield(answer.stop()):
                    self._desk = None  # its thread is still at work in it


class _Answer:
    """One call's thread and what it has said."""

    def __init__(self, desk: FolderDesk, call: pipe.Call) -> None:
        self.desk = desk
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._said: asyncio.Queue[_Said] = asyncio.Queue()
        self._room = threading.Semaphore(KEPT)
        self._unwanted = desk.unwanted = threading.Event()
        self._over = asyncio.Event()
        # A daemon: the engine must be able to end while a dead mount holds it.
        threading.Thread(target=self._work, name=f"folder {call.name}", daemon=True).start()

    def _work(self) -> None:
        said: _Said = None
        try:
            for part in self.desk.answer(self._call):
                self._room.acquire()
                if self._unwanted.is_set():
                    break
                self._tell(part)
        except BaseException as exc:
            said = exc
        self._tell(said)
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._over.set)

    def _tell(self, said: _Said) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(self._said.put_nowait, said)

    async def parts(self, silence_s: float) -> AsyncIterator[pipe.Part]:
        while True:
            try:
                async with asyncio.timeout(silence_s):
                    said = await self._said.get()
            except TimeoutError:
                raise ReaderStopped(
                    f"The folder gave no sign for {silence_s:g} seconds.",
                    "Its mount probably lost its server; mount it again.",
                ) from None
            if said is None:
                return
            if isinstance(said, BaseException):
                raise self._refused(said) from said
            self._room.release()
            yield said

    def _refused(self, problem: BaseException) -> FileRestoreError:
        what = self._call.path.decode("utf-8", "replace") or "This"
        if isinstance(problem, Damaged | NotReadable):
            return FileRestoreError(f"Not readable: {problem}.", "Go on elsewhere in the folder.")
        return FileRestoreError(
            f"{what} cannot be read: {type(problem).__name__}.", "Go on elsewhere in the folder."
        )

    async def stop(self) -> bool:
        """Whether the thread has ended."""
        self._unwanted.set()
        self._room.release()
        try:
            async with asyncio.timeout(2):
                await self._over.wait()
        except TimeoutError:
            return False
        return True
