"""The console's line to the engine: heard before the first frame when one runs, opened after it, turned into
messages to the app."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from textual.message import Message

from azure_ops import wire
from azure_ops.errors import EngineUnavailable, RecoveryError

from .messages import (
    FleetChanged,
    JobsChanged,
    LeftoversChanged,
    LinkChanged,
    NoticeCame,
    OperationsChanged,
    RequestsSent,
    SignInAsked,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from azure_ops.client import EngineClient
    from azure_ops.cloud import CloudSettings
    from azure_ops.early_line import EarlyLine

Answer = TypeVar("Answer", bound=wire.Message)
RETRY_AFTER_S = (1, 2, 5, 10)
"""Pauses between tries while no engine can be started; the last one repeats."""


class Link:
    def __init__(
        self, settings: CloudSettings, post: Callable[[Message], object], early: EarlyLine | None = None
    ) -> None:
        self.settings = settings
        self._early = early
        self.state = "connecting"
        self._post = post
        self._client: EngineClient | None = None
        self._focus: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

    @property
    def ready(self) -> bool:
        """The engine can be asked."""
        return self._client is not None

    def hear_early(self) -> list[wire.Pushed]:
        """What a running engine has told while this console was loading: its welcome and what came after."""
        heard = self._early.hear() if self._early else []
        if heard:
            self.state = "connected"
        return heard

    async def open(self) -> wire.Welcome:
        """Tries until an engine answers, telling each failure; ends with the engine's welcome."""
        from azure_ops.client import EngineClient

        tries = 0
        while True:
            client = EngineClient(self.settings, self.take, self._changed, early=self._early)
            self._early = None
            try:
                welcome = await client.connect()
            except RecoveryError as error:
                self._changed("lost", str(error))
            else:
                self._client = client
                client.focus(*self._focus)
                return welcome
            await asyncio.sleep(RETRY_AFTER_S[min(tries, len(RETRY_AFTER_S) - 1)])
            tries += 1

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def ask(self, request: wire.Request, answer: type[Answer], timeout_s: float = 60) -> Answer:
        """The engine's answer, which must be of this type. Raises the typed `RecoveryError`."""
        if self._client is None:
            raise EngineUnavailable("The engine is not connected yet.", "Press the key again in a moment.")
        result = await self._client.call(request, timeout_s)
        if not isinstance(result, answer):
            raise EngineUnavailable(
                f"The engine answered {type(result).__name__} where {answer.__name__} was expected.",
                "Run `azrecover engine stop` and start again; operations go on.",
            )
        return result

    async def confirm(self, request: wire.Confirm) -> wire.Confirmed | wire.Replanned:
        """Sends the user's confirmation; the time covers the re-read of the target and the sending itself."""
        if self._client is None:
            raise EngineUnavailable("The engine is not connected.", "Nothing was sent. Try again.")
        result = await self._client.call(request, 120)
        if isinstance(result, wire.Confirmed | wire.Replanned):
            return result
        raise EngineUnavailable(
            f"The engine answered {type(result).__name__} to a confirmation.",
            "Look at the operations pane before you try again.",
        )

    def focus(self, keys: Sequence[str], job_ids: Sequence[str]) -> None:
        self._focus = (tuple(keys), tuple(job_ids))
        if self._client is not None:
            self._client.focus(*self._focus)

    def _changed(self, state: str, line: str) -> None:
        self.state = state
        self._post(LinkChanged(state, line))

    def take(self, message: wire.FromEngine) -> None:
        """To the app."""
        match message:
            case wire.FleetDelta():
                self._post(FleetChanged(message))
            case wire.JobsDelta():
                self._post(JobsChanged(message))
            case wire.OperationsDelta():
                self._post(OperationsChanged(message))
            case wire.LeftoversTold():
                self._post(LeftoversChanged(message))
            case wire.Requests():
                self._post(RequestsSent(message.lines))
            case wire.Notice():
                self._post(NoticeCame(message))
            case wire.SignIn():
                self._post(SignInAsked(message))
