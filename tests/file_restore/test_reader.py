"""The reader process: what it may, how it ends, and that its end is one error and no more."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from azure_ops.file_restore import pipe
from azure_ops.file_restore import reader as reader_module
from azure_ops.file_restore.byte_source import LocalImage
from azure_ops.file_restore.disks import Disk, open_disks
from azure_ops.file_restore.problems import FileRestoreError, ReaderStopped
from azure_ops.file_restore.reader import Reader

Image = Callable[[str], Path]


@pytest.fixture
async def disks(image: Image) -> AsyncIterator[list[Disk]]:
    opened = await open_disks([LocalImage(image("ubuntu.img"))])
    yield opened
    for disk in opened:
        await disk.close()


_TRIES = """
import os, socket, subprocess, sys
from azure_ops.file_restore import isolation
done = isolation.isolate()
if "seccomp" not in done: sys.exit(77)
def denied(work):
    try: work()
    except PermissionError: return True
    return False
assert denied(lambda: socket.socket())
assert denied(lambda: open("/etc/passwd"))
assert denied(lambda: open("/tmp/made", "w"))
assert denied(lambda: os.kill(os.getppid(), 0))
assert denied(lambda: os.fork())
assert denied(lambda: os.execv("/bin/true", ["true"]))
assert denied(lambda: os.unlink("/tmp/none"))
try: bytearray(2 << 30)
except MemoryError: print("bounded")
"""


def test_what_the_process_gives_up() -> None:
    run = subprocess.run([sys.executable, "-c", _TRIES], capture_output=True, text=True, timeout=30)
    if run.returncode == 77:
        pytest.skip("this kernel has no system call filter")
    assert run.stdout.strip() == "bounded", run.stderr


async def test_it_gets_no_environment_and_no_descriptors(
    disks: list[Disk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "hush")
    async with Reader(disks) as reader:
        await reader.volumes()
        assert reader.process_id is not None
        process = Path(f"/proc/{reader.process_id}")
        if not process.exists():
            pytest.skip("no /proc here")
        assert b"hush" not in (process / "environ").read_bytes()
        open_files = {os.readlink(path) for path in (process / "fd").iterdir()}
        assert not [name for name in open_files if not name.startswith(("pipe:", "/dev/null", "socket:"))]
        assert "RLIMIT_AS" in reader.isolation


async def test_after_its_end_the_next_call_starts_another(
    disks: list[Disk], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Reader(disks) as reader:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", shutil.which("false"))
            with pytest.raises(ReaderStopped, match=r"ended by itself \(status 1\)"):
                await reader.volumes()
        assert reader.process_id is None
        assert await reader.volumes()
        assert reader.process_id is not None


class Slow(LocalImage):
    """Once told so, it gives no bytes until somebody lets it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked = asyncio.Event()
        self.gives = asyncio.Event()
        self.gives.set()

    async def read(self, offset: int, length: int, *, verified: bool = False, urgent: bool = False) -> bytes:
        self.asked.set()
        await self.gives.wait()
        return await super().read(offset, length)


async def test_killed_in_the_middle_of_a_call(image: Image) -> None:
    source = Slow(image("ubuntu.img"))
    disks = await open_disks([source])
    async with Reader(disks) as reader, asyncio.timeout(20):
        root = (await reader.open("disk0/p3")).root

        async def found() -> int:
            return sum([len(hits) async for hits, _ in reader.search("disk0/p3", root, "*")])

        source.asked.clear()
        source.gives.clear()
        searching, waiting = asyncio.create_task(found()), asyncio.create_task(found())
        await source.asked.wait()
        first = reader.process_id
        assert first is not None
        # It waits for bytes and nobody has reaped it: the number is its own.
        os.kill(first, signal.SIGKILL)
        source.gives.set()
        with pytest.raises(ReaderStopped, match=r"ended by itself \(SIGKILL\)"):
            await searching
        assert await waiting > 100
        assert reader.process_id not in (None, first)
        assert reader.restarts == 1
    for disk in disks:
        await disk.close()


