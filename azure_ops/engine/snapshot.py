"""The fleet at one moment, and what has to be told to a console that has an older one. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import TypeVar

import msgspec

from ..model import FleetItem, SourceState, Vault
from ..wire import FleetDelta

ITEMS_PER_MESSAGE = 500

Value = TypeVar("Value")


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that did not change are the same objects as in the snapshot before: differences compare by
    identity."""

    generation: int
    taken_at: datetime
    items: Mapping[str, FleetItem] = {}
    sources: tuple[SourceState, ...] = ()
    vaults: tuple[Vault, ...] = ()


def keep_identity(old: Mapping[str, Value], new: Mapping[str, Value]) -> dict[str, Value]:
    """`new`, with the old object wherever it is equal."""
    kept: dict[str, Value] = {}
    for key, value in new.items():
        before = old.get(key)
        kept[key] = before if before is not None and before == value else value
    return kept


def difference(
    old: Mapping[str, Value], new: Mapping[str, Value]
) -> tuple[tuple[Value, ...], tuple[str, ...]]:
    """What came or changed, and the keys of what went."""
    if old is new:
        return (), ()
    changed = tuple(value for key, value in new.items() if old.get(key) is not value)
    removed = tuple(key for key in old if key not in new)
    return changed, removed


def source_signs(sources: tuple[SourceState, ...]) -> tuple[object, ...]:
    """What is worth telling about the sources: a good answer at a later time is no news, unless it is the
    first."""
    return tuple(
        (s.name, s.rows, s.read_at is not None, s.error, s.read_at if s.error else None) for s in sources
    )


def fleet_messages(old: Snapshot | None, new: Snapshot, service_at: datetime) -> Iterator[FleetDelta]:
    """The difference in messages of at most `ITEMS_PER_MESSAGE` rows; none at all when nothing changed."""
    changed, removed = difference(old.items if old else {}, new.items)
    same_sources = old is not None and source_signs(old.sources) == source_signs(new.sources)
    same_vaults = old is not None and old.vaults == new.vaults
    if old is not None and not changed and not removed and same_sources and same_vaults:
        return
    rest = iter(changed)
    batch = tuple(islice(rest, ITEMS_PER_MESSAGE))
    first = True
    while True:
        following = tuple(islice(rest, ITEMS_PER_MESSAGE))
        yield FleetDelta(
            generation=new.generation,
            taken_at=new.taken_at,
            service_at=service_at,
            first=first and old is None,
            more=bool(following),
            changed=batch,
            removed=removed if first else (),
            sources=new.sources,
            vaults=new.vaults if first else (),
        )
        if not following:
            return
        batch, first = following, False
