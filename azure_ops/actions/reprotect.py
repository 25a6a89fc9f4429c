"""Re-protect: a failed-over machine is replicated again, back to where it came from.

The first time it costs the original machine; the plan names what goes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from ..errors import Refused
from ..model import Check, CheckState, Field, FleetItem, Form, Job, Option, PlannedRequest, Replication, Risk
from . import locked, replicated
from .spec import Action, Context, Draft, Step, TargetKind

if TYPE_CHECKING:
    from ..engine.submitted import Submitted
    from ..journal.store import Entry
    from ..services.reprotect import FailedOver

PERMISSION = (
    "Microsoft.RecoveryServices/vaults/replicationFabrics/replicationProtectionContainers/"
    "switchprotection/action"
)
SCENARIO = "SwitchReplicationGroupProtection"
NO_ZONE = ""
ZONES = ("1", "2", "3")


async def choices(context: Context, targets: Sequence[FleetItem]) -> Form:
    target = targets[0]
    groups, accounts = await asyncio.gather(_groups(context, target), _accounts(context, target))
    return Form(
        fields=(
            groups,
            accounts,
            Field(
                id="zone",
                label="Availability zone of the machine after the failback",
                options=(
                    Option(value=NO_ZONE, label="None"),
                    *(Option(value=zone, label=f"Zone {zone}") for zone in ZONES),
                ),
                default=target.zones[0] if target.zones and target.zones[0] in ZONES else NO_ZONE,
                required=False,
            ),
        )
    )


async def _groups(context: Context, target: FleetItem) -> Field:
    """Of the region it goes back to; first the old machine's own."""
    from ..services import places

    replication = replicated.replication_of(target)
    found = await places.groups(context.session, target.subscription_id, replication.primary_region)
    own = f"/subscriptions/{target.subscription_id}/resourceGroups/{target.resource_group}"
    return _field(
        "group",
        "Target resource group",
        found,
        own,
        f"where the failback to {replication.primary_region} creates",
    )


async def _accounts(context: Context, target: FleetItem) -> Field:
    """Of the region that the machine runs in now: changes wait there on their way."""
    from ..arm_ids import subscription_of
    from ..services import places

    replication = replicated.replication_of(target)
    subscription = subscription_of(replication.recovery_resource_group_id) or target.subscription_id
    found = await places.accounts(context.session, subscription, replication.recovery_region)
    return _field(
        "account",
        "Cache storage account",
        found,
        "",
        f"in {replication.recovery_region}, where the machine runs now",
    )


def _field(id_: str, label: str, options: tuple[Option, ...], wanted: str, where: str) -> Field:
    """Raises Refused when there is nothing to pick: a place is never typed."""
    from ..services.places import chosen

    if not options:
        raise Refused(f"There is no {label.lower()} ({where}).", "Create one there, then open this again.")
    return Field(id=id_, label=label, options=options, default=chosen(options, wanted), help=where)


def _picked(field: Field, answers: Mapping[str, str]) -> str:
    """As the list spells it. Raises Refused for what is not in the list (any more)."""
    given = answers.get(field.id) or field.default
    found = next((one.value for one in field.options if one.value.lower() == given.lower()), None)
    if found is None:
        name = given.rsplit("/", 1)[-1]
        raise Refused(f"{field.label}: {name} is not one of those that there are now.", "Choose another one.")
    return found


async def plan(context: Context, target: FleetItem, answers: Mapping[str, str]) -> Draft:
    from ..arm_ids import name_of, request_path
    from ..services import reprotect
    from ..services.api_versions import api_version_of

    replication = replicated.replication_of(target)
    item, groups, accounts = await asyncio.gather(
        reprotect.read_failed_over(context.session, replication.item_id),
        _groups(context, target),
        _accounts(context, target),
    )
    group_id, account_id = _picked(groups, answers), _picked(accounts, answers)
    zone = answers.get("zone", NO_ZONE)
    if zone and zone not in ZONES:
        raise Refused(f"There is no availability zone {zone}.", "Choose another one.")
    body = reprotect.switch_input(item, group_id=group_id, account_id=account_id, zone=zone).as_dict()
    untold = [disk.old_name for disk in item.disks if not disk.new_id]
    return Draft(
        steps=(
            Step(
                title=f"Re-protect of {target.name}",
                target_id=replication.item_id,
                arguments={
                    "group_id": group_id,
                    "account_id": account_id,
                    "zone": zone,
                    "item": msgspec.json.encode(item).decode(),
                },
                request=PlannedRequest(
                    method="POST",
                    url=f"{request_path(item.container_id)}/switchprotection"
                    f"?api-version={api_version_of(item.container_id)}",
                    body=json.dumps(body),
                ),
            ),
        ),
        consequences=(
            f"{name_of(item.recovery_vm_id) or target.name} of {replication.recovery_region} is replicated "
            f"to {replication.primary_region}, into group {name_of(group_id)}"
            + (f", zone {zone}" if zone else "")
            + f"; changes go through the cache {name_of(account_id)}.",
            _time_line(context, target, item),
            "Until it is protected again there is no point to fail over to; row and loose ends (L) say when.",
            _then(replication, item),
        ),
        losses=_losses(target, replication, item),
        checks=(
            _source(target),
            _disks(item, untold),
            *((_kept(target), await locked.deletion_check(context, target.id)) if item.first else ()),
        ),
        permissions=((replication.vault_id, PERMISSION),),
        refused=(f"Azure does not tell the recovered disks of {', '.join(untold)}",) if untold else (),
    )


