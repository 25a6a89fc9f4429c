"""The disks of a recovery point as the files screen opens them: asked until they are open, and again after a
break of the line."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from azure_ops import wire
from azure_ops.file_model import FileSession

if TYPE_CHECKING:
    from .link import Link


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
