"""Put a VM's disks back to a recovery point, in place: the VM stays, its present disks are left beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from ..model import Check, CheckState, FleetItem, Form, Job, JobKind, Risk
from ..restore_rules import REPLACE, Case, Order, RestorePoint, VaultRestores, duration
from . import restore_places, restoring
from .restore_disks import WRITE_DISK, cost_line, files_line
from .restore_vm import WRITE_VM
from .spec import Action, Context, Draft, TargetKind


def why_not(target: FleetItem | Job) -> str | None:
    reason = restoring.why_not(target)
    if reason is None and isinstance(target, FleetItem) and not target.exists:
        return "the virtual machine is gone; restore it as a new one"
    return reason


async def choices(context: Context, targets: Sequence[FleetItem]) -> Form:
    target = targets[0]
    vault = await restore_places.vault_of(context, target)
    to = restore_places.Destination(vault.region, target.subscription_id)
    return await restore_places.form_of(
        None,
        restoring.points_field(context, target, to),
        restoring.rehydration_fields(context, target, to),
        restore_places.account_field(context, target, to),
        restore_places.identity_field(vault, to),
    )


async def early(context: Context, target: FleetItem) -> tuple[Check, ...]:
    """What runs on it, and whether a lock forbids to change it."""
    from .locked import read_only_check

    jobs = in_the_way(target, context.jobs.values())
    state = CheckState.FAILED if jobs else CheckState.OK
    idle = Check(label="No backup and no restore of it runs", state=state, detail="; ".join(jobs))
    return idle, await read_only_check(context, target.id)


async def _chosen(
    context: Context, target: FleetItem, answers: Mapping[str, str]
) -> tuple[RestorePoint, VaultRestores, Order]:
    """The answers, compared with what there is now. Raises Refused."""
    vault = await restore_places.vault_of(context, target)
    to = restore_places.Destination(vault.region, target.subscription_id)
    found, accounts = await asyncio.gather(
        restoring.chosen_point(context, target, answers.get("point", ""), to),
        restore_places.account_field(context, target, to),
    )
    order = Order(
        kind=REPLACE,
        region=to.region,
        subscription=to.subscription,
        account=restore_places.answer(accounts, answers.get("account", "")),
        identity=restore_places.optional(restore_places.identity_field(vault, to), answers),
        rehydration=restoring.rehydration_of(found, answers),
    )
    return found, vault, order


async def plan(context: Context, target: FleetItem, answers: Mapping[str, str]) -> Draft:
    found, vault, order = await _chosen(context, target, answers)
    title = f"Replacement of disks of {target.name}"
    judged = await restoring.judged(
        context, target, title, found, vault, order, *in_the_way(target, context.jobs.values())
    )
    return Draft(
        steps=(judged.step,),
        consequences=_what_happens(target, judged.case, context.now()),
        losses=(loss_line(target, found, context.now()),),
        checks=(*judged.checks, *further_checks(target, found)),
        permissions=(
            *judged.permissions,
            (target.id, WRITE_VM),
            (target.id.split("/providers/", 1)[0], WRITE_DISK),
            (order.account, restoring.READ_ACCOUNT),
        ),
        refused=judged.refused,
        amend=True,
        good_until=found.point.expires_at,
    )


def in_the_way(target: FleetItem, jobs: Iterable[Job]) -> tuple[str, ...]:
    """Azure replaces nothing while a backup or another restore of the VM runs."""
    running = [
        job.title or job.operation
        for job in jobs
        if job.kind is JobKind.BACKUP and job.target_key == target.key and not job.state.ended
    ]
    return (f"{running[0]} of it is running; wait for its end, or cancel it (K)",) if running else ()


def _what_happens(target: FleetItem, case: Case, now: datetime) -> tuple[str, ...]:
    names = ", ".join(disk.name for disk in target.disks) or "its present disks"
    return (
        f"{target.name} is stopped and deallocated and its disks are replaced by the point's; it keeps "
        "its name, addresses and settings. Nobody reaches it meanwhile; half an hour is normal.",
        restoring.point_line(case.found.point, now),
        duration(case),
        *restoring.rehydration_lines(case),
        f"The present disks stay behind, attached to nothing: {names}. They are the way back, and they cost "
        "until somebody deletes them.",
        cost_line(target),
        files_line(case.order.account),
    )


def loss_line(target: FleetItem, found: RestorePoint, now: datetime) -> str:
    from ..preflight import span

    taken_at = found.point.taken_at
    age = span((now - taken_at).total_seconds())
    return (
        f"{target.name} forgets what was written after {taken_at:%Y-%m-%d %H:%M:%S} UTC ({age} ago); only "
        "the disks that stay behind have it."
    )


def further_checks(target: FleetItem, found: RestorePoint) -> tuple[Check, ...]:
    checks = []
    included = found.point.disks_included
    if included is not None and included != len(target.disks):
        checks.append(
            Check(
                label="The point has the disks that the VM has",
                state=CheckState.WARNING,
                detail=f"{included} in the point, {len(target.disks)} attached now",
                fix="Only those of the point are replaced; make sure that they fit the others.",
            )
        )
    if target.replication is not None:
        checks.append(
            Check(
                label="Not replicated",
                state=CheckState.WARNING,
                detail="replication does not follow disks that are swapped",
                fix="Expect to disable it and to enable it anew afterwards.",
            )
        )
    return tuple(checks)


REPLACE_DISKS = Action(
    id="replace-disks",
    title="Replace disks",
    target=TargetKind.VM,
    risk=Risk.CHANGES,
    needs=("vm", "backup"),
    permissions=(restoring.PERMISSION, WRITE_VM, WRITE_DISK, restoring.READ_ACCOUNT),
    on_the_vm=(WRITE_VM, WRITE_DISK),
    early=early,
    why_not=why_not,
    choices=choices,
    plan=plan,
    run=restoring.run,
    find=restoring.find,
    made=restoring.made,
    many=False,
    keywords=("restore", "in place", "original location", "roll back", "swap"),
)
