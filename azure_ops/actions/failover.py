"""Failover: the VM is started in its recovery region from a recovery point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..model import Check, CheckState, Field, FleetItem, Form, Option, PowerState, Replication, Risk
from . import replicated
from .spec import Action, Context, Draft, Step, TargetKind

if TYPE_CHECKING:
    from ..engine.submitted import Submitted
    from ..journal.store import Entry

PERMISSION = replicated.permission("unplannedFailover")


async def choices(context: Context, targets: Sequence[FleetItem]) -> Form:
    only = targets[0] if len(targets) == 1 else None
    points, unread = await replicated.points_to_offer(context, only)
    return Form(
        fields=(
            replicated.points_field(points, only, context.now()),
            Field(
                id="shut-down",
                label="Shut down the source first",
                options=(
                    Option(
                        value="yes",
                        label="Yes",
                        note="Azure tries; the failover goes on when the source cannot be reached",
                    ),
                    Option(
                        value="no",
                        label="No",
                        note="a source that still runs keeps running: two machines with one name",
                    ),
                ),
                default="yes",
            ),
        ),
        checks=unread,
    )


async def plan(context: Context, target: FleetItem, answers: Mapping[str, str]) -> Draft:
    from .. import preflight

    replication = replicated.replication_of(target)
    shut_down = answers.get("shut-down", "yes") != "no"
    point = await replicated.choose_point(context, target, answers.get("point", replicated.LATEST))
    body = {
        "properties": {
            "failoverDirection": "PrimaryToRecovery",
            "sourceSiteOperations": "Required" if shut_down else "NotRequired",
            "providerSpecificDetails": replicated.provider_details(point),
        }
    }
    return Draft(
        steps=(
            Step(
                title=f"Failover of {target.name}",
                target_id=replication.item_id,
                arguments={"point_id": point.id if point else "", "shut_down": "yes" if shut_down else "no"},
                request=replicated.request(replication.item_id, "unplannedFailover", body),
            ),
        ),
        consequences=(
            *_what_happens(target, replication),
            _source_line(target, replication, shut_down=shut_down),
            replicated.point_line(point),
        ),
        losses=(
            replicated.loss_line(replication, point, context.now()),
            "Replication stops until the VM is re-protected; until the commit another point can be chosen.",
        ),
        checks=(
            _source_check(target, shut_down=shut_down),
            *preflight.replication_checks(target, context.now()),
            *preflight.multi_vm_check(target),
        ),
        permissions=((replication.vault_id, PERMISSION),),
    )


def _what_happens(target: FleetItem, replication: Replication) -> tuple[str, ...]:
    name = replication.recovery_vm_name or target.name
    group = replication.recovery_resource_group_id.rsplit("/", 1)[-1]
    network = replication.recovery_network_id.rsplit("/", 1)[-1]
    size = f", size {replication.recovery_vm_size}" if replication.recovery_vm_size else ""
    return (
        f"{name} is created and started in {replication.recovery_region}"
        + (f", in group {group}" if group else "")
        + (f", network {network}" if network else "")
        + f"{size}.",
        "Public addresses, load balancers, extensions and DNS do not follow by themselves.",
    )


def _source_line(target: FleetItem, replication: Replication, *, shut_down: bool) -> str:
    if shut_down:
        return f"{target.name} in {replication.primary_region} is shut down first, if it can be reached."
    return f"{target.name} in {replication.primary_region} is left as it is."


def _source_check(target: FleetItem, *, shut_down: bool) -> Check:
    label = "Only one of them will run"
    if not shut_down and target.exists and target.power_state is PowerState.UNKNOWN:
        return Check(label=label, state=CheckState.UNKNOWN, detail=f"whether {target.name} runs is not known")
    both = not shut_down and target.exists and target.power_state is PowerState.RUNNING
    return Check(
        label=label,
        state=CheckState.WARNING if both else CheckState.OK,
        detail=f"{target.name} runs and is not shut down: both will be up" if both else "",
        fix="Let Azure shut down the source, or stop it by hand." if both else "",
    )


async def run(context: Context, entry: Entry) -> Submitted:
    from ..services import site_recovery

    return await site_recovery.failover(
        context.session,
        entry.target_id,
        point=entry.arguments["point_id"],
        shut_down_source=entry.arguments["shut_down"] == "yes",
        client_request_id=entry.request_id,
    )


FAILOVER = Action(
    id="failover",
    title="Failover",
    target=TargetKind.VM,
    risk=Risk.DESTROYS,
    needs=("replication",),
    without_vm=True,
    azure_operation="UnplannedFailover",
    permissions=(PERMISSION,),
    why_not=replicated.why_not("UnplannedFailover", "a failover is not possible now"),
    choices=choices,
    plan=plan,
    run=run,
    find=replicated.finder("UnplannedFailover"),
    keywords=("unplanned", "disaster", "recover"),
)
