"""Replication as a process: what the clock says about an item's first copy, RPO, heartbeat, backlog, points.

Pure functions of facts and time; nothing is stored. The five-minute slots of an item are counted from the
epoch, shifted by the item's own offset, so that two looks at the same moment agree for ever.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from ..records.site_recovery import (
    FAILOVER_COMMITTED,
    FIRST_POINT_PENDING,
    HEARTBEAT_TROUBLE,
    INITIAL_REPLICATION,
    PROTECTED,
    RPO_TROUBLE,
    STALL_TROUBLE,
    ReplicatedDisk,
    ReplicatedItem,
    ReplicationPolicy,
)

SLOT_S = 300
"""Crash-consistent points and agent heartbeats come every five minutes; that is not changeable."""
KEEP_ALL_S = 2 * 3600
FIRST_POINT_S = 240.0
"""From the end of the first copy to the first recovery point."""
LAG_GROWTH = 0.6
"""Seconds of RPO that an overrun replication gains per second."""
LEAST_LAG = 0.8
"""Of `typical_rpo_s`: how near the target ever comes to the source; what follows a trouble starts here."""
PLATEAUS = ((0.0, 0), (0.09, 4), (0.18, 32), (0.55, 33), (0.64, 43), (1.0, 43))
"""Share of the first copy's time → the percentage shown: recorded steps, not a line."""

SHARE_AT_SOURCE = {RPO_TROUBLE: 0.3, STALL_TROUBLE: 0.1, HEARTBEAT_TROUBLE: 0.9}
"""Of the backlog: what waits at the agent instead of in the staging account."""


@dataclass(frozen=True, slots=True)
class Point:
    guid: str
    at: datetime
    app_consistent: bool


@lru_cache(maxsize=65536)
def _noise(guid: str, *key: object) -> float:
    """0 ≤ x < 1, always the same for this item and key."""
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{guid}/{key}").int % 10_000 / 10_000


def offset_s(item: ReplicatedItem) -> int:
    return int(_noise(item.guid, "offset") * SLOT_S)


