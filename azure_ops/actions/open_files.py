"""Open the files of a recovery point: which point, by which way, and what that lets whom read for how long.

It has no `run`: what is confirmed is opened, and stays open until it is closed (`engine/point_files.py`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence

import msgspec

from .. import file_ways
from ..disk_sources import DISK_POINTS, DiskSource, permission_of
from ..errors import NotFound, RecoveryError, Refused
from ..file_ways import LASTS_S, OPEN_FILES, READ_DISK, Known, Way, WayKind
from ..model import (
    Check,
    CheckState,
    Field,
    FleetItem,
    Form,
    Job,
    Option,
    PlannedRequest,
    PointSource,
    RecoveryPoint,
    Risk,
)
from ..points import APP, FILE_SYSTEM, SNAPSHOT, TIERS, consistency_of, tiers_of
from . import restore_disks, restore_places, restoring
from .spec import Action, Context, Draft, Step, TargetKind

PERMISSIONS = (
    "Microsoft.Compute/snapshots/beginGetAccess/action",
    "Microsoft.Compute/snapshots/endGetAccess/action",
    "Microsoft.Compute/restorePointCollections/read",
    "Microsoft.Compute/restorePointCollections/restorePoints/diskRestorePoints/beginGetAccess/action",
    "Microsoft.Compute/restorePointCollections/restorePoints/diskRestorePoints/endGetAccess/action",
    "Microsoft.Compute/disks/beginGetAccess/action",
    "Microsoft.Compute/disks/endGetAccess/action",
    restoring.PERMISSION,
    restore_disks.WRITE_DISK,
    "Microsoft.Compute/disks/delete",
)
GRANT = {"access": "Read", "durationInSeconds": LASTS_S}


def why_not(target: FleetItem | Job) -> str | None:
    if isinstance(target, Job):
        return "this works on virtual machines"
    if target.backup is not None and not target.backup.soft_deleted:
        return None
    if any(disk.id for disk in target.disks):
        return None
    return "it has neither backups nor managed disks of which there could be snapshots"


def why_not_point(point: RecoveryPoint) -> str:
    """Empty when its files may be opened."""
    if point.source is PointSource.REPLICATION:
        return "A replication point can be read by nobody: a test failover (F) makes a machine of it."
    if point.secondary:
        return "A copy in the other region cannot be read from here: restore its disks there (D)."
    return ""


async def choices(context: Context, targets: Sequence[FleetItem]) -> Form:
    target = targets[0]
    found = await points(context, target)
    options = tuple(map(option_of, found))
    if not options:
        raise Refused(f"{target.name} has no backup point and no disk snapshot.", "Make one first (B or S).")
    wanted = context.answers.get("point", "")
    chosen = next((one for one in found if answer_of(one) == wanted), found[0])
    judged = await ways_of(context, target, chosen, found)
    possible = [way for way in judged if not way.why_not]
    point = Field(id="point", label="Recovery point", options=options, default=answer_of(chosen), leads=True)
    script = next((way for way in judged if way.kind is WayKind.SCRIPT), None)
    way = _way_field(possible, script, context.answers.get("way", ""))
    fields = (point,) if way is None else (point, way)
    if way is not None and way.default == WayKind.RESTORE:
        fields = (*fields, *await _restore_fields(context, target))
    closed = (one for one in judged if one.why_not and (one is not script or way is None))
    return Form(fields=fields, checks=tuple(map(_check, closed)))


def _way_field(possible: Sequence[Way], script: Way | None, wanted: str) -> Field | None:
    if not possible:
        return None
    options = tuple(
        Option(value=way.kind, label=f"{way.title}: {way.takes}", note=way.why) for way in possible
    )
    default = next((way.kind for way in possible if way.kind == wanted), possible[0].kind)
    return Field(
        id="way",
        label="Way to its bytes, the cheapest first",
        help=f"last of all {script.title}: {script.why}; {script.why_not}" if script else "",
        options=options,
        default=default,
        leads=True,
    )


def _check(way: Way) -> Check:
    return Check(label=way.title, state=CheckState.WARNING, detail=way.why_not)


async def _restore_fields(context: Context, target: FleetItem) -> tuple[Field, ...]:
    vault = await restore_places.vault_of(context, target)
    to = restore_places.Destination(vault.region, target.subscription_id)
    group, account = await asyncio.gather(
        restore_places.group_field(context, target, to), restore_places.account_field(context, target, to)
    )
    disks = restore_disks.disks_field(target)
    if disks is not None:
        disks = msgspec.structs.replace(
            disks, help="only what you need to read; volumes that lie over several disks need all of them"
        )
    return restore_places.present(disks, group, account)


# what is known ----------------------------------------------------------------------------------------------


async def points(context: Context, target: FleetItem) -> list[RecoveryPoint]:
    """Newest first: backups that some tier holds, and snapshots of its disks."""
    from ..services import backup, compute

    wanted = [compute.list_snapshots(context.session, target)]
    if target.backup is not None:
        wanted.append(backup.list_points(context.session, target.backup.item_id))
    found: list[RecoveryPoint] = []
    answers = await asyncio.gather(*wanted, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, RecoveryError) and len(answers) > 1:
            continue
        if isinstance(answer, BaseException):
            raise answer
        found += answer
    if not found and (failed := [one for one in answers if isinstance(one, BaseException)]):
        raise failed[0]
    usable = [one for one in found if one.source is PointSource.SNAPSHOT or tiers_of(one)]
    return sorted(usable, key=lambda one: one.taken_at, reverse=True)[: restoring.POINTS_OFFERED]


def answer_of(point: RecoveryPoint) -> str:
    return point.name if point.source is PointSource.BACKUP else point.id


def option_of(point: RecoveryPoint) -> Option:
    kind = consistency_of(point.consistency) or "consistency not told"
    if point.source is PointSource.BACKUP:
        said = " + ".join(TIERS.get(tier, tier) for tier in tiers_of(point))
    else:
        said = f"disk snapshot {point.name}"
    return Option(value=answer_of(point), label=f"{point.taken_at:%Y-%m-%d %H:%M} UTC  {kind}, {said}")


async def ways_of(
    context: Context, target: FleetItem, point: RecoveryPoint, found: Sequence[RecoveryPoint]
) -> tuple[Way, ...]:
    known = await _known(context, target, point, found)
    judged = file_ways.ways(target, point, known, context.times, ours_of(context))
    problems = dict(known.problems)
    for way in judged:
        if not way.why_not:
            lacking = await _lacking(context, way)
            if lacking:
                problems[way.kind] = lacking
    if problems == known.problems:
        return judged
    known = msgspec.structs.replace(known, problems=problems)
    return file_ways.ways(target, point, known, context.times, ours_of(context))


def ours_of(context: Context) -> tuple[str, ...]:
    """What this engine reads just now: that may be read by a second console, too."""
    return tuple(
        one.target_key
        for one in context.operations.values()
        if one.action == READ_DISK and not one.phase.ended
    )


async def _known(
    context: Context, target: FleetItem, point: RecoveryPoint, found: Sequence[RecoveryPoint]
) -> Known:
    if point.source is PointSource.SNAPSHOT:
        snapshots = [one for one in found if one.source is PointSource.SNAPSHOT]
        sources = file_ways.together(point, snapshots)
        return Known(snapshots=await _as_they_are(context, sources))
    problems: dict[str, str] = {}
    ids, temporary = file_ways.restored_disks(point, target.key, context.operations.values())
    restored = await _as_they_are(context, tuple(map(file_ways.source_of_restored, ids)))
    kept: tuple[DiskSource, ...] = ()
    if SNAPSHOT in tiers_of(point):
        try:
            kept = await _kept_by_backup(context, target, point)
        except RecoveryError as problem:
            problems[WayKind.RESTORE_POINT] = problem.title
    return Known(restore_point=kept, restored=restored, temporary=temporary, problems=problems)


async def _kept_by_backup(
    context: Context, target: FleetItem, point: RecoveryPoint
) -> tuple[DiskSource, ...]:
    from ..services import disk_access

    found = await disk_access.restore_points(context.session, target, point.taken_at)
    return await _as_they_are(context, found)


async def _as_they_are(context: Context, sources: Sequence[DiskSource]) -> tuple[DiskSource, ...]:
    """Without those that are gone."""
    from ..services import disk_access

    read = await asyncio.gather(
        *(disk_access.read_source(context.session, one) for one in sources), return_exceptions=True
    )
    for one in read:
        if isinstance(one, BaseException) and not isinstance(one, NotFound):
            raise one
    return tuple(one for one in read if isinstance(one, DiskSource))


def _needed(way: Way) -> list[tuple[str, str]]:
    return [
        (_scope(source), permission_of(source.id, verb))
        for source in way.sources
        for verb in ("beginGetAccess", "endGetAccess")
    ]


def _scope(source: DiskSource) -> str:
    """Rights are given on groups, disks and snapshots; so deep inside a collection nobody gives any."""
    return source.id.partition("/providers/")[0] if source.kind == DISK_POINTS else source.id


async def _lacking(context: Context, way: Way) -> str:
    """What the way would be refused for. What cannot be looked up is left to the service."""
    from ..services import permissions

    for scope, permission in _needed(way):
        try:
            missing = await permissions.missing_actions(context.session, scope, (permission,))
        except RecoveryError:
            continue
        if missing:
            return f"you lack {missing[0]}"
    return ""


# the plan ---------------------------------------------------------------------------------------------------


async def plan(context: Context, target: FleetItem, answers: Mapping[str, str]) -> Draft:
    found = await points(context, target)
    wanted = answers.get("point", "")
    point = next((one for one in found if answer_of(one) == wanted), None)
    if point is None:
        raise Refused(f"{target.name} has no such recovery point (any more).", "Choose another one.")
    judged = await ways_of(context, target, point, found)
    chosen = answers.get("way") or next((way.kind for way in judged if not way.why_not), "")
    way = next((one for one in judged if one.kind == chosen), None)
    if way is None or way.why_not:
        reasons = tuple(f"{one.title}: {one.why_not}" for one in judged if one.why_not)
        only = (f"{way.title}: {way.why_not}",) if way is not None else reasons
        return Draft(refused=only or ("there is no way to its bytes",), amend=True)
    if way.kind is WayKind.RESTORE:
        return await _restoring(context, target, point, way, answers)
    return Draft(
        steps=tuple(_step(target, point, way, source) for source in way.sources),
        consequences=(*_said(point, way), *_reading(len(way.sources)), *_afterwards(way)),
        checks=(_consistent(point),),
        permissions=tuple(_needed(way)),
        amend=True,
    )


async def _restoring(
    context: Context, target: FleetItem, point: RecoveryPoint, way: Way, answers: Mapping[str, str]
) -> Draft:
    """The restore as its own action plans it, and what follows it."""
    if not answers.get("group"):
        return Draft(refused=("choose the resource group of the temporary disks",), amend=True)
    draft = await restore_disks.plan(context, target, answers)
    group = answers["group"]
    more = [(group, permission_of(f"{group}/disks/x", verb)) for verb in ("beginGetAccess", "endGetAccess")]
    return msgspec.structs.replace(
        draft,
        consequences=(*_said(point, way), *draft.consequences, *_reading(0), *_afterwards(way)),
        permissions=(*draft.permissions, *more, (group, "Microsoft.Compute/disks/delete")),
    )


def _said(point: RecoveryPoint, way: Way) -> tuple[str, ...]:
    of = f"the point of {file_ways.moment_words(point.taken_at)}"
    return (f"{way.title}, of {of}: {way.why}.", f"It takes {way.takes}.")


def _reading(count: int) -> tuple[str, ...]:
    which = {0: "Each disk", 1: "The disk"}.get(count, f"Each of the {count} disks")
    return (
        f"{which} is opened for reading by an address (SAS) that is good for {LASTS_S // 60} minutes, "
        "renewed while it is used, and ended when you close the files.",
        "Whoever has that address can read the whole disk: it stays in the engine's memory, and is never "
        "shown, logged or written down.",
        "Nothing is written to the disk, and nothing of the virtual machine is touched.",
    )


def _afterwards(way: Way) -> tuple[str, ...]:
    if not way.temporary:
        return ()
    return (
        "The temporary disks are deleted when you close the files. If that is cut short they are among the "
        "loose ends (L).",
    )


def _consistent(point: RecoveryPoint) -> Check:
    (note,) = file_ways.point_notes(point)
    good = consistency_of(point.consistency) in (APP, FILE_SYSTEM)
    return Check(label="Consistent", state=CheckState.OK if good else CheckState.WARNING, detail=note)


def _step(target: FleetItem, point: RecoveryPoint, way: Way, source: DiskSource) -> Step:
    from ..arm_ids import request_path
    from ..services.api_versions import api_version_of

    url = f"{request_path(source.id)}/beginGetAccess?api-version={api_version_of(source.id)}"
    return Step(
        title=f"Reading of {source.disk}",
        target_id=source.id,
        arguments={
            "way": way.kind,
            "disk": source.disk,
            "of": f"{target.name}, {file_ways.moment_words(point.taken_at)}",
            "point": point.id,
            "notes": "\n".join(file_ways.point_notes(point)),
            file_ways.TEMPORARY: "yes" if way.temporary else "",
        },
        request=PlannedRequest(method="POST", url=url, body=json.dumps(GRANT)),
    )


OPEN = Action(
    id=OPEN_FILES,
    title="Open files",
    target=TargetKind.VM,
    risk=Risk.COSTS,
    needs=(),
    without_vm=True,
    permissions=PERMISSIONS,
    why_not=why_not,
    choices=choices,
    plan=plan,
    opens=True,
    many=False,
    keywords=("browse", "file", "restore", "folder", "item recovery", "download", "sas"),
)
