"""Requests that change a replicated item: test failover, clean-up, failover, change of the point, commit.

Each is checked against the item's state, then its job is started; what the job does stands in
`site_recovery_scenarios`.
"""

from __future__ import annotations

from ..answers import Answer, not_modelled
from ..routing import Context, Routes
from . import site_recovery_scenarios as scenarios
from .site_recovery_bodies import choice, chosen_point, properties, text
from .site_recovery_ids import ACTION, ITEM, bad_request, require_item
from .site_recovery_replication import Point
from .site_recovery_runner import accept
from .site_recovery_states import require_operation

ROUTES = Routes()
ITEM_ACTION = ACTION + "/replicationFabrics/replicationProtectionContainers/replicationProtectedItems"


@ROUTES.post(ITEM + "/testFailover", action=ITEM_ACTION + "/testFailover/action")
def start_test_failover(ctx: Context) -> Answer:
    item, asked = require_item(ctx), properties(ctx)
    choice(ctx, asked, "failoverDirection", ("PrimaryToRecovery",), "PrimaryToRecovery")
    choice(ctx, asked, "networkType", ("VmNetworkAsInput",), "VmNetworkAsInput")
    network_id = text(ctx, asked, "networkId")
    if not network_id:
        raise bad_request(ctx, "A test failover needs a virtual network.", "Give the property networkId.")
    require_operation(ctx, item, "TestFailover")
    point = chosen_point(ctx, item, asked)
    return accept(ctx, scenarios.TestFailover.name, item, {"network": network_id, **_inputs(point)})


@ROUTES.post(ITEM + "/testFailoverCleanup", action=ITEM_ACTION + "/testFailoverCleanup/action")
def clean_up_test_failover(ctx: Context) -> Answer:
    item, asked = require_item(ctx), properties(ctx)
    comments = text(ctx, asked, "comments")
    require_operation(ctx, item, "TestFailoverCleanup")
    return accept(ctx, scenarios.TestFailoverCleanup.name, item, {"comments": comments})


@ROUTES.post(ITEM + "/unplannedFailover", action=ITEM_ACTION + "/unplannedFailover/action")
def fail_over(ctx: Context) -> Answer:
    item, asked = require_item(ctx), properties(ctx)
    choice(ctx, asked, "failoverDirection", ("PrimaryToRecovery",), "PrimaryToRecovery")
    source = choice(ctx, asked, "sourceSiteOperations", ("Required", "NotRequired"), "NotRequired")
    require_operation(ctx, item, "UnplannedFailover")
    point = chosen_point(ctx, item, asked)
    return accept(
        ctx, scenarios.UnplannedFailover.name, item, {"source_site_operations": source, **_inputs(point)}
    )


@ROUTES.post(ITEM + "/applyRecoveryPoint", action=ITEM_ACTION + "/applyRecoveryPoint/action")
def apply_recovery_point(ctx: Context) -> Answer:
    item, asked = require_item(ctx), properties(ctx)
    require_operation(ctx, item, "ChangePit")
    point = chosen_point(ctx, item, {"providerSpecificDetails": asked})
    if point is None:
        raise bad_request(ctx, "A recovery point is needed.", "Give the property recoveryPointId.")
    return accept(ctx, scenarios.ChangePit.name, item, _inputs(point))


@ROUTES.post(ITEM + "/failoverCommit", action=ITEM_ACTION + "/failoverCommit/action")
def commit_failover(ctx: Context) -> Answer:
    item = require_item(ctx)
    require_operation(ctx, item, "Commit")
    return accept(ctx, scenarios.CommitFailover.name, item, {})


@ROUTES.post(ITEM + "/failoverCancel", action=ITEM_ACTION + "/failoverCancel/action")
def cancel_failover(ctx: Context) -> Answer:
    """No Azure-to-Azure state allows it."""
    require_operation(ctx, require_item(ctx), "CancelFailover")
    raise not_modelled("CancelFailover of an Azure-to-Azure item")


@ROUTES.post(ITEM + "/plannedFailover", action=ITEM_ACTION + "/plannedFailover/action")
def plan_failover(ctx: Context) -> Answer:
    """No Azure-to-Azure state allows it."""
    require_operation(ctx, require_item(ctx), "PlannedFailover")
    raise not_modelled("PlannedFailover of an Azure-to-Azure item")


def _inputs(point: Point | None) -> dict[str, str]:
    return {"point": point.guid, "point_at": point.at.isoformat()} if point else {}
