"""Commit a failover: the chosen point becomes final."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..model import FleetItem, Risk
from . import replicated
from .spec import Action, Context, Draft, Step, TargetKind

if TYPE_CHECKING:
    from ..engine.submitted import Submitted
    from ..journal.store import Entry

PERMISSION = replicated.permission("failoverCommit")


async def plan(context: Context, target: FleetItem, answers: Mapping[str, str]) -> Draft:
    replication = replicated.replication_of(target)
    return Draft(
        steps=(
            Step(
                title=f"Commit of the failover of {target.name}",
                target_id=replication.item_id,
                request=replicated.request(replication.item_id, "failoverCommit", None),
            ),
        ),
        consequences=(
            f"The failover of {target.name} to {replication.recovery_region} becomes final.",
            "It is not protected there until it is re-protected, which the commit makes possible.",
        ),
        losses=(f"All recovery points of {target.name} are deleted: no other point can be chosen any more.",),
        permissions=((replication.vault_id, PERMISSION),),
    )


async def run(context: Context, entry: Entry) -> Submitted:
    from ..services import site_recovery

    return await site_recovery.commit_failover(context.session, entry.target_id, entry.request_id)


COMMIT_FAILOVER = Action(
    id="commit-failover",
    title="Commit failover",
    target=TargetKind.VM,
    risk=Risk.DESTROYS,
    needs=("replication",),
    without_vm=True,
    azure_operation="Commit",
    permissions=(PERMISSION,),
    why_not=replicated.why_not("Commit", "there is no failover to commit"),
    plan=plan,
    run=run,
    find=replicated.finder("CommitFailover"),
    keywords=("finish", "final"),
)
