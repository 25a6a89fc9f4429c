"""Where else a file may be: other points of the same virtual machine, or other image files of the machine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from azure_ops import points as meaning
from azure_ops import wire
from azure_ops.errors import RecoveryError, Refused
from azure_ops.file_model import FileEntry, FileVolume
from azure_ops.file_ways import OPEN_FILES, TAKEN_TOGETHER
from azure_ops.model import FleetItem, Option, Plan, PointSource, RecoveryPoint
from widgets.file_tree import time_text
from widgets.file_versions import VersionRow, VersionState

from .file_opening import DiskOpener, ImageOpener, PointOpener

if TYPE_CHECKING:
    from .app import ConsoleApp

MOST_OPEN = 4
"""Sets of disks at once, besides those one came from: of one disk's snapshots Azure lets five be read."""


class Place(msgspec.Struct, frozen=True):
    """A file by its path in a volume, whether it is there or not."""

    volume: FileVolume
    path: bytes
    entry: FileEntry | None = None


class ImageSets:
    """Given on the command line beside the images that were opened; nothing is asked of Azure for them."""

    title = "IMAGES"
    note = ""

    def __init__(self, own: tuple[str, ...], others: Sequence[tuple[str, ...]]) -> None:
        self._own = own
        self._others = [one for one in dict.fromkeys(others) if one != own]

    def why_none(self) -> str:
        if self._others:
            return ""
        return "Name other images of the machine too: azrecover files MON.img --also TUE.img"

    async def rows(self) -> list[VersionRow]:
        own = VersionRow("", 0, ImageOpener(self._own).name, own=True)
        others = (
            VersionRow(str(place), place, ImageOpener(paths).name)
            for place, paths in enumerate(self._others, 1)
        )
        return [own, *others]

    def openers_at_once(self) -> dict[str, DiskOpener]:
        openers = {str(place): ImageOpener(paths) for place, paths in enumerate(self._others, 1)}
        return dict(list(openers.items())[:MOST_OPEN])

    async def openers(self, keys: Sequence[str]) -> Mapping[str, DiskOpener | str]:
        return {key: ImageOpener(self._others[int(key) - 1]) for key in keys}

    def offer(self, key: str) -> None:
        """There is nothing that costs."""


class OtherPoints:
    """Of one virtual machine. Reading a point opens access to its disks: by a plan, once for all of them."""

    title = "POINT"

    def __init__(self, app: ConsoleApp, key: str, own: str) -> None:
        """`own`: the answer by which the point that is open was chosen."""
        self._app = app
        self._key = key
        self._own = own.lower()
        self._points: dict[str, RecoveryPoint] = {}
        self.note = ""

    def why_none(self) -> str:
        return "" if self._own else "It is not known which point these files are of."

    async def rows(self) -> list[VersionRow]:
        from azure_ops.actions.open_files import answer_of

        told = await self._app.link.ask(wire.GetDetails(key=self._key), wire.GotDetails)
        self.note = " ".join(fault.title for fault in told.details.faults)
        found = candidates(told.details.points, self._own)
        self._points = {answer_of(point): point for point in found}
        return [
            row_of(key, point, place, own=key.lower() == self._own)
            for place, (key, point) in enumerate(self._points.items())
        ]

    def openers_at_once(self) -> dict[str, DiskOpener]:
        return {}

    async def openers(self, keys: Sequence[str]) -> Mapping[str, DiskOpener | str]:
        """By key: what opens the point once the user has confirmed the plan, or why it cannot be. Empty when
        the user went back."""
        from .flows import READ_ONLY_REASON
        from .screens.confirm import ConfirmPlan

        if self._app.read_only:
            raise Refused(READ_ONLY_REASON, "Start without --read-only and without read_only in config.toml.")
        asked = (self._planned(key) for key in keys)
        line = f"Open files: making the plan for {len(keys)} points …"
        made = await self._app.flows.wait(line, asyncio.gather(*asked))
        found: dict[str, DiskOpener | str] = {}
        plans: list[Plan] = []
        for key, plan in zip(keys, made, strict=True):
            if isinstance(plan, str):
                found[key] = plan
            else:
                plans.append(plan)
                name = f"{plan.names[0]}, {point_name(self._points[key])}"
                found[key] = PointOpener(name, self._key, {"point": key}, plan.id)
        if plans and await self._app.push_screen_wait(ConfirmPlan(together(plans))) is None:
            return {}
        return found

    async def _planned(self, key: str) -> Plan | str:
        """By the cheapest way. Where only a restore leads to it the plan refuses for want of answers."""
        request = wire.MakePlan(action=OPEN_FILES, keys=(self._key,), answers={"point": key})
        try:
            plan = (await self._app.link.ask(request, wire.GotPlan)).plan
        except RecoveryError as problem:
            return str(problem)
        return plan.refused[0] if plan.refused else plan

    def offer(self, key: str) -> None:
        """Form and plan of its own, with what it costs; nothing of that is begun by itself."""
        from azure_ops.actions.open_files import option_of

        item = self._app.state.items.get(self._key)
        if item is None:
            self._app.tell("The virtual machine is not in the fleet (any more).", "warning")
        else:
            option = option_of(self._points[key])
            self.start(item, option)

    def start(self, item: FleetItem, option: Option) -> None:
        self._app.flows.start(OPEN_FILES, [item], {"point": option})


