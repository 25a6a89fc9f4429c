"""The composition root: settings, keys, the line to the engine, the console's state and its screens."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual.screen import Screen

from azure_ops.errors import RecoveryError
from widgets.plain_text import visible

from . import messages
from .crash import CrashSafe
from .driver import driver_class
from .flows import Flows
from .link import Link
from .screens.console import ConsoleScreen
from .state import ConsoleState
from .themes import DARK, LIGHT

if TYPE_CHECKING:
    from textual.app import SystemCommand
    from textual.notifications import SeverityLevel

    from azure_ops import wire
    from azure_ops.cloud import CloudSettings
    from azure_ops.model import Plan

    from .config import Config
    from .keys import KeyTable


SEVERITIES: dict[str, SeverityLevel] = {"warning": "warning", "error": "error"}


class ConsoleApp(CrashSafe):
    TITLE = "azrecover"
    CSS_PATH = ["styles/console.tcss", "styles/dialogs.tcss"]  # noqa: RUF012
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, settings: CloudSettings, config: Config, keys: KeyTable) -> None:
        super().__init__(driver_class=driver_class())
        self.settings = settings
        self.config = config
        self.keys = keys
        self.state = ConsoleState()
        self.link = Link(settings, self.post_message)
        self.flows = Flows(self)
        self._sign_in: Screen[None] | None = None
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = config.theme if config.theme in self.available_themes else DARK.name

    @property
    def read_only(self) -> bool:
        welcome = self.state.welcome
        return self.settings.read_only or bool(welcome and welcome.read_only)

    @property
    def console_screen(self) -> ConsoleScreen:
        screen = self.screen_stack[0]
        assert isinstance(screen, ConsoleScreen)
        return screen

    def log_folder(self) -> Path:
        from azure_ops.paths import state_dir

        return state_dir(self.settings)

    def get_default_screen(self) -> Screen[Any]:
        return ConsoleScreen(self)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        return ()

    def on_mount(self) -> None:
        self.set_keymap(self.keys.keymap())
        self.call_after_refresh(self._open_link)

    def _open_link(self) -> None:
        self.run_worker(self._linked(), group="link", exit_on_error=False)

    async def _linked(self) -> None:
        self.state.welcome = await self.link.open()
        self.console_screen.header_changed()

    async def on_unmount(self) -> None:
        await self.link.close()

    # from the engine ----------------------------------------------------------------------------------------

    def on_fleet_changed(self, event: messages.FleetChanged) -> None:
        self.state.apply_fleet(event.delta)
        self.console_screen.fleet_changed(event.delta)

    def on_jobs_changed(self, event: messages.JobsChanged) -> None:
        self.state.apply_jobs(event.delta)
        self._jobs_changed()

    def on_operations_changed(self, event: messages.OperationsChanged) -> None:
        for ended in self.state.apply_operations(event.delta):
            self.console_screen.operation_ended(ended)
        self._jobs_changed()

    def _jobs_changed(self) -> None:
        for screen in self.screen_stack:
            changed = getattr(screen, "jobs_changed", None)
            if changed:
                changed()

    def on_requests_sent(self, event: messages.RequestsSent) -> None:
        self.state.requests.extend(event.lines)
        self.console_screen.requests_sent(event.lines)

    def on_link_changed(self, event: messages.LinkChanged) -> None:
        if event.state == "connected":
            self.state.jobs.clear()
            self.state.operations.clear()
        self.console_screen.link_changed(event.state, event.line)

    def on_notice_came(self, event: messages.NoticeCame) -> None:
        notice: wire.Notice = event.notice
        severity = SEVERITIES.get(notice.severity, "information")
        self.tell(notice.text or notice.title, severity, title=notice.title if notice.text else "")
        if notice.ended and self.config.bell:
            self.bell()

    def on_sign_in_asked(self, event: messages.SignInAsked) -> None:
        from .screens.sign_in import SignInDialog

        if self._sign_in is not None and self._sign_in in self.screen_stack:
            self._sign_in.dismiss(None)
        self._sign_in = SignInDialog(event.sign_in) if event.sign_in.code else None
        if self._sign_in is not None:
            self.push_screen(self._sign_in)

    # for flows and screens ----------------------------------------------------------------------------------

    def tell(self, text: str, severity: SeverityLevel = "information", title: str = "") -> None:
        self.notify(visible(text), title=visible(title), severity=severity, markup=False)

    async def show_error(self, title: str, error: RecoveryError) -> None:
        from .screens.error import ErrorDialog

        await self.push_screen(ErrorDialog(title, error))

    def operations_started(self, plan: Plan, operation_ids: tuple[str, ...]) -> None:
        if plan.risk >= 2 and len(operation_ids) == 1:
            self.watch_job(operation_ids[0])
        else:
            self.tell("Started. Press 4 and Enter to watch it.", title=plan.title)

    def watch_job(self, id: str) -> None:
        """`id` is an operation's or a job's."""
        from .screens.watch import WatchScreen

        self.push_screen(WatchScreen(self, id))

    async def action_quit(self) -> None:
        running = self.state.running()
        names = ", ".join(visible(each.title) for each in running[:3])
        told = f"azrecover: {len(running)} running ({names}). They go on; start azrecover again to see them."
        self.exit(message=Text(told) if running else None)


def run(settings: CloudSettings, config: Config, keys: KeyTable) -> int:
    app = ConsoleApp(settings, config, keys)
    app.run()
    return app.return_code or 0
