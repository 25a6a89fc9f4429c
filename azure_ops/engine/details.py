"""The row under the cursor, read from Resource Manager part by part, each part failing alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

from ..arm_ids import segment
from ..backup_policies import meaning
from ..errors import NotFound, RecoveryError, Refused, Unreachable
from ..model import (
    Backup,
    Details,
    ErrorNote,
    FleetItem,
    RawDocument,
    RecoveryPoint,
    Replication,
    SourceState,
)
from ..schedule import gaps
from .surroundings import Surroundings, in_region, soft_deleted, told_why

if TYPE_CHECKING:
    from ..services.session import Session
    from .history import History
    from .watch import Watcher

AT_HAND_S = 20.0
"""A second look at a row within this time gets the answer of the first."""
LONGEST_CACHE = 200

Points = tuple[RecoveryPoint, ...]
Value = TypeVar("Value")


class GoodPoints(NamedTuple):
    read_at: datetime | None
    points: Points


class Found(NamedTuple):
    lists: list[tuple[SourceState, Points]]
    secondary: str


class DetailsReader:
    def __init__(self, session: Session, watcher: Watcher, history: History) -> None:
        self._session = session
        self._watcher = watcher
        self._history = history
        self._around = Surroundings(session, watcher)
        self._at_hand: dict[tuple[str, bool], tuple[float, Details]] = {}
        self._good_points: dict[str, GoodPoints] = {}
        """The last good answer of each list of points, by the id of what the points are of."""

    async def read(self, item: FleetItem, *, fresh: bool = False, secondary: bool = False) -> Details:
        wanted = item.key, secondary
        read_at, details = self._at_hand.get(wanted, (0.0, None))
        if details is None or fresh or time.monotonic() - read_at > AT_HAND_S:
            details = await self._read(item, secondary=secondary)
            if len(self._at_hand) >= LONGEST_CACHE:
                self._at_hand.clear()
            self._at_hand[wanted] = (time.monotonic(), details)
        return details

    def forget(self, key: str) -> None:
        """What is at hand of this row is no longer true."""
        for secondary in (False, True):
            self._at_hand.pop((key, secondary), None)

    async def _read(self, item: FleetItem, *, secondary: bool) -> Details:
        faults: list[ErrorNote] = []
        if item.vm_unread:  # which disks' snapshots are its points stands in the VM
            item = await read_item(self._session, item, faults)
            row, found = item, await self._points(item, faults, secondary=secondary)
        else:
            row, found = await asyncio.gather(
                read_item(self._session, item, faults), self._points(item, faults, secondary=secondary)
            )
        policy, warned = await asyncio.gather(
            self._around.policy(row, faults), self._around.warned(row, faults)
        )
        faults += [source.error for source, _ in found.lists if source.error]
        listed = [point for _, of_one in found.lists for point in of_one]
        if row.backup is not None and row.backup.soft_deleted:
            listed = soft_deleted(listed)
        points = told_why(listed, warned)
        return Details(
            item=row,
            points=tuple(sorted(points, key=lambda point: point.taken_at, reverse=True)),
            point_sources=tuple(source for source, _ in found.lists),
            gaps=gaps(policy, points, self._session.service_now()) if policy else (),
            promise=meaning(policy) if policy else "",
            restore_times=self._history.restore_times(),
            secondary=found.secondary,
            warning=warned.errors[0] if warned and warned.errors else None,
            rpo_history=self._history.rpo(item.key, self._session.service_now()),
            faults=tuple(faults),
            read_at=datetime.now(UTC),
        )

    async def _points(self, item: FleetItem, faults: list[ErrorNote], *, secondary: bool) -> Found:
        from ..services import backup, compute, site_recovery

        session, wanted, told = self._session, [], ""
        wanted.append(self._list("disk snapshots", item.key, compute.list_snapshots(session, item)))
        if item.backup is not None:
            id_ = item.backup.item_id
            wanted.append(self._list("backup points", id_, backup.list_points(session, id_)))
        if item.replication is not None:
            id_ = item.replication.item_id
            wanted.append(self._list("replication points", id_, site_recovery.list_points(session, id_)))
        if secondary:
            region, told = await self._around.secondary(item, faults)
            if region and item.backup is not None:
                wanted.append(self._secondary(item.backup.item_id, region))
        lists = await asyncio.gather(*wanted)
        return Found(lists, told)

    async def _secondary(self, item_id: str, region: str) -> tuple[SourceState, Points]:
        from ..services import cross_region

        async def reading() -> Points:
            found = await cross_region.list_points(self._session, item_id)
            return tuple(in_region(one.point, region) for one in found)

        return await self._list(f"points in {region}", f"{item_id}@{region}", reading())

    async def _list(self, name: str, of: str, reading: Awaitable[Points]) -> tuple[SourceState, Points]:
        """The points and how old they are: those of the last good answer when they cannot be read now."""
        of = of.lower()
        try:
            points = await reading
        except RecoveryError as problem:
            good = self._good_points.get(of, GoodPoints(None, ()))
            state = SourceState(name=name, read_at=good.read_at, error=problem.note(), rows=len(good.points))
            return state, good.points
        if len(self._good_points) >= LONGEST_CACHE:
            self._good_points.clear()
        good = self._good_points[of] = GoodPoints(datetime.now(UTC), points)
        return SourceState(name=name, read_at=good.read_at, rows=len(points)), points

    async def raw(self, key: str, part: str) -> RawDocument:
        """The service's own answer about a part of a row, a job or a vault."""
        from ..services import cross_region

        if part == "job" and segment(key, cross_region.JOBS):
            return await cross_region.raw_job(self._session, key)
        if part in ("job", "vault"):
            return await self._session.get_document(key)
        item = self._watcher.item(key)
        if item is None:
            raise NotFound(
                f"{key.rsplit('/', 1)[-1]} is not in the fleet.", "Press r to read the fleet again."
            )
        ids = {
            "vm": item.id,
            "backup": item.backup.item_id if item.backup else "",
            "replication": item.replication.item_id if item.replication else "",
        }
        if not ids.get(part):
            raise Refused(f"{item.name} has no {part} to show.")
        return await self._session.get_document(ids[part])


