"""The watch screen in the whole console: no step and no line of it is out of reach."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec.structs import replace
from textual.containers import VerticalScroll
from textual.pilot import Pilot

from azure_ops import wire
from azure_ops.model import Job, JobKind, JobState, JobTask, Operation, Phase
from tui.screens.loose_ends import LooseEndsScreen
from tui.screens.watch import WatchScreen
from tui.state import ROW_SOURCES
from widgets.key_line import KeyLine
from widgets.task_tree import TaskTree

from .test_fleet_news import AT, Teller, console, private_folders, vm

__all__ = ["private_folders"]
RUNNING = Job(id="/j", kind=JobKind.BACKUP, operation="Restore", state=JobState.RUNNING, started_at=AT)
ENDED = replace(RUNNING, state=JobState.SUCCEEDED, ended_at=AT)


class Reading(Teller):
    """Answers what is asked about a job by itself with its steps."""

    async def answer(self, request: wire.Request) -> wire.Result:
        if not isinstance(request, wire.GetJob):
            return await super().answer(request)
        ended = sum(isinstance(call, wire.GetJob) for call in self.calls) > 1
        state = JobState.SUCCEEDED if ended else JobState.RUNNING
        return wire.GotJob(
            job=replace(RUNNING, state=state, tasks=(JobTask(id="1", name="Copy", state=state),))
        )


async def until(pilot: Pilot[None], true: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await pilot.pause(0.02)


async def test_the_steps_of_a_job_that_ended_unseen_are_read_once() -> None:
    async with console(Reading()) as (app, pilot, teller):
        await teller.tell(first=True)
        await teller.say(wire.JobsDelta(changed=(RUNNING,)))
        await until(pilot, lambda: RUNNING.id in app.state.jobs)
        screen = WatchScreen(app, RUNNING.id)
        await app.push_screen(screen)
        tree = screen.query_one(TaskTree)
        await until(pilot, lambda: tree.shown_keys)
        await teller.say(wire.JobsDelta(changed=(ENDED,)))
        await until(pilot, lambda: screen.job and screen.job.state is JobState.SUCCEEDED and screen.job.tasks)
        assert len(tree.shown_keys) == 1
        await teller.say(wire.JobsDelta(changed=(replace(ENDED, percent=100.0),)))
        await until(pilot, lambda: app.state.jobs[ENDED.id].percent)
        assert sum(isinstance(call, wire.GetJob) for call in teller.calls) == 2


async def test_a_job_of_the_other_region_that_nobody_tells_is_read_once() -> None:
    """After a restart of the engine: no list has it, and the journal knows its id alone."""
    elsewhere = Operation(
        id="o", action="restore-disks", title="Restore", target_key="k", target_name="web",
        phase=Phase.SUCCEEDED, created_at=AT, job_id="/v/locations/westus/backupCrrJobs/1",
    )  # fmt: skip
    at_home = replace(elsewhere, id="h", job_id="/v/backupJobs/2")
    async with console(Reading()) as (app, pilot, teller):
        await teller.tell(first=True)
        await teller.say(wire.OperationsDelta(changed=(elsewhere, at_home)))
        await until(pilot, lambda: len(app.state.operations) == 2)
        await app.push_screen(WatchScreen(app, at_home.id))
        screen = WatchScreen(app, elsewhere.id)
        await app.push_screen(screen)
        await until(pilot, lambda: screen.query_one(TaskTree).shown_keys)
        await teller.say(wire.OperationsDelta(changed=(replace(elsewhere, message="done"),)))
        await until(pilot, lambda: app.state.operations["o"].message)
        asked = [call.job_id for call in teller.calls if isinstance(call, wire.GetJob)]
        assert asked == [elsewhere.job_id]


async def test_more_results_than_there_is_room_for_are_scrolled_by_keys() -> None:
    results = {f"Fact {number}": "x" * 50 for number in range(40)}
    async with console() as (app, pilot, teller):
        await teller.tell(first=True)
        await teller.say(wire.JobsDelta(changed=(replace(ENDED, properties=results),)))
        await until(pilot, lambda: ENDED.id in app.state.jobs)
        await app.push_screen(WatchScreen(app, ENDED.id))
        place = app.screen.query_one("#watch-errors", VerticalScroll)
        await until(pilot, lambda: place.max_scroll_y > 0)
        line = app.screen.query_one(KeyLine)
        await until(pilot, lambda: "Read on" in str(line.render()))
        await pilot.press("tab", "down")
        await until(pilot, lambda: place.scroll_y > 0)


async def test_names_are_found_from_here_and_no_letter_of_them_is_a_key() -> None:
    async with console() as (app, pilot, teller):
        await teller.tell(vm("a"), vm("sql-01"), read=ROW_SOURCES, first=True)
        await until(pilot, lambda: "sql-01" in app.state.items)
        await pilot.press("L")
        await until(pilot, lambda: isinstance(app.screen, LooseEndsScreen))
        await app.push_screen(WatchScreen(app, ENDED.id))
        await pilot.press(":", *"sql-01", "enter")
        await until(pilot, lambda: app.screen is app.console_screen)
        await until(pilot, lambda: [one.name for one in app.console_screen.vms_under_cursor()] == ["sql-01"])
