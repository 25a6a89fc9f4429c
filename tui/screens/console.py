"""The main screen: five panes over one fleet. Keys come from `keys.py`; what they do is in `commands.py`
(looking) and `flows.py` (acting); how the panes lie is in `layout.py`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from azure_ops import wire
from azure_ops.errors import RecoveryError
from azure_ops.model import Details, FleetItem, Gap, Job, Operation, RecoveryPoint, RequestLine
from widgets.key_line import KeyLine
from widgets.keyed_table import KeyedTable
from widgets.operations import OperationRow, OperationTable
from widgets.pane import counted, fault_line
from widgets.plain_text import plain
from widgets.recovery_points import PointTable, when_empty
from widgets.replication import ReplicationView
from widgets.request_log import RequestLog
from widgets.status import StatusBar
from widgets.table_messages import CursorMoved, MarksChanged, Opened, RowGone, ShownChanged
from widgets.vm_table import VmTable

from .. import header
from ..commands import Commands
from ..keys import ACTION_IDS, FILES, PLAN, TABLE, bindings
from ..layout import Layout
from ..state import FleetNews

if TYPE_CHECKING:
    from textual.widgets import Input

    from ..app import ConsoleApp

REST_S = 0.25
"""The cursor rests this long on a row before its details are read."""
DETAILS_GOOD_S = 60.0
"""After so long they are read again while the cursor stays: points come and go."""
TICK_S = 2.0
"""Times are counted anew; nothing is written when they read the same."""
IN_TABLES = frozenset({"down", "up", "top", "bottom", "open", "mark", "sort", "next-pane", "previous-pane"})
ELSEWHERE = frozenset({"end-loose-end"})
COMMANDS = [
    key.id
    for key in TABLE
    if key.section not in (FILES, PLAN) and key.id not in {*ACTION_IDS, *IN_TABLES, *ELSEWHERE}
]


class ConsoleScreen(Screen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(COMMANDS, "run"), *bindings(ACTION_IDS, "act")]

    def __init__(self, app: ConsoleApp) -> None:
        super().__init__()
        self.console_app = app
        self.commands = Commands(app, self)
        self.panes = Layout(self)
        self._details: Details | None = None
        self._details_asked = 0.0
        self._points_of = ""
        self.secondary = False
        """Whether points of the vaults' secondary regions are read, too."""
        self._resting: Timer | None = None
        self._fresh = True
        self._point_at = ""
        self._following = False

    def compose(self) -> ComposeResult:
        now = self.console_app.state.service_now
        contents: dict[int, Widget] = {
            1: VmTable(now, id="vms"),
            2: PointTable(now, id="points"),
            3: ReplicationView(now, id="replication"),
            4: OperationTable(now, id="operations"),
            5: RequestLog(id="requests"),
        }
        yield StatusBar(id="status")
        yield self.panes.build(contents, *self.app.size)
        yield Static(plain("The window is too small: make it at least 60×16."), id="too-small", markup=False)
        yield KeyLine(id="keys")

    def on_mount(self) -> None:
        self.vms.empty_text = "Connecting to the engine …"
        self.vms.focus()
        self.console_app.hear_early()
        self.header_changed()
        self.keys_changed()
        self.set_interval(TICK_S, self._tick)

    # parts --------------------------------------------------------------------------------------------------

    @property
    def vms(self) -> VmTable:
        return self.query_one("#vms", VmTable)

    @property
    def operations(self) -> OperationTable:
        return self.query_one("#operations", OperationTable)

    @property
    def active_pane(self) -> int:
        return self.panes.active

    def active_table(self) -> KeyedTable[object]:
        content = self.panes.content(self.active_pane)
        return content if isinstance(content, KeyedTable) else self.vms  # type: ignore[return-value]

    def row_under_cursor(self) -> FleetItem | Operation | Job | None:
        if self.active_pane == 4:
            row = self.operations.cursor_row
            return (row.operation or row.job) if row else None
        return self.vms.cursor_row

    @property
    def details_shown(self) -> Details | None:
        """Those of the VM under the cursor, if they were read."""
        item, details = self.vms.cursor_row, self._details
        return details if details and item and details.item.key == item.key else None

    def point_under_cursor(self) -> RecoveryPoint | Gap | None:
        return self.query_one(PointTable).cursor_row if self.active_pane == 2 else None

    def job_under_cursor(self) -> Job | None:
        """Of the operations pane; elsewhere the only job that runs on the VM under the cursor."""
        if self.active_pane == 4:
            row = self.operations.cursor_row
            return row.job if row else None
        item = self.vms.cursor_row
        if item is None:
            return None
        rows = (self.operations.row(key) for key in self.operations.shown_keys)
        running = [
            row.job for row in rows if row and row.job and _target_key(row) == item.key and not row.ended
        ]
        return running[0] if len(running) == 1 else None

    def vms_under_cursor(self) -> Sequence[FleetItem]:
        """Marked rows or the one under the cursor; of an operation or job the VM it is about."""
        if self.active_pane != 4:
            return self.vms.target_rows()
        row = self.operations.cursor_row
        item = self.console_app.state.items.get(_target_key(row)) if row else None
        return [item] if item else []

    # keys ---------------------------------------------------------------------------------------------------

    def action_act(self, id: str) -> None:
        self.commands.act(id)

    def action_run(self, id: str) -> None:
        if id.startswith("pane-"):
            self.panes.go(int(id.removeprefix("pane-")))
        elif id in ("next-tab", "previous-tab"):
            self.panes.next_tab(1 if id == "next-tab" else -1)
        elif id in ("zoom", "unzoom"):
            self.panes.zoom(id == "zoom" and not self.panes.zoomed)
        elif id == "filter":
            self._open_filter()
        elif id == "back":
            self._back()
        else:
            self.commands.run(id)

    def _back(self) -> None:
        """One thing at a time, the newest first."""
        table = self.active_table()
        if self.query("#filter"):
            self._close_filter()
            self._set_filter("")
        elif self.panes.zoomed:
            self.panes.zoom(False)
        elif table.filter_text:
            self._set_filter("")
        else:
            table.clear_marks()

    def _open_filter(self) -> None:
        from textual.widgets import Input

        if not self.query("#filter"):
            hint = "words, !not, regular expressions; enter keeps, esc clears"
            field = Input(
                self.active_table().filter_text, placeholder=hint, id="filter", select_on_focus=False
            )
            field.cursor_blink = False
            self.mount(field, before="#keys")
            field.focus()

    def _close_filter(self) -> None:
        self.query("#filter").remove()
        self.panes.content(self.active_pane).focus()

    def _set_filter(self, text: str) -> None:
        """The cursor stays on the row that the user has seen under it."""
        table = self.active_table()
        if table.cursor_key is not None:
            table.set_cursor(table.cursor_key)
        table.set_filter(text)

    def on_input_changed(self, event: Input.Changed) -> None:
        self.active_table().set_filter(event.value)

    def on_input_submitted(self) -> None:
        self._close_filter()

    def go_to_vm(self, key: str) -> None:
        if not self.vms.set_cursor(key):
            self.vms.set_filter("")
            self.vms.set_cursor(key)
        self.panes.go(1)

    # what tables say ----------------------------------------------------------------------------------------

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        self.panes.focused(event.widget)
        self.keys_changed()

    def on_cursor_moved(self, event: CursorMoved) -> None:
        """The cursor is painted first: it is what the key was pressed for."""
        if event.table is self.vms:
            self._rest()
        if not self._following:
            self._following = self.call_after_refresh(self._follow_cursor)

    def _follow_cursor(self) -> None:
        self._following = False
        with self.app.batch_update():
            self._show_vm()
            self.keys_changed()
        self.tell_focus()

    def on_row_gone(self, event: RowGone) -> None:
        if event.table is self.vms and isinstance(event.row, FleetItem):
            self.console_app.tell(f"{event.row.name} is gone from the fleet; the cursor moved on.", "warning")

    def on_opened(self, event: Opened) -> None:
        if isinstance(event.row, OperationRow):
            self.console_app.watch_job(event.row.key)
        elif isinstance(event.row, RecoveryPoint | Gap):
            self.commands.show_point(event.row)
        elif event.table is self.vms:
            self.commands.details()

    def on_marks_changed(self, event: MarksChanged) -> None:
        self._titles()
        self.keys_changed()

    def on_shown_changed(self, event: ShownChanged) -> None:
        self._titles()

    def on_resize(self, event: events.Resize) -> None:
        self.panes.resized(event.size.width, event.size.height)

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        if self._fresh:
            self._fresh = event.refresh_styles = False  # they have just been applied, at mounting
        self.tell_focus()

    # details of the row under the cursor --------------------------------------------------------------------

    def _rest(self) -> None:
        if self._resting is not None:
            self._resting.stop()
        self._resting = self.set_timer(REST_S, self.load_details)

    def tell_focus(self) -> None:
        """The engine reads fast what is looked at."""
        key = self.vms.cursor_key
        self.console_app.link.focus((key,) if key else (), ())

    def load_details(self, fresh: bool = False) -> None:
        key = self.vms.cursor_key
        if key and self.console_app.link.ready:
            self._details_asked = monotonic()
            self.run_worker(self._load(key, fresh), group="details", exclusive=True, exit_on_error=False)

    async def _load(self, key: str, fresh: bool) -> None:
        try:
            request = wire.GetDetails(key=key, fresh=fresh, secondary=self.secondary)
            answer = await self.console_app.link.ask(request, wire.GotDetails)
        except RecoveryError as error:
            if key == self.vms.cursor_key:
                self.panes.pane(2).show_fault(error.title)
            return
        self.took(answer.details)

    def took(self, details: Details) -> None:
        """Details that came, whoever asked for them."""
        if details.item.key == self.vms.cursor_key:
            self._details = details
            with self.app.batch_update():
                self._show_vm()

    def _show_vm(self) -> None:
        """What is known of the VM under the cursor: its row at once, the rest when it was read."""
        item = self.vms.cursor_row
        details = self.details_shown
        points = self.query_one(PointTable)
        key, name = (item.key, item.name) if item else ("", "")
        points.empty_text = when_empty(details.point_sources) if details else "Reading …"
        points.show(details, same_vm=key == self._points_of)
        self._points_of = key
        self.query_one(ReplicationView).show(item, details.rpo_history if details else ())
        self.panes.pane(2).show_fault(_points_fault(details) if details else "")
        self.panes.note(2, (f"· {name}" + _points_note(details)) if name else "")
        self.panes.note(3, f"· {name}" if name else "")

    # from the engine ----------------------------------------------------------------------------------------

    def fleet_changed(self, news: FleetNews) -> None:
        state = self.console_app.state
        anew = news.whole or state.first_rows
        with self.app.batch_update():
            self.vms.say_unread(state.unread())
            if anew:
                self.vms.replace_rows(state.items.values())
            else:
                self.vms.update(news.changed.values(), news.removed)
            if news.whole:
                self.load_details()
            self._say_when_empty()
            self.header_changed()
            self._titles()
            if anew or self.vms.cursor_key in news.changed:
                self._show_vm()
                self.keys_changed()

    def _say_when_empty(self) -> None:
        faults = list(self.console_app.state.faults())
        text = "This sign-in sees no virtual machine; 'azrecover doctor' says why"
        if faults and faults[0].error:
            text = f"{faults[0].error.title} {faults[0].error.hint}"
        elif not self.console_app.state.complete:
            text = "Reading the fleet …"
        self.vms.empty_text = text

    def operation_ended(self, operation: Operation) -> None:
        """What it did to the VM under the cursor is read at once."""
        if operation.target_key == self.vms.cursor_key:
            self.load_details(fresh=True)

    def point_at_operation(self, id: str) -> None:
        """The cursor of the operations waits on what was just started, as soon as its row is there."""
        self._point_at = id
        if self.operations.set_cursor(id):
            self._point_at = ""

    def jobs_changed(self) -> None:
        state = self.console_app.state
        with self.app.batch_update():
            self.operations.show(state.operations.values(), state.jobs.values())
            self.vms.say_fell_back(state.fell_back)
            if self._point_at:
                self.point_at_operation(self._point_at)
            self.header_changed()
            self._titles()

    def requests_sent(self, lines: Sequence[RequestLine]) -> None:
        self.query_one(RequestLog).add(lines)

    def link_changed(self, state: str, line: str) -> None:
        if state == "lost" and not self.console_app.state.items:
            self.vms.empty_text = line
        self.header_changed(line if state != "connected" else "")

    def header_changed(self, trouble: str | None = None) -> None:
        if trouble is not None:
            self._trouble = trouble
        status = header.status(self.console_app, self._trouble)
        self.query_one(StatusBar).show(status)
        for screen in self.app.screen_stack[1:]:
            if also := getattr(screen, "header_changed", None):
                also(status)

    _trouble = ""

    def _titles(self) -> None:
        for number in (1, 4):
            table = self.panes.content(number)
            assert isinstance(table, KeyedTable)
            tail = counted(table.shown_count, table.row_count, table.filter_text, len(table.marks))
            self.panes.note(number, tail)
        sources = self.console_app.state.sources.values()
        self.panes.pane(1).show_fault(fault_line(sources, datetime.now(UTC)))

    def keys_changed(self) -> None:
        self.query_one(KeyLine).show_keys(header.footer(self.console_app, self))

    def _tick(self) -> None:
        if self.is_current and self.console_app.state.complete:
            self.console_app.state.loose_ends.tick()
            if monotonic() - self._details_asked > DETAILS_GOOD_S and not self.console_app.state.paused:
                self.load_details()
            with self.app.batch_update():
                for table in self.query(KeyedTable):
                    table.tick()
                self.query_one(ReplicationView).tick()
                self.header_changed()


def _points_fault(details: Details) -> str:
    """Which points are old and why, else the first other part of the row that could not be read."""
    old = fault_line(details.point_sources, datetime.now(UTC))
    return old or (details.faults[0].title if details.faults else "")


def _points_note(details: Details | None) -> str:
    """Behind the VM's name: what the schedule promised in vain, and the other region where it was asked."""
    if details is None:
        return ""
    missing = sum(gap.missing for gap in details.gaps)
    told = f" · ▲ {missing} missing" if missing else ""
    regions = {point.region for point in details.points if point.secondary}
    if details.secondary:
        told += f" · with {', '.join(sorted(regions))}" if regions else " · no other region"
    return told


def _target_key(row: OperationRow) -> str:
    """Of the VM that an operation or a job is about, empty when it is not known."""
    if row.operation is not None:
        return row.operation.target_key
    return row.job.target_key if row.job is not None else ""
