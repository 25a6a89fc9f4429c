"""Disks as the files screens open them: image files of this machine, or a recovery point. Both are asked for
again after a break of the line, and found again where they are still open."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from azure_ops import wire
from azure_ops.errors import RecoveryError
from azure_ops.file_model import FileSession

if TYPE_CHECKING:
    from .app import ConsoleApp
    from .link import Link

LETS_GO_S = 2.0


class DiskOpener(Protocol):
    name: str

    async def open(self, link: Link, say: Callable[[str], None]) -> FileSession:
        """`say` is told what is waited for."""


class ImageOpener:
    def __init__(self, paths: tuple[str, ...]) -> None:
        self.name = ", ".join(path.rpartition("/")[2] for path in paths)
        self.paths = paths

    async def open(self, link: Link, say: Callable[[str], None]) -> FileSession:
        say("opening")
        return (await link.ask(wire.OpenFiles(paths=self.paths), wire.FilesOpened, 120)).session


class PointOpener:
    def __init__(self, name: str, key: str, answers: dict[str, str], plan_id: str) -> None:
        self.name = name
        self._request = wire.OpenPoint(key=key, answers=answers, plan_id=plan_id)

    async def open(self, link: Link, say: Callable[[str], None]) -> FileSession:
        """Each answer tells what is waited for; the engine lets the next one wait a moment."""
        while True:
            told = await link.ask(self._request, wire.PointTold, 120)
            if told.session is not None:
                return told.session
            say(told.text)


def close_later(app: ConsoleApp, session: FileSession) -> None:
    """Nobody waits for it. What is being restored goes on; then the engine ends access to the disks."""
    closing = app.link.ask(wire.CloseFiles(session=session.id), wire.Done)
    app.run_worker(closing, group="close-files", exit_on_error=False)


async def let_go(app: ConsoleApp) -> None:
    """Before the console ends: all that its screens have open, so that nothing stays open for a minute."""
    held = [one for screen in app.screen_stack for one in getattr(screen, "held_sessions", tuple)()]
    asked = (app.link.ask(wire.CloseFiles(session=one), wire.Done, LETS_GO_S) for one in dict.fromkeys(held))
    with contextlib.suppress(RecoveryError):
        await asyncio.gather(*asked)
