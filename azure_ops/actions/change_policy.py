"""Another policy, or other disks, for a VM that is protected; and protection resumed after it was stopped.
Azure knows one request for both: the item with a policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..model import Backup, Check, FleetItem, Form, Job, Risk
from . import disk_choice, policy_choice
from .protected import (
    WRITE,
    backup_of,
    find,
    gone,
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

if TYPE_CHECKING:
    from ..backup_policies import BackupPolicy

GUARDED = "protectedItems/write"


def why_not_change(target: FleetItem | Job) -> str | None:
    reason = no_live_item(target)
    if reason is not None or isinstance(target, Job):
        return reason
    if backup_of(target).stopped:
        return "its protection is stopped; resume it with the policy you want"
    return gone(target)


def why_not_resume(target: FleetItem | Job) -> str | None:
    reason = no_live_item(target)
    if reason is not None or isinstance(target, Job):
        return reason
    if not backup_of(target).stopped:
        return f"its protection is not stopped ({backup_of(target).protection_state})"
    return gone(target)


async def choices(context: Context, targets: Sequence[FleetItem]) -> Form:
    backups = [backup_of(target) for target in targets]
    policies = await policy_choice.policies_of(context, [backup.vault_id for backup in backups])
    if all(backup.policy_kind == "V2" for backup in backups):
        policies = [policy for policy in policies if policy.kind == "V2"] or policies
    return Form(
        fields=(
            policy_choice.field(policies, current=[backup.policy_name for backup in backups]),
            *disk_choice.fields(targets, keep=True),
        )
    )


async def plan_change(context: Context, target: FleetItem, answers: Mapping[str, str]) -> Draft:
    backup = backup_of(target)
    policy = await policy_choice.chosen(context, answers.get("policy", ""))
    same = policy.name.lower() == backup.policy_name.lower()
    if same and _same_disks(target, answers):
        return Draft(refused=(f"{policy.name} and these disks are in force already",))
    said = f"{target.name} stays under {policy.name}" if same else f"{target.name} changes to {policy.name}"
    return await _plan(context, target, answers, policy, f"New policy of {target.name}", said)


async def plan_resume(context: Context, target: FleetItem, answers: Mapping[str, str]) -> Draft:
    policy = await policy_choice.chosen(context, answers.get("policy", ""))
    said = f"{target.name} is backed up again under {policy.name}"
    return await _plan(context, target, answers, policy, f"Resuming backup of {target.name}", said)


def _same_disks(target: FleetItem, answers: Mapping[str, str]) -> bool:
    return disk_choice.keeps(answers) or disk_choice.chosen(target, answers) == backup_of(target).disks


async def _plan(
    context: Context,
    target: FleetItem,
    answers: Mapping[str, str],
    policy: BackupPolicy,
    title: str,
    said: str,
) -> Draft:
    from ..backup_policies import loss_of_points, meaning
    from ..services import protection

    backup = backup_of(target)
    keeps = disk_choice.keeps(answers)
    disks = backup.disks if keeps else disk_choice.chosen(target, answers)
    request, checks, denied = await _less_retention(context, backup, policy)
    body = protection.protected(
        target.id, policy.id, None if keeps else disk_choice.luns_of(disks), guard_request=request
    )
    losses = (
        loss_of_points(policy, await points_of(context, target), context.now()),
        "" if keeps else disk_choice.loss(target, disks),
    )
    return Draft(
        steps=(step(title, backup.item_id, "PUT", body),),
        consequences=(
            f"{said} of {backup.vault_name}: {meaning(policy)}.",
            f"Backed up: {disk_choice.wording(disks, target.disks)}{' as before' if keeps else ''}.",
            "The retention of this policy holds for the points that are there, too.",
        ),
        losses=tuple(loss for loss in (*losses, *_one_way(backup, policy)) if loss),
        checks=tuple(checks),
        permissions=((backup.vault_id, WRITE),),
        refused=tuple(reason for reason in (policy_choice.own(policy, target), denied) if reason),
    )


def _one_way(backup: Backup, policy: BackupPolicy) -> tuple[str, ...]:
    if policy.kind == "V2" and backup.policy_kind == "V1":
        return ("From an enhanced policy (V2) there is no way back to a standard one.",)
    return ()


async def _less_retention(
    context: Context, backup: Backup, policy: BackupPolicy
) -> tuple[str, list[Check], str | None]:
    """What the guard has to be asked, and what stands in the way, when points would live shorter than under
    the policy in force."""
    from ..backup_policies import keeps_less

    name = backup.policy_name.lower()
    known = await policy_choice.policies_of(context, [backup.vault_id])
    before = next((one for one in known if one.name.lower() == name), None)
    if before is None or not keeps_less(policy, before):
        return "", [], None
    guard, checks = await guard_of(context, backup.vault_id)
    request = guard.request_for(GUARDED)
    checks += await guard_checks(context, guard, request)
    if (await safety_of(context, backup.vault_id)).immutable:
        denied = (
            f"{backup.vault_name} is immutable, and {policy.name} keeps points shorter than {before.name}"
        )
        return request, checks, denied
    return request, checks, None


CHANGE_POLICY = Action(
    id="change-policy",
    title="Change backup policy",
    target=TargetKind.VM,
    risk=Risk.CHANGES,
    needs=("backup",),
    permissions=(WRITE,),
    early=guarded(GUARDED),
    why_not=why_not_change,
    choices=choices,
    plan=plan_change,
    run=putter("change of policy"),
    find=find,
    keywords=("retention", "schedule", "disks", "exclude", "modify protection"),
)

RESUME_PROTECTION = Action(
    id="resume-protection",
    title="Resume backup",
    target=TargetKind.VM,
    risk=Risk.CHANGES,
    needs=("backup",),
    permissions=(WRITE,),
    early=guarded(GUARDED),
    why_not=why_not_resume,
    choices=choices,
    plan=plan_resume,
    run=putter("resuming backup"),
    find=find,
    keywords=("protection", "restart", "again"),
)
