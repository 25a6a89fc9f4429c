"""What the app does with news from the engine: into the state first, then to the screens that show it."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from azure_ops import wire
from widgets.plain_text import visible

from . import messages
from .crash import CrashSafe
from .driver import TerminalDriver
from .key_order import KeysInOrder
from .screens.console import ConsoleScreen
from .state import Came, ConsoleState, FleetNews

if TYPE_CHECKING:
    from textual.notifications import SeverityLevel

    from .config import Config
    from .link import Link
    from .screens.passing import EngineLost, SignInDialog

FLEET_APART_S = 0.1
GIVES_WAY_S = 0.025
"""News wait so long, once, when a key came in that has had no frame yet."""
SEVERITIES: dict[str, SeverityLevel] = {"warning": "warning", "error": "error"}


class EngineNews(CrashSafe, KeysInOrder):
    """The half of the app that listens to `link.py`."""

    state: ConsoleState
    link: Link
    config: Config
    _sign_in: SignInDialog | None = None
    _lost: EngineLost | None = None
    _fleet_news: FleetNews | None = None
    _fleet_shown_at = 0.0
    _gave_way = False

    @property
    def console_screen(self) -> ConsoleScreen:
        screen = self.screen_stack[0]
        assert isinstance(screen, ConsoleScreen)
        return screen

    def tell(self, text: str, severity: SeverityLevel = "information", title: str = "") -> None:
        self.notify(visible(text), title=visible(title), severity=severity, markup=False)

    def hear_early(self) -> None:
        """What an engine told while the console was loading is in the first frame, not in one after it."""
        news = FleetNews()
        for message in self.link.hear_early():
            match message:
                case wire.Welcome():
                    self.state.welcome = message
                case wire.FleetDelta():
                    news.add(message, self.state.apply_fleet(message))
                case wire.JobsDelta():
                    self.state.apply_jobs(message)
                case wire.OperationsDelta():
                    self.state.apply_operations(message)
                case wire.LeftoversTold():
                    self.state.apply_leftovers(message)
                case _:
                    self.link.take(message)
        if self.state.welcome:
            self.console_screen.fleet_changed(news)
            self._jobs_changed()

    def on_fleet_changed(self, event: messages.FleetChanged) -> None:
        """Shown together with all that came meanwhile, and not more often than somebody can read."""
        came = self.state.apply_fleet(event.delta)
        if event.delta.vaults:
            self._tell_screens("vaults_changed")
        waits = self._fleet_news is not None
        self._fleet_news = self._fleet_news or FleetNews()
        self._fleet_news.add(event.delta, came)
        wait_s = self._fleet_shown_at + FLEET_APART_S - monotonic()
        if came is Came.WHOLE or (not waits and wait_s <= 0):
            self.call_later(self._show_fleet)
        elif not waits:
            self.set_timer(wait_s, self._show_fleet)

    def _show_fleet(self) -> None:
        driver = self._driver
        if not self._gave_way and isinstance(driver, TerminalDriver) and driver.key_unanswered:
            self._gave_way = True
            self.set_timer(GIVES_WAY_S, self._show_fleet)
            return
        self._gave_way = False
        news, self._fleet_news, self._fleet_shown_at = self._fleet_news, None, monotonic()
        if news is not None:
            self.console_screen.fleet_changed(news)

    def on_jobs_changed(self, event: messages.JobsChanged) -> None:
        self.state.apply_jobs(event.delta)
        self._jobs_changed()

    def on_operations_changed(self, event: messages.OperationsChanged) -> None:
        for ended in self.state.apply_operations(event.delta):
            self._tell_screens("operation_ended", ended)
        self._jobs_changed()

    def on_leftovers_changed(self, event: messages.LeftoversChanged) -> None:
        self.state.apply_leftovers(event.told)
        self.console_screen.header_changed()
        self._loose_ends_changed()

    def _loose_ends_changed(self) -> None:
        for screen in self.screen_stack:
            if changed := getattr(screen, "loose_ends_changed", None):
                changed()

    def _jobs_changed(self) -> None:
        self._tell_screens("jobs_changed")

    def _tell_screens(self, what: str, *news: object) -> None:
        """Those that listen for it have a method of this name."""
        for screen in self.screen_stack:
            listen = getattr(screen, what, None)
            if listen:
                listen(*news)

    def on_requests_sent(self, event: messages.RequestsSent) -> None:
        self.console_screen.requests_sent(event.lines)

    def on_link_changed(self, event: messages.LinkChanged) -> None:
        if event.state == "connected":
            self.state.forget_jobs()
            if self._lost is not None and self._lost in self.screen_stack:
                self._lost.over()
            self._lost = None
            if self.link.ready:
                self._tell_screens("link_connected")
        elif event.state == "lost" and self._lost is None:
            from .screens.passing import EngineLost

            self._lost = EngineLost(event.line)
            self.push_screen(self._lost)
        self.console_screen.link_changed(event.state, event.line)

    def on_notice_came(self, event: messages.NoticeCame) -> None:
        notice = event.notice
        severity = SEVERITIES.get(notice.severity, "information")
        self.tell(notice.text or notice.title, severity, title=notice.title if notice.text else "")
        if notice.ended and self.config.bell:
            self.bell()

    def on_sign_in_asked(self, event: messages.SignInAsked) -> None:
        from .screens.passing import SignInDialog

        if self._sign_in is not None and self._sign_in in self.screen_stack:
            self._sign_in.over()
        self._sign_in = SignInDialog(event.sign_in) if event.sign_in.code else None
        if self._sign_in is not None:
            self.push_screen(self._sign_in)
