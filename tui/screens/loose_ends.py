"""What is left open: each with its age, its costs and the key that ends it. Opened with `L`.

It shows what the console knows already and reads nothing by itself; what the engine could not read is said
below the list.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import Screen

from azure_ops import wire
from azure_ops.actions.spec import Target, TargetKind
from azure_ops.errors import RecoveryError, Refused
from azure_ops.loose_ends import Kind, LooseEnd
from azure_ops.model import FleetItem, Job, ManagedDisk, Operation
from widgets.ages import here, zone_name
from widgets.key_line import KeyLine
from widgets.loose_ends import LooseEndTable
from widgets.page import Page, PageView
from widgets.pane import fault_line
from widgets.status import Status, StatusBar
from widgets.table_messages import CursorMoved, Opened

from ..flows import READ_ONLY_REASON, actions
from ..keys import ACTION_IDS, bindings

if TYPE_CHECKING:
    from ..app import ConsoleApp

TICK_S = 2.0
END_IT = "end-loose-end"
COMMANDS = ("back", "details", "copy", "portal", "refresh", "handover", "palette", "help", "quit", END_IT)


class LooseEndsScreen(Screen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(COMMANDS, "run"), *bindings(ACTION_IDS, "act")]

    def __init__(self, app: ConsoleApp) -> None:
        super().__init__()
        self.console_app = app
        self._composed = False

    @property
    def table(self) -> LooseEndTable:
        return self.query_one(LooseEndTable)

    def compose(self) -> ComposeResult:
        yield StatusBar(id="loose-end-status")
        with Vertical(id="loose-ends") as box:
            box.border_title = "Loose ends"
            yield LooseEndTable(self.console_app.state.service_now, self.key_of, id="loose-end-table")
            yield PageView(id="loose-end-facts")
            yield PageView(id="loose-end-faults")
        yield KeyLine(id="loose-end-keys")

    def on_mount(self) -> None:
        self._composed = True
        self.table.focus()
        self.console_app.console_screen.header_changed()
        self.loose_ends_changed()
        self.set_interval(TICK_S, self._tick)

    def header_changed(self, status: Status) -> None:
        """Called by the console's screen, which shows the same line."""
        if self._composed:
            self.query_one(StatusBar).show(status)

    def _tick(self) -> None:
        if self.is_current:
            self.console_app.console_screen.header_changed()
            self.console_app.state.loose_ends.tick()
            self.loose_ends_changed()

    def jobs_changed(self) -> None:
        """Told by the app; the fleet's news come with the next tick."""
        self.loose_ends_changed()

    def loose_ends_changed(self) -> None:
        if not self._composed:
            return
        ends = self.console_app.state.loose_ends.all()
        with self.app.batch_update():
            self.query_one("#loose-ends").border_title = f"Loose ends ({len(ends)})"
            self.table.empty_text = "Reading …" if self._unread() else "Nothing is left open"
            self.table.show(ends)
            self.table.tick()
            self.query_one("#loose-end-faults", PageView).show(self._faults())
            self._show_row()

    # below the list -----------------------------------------------------------------------------------------

    def _unread(self) -> bool:
        state = self.console_app.state
        return not state.complete or state.leftovers is None

    def _faults(self) -> Page:
        state, page = self.console_app.state, Page()
        sources = [*state.sources.values(), *(state.leftovers.sources if state.leftovers else ())]
        if line := fault_line(sources, datetime.now(UTC)):
            page.bullet(f"Not read: {line}", sign="▲", style="$text-warning")
        elif self._unread():
            page.bullet("Still reading: there may be more.", sign="…", style="$text-muted")
        return page

    def on_cursor_moved(self, event: CursorMoved) -> None:
        self._show_row()

    def _show_row(self) -> None:
        end, keys = self.table.cursor_row, self.console_app.keys
        page = Page()
        if end is not None:
            page.text(f"{end.name}: {end.what}", style="bold")
            page.note("; ".join(part for part in (end.costs, *end.facts) if part), 0)
        self.query_one("#loose-end-facts", PageView).show(page)
        shown = [("esc", "Back")]
        if end is not None and end.action in ACTION_IDS:
            shown.append((self.key_of(end), actions()[end.action].title))
        for id, word in (
            ("details", "Details"),
            ("copy", "Copy"),
            ("portal", "Portal"),
            ("handover", "Handover"),
            ("help", "Help"),
        ):
            shown.append((keys.shown(id), word))
        self.query_one(KeyLine).show_keys(shown)

    def key_of(self, end: LooseEnd) -> str:
        """Its action's own key, or the one that does whatever ends the row."""
        if end.action not in ACTION_IDS:
            return ""
        return self.console_app.keys.shown(end.action) or self.console_app.keys.shown(END_IT)

    # keys ---------------------------------------------------------------------------------------------------

    def action_act(self, id: str) -> None:
        end = self.table.cursor_row
        self.console_app.flows.start(id, self._targets(end, actions()[id].target) if end else ())

    def _targets(self, end: LooseEnd, kind: TargetKind) -> Sequence[Target]:
        """What the row is about, as it is known now; of an operation the VM or the job that it was about."""
        state, about = self.console_app.state, end.target
        if isinstance(about, ManagedDisk):
            return [about] if kind is TargetKind.DISK else []
        if isinstance(about, Job) and kind is TargetKind.JOB:
            return [state.jobs.get(about.id, about)]
        if isinstance(about, Operation) and kind is TargetKind.JOB:
            job = state.jobs.get(about.target_key) or state.job_of(about)
            return [job] if job else []
        if isinstance(about, Operation) and kind is TargetKind.DISK:
            disks = state.leftovers.disks if state.leftovers else ()
            return [disk for disk in disks if disk.key == about.target_key]
        key = about.key if isinstance(about, FleetItem) else about.target_key
        item = state.items.get(key)
        return [item] if item and kind is TargetKind.VM else []

    def on_opened(self, event: Opened) -> None:
        event.stop()
        self._details()

    async def action_run(self, id: str) -> None:
        commands, end = self.console_app.console_screen.commands, self.table.cursor_row
        match id:
            case "back":
                self.dismiss(None)
            case "quit":
                await self.console_app.action_quit()
            case "palette":
                commands.palette_over(self.action_act)
            case "help" | "refresh" | "handover":
                commands.run(id)
            case "details":
                self._details()
            case "copy" if end is not None:
                commands.copy_id(end.arm_id)
            case "portal" if end is not None:
                commands.portal_of(end.arm_id)
            case "end-loose-end" if end is not None:
                self._end(end)

    def _end(self, end: LooseEnd) -> None:
        if end.action in ACTION_IDS:
            self.action_act(end.action)
        elif end.kind is Kind.ACCESS_OPEN and isinstance(end.target, Operation):
            ending = self._end_access(end.target.id)
            self.run_worker(ending, group="end-access", exclusive=True, exit_on_error=False)
        else:
            self.console_app.tell(end.way_out or "No action of azrecover ends this.", "warning")

    async def _end_access(self, id: str) -> None:
        app = self.console_app
        try:
            if app.read_only:
                raise Refused(READ_ONLY_REASON)
            await app.link.ask(wire.EndAccess(operation_id=id), wire.Done)
        except RecoveryError as error:
            app.tell(str(error), "warning")
        else:
            app.tell("Access to the disk has ended.")

    def _details(self) -> None:
        from .dialog import Message

        end = self.table.cursor_row
        if end is None:
            return
        if isinstance(end.target, Job | Operation):
            self.console_app.watch_job(end.target.id)
            return
        page = details_page(end, self.key_of(end))
        self.app.push_screen(Message(f"{end.name}: {end.kind}", page))


def details_page(end: LooseEnd, key: str) -> Page:
    page = Page().text(end.what).blank()
    if end.since is not None:
        page.pair("since", _moment(end.since))
    if end.until is not None:
        page.pair("until", _moment(end.until))
    page.pair("costs", end.costs or "nothing is known")
    if end.vault:
        page.pair("vault", end.vault)
    page.pair("id", end.arm_id)
    for fact in end.facts:
        page.pair("known by", fact)
    if end.action in ACTION_IDS:
        page.pair("ends with", f"{key}  {actions()[end.action].title}")
    if end.way_out:
        page.pair("way out", end.way_out)
    return page


def _moment(at: datetime) -> str:
    return f"{here(at):%Y-%m-%d %H:%M:%S} {zone_name()}"
