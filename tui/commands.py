"""What the keys that only look do, by id: `sort`, `raw`, `copy` … Mixed into the console screen.

Everything here reads the row under the cursor at the moment of the key and asks the engine in a worker.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from azure_ops import wire
from azure_ops.errors import RecoveryError
from azure_ops.model import FleetItem, Job, Operation
from widgets.page import Page
from widgets.plain_text import visible

from .flows import actions, name_of

if TYPE_CHECKING:
    from azure_ops.actions.spec import Target, TargetKind

    from .app import ConsoleApp
    from .screens.console import ConsoleScreen

PORTALS = {
    "public": "https://portal.azure.com",
    "usgovernment": "https://portal.azure.us",
    "china": "https://portal.azure.cn",
}


class Commands:
    """One method per command id, dashes as underscores."""

    def __init__(self, app: ConsoleApp, screen: ConsoleScreen) -> None:
        self._app = app
        self._screen = screen

    def run(self, id: str) -> None:
        command: Callable[[], None] = getattr(self, id.replace("-", "_"))
        command()

    # acting -------------------------------------------------------------------------------------------------

    def act(self, action_id: str) -> None:
        action = actions().get(action_id)
        if action is not None:
            self._app.flows.start(action_id, self.targets(action.target))

    def targets(self, kind: TargetKind) -> Sequence[Target]:
        """The objects, now: marked rows, or the one under the cursor."""
        from azure_ops.actions.spec import TargetKind

        if kind is TargetKind.JOB:
            job = self._screen.job_under_cursor()
            return [job] if job else []
        return self._screen.vms_under_cursor()

    def menu(self) -> None:
        from .screens.action_menu import ActionMenu, Entry

        found: list[Entry] = []
        subject = ""
        for action in actions().values():
            targets = self.targets(action.target)
            reason = ""
            if not targets:
                reason = "nothing under the cursor for it"
            elif len(targets) == 1:
                reason = self._app.flows.why_not(action, targets[0])
                subject = subject or name_of(targets[0])
            else:
                subject = f"{len(targets)} marked rows"
                if not any(not self._app.flows.why_not(action, target) for target in targets):
                    reason = "possible on none of the marked rows"
            found.append(Entry(action.id, self._app.keys.shown(action.id), action.title, action.risk, reason))
        menu = ActionMenu(subject or "nothing", found)
        self._app.push_screen(menu, lambda chosen: self.act(chosen) if chosen else None)

    # looking ------------------------------------------------------------------------------------------------

    def details(self) -> None:
        row = self._screen.row_under_cursor()
        if isinstance(row, FleetItem):
            self._later(self._show_details(row))
        elif isinstance(row, Job | Operation):
            self._app.watch_job(row.id)

    async def _show_details(self, item: FleetItem) -> None:
        from .screens.details import DetailsDialog

        answer = await self._app.link.ask(wire.GetDetails(key=item.key), wire.GotDetails)
        self._app.push_screen(DetailsDialog(self._app, answer.details))

    def raw(self) -> None:
        wanted = self._raw_wanted()
        if wanted is None:
            self._app.tell("There is no row under the cursor to show.", "warning")
        else:
            self._later(self._show_raw(*wanted))

    def show_raw_of(self, job: Job) -> None:
        self._later(self._show_raw(job.title or job.operation, wire.GetRaw(key=job.id, part="job")))

    def _raw_wanted(self) -> tuple[str, wire.GetRaw] | None:
        row = self._screen.row_under_cursor()
        if isinstance(row, Operation):
            row = self._app.state.job_of(row)
        if isinstance(row, Job):
            return row.title or row.operation, wire.GetRaw(key=row.id, part="job")
        if not isinstance(row, FleetItem):
            return None
        pane = self._screen.active_pane
        if pane == 3 and row.replication:
            return f"{row.name}, replicated item", wire.GetRaw(key=row.key, part="replication")
        if pane == 2 and row.backup:
            return f"{row.name}, backup item", wire.GetRaw(key=row.key, part="backup")
        return row.name, wire.GetRaw(key=row.key, part="vm")

    async def _show_raw(self, name: str, request: wire.GetRaw) -> None:
        from .screens.raw import RawJson

        self._app.push_screen(RawJson(name, (await self._app.link.ask(request, wire.GotRaw)).document))

    def _arm_id(self) -> str:
        row = self._screen.row_under_cursor()
        if isinstance(row, FleetItem):
            pane = self._screen.active_pane
            if pane == 3 and row.replication:
                return row.replication.item_id
            return row.id
        if isinstance(row, Operation):
            return row.job_id or row.target_key
        return row.id if isinstance(row, Job) else ""

    def copy(self) -> None:
        arm_id = self._arm_id()
        if arm_id:
            self._app.copy_to_clipboard(visible(arm_id))
            self._app.tell(arm_id, title="Sent to your terminal's clipboard (OSC 52)")

    def portal(self) -> None:
        from .screens.dialog import Message

        arm_id, base = self._arm_id(), PORTALS.get(self._app.settings.name, "")
        if not base:
            self._app.tell("The portal shows the public clouds; this is an endpoint of your own.", "warning")
        elif arm_id:
            link = f"{base}/#@/resource{arm_id}/overview"
            self._app.copy_to_clipboard(link)
            page = (
                Page()
                .text("In any browser that is signed in:")
                .blank()
                .text(link, style="bold $accent")
                .blank()
            )
            self._app.push_screen(
                Message("Azure portal", page.note("It is in your terminal's clipboard too.", 0))
            )

    def refresh(self) -> None:
        self._later(self._refresh())

    def refresh_quietly(self) -> None:
        request = self._app.link.ask(wire.Refresh(), wire.Done)
        self._app.run_worker(_without_words(request), group="pace", exclusive=True, exit_on_error=False)

    async def _refresh(self) -> None:
        await self._app.link.ask(wire.Refresh(), wire.Done)
        self._screen.load_details(fresh=True)

    def pause(self) -> None:
        self._later(self._pause())

    async def _pause(self) -> None:
        paused = not self._app.state.paused
        await self._app.link.ask(wire.Pause(paused=paused), wire.Done)
        self._app.state.paused = paused
        self._screen.header_changed()
        self._app.tell("Reading is paused; p goes on." if paused else "Reading goes on.")

    # the console --------------------------------------------------------------------------------------------

    def help(self) -> None:
        from .screens.help import Help

        self._app.push_screen(Help(self._app.keys))

    def palette(self) -> None:
        from .palette import Entry, entries
        from .screens.palette import Palette

        state = self._app.state
        keywords = {action.id: action.keywords for action in actions().values()}
        index = entries(self._app.keys, keywords, state.items.values(), state.operations.values())

        def chosen(entry: Entry | None) -> None:
            if entry is not None:
                self._go(entry.kind, entry.id)

        self._app.push_screen(Palette(index), chosen)

    def _go(self, kind: str, id: str) -> None:
        match kind:
            case "action":
                self.act(id)
            case "command":
                self._screen.action_run(id)
            case "vm":
                self._screen.go_to_vm(id)
            case "operation":
                self._app.watch_job(id)

    def quit(self) -> None:
        self._later(self._app.action_quit())

    def _later(self, work: Awaitable[None]) -> None:
        async def guarded() -> None:
            try:
                await work
            except RecoveryError as error:
                self._app.tell(str(error), "warning")

        self._app.run_worker(guarded(), group="look", exclusive=True, exit_on_error=False)


async def _without_words(work: Awaitable[object]) -> None:
    """What fails here shows as the age of the panes."""
    with contextlib.suppress(RecoveryError):
        await work
