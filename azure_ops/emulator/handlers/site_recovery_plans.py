"""Recovery plans: list and get. Their operations are not modelled yet."""

from __future__ import annotations

from ..answers import Answer, Json, not_modelled
from ..records.site_recovery import Fabric, PlanGroup, RecoveryPlan, ReplicatedItem
from ..routing import Context, Routes
from ..world import World
from .site_recovery import service_list
from .site_recovery_ids import ACTION, TYPE, VAULT, require, require_vault, service_id, service_time
from .site_recovery_states import allowed_operations

ROUTES = Routes()
PLAN = VAULT + "/replicationRecoveryPlans/{plan}"
PLAN_ACTION = ACTION + "/replicationRecoveryPlans"
OPERATIONS = (
    "testFailover",
    "testFailoverCleanup",
    "plannedFailover",
    "unplannedFailover",
    "failoverCommit",
    "reProtect",
)


def plan_document(world: World, plan: RecoveryPlan, *, detail: bool) -> dict[str, Json]:
    """The list is thinner: no groups."""
    times = {
        "lastUnplannedFailoverTime": plan.last_unplanned_failover_at,
        "lastTestFailoverTime": plan.last_test_failover_at,
    }
    return {
        "id": service_id(plan.id),
        "name": plan.name,
        "type": TYPE + "/replicationRecoveryPlans",
        "properties": {
            "friendlyName": plan.name,
            "primaryFabricId": service_id(plan.primary_fabric_id),
            "primaryFabricFriendlyName": _friendly(world, plan.primary_fabric_id),
            "recoveryFabricId": service_id(plan.recovery_fabric_id),
            "recoveryFabricFriendlyName": _friendly(world, plan.recovery_fabric_id),
            "failoverDeploymentModel": "ResourceManager",
            "replicationProviders": ["A2A"],
            "allowedOperations": _allowed(world, plan),
            **{name: service_time(at) for name, at in times.items() if at is not None},
            "currentScenario": None,
            "currentScenarioStatus": None,
            "currentScenarioStatusDescription": None,
            "groups": _groups(world, plan) if detail else [],
            "providerSpecificDetails": [],
        },
    }


def _friendly(world: World, fabric_id: str) -> str:
    fabric = world.store.find(Fabric, fabric_id)
    return fabric.friendly_name if fabric else ""


def _allowed(world: World, plan: RecoveryPlan) -> list[str]:
    """What every member allows; unverified on Azure once members are in different states."""
    found = [world.store.find(ReplicatedItem, each) for group in plan.groups for each in group.item_ids]
    members = [allowed_operations(item, world.clock.now()) for item in found if item is not None]
    wanted = ("UnplannedFailover", "TestFailover", "Commit", "TestFailoverCleanup")
    return [name for name in wanted if members and all(name in each for each in members)]


def _groups(world: World, plan: RecoveryPlan) -> list[Json]:
    """The service puts a Shutdown and a Failover group in front of the Boot groups that hold the members."""
    first = [_group(world, kind, PlanGroup()) for kind in ("Shutdown", "Failover")]
    return first + [_group(world, "Boot", group) for group in plan.groups]


def _group(world: World, kind: str, group: PlanGroup) -> Json:
    members = [world.store.find(ReplicatedItem, item_id) for item_id in group.item_ids]
    return {
        "groupType": kind,
        "replicationProtectedItems": [
            {"id": service_id(item.id), "virtualMachineId": item.guid} for item in members if item is not None
        ],
        "startGroupActions": list(group.start_actions),
        "endGroupActions": list(group.end_actions),
    }


@ROUTES.get(VAULT + "/replicationRecoveryPlans", action=PLAN_ACTION + "/read")
def list_plans(ctx: Context) -> Answer:
    plans = ctx.world.store.all(RecoveryPlan, under=require_vault(ctx))
    return service_list(ctx, [plan_document(ctx.world, plan, detail=False) for plan in plans])


@ROUTES.get(PLAN, action=PLAN_ACTION + "/read")
def get_plan(ctx: Context) -> Answer:
    plan = require(ctx, RecoveryPlan, PLAN.format_map(ctx.params))
    return Answer(200, plan_document(ctx.world, plan, detail=True))


def _run_plan(ctx: Context) -> Answer:
    require(ctx, RecoveryPlan, PLAN.format_map(ctx.params))
    raise not_modelled(f"the operation {ctx.path.rstrip('/').rsplit('/', 1)[-1]} of a recovery plan")


for operation in OPERATIONS:
    ROUTES.add("POST", f"{PLAN}/{operation}", action=f"{PLAN_ACTION}/{operation}/action")(_run_plan)
