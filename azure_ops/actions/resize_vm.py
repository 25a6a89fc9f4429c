"""Give a VM another size, such as one that a restore has made: sizes are picked from what there is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..errors import RecoveryError, Refused
from ..model import Check, CheckState, Field, FleetItem, Form, Job, Option, PlannedRequest, PowerState, Risk
from ..sizes import Quota, VmSize, checks_of, describe, named, not_offered, over_quota
from .spec import Action, Context, Draft, Step, TargetKind

if TYPE_CHECKING:
    from ..engine.submitted import Submitted
    from ..journal.store import Entry

WRITE_VM = "Microsoft.Compute/virtualMachines/write"
STOP = "needs the VM to be deallocated first"


def why_not(target: FleetItem | Job) -> str | None:
    if isinstance(target, Job):
        return "this works on virtual machines"
    if not target.exists:
        return "the virtual machine is gone"
    if target.power_state in (PowerState.STARTING, PowerState.STOPPING, PowerState.DEALLOCATING):
        return f"it is {target.power_state.value}: wait until it is not"
    return None


class Offer(NamedTuple):
    sizes: tuple[VmSize, ...]
    """Of the region."""
    at_once: frozenset[str]
    """Names in lower case of those that the VM can be given as it is."""
    quotas: tuple[Quota, ...]
    unseen: tuple[Check, ...] = ()


async def _offer(context: Context, target: FleetItem) -> Offer:
    from ..services import sizes

    session, subscription, region = context.session, target.subscription_id, target.location
    quotas, unseen = await quotas_of(context, subscription, region)
    of_region, at_once = await asyncio.gather(
        sizes.list_sizes(session, subscription, region), sizes.list_resizable(session, target.id)
    )
    return Offer(of_region, frozenset(name.lower() for name in at_once), quotas, unseen)


async def quotas_of(
    context: Context, subscription: str, region: str
) -> tuple[tuple[Quota, ...], tuple[Check, ...]]:
    """Not being allowed to see them is no hindrance: Azure refuses what they do not leave."""
    from .. import preflight
    from ..services import sizes
    from ..sizes import LEFT

    try:
        return await sizes.list_quotas(context.session, subscription, region), ()
    except RecoveryError as problem:
        return (), (preflight.could_not_check(LEFT, problem),)


async def choices(context: Context, targets: Sequence[FleetItem]) -> Form:
    target = targets[0]
    options = options_of(target, await _offer(context, target))
    if not options:
        raise Refused(
            f"{target.location} offers {target.name} no other size.",
            "Restore it into another region, or ask Azure support for more sizes.",
        )
    return Form(fields=(Field(id="size", label="New size", options=options, default=options[0].value),))


def options_of(target: FleetItem, offer: Offer) -> tuple[Option, ...]:
    """What fits the VM's disks, zone and processor: first what it can be given at once, smallest first."""
    now = named(offer.sizes, target.size)
    fitting = [size for size in offer.sizes if not _unfit(target, size, now, offer)]
    fitting.sort(key=lambda size: (size.name.lower() not in offer.at_once, size.cores, size.memory_gb))
    return tuple(
        Option(value=size.name, label=f"{size.name}  {describe(size)}", note=_note(target, size, now, offer))
        for size in fitting
    )


def _unfit(target: FleetItem, size: VmSize, now: VmSize | None, offer: Offer) -> str:
    data_disks = sum(disk.lun is not None for disk in target.disks)
    if size.name.lower() == target.size.lower():
        return f"{target.name} has the size {size.name} already"
    if reason := not_offered(size.name, offer.sizes, target.location, target.zones):
        return reason
    if size.data_disks < data_disks:
        return f"{size.name} takes {size.data_disks} data disks, and {target.name} has {data_disks}"
    if not size.premium and any(disk.sku.lower().startswith("premium") for disk in target.disks):
        return f"{size.name} takes no premium disks, and {target.name} has some"
    if now is not None and size.architecture.lower() != now.architecture.lower():
        return f"{size.name} has another kind of processor ({size.architecture or 'not told'})"
    return ""


