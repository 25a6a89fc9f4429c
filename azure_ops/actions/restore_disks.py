"""Restore a backup's disks beside the VM: managed disks in a resource group, attached to nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from ..model import Field, FleetItem, Form, Option, Risk
from . import restore_places, restoring
from .spec import Action, Context, Draft, TargetKind

if TYPE_CHECKING:
    from ..services.restores import RestorePoint

WRITE_DISK = "Microsoft.Compute/disks/write"
ALL_DISKS, OS_DISK = "all", "os"


async def choices(context: Context, targets: Sequence[FleetItem]) -> Form:
    target = targets[0]
    region = await restore_places.region_of(context, target)
    point, group, account = await asyncio.gather(
        restoring.points_field(context, target),
        restore_places.group_field(context, target, region),
        restore_places.account_field(context, target, region),
    )
    return Form(fields=(point, DISKS, group, account))


DISKS = Field(
    id="disks",
    label="Disks",
    options=(
        Option(value=ALL_DISKS, label="All disks", note="of the recovery point"),
        Option(value=OS_DISK, label="OS disk only", note="enough to look at a system that does not boot"),
    ),
    default=ALL_DISKS,
)


class Chosen(NamedTuple):
    found: RestorePoint
    os_only: bool
    group: str
    account: str
    region: str


async def _chosen(context: Context, target: FleetItem, answers: Mapping[str, str]) -> Chosen:
    """The answers, compared with what there is now. Raises Refused."""
    region = await restore_places.region_of(context, target)
    found, groups, accounts = await asyncio.gather(
        restoring.chosen_point(context, target, answers.get("point", "")),
        restore_places.group_field(context, target, region),
        restore_places.account_field(context, target, region),
    )
    return Chosen(
        found=found,
        os_only=restore_places.answer(DISKS, answers.get("disks", ALL_DISKS)) == OS_DISK,
        group=restore_places.answer(groups, answers.get("group", "")),
        account=restore_places.answer(accounts, answers.get("account", "")),
        region=region,
    )


async def plan(context: Context, target: FleetItem, answers: Mapping[str, str]) -> Draft:
    chosen = await _chosen(context, target, answers)
    point = chosen.found.point
    body = restoring.body_of(
        target,
        point.name,
        "RestoreDisks",
        chosen.account,
        chosen.region,
        targetResourceGroupId=chosen.group,
        **({"restoreDiskLunList": []} if chosen.os_only else {}),
    )
    checks, refused = await restoring.judged(context, target, chosen.found, body)
    return Draft(
        steps=(restoring.step_of(target, f"Restore of disks of {target.name}", point.name, body),),
        consequences=_what_happens(target, chosen, context.now()),
        checks=checks,
        permissions=(
            (restoring.backup_of(target).vault_id, restoring.PERMISSION),
            (chosen.group, WRITE_DISK),
            (chosen.account, restoring.READ_ACCOUNT),
        ),
        refused=refused,
        amend=True,
        good_until=point.expires_at,
    )


def _what_happens(target: FleetItem, chosen: Chosen, now: datetime) -> tuple[str, ...]:
    from ..arm_ids import name_of

    what = _what(target, chosen.found, os_only=chosen.os_only)
    return (
        f"{what} made in {name_of(chosen.group)}, {chosen.region}, unattached.",
        restoring.point_line(chosen.found.point, now),
        restoring.time_line(chosen.found.point),
        f"{target.name} itself is not touched." if target.exists else f"{target.name} stays gone.",
        cost_line(target, os_only=chosen.os_only),
        files_line(chosen.account),
    )


def _what(target: FleetItem, found: RestorePoint, *, os_only: bool) -> str:
    if os_only:
        return f"One managed disk, the OS disk of {target.name}, is"
    count = found.point.disks_included or len(target.disks)
    if count == 1:
        return f"One managed disk of {target.name} is"
    return f"{count or 'All'} managed disks of {target.name} are"


def cost_line(target: FleetItem, *, os_only: bool = False) -> str:
    """Sizes are those of the VM's disks now: a point does not tell them."""
    disks = [disk for disk in target.disks if disk.lun is None or not os_only]
    size_gb = sum(disk.size_gb for disk in disks)
    kinds = ", ".join(sorted({disk.sku for disk in disks if disk.sku}))
    about = (
        f"about {size_gb} GB{f' of {kinds}' if kinds else ''}" if size_gb else "disks of the source's sizes"
    )
    return f"It costs: {about}, paid from the restore on until somebody deletes them."


def files_line(account: str) -> str:
    from ..arm_ids import name_of

    return (
        f"Some small files (the VM's configuration, a template) are left in a new container of "
        f"{name_of(account)}; nobody deletes them."
    )


RESTORE_DISKS = Action(
    id="restore-disks",
    title="Restore disks",
    target=TargetKind.VM,
    risk=Risk.COSTS,
    needs=("backup",),
    without_vm=True,
    permissions=(restoring.PERMISSION, WRITE_DISK, restoring.READ_ACCOUNT),
    why_not=restoring.why_not,
    choices=choices,
    plan=plan,
    run=restoring.run,
    find=restoring.find,
    many=False,
    keywords=("recover", "backup", "managed disk"),
)
