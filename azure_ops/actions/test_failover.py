"""Test failover: a copy of the VM in the recovery region, beside the running one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from ..errors import RecoveryError
from ..model import Check, CheckState, Field, FleetItem, Form, Option, Replication, Risk
from . import replicated
from .spec import Action, Context, Draft, Step, TargetKind

if TYPE_CHECKING:
    from ..engine.submitted import Submitted
    from ..journal.store import Entry

PERMISSION = replicated.permission("testFailover")
ISOLATED = "isolated"
"""How `inventory.list_networks` begins the note of a network without peerings."""


async def choices(context: Context, targets: Sequence[FleetItem]) -> Form:
    only = targets[0] if len(targets) == 1 else None
    points, unread = await replicated.points_to_offer(context, only)
    networks = await _networks(context, targets)
    default = next((one.value for one in networks if one.value.lower() not in _production(targets)), "")
    return Form(
        fields=(
            Field(
                id="network",
                label="Network of the test VM",
                options=networks,
                default=default,
                help="an isolated one: the test VM has the same name and data as the running one",
            ),
            replicated.points_field(points, only, context.now()),
            Field(
                id="production",
                label="Production network",
                options=(
                    Option(value="refuse", label="Refuse it"),
                    Option(
                        value="insist", label="I insist", note="two machines with one name may meet there"
                    ),
                ),
                default="refuse",
            ),
        ),
        checks=unread,
    )


async def _networks(context: Context, targets: Sequence[FleetItem]) -> tuple[Option, ...]:
    """Of the recovery regions, isolated ones first, the ones that a real failover uses last and marked."""
    from ..services import inventory

    regions = dict.fromkeys(
        (replicated.replication_of(target).recovery_region, _recovery_subscription(target))
        for target in targets
    )
    found = [
        option
        for region, subscription in regions
        for option in await inventory.list_networks(context.session, subscription, region)
    ]
    production = _production(targets)
    marked = [
        msgspec.structs.replace(
            option, label=f"{option.label} (production)", note="the real failover uses it"
        )
        if option.value.lower() in production
        else option
        for option in dict.fromkeys(found)
    ]
    return tuple(sorted(marked, key=lambda option: (option.value.lower() in production, _peered(option))))


def _peered(option: Option) -> bool:
    return not option.note.startswith(ISOLATED)


def _production(targets: Sequence[FleetItem]) -> set[str]:
    return {replicated.replication_of(target).recovery_network_id.lower() for target in targets} - {""}


def _recovery_subscription(target: FleetItem) -> str:
    """Of the group that a failover creates in; it need not be the source's."""
    parts = replicated.replication_of(target).recovery_resource_group_id.split("/")
    return parts[2] if len(parts) > 2 else target.subscription_id


async def plan(context: Context, target: FleetItem, answers: Mapping[str, str]) -> Draft:
    from .. import preflight

    replication = replicated.replication_of(target)
    network_id = answers.get("network", "")
    point = await replicated.choose_point(context, target, answers.get("point", replicated.LATEST))
    network, refused = await _check_network(
        context, target, network_id, insist=answers.get("production") == "insist"
    )
    body = {
        "properties": {
            "failoverDirection": "PrimaryToRecovery",
            "networkType": "VmNetworkAsInput",
            "networkId": network_id,
            "providerSpecificDetails": replicated.provider_details(point),
        }
    }
    return Draft(
        steps=(
            Step(
                title=f"Test failover of {target.name}",
                target_id=replication.item_id,
                arguments={"network_id": network_id, "point_id": point.id if point else ""},
                request=replicated.request(replication.item_id, "testFailover", body),
            ),
        ),
        consequences=(
            *_what_happens(target, replication, network_id),
            replicated.point_line(point),
        ),
        checks=(
            network,
            *preflight.replication_checks(target, context.now()),
            *preflight.multi_vm_check(target),
        ),
        permissions=((replication.vault_id, PERMISSION),),
        refused=refused,
    )


def _what_happens(target: FleetItem, replication: Replication, network_id: str) -> tuple[str, ...]:
    name = replication.test_vm_name or f"{target.name}-test"
    return (
        f"A test VM {name} is created in {replication.recovery_region}, in network "
        f"{network_id.rsplit('/', 1)[-1] or '(none)'}, and costs money until it is cleaned up.",
        f"{target.name} and its replication go on as before.",
        "Until the clean-up (T) no other failover of this VM can be started.",
    )


async def _check_network(
    context: Context, target: FleetItem, network_id: str, *, insist: bool
) -> tuple[Check, tuple[str, ...]]:
    label = "Network for the test"
    if not network_id:
        return Check(label=label, state=CheckState.FAILED, fix="Choose one."), ("no network was chosen",)
    name = network_id.rsplit("/", 1)[-1]
    if network_id.lower() in _production([target]):
        warning = Check(
            label=label,
            state=CheckState.WARNING if insist else CheckState.FAILED,
            detail=f"{name} is the network of the real failover: two machines with one name may meet there",
            fix="Choose an isolated network.",
        )
        reason = f"{name} is the production network; choose an isolated one, or insist in the form"
        return warning, () if insist else (reason,)
    try:
        known = await _networks(context, [target])
    except RecoveryError as problem:
        return Check(label=label, state=CheckState.UNKNOWN, detail=problem.title, fix=problem.hint), ()
    found = next((option for option in known if option.value.lower() == network_id.lower()), None)
    if found is None:
        reason = f"{name} is not in {replicated.replication_of(target).recovery_region}"
        return Check(label=label, state=CheckState.FAILED, detail=reason), (reason,)
    peered = _peered(found)
    return Check(
        label=label,
        state=CheckState.WARNING if peered else CheckState.OK,
        detail=f"{name}: {found.note}" if found.note else name,
    ), ()


async def run(context: Context, entry: Entry) -> Submitted:
    from ..services import site_recovery

    return await site_recovery.test_failover(
        context.session,
        entry.target_id,
        network_id=entry.arguments["network_id"],
        point_id=entry.arguments["point_id"],
        client_request_id=entry.request_id,
    )


TEST_FAILOVER = Action(
    id="test-failover",
    title="Test failover",
    target=TargetKind.VM,
    risk=Risk.COSTS,
    needs=("replication",),
    without_vm=True,
    azure_operation="TestFailover",
    permissions=(PERMISSION,),
    why_not=replicated.why_not("TestFailover", "a test failover is not possible now"),
    choices=choices,
    plan=plan,
    run=run,
    find=replicated.finder("TestFailover"),
    keywords=("drill", "rehearsal"),
)
