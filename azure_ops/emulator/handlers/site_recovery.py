"""Replication protected items: their document, lists, recovery points and target sizes (read only).

`replicated_item_document` is what other handlers render an item with. What changes an item stands in
`site_recovery_failover`.
"""

from __future__ import annotations

from datetime import datetime

from ..answers import Answer, Json
from ..records.site_recovery import Fabric, RecoveryPlan, ReplicatedItem, ReplicationJob, ReplicationPolicy
from ..routing import Context, Routes, paged
from ..world import World
from .site_recovery_details import provider_details
from .site_recovery_ids import (
    ACTION,
    CONTAINER,
    ITEM,
    ITEM_TYPE,
    NO_SCENARIO_TIME,
    VAULT,
    bad_request,
    container_of,
    derived_guid,
    fabric_of,
    filters,
    find_container,
    last,
    not_found,
    require_container,
    require_item,
    require_vault,
    service_id,
    service_time,
    vault_of,
)
from .site_recovery_replication import Point, recovery_points
from .site_recovery_sizes import SIZES
from .site_recovery_states import allowed_operations, running_job, state_of
from .site_recovery_symptoms import failover_health, health_errors, replication_health

ROUTES = Routes()
PAGE = 100
"""Items per page; unverified on Azure."""
READ = ACTION + "/replicationFabrics/replicationProtectionContainers/replicationProtectedItems/read"


def service_list(ctx: Context, documents: list[Json], size: int = PAGE) -> Answer:
    """Lists of this service always carry `nextLink`, null on the last page; `skipToken` names the page."""
    token = ctx.query.get("skiptoken", "")
    if token and not token.isdigit():
        raise bad_request(ctx, f"The skip token '{token}' is not valid.", "Follow nextLink unchanged.")
    page = paged(ctx, documents, size, skip_key="skipToken")
    return Answer(200, {"value": page["value"], "nextLink": page.get("nextLink")})


# documents --------------------------------------------------------------------------------------------------


SCENARIO_WORDS = {
    "EnableDr": "EnableProtection",
    "DisableDr": "DisableProtection",
    "SwitchReplicationGroupProtection": "ReverseReplication",
}
"""Items call some jobs otherwise than the jobs call themselves."""


def _scenario(item: ReplicatedItem, job: ReplicationJob | None) -> dict[str, Json]:
    if job is None:
        none = f"{service_id(vault_of(item.id))}/replicationJobs/None"
        return {"scenarioName": "None", "jobId": none, "startTime": NO_SCENARIO_TIME}
    return {
        "scenarioName": SCENARIO_WORDS.get(job.scenario, job.scenario),
        "jobId": service_id(job.id),
        "startTime": service_time(job.accepted_at),
    }


def _test_failover_state(item: ReplicatedItem, job: ReplicationJob | None) -> tuple[str, str]:
    """The words while a drill waits or is cleaned up are documented for Hyper-V only."""
    if job is not None and job.scenario == "TestFailoverCleanup":
        return "MarkedForDeletion", "Cleaning up test environment"
    if item.test_failover_job_id:
        return "WaitingForCompletion", "Waiting for user input"
    return "None", "None"


def point_id(world: World, item: ReplicatedItem, guid: str) -> str | None:
    """As `failoverRecoveryPointId` names a point: with the container's guid for its name. None for none."""
    if not guid:
        return None
    container = find_container(world, container_of(item.id))
    inside = f"{fabric_of(item.id)}/replicationProtectionContainers/{container.guid if container else ''}"
    return service_id(f"{inside}/replicationProtectedItems/{item.name}/recoveryPoints/{guid}")


def replicated_item_document(world: World, item: ReplicatedItem) -> dict[str, Json]:
    now = world.clock.now()
    state = state_of(item, now)
    job = running_job(world, item) or world.store.find(ReplicationJob, item.test_failover_job_id)
    test_state, test_description = _test_failover_state(item, job)
    properties: dict[str, Json] = {
        "friendlyName": item.vm_name,
        "protectedItemType": "",
        "protectableItemId": None,
        **_both_sides(world, item),
        "protectionState": state.protection_state,
        "protectionStateDescription": state.description,
        "activeLocation": state.active_location,
        "testFailoverState": test_state,
        "testFailoverStateDescription": test_description,
        "switchProviderState": "None",
        "switchProviderStateDescription": None,
        "allowedOperations": allowed_operations(item, now),
        "replicationHealth": replication_health(item, now),
        "failoverHealth": failover_health(item, now),
        "healthErrors": health_errors(item, now),
        "policyId": service_id(item.policy_id),
        "policyFriendlyName": last(item.policy_id),
        **_last_times(item),
        "currentScenario": _scenario(item, job),
        "failoverRecoveryPointId": point_id(world, item, item.failover_point),
        "providerSpecificDetails": provider_details(world, item, now),
        "recoveryContainerId": service_id(item.recovery_container_id),
        "eventCorrelationId": derived_guid(item.guid, "events"),
    }
    return {"id": service_id(item.id), "name": item.name, "type": ITEM_TYPE, "properties": properties}