def slot_at(item: ReplicatedItem, at: datetime) -> int:
    """The number of the last slot that began at or before `at`."""
    return int((at.timestamp() - offset_s(item)) // SLOT_S)


def slot_time(item: ReplicatedItem, slot: int) -> datetime:
    return datetime.fromtimestamp(slot * SLOT_S + offset_s(item), UTC)


def first_copy_ends_at(item: ReplicatedItem) -> datetime | None:
    if item.replicating_from is None:
        return None
    return item.replicating_from + timedelta(seconds=item.initial_replication_s)


def state_at(item: ReplicatedItem, now: datetime) -> str:
    """The stored state, moved on through the first replication by the clock."""
    ends_at = first_copy_ends_at(item)
    if item.state != INITIAL_REPLICATION or ends_at is None or now < ends_at:
        return item.state
    return FIRST_POINT_PENDING if now < ends_at + timedelta(seconds=FIRST_POINT_S) else PROTECTED


def protected_since(item: ReplicatedItem) -> datetime:
    ends_at = first_copy_ends_at(item) if item.state == INITIAL_REPLICATION else None
    return item.protected_at if ends_at is None else ends_at + timedelta(seconds=FIRST_POINT_S)


def first_copy_percentage(item: ReplicatedItem, now: datetime) -> int:
    if item.replicating_from is None:
        return 0
    share = (now - item.replicating_from).total_seconds() / max(item.initial_replication_s, 1.0)
    return max(percent for start, percent in PLATEAUS if share >= start) if share >= 0 else 0


def looked_at(item: ReplicatedItem, now: datetime) -> datetime:
    """Replication's own now: it stands still once the machine has failed over."""
    return min(now, item.frozen_at) if item.frozen_at else now


def trouble_at(item: ReplicatedItem, now: datetime) -> str:
    """What ails it at that moment; empty when nothing does."""
    since = item.trouble_since
    return item.trouble if item.trouble and (since is None or since <= looked_at(item, now)) else ""


def last_heartbeat(item: ReplicatedItem, now: datetime) -> datetime:
    """3 to 10 minutes behind the clock, in five-minute steps; it stops where the agent fell silent."""
    at = looked_at(item, now)
    if trouble_at(item, now) == HEARTBEAT_TROUBLE and item.trouble_since:
        at = item.trouble_since
    return slot_time(item, slot_at(item, at - timedelta(seconds=180)))


def rpo_calculated_at(item: ReplicatedItem, now: datetime) -> datetime:
    """The service measures anew every five minutes, a little after the heartbeat."""
    at = looked_at(item, now)
    measured = slot_time(item, slot_at(item, at - timedelta(seconds=20))) + timedelta(seconds=4.25)
    return min(at, max(measured, protected_since(item)))


def rpo_s(item: ReplicatedItem, now: datetime) -> int:
    """The figure as measured at `rpo_calculated_at`."""
    at = rpo_calculated_at(item, now)
    return max(1, int((at - replicated_until(item, at)).total_seconds()))


def recovery_lag_s(item: ReplicatedItem, now: datetime) -> float:
    """How far the target is behind right now, between two measurements of the RPO."""
    return (looked_at(item, now) - replicated_until(item, now)).total_seconds()


def replicated_until(item: ReplicatedItem, now: datetime) -> datetime:
    """Up to when the target has the source's data. Never goes back."""
    at = looked_at(item, now)
    trouble = trouble_at(item, now)
    since = item.trouble_since or protected_since(item)
    if trouble in (STALL_TROUBLE, HEARTBEAT_TROUBLE):
        return min(at, since) - timedelta(seconds=item.typical_rpo_s * LEAST_LAG)
    if trouble == RPO_TROUBLE:
        lag = item.typical_rpo_s * LEAST_LAG + (at - since).total_seconds() * LAG_GROWTH
        return at - timedelta(seconds=lag)
    slot = slot_at(item, at)
    return slot_time(item, slot) - timedelta(
        seconds=item.typical_rpo_s * (LEAST_LAG + 0.4 * _noise(item.guid, slot))
    )


def pending_mb(item: ReplicatedItem, disk: ReplicatedDisk, now: datetime) -> tuple[float, float]:
    """(in the staging account, at the source's agent): what the target has not got yet."""
    if state_at(item, now) != PROTECTED:
        return 0.0, 0.0
    share = disk.size_gb / max(1, sum(each.size_gb for each in item.disks))
    total = item.churn_mb_s * share * recovery_lag_s(item, now)
    at_source = {RPO_TROUBLE: 0.3, STALL_TROUBLE: 0.1, HEARTBEAT_TROUBLE: 0.9}.get(
        trouble_at(item, now), 0.05
    )
    return round(total * (1 - at_source), 2), round(total * at_source, 6)


# recovery points --------------------------------------------------------------------------------------------


def _kept_every(age_s: float) -> int:
    """Of how many five-minute slots one is kept at that age: all, hourly, two-hourly, four-hourly."""
    if age_s <= KEEP_ALL_S:
        return 1
    if age_s <= 86_400:
        return 12
    return 24 if age_s <= 7 * 86_400 else 48


def _grid_point(item: ReplicatedItem, policy: ReplicationPolicy, slot: int) -> Point:
    app_every = policy.app_consistent_minutes * 60 // SLOT_S
    jitter = timedelta(seconds=_noise(item.guid, "at", slot) * 40)
    return Point(
        str(uuid.uuid5(uuid.NAMESPACE_OID, f"{item.guid}/point/{slot}")),
        slot_time(item, slot) + jitter,
        bool(app_every) and slot % app_every == 0,
    )


def recovery_points(item: ReplicatedItem, policy: ReplicationPolicy, now: datetime) -> list[Point]:
    """What is retained, oldest first; none while the first replication runs and none once committed.

    The grids are nested, so a point only ever disappears by age; the newest never does (unverified)."""
    if state_at(item, now) in (INITIAL_REPLICATION, FIRST_POINT_PENDING, FAILOVER_COMMITTED):
        return []
    at = looked_at(item, now)
    since = protected_since(item)
    oldest = max(since, at - timedelta(minutes=policy.retention_minutes))
    newest = slot_at(item, min(at - timedelta(seconds=60), replicated_until(item, now)))
    points = []
    slot = slot_at(item, oldest) + 1
    while slot < newest:
        step = _kept_every((at - slot_time(item, slot)).total_seconds())
        if slot % step:
            slot += step - slot % step
            continue
        points.append(_grid_point(item, policy, slot))
        slot += 1
    if newest > slot_at(item, since):
        points.append(_grid_point(item, policy, newest))
    points += [Point(stored.guid, stored.at, False) for stored in item.stored_points]
    return sorted(points, key=lambda point: point.at)
