"""The engine's listening socket: made, put back when its folder was removed, taken away at the end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable

from .. import paths
from ..cloud import CloudSettings
from ..errors import RecoveryError

log = logging.getLogger(__name__)

OnConnection = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class EngineSocket:
    def __init__(self, settings: CloudSettings, on_connection: OnConnection) -> None:
        """Raises StateUnusable."""
        self.path = paths.socket_path(settings)
        self._settings = settings
        self._on_connection = on_connection
        self._server: asyncio.Server | None = None
        self._inode = 0

    async def bind(self) -> None:
        """Raises OSError. The lock is held: a socket that lies there is a dead engine's."""
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        self._server = await asyncio.start_unix_server(self._on_connection, self.path)
        os.chmod(self.path, 0o600)
        self._inode = os.stat(self.path).st_ino

    async def mend(self) -> None:
        """Consoles that are attached stay so; new ones find it again."""
        if self._is_ours():
            return
        log.warning("The socket %s is gone: making it again", self.path)
        try:
            if self._server is not None:
                self._server.close()
            paths.runtime_dir(self._settings)
            await self.bind()
        except (OSError, RecoveryError) as problem:
            log.warning("The socket cannot be made again: %s", problem)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        if self._is_ours():
            with contextlib.suppress(OSError):
                self.path.unlink()

    def _is_ours(self) -> bool:
        try:
            return os.stat(self.path).st_ino == self._inode
        except OSError:
            return False
