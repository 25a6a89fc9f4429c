"""While a source has not answered, the console does not say that a VM lacks what that source tells."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from azure_ops import wire
from azure_ops.model import FleetItem, SourceState
from tui.flows import Flows, actions
from tui.state import Came, ConsoleState
from widgets.vm_table import vm_columns

NOW = datetime(2026, 8, 22, 14, tzinfo=UTC)
ITEM = FleetItem(key="/vm", id="/VM", name="vm", subscription_id="s", resource_group="g")


def delta(*sources: str, first: bool = False) -> wire.FleetDelta:
    read = tuple(SourceState(name=name, read_at=NOW) for name in sources)
    return wire.FleetDelta(
        generation=1, taken_at=NOW, service_at=NOW, first=first, changed=(ITEM,), sources=read
    )


def cells(unread: frozenset[str]) -> dict[str, str]:
    return {column.id: column.cell(ITEM).text for column in vm_columns(lambda: NOW, lambda: unread)}


def test_the_first_rows_are_there_before_all_sources_are() -> None:
    state = ConsoleState()
    assert state.apply_fleet(delta("virtual machines", first=True)) is Came.ARRIVING
    assert state.first_rows
    assert list(state.items) == ["/vm"]
    assert state.unread() == {"backup", "replication"}
    assert state.apply_fleet(delta("backup")) is Came.ARRIVING
    assert state.unread() == {"replication"}
    assert state.apply_fleet(delta("replication")) is Came.WHOLE
    assert state.unread() == frozenset()
    assert not state.first_rows


def test_a_source_that_failed_before_it_was_ever_read_stays_unread() -> None:
    state = ConsoleState()
    state.apply_fleet(delta("virtual machines", "backup", "replication", first=True))
    state.sources["backup"] = SourceState(name="backup")
    assert state.unread() == {"backup"}


def test_an_unread_vm_is_not_deleted_and_says_so_where_it_is_needed() -> None:
    unread = msgspec.structs.replace(ITEM, vm_unread=True)
    columns = {column.id: column for column in vm_columns(lambda: NOW)}
    assert columns["state"].cell(unread).text == "… unread"
    app = SimpleNamespace(read_only=False, state=ConsoleState())
    flows = Flows(cast(Any, app))
    assert "has not been read" in flows.why_not(actions()["snapshot-disks"], unread)
    assert "has not been read" not in flows.why_not(actions()["snapshot-disks"], ITEM)
    assert "has not been read" not in flows.why_not(actions()["failover"], unread)


def test_unread_is_not_none() -> None:
    shown = cells(frozenset({"backup", "replication"}))
    assert shown["backup"] == shown["replication"] == shown["rpo"] == "… unread"
    shown = cells(frozenset())
    assert shown["backup"] == "none ✖"
    assert shown["replication"] == "–"