VersionSources = ImageSets | OtherPoints


# pure -------------------------------------------------------------------------------------------------------


def candidates(points: Iterable[RecoveryPoint], own: str) -> list[RecoveryPoint]:
    """Newest first. Of snapshots that are read together one stands for all: the one that is open, if any."""
    from azure_ops.actions.open_files import answer_of, why_not_point

    usable = [point for point in points if not why_not_point(point)]
    usable.sort(
        key=lambda point: (answer_of(point).lower() != own, point.source, -point.taken_at.timestamp())
    )
    kept: list[RecoveryPoint] = []
    for point in usable:
        if point.source is PointSource.BACKUP or not any(_read_together(point, one) for one in kept):
            kept.append(point)
    return sorted(kept, key=lambda point: point.taken_at, reverse=True)


def _read_together(point: RecoveryPoint, other: RecoveryPoint) -> bool:
    if other.source is not PointSource.SNAPSHOT or abs(point.taken_at - other.taken_at) > TAKEN_TOGETHER:
        return False
    return not {disk.name for disk in point.disks} & {disk.name for disk in other.disks}


def row_of(key: str, point: RecoveryPoint, place: int, *, own: bool) -> VersionRow:
    kind = meaning.consistency_of(point.consistency) or "consistency not told"
    tiers = meaning.tiers_of(point)
    held = " + ".join(meaning.TIERS.get(tier, tier) for tier in tiers) or "no tier"
    state, note = VersionState.UNREAD, ""
    if point.source is PointSource.SNAPSHOT:
        held = "disk snapshot"
    elif meaning.SNAPSHOT not in tiers and not own:
        tier = meaning.restored_from(point)
        state, note = VersionState.CLOSED, "no tier holds it any more"
        if tier == meaning.ARCHIVE:
            note = "archive: has to be rehydrated first"
        elif tier:
            note = f"a restore, {meaning.RECORDED[tier][1]}"
            state = VersionState.COSTS
    return VersionRow(key, place, point_name(point), f"{kind}, {held}", own=own, state=state, note=note)


def point_name(point: RecoveryPoint) -> str:
    return time_text(int(point.taken_at.timestamp() * 1e9))


def together(plans: Sequence[Plan]) -> Plan:
    """One plan to be read and confirmed for several points: first what is special of each, then what holds
    for all."""
    first = plans[0]
    if len(plans) == 1:
        return first
    said = dict.fromkeys(line for plan in plans for line in plan.consequences)
    common = [line for line in said if all(line in plan.consequences for plan in plans)]
    return msgspec.structs.replace(
        first,
        title=f"{first.title}: {len(plans)} points",
        risk=max(plan.risk for plan in plans),
        consequences=(*(line for line in said if line not in common), *common),
        losses=tuple(dict.fromkeys(line for plan in plans for line in plan.losses)),
        checks=tuple(
            {(check.label, check.detail): check for plan in plans for check in plan.checks}.values()
        ),
        requests=tuple(request for plan in plans for request in plan.requests),
        permissions=tuple(dict.fromkeys(line for plan in plans for line in plan.permissions)),
    )


def same_volume(wanted: FileVolume, volumes: Sequence[FileVolume]) -> FileVolume | str:
    """The volume of another set of disks that is the same one, or why there is none. By its id, because a
    disk may be another in the order; by its place only where there is no id."""
    fitting = [one for one in volumes if wanted.uuid and one.uuid == wanted.uuid]
    if not wanted.uuid:
        fitting = [one for one in volumes if one.description == wanted.description and not one.uuid]
    same = next((one for one in fitting if one.key == wanted.key), fitting[0] if len(fitting) == 1 else None)
    if same is not None and same.state == "readable":
        return same
    if same is None:
        same = next((one for one in volumes if one.key == wanted.parent and one.unlock), None)
    if same is not None and same.unlock:
        return f"{same.key} is locked there: enter opens it, unlock it and come back"
    if same is not None:
        return same.reason or f"{same.key} cannot be read there"
    return f"there is no volume like {wanted.key} there"


def judged(row: VersionRow, own: VersionRow | None) -> VersionRow:
    """With what its file is to the one that one came from."""
    differs, compared = None, False
    if own is not None and not row.own and own.entry is not None and row.entry is not None:
        compared = bool(row.digest and own.digest)
        if compared:
            differs = row.digest != own.digest
        else:
            mine, its = own.entry, row.entry
            differs = (mine.size, mine.modified_ns) != (its.size, its.modified_ns)
    return msgspec.structs.replace(row, differs=differs, compared=compared)
