"""The composition root: settings, keys, the line to the engine, the console's state and its screens."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual.screen import Screen

from azure_ops.errors import RecoveryError
from widgets.ages import use_local_times
from widgets.plain_text import visible

from .driver import TerminalDriver
from .engine_news import EngineNews
from .flows import Flows
from .link import Link
from .screens.console import ConsoleScreen
from .state import ConsoleState
from .themes import DARK, LIGHT, names

if TYPE_CHECKING:
    from textual.app import SystemCommand

    from azure_ops.cloud import CloudSettings
    from azure_ops.early_line import EarlyLine
    from azure_ops.model import Plan

    from .config import Config
    from .keys import KeyTable

SETTLED_S = 3.0
"""After so long modules, widgets and the first rows are loaded."""
COLLECT_S = 30.0
QUIET_S = 3.0
NEVER = 1_000_000_000


class ConsoleApp(EngineNews):
    TITLE = "azrecover"
    CSS_PATH = "styles/console.tcss"
    ENABLE_COMMAND_PALETTE = False

    def __init__(
        self,
        settings: CloudSettings,
        config: Config,
        keys: KeyTable,
        early: EarlyLine | None = None,
        images: tuple[str, ...] = (),
        also: tuple[tuple[str, ...], ...] = (),
    ) -> None:
        """`images`: files of this machine that are opened instead of the fleet; `also`: other images of the
        same machine, to compare files with."""
        super().__init__(driver_class=TerminalDriver)
        self.settings = settings
        self.config = config
        self.keys = keys
        self.images = images
        self._also = also
        self.state = ConsoleState()
        self.started = False
        """The first frame is out."""
        self.link = Link(settings, self.post_message, early)
        self.flows = Flows(self)
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = config.theme

    @property
    def read_only(self) -> bool:
        welcome = self.state.welcome
        return self.settings.read_only or bool(welcome and welcome.read_only)

    def log_folder(self) -> Path:
        from azure_ops.paths import state_dir

        return state_dir(self.settings)

    def get_default_screen(self) -> Screen[Any]:
        return ConsoleScreen(self)

    def refresh_css(self, animate: bool = True) -> None:
        """Before there is a screen nothing has to be styled anew, and the styles need not be parsed twice."""
        if self.screen_stack:
            super().refresh_css(animate)
        else:
            self.stylesheet.set_variables(self.get_css_variables())

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        return ()

    def on_mount(self) -> None:
        self.set_keymap(self.keys.keymap())
        if self.images:
            from .file_opening import ImageOpener
            from .file_versions import ImageSets
            from .screens.files import FilesScreen

            versions = ImageSets(self.images, self._also)
            self.push_screen(FilesScreen(self, ImageOpener(self.images), closes=False, versions=versions))

    def on_ready(self) -> None:
        self.started = True
        self.state.loose_ends.wake()
        self.console_screen.header_changed()
        self.console_screen.keys_changed()
        if not self.is_headless:
            self.set_timer(SETTLED_S, self._settled)
        self.run_worker(self._linked(), group="link", exit_on_error=False)

    def _settled(self) -> None:
        """`cli.py` has stopped the collection of garbage for the start. What is here by now stays. All of the
        rest is only walked through when nobody is typing: it takes as long as a frame."""
        gc.freeze()
        gc.set_threshold(2000, 5, NEVER)
        gc.enable()
        self.set_interval(COLLECT_S, self._collect_garbage)

    def _collect_garbage(self) -> None:
        driver = self._driver
        if isinstance(driver, TerminalDriver) and monotonic() - driver.last_key_at > QUIET_S:
            gc.collect()

    async def _linked(self) -> None:
        self.state.welcome = await self.link.open()
        self.console_screen.header_changed()
        if self.images:
            self._tell_screens("link_connected")
            return
        self.console_screen.load_details()
        if self.config.refresh_s:
            self.set_interval(self.config.refresh_s, self._refresh)

    def _refresh(self) -> None:
        """The pace that the user asked for in `config.toml`."""
        if not self.state.paused and self.link.state == "connected":
            self.console_screen.commands.refresh_quietly()

    async def on_unmount(self) -> None:
        await self.link.close()

    async def show_error(self, title: str, error: RecoveryError) -> None:
        from .screens.error import ErrorDialog

        await self.push_screen(ErrorDialog(title, error))

    def operations_started(self, plan: Plan, operation_ids: tuple[str, ...]) -> None:
        if plan.risk >= 2 and len(operation_ids) == 1:
            self.watch_job(operation_ids[0])
        else:
            self.console_screen.point_at_operation(operation_ids[0])
            on_fleet = all(screen.is_modal for screen in self.screen_stack[1:])
            watch = "Press 4 and Enter to watch it." if on_fleet else ""
            self.tell(f"On its way. {watch}".strip(), title=plan.title)

    def watch_job(self, id: str) -> None:
        """`id` is an operation's or a job's."""
        from .screens.watch import WatchScreen

        self.push_screen(WatchScreen(self, id))

    async def action_quit(self) -> None:
        running = self.state.running()
        names = ", ".join(visible(each.title) for each in running[:3])
        told = f"azrecover: {len(running)} running ({names}). They go on; start azrecover again to see them."
        self.exit(message=Text(told) if running else None)


def run(
    settings: CloudSettings,
    config: Config,
    keys: KeyTable,
    early: EarlyLine | None = None,
    images: tuple[str, ...] = (),
    also: tuple[tuple[str, ...], ...] = (),
) -> int:
    if config.theme not in names():
        known = ", ".join(names())
        print(
            f"azrecover: {config.path}: theme {config.theme!r} is not known; known are {known}",
            file=sys.stderr,
        )
        return 2
    app = ConsoleApp(settings, config, keys, early, images, also)
    if config.times == "local":
        use_local_times()
    app.run()
    return app.return_code or 0
