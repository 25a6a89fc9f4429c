"""A restore in a process of its own that kills itself just behind one call, as a killed engine would end."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from azure_ops.file_restore.archive import Archive, Kind
from azure_ops.file_restore.destination import Conflict
from azure_ops.file_restore.extraction import Extraction
from azure_ops.file_restore.folder_output import Folder
from azure_ops.file_restore.remote import Remote
from azure_ops.file_restore.reports import Options
from azure_ops.file_restore.sftp_client import Machine, Sftp
from azure_ops.file_restore.target import Opener
from tests.file_restore.ssh_server import HOST

from .test_extraction import disks_of, ticked


def opener(kind: str, out: Path) -> Opener:
    if kind == "folder":
        return Folder(out)
    if kind == "sftp":
        return Remote(Machine(HOST), str(out), out.parent / "state")
    return Archive(out / f"made.{kind}", cast(Kind, kind))


async def restore(kind: str, image: Path, out: Path, conflict: Conflict) -> Any:
    async with disks_of(image) as disks:
        wanted = await ticked(disks, "disk0/p3", b"etc", b"random.bin")
        return await Extraction(
            disks, "disk0/p3", wanted, opener(kind, out), Options(conflict=conflict)
        ).run()


def kill_behind(owner: Any, name: str, number: int) -> None:
    call: Callable[..., Any] = getattr(owner, name)
    left = [number]

    def hooked(*arguments: Any, **named: Any) -> Any:
        answer = call(*arguments, **named)
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    setattr(owner, name, hooked)


def no_links(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, "no hard links here")


if __name__ == "__main__":
    kind, image, out, conflict, call, number, links = sys.argv[1:]
    if links == "none":
        os.link = no_links
    kill_behind(Sftp if kind == "sftp" else os, call, int(number))
    asyncio.run(restore(kind, Path(image), Path(out), cast(Conflict, conflict)))
