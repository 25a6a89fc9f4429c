"""The door to the files on some disks: starts the reader process, serves it blocks, ends it if it misbehaves.

One call at a time; whoever copies while somebody browses takes a reader of his own over the same disks.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Self

import msgspec

from ..secret import Secret
from . import pipe
from .disks import Disk
from .entries import Entry, FileSystemInfo, Hit, Planned, Run, Volume
from .problems import FileRestoreError, ReaderStopped

ENDS_WITHIN_S = 1.0
"""After it has closed its pipe."""
SILENCE_S = 60.0
"""Neither an answer nor a question for so long: the parser goes in circles."""
SILENCE_OF_KEYS_S = 150.0
"""A key derivation says nothing until it has ended."""
LARGEST_NEED = 4 * 1024 * 1024


class Reader:
    living = False
    """What it reads may change meanwhile."""

    def __init__(
        self, disks: Sequence[Disk], silence_s: float = SILENCE_S, *, for_keys: bool = False
    ) -> None:
        """Disks of the machine first, then the contents of unlocked volumes."""
        self._disks = list(disks)
        self._told = 0
        """So many disks the process knows."""
        self._for_keys = for_keys
        self._silence_s = silence_s
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self._failures = msgspec.msgpack.Decoder(pipe.Failure)
        self._parts = msgspec.msgpack.Decoder(pipe.Part)
        self._needs = msgspec.msgpack.Decoder(pipe.Need)
        self._wants = msgspec.msgpack.Decoder(pipe.Want)
        self.isolation: tuple[str, ...] = ()
        self.restarts = -1

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def process_id(self) -> int | None:
        return self._process.pid if self._process and self._process.returncode is None else None

    async def close(self) -> None:
        """Ends the process; the disks stay open."""
        await self._end()

    def add_disk(self, disk: Disk) -> None:
        """The content of an unlocked volume; the process hears of it before the next call."""
        self._disks.append(disk)

    async def unlock(self, volume: str, secret: Secret) -> pipe.Unlocked:
        """Of a reader that was made `for_keys` and serves nothing else."""
        part = await self._one(pipe.Call("unlock", volume, secret=secret))
        if part.unlocked is None:
            raise _nonsense()
        return part.unlocked

    async def volumes(self) -> tuple[Volume, ...]:
        return (await self._one(pipe.Call("volumes"))).volumes

    async def open(self, volume: str) -> FileSystemInfo:
        part = await self._one(pipe.Call("open", volume))
        if part.system is None:
            raise _nonsense()
        return part.system

    async def list(self, volume: str, directory: int, details: bool = True) -> AsyncIterator[pipe.Part]:
        """Parts with `entries`, and with a `problem` where some are missing."""
        async for part in self._call(pipe.Call("list", volume, (directory,), flag=details)):
            yield part

    async def entries(self, volume: str, ids: Sequence[int]) -> tuple[Entry, ...]:
        return (await self._one(pipe.Call("entry", volume, tuple(ids)))).entries

    async def lookup(self, volume: str, path: bytes, follow: bool = False) -> tuple[Entry, ...]:
        """The entries along a path, the root first."""
        return (await self._one(pipe.Call("lookup", volume, path=path, flag=follow))).entries

    async def runs(self, volume: str, identity: int) -> tuple[tuple[Run, ...], bool]:
        """Where a file is on the disks; True: its content is decoded, take `read`."""
        part = await self._one(pipe.Call("runs", volume, (identity,)))
        return part.runs, bool(part.problem)

    async def read(self, volume: str, identity: int, offset: int, length: int) -> bytes:
        """Less than asked at the file's end, and never more than 4 MiB."""
        call = pipe.Call("read", volume, (identity,), offset=offset, length=length)
        return (await self._one(call)).data

    async def xattrs(self, volume: str, identity: int) -> tuple[tuple[str, bytes], ...]:
        return (await self._one(pipe.Call("xattrs", volume, (identity,)))).xattrs

    async def search(
        self, volume: str, directory: int, pattern: str, path: bytes = b""
    ) -> AsyncIterator[tuple[tuple[Hit, ...], str]]:
        """Hits as they are found, and what could not be searched."""
        async for part in self._call(pipe.Call("search", volume, (directory,), path, pattern)):
            yield part.hits, part.problem

    async def plan(
        self, volume: str, ticked: Sequence[tuple[bytes, int]], without: Sequence[bytes] = ()
    ) -> AsyncIterator[tuple[Planned, ...]]:
        """Paths and ids of what is ticked → all of it, with the places of every byte."""
        call = pipe.Call(
            "plan",
            volume,
            tuple(number for _, number in ticked),
            names=tuple(path for path, _ in ticked),
            without=tuple(without),
        )
        async for part in self._call(call):
            yield part.planned

    async def _one(self, call: pipe.Call) -> pipe.Part:
        answer: pipe.Part | None = None
        async for part in self._call(call):
            answer = part
        if answer is None:
            raise _nonsense()
        return answer

    async def _call(self, call: pipe.Call) -> AsyncIterator[pipe.Part]:
        async with self._lock:
            process = await self._started()
            ended = False
            try:
                for disk in self._disks[self._told :]:
                    self._told += 1
                    await self._send(process, pipe.DISK, pipe.NewDisk(disk.size, disk.inside))
                await self._send(process, pipe.CALL, call)
                while True:
                    kind, raw = await self._frame(process)
                    if kind == pipe.PART:
                        yield self._parts.decode(raw)
                    elif kind == pipe.END:
                        ended = True
                        return
                    elif kind == pipe.ERROR:
                        ended = True
                        raise _refused(self._failures.decode(raw), call)
                    else:
                        await self._serve(process, kind, raw)
            except msgspec.DecodeError as exc:
                raise _nonsense() from exc
            finally:
                if not ended:
                    await asyncio.shield(self._stop_call(process))

    async def _stop_call(self, process: asyncio.subprocess.Process) -> None:
        """Nobody wants the rest: the process says when it has stopped, or is ended."""
        try:
            async with asyncio.timeout(2):
                await self._send(process, pipe.CANCEL, b"")
                while True:
                    kind, _ = await self._frame(process)
                    if kind in (pipe.END, pipe.ERROR):
                        return
                    if kind == pipe.NEED:
                        await self._send(process, pipe.FAILED_BYTES, b"cancelled")
                    elif kind not in (pipe.PART, pipe.WANT):
                        raise _nonsense()
        except (TimeoutError, FileRestoreError, OSError):
            await self._end()

    async def _serve(self, process: asyncio.subprocess.Process, kind: int, raw: bytes) -> None:
        if kind == pipe.WANT:
            want = self._wants.decode(raw)
            self._disk(want.disk).cache.prefetch(want.ranges)
            return
        if kind != pipe.NEED:
            raise _nonsense()
        need = self._needs.decode(raw)
        disk = self._disk(need.disk)
        if not 0 <= need.length <= LARGEST_NEED or need.offset < 0 or need.offset + need.length > disk.size:
            raise _nonsense()
        if disk.cache.is_hole(need.offset, need.length):
            await self._send(process, pipe.BYTES, b"")
            return
        await self._send(process, pipe.BYTES, await disk.cache.read(need.offset, need.length))

    def _disk(self, number: int) -> Disk:
        if not 0 <= number < len(self._disks):
            raise _nonsense()
        return self._disks[number]

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        own = [disk for disk in self._disks if not disk.inside]
        self._told = len(own)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-B", "-s", "-m", "azure_ops.file_restore.reader_process",
            *(("unlocks",) if self._for_keys else ()), *(str(disk.size) for disk in own),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}, cwd="/",
            start_new_session=True, limit=8 * LARGEST_NEED,
        )  # fmt: skip
        self.restarts += 1
        kind, raw = await self._frame(self._process, SILENCE_S)
        if kind != pipe.READY:
            raise _nonsense()
        self.isolation = msgspec.msgpack.decode(raw, type=pipe.Ready).isolation
        return self._process

    async def _send(self, process: asyncio.subprocess.Process, kind: int, value: object) -> None:
        if process.stdin is None:
            raise _nonsense()
        process.stdin.write(pipe.frame(kind, value))
        try:
            await process.stdin.drain()
        except ConnectionError:
            raise await self._died(process) from None

    async def _frame(
        self, process: asyncio.subprocess.Process, silence_s: float | None = None
    ) -> tuple[int, bytes]:
        if process.stdout is None:
            raise _nonsense()
        try:
            await asyncio.sleep(0)  # frames that are here already let nobody else run, and no time run out
            async with asyncio.timeout(silence_s or self._silence_s):
                kind, length = pipe.HEADER.unpack(await process.stdout.readexactly(pipe.HEADER.size))
                if length > pipe.LARGEST:
                    raise _nonsense()
                return kind, await process.stdout.readexactly(length)
        except asyncio.IncompleteReadError:
            raise await self._died(process) from None
        except TimeoutError:
            await self._end()
            if self._for_keys:
                raise _too_slow() from None
            raise ReaderStopped(
                f"The reader of the disk gave no sign for {self._silence_s:g} seconds and was ended.",
                "The file system is probably damaged there; go on elsewhere.",
            ) from None

    async def _died(self, process: asyncio.subprocess.Process) -> ReaderStopped:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ENDS_WITHIN_S):
                await process.wait()  # to kill it first would reap it unseen, and its status would be lost
        await self._end()
        code = process.returncode or 0
        why = f"status {code}"
        if code < 0:
            if self._for_keys and -code == signal.SIGXCPU:
                return _too_slow()
            why = "processor time" if -code == signal.SIGXCPU else signal.Signals(-code).name
        return ReaderStopped(
            f"The reader of the disk ended by itself ({why}).",
            "The file system is probably damaged there; go on elsewhere.",
        )

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        with contextlib.suppress(RuntimeError):  # somebody else reads, and finds the end
            while process.stdout is not None and await process.stdout.read(LARGEST_NEED):
                pass  # as long as there is something to read, its end is not seen
        await process.wait()


def _refused(failure: pipe.Failure, call: pipe.Call) -> FileRestoreError:
    text = failure.text[:500]
    where = f"{call.volume}: " if call.volume else ""
    sentence = f"{where}{text}"
    return FileRestoreError(
        sentence if sentence.endswith(".") else f"{sentence}.", code=failure.kind, resource=call.volume
    )


def _too_slow() -> ReaderStopped:
    return ReaderStopped(
        "Trying the key slots took longer than two minutes of processor time and was ended.",
        "Open the volume with cryptsetup on a Linux machine.",
    )


def _nonsense() -> ReaderStopped:
    return ReaderStopped("The reader of the disk answered out of turn.", "Open the disk again.")
