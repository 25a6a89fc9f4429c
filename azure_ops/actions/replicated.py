"""What the actions on a replicated item share: reasons, points to choose from, what would be lost,
lookups."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import RecoveryError, Refused, Unreachable
from ..model import Check, Field, FleetItem, Job, Option, PlannedRequest, RecoveryPoint, Replication
from .spec import Context

if TYPE_CHECKING:
    from ..engine.submitted import Submitted
    from ..journal.store import Entry

LATEST = "latest"
LATEST_PROCESSED = "latest-processed"
LATEST_APP_CONSISTENT = "latest-app-consistent"
APP_CONSISTENT = "ApplicationConsistent"
POINTS_OFFERED = 40
POINTS_WITHIN_S = 15.0


def replication_of(target: FleetItem) -> Replication:
    if target.replication is None:
        raise Refused(f"{target.name} is not replicated.", "Enable replication first.")
    return target.replication


def why_not(operation: str, otherwise: str) -> Callable[[FleetItem | Job], str | None]:
    """A reason from the item's own list of allowed operations, never from a table of states."""

    def reason(target: FleetItem | Job) -> str | None:
        if isinstance(target, Job):
            return "this works on virtual machines"
        if target.replication is None:
            return "it is not replicated"
        if target.replication.allows(operation):
            return None
        state = target.replication.protection_state_text or target.replication.protection_state
        scenario = target.replication.current_scenario
        if scenario:
            return f"{scenario} still runs on it (Azure says: {state or 'no state'}); look again at its end"
        return f"{otherwise} (Azure says: {state or 'no state'})"

    return reason


def points_field(points: Sequence[RecoveryPoint], item: FleetItem | None, now: datetime) -> Field:
    """`points` newest first; without an item the choice is for several VMs, each taking its own point."""
    newest = points[0] if points else None
    consistent = next((point for point in points if point.consistency == APP_CONSISTENT), None)
    options = [
        Option(
            value=LATEST,
            label="Latest",
            note="Azure processes all data it has first: least is lost, takes longer",
        )
    ]
    if item is None or newest is not None:
        options.append(
            Option(
                value=LATEST_PROCESSED,
                label="Latest processed",
                note=_loses(newest, now)
                if item
                else "each VM's newest point: fast, loses what came after it",
            )
        )
    if item is None or consistent is not None:
        options.append(
            Option(
                value=LATEST_APP_CONSISTENT,
                label="Latest app-consistent",
                note=_loses(consistent, now) if item else "each VM's newest point of which applications know",
            )
        )
    if item is not None:
        options += [
            Option(
                value=point.id,
                label=f"{point.taken_at:%Y-%m-%d %H:%M} UTC  {point.consistency}",
                note=_loses(point, now),
            )
            for point in points[:POINTS_OFFERED]
        ]
    return Field(id="point", label="Recovery point", options=tuple(options), default=LATEST)


def _loses(point: RecoveryPoint | None, now: datetime) -> str:
    from ..preflight import span

    if point is None:
        return ""
    age = span((now - point.taken_at).total_seconds())
    return f"{point.taken_at:%H:%M:%S} UTC: loses the {age} since"


async def points_of(context: Context, target: FleetItem) -> tuple[RecoveryPoint, ...]:
    from ..services import site_recovery

    return await site_recovery.list_points(context.session, replication_of(target).item_id)


async def points_to_offer(
    context: Context, only: FleetItem | None
) -> tuple[tuple[RecoveryPoint, ...], tuple[Check, ...]]:
    """Several VMs take each its own point, so that there is none to offer. A list that cannot be read, or not
    soon, is no reason to refuse: Latest needs none, and who fails over may have lost what holds the list."""
    from ..preflight import could_not_check

    if only is None:
        return (), ()
    try:
        async with asyncio.timeout(POINTS_WITHIN_S):
            return await points_of(context, only), ()
    except TimeoutError:
        problem: RecoveryError = Unreachable(
            f"{only.name}, recovery points: no answer within {POINTS_WITHIN_S:.0f} s."
        )
    except RecoveryError as refusal:
        problem = refusal
    check = could_not_check("Recovery points could be read", problem)
    return (), (
        msgspec.structs.replace(check, fix="Only Latest is offered; open the action again for more."),
    )


async def choose_point(context: Context, target: FleetItem, answer: str) -> RecoveryPoint | None:
    """The point that an answer means for this VM; None is Azure's own latest. Raises Refused when there is
    none."""
    if answer == LATEST:
        return None
    points = await points_of(context, target)
    if answer == LATEST_PROCESSED:
        found = points[0] if points else None
    elif answer == LATEST_APP_CONSISTENT:
        found = next((point for point in points if point.consistency == APP_CONSISTENT), None)
    else:
        found = next((point for point in points if point.id.lower() == answer.lower()), None)
    if found is None:
        raise Refused(f"{target.name} has no such recovery point (any more).", "Choose another point.")
    return found


def point_line(point: RecoveryPoint | None) -> str:
    if point is None:
        return "Recovery point: Latest (Azure processes all received data first)."
    return f"Recovery point: {point.taken_at:%Y-%m-%d %H:%M:%S} UTC, {point.consistency}."


def loss_line(replication: Replication, point: RecoveryPoint | None, now: datetime) -> str:
    """What would be lost if it were pressed now, with the age of the figure it comes from."""
    from ..preflight import span

    if point is not None:
        age = span((now - point.taken_at).total_seconds())
        return f"Everything written after {point.taken_at:%Y-%m-%d %H:%M:%S} UTC ({age} ago) is lost."
    if replication.rpo_s is None or replication.rpo_calculated_at is None:
        return "What was written last is lost; Azure gives no figure for how much."
    age_s = max(0.0, (now - replication.rpo_calculated_at).total_seconds())
    return (
        f"Up to {span(replication.rpo_s + age_s)} of data is lost: RPO {span(replication.rpo_s)}, calculated "
        f"{span(age_s)} ago{_pending(replication)}."
    )


def _pending(replication: Replication) -> str:
    at_source = sum(disk.pending_at_source_mb or 0 for disk in replication.disks)
    in_staging = sum(disk.pending_in_staging_mb or 0 for disk in replication.disks)
    return f"; {at_source:.1f} MB wait at the source, {in_staging:.1f} MB in staging"


def request(item_id: str, verb: str, body: Mapping[str, Any] | None) -> PlannedRequest:
    """As it will be sent."""
    from ..arm_ids import request_path
    from ..services.api_versions import api_version_of

    return PlannedRequest(
        method="POST",
        url=f"{request_path(item_id)}/{verb}?api-version={api_version_of(item_id)}",
        body="" if body is None else json.dumps(body),
    )


def provider_details(point: RecoveryPoint | None) -> dict[str, str]:
    details = {"instanceType": "A2A"}
    if point is not None:
        details["recoveryPointId"] = point.id
    return details


def permission(verb: str) -> str:
    return (
        "Microsoft.RecoveryServices/vaults/replicationFabrics/replicationProtectionContainers/"
        f"replicationProtectedItems/{verb}/action"
    )


def finder(scenario: str) -> Callable[[Context, Entry], Any]:
    """Looks for the job that carries the operation's request id. `scenario` is the job's `scenarioName`."""

    async def find(context: Context, entry: Entry) -> Submitted | None:
        from ..arm_ids import vault_of
        from ..engine.submitted import Submitted
        from ..services import site_recovery

        job = await site_recovery.find_job(
            context.session,
            vault_of(entry.target_id),
            scenario,
            entry.target_name,
            entry.service_created_at,
            entry.request_id,
        )
        return None if job is None else Submitted(job_id=job.id)

    return find
