"""What the restores from Azure Backup share: points to choose from, what Azure cannot do, the request and its
validation, sending and looking up."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import restore_rules
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
    Output,
    PlannedRequest,
    RecoveryPoint,
)
from ..points import ARCHIVE, SNAPSHOT, TIERS, VAULT, restored_from, tiers_of
from ..restore_outputs import outputs_of
from ..restore_rules import (
    DAYS_KEPT,
    REHYDRATION,
    REPLACE,
    SYSTEM,
    Case,
    Order,
    Rehydration,
    RestorePoint,
    VaultRestores,
    in_vault,
    request_of,
)
from . import protected
from .spec import Context, Step

if TYPE_CHECKING:
    from ..engine.submitted import Submitted
    from ..journal.store import Entry
    from .restore_places import Destination

PERMISSION = (
    "Microsoft.RecoveryServices/Vaults/backupFabrics/protectionContainers/protectedItems/recoveryPoints/"
    "restore/action"
)
READ_ACCOUNT = "Microsoft.Storage/storageAccounts/read"
TOKEN = PERMISSION.replace("restore/action", "accessToken/action")
OTHER_REGION = "Microsoft.RecoveryServices/locations/backupCrossRegionRestore/action"
POINTS_OFFERED = 60
VALIDATED = "Azure Backup would carry it out"
GUARDED = "recoveryPoints/restore/action"
BLOB_ROLES = {
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
}
"""Built-in roles that may write blobs, by the GUIDs that are the same in every tenant."""


class NothingThere(Refused):
    """Nothing to choose from at the destination."""


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


async def points_field(context: Context, target: FleetItem, to: Destination) -> Field:
    """From where the restore goes: another region has only what was copied there, another subscription is
    served from the vault alone."""
    options = point_options(await _points(context, target, to), context.now())
    if not options:
        where = f" in {to.region}: copies follow hours later" if to.secondary else ""
        raise NothingThere(
            f"{target.name} has no recovery point that can be restored{where}.", "See the points pane (2)."
        )
    return Field(id="point", label="Recovery point", options=options, default=options[0].value)


async def _points(context: Context, target: FleetItem, to: Destination) -> list[RecoveryPoint]:
    from ..services import backup, cross_region

    item_id = backup_of(target).item_id
    if to.secondary:
        return [one.point for one in await cross_region.list_points(context.session, item_id)]
    points = await context.once(
        f"points of {item_id.lower()}", lambda: backup.list_points(context.session, item_id)
    )
    if to.subscription.lower() != target.subscription_id.lower():
        return [point for point in points if in_vault(point)]
    return list(points)


async def rehydration_fields(context: Context, target: FleetItem, to: Destination) -> tuple[Field, ...]:
    """Only where some point that is offered is in the archive alone."""
    points = [] if to.secondary else await _points(context, target, to)
    if not any(restored_from(point) == ARCHIVE for point in points):
        return ()
    priorities = (
        Option(value="Standard", label="Standard", note="up to 15 hours before the restore begins"),
        Option(value="High", label="High", note="about an hour for little data; it costs more"),
    )
    days = tuple(Option(value=str(number), label=f"{number} days") for number in DAYS_KEPT)
    alone = "asked for a point that is in the archive alone; of others nothing is sent of it"
    return (
        Field(
            id="rehydration",
            label="Rehydration priority",
            options=priorities,
            default=priorities[0].value,
            help=alone,
            required=False,
        ),
        Field(
            id="rehydrated-days",
            label="Kept rehydrated for",
            options=days,
            default=days[0].value,
            help="restores of these days need no second rehydration",
            required=False,
        ),
    )


def rehydration_of(found: RestorePoint, answers: Mapping[str, str]) -> Rehydration | None:
    """Raises Refused for what is not offered."""
    if restored_from(found.point) != ARCHIVE:
        return None
    priority, days = answers.get("rehydration", ""), answers.get("rehydrated-days", str(DAYS_KEPT[0]))
    if not priority:
        return None
    if priority not in REHYDRATION or days not in map(str, DAYS_KEPT):
        raise Refused(
            f"A point is not rehydrated with priority {priority[:20]} for {days[:20]} days.", "Choose again."
        )
    return Rehydration(priority=priority, days=int(days))


def rehydration_lines(case: Case) -> tuple[str, ...]:
    wanted = case.order.rehydration
    if not case.archived_only or wanted is None:
        return ()
    return (
        f"The point stays rehydrated for {wanted.days} days, which is paid for beside the archive; after "
        "that it is in the archive alone again. A price is not known here.",
    )


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
    if restored_from(point) == ARCHIVE:
        said.append("rehydrated first: hours")
    return ", ".join(said)


async def chosen_point(context: Context, target: FleetItem, name: str, to: Destination) -> RestorePoint:
    """As it is now: it may have expired while the form was open. Raises Refused then."""
    from ..services import cross_region, restores

    item_id = backup_of(target).item_id
    if to.secondary:
        for found in await cross_region.list_points(context.session, item_id):
            if found.point.name == name:
                return found
        raise Refused(f"{target.name} has no such recovery point in {to.region}.", "Choose another point.")
    try:
        return await restores.read_point(context.session, item_id, name)
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


class Judged(NamedTuple):
    case: Case
    step: Step
    checks: tuple[Check, ...]
    refused: tuple[str, ...]
    permissions: tuple[tuple[str, str], ...]


async def judged(
    context: Context,
    target: FleetItem,
    title: str,
    found: RestorePoint,
    vault: VaultRestores,
    order: Order,
    *against: str,
) -> Judged:
    """The request, with checks and reasons to refuse it. What is refused here, also `against` it, is not
    asked of the service."""
    case = Case(order, found, vault, target.subscription_id)
    guard, unseen = await protected.guard_of(context, vault.id)
    approval = guard.request_for(GUARDED)
    body = {"properties": request_of(case, target.id, approval)}
    reasons = (*against, *restore_rules.reasons(case))
    verdicts: tuple[str, ...] = ()
    asked: tuple[Check, ...] = ()
    if not reasons and case.other_region:
        asked = (NOT_ASKED,)
    elif not reasons:
        access, denied = await _identity_access(context, case)
        asked, verdicts = await validated(context, target, found.point.name, body)
        asked, verdicts = (*access, *asked), (*denied, *verdicts)
    return Judged(
        case,
        step_of(target, title, case, body),
        (*asked, *point_checks(found), *unseen, *await protected.guard_checks(context, guard, approval)),
        (*reasons, *verdicts),
        _permissions(case),
    )


NOT_ASKED = Check(
    label=VALIDATED,
    state=CheckState.UNKNOWN,
    detail="Azure cannot be asked beforehand about a restore in another region",
    fix="What can be seen from here was checked; the job tells the rest.",
)
"""The vault's validation takes requests for its own region, and the secondary region's api has no operation
of that kind: neither its descriptions nor the recordings know one."""


def _permissions(case: Case) -> tuple[tuple[str, str], ...]:
    vault_id = case.vault.id
    if not case.other_region:
        return ((vault_id, PERMISSION),)
    return (vault_id, TOKEN), ("/".join(vault_id.split("/")[:3]), OTHER_REGION)


async def _identity_access(context: Context, case: Case) -> tuple[tuple[Check, ...], tuple[str, ...]]:
    """Whether the identity has a role with which it can write to the staging account."""
    from ..arm_ids import name_of
    from ..services import restores

    order, vault = case.order, case.vault
    if not order.identity:
        return (), ()
    principal = vault.own_principal if order.identity == SYSTEM else vault.user_identities[order.identity]
    name = "The vault's own identity" if order.identity == SYSTEM else name_of(order.identity)
    label = f"{name} may write to {name_of(order.account)}"
    try:
        roles = await restores.roles_of(context.session, principal, order.account)
    except RecoveryError as problem:
        return (Check(label=label, state=CheckState.UNKNOWN, detail=problem.title, fix=problem.hint),), ()
    held = [BLOB_ROLES[role] for role in roles if role in BLOB_ROLES]
    if held:
        return (Check(label=label, state=CheckState.OK, detail=held[0]),), ()
    if roles:
        detail = f"it has {len(roles)} other role{'s' * (len(roles) > 1)} there, perhaps not enough"
        fix = "Storage Blob Data Contributor on the account is enough."
        return (Check(label=label, state=CheckState.WARNING, detail=detail, fix=fix),), ()
    reason = (
        f"{name} has no role on {name_of(order.account)}: give it Storage Blob Data Contributor there, or "
        "leave the access to Azure Backup itself"
    )
    return (Check(label=label, state=CheckState.FAILED, detail="it has no role there"),), (reason,)


def step_of(target: FleetItem, title: str, case: Case, body: dict[str, Any]) -> Step:
    """What is shown of a restore in another region lacks its token, which is fetched when it is sent."""
    from ..arm_ids import request_path
    from ..services import cross_region
    from ..services.api_versions import api_version_of

    item_id, point = backup_of(target).item_id, case.found.point.name
    tier = ARCHIVE if case.archived_only else SNAPSHOT if case.from_snapshot() else VAULT
    arguments = {"point": point, "body": json.dumps(body), "vm_key": target.key, "tier": tier}
    arguments["disks"] = "\n".join(disk.id for disk in target.disks)  # a replacement leaves them behind
    if case.other_region:
        arguments["region"] = case.order.region
        url = f"{cross_region.location_path(case.vault.id, case.order.region)}/backupCrossRegionRestore"
        url, shown = (
            f"{url}?api-version={cross_region.API_VERSION}",
            {
                "crossRegionRestoreAccessDetails": "fetched when it is sent",
                "restoreRequest": body["properties"],
            },
        )
    else:
        path = f"{request_path(item_id)}/recoveryPoints/{point}/restore"
        url, shown = f"{path}?api-version={api_version_of(item_id)}", body
    return Step(
        title=title,
        target_id=item_id,
        arguments=arguments,
        request=PlannedRequest(method="POST", url=url, body=json.dumps(shown)),
    )


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
    from ..services import cross_region, restores

    body, point = json.loads(entry.arguments["body"]), entry.arguments["point"]
    if region := entry.arguments.get("region"):
        access = await cross_region.access_to(context.session, entry.target_id, point, region)
        return await cross_region.start(
            context.session, entry.target_id, access, region, body, entry.request_id
        )
    return await restores.start(context.session, entry.target_id, point, body, entry.request_id)


async def find(context: Context, entry: Entry) -> Submitted | None:
    from ..arm_ids import vault_of
    from ..engine.submitted import Submitted
    from ..services import backup, cross_region

    vault_id, since = vault_of(entry.target_id), entry.service_created_at
    if region := entry.arguments.get("region"):
        job = await cross_region.find_job(context.session, vault_id, region, since, entry.request_id)
    else:
        vm_key = entry.arguments["vm_key"]
        job = await backup.find_job(context.session, vault_id, vm_key, since, entry.request_id)
    return None if job is None else Submitted(job_id=job.id)


async def made(context: Context, entry: Entry, job: Job) -> tuple[Output, ...]:
    """What the job tells, and the names of the new disks, which it does not."""
    from ..arm_ids import name_of
    from ..services import restores

    told = outputs_of(job)
    request = json.loads(entry.arguments["body"])["properties"]
    source = request["sourceResourceId"]
    group = request.get("targetResourceGroupId") or (
        source.partition("/providers/")[0] if request["recoveryType"] == REPLACE else ""
    )
    if not group:
        return told
    new = request.get("targetVirtualMachineId", "")
    machine = name_of(new or source)
    vm = [Output(label="VM", value=new)] if new else []
    since = job.started_at or entry.service_created_at
    names = await restores.made_disks(context.session, group, f"{machine}-", since)
    disks = [
        Output(label="Disk", value=f"{group}/providers/Microsoft.Compute/disks/{name}") for name in names
    ]
    return (*vm, *disks, *told)
