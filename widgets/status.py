"""The top line: which cloud and scope, whether keys may write, loose ends, the service's clock, what failed.

It changes at most once a minute while all is well, so that an idle line costs nothing over SSH.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from textual.content import Content
from textual.widget import Widget

from .ages import here, zone_name
from .columns import TONE_STYLES, Tone
from .plain_text import cells, plain, truncate, visible


class Status(msgspec.Struct, frozen=True):
    cloud: str = ""
    """Cloud or endpoint, and what of it is shown: a subscription or a vault."""
    read_only: bool = False
    loose_ends: int = 0
    running: int = 0
    """Operations that are not at their end."""
    paused: bool = False
    link: str = ""
    """What is wrong with the line to the engine, or empty."""
    fault: str = ""
    """What is wrong with a source, or empty."""
    service_now: datetime | None = None


class StatusBar(Widget):
    DEFAULT_CSS = "StatusBar { height: 1; width: 1fr; background: $panel; color: $foreground; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._status = Status()
        self._shown = ""

    def show(self, status: Status) -> None:
        self._status = status
        if self.is_mounted and (line := self._line().markup) != self._shown:
            self._shown = line
            self.refresh()

    def render(self) -> Content:
        return self._line()

    def _line(self) -> Content:
        width = self.size.width
        clock = self._clock()
        left = [plain(" azrecover ", "bold $accent"), *self._parts()]
        room = width - cells(clock.plain)
        line = Content("")
        for part in left:
            if cells((line + part).plain) > room:
                part = plain(truncate(part.plain, max(room - cells(line.plain), 0)))
            line += part
        return line + " " * max(room - cells(line.plain), 0) + clock

    def _parts(self) -> list[Content]:
        status = self._status
        mode = ("○ READ-ONLY", Tone.GOOD) if status.read_only else ("● WRITE", Tone.WARN)
        parts = [plain(f" {truncate(status.cloud, 40)} ", "bold")] if status.cloud else []
        parts.append(self._part(mode[0], mode[1]))
        if status.link:
            parts.append(self._part(f"✖ {status.link}", Tone.BAD))
        if status.paused:
            parts.append(self._part("‖ PAUSED", Tone.WARN))
        if status.loose_ends:
            parts.append(
                self._part(f"▲ {status.loose_ends} loose end{'s' * (status.loose_ends != 1)}", Tone.WARN)
            )
        if status.running:
            parts.append(self._part(f"● {status.running} running", Tone.BUSY))
        if status.fault:
            parts.append(self._part(f"▲ {visible(status.fault)}", Tone.WARN))
        return parts

    @staticmethod
    def _part(text: str, tone: Tone) -> Content:
        return plain(f"  {text}", TONE_STYLES[tone])

    def _clock(self) -> Content:
        now = self._status.service_now
        return plain("" if now is None else f"  {here(now):%H:%M} {zone_name()} ", TONE_STYLES[Tone.DIM])