def _both_sides(world: World, item: ReplicatedItem) -> dict[str, Json]:
    primary = world.store.find(Fabric, fabric_of(item.id))
    recovery = world.store.find(Fabric, fabric_of(item.recovery_container_id))
    provider = derived_guid(primary.guid, "provider") if primary else ""
    fabric_id = service_id(fabric_of(item.id))
    return {
        "recoveryServicesProviderId": f"{fabric_id}/replicationRecoveryServicesProviders/{provider}",
        "primaryFabricFriendlyName": primary.friendly_name if primary else "",
        "primaryFabricProvider": "AzureFabric",
        "recoveryFabricFriendlyName": recovery.friendly_name if recovery else "",
        "recoveryFabricId": service_id(fabric_of(item.recovery_container_id)),
        "primaryProtectionContainerFriendlyName": last(container_of(item.id)),
        "recoveryProtectionContainerFriendlyName": last(item.recovery_container_id),
    }


def _last_times(item: ReplicatedItem) -> dict[str, Json]:
    """Absent, not null, until they happened."""
    times = {
        "lastSuccessfulFailoverTime": item.last_failover_at,
        "lastSuccessfulTestFailoverTime": item.last_test_failover_at,
    }
    return {name: service_time(at) for name, at in times.items() if at is not None}


def recovery_point_document(item: ReplicatedItem, point: Point) -> dict[str, Json]:
    return {
        "id": f"{service_id(item.id)}/recoveryPoints/{point.guid}",
        "name": point.guid,
        "type": ITEM_TYPE + "/recoveryPoints",
        "properties": {
            "recoveryPointTime": service_time(point.at),
            "recoveryPointType": "ApplicationConsistent" if point.app_consistent else "CrashConsistent",
            "providerSpecificDetails": {
                "instanceType": "A2A",
                "recoveryPointSyncType": "PerVmRecoveryPoint",
                "disks": [disk.disk_id.lower() for disk in item.disks],
            },
        },
    }


def points_of(world: World, item: ReplicatedItem, now: datetime | None = None) -> list[Point]:
    policy = world.store.find(ReplicationPolicy, item.policy_id) or ReplicationPolicy(id=item.policy_id)
    return recovery_points(item, policy, now or world.clock.now())


# routes -----------------------------------------------------------------------------------------------------


@ROUTES.get(VAULT + "/replicationProtectedItems", action=READ)
def list_vault_items(ctx: Context) -> Answer:
    vault_id = require_vault(ctx)
    wanted = filters(ctx, FILTERS)
    items = ctx.world.store.all(ReplicatedItem, under=vault_id)
    return _item_page(ctx, [item for item in items if _wanted(ctx, item, wanted)])


@ROUTES.get(CONTAINER + "/replicationProtectedItems", action=READ)
def list_container_items(ctx: Context) -> Answer:
    container = require_container(ctx)
    return _item_page(ctx, ctx.world.store.all(ReplicatedItem, under=container.id))


def _item_page(ctx: Context, items: list[ReplicatedItem]) -> Answer:
    """Only the page that was asked for is rendered."""
    answer = service_list(ctx, items)
    assert isinstance(answer.body, dict)
    answer.body["value"] = [replicated_item_document(ctx.world, item) for item in answer.body["value"]]
    return answer


FILTERS = ("sourceFabricName", "recoveryPlanName", "vCenterName", "instanceType", "multiVmGroupCreateOption")


def _wanted(ctx: Context, item: ReplicatedItem, wanted: dict[str, str]) -> bool:
    facts = {
        "sourcefabricname": last(fabric_of(item.id)),
        "instancetype": "A2A",
        "multivmgroupcreateoption": "AutoCreated",
        "vcentername": "",
    }
    for name, value in wanted.items():
        if name == "recoveryplanname":
            plan = ctx.world.store.find(RecoveryPlan, f"{vault_of(item.id)}/replicationRecoveryPlans/{value}")
            members = [member.lower() for group in plan.groups for member in group.item_ids] if plan else []
            if item.id.lower() not in members:
                return False
        elif facts[name].lower() != value.lower():
            return False
    return True


@ROUTES.get(ITEM, action=READ)
def get_item(ctx: Context) -> Answer:
    return Answer(200, replicated_item_document(ctx.world, require_item(ctx)))


@ROUTES.get(ITEM + "/recoveryPoints", action=READ)
def list_recovery_points(ctx: Context) -> Answer:
    item = require_item(ctx)
    documents = [recovery_point_document(item, point) for point in points_of(ctx.world, item, ctx.now)]
    return Answer(200, {"value": documents, "nextLink": None})


@ROUTES.get(ITEM + "/recoveryPoints/{point}", action=READ)
def get_recovery_point(ctx: Context) -> Answer:
    item, name = require_item(ctx), ctx.params["point"].lower()
    for point in points_of(ctx.world, item, ctx.now):
        if point.guid == name:
            return Answer(200, recovery_point_document(item, point))
    raise not_found(ctx, ctx.params["point"])


@ROUTES.get(ITEM + "/targetComputeSizes", action=READ)
def list_target_compute_sizes(ctx: Context) -> Answer:
    item = require_item(ctx)
    documents = [
        {
            "id": f"{service_id(item.id)}/targetComputeSizes/{size.name}",
            "name": size.name,
            "type": ITEM_TYPE + "/targetComputeSizes",
            "properties": size.properties(),
        }
        for size in SIZES
        if item.generation in size.generations and size.data_disks >= len(item.disks) - 1
    ]
    return Answer(200, {"value": documents, "nextLink": None})
