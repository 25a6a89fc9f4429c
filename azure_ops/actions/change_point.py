"""Change the recovery point of a failover that is not committed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from ..errors import Refused
from ..model import FleetItem, Form, Risk
from . import replicated
from .spec import Action, Context, Draft, Step, TargetKind

if TYPE_CHECKING:
    from ..engine.submitted import Submitted
    from ..journal.store import Entry

PERMISSION = replicated.permission("applyRecoveryPoint")


async def choices(context: Context, targets: Sequence[FleetItem]) -> Form:
    """The points that are kept until the commit, without the one it runs from."""
    target = targets[0]
    current = replicated.replication_of(target).failover_point_id
    points = [one for one in await replicated.points_of(context, target) if not _is(one.id, current)]
    if not points:
        raise Refused(f"{target.name} has no other recovery point.", "Commit the failover, or refresh (r).")
    field = replicated.points_field(points, target, context.now())
    named = tuple(one for one in field.options if "/" in one.value)
    return Form(fields=(msgspec.structs.replace(field, options=named, default=named[0].value),))


def _is(point_id: str, current: str) -> bool:
    """Only the last part is the same: the item names its point by its container's guid."""
    return bool(current) and point_id.rsplit("/", 1)[-1].lower() == current.rsplit("/", 1)[-1].lower()


async def plan(context: Context, target: FleetItem, answers: Mapping[str, str]) -> Draft:
    replication = replicated.replication_of(target)
    point = await replicated.choose_point(context, target, answers.get("point", ""))
    if point is None or _is(point.id, replication.failover_point_id):
        raise Refused("That is no other recovery point.", "Choose one of the list.")
    details = replicated.provider_details(None)
    body = {"properties": {"recoveryPointId": point.id, "providerSpecificDetails": details}}
    name = replication.recovery_vm_name or target.name
    return Draft(
        steps=(
            Step(
                title=f"Change of the recovery point of {target.name}",
                target_id=replication.item_id,
                arguments={"point_id": point.id},
                request=replicated.request(replication.item_id, "applyRecoveryPoint", body),
            ),
        ),
        consequences=(
            f"{name} in {replication.recovery_region} is made anew from the chosen point and started.",
            replicated.point_line(point),
            "Until the commit the point can be changed again.",
        ),
        losses=(
            f"Everything written on {name} in {replication.recovery_region} since the failover is lost.",
            replicated.loss_line(replication, point, context.now()),
        ),
        permissions=((replication.vault_id, PERMISSION),),
    )


async def run(context: Context, entry: Entry) -> Submitted:
    from ..services import site_recovery

    return await site_recovery.apply_recovery_point(
        context.session,
        entry.target_id,
        point_id=entry.arguments["point_id"],
        client_request_id=entry.request_id,
    )


CHANGE_POINT = Action(
    id="change-point",
    title="Change recovery point",
    target=TargetKind.VM,
    risk=Risk.CHANGES,
    needs=("replication",),
    without_vm=True,
    azure_operation="ChangePit",
    permissions=(PERMISSION,),
    why_not=replicated.why_not("ChangePit", "the point can be changed only between failover and commit"),
    choices=choices,
    plan=plan,
    run=run,
    find=replicated.finder("ChangePit"),
    many=False,
    keywords=("change pit", "another point", "apply"),
)
