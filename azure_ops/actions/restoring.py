"""What the restores from Azure Backup share: points to choose from, what Azure cannot do, the request and its
validation, sending and looking up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..errors import InvalidState, NotFound, QuotaExceeded, RecoveryError, Refused
from ..model import (
    Backup,
    Check,
    CheckState,
    Field,
    FleetItem,
    Job,
    JobError,
    Option,
    PlannedRequest,
    RecoveryPoint,
)
from .spec import Context, Step

if TYPE_CHECKING:
    from ..engine.submitted import Submitted
    from ..journal.store import Entry
    from ..services.restores import RestorePoint

PERMISSION = (
    "Microsoft.RecoveryServices/Vaults/backupFabrics/protectionContainers/protectedItems/recoveryPoints/"
    "restore/action"
)
READ_ACCOUNT = "Microsoft.Storage/storageAccounts/read"
POINTS_OFFERED = 60
SNAPSHOT, VAULT, ARCHIVE = "InstantRP", "HardenedRP", "ArchivedRP"
TIERS = {SNAPSHOT: "snapshot", VAULT: "vault", ARCHIVE: "archive"}
VALIDATED = "Azure Backup would carry it out"


def why_not(target: FleetItem | Job) -> str | None:
    """A machine that is gone is what restores are for."""
    if isinstance(target, Job):
        return "this works on virtual machines"
    if target.backup is None:
        return "it is not backed up by any vault"
    if target.backup.soft_deleted:
        return "its backups are deleted; undelete them first"
    if target.backup.last_point_at is None and target.backup.protection_state == "IRPending":
        return "it has no recovery point yet: its first backup has not been done"
    return None


def backup_of(target: FleetItem) -> Backup:
    if target.backup is None:
        raise Refused(f"{target.name} is not backed up.", "Choose another VM.")
    return target.backup


# points -----------------------------------------------------------------------------------------------------


async def points_field(context: Context, target: FleetItem) -> Field:
    from ..services import backup

    points = await backup.list_points(context.session, backup_of(target).item_id)
    options = point_options(points, context.now())
    if not options:
        raise Refused(
            f"{target.name} has no recovery point that can be restored.", "See the points pane (2)."
        )
    return Field(id="point", label="Recovery point", options=options, default=options[0].value)


def point_options(points: Sequence[RecoveryPoint], now: datetime) -> tuple[Option, ...]:
    """Newest first; by their names, as requests give them."""
    usable = sorted(filter(tiers_of, points), key=lambda point: point.taken_at, reverse=True)
    return tuple(
        Option(
            value=point.name,
            label=f"{point.taken_at:%Y-%m-%d %H:%M} UTC  {point.consistency}, "
            + " + ".join(TIERS.get(tier, tier) for tier in tiers_of(point)),
            note=_note(point, now),
        )
        for point in usable[:POINTS_OFFERED]
    )


def tiers_of(point: RecoveryPoint) -> list[str]:
    """Those that hold it now: an expired snapshot stays listed."""
    return [tier.name for tier in point.tiers if tier.status in ("Valid", "Rehydrated")]


def _note(point: RecoveryPoint, now: datetime) -> str:
    from ..preflight import span

    age = span((now - point.taken_at).total_seconds())
    said = [f"loses the {age} since"]
    included, attached = point.disks_included, point.disks_attached
    if included is not None and attached is not None and included < attached:
        said.append(f"{included} of {attached} disks only")
    if point.expires_at is not None:
        said.append(f"kept until {point.expires_at:%Y-%m-%d}")
    if point.consistency == "CrashConsistent":
        said.append("as after a power cut")
    return ", ".join(said)


async def chosen_point(context: Context, target: FleetItem, name: str) -> RestorePoint:
    """As it is now: it may have expired while the form was open. Raises Refused then."""
    from ..services import restores

    try:
        return await restores.read_point(context.session, backup_of(target).item_id, name)
    except NotFound as problem:
        raise Refused(
            f"{target.name} has no such recovery point (any more).", "Choose another point."
        ) from problem


def point_line(point: RecoveryPoint, now: datetime) -> str:
    from ..preflight import span

    age = span((now - point.taken_at).total_seconds())
    return (
        f"Recovery point: {point.taken_at:%Y-%m-%d %H:%M:%S} UTC, {point.consistency}. "
        f"What was written in the {age} since is not in it."
    )


def time_line(point: RecoveryPoint) -> str:
    """In the durations that were recorded; only a snapshot is fast."""
    if SNAPSHOT in tiers_of(point):
        return "It comes from the snapshot, which takes minutes."
    return "It comes from the vault, which takes a quarter of an hour or much more, depending on its size."


# what Azure cannot do ---------------------------------------------------------------------------------------


def impossible(found: RestorePoint) -> tuple[str, ...]:
    """For every kind of restore."""
    reasons = []
    if found.encrypted:
        reasons.append("the point is of an encrypted VM: it needs its key vault, which is not asked for here")
    if not found.managed:
        reasons.append("the point holds unmanaged disks, which are restored into a storage account only")
    if found.security.startswith("Confidential"):
        reasons.append(
            "the point is of a confidential VM: it needs a disk encryption set, not asked for here"
        )
    tiers = tiers_of(found.point)
    if not tiers:
        reasons.append("no tier holds the point any more")
    elif tiers == [ARCHIVE] and all(tier.status != "Rehydrated" for tier in found.point.tiers):
        reasons.append("the point is in the archive tier alone: rehydrate it first")
    return tuple(reasons)


def point_checks(found: RestorePoint) -> tuple[Check, ...]:
    point = found.point
    crash = point.consistency == "CrashConsistent"
    checks = [
        Check(
            label="Consistent",
            state=CheckState.WARNING if crash else CheckState.OK,
            detail=f"{point.consistency}: as after a power cut" if crash else point.consistency,
            fix="Databases recover at their start; look at them before use." if crash else "",
        )
    ]
    included, attached = point.disks_included, point.disks_attached
    if included is not None and attached is not None and included < attached:
        checks.append(
            Check(
                label="All disks are in the point",
                state=CheckState.WARNING,
                detail=f"{included} of {attached}: the others were left out of the backup",
                fix="Restore what is missing from elsewhere, such as a snapshot.",
            )
        )
    if found.private_access:
        checks.append(
            Check(
                label="Disks can be reached by the network",
                state=CheckState.WARNING,
                detail="some are reached by private endpoints only, and are restored as Azure thinks fit",
                fix="Look at their network access afterwards.",
            )
        )
    return tuple(checks)


# the request ------------------------------------------------------------------------------------------------


def body_of(
    target: FleetItem, point_name: str, kind: str, account_id: str, region: str, **more: Any
) -> dict[str, Any]:
    """As recorded; `more` are the members of this kind."""
    return {
        "properties": {
            "objectType": "IaasVMRestoreRequest",
            "recoveryPointId": point_name,
            "recoveryType": kind,
            "sourceResourceId": target.id,
            **more,
            "storageAccountId": account_id,
            "region": region,
            "createNewCloudService": False,
            "originalStorageAccountOption": False,
        }
    }


def step_of(target: FleetItem, title: str, point_name: str, body: dict[str, Any]) -> Step:
    from ..arm_ids import request_path
    from ..services.api_versions import api_version_of

    item_id = backup_of(target).item_id
    path = f"{request_path(item_id)}/recoveryPoints/{point_name}/restore"
    text = json.dumps(body)
    return Step(
        title=title,
        target_id=item_id,
        arguments={
            "point": point_name,
            "body": text,
            "vm_key": target.key,
            "disks": "\n".join(disk.id for disk in target.disks),
        },
        request=PlannedRequest(method="POST", url=f"{path}?api-version={api_version_of(item_id)}", body=text),
    )


async def judged(
    context: Context, target: FleetItem, found: RestorePoint, body: dict[str, Any], *against: str
) -> tuple[tuple[Check, ...], tuple[str, ...]]:
    """Checks, and reasons to refuse it. What is refused here, also `against` it, is not asked for there."""
    reasons = (*against, *impossible(found))
    if reasons:
        return point_checks(found), reasons
    checks, verdicts = await validated(context, target, found.point.name, body)
    return (*checks, *point_checks(found)), verdicts


async def validated(
    context: Context, target: FleetItem, point_name: str, body: dict[str, Any]
) -> tuple[tuple[Check, ...], tuple[str, ...]]:
    """What the service says of exactly this request: checks, and reasons to refuse it."""
    from .. import preflight
    from ..services import restores

    try:
        found = await restores.validate(context.session, backup_of(target).item_id, point_name, body)
    except (InvalidState, NotFound, QuotaExceeded) as problem:
        return (Check(label=VALIDATED, state=CheckState.FAILED, detail=problem.title),), (str(problem),)
    except RecoveryError as problem:
        return (preflight.could_not_check(VALIDATED, problem),), ()
    return verdict_checks(found), tuple(_sentence(one) for one in found)


def verdict_checks(found: Sequence[JobError]) -> tuple[Check, ...]:
    if not found:
        return (Check(label=VALIDATED, state=CheckState.OK, detail="asked just now, with this request"),)
    return tuple(
        Check(
            label=VALIDATED,
            state=CheckState.FAILED,
            detail=f"{one.message} ({one.code})",
            fix=one.recommendation,
        )
        for one in found
    )


def _sentence(error: JobError) -> str:
    return f"Azure Backup says: {error.message} {error.recommendation}".strip()


# sending ----------------------------------------------------------------------------------------------------


async def run(context: Context, entry: Entry) -> Submitted:
    from ..services import restores

    return await restores.start(
        context.session,
        entry.target_id,
        entry.arguments["point"],
        json.loads(entry.arguments["body"]),
        entry.request_id,
    )


async def find(context: Context, entry: Entry) -> Submitted | None:
    from ..arm_ids import vault_of
    from ..engine.submitted import Submitted
    from ..services import backup

    job = await backup.find_job(
        context.session,
        vault_of(entry.target_id),
        entry.arguments["vm_key"],
        entry.service_created_at,
        entry.request_id,
    )
    return None if job is None else Submitted(job_id=job.id)
