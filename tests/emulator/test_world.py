"""Clock, store and events, without HTTP."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from azure_ops.emulator.clock import Clock
from azure_ops.emulator.records.tenancy import ResourceGroup
from azure_ops.emulator.store import Event, Store
from azure_ops.emulator.timekeeping import Timekeeper, open_clock
from azure_ops.emulator.world import EVENT_HANDLERS, World, happens

START = datetime(2026, 8, 22, 14, tzinfo=UTC)


def group(name: str, location: str = "westeurope") -> ResourceGroup:
    return ResourceGroup(id=f"/subscriptions/s/resourceGroups/{name}", location=location)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "world.sqlite"


def open_store(file: Path, seed: int = 1) -> Store:
    return Store(file, [ResourceGroup], seed)


@pytest.fixture
def seen() -> Iterator[list[tuple[str, datetime]]]:
    """Events named `test.step` note their time and schedule the next of three steps."""
    noted: list[tuple[str, datetime]] = []

    @happens("test.step")
    def step(world: World, event: Event) -> None:
        noted.append((event.payload["step"], world.clock.now()))
        world.store.save(group(event.payload["step"]))
        if event.payload["step"] == "broken":
            raise RuntimeError("broken")
        following = {"one": "two", "two": "three"}.get(event.payload["step"])
        if following:
            world.happens_in(30, "test.step", {"step": following})

    yield noted
    del EVENT_HANDLERS["test.step"]


def test_a_chain_of_events_happens_at_its_own_times_however_far_the_clock_jumps(
    file: Path, seen: list[tuple[str, datetime]]
) -> None:
    world = World(open_store(file), Clock(START, 0))
    world.happens_in(10, "test.step", {"step": "one"})
    assert world.catch_up() == 0
    world.clock.advance(3600)
    assert world.catch_up() == 3
    assert seen == [
        (name, START + timedelta(seconds=s)) for name, s in (("one", 10), ("two", 40), ("three", 70))
    ]
    assert world.clock.now() == START + timedelta(hours=1)


def test_events_happen_in_the_order_of_their_times(file: Path, seen: list[tuple[str, datetime]]) -> None:
    world = World(open_store(file), Clock(START, 0))
    for name, seconds in (("late", 20), ("early", 5), ("between", 10)):
        world.happens_in(seconds, "test.step", {"step": name})
    world.clock.advance(60)
    world.catch_up()
    assert [name for name, _ in seen] == ["early", "between", "late"]


def test_an_event_that_fails_is_over_and_keeps_memory_and_disk_alike(
    file: Path, seen: list[tuple[str, datetime]]
) -> None:
    world = World(open_store(file), Clock(START, 0))
    world.happens_in(1, "test.step", {"step": "broken"})
    world.clock.advance(1)
    with pytest.raises(RuntimeError):
        world.catch_up()
    assert world.catch_up() == 0
    world.store.close()
    assert [each.name for each in open_store(file).all(ResourceGroup)] == ["broken"]


def test_an_event_and_what_it_does_are_committed_together(
    file: Path, seen: list[tuple[str, datetime]]
) -> None:
    """Another connection sees either both or neither, at every commit."""
    world = World(open_store(file), Clock(START, 0))
    other = sqlite3.connect(file)
    views: list[tuple[int, int]] = []

    def look() -> None:
        events = other.execute("SELECT count(*) FROM events").fetchone()[0]
        records = other.execute("SELECT count(*) FROM records").fetchone()[0]
        views.append((events, records))

    world.on_schedule = look
    world.happens_in(1, "test.step", {"step": "one"})
    world.clock.advance(100)
    world.catch_up()
    look()
    assert views == [(1, 0), (1, 0), (1, 1), (0, 3)]


def test_a_transaction_that_never_ended_leaves_nothing(file: Path) -> None:
    store = open_store(file)
    with store.transaction():
        store.save(group("inside"))
        store.set_fact("fact", "inside")
        assert open_store(file).all(ResourceGroup) == []
        assert open_store(file).fact("fact") is None
    assert [each.name for each in open_store(file).all(ResourceGroup)] == ["inside"]


def test_records_keep_the_order_they_were_made_in_over_changes_and_restarts(file: Path) -> None:
    store = open_store(file)
    for name in ("zebra", "ant", "Mole"):
        store.save(group(name))
    store.save(group("ANT", "eastus"))
    store.delete(group("zebra"))
    store.save(group("zebra"))
    for each in (store, open_store(file)):
        for found in (each.all(ResourceGroup), each.all(ResourceGroup, "/Subscriptions/S")):
            assert [record.name for record in found] == ["ANT", "Mole", "zebra"]
    assert open_store(file).find(ResourceGroup, "/SUBSCRIPTIONS/s/resourcegroups/aNt") == group(
        "ANT", "eastus"
    )


def test_under_takes_whole_segments_only(file: Path) -> None:
    store = open_store(file)
    names = ["a", "ab", "a/b", "a/b/c", "a-b", "a0"] + [f"n{i}" for i in range(300)]
    for name in names:
        store.save(ResourceGroup(id=f"/x/{name}", location=""))
    assert [each.id for each in store.all(ResourceGroup, "/X/A")] == ["/x/a/b", "/x/a/b/c"]
    store.delete(ResourceGroup(id="/x/a/b", location=""))
    store.save(ResourceGroup(id="/x/a/0", location=""))
    assert [each.id for each in store.all(ResourceGroup, "/x/a/")] == ["/x/a/b/c", "/x/a/0"]


def test_chance_is_the_seeds_and_goes_on_after_a_restart(file: Path, tmp_path: Path) -> None:
    whole = open_store(tmp_path / "other.sqlite")
    expected = [whole.new_guid(), whole.random.random(), whole.new_guid()]
    store = open_store(file)
    with store.transaction():
        got: list[object] = [store.new_guid()]
    store.close()
    store = open_store(file, seed=99)
    with store.transaction():
        got.append(store.random.random())
    store.close()
    got.append(open_store(file).new_guid())
    assert got == expected
    assert open_store(tmp_path / "third.sqlite", seed=2).new_guid() != expected[0]


# the clock over restarts ----------------------------------------------------------------------------------


class Ticking:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_no_restart_shows_a_time_before_one_that_was_told(file: Path) -> None:
    ticking = Ticking()
    store = open_store(file)
    clock = Clock(START, 60, ticking)
    keeper = Timekeeper(store, clock, wall_s=lambda: ticking.now)
    told = START
    for _ in range(500):
        ticking.now += 0.037
        keeper.promise()
        told = clock.now()
        again = open_clock(store, None, None, 4, wall_s=ticking.now)
        assert told <= again.now() <= told + timedelta(seconds=60 + 60)
        assert again.speed == 60


def test_reads_do_not_write_the_time_each(file: Path) -> None:
    ticking = Ticking()
    saved: list[float] = []
    clock = Clock(START, 60, ticking)
    keeper = Timekeeper(open_store(file), clock, wall_s=lambda: saved.append(ticking.now) or ticking.now)
    for _ in range(1000):
        ticking.now += 0.01
        keeper.promise()
    assert len(saved) <= 11


def test_a_world_ages_in_real_time_while_nobody_runs_it(file: Path) -> None:
    store = open_store(file)
    clock = Clock(START, 60, lambda: 0.0)
    Timekeeper(store, clock, wall_s=lambda: 1000.0).settle()
    assert open_clock(store, None, None, 4, wall_s=1600.0).now() - START >= timedelta(seconds=600)
    assert open_clock(store, 0, None, 4, wall_s=1600.0).now() == START + timedelta(seconds=600)
    assert open_clock(store, 0, None, 4, wall_s=0.0).now() == START
    assert open_clock(store, 0, START - timedelta(days=1), 4, wall_s=1000.0).now() == START
    assert open_clock(store, 0, START + timedelta(days=1), 4, wall_s=1000.0).now() == START + timedelta(
        days=1
    )


def test_a_frozen_world_stays_where_it_was(file: Path) -> None:
    store = open_store(file)
    Timekeeper(store, Clock(START, 0), wall_s=lambda: 1000.0).settle()
    assert open_clock(store, None, None, 4, wall_s=99_000.0).now() == START
