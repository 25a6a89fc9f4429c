"""The console's copy of the engine's facts, and what the palette finds in it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from azure_ops import wire
from azure_ops.model import ErrorNote, FleetItem, Job, JobKind, JobState, Operation, Phase, SourceState
from tui.keys import KeyTable
from tui.palette import MOST_SHOWN, entries, search
from tui.state import ROW_SOURCES, Came, ConsoleState, ServiceClock

NOON = datetime(2026, 8, 22, 12, tzinfo=UTC)


def vm(name: str) -> FleetItem:
    return FleetItem(
        key=f"/vm/{name}", id=f"/VM/{name}", name=name, subscription_id="s", resource_group="rg-web"
    )


READ = tuple(SourceState(name=name, read_at=NOON) for name in ROW_SOURCES)


def delta(
    *names: str,
    first: bool = False,
    more: bool = False,
    removed: tuple[str, ...] = (),
    sources: tuple[SourceState, ...] = READ,
) -> wire.FleetDelta:
    return wire.FleetDelta(
        generation=1,
        taken_at=NOON,
        service_at=NOON,
        first=first,
        more=more,
        changed=tuple(vm(name) for name in names),
        removed=removed,
        sources=sources,
    )


def operation(id: str, phase: Phase, job_id: str = "") -> Operation:
    return Operation(
        id=id, action="failover", title=f"Failover {id}", target_key="/vm/a", target_name="a", phase=phase,
        created_at=NOON, job_id=job_id,
    )  # fmt: skip


def job(id: str, read_at: datetime, state: JobState = JobState.RUNNING) -> Job:
    return Job(id=id, kind=JobKind.REPLICATION, operation="TestFailover", state=state, read_at=read_at)


def test_a_fleet_that_comes_in_parts_is_whole_at_the_last_one() -> None:
    state = ConsoleState()
    assert state.apply_fleet(delta("a", "b", first=True, more=True)) is Came.ARRIVING
    assert not state.complete
    assert state.apply_fleet(delta("c")) is Came.WHOLE
    assert state.complete
    assert list(state.items) == ["/vm/a", "/vm/b", "/vm/c"]


def test_a_new_whole_voids_what_was_before_and_removed_rows_go() -> None:
    state = ConsoleState()
    state.apply_fleet(delta("a", "b", first=True))
    assert state.apply_fleet(delta(removed=("/vm/a",))) is Came.CHANGED
    assert list(state.items) == ["/vm/b"]
    assert state.apply_fleet(delta("c", first=True)) is Came.WHOLE
    assert list(state.items) == ["/vm/c"]


def test_rows_are_kept_until_a_new_engine_has_read_every_source() -> None:
    state = ConsoleState()
    state.apply_fleet(delta("a", "b", first=True))
    assert state.apply_fleet(delta(first=True, sources=())) is Came.ARRIVING
    assert state.apply_fleet(delta("b", sources=READ[1:])) is Came.ARRIVING
    assert list(state.items) == ["/vm/a", "/vm/b"]
    assert state.apply_fleet(delta("c", sources=READ)) is Came.WHOLE
    assert list(state.items) == ["/vm/b", "/vm/c"]


def test_rows_are_kept_while_a_new_engine_cannot_read_the_vms() -> None:
    failed = SourceState(name=ROW_SOURCES[0], error=ErrorNote(kind="Unreachable", title="no answer"))
    state = ConsoleState()
    state.apply_fleet(delta("a", first=True))
    assert state.apply_fleet(delta(first=True, sources=(failed, *READ[1:]))) is Came.ARRIVING
    assert list(state.items) == ["/vm/a"]
    assert [source.name for source in state.faults()] == ["virtual machines"]


def test_an_empty_subscription_is_whole_once_it_was_read() -> None:
    state = ConsoleState()
    assert state.apply_fleet(delta(first=True)) is Came.WHOLE
    assert state.complete


def test_ends_are_told_once() -> None:
    state = ConsoleState()
    state.apply_operations(wire.OperationsDelta(changed=(operation("1", Phase.RUNNING),)))
    ended = wire.OperationsDelta(changed=(operation("1", Phase.SUCCEEDED),))
    assert [each.id for each in state.apply_operations(ended)] == ["1"]
    assert state.apply_operations(ended) == []
    assert state.running() == []


def test_of_two_copies_of_a_job_the_newer_counts() -> None:
    state = ConsoleState()
    mine = operation("1", Phase.RUNNING, job_id="/j")
    state.apply_jobs(wire.JobsDelta(changed=(job("/j", NOON + timedelta(seconds=5)),)))
    found = state.job_of(mine)
    assert found is not None
    assert found.read_at == NOON + timedelta(seconds=5)


def test_the_services_clock_runs_at_its_own_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    local = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: local)
    clock = ServiceClock()
    clock.learn(NOON)
    local += 10
    clock.learn(NOON + timedelta(minutes=10))
    local += 2
    assert clock.now() == NOON + timedelta(minutes=12)


def test_the_services_clock_goes_on_at_ours_when_it_is_azures(monkeypatch: pytest.MonkeyPatch) -> None:
    local = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: local)
    clock = ServiceClock()
    clock.learn(NOON)
    local += 10
    clock.learn(NOON + timedelta(seconds=10.4))
    local += 5
    assert clock.now() == NOON + timedelta(seconds=15.4)


def test_the_palette_finds_by_words_the_best_first() -> None:
    names = ["web-01", "db-web", "other"]
    index = entries(KeyTable(), {"failover": ("disaster",)}, [vm(name) for name in names], [])
    assert [entry.title for entry in search(index, "web")] == ["web-01", "db-web", "other"]
    assert [entry.id for entry in search(index, "disaster")] == ["failover"]
    assert search(index, "web-01 rg-web")[0].kind == "vm"
    assert search(index, "nothing like it") == []


def test_the_palette_puts_the_very_name_first() -> None:
    index = entries(KeyTable(), {}, [vm(name) for name in ("sql-02-test", "sql-02")], [])
    assert [entry.title for entry in search(index, "sql-02")] == ["sql-02", "sql-02-test"]


def test_the_palette_shows_no_more_than_fits() -> None:
    index = entries(KeyTable(), {}, [vm(f"web-{number}") for number in range(20_000)], [])
    began = time.perf_counter()
    found = search(index, "web-1")
    assert len(found) == MOST_SHOWN
    assert time.perf_counter() - began < 0.5


def test_names_in_the_palette_are_plain() -> None:
    index = entries(KeyTable(), {}, [vm("a\x1b[2J\u202eb")], [])
    assert not any("\x1b" in entry.title or "\u202e" in entry.title for entry in index)
