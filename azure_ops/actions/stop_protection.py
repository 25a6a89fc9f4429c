"""Stop backing a VM up and keep what there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..model import Field, FleetItem, Form, Job, Option, Risk
from .protected import (
    WRITE,
    backup_of,
    find,
    guard_checks,
    guard_of,
    guarded,
    no_live_item,
    points_of,
    putter,
    safety_of,
    step,
)
from .spec import Action, Context, Draft, TargetKind

FOREVER, AS_POLICY = "forever", "as-policy"
GUARDED = "#stopProtectionWithRetainData"


def why_not(target: FleetItem | Job) -> str | None:
    reason = no_live_item(target)
    if reason is not None or isinstance(target, Job):
        return reason
    state = backup_of(target).protection_state
    return f"its protection is stopped already ({state})" if backup_of(target).stopped else None


async def choices(context: Context, targets: Sequence[FleetItem]) -> Form:
    """Only an immutable vault offers a choice: elsewhere Azure denies to let points expire while stopped."""
    vault_ids = list(dict.fromkeys(backup_of(target).vault_id for target in targets))
    immutable = [(await safety_of(context, vault_id)).immutable for vault_id in vault_ids]
    if not any(immutable):
        return Form()
    forever = Option(
        value=FOREVER, label="For good", note="until somebody deletes them, where that is allowed"
    )
    as_policy = Option(value=AS_POLICY, label="As the policy says", note="they expire, all but the newest")
    return Form(
        fields=(Field(id="keep", label="Keep its points", options=(forever, as_policy), default=FOREVER),)
    )


async def plan(context: Context, target: FleetItem, answers: Mapping[str, str]) -> Draft:
    from ..backup_policies import extent
    from ..services import protection

    backup = backup_of(target)
    as_policy = answers.get("keep", FOREVER) == AS_POLICY
    points = await points_of(context, target)
    guard, checks = await guard_of(context, backup.vault_id)
    request = "" if as_policy else guard.request_for(GUARDED)
    denied = as_policy and not (await safety_of(context, backup.vault_id)).immutable
    stay = (
        "expire as the policy says, all but the newest one"
        if as_policy
        else "stay until somebody deletes them (Delete backups), and cost storage"
    )
    return Draft(
        steps=(
            step(
                f"Stopping backup of {target.name}",
                backup.item_id,
                "PUT",
                protection.stopped(target.id, as_policy_says=as_policy, guard_request=request),
            ),
        ),
        consequences=(
            f"{backup.vault_name} makes no more recovery points of {target.name}.",
            f"What is there ({extent(points)}) can be restored; the points {stay}.",
            "Resume backup brings protection back at any time.",
        ),
        losses=("What changes on it from now on is in no backup.",),
        checks=(*checks, *await guard_checks(context, guard, request)),
        permissions=((backup.vault_id, WRITE),),
        refused=(f"{backup.vault_name} is not immutable: there its points can only be kept",)
        if denied
        else (),
    )


STOP_PROTECTION = Action(
    id="stop-protection",
    title="Stop backup, keep data",
    target=TargetKind.VM,
    risk=Risk.CHANGES,
    needs=("backup",),
    without_vm=True,
    permissions=(WRITE,),
    early=guarded(GUARDED),
    why_not=why_not,
    choices=choices,
    plan=plan,
    run=putter("stopping backup"),
    find=find,
    keywords=("disable", "retain", "protection"),
)