def _note(target: FleetItem, size: VmSize, now: VmSize | None, offer: Offer) -> str:
    said = []
    if _must_stop(target, size.name, offer):
        said.append(STOP)
    if full := over_quota(size, offer.quotas, target.location, now):
        said.append(full)
    return "; ".join(said)


def _must_stop(target: FleetItem, name: str, offer: Offer) -> bool:
    return target.power_state is not PowerState.DEALLOCATED and name.lower() not in offer.at_once


async def plan(context: Context, target: FleetItem, answers: Mapping[str, str]) -> Draft:
    from ..arm_ids import request_path
    from ..services.api_versions import api_version_of
    from .locked import read_only_check

    offer, lock = await asyncio.gather(_offer(context, target), read_only_check(context, target.id))
    name = answers.get("size", "")
    size, now = named(offer.sizes, name), named(offer.sizes, target.size)
    if size is None:
        raise Refused(f"{name[:60] or 'Nothing'} is no size of {target.location}.", "Choose one of the list.")
    checks, reasons = checks_of(size.name, offer.sizes, offer.quotas, target.location, target.zones, now)
    unfit = _unfit(target, size, now, offer)
    if unfit and unfit not in reasons:
        reasons = (*reasons, unfit)
    if _must_stop(target, size.name, offer):
        reasons = (*reasons, stop_line(target, size.name))
    if lock.state is CheckState.FAILED:
        reasons = (*reasons, f"it is locked: {lock.detail}")
    body = {"properties": {"hardwareProfile": {"vmSize": size.name}}}
    return Draft(
        steps=(
            Step(
                title=f"Resize of {target.name} to {size.name}",
                target_id=target.id,
                arguments={"size": size.name},
                request=PlannedRequest(
                    method="PATCH",
                    url=f"{request_path(target.id)}?api-version={api_version_of(target.id)}",
                    body=json.dumps(body),
                ),
            ),
        ),
        consequences=_what_happens(target, size, now),
        checks=(*(checks[:1] if offer.unseen else checks), *offer.unseen, lock),
        permissions=((target.id, WRITE_VM),),
        refused=reasons,
        amend=True,
    )


def stop_line(target: FleetItem, name: str) -> str:
    return (
        f"{name} is not offered by the hardware that {target.name} is on: deallocate it first "
        f"(`az vm deallocate -g {target.resource_group} -n {target.name}`), or choose one that needs no stop"
    )


def _what_happens(target: FleetItem, size: VmSize, now: VmSize | None) -> tuple[str, ...]:
    before = f"{target.size} ({describe(now)})" if now else target.size or "its size"
    runs = target.power_state is PowerState.RUNNING
    temporary = "What is on its temporary disk, if it has one, may be lost."
    return (
        f"{target.name} gets the size {size.name} ({describe(size)}) instead of {before}.",
        f"It runs and restarts at once: nobody reaches it for some minutes. {temporary}"
        if runs
        else f"It does not run and is not started. {temporary}",
        "Disks, addresses and settings stay. From then on the new size is what it costs; a price is not "
        "known here.",
    )


async def run(context: Context, entry: Entry) -> Submitted:
    from ..services import sizes

    body = {"properties": {"hardwareProfile": {"vmSize": entry.arguments["size"]}}}
    return await sizes.begin_resize(context.session, entry.target_id, body, entry.request_id)


async def find(context: Context, entry: Entry) -> Submitted | None:
    """A change leaves nothing that could name our request: the VM's size is all there is."""
    from ..engine.submitted import Submitted
    from ..services import compute

    found = await compute.read_vm(context.session, entry.target_id)
    if found.size.lower() == entry.arguments["size"].lower():
        return Submitted(job_id=entry.target_id)
    return None


RESIZE_VM = Action(
    id="resize-vm",
    title="Resize VM",
    target=TargetKind.VM,
    risk=Risk.CHANGES,
    permissions=(WRITE_VM,),
    on_the_vm=(WRITE_VM,),
    why_not=why_not,
    choices=choices,
    plan=plan,
    run=run,
    find=find,
    many=False,
    keywords=("size", "cores", "memory", "scale", "bigger", "smaller"),
)
