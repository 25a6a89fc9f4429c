"""Clean up a test failover: the test VM goes, and real failovers are possible again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..model import Field, FleetItem, Form, Risk
from . import replicated
from .spec import Action, Context, Draft, Step, TargetKind

if TYPE_CHECKING:
    from ..engine.submitted import Submitted
    from ..journal.store import Entry

PERMISSION = replicated.permission("testFailoverCleanup")
LONGEST_COMMENT = 1024


async def choices(context: Context, targets: Sequence[FleetItem]) -> Form:
    return Form(
        fields=(
            Field(
                id="comments",
                label="Comments for the record",
                required=False,
                help="how the drill went; kept with the job in Azure",
            ),
        )
    )


async def plan(context: Context, target: FleetItem, answers: Mapping[str, str]) -> Draft:
    replication = replicated.replication_of(target)
    comments = answers.get("comments", "")[:LONGEST_COMMENT]
    name = replication.test_vm_name or f"{target.name}-test"
    return Draft(
        steps=(
            Step(
                title=f"Clean-up of the test failover of {target.name}",
                target_id=replication.item_id,
                arguments={"comments": comments},
                request=replicated.request(
                    replication.item_id, "testFailoverCleanup", {"properties": {"comments": comments}}
                ),
            ),
        ),
        consequences=(
            f"The test VM {name} in {replication.recovery_region} is deleted with its disks and NICs.",
            f"{target.name} and its replication go on as before; failovers are possible again.",
        ),
        losses=(f"Everything on {name}, also evidence and logs of the drill.",),
        permissions=((replication.vault_id, PERMISSION),),
    )


async def run(context: Context, entry: Entry) -> Submitted:
    from ..services import site_recovery

    return await site_recovery.clean_up_test_failover(
        context.session,
        entry.target_id,
        comments=entry.arguments["comments"],
        client_request_id=entry.request_id,
    )


CLEAN_UP_TEST_FAILOVER = Action(
    id="clean-up-test-failover",
    title="Clean up test failover",
    target=TargetKind.VM,
    risk=Risk.COSTS,
    needs=("replication",),
    without_vm=True,
    azure_operation="TestFailoverCleanup",
    permissions=(PERMISSION,),
    why_not=replicated.why_not("TestFailoverCleanup", "there is no test failover to clean up"),
    choices=choices,
    plan=plan,
    run=run,
    find=replicated.finder("TestFailoverCleanup"),
    keywords=("tear down", "drill", "delete test"),
)