def _then(replication: Replication, item: FailedOver) -> str:
    if item.first:
        return (
            f"Next step then: fail back, which is a failover to {replication.primary_region}; commit it, and "
            "re-protect once more."
        )
    return f"Then it is as it was before the first failover: {replication.primary_region} stands by."


def _losses(target: FleetItem, replication: Replication, item: FailedOver) -> tuple[str, ...]:
    old = f"{target.name} in group {target.resource_group}, {replication.primary_region}"
    known = {disk.id.lower(): disk.name for disk in target.disks}
    names = ", ".join(known.get(disk.old_id.lower(), disk.old_name) for disk in item.disks) or "its disks"
    lines = []
    if item.first:
        nics = f", with its network interfaces {', '.join(item.nics)}" if item.nics else ""
        if target.exists:
            lines.append(f"The original VM {old}, is switched off and DELETED{nics}.")
        lines.append(
            f"Its original disks are DELETED: {names}. Copies named …-ASRReplica take their place; what was "
            "written only there is lost."
        )
    else:
        lines.append(
            f"The VM {old}, stays, switched off, with its interfaces; what is on its disks ({names}) is "
            "overwritten by the next failover."
        )
    if replication.allows("Commit"):
        lines.append(
            "The failover is committed first: all its recovery points are deleted, no other can be chosen."
        )
    return tuple(lines)


def _time_line(context: Context, target: FleetItem, item: FailedOver) -> str:
    """The documented estimate; enabling took as long as the checksum does, where its job is still listed."""
    from ..preflight import span

    total_gb = sum(disk.size_bytes for disk in item.disks) / 1024**3
    if not target.exists:
        return (
            f"Time: the original VM is gone, so that all {total_gb:.0f} GB are copied, as on the first day; "
            "that takes longer than the three hours of the documentation's example."
        )
    took = _enabling_s(context, target.name)
    here = f", {span(took)} here" if took is not None else ""
    return (
        f"Time, as documented: the checksum of {total_gb:.0f} GB (as long as enabling replication "
        f"took{here}), and what has changed at 23 % of the disks' throughput, and a fifth of both, and 20 to "
        "30 minutes; the documentation's example takes three hours."
    )


def _enabling_s(context: Context, name: str) -> float | None:
    for job in context.jobs.values():
        ours = job.operation == "EnableDr" and job.target_name.lower() == name.lower()
        if ours and job.started_at and job.ended_at:
            return (job.ended_at - job.started_at).total_seconds()
    return None


def _source(target: FleetItem) -> Check:
    if target.vm_unread:
        return Check(
            label="The old VM is still there",
            state=CheckState.UNKNOWN,
            detail="nobody has read it yet; without it all data is copied",
        )
    return Check(
        label="The old VM is still there",
        state=CheckState.OK if target.exists else CheckState.WARNING,
        detail="only differences are copied" if target.exists else "it is gone: all data is copied",
    )


def _disks(item: FailedOver, untold: Sequence[str]) -> Check:
    return Check(
        label="Every disk has its recovered one",
        state=CheckState.FAILED if untold else CheckState.OK,
        detail=f"{len(item.disks) - len(untold)} of {len(item.disks)}",
        fix="Read the item again (r); attach again what was detached there." if untold else "",
    )


def _kept(target: FleetItem) -> Check:
    """What is written only on the old disks is gone afterwards."""
    label = "The old disks are kept elsewhere, too"
    at = target.backup.last_point_at if target.backup else None
    if at is None:
        return Check(
            label=label,
            state=CheckState.WARNING,
            detail="no backup of the old VM is known",
            fix="Take snapshots of its disks first, if anything was written only there.",
        )
    return Check(label=label, state=CheckState.OK, detail=f"newest backup {at:%Y-%m-%d %H:%M} UTC")


async def run(context: Context, entry: Entry) -> Submitted:
    from ..services import reprotect

    item = msgspec.json.decode(entry.arguments["item"], type=reprotect.FailedOver)
    return await reprotect.switch_protection(
        context.session,
        item,
        group_id=entry.arguments["group_id"],
        account_id=entry.arguments["account_id"],
        zone=entry.arguments["zone"],
        client_request_id=entry.request_id,
    )


def why_not(target: FleetItem | Job) -> str | None:
    return replicated.why_not("SwitchProtection", "only what was failed over can be re-protected")(target)


RE_PROTECT = Action(
    id="re-protect",
    title="Re-protect",
    target=TargetKind.VM,
    risk=Risk.DESTROYS,
    needs=("replication",),
    without_vm=True,
    azure_operation="SwitchProtection",
    permissions=(PERMISSION,),
    why_not=why_not,
    choices=choices,
    plan=plan,
    run=run,
    find=replicated.finder(SCENARIO),
    many=False,
    keywords=("reprotect", "failback", "reverse", "switch protection", "fail back"),
)
