"""The terminal: Textual's Linux and macOS driver, but only changed cells are sent, a frozen line never stops
the event loop, a hang-up ends the console instead of killing or spinning it, and every return repaints.

`App(driver_class=TerminalDriver)`. What Textual writes goes into a `CellScreen`; a frame is what differs from
the screen as it was last sent, taken when the writer is idle. So frames that nobody could see are never made.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import termios
import threading
import tty
from codecs import getincrementaldecoder
from collections import deque
from collections.abc import Callable
from selectors import EVENT_READ, SelectSelector
from threading import Thread
from time import monotonic
from typing import Any

from textual import constants, events
from textual._xterm_parser import XTermParser
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Size
from textual.message import Message

from . import terminal_guard
from .terminal_cells import CellScreen
from .terminal_writer import TerminalWriter

HUNG_UP = 129
TERMINATED = 143
FRAMES_KEPT = 64
SWITCH_S = 0.001
"""After so long the thread that draws gives way to those that read keys and write frames; Python's own 5 ms
are felt."""
LAST_RESORT_S = 3.0
"""After a hang-up or SIGTERM the process ends after so long even if the application does not."""
_KITTY_FLAGS = 0b00011001
"""Disambiguated, all keys, with their text: as Textual asks for."""


def driver_class() -> type[Driver]:
    return TerminalDriver


class TerminalDriver(LinuxDriver):
    def __init__(
        self,
        app: Any,
        *,
        debug: bool = False,
        mouse: bool = True,
        size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        sys.setswitchinterval(SWITCH_S)
        terminal_guard.install()
        self.last_key_at = 0.0
        """By `time.monotonic`, as all times here."""
        self._frames_at: deque[float] = deque(maxlen=FRAMES_KEPT)
        self._cells = CellScreen(*self._get_terminal_size())
        self._writer: TerminalWriter | None = None
        self._frame_waits = False
        self._ending = False
        self._stopped_by_us = False
        for number, handler in (
            (signal.SIGHUP, lambda: self._end(HUNG_UP)),
            (signal.SIGTERM, lambda: self._end(TERMINATED)),
            (signal.SIGTSTP, self._stop_process),
            (signal.SIGCONT, self._continue_process),
        ):
            self._on_signal(number, handler)

    # output -------------------------------------------------------------------------------------------------

    def write(self, data: str) -> None:
        """Takes what Textual draws; modes and the bell go out as they are."""
        controls = self._cells.feed(data)
        writer = self._writer
        if writer is None or not controls:
            return
        if controls == "\x07" and writer.busy:
            return
        writer.send(controls)

    def flush(self) -> None:
        """A frame is complete: sent at once, or as soon as the terminal has taken the last one."""
        writer = self._writer
        if writer is None:
            return
        if writer.busy:
            self._frame_waits = True
            return
        self._frame_waits = False
        self._frames_at.append(monotonic())
        writer.send(self._cells.changes())

    def first_frame_since(self, moment: float) -> float:
        """When the first frame after a moment was sent, now if there was none: what was typed before it was
        typed without seeing it."""
        return next((at for at in self._frames_at if at > moment), monotonic())

    @property
    def key_unanswered(self) -> bool:
        """No frame was sent since the last key came in."""
        return bool(self._frames_at) and self.last_key_at > self._frames_at[-1]

    def repaint(self) -> None:
        """Sends the whole screen again, for a terminal on which somebody else has written."""
        self._cells.forget()
        self.flush()

    def _written(self) -> None:
        if self._frame_waits:
            self.flush()

    def _from_thread(self, callback: Callable[..., Any], *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(callback, *args)

    # start and stop -----------------------------------------------------------------------------------------

    def start_application_mode(self) -> None:
        if self.input_tty and not self._in_foreground():
            return
        self._writer = TerminalWriter(
            self._output_fileno(),
            on_idle=lambda: self._from_thread(self._written),
            on_lost=lambda: self._from_thread(self._end, HUNG_UP),
        )
        self._writer.start()
        self._on_signal(signal.SIGWINCH, self._window_changed)
        self._cells.resize(*self._get_terminal_size())
        self._send_size()
        self.attrs_before = self._make_raw()
        self._writer.send("\x1b[?1049h\x1b[m\x1b[H\x1b[2J\x1b[?25l\x1b[?1004h\x1b[?7l")
        if not constants.DISABLE_KITTY_KEY:
            self._writer.send(f"\x1b[>{_KITTY_FLAGS}u")
        self._cells.cleared()
        self._enable_mouse_support()
        self._enable_bracketed_paste()
        self._key_thread = Thread(target=self._run_input_thread, name="textual-input", daemon=True)
        self._key_thread.start()
        self._request_terminal_sync_mode_support()
        self._query_in_band_window_resize()
        self.flush()
        if self._must_signal_resume:
            self._must_signal_resume = False
            self._loop.create_task(self._app._post_message(self.SignalResume()))

    def stop_application_mode(self) -> None:
        writer = self._writer
        if writer is None:
            return
        self._disable_bracketed_paste()
        self._disable_in_band_window_resize()
        self.disable_input()
        if not constants.DISABLE_KITTY_KEY:
            writer.send("\x1b[<u")
        writer.send("\x1b[m\x1b[?7h\x1b[?1049l\x1b[?25h\x1b[?1004l")
        writer.drain(1.0)
        if self.attrs_before is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)

    def close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.stop()

    def disable_input(self) -> None:
        if self.exit_event.is_set():
            return
        self._on_signal(signal.SIGWINCH, lambda: None)
        self._disable_mouse_support()
        self.exit_event.set()
        if self._key_thread is not None and self._key_thread is not threading.current_thread():
            self._key_thread.join(1.0)
        self.exit_event.clear()
        with contextlib.suppress(termios.error):
            termios.tcflush(self.fileno, termios.TCIFLUSH)

    def _make_raw(self) -> list[Any] | None:
        """No echo, no line discipline; comes back with the attributes before."""
        try:
            before = termios.tcgetattr(self.fileno)
            raw = termios.tcgetattr(self.fileno)
            raw[tty.LFLAG] = self._patch_lflag(raw[tty.LFLAG])
            raw[tty.IFLAG] = self._patch_iflag(raw[tty.IFLAG])
            raw[tty.CC][termios.VMIN] = 1
            termios.tcsetattr(self.fileno, termios.TCSANOW, raw)
        except termios.error:
            return None
        return before

    def _in_foreground(self) -> bool:
        """False when the shell continued us in the background: we were put to sleep again while asking."""

        def sleep_again(*_: object) -> None:
            os.kill(os.getpid(), signal.SIGSTOP)

        before = [(number, signal.signal(number, sleep_again)) for number in (signal.SIGTTOU, signal.SIGTTIN)]
        try:
            termios.tcsetattr(self.fileno, termios.TCSANOW, termios.tcgetattr(self.fileno))
        except termios.error:
            return False
        finally:
            for number, handler in before:
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        return True

    # size ---------------------------------------------------------------------------------------------------

    def _get_terminal_size(self) -> tuple[int, int]:
        """Asked of the terminal, not of COLUMNS and LINES, which go stale."""
        for fileno in (self._output_fileno(), self.fileno):
            with contextlib.suppress(OSError, ValueError):
                size = os.get_terminal_size(fileno)
                if size.columns and size.lines:
                    return size.columns, size.lines
        return 80, 24

    def _output_fileno(self) -> int:
        return sys.__stderr__.fileno() if sys.__stderr__ is not None else 2

    def _window_changed(self) -> None:
        if not self._in_band_window_resize:
            self._cells.resize(*self._get_terminal_size())
            self._send_size()

    def _send_size(self) -> None:
        size = Size(*self._get_terminal_size())
        self._loop.create_task(self._app._post_message(events.Resize(size, size)))

    def process_message(self, message: Message) -> None:
        """Called on the input thread."""
        if isinstance(message, events.Resize):
            self._from_thread(self._cells.resize, message.size.width, message.size.height)
        elif isinstance(message, events.Key):
            self.last_key_at = monotonic()
        super().process_message(message)

    # signals and hang-up ------------------------------------------------------------------------------------

    def _on_signal(self, number: int, handler: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError, ValueError):  # not on the main thread
            self._loop.add_signal_handler(number, handler)

    def _stop_process(self) -> None:
        """SIGTSTP: gives the terminal back, then really stops."""
        if self._auto_restart:
            self.suspend_application_mode()
            self._must_signal_resume = True
            self._stopped_by_us = True
        os.kill(os.getpid(), signal.SIGSTOP)

    def _continue_process(self) -> None:
        """SIGCONT: starts again after our own stop; after SIGSTOP the shell has changed the screen."""
        if not self._auto_restart or self._ending:
            return
        if self._stopped_by_us:
            self._stopped_by_us = False
            self.resume_application_mode()
        elif self._writer is not None and not self._writer.busy:
            self._make_raw()
            self.repaint()

    def _end(self, code: int) -> None:
        """The terminal is gone, or we are told to go: the application unmounts and ends with `code`."""
        if self._ending:
            return
        self._ending = True
        timer = threading.Timer(LAST_RESORT_S, self._last_resort, (code,))
        timer.daemon = True
        timer.start()
        self._app.exit(return_code=code)

    def _last_resort(self, code: int) -> None:
        with contextlib.suppress(Exception):
            self.stop_application_mode()
        os._exit(code)

    # input --------------------------------------------------------------------------------------------------

    def run_input_thread(self) -> None:
        """Reads keys until told to stop; an end of file is a hang-up, not an empty read."""
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")("replace").decode
        with SelectSelector() as selector:
            selector.register(self.fileno, EVENT_READ)
            while not self.exit_event.is_set():
                if selector.select(0.1):
                    try:
                        data = os.read(self.fileno, 4096)
                    except OSError:
                        data = b""
                    if not data:
                        self._from_thread(self._end, HUNG_UP)
                        return
                    for event in parser.feed(decode(data)):
                        self.process_message(event)
                for event in parser.tick():
                    self.process_message(event)
