"""Locks in the way of an action, as checks. Not being allowed to see them is no hindrance: Azure refuses."""

from __future__ import annotations

from ..errors import RecoveryError
from ..model import Check, CheckState
from .spec import Context

LABEL = "No lock forbids it"
FIX = "Have whoever set the lock remove it first."


async def locks_on(context: Context, arm_id: str) -> tuple[tuple[str, ...], Check | None]:
    """Names with levels, or a check that says why they are not known. Read once for all targets."""
    from ..arm_ids import subscription_of
    from ..services import disks

    subscription = subscription_of(arm_id)
    try:
        found = await context.once(
            f"locks of {subscription.lower()}", lambda: disks.list_locks(context.session, subscription)
        )
    except RecoveryError as problem:
        return (), Check(label=LABEL, state=CheckState.UNKNOWN, detail=problem.title, fix=problem.hint)
    return disks.holding(found, arm_id), None


async def deletion_check(context: Context, arm_id: str) -> Check:
    """Every lock forbids deletion."""
    locks, unknown = await locks_on(context, arm_id)
    return unknown or _check(locks)


async def read_only_check(context: Context, arm_id: str) -> Check:
    """Only a lock of the kind ReadOnly forbids a change."""
    locks, unknown = await locks_on(context, arm_id)
    return unknown or _check(tuple(lock for lock in locks if "readonly" in lock.lower()))


def _check(locks: tuple[str, ...]) -> Check:
    if not locks:
        return Check(label=LABEL, state=CheckState.OK)
    return Check(label=LABEL, state=CheckState.FAILED, detail=", ".join(locks), fix=FIX)
