"""What the actions on a VM's protection by Azure Backup share: reasons, the item's requests, sending, looking
up. Choices are in `policy_choice.py` and `disk_choice.py`."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import NotAllowed, RecoveryError
from ..model import Backup, Check, CheckState, FleetItem, Job, PlannedRequest, RecoveryPoint
from .spec import Context, Step

if TYPE_CHECKING:
    from ..backup_policies import Guard, VaultSafety
    from ..engine.submitted import Submitted
    from ..journal.store import Entry

_ITEM = "Microsoft.RecoveryServices/Vaults/backupFabrics/protectionContainers/protectedItems"
WRITE, DELETE = f"{_ITEM}/write", f"{_ITEM}/delete"
NOT_A_VM = "this works on virtual machines"
NOT_PROTECTED = "it is not backed up by any vault"


def backup_of(target: FleetItem) -> Backup:
    assert target.backup is not None
    return target.backup


def no_live_item(target: FleetItem | Job) -> str | None:
    """Why not, for what needs a backup item that is not deleted."""
    if isinstance(target, Job):
        return NOT_A_VM
    if target.backup is None:
        return NOT_PROTECTED
    if target.backup.soft_deleted:
        return "its backups are deleted; undelete them first"
    return None


def gone(target: FleetItem) -> str | None:
    return None if target.exists else "the virtual machine is gone; only its backups are left"


def step(title: str, item_id: str, method: str, body: Mapping[str, Any] | None = None) -> Step:
    """What is sent is the body of this very request."""
    return Step(title=title, target_id=item_id, request=request_of(method, item_id, body))


def request_of(method: str, arm_id: str, body: Mapping[str, Any] | None) -> PlannedRequest:
    from ..arm_ids import request_path
    from ..services.api_versions import api_version_of

    return PlannedRequest(
        method=method,
        url=f"{request_path(arm_id)}?api-version={api_version_of(arm_id)}",
        body="" if body is None else json.dumps(body),
    )


def putter(doing: str) -> Callable[[Context, Entry], Awaitable[Submitted]]:
    """Sends the PUT that was planned, shown and journalled."""

    async def run(context: Context, entry: Entry) -> Submitted:
        from ..services import protection

        body = json.loads(entry.plan.requests[-1].body)
        return await protection.put_item(
            context.session, entry.target_id, body, entry.request_id, doing=doing
        )

    return run


async def find(context: Context, entry: Entry) -> Submitted | None:
    """Its job carries our request id."""
    from ..arm_ids import vault_of
    from ..engine.submitted import Submitted
    from ..services import backup

    job = await backup.find_job(
        context.session,
        vault_of(entry.target_id),
        entry.target_key,
        entry.service_created_at,
        entry.request_id,
    )
    return None if job is None else Submitted(job_id=job.id)


# what is read for a plan ------------------------------------------------------------------------------------


async def points_of(context: Context, target: FleetItem) -> tuple[RecoveryPoint, ...]:
    """Newest first."""
    from ..services import backup

    return await backup.list_points(context.session, backup_of(target).item_id)


async def safety_of(context: Context, vault_id: str) -> VaultSafety:
    from ..services import protection

    return await context.once(
        f"safety of {vault_id.lower()}", lambda: protection.read_safety(context.session, vault_id)
    )


async def guard_of(context: Context, vault_id: str) -> tuple[Guard, list[Check]]:
    """The vault's Resource Guard, and what has to be said when it cannot be read."""
    from ..backup_policies import Guard
    from ..services import protection

    try:
        found = await context.once(
            f"guard of {vault_id.lower()}", lambda: protection.read_guard(context.session, vault_id)
        )
    except NotAllowed as problem:
        return Guard(), [could_not_see("Resource Guard", problem)]
    return found, []


def could_not_see(label: str, problem: RecoveryError) -> Check:
    return Check(label=label, state=CheckState.UNKNOWN, detail=problem.title, fix=problem.hint)


def guarded(operation: str) -> Callable[[Context, FleetItem], Awaitable[tuple[Check, ...]]]:
    """What is known of the vault's Resource Guard before it is clear whether it will be asked."""

    async def early(context: Context, target: FleetItem) -> tuple[Check, ...]:
        try:
            guard, checks = await guard_of(context, backup_of(target).vault_id)
        except RecoveryError as problem:
            return (could_not_see("Resource Guard", problem),)
        found = [*checks, *await guard_checks(context, guard, guard.request_for(operation))]
        if not found:
            return (Check(label="No Resource Guard asks for approval", state=CheckState.OK),)
        return tuple(
            msgspec.structs.replace(check, state=CheckState.WARNING)
            if check.state is CheckState.FAILED  # it depends on the answers whether it is asked at all
            else check
            for check in found
        )

    return early


async def guard_checks(context: Context, guard: Guard, request: str) -> list[Check]:
    """What stands in the way of a request that the guard watches over: whether the right on it is there, else
    which is missing and who can give it. Azure decides: which right it asks for was never seen."""
    if not request:
        return []
    from ..arm_ids import group_of, name_of, resource_type, subscription_of
    from ..services import permissions

    right = f"{resource_type(request)}/read"
    where = f"resource group {group_of(guard.id)}, subscription {subscription_of(guard.id)}"
    ask = f"Ask whoever owns the guard ({where}) for that right; a refusal of Azure changes nothing."
    says = f"{name_of(guard.id)} guards this vault"
    label = "Resource Guard"
    try:
        missing = await context.once(
            f"rights on {request.lower()}",
            lambda: permissions.missing_actions(context.session, guard.id, [right]),
        )
    except RecoveryError as problem:
        detail = f"{says}; whether you have {right} on it cannot be read: {problem.title}"
        return [Check(label=label, state=CheckState.UNKNOWN, detail=detail, fix=ask)]
    if missing:
        detail = f"{says}: Azure will refuse, you lack {right} on it"
        return [Check(label=label, state=CheckState.FAILED, detail=detail, fix=ask)]
    return [
        Check(label=label, state=CheckState.WARNING, detail=f"{says}: your right on it is used ({right})")
    ]
