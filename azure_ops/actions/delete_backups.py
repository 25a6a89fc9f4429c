"""Stop backing a VM up and delete its points; and bring them back while soft delete still has them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from ..model import Check, CheckState, FleetItem, Job, PlannedRequest, RecoveryPoint, Risk
from .protected import (
    DELETE,
    NOT_A_VM,
    NOT_PROTECTED,
    WRITE,
    backup_of,
    find,
    guard_checks,
    guard_of,
    points_of,
    putter,
    request_of,
    safety_of,
    step,
)
from .spec import Action, Context, Draft, TargetKind

if TYPE_CHECKING:
    from ..backup_policies import Guard, VaultSafety
    from ..engine.submitted import Submitted
    from ..journal.store import Entry

GUARDED = "protectedItems/delete"
UNLOCK = "Microsoft.RecoveryServices/vaults/backupResourceGuardProxies/unlockDelete/action"


def why_not_delete(target: FleetItem | Job) -> str | None:
    if isinstance(target, Job):
        return NOT_A_VM
    if target.backup is None:
        return NOT_PROTECTED
    return "its backups are deleted already" if target.backup.soft_deleted else None


async def plan_delete(context: Context, target: FleetItem, answers: Mapping[str, str]) -> Draft:
    backup = backup_of(target)
    points = await points_of(context, target)
    safety = await safety_of(context, backup.vault_id)
    guard, checks = await guard_of(context, backup.vault_id)
    request = guard.request_for(GUARDED)
    deletion = step(f"Deletion of the backups of {target.name}", backup.item_id, "DELETE")
    if request:
        unlocking = _unlocking(guard, backup.vault_id, backup.item_id)
        arguments = {"unlock_id": str(uuid.uuid4())}
        deletion = msgspec.structs.replace(deletion, before=(unlocking,), arguments=arguments)
    return Draft(
        steps=(deletion,),
        consequences=(
            f"{backup.vault_name} stops protecting {target.name} and deletes its points.",
            "The VM, its disks and its own snapshots are not touched.",
            *(["The Resource Guard is asked first to let this one deletion through."] if request else []),
        ),
        losses=deletion_losses(target, points, safety, context.now()),
        checks=(*checks, *await guard_checks(context, guard, request)),
        permissions=((backup.vault_id, DELETE), *([(backup.vault_id, UNLOCK)] if request else [])),
        refused=_immutable(safety, points, backup.vault_name),
    )


def deletion_losses(
    target: FleetItem, points: Sequence[RecoveryPoint], safety: VaultSafety, now: datetime
) -> tuple[str, ...]:
    from ..backup_policies import extent

    lost = f"All backups of {target.name} in {backup_of(target).vault_name} are deleted: {extent(points)}."
    if safety.soft_delete_off:
        return (
            lost,
            "Soft delete is off in this vault: count on it that nobody can bring them back.",
        )
    if not safety.soft_delete:
        return lost, "Whether soft delete keeps them for a while is not known: count on it that it does not."
    until = now + timedelta(days=safety.soft_delete_days)
    return (
        lost,
        f"Soft delete keeps them until {until:%Y-%m-%d %H:%M} UTC ({safety.soft_delete_days} days): until "
        "then Undelete backups brings them back, after that nothing does.",
    )


def _immutable(safety: VaultSafety, points: Sequence[RecoveryPoint], vault: str) -> tuple[str, ...]:
    if not safety.immutable or not points:
        return ()
    if safety.immutability.lower() == "locked":
        return (f"{vault} is immutable, for good (Locked): its points go when they expire, not before",)
    return (
        f"{vault} is immutable (Unlocked): whoever owns it must switch that off before points are deleted",
    )


def _unlocking(guard: Guard, vault_id: str, item_id: str) -> PlannedRequest:
    """A deletion has no body that could name the guard: it is let through beforehand, for 30 minutes."""
    body = {"resourceGuardOperationRequests": [guard.request_for(GUARDED)], "resourceToBeDeleted": item_id}
    return request_of("POST", f"{vault_id}/backupResourceGuardProxies/VaultProxy/unlockDelete", body)


async def run_delete(context: Context, entry: Entry) -> Submitted:
    from ..arm_ids import vault_of
    from ..services import protection

    *unlocking, _ = entry.plan.requests
    for request in unlocking:
        await protection.unlock_deletion(
            context.session, vault_of(entry.target_id), json.loads(request.body), entry.arguments["unlock_id"]
        )
    return await protection.delete_item(context.session, entry.target_id, entry.request_id)


# bringing them back -----------------------------------------------------------------------------------------


def why_not_undelete(target: FleetItem | Job) -> str | None:
    if isinstance(target, Job):
        return NOT_A_VM
    if target.backup is None:
        return "no vault holds deleted backups of it"
    return None if target.backup.soft_deleted else "its backups are not deleted"


async def plan_undelete(context: Context, target: FleetItem, answers: Mapping[str, str]) -> Draft:
    from ..backup_policies import extent
    from ..services import protection

    backup = backup_of(target)
    points = await points_of(context, target)
    return Draft(
        steps=(
            step(
                f"Undeleting the backups of {target.name}",
                backup.item_id,
                "PUT",
                protection.undeleted(target.id),
            ),
        ),
        consequences=(
            f"{backup.vault_name} takes the backups of {target.name} back: {extent(points)}.",
            "They cost storage again.",
            "Its protection stays stopped: no points are made and none expire until Resume backup.",
        ),
        checks=tuple(_time_left(target, context.now())),
        permissions=((backup.vault_id, WRITE),),
    )


def _time_left(target: FleetItem, now: datetime) -> list[Check]:
    from ..preflight import span

    purged_at = backup_of(target).purged_at
    if purged_at is None:
        return []
    left_s = (purged_at - now).total_seconds()
    return [
        Check(
            label="Still kept",
            state=CheckState.OK if left_s > 3600 else CheckState.WARNING,
            detail=f"for {span(left_s)}, until {purged_at:%Y-%m-%d %H:%M} UTC"
            if left_s > 0
            else "time is up",
        )
    ]


DELETE_BACKUPS = Action(
    id="delete-backups",
    title="Delete backups",
    target=TargetKind.VM,
    risk=Risk.DESTROYS,
    needs=("backup",),
    without_vm=True,
    permissions=(DELETE, UNLOCK),
    why_not=why_not_delete,
    plan=plan_delete,
    run=run_delete,
    find=find,
    keywords=("stop backup", "remove", "purge", "soft delete", "protection"),
)

UNDELETE_BACKUPS = Action(
    id="undelete-backups",
    title="Undelete backups",
    target=TargetKind.VM,
    risk=Risk.COSTS,
    needs=("backup",),
    without_vm=True,
    permissions=(WRITE,),
    why_not=why_not_undelete,
    plan=plan_undelete,
    run=putter("undeletion"),
    find=find,
    keywords=("soft delete", "rehydrate", "bring back", "protection"),
)
