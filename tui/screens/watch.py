"""One operation, or anybody's job, watched live: its steps, the honest clock, what went wrong and what to do.

Leaving it ends the looking, nothing else. Opened by flows, by Enter in the operations pane, by the palette.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import Screen

from azure_ops import wire
from azure_ops.arm_ids import JOBS_ELSEWHERE, segment
from azure_ops.errors import RecoveryError
from azure_ops.failback import NEW_ITEM, item_id_of
from azure_ops.model import FleetItem, Job, Operation
from azure_ops.restore_outputs import outputs
from widgets.key_line import KeyLine
from widgets.page import PageView
from widgets.plain_text import plain
from widgets.task_tree import TaskTree

from .. import header, wording
from ..flows import actions
from ..keys import ACTION_IDS, bindings

if TYPE_CHECKING:
    from azure_ops.actions.spec import Target

    from ..app import ConsoleApp

TICK_S = 1.0


class WatchScreen(Screen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(("back", "raw", "copy", "try-again", "palette", "help", "quit"), "run"),
        *bindings(ACTION_IDS, "act"),
    ]

    def __init__(self, app: ConsoleApp, id: str) -> None:
        super().__init__()
        self.console_app = app
        self.watched = id
        self._read: Job | None = None
        self._asked_at_end = False
        self._composed = False

    @property
    def operation(self) -> Operation | None:
        state = self.console_app.state
        found = state.operations.get(self.watched)
        return found or next(
            (each for each in state.operations.values() if each.job_id == self.watched), None
        )

    @property
    def _told(self) -> Job | None:
        """What the engine tells unasked, often without steps."""
        operation = self.operation
        state = self.console_app.state
        return state.job_of(operation) if operation else state.jobs.get(self.watched)

    @property
    def job(self) -> Job | None:
        told, read = self._told, self._read
        if told is None or read is None:
            return told or read
        is_older = told.state.ended and not read.state.ended
        return read if read.tasks and not told.tasks and not is_older else told

    def compose(self) -> ComposeResult:
        with Vertical(id="watch") as box:
            box.border_title = "Watching"
            yield PageView(id="watch-facts")
            yield TaskTree(id="watch-tree")
            with VerticalScroll(id="watch-errors"):
                yield PageView(id="watch-error-page")
        yield KeyLine(id="watch-keys")

    def on_mount(self) -> None:
        self._composed = True
        self.query_one(TaskTree).focus()
        self.set_interval(TICK_S, self._tick)
        self._read_tree()
        self.jobs_changed()

    def on_screen_resume(self) -> None:
        self._focus_engine()

    def on_unmount(self) -> None:
        self.console_app.console_screen.tell_focus()

    def _focus_engine(self) -> None:
        """What is watched is read fast by the engine."""
        job = self.job
        operation = self.operation
        job_id = job.id if job else operation.job_id if operation else ""
        key = operation.target_key if operation else job.target_key if job else ""
        self.console_app.link.focus((key,) if key else (), (job_id,) if job_id else ())

    def _read_tree(self) -> None:
        """Lists tell no steps, and nothing of another region's jobs; an engine that is new has not read the
        job that ended before it."""
        job, operation = self._told, self.operation
        job_id, ended = "", False
        if job is not None and not job.tasks:
            job_id, ended = job.id, job.state.ended
        elif job is None and operation is not None and operation.phase.ended:
            job_id, ended = operation.job_id if segment(operation.job_id, JOBS_ELSEWHERE) else "", True
        if job_id:
            self._asked_at_end = ended
            self.run_worker(self._read_job(job_id), group="tree", exclusive=True, exit_on_error=False)

    async def _read_job(self, job_id: str) -> None:
        try:
            self._read = (await self.console_app.link.ask(wire.GetJob(job_id=job_id), wire.GotJob)).job
        except RecoveryError as error:
            self.console_app.tell(str(error), "warning")
        else:
            self.jobs_changed()

    # showing ------------------------------------------------------------------------------------------------

    def jobs_changed(self) -> None:
        """Called by the app when the engine tells something new about jobs or operations."""
        if not self._composed:
            return
        told = self._told
        if told is not None and told.state.ended and not self._asked_at_end:
            self._read_tree()
        job, operation = self.job, self.operation
        box = self.query_one("#watch")
        box.border_title = plain(self._title(operation, job))
        self._focus_engine()
        with self.app.batch_update():
            tree = self.query_one(TaskTree)
            tree.display = job is not None or not (operation and operation.phase.ended)
            if job is not None:
                tree.show(job, self.console_app.state.service_now())
            page = wording.errors(operation, job)
            self.query_one("#watch-errors").display = bool(page.lines)
            self.query_one("#watch-error-page", PageView).show(page)
            self._tick()
            self.call_after_refresh(self._show_keys)

    def _tick(self) -> None:
        """Only what time changes."""
        if self.is_current:
            now = self.console_app.state.service_now()
            page = wording.facts(self.operation, self.job, now)
            wording.add_next_step(page, self.job, self._row(), self.console_app.keys)
            self.query_one("#watch-facts", PageView).show(page)
            self.query_one(TaskTree).tick(now)

    def _show_keys(self) -> None:
        """After the layout: what does not fit below the steps is named with the key that leads there."""
        operation, job = self.operation, self.job
        keys = self.console_app.keys
        ended = operation.phase.ended if operation else job is not None and job.state.ended
        shown = [("esc", "Back" if ended else "Back, it goes on")]
        target = [job] if job and not ended else self._vm()
        if operation is not None and not self.console_app.flows.why_not_again(operation):
            shown.append((keys.shown("try-again"), "Try again"))
        if outputs(operation, job):
            shown.append((keys.shown("copy"), "Copy"))
        if self.query_one("#watch-errors", VerticalScroll).max_scroll_y:
            shown.append(("tab ↓", "Read on"))
        shown += header.possible(self.console_app, target)
        self.query_one(KeyLine).show_keys([*shown, (keys.shown("raw"), "JSON"), (keys.shown("help"), "Help")])

    def _vm(self) -> Sequence[Target]:
        item = self._row()
        return [item] if item else []

    def _row(self) -> FleetItem | None:
        """The VM that this is about, as it is now; after a re-protect it is the one that runs."""
        operation, job, items = self.operation, self.job, self.console_app.state.items
        moved = job.properties.get(NEW_ITEM, "").lower() if job and job.state.ended else ""
        if moved:
            return next((one for one in items.values() if item_id_of(one) == moved), None)
        return items.get(operation.target_key if operation else job.target_key if job else "")

    @staticmethod
    def _title(operation: Operation | None, job: Job | None) -> str:
        if operation is not None:
            return operation.title
        return f"{job.title or job.operation} {job.target_name}" if job else "Waiting for news"

    def action_act(self, id: str) -> None:
        """What comes next, without going back first: the VM is the one that was watched."""
        from azure_ops.actions.spec import kind_of

        job, kind = self.job, actions()[id].target
        shown: Sequence[Target] = [*([job] if job else []), *self._vm()]
        self.console_app.flows.start(id, [target for target in shown if kind_of(target) is kind])

    async def action_run(self, id: str) -> None:
        job = self.job
        commands = self.console_app.console_screen.commands
        match id:
            case "back":
                self.dismiss(None)
            case "copy":
                operation = self.operation
                commands.copy_of(operation, job, job.id if job else operation.target_key if operation else "")
            case "try-again" if self.operation is not None:
                self.console_app.flows.try_again(self.operation)
            case "raw" if job is not None:
                commands.show_raw_of(job)
            case "palette":
                commands.palette_over(self.action_act)
            case "help":
                commands.help()
            case "quit":
                await self.console_app.action_quit()
