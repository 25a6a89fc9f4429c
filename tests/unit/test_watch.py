"""The watcher's rows: newer answers of Resource Manager over the fleet query, jobs read with their steps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from azure_ops.engine import watch
from azure_ops.engine.console import Board
from azure_ops.engine.history import History
from azure_ops.engine.watch import Watcher
from azure_ops.errors import RecoveryError, ServiceFailed
from azure_ops.model import FleetItem, Job, JobKind, JobState, JobTask, PowerState

from .test_actions import NOW, replication, vm


class World:
    """A watcher that is fed by hand; nothing in these tests asks Azure."""

    def __init__(self) -> None:
        self.news = 0
        self.board = Board(service_now=lambda: NOW)
        self.watcher = Watcher(cast(Any, None), self.board, self._told)

    def _told(self) -> None:
        self.news += 1

    def fleet_says(self, *items: FleetItem) -> None:
        self.watcher._take_vms(
            {one.key: msgspec.structs.replace(one, backup=None, replication=None) for one in items}
        )
        self.watcher._take_backups({one.key: one.backup for one in items if one.backup})
        self.watcher._take_replications({one.key: one.replication for one in items if one.replication})
        self.watcher._publish()

    def shown(self, item: FleetItem) -> FleetItem:
        assert self.board.snapshot is not None
        return self.board.snapshot.items[item.key]


def test_an_answer_of_resource_manager_stands_until_the_fleet_query_moves() -> None:
    world = World()
    stale = vm()
    fresh = vm(power_state=PowerState.STOPPED, replication=replication(allowed_operations=()))
    world.fleet_says(stale)
    world.watcher.lay_over(fresh)
    assert world.shown(stale) == fresh
    world.fleet_says(stale)
    assert world.shown(stale) == fresh, "the query has not caught up"
    later = vm(power_state=PowerState.DEALLOCATED)
    world.fleet_says(later)
    assert world.shown(stale) == later


def test_a_row_that_is_worked_on_keeps_its_fresh_answer() -> None:
    world = World()
    fresh = vm(power_state=PowerState.STOPPED)
    world.fleet_says(vm())
    world.watcher.keep_hot([fresh.key])
    world.watcher.lay_over(fresh)
    world.fleet_says(vm(power_state=PowerState.STARTING))
    assert world.shown(fresh) == fresh
    world.watcher.keep_hot([])
    world.fleet_says(vm(power_state=PowerState.STARTING))
    assert world.shown(fresh).power_state is PowerState.STARTING


def test_a_row_read_before_its_replication_was_known_does_not_hide_it() -> None:
    """An engine that has just started reads rows at once whose operations it takes up."""
    world = World()
    whole = vm(replication=replication())
    early = msgspec.structs.replace(whole, replication=None)
    world.watcher.keep_hot([whole.key])
    world.fleet_says(early)
    world.watcher.lay_over(early)
    world.fleet_says(whole)
    assert world.shown(whole) == whole, "the fleet's answer came after the row's"
    world.watcher.lay_over(early)
    assert world.shown(whole) == whole, "the fleet's answer came while the row was read"
    world.fleet_says(early)
    assert world.shown(whole).replication is None


async def read_vms(world: World, *found: FleetItem, problem: RecoveryError | None = None) -> None:
    """What a tick does with its answer of virtual machines."""

    async def answer() -> dict[str, FleetItem]:
        if problem is not None:
            raise problem
        return {one.key: msgspec.structs.replace(one, backup=None, replication=None) for one in found}

    await world.watcher._read("virtual machines", world.watcher._take_vms, answer())
    world.watcher._publish()


async def test_only_a_good_look_at_the_vms_calls_one_of_them_deleted() -> None:
    world, item = World(), vm()
    backups = {item.key: item.backup}
    world.watcher._take_backups(cast(Any, backups))
    world.watcher._publish()
    assert (world.shown(item).exists, world.shown(item).vm_unread) == (True, True)
    await read_vms(world, problem=ServiceFailed("503", "later"))
    assert world.shown(item).vm_unread, "it failed before it was ever read"
    await read_vms(world, item)
    assert (world.shown(item).exists, world.shown(item).vm_unread) == (True, False)
    await read_vms(world)
    assert (world.shown(item).exists, world.shown(item).vm_unread) == (False, False)
    new = vm(key="/new", id="/new", name="new")
    world.watcher._take_backups(cast(Any, backups | {new.key: new.backup}))
    await read_vms(world, problem=ServiceFailed("503", "later"))
    assert not world.shown(item).exists, "what the last good look missed stays gone"
    assert world.shown(new).vm_unread, "of a newcomer nobody knows"


async def test_a_row_read_without_its_vm_does_not_hide_what_the_fleet_says_of_it() -> None:
    world, item = World(), vm(power_state=PowerState.RUNNING, replication=None)
    world.watcher._take_backups(cast(Any, {item.key: item.backup}))
    world.watcher._publish()
    world.watcher.keep_hot([item.key])
    world.watcher.lay_over(world.shown(item))
    await read_vms(world, item)
    assert world.shown(item) == item
    world.watcher.lay_over(msgspec.structs.replace(item, vm_unread=True, power_state=PowerState.UNKNOWN))
    assert world.shown(item) == item
    await read_vms(world)
    assert not world.shown(item).exists


def test_an_old_answer_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.fleet_says(vm())
    world.watcher.lay_over(vm(power_state=PowerState.STOPPED))
    monkeypatch.setattr(watch, "OVERLAY_KEPT_S", 0.0)
    world.fleet_says(vm())
    assert world.shown(vm()) == vm()


def test_the_same_answer_again_is_no_news() -> None:
    world = World()
    world.fleet_says(vm())
    before = world.news, world.board.snapshot
    world.watcher.lay_over(vm())
    assert (world.news, world.board.snapshot) == before


def job(state: JobState, **changes: object) -> Job:
    made = Job(id="/V/backupJobs/1", kind=JobKind.BACKUP, operation="Backup", state=state)
    return msgspec.structs.replace(made, **changes)


def test_a_job_keeps_its_steps_until_the_list_says_that_it_ended() -> None:
    world = World()
    tasks = (JobTask(id="1", name="Take Snapshot", state=JobState.RUNNING),)
    world.watcher._take_jobs((job(JobState.RUNNING, target_key="/vm"),))
    world.watcher.saw_job(job(JobState.RUNNING, tasks=tasks, read_at=NOW))
    shown = world.board.jobs["/v/backupjobs/1"]
    assert (shown.tasks, shown.target_key) == (tasks, "/vm")
    news = world.news
    world.watcher.saw_job(job(JobState.RUNNING, tasks=tasks, read_at=NOW + timedelta(seconds=5)))
    assert world.news == news, "only the moment of the reading is new"
    world.watcher._take_jobs((job(JobState.SUCCEEDED),))
    assert world.board.jobs["/v/backupjobs/1"].state is JobState.SUCCEEDED


def test_steps_of_old_jobs_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "READ_JOBS_KEPT", 3)
    world = World()
    for number in range(9):
        world.watcher.saw_job(job(JobState.SUCCEEDED, id=f"/v/backupJobs/{number}"))
    assert sorted(world.board.jobs) == [f"/v/backupjobs/{number}" for number in (6, 7, 8)]


def test_history_keeps_each_figure_once_and_a_day_of_them(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    history = History(path)
    for minutes in (0, 0, 60, 24 * 60 + 90):
        at = NOW + timedelta(minutes=minutes)
        history.saw([vm(replication=replication(rpo_s=minutes, rpo_calculated_at=at))])
    now = NOW + timedelta(minutes=24 * 60 + 90)
    assert [seconds for _, seconds in history.rpo(vm().key, now)] == [24 * 60 + 90]
    history.close()
    again = History(path)
    assert again.rpo(vm().key, now)[0][0] == now.astimezone(UTC)
    again.close()


def test_a_damaged_history_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    path.write_bytes(b"no database" * 1000)
    history = History(path)
    history.saw([vm()])
    assert history.rpo(vm().key, NOW)
    assert path.with_suffix(".damaged").exists()
    assert isinstance(history.rpo(vm().key, NOW)[0][0], datetime)
