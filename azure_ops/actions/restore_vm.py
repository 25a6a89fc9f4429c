"""Restore a backup as a new VM, beside the old one or in its stead."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from ..errors import RecoveryError, Refused
from ..model import Check, CheckState, Field, FleetItem, Form, PowerState, Risk
from ..restore_rules import (
    AS_IN_POINT,
    NEW_VM,
    NO_ZONE,
    Case,
    Order,
    RestorePoint,
    VaultRestores,
    duration,
)
from . import restore_disks, restore_places, restoring
from .spec import Action, Context, Draft, TargetKind

WRITE_VM = "Microsoft.Compute/virtualMachines/write"
JOIN_SUBNET = "Microsoft.Network/virtualNetworks/subnets/join/action"
LONGEST_NAME = 64
LONGEST_WINDOWS_NAME = 15
"""Of a computer's own name, which the restored disk brings along; the resource's may be longer."""
SUFFIX = "-restored"
MACHINES = "providers/Microsoft.Compute/virtualMachines"


async def choices(context: Context, targets: Sequence[FleetItem]) -> Form:
    target = targets[0]
    vault = await restore_places.vault_of(context, target)
    where = await restore_places.where_field(context, target, vault)
    to = restore_places.destination(where, target, vault, where.default if where else "")
    own = await restore_places.own_subnet(context, target)
    name = Field(
        id="name",
        label="Name of the new VM",
        default=free_name(target.name, (item.name for item in context.fleet.values() if item.exists)),
        help=f"letters, digits and hyphens, at most {LONGEST_NAME}",
    )
    return await restore_places.form_of(
        where,
        restoring.points_field(context, target, to),
        restoring.rehydration_fields(context, target, to),
        name,
        restore_places.group_field(context, target, to),
        restore_places.subnet_field(context, to, own),
        restore_places.account_field(context, target, to),
        restore_places.zone_field(vault, to),
        restore_places.identity_field(vault, to),
    )


def free_name(source: str, taken: Iterable[str]) -> str:
    """`web-01-restored`, and with a number when that is somebody's."""
    stem = re.sub(r"[^A-Za-z0-9-]+", "-", source).strip("-") or "vm"
    known = {name.lower() for name in taken}
    number = 1
    while True:
        ending = SUFFIX if number == 1 else f"{SUFFIX}-{number}"
        name = stem[: LONGEST_NAME - len(ending)] + ending
        if name.lower() not in known:
            return name
        number += 1


def checked_name(answer: str) -> str:
    """Raises Refused."""
    name = answer.strip()
    if not re.fullmatch(rf"[A-Za-z0-9](?:[A-Za-z0-9-]{{0,{LONGEST_NAME - 2}}}[A-Za-z0-9])?", name):
        raise Refused(
            f"{name[:80]!r} is no name for a VM.",
            f"Letters, digits and hyphens within, at most {LONGEST_NAME} characters.",
        )
    return name


class Chosen(NamedTuple):
    found: RestorePoint
    vault: VaultRestores
    order: Order
    own_subnet: str
    """Of the source VM."""

    @property
    def name(self) -> str:
        return self.order.vm_id.rsplit("/", 1)[-1]

    @property
    def network(self) -> str:
        return self.order.subnet.rsplit("/", 2)[0]


async def _chosen(context: Context, target: FleetItem, answers: Mapping[str, str]) -> Chosen:
    """The answers, compared with what there is now. Raises Refused."""
    name = checked_name(answers.get("name", ""))
    vault = await restore_places.vault_of(context, target)
    where = await restore_places.where_field(context, target, vault)
    to = restore_places.destination(where, target, vault, answers.get("where", ""))
    found, own, groups, subnets, accounts = await asyncio.gather(
        restoring.chosen_point(context, target, answers.get("point", ""), to),
        restore_places.own_subnet(context, target),
        restore_places.group_field(context, target, to),
        restore_places.subnet_field(context, to),
        restore_places.account_field(context, target, to),
    )
    group = restore_places.answer(groups, answers.get("group", ""))
    order = Order(
        kind=NEW_VM,
        region=to.region,
        subscription=to.subscription,
        group=group,
        account=restore_places.answer(accounts, answers.get("account", "")),
        zone=restore_places.optional(restore_places.zone_field(vault, to), answers),
        identity=restore_places.optional(restore_places.identity_field(vault, to), answers),
        rehydration=restoring.rehydration_of(found, answers),
        vm_id=f"{group}/{MACHINES}/{name}",
        subnet=restore_places.answer(subnets, answers.get("subnet", "")),
    )
    return Chosen(found, vault, order, own)


async def plan(context: Context, target: FleetItem, answers: Mapping[str, str]) -> Draft:
    chosen = await _chosen(context, target, answers)
    order, fleet = chosen.order, context.fleet.values()
    title = f"Restore of {target.name} as {chosen.name}"
    size_checks, no_size = await _size_checks(context, chosen)
    judged = await restoring.judged(
        context,
        target,
        title,
        chosen.found,
        chosen.vault,
        order,
        *taken(chosen.name, order.group, fleet),
        *no_size,
    )
    return Draft(
        steps=(judged.step,),
        consequences=_what_happens(target, chosen, judged.case, context.now()),
        checks=(
            *judged.checks,
            *size_checks,
            twin_check(target, chosen.network, chosen.own_subnet),
            *name_checks(chosen.name, chosen.found, fleet),
        ),
        permissions=(
            *judged.permissions,
            (order.group, WRITE_VM),
            (chosen.network, JOIN_SUBNET),
            (order.account, restoring.READ_ACCOUNT),
        ),
        refused=judged.refused,
        amend=True,
        good_until=chosen.found.point.expires_at,
    )


