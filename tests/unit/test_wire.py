"""Messages, differences between snapshots, and what a console is told when it reads slowly."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime

import msgspec
import pytest

from azure_ops import wire
from azure_ops.engine.snapshot import (
    ITEMS_PER_MESSAGE,
    Snapshot,
    difference,
    fleet_messages,
    keep_identity,
)
from azure_ops.model import ErrorNote, FleetItem, PowerState, SourceState

NOW = datetime(2026, 8, 22, 14, 0, tzinfo=UTC)


def item(number: int, state: PowerState = PowerState.RUNNING) -> FleetItem:
    key = f"/subscriptions/s/resourcegroups/g/vm-{number}"
    return FleetItem(
        key=key, id=key, name=f"vm-{number}", subscription_id="s", resource_group="g", power_state=state
    )


def snapshot(items: list[FleetItem], generation: int = 1, **more: object) -> Snapshot:
    made = Snapshot(generation=generation, taken_at=NOW, items={one.key: one for one in items})
    return msgspec.structs.replace(made, **more)


async def reader_of(data: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader


async def test_a_message_comes_out_as_it_went_in() -> None:
    delta = wire.FleetDelta(
        generation=3, taken_at=NOW, service_at=NOW, first=True, changed=(item(1),), removed=("a",)
    )
    reader = await reader_of(wire.frame(delta) + wire.frame(wire.Notice(severity="error", title="x")))
    assert await wire.read_from_engine(reader) == delta
    assert await wire.read_from_engine(reader) == wire.Notice(severity="error", title="x")
    assert await wire.read_from_engine(reader) is None


@pytest.mark.parametrize(
    "data",
    [b"\xff\xff\xff\xff....", b"\x00\x00\x00\x01\xc1", wire.frame(wire.Notice(severity="x", title="y"))],
)
async def test_what_a_console_never_sends_is_refused(data: bytes) -> None:
    with pytest.raises((msgspec.MsgspecError, ValueError)):
        await wire.read_from_console(await reader_of(data))


async def test_a_message_cut_off_is_the_end_of_the_line() -> None:
    data = wire.frame(wire.Hello(protocol=1, version="x"))
    for length in range(len(data)):
        assert await wire.read_from_console(await reader_of(data[:length])) is None


def test_equal_rows_stay_the_same_objects() -> None:
    old = {"a": item(1), "b": item(2)}
    new = keep_identity(old, {"a": item(1), "b": item(2, PowerState.STOPPED), "c": item(3)})
    assert new["a"] is old["a"]
    changed, removed = difference(old, new)
    assert [one.name for one in changed] == ["vm-2", "vm-3"]
    assert removed == ()


def test_nothing_is_said_when_nothing_changed() -> None:
    old = snapshot([item(1)], sources=(SourceState(name="vms", read_at=NOW, rows=1),))
    later = SourceState(name="vms", read_at=datetime(2026, 8, 22, 15, tzinfo=UTC), rows=1)
    new = msgspec.structs.replace(old, generation=2, sources=(later,))
    assert list(fleet_messages(old, new, NOW)) == []
    failed = msgspec.structs.replace(later, error=ErrorNote(kind="Unreachable", title="no answer"))
    told = list(fleet_messages(new, msgspec.structs.replace(new, sources=(failed,)), NOW))
    assert [message.sources for message in told] == [(failed,)]
    assert told[0].changed == ()


@pytest.mark.parametrize("count", [0, 1, ITEMS_PER_MESSAGE, ITEMS_PER_MESSAGE + 1, 3 * ITEMS_PER_MESSAGE])
def test_a_full_state_comes_in_bounded_messages(count: int) -> None:
    told = list(fleet_messages(None, snapshot([item(n) for n in range(count)]), NOW))
    assert [message.first for message in told] == [True] + [False] * (len(told) - 1)
    assert [message.more for message in told] == [True] * (len(told) - 1) + [False]
    assert all(len(message.changed) <= ITEMS_PER_MESSAGE for message in told)
    assert sum(len(message.changed) for message in told) == count


def test_differences_add_up_to_the_newest_state_whatever_is_skipped() -> None:
    choose = random.Random(7)
    states = list(PowerState)
    newest = snapshot([item(n) for n in range(50)])
    told: dict[str, FleetItem] = {}
    last: Snapshot | None = None
    for generation in range(2, 60):
        rows = {key: one for key, one in newest.items.items() if choose.random() > 0.05}
        for number in choose.sample(range(60), 8):
            one = item(number, choose.choice(states))
            rows[one.key] = one
        newest = Snapshot(generation=generation, taken_at=NOW, items=keep_identity(newest.items, rows))
        if choose.random() < 0.4:
            continue
        for message in fleet_messages(last, newest, NOW):
            if message.first:
                told.clear()
            told |= {one.key: one for one in message.changed}
            for key in message.removed:
                del told[key]
        last = newest
        assert told == newest.items
