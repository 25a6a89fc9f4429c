"""Restore a backup's disks beside the VM: managed disks in a resource group, attached to nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from ..errors import Refused
from ..model import Field, FleetItem, Form, Option, Risk
from ..restore_rules import DISKS, Order, RestorePoint, VaultRestores, disks_wording, duration
from . import restore_places, restoring
from .spec import Action, Context, Draft, TargetKind

WRITE_DISK = "Microsoft.Compute/disks/write"
ACCOUNT_ONLY = Option(
    value="",
    label="None: files in the staging account only",
    note="16 minutes where one was enough with a group; no managed disks are made",
)


async def choices(context: Context, targets: Sequence[FleetItem]) -> Form:
    target = targets[0]
    vault = await restore_places.vault_of(context, target)
    where = await restore_places.where_field(context, target, vault)
    to = restore_places.destination(where, target, vault, where.default if where else "")
    return await restore_places.form_of(
        where,
        restoring.points_field(context, target, to),
        restoring.rehydration_fields(context, target, to),
        disks_field(target),
        _group_field(context, target, to),
        restore_places.account_field(context, target, to),
        restore_places.zone_field(vault, to),
        restore_places.identity_field(vault, to),
    )


async def _group_field(context: Context, target: FleetItem, to: restore_places.Destination) -> Field:
    return restore_places.or_none(await restore_places.group_field(context, target, to), ACCOUNT_ONLY)


def disks_field(target: FleetItem) -> Field | None:
    """Of the data disks; the OS disk is restored in any case. The disks of a VM that is gone are not known
    before its point is read: all of them are restored."""
    data = [disk for disk in target.disks if disk.lun is not None]
    if not data:
        return None
    options = tuple(
        Option(
            value=str(disk.lun), label=f"LUN {disk.lun}  {disk.name}, {disk.size_gb} GB {disk.sku}".rstrip()
        )
        for disk in data
    )
    return Field(
        id="disks",
        label="Data disks beside the OS disk",
        options=options,
        default=",".join(option.value for option in options),
        help="space takes one out or back in; with none the OS disk alone is restored",
        required=False,
        many=True,
    )


def chosen_luns(target: FleetItem, given: str | None) -> tuple[int, ...] | None:
    """None for all. Raises Refused for what is no data disk of the VM."""
    known = [disk.lun for disk in target.disks if disk.lun is not None]
    if given is None or not known:
        return None
    words = [word for word in given.split(",") if word]
    if any(not word.isdecimal() or int(word) not in known for word in words):
        raise Refused(f"{target.name} has no data disk at LUN {given[:40]}.", "Choose again.")
    luns = tuple(sorted({int(word) for word in words}))
    return None if set(luns) == set(known) else luns


async def _chosen(
    context: Context, target: FleetItem, answers: Mapping[str, str]
) -> tuple[RestorePoint, VaultRestores, Order]:
    """The answers, compared with what there is now. Raises Refused."""
    vault = await restore_places.vault_of(context, target)
    where = await restore_places.where_field(context, target, vault)
    to = restore_places.destination(where, target, vault, answers.get("where", ""))
    found, groups, accounts = await asyncio.gather(
        restoring.chosen_point(context, target, answers.get("point", ""), to),
        _group_field(context, target, to),
        restore_places.account_field(context, target, to),
    )
    order = Order(
        kind=DISKS,
        region=to.region,
        subscription=to.subscription,
        group=restore_places.answer(groups, answers.get("group", groups.default)),
        account=restore_places.answer(accounts, answers.get("account", "")),
        luns=chosen_luns(target, answers.get("disks")),
        zone=restore_places.optional(restore_places.zone_field(vault, to), answers),
        identity=restore_places.optional(restore_places.identity_field(vault, to), answers),
        rehydration=restoring.rehydration_of(found, answers),
    )
    return found, vault, order


async def plan(context: Context, target: FleetItem, answers: Mapping[str, str]) -> Draft:
    found, vault, order = await _chosen(context, target, answers)
    title = f"Restore of disks of {target.name}"
    judged = await restoring.judged(context, target, title, found, vault, order)
    made = ((order.group, WRITE_DISK),) if order.group else ()
    return Draft(
        steps=(judged.step,),
        consequences=(
            _what(target, found, order),
            restoring.point_line(found.point, context.now()),
            duration(judged.case),
            *restoring.rehydration_lines(judged.case),
            f"{target.name} itself is not touched." if target.exists else f"{target.name} stays gone.",
            *((cost_line(target, luns=order.luns),) if order.group else ()),
            files_line(order.account),
        ),
        checks=judged.checks,
        permissions=(*judged.permissions, *made, (order.account, restoring.READ_ACCOUNT)),
        refused=judged.refused,
        amend=True,
        good_until=found.point.expires_at,
    )


def _what(target: FleetItem, found: RestorePoint, order: Order) -> str:
    from ..arm_ids import name_of, subscription_of

    names = [f"LUN {lun}" for lun in order.luns or ()]
    which = disks_wording(names, all_of_them=order.luns is None)
    if not order.group:
        return (
            f"The disks of {target.name} ({which}) become VHD files in {name_of(order.account)}, "
            f"{order.region}: no managed disks."
        )
    count = len(names) + 1 if order.luns is not None else found.point.disks_included or len(target.disks)
    many = "One managed disk is" if count == 1 else f"{count or 'All'} managed disks are"
    zone = f", zone {order.zone}" if order.zone else ""
    there = subscription_of(order.group)
    where = "" if there.lower() == target.subscription_id.lower() else f" of subscription {there}"
    return f"{many} made in {name_of(order.group)}{where}, {order.region}{zone}, unattached: {which}."


def cost_line(target: FleetItem, *, luns: tuple[int, ...] | None = None) -> str:
    """Sizes are those of the VM's disks now: a point does not tell them."""
    disks = [disk for disk in target.disks if disk.lun is None or luns is None or disk.lun in luns]
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
    made=restoring.made,
    many=False,
    keywords=("recover", "backup", "managed disk"),
)