async def read_item(
    session: Session, item: FleetItem, faults: list[ErrorNote] | None = None, *, machine: bool = True
) -> FleetItem:
    """The row anew from Resource Manager. A part that fails keeps what it had and leaves a note in `faults`;
    without `faults` the error is raised. `machine` False leaves the VM itself as it was read last."""
    row, problems = await read_parts(session, item, machine=machine)
    for problem in problems.values():
        if faults is None:
            raise problem
        faults.append(problem.note())
    return row


async def read_parts(
    session: Session, item: FleetItem, *, machine: bool = True, limits_s: Mapping[str, float] | None = None
) -> tuple[FleetItem, dict[str, RecoveryError]]:
    """The row anew, and what kept a part (`vm`, `backup`, `replication`) from being read: it is as it was
    then. A part named in `limits_s` is given up after so many seconds."""
    from ..services import backup, compute, site_recovery

    problems: dict[str, RecoveryError] = {}

    async def part(name: str, reading: Awaitable[Value], instead: Value) -> Value:
        limit_s = (limits_s or {}).get(name)
        try:
            async with asyncio.timeout(limit_s):
                return await reading
        except TimeoutError:
            problems[name] = Unreachable(f"{item.name}, {name}: no answer within {limit_s:.0f} s.")
        except RecoveryError as problem:
            problems[name] = problem
        return instead

    async def backup_now() -> Backup | None:
        return await backup.read_item(session, item.backup.item_id) if item.backup else None

    async def replication_now() -> Replication | None:
        if item.replication is None:
            return None
        return await site_recovery.read_item(session, item.replication.item_id)

    reading_vm = compute.read_vm(session, item.id) if machine and item.exists else _value(item)
    row, backed_up, replicated = await asyncio.gather(
        part("vm", reading_vm, item),
        part("backup", backup_now(), item.backup),
        part("replication", replication_now(), item.replication),
    )
    return msgspec.structs.replace(row, backup=backed_up, replication=replicated), problems


async def _value(value: Value) -> Value:
    return value