async def test_one_that_talks_without_end_is_ended(
    image: Image, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It asks for bytes, and talks on while they are fetched until there is no room."""
    source = Slow(image("ubuntu.img"))
    disks = await open_disks([source])
    place = next(at for at in range(4 << 20, source.size, 1 << 18) if source.written(at, 512))
    frames = [pipe.frame(pipe.READY, pipe.Ready(())), pipe.frame(pipe.NEED, pipe.Need(0, place, 512))]
    (tmp_path / "begins").write_bytes(b"".join(frames))
    (tmp_path / "goes-on").write_bytes(pipe.frame(0, b"") * 200_000)
    chatter = tmp_path / "chatter"
    on = f"while cat {tmp_path}/goes-on; do :; done"
    chatter.write_text(f"#!/bin/sh\ncat {tmp_path}/begins\n{on}\n")
    chatter.chmod(0o700)
    async with Reader(disks) as reader, asyncio.timeout(30):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", str(chatter))
            source.asked.clear()
            source.gives.clear()
            asking = asyncio.create_task(reader.volumes())
            await source.asked.wait()
            assert reader._process is not None
            assert reader._process.stdout is not None
            while not reader._process.stdout._paused:  # type: ignore[attr-defined]
                await asyncio.sleep(0.01)
            source.gives.set()
            with pytest.raises(ReaderStopped, match="out of turn"):
                await asking
        assert await reader.volumes()
    for disk in disks:
        await disk.close()


async def test_silence_ends_it(disks: list[Disk]) -> None:
    async with Reader(disks, silence_s=1.0) as reader:
        await reader.volumes()
        assert reader.process_id is not None
        os.kill(reader.process_id, signal.SIGSTOP)
        with pytest.raises(ReaderStopped, match="no sign"):
            await reader.open("disk0/p3")
        assert reader.process_id is None
        assert await reader.volumes()


async def test_a_search_that_nobody_waits_for_is_stopped(disks: list[Disk]) -> None:
    async with Reader(disks) as reader:
        info = await reader.open("disk0/p3")
        process = reader.process_id
        search = reader.search("disk0/p3", info.root, "*")
        async for hits, _ in search:
            assert hits
            break
        await search.aclose()
        begun = time.monotonic()
        assert await reader.lookup("disk0/p3", b"etc/fstab")
        assert time.monotonic() - begun < 2
        assert reader.process_id == process


async def test_calls_wait_for_each_other(disks: list[Disk]) -> None:
    async with Reader(disks) as reader:
        found = await asyncio.gather(*(reader.lookup("disk0/p3", b"etc/fstab") for _ in range(10)))
        assert len({chain[-1].id for chain in found}) == 1


async def test_errors_name_volume_and_cause(disks: list[Disk]) -> None:
    async with Reader(disks) as reader:
        for volume, text in (
            ("disk0/p1", "A boot loader"),
            ("disk0/p9", "there is no volume"),
            ("disk0", "no file system"),
        ):
            with pytest.raises(FileRestoreError, match=text):
                await reader.open(volume)
        info = await reader.open("disk0/p3")
        fstab = (await reader.lookup("disk0/p3", b"etc/fstab"))[-1]
        problems = [part.problem async for part in reader.list("disk0/p3", fstab.id)]
        assert problems == ["not a directory"]
        entries = await reader.entries("disk0/p3", [info.root, 999_999_999])
        assert [bool(entry.problem) for entry in entries] == [False, True]


async def test_blocks_outside_of_the_disk_are_never_served(disks: list[Disk]) -> None:
    with pytest.raises(FileRestoreError, match="lie outside"):
        await disks[0].cache.read(disks[0].size - 10, 20)
    assert reader_module.LARGEST_NEED <= 4 << 20
