"""Keys take effect in the order in which they were typed, also when they come faster than widgets answer."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from math import inf

from textual import events
from textual.app import App
from textual.message_pump import MessagePump

LOOK_S = 0.5
"""Between two looks whether what a key has to pass is still there: a widget that was removed takes what
waited in its queue with it."""
LOOKS = 10
"""After so many a widget does not answer any more: keys that would leave it must still work."""
UNSEEN_S = 0.02
"""Between two looks whether the screen that a key is for was drawn; before that its `keys_from` is `inf`."""


class KeysInOrder(App[None]):
    """Textual hands a key to what has the focus when it comes in. Over a slow line keys come in bursts: a Tab
    and the Space after it would both reach the field that the Tab leaves. So each key goes out only when the
    one before has had its effect."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        self._typed: deque[events.Key | events.Paste] = deque()
        self._under_way: object | None = None
        self._passing: MessagePump | None = None
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            self._typed.append(event)
            if self._under_way is None:
                await self._hand_out()
        else:
            await super().on_event(event)

    async def _hand_out(self) -> None:
        """The next key, unless it was typed before its user could see what it would do."""
        while self._typed:
            screen = self.screen
            keys_from = getattr(screen, "keys_from", 0.0)
            if self._typed[0].time < keys_from < inf:
                self._typed.popleft()
                continue
            self._under_way = under_way = object()
            if keys_from < inf:
                target: MessagePump = self.focused or screen
                await super().on_event(self._typed.popleft())
                self._follow([*_upwards(target), *_upwards(target)], under_way, screen)
                self._look_after(under_way)
            else:
                asyncio.get_running_loop().call_later(UNSEEN_S, self._had_its_effect, under_way)
            return

    def _look_after(self, under_way: object, looks: int = 0) -> None:
        """A busy machine may take long over a key; what is gone never has it."""
        if under_way is not self._under_way:
            return
        passing = self._passing
        if looks < LOOKS and passing is not None and passing.is_running and not passing._closing:
            asyncio.get_running_loop().call_later(LOOK_S, self._look_after, under_way, looks + 1)
        else:
            self._had_its_effect(under_way)

    def _follow(self, path: Sequence[MessagePump], under_way: object, screen: MessagePump | None) -> None:
        """Behind the key through the queues that it, and then what it set off, passes on the way up: bindings
        run in the app, and a button tells its screen. A screen opened by it has to have its focus, too."""
        for number, pump in enumerate(path):
            if pump.call_later(self._follow, path[number + 1 :], under_way, screen):
                self._passing = pump
                return
        if screen is not None and self.screen is not screen and self.screen.is_running:
            self._follow([self.screen, self], under_way, None)
        else:
            self._had_its_effect(under_way)

    def _had_its_effect(self, under_way: object) -> None:
        if under_way is self._under_way:
            self._under_way = None
            if self._typed:
                self.call_later(self._hand_out)


def _upwards(pump: MessagePump) -> list[MessagePump]:
    found = [pump]
    while (above := found[-1]._parent) is not None:
        found.append(above)
    return found
