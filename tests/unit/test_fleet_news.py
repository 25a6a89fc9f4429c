"""Several differences shown as one: the newest of each row counts, and the order of coming and going."""

from __future__ import annotations

from datetime import UTC, datetime

from azure_ops import wire
from azure_ops.model import FleetItem
from tui.state import Came, FleetNews

AT = datetime(2026, 8, 22, tzinfo=UTC)


def item(key: str, name: str = "") -> FleetItem:
    return FleetItem(key=key, id=f"/{key}", name=name or key, subscription_id="s", resource_group="g")


def delta(*changed: FleetItem, removed: tuple[str, ...] = ()) -> wire.FleetDelta:
    return wire.FleetDelta(generation=1, taken_at=AT, service_at=AT, changed=changed, removed=removed)


def test_the_newest_of_a_row_counts() -> None:
    news = FleetNews()
    news.add(delta(item("a", "old"), item("b")), Came.CHANGED)
    news.add(delta(item("a", "new")), Came.CHANGED)
    assert [each.name for each in news.changed.values()] == ["new", "b"]
    assert not news.removed
    assert not news.whole


def test_a_row_that_came_and_went_is_gone_and_one_that_came_back_is_there() -> None:
    news = FleetNews()
    news.add(delta(item("a")), Came.CHANGED)
    news.add(delta(removed=("a", "b")), Came.CHANGED)
    assert news.changed == {}
    assert news.removed == {"a", "b"}
    news.add(delta(item("b")), Came.CHANGED)
    assert set(news.changed) == {"b"}
    assert news.removed == {"a"}


def test_parts_of_a_whole_are_no_changes_of_what_is_shown() -> None:
    news = FleetNews()
    news.add(delta(item("a")), Came.ARRIVING)
    assert news.changed == {}
    news.add(delta(item("b")), Came.WHOLE)
    assert news.whole