async def _size_checks(context: Context, chosen: Chosen) -> tuple[tuple[Check, ...], tuple[str, ...]]:
    """Of the size that the restored VM will have: a request has no member for another one."""
    from .. import preflight
    from ..services import sizes
    from ..sizes import OFFERED, checks_of
    from .resize_vm import quotas_of

    order, size = chosen.order, chosen.found.size
    if not size:
        return (
            Check(label=OFFERED, state=CheckState.UNKNOWN, detail="the point does not tell its size"),
        ), ()
    try:
        offered = await sizes.list_sizes(context.session, order.subscription, order.region)
    except RecoveryError as problem:
        return (preflight.could_not_check(OFFERED, problem),), ()
    quotas, unseen = await quotas_of(context, order.subscription, order.region)
    checks, reasons = checks_of(size, offered, quotas, order.region, _zones(chosen))
    if not reasons:
        return (*(checks[:1] if unseen else checks), *unseen), ()
    way_out = "; restore it elsewhere, or restore its disks (D) and make a VM of another size of them"
    return checks, tuple(reason + way_out for reason in reasons)


def _zones(chosen: Chosen) -> tuple[str, ...]:
    zone = chosen.order.zone
    if chosen.order.region != chosen.vault.region or zone == NO_ZONE:
        return ()
    return chosen.found.zones if zone == AS_IN_POINT else (zone,)


def _what_happens(target: FleetItem, chosen: Chosen, case: Case, now: datetime) -> tuple[str, ...]:
    from ..arm_ids import name_of

    order = chosen.order
    size = f", size {chosen.found.size}" if chosen.found.size else ""
    zone = f", zone {order.zone}" if order.zone else ""
    where = f" of subscription {order.subscription}" if case.other_subscription else ""
    return (
        f"A new VM {chosen.name} is created and started in {name_of(order.group)}{where}, "
        f"{order.region}{zone}, network {name_of(chosen.network)}, subnet {name_of(order.subnet)}{size}.",
        "Its size is the point's, no other can be asked for: Resize VM (a) changes it afterwards.",
        restoring.point_line(chosen.found.point, now),
        duration(case),
        *restoring.rehydration_lines(case),
        f"{target.name} itself is not touched." if target.exists else f"{target.name} stays gone.",
        "It is a plain VM: public addresses, load balancers, availability sets, extensions and backup do not "
        "follow by themselves.",
        f"{restore_disks.cost_line(target)} The running VM costs, too.",
        restore_disks.files_line(order.account),
    )


def taken(name: str, group: str, fleet: Iterable[FleetItem]) -> tuple[str, ...]:
    from ..arm_ids import name_of

    new = f"{group}/{MACHINES}/{name}".lower()
    if any(item.exists and item.key == new for item in fleet):
        return (f"there is a VM {name} in {name_of(group)} already; choose another name",)
    return ()


def name_checks(name: str, found: RestorePoint, fleet: Iterable[FleetItem]) -> tuple[Check, ...]:
    others = [item for item in fleet if item.exists and item.name.lower() == name.lower()]
    elsewhere = ", ".join(f"{item.resource_group} in {item.location}" for item in others[:3])
    long = found.os_type == "Windows" and len(name) > LONGEST_WINDOWS_NAME
    checks = [
        Check(
            label="The name is free",
            state=CheckState.WARNING if others else CheckState.OK,
            detail=f"{name} exists in {elsewhere}" if others else name,
            fix="Choose another name, so that nobody mistakes one for the other." if others else "",
        )
    ]
    if long:
        checks.append(
            Check(
                label="Fit for Windows",
                state=CheckState.WARNING,
                detail=f"{name} has more than {LONGEST_WINDOWS_NAME} characters",
                fix="Azure may refuse it; a shorter name is safe.",
            )
        )
    return tuple(checks)


def twin_check(target: FleetItem, network: str, own_subnet: str) -> Check:
    """The new VM believes that it is the old one: same computer name, same identity in its domain."""
    beside = own_subnet.lower().startswith(f"{network.lower()}/") and target.exists
    runs = beside and target.power_state is PowerState.RUNNING
    return Check(
        label="It does not meet its twin",
        state=CheckState.WARNING if runs else CheckState.OK,
        detail=f"{target.name} runs in the same network, and both think that they are it" if runs else "",
        fix=f"Choose another network, or stop {target.name} first." if runs else "",
    )


RESTORE_VM = Action(
    id="restore-vm",
    title="Restore as new VM",
    target=TargetKind.VM,
    risk=Risk.COSTS,
    needs=("backup",),
    without_vm=True,
    permissions=(restoring.PERMISSION, WRITE_VM, JOIN_SUBNET, restoring.READ_ACCOUNT),
    why_not=restoring.why_not,
    choices=choices,
    plan=plan,
    run=restoring.run,
    find=restoring.find,
    made=restoring.made,
    many=False,
    keywords=("recover", "backup", "create", "alternate location"),
)
