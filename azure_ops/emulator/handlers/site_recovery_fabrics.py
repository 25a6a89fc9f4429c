"""Where replication runs: fabrics, containers with their mappings, policies. Read only."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..answers import Answer, Json
from ..records.site_recovery import (
    ContainerMapping,
    Fabric,
    ProtectionContainer,
    ReplicationPolicy,
)
from ..routing import Context, Routes
from ..store import Record
from ..world import World
from .site_recovery import service_list
from .site_recovery_ids import (
    ACTION,
    CONTAINER,
    CONTAINER_TYPE,
    FABRIC,
    TYPE,
    VAULT,
    container_of,
    fabric_of,
    last,
    require,
    require_container,
    require_vault,
    service_id,
    vault_of,
)

ROUTES = Routes()
R = TypeVar("R", bound=Record)
FABRIC_READ = ACTION + "/replicationFabrics/read"
CONTAINER_READ = ACTION + "/replicationFabrics/replicationProtectionContainers/read"
MAPPING_READ = (
    ACTION + "/replicationFabrics/replicationProtectionContainers/replicationProtectionContainerMappings/read"
)


def _list(ctx: Context, records: list[R], document: Callable[[World, R], Json]) -> Answer:
    return service_list(ctx, [document(ctx.world, record) for record in records])


def _friendly(world: World, resource_id: str) -> str:
    fabric = world.store.find(Fabric, fabric_of(resource_id))
    return fabric.friendly_name if fabric else ""


# fabrics ----------------------------------------------------------------------------------------------------


def fabric_document(world: World, fabric: Fabric, *, detail: bool) -> dict[str, Json]:
    """The list is thinner: no container ids, no zones."""
    fabric_id = service_id(fabric.id)
    inside = world.store.all(ProtectionContainer, under=fabric.id) if detail else []
    no_key = {"kekState": "None", "kekCertThumbprint": None}
    custom: dict[str, Json] = {
        "instanceType": "Azure",
        "location": fabric.location,
        "containerIds": [f"{fabric_id}/replicationProtectionContainers/{each.guid}" for each in inside],
        "zones": [],
    }
    if not detail:
        custom = {"instanceType": "Azure", "location": fabric.location, "containerIds": None}
    return {
        "name": fabric.name,
        "type": TYPE + "/replicationFabrics",
        "id": fabric_id,
        "properties": {
            "friendlyName": fabric.friendly_name,
            "encryptionDetails": dict(no_key),
            "rolloverEncryptionDetails": dict(no_key),
            "internalIdentifier": fabric.guid,
            "bcdrState": "Valid",
            "customDetails": custom,
            "healthErrorDetails": [],
            "health": "Normal",
        },
    }


@ROUTES.get(VAULT + "/replicationFabrics", action=FABRIC_READ)
def list_fabrics(ctx: Context) -> Answer:
    fabrics = ctx.world.store.all(Fabric, under=require_vault(ctx))
    return _list(ctx, fabrics, lambda world, fabric: fabric_document(world, fabric, detail=False))


@ROUTES.get(FABRIC, action=FABRIC_READ)
def get_fabric(ctx: Context) -> Answer:
    fabric = require(ctx, Fabric, FABRIC.format_map(ctx.params))
    return Answer(200, fabric_document(ctx.world, fabric, detail=True))


# containers and their mappings ------------------------------------------------------------------------------


def _mappings_of(world: World, container_id: str) -> list[ContainerMapping]:
    """Both directions: from this container and to it."""
    wanted = container_id.lower()
    return [
        mapping
        for mapping in world.store.all(ContainerMapping, under=vault_of(container_id))
        if wanted in (container_of(mapping.id).lower(), mapping.target_container_id.lower())
    ]


def container_document(world: World, container: ProtectionContainer) -> dict[str, Json]:
    paired = bool(_mappings_of(world, container.id))
    return {
        "id": service_id(container.id),
        "name": container.name,
        "type": CONTAINER_TYPE,
        "properties": {
            "fabricFriendlyName": _friendly(world, container.id),
            "friendlyName": container.name,
            "fabricType": "Azure",
            "protectedItemCount": 0,
            "pairingStatus": "Paired" if paired else "NotPaired",
            "role": "Primary" if paired else "",
            "fabricSpecificDetails": None,
        },
    }


@ROUTES.get(VAULT + "/replicationProtectionContainers", action=CONTAINER_READ)
def list_vault_containers(ctx: Context) -> Answer:
    containers = ctx.world.store.all(ProtectionContainer, under=require_vault(ctx))
    return _list(ctx, containers, container_document)


@ROUTES.get(FABRIC + "/replicationProtectionContainers", action=CONTAINER_READ)
def list_fabric_containers(ctx: Context) -> Answer:
    fabric = require(ctx, Fabric, FABRIC.format_map(ctx.params))
    return _list(ctx, ctx.world.store.all(ProtectionContainer, under=fabric.id), container_document)


@ROUTES.get(CONTAINER, action=CONTAINER_READ)
def get_container(ctx: Context) -> Answer:
    return Answer(200, container_document(ctx.world, require_container(ctx)))


def mapping_document(world: World, mapping: ContainerMapping) -> dict[str, Json]:
    source_id = container_of(mapping.id)
    source = world.store.find(ProtectionContainer, source_id)
    account = mapping.automation_account_id
    identity = "SystemAssignedIdentity" if account else "RunAsAccount"
    schedule = f"{mapping.name}_{source.guid if source else ''}"
    return {
        "id": service_id(mapping.id),
        "name": mapping.name,
        "type": CONTAINER_TYPE + "/replicationProtectionContainerMappings",
        "properties": {
            "targetProtectionContainerId": service_id(mapping.target_container_id),
            "targetProtectionContainerFriendlyName": last(mapping.target_container_id),
            "providerSpecificDetails": {
                "instanceType": "A2A",
                "agentAutoUpdateStatus": "Enabled" if account else "Disabled",
                "automationAccountAuthenticationType": identity,
                "automationAccountArmId": account or None,
                "scheduleName": schedule if account else None,
                "jobScheduleName": mapping.job_schedule_name or None,
            },
            "health": "Normal",
            "healthErrorDetails": [],
            "policyId": service_id(mapping.policy_id),
            "state": "Paired",
            "sourceProtectionContainerFriendlyName": last(source_id),
            "sourceFabricFriendlyName": _friendly(world, source_id),
            "targetFabricFriendlyName": _friendly(world, mapping.target_container_id),
            "policyFriendlyName": last(mapping.policy_id),
        },
    }


@ROUTES.get(VAULT + "/replicationProtectionContainerMappings", action=MAPPING_READ)
def list_vault_mappings(ctx: Context) -> Answer:
    mappings = ctx.world.store.all(ContainerMapping, under=require_vault(ctx))
    return _list(ctx, mappings, mapping_document)


@ROUTES.get(CONTAINER + "/replicationProtectionContainerMappings", action=MAPPING_READ)
def list_container_mappings(ctx: Context) -> Answer:
    container = require_container(ctx)
    return _list(ctx, _mappings_of(ctx.world, container.id), mapping_document)


@ROUTES.get(CONTAINER + "/replicationProtectionContainerMappings/{mapping}", action=MAPPING_READ)
def get_mapping(ctx: Context) -> Answer:
    container = require_container(ctx)
    mapping_id = f"{container.id}/replicationProtectionContainerMappings/{ctx.params['mapping']}"
    return Answer(200, mapping_document(ctx.world, require(ctx, ContainerMapping, mapping_id)))


# policies ---------------------------------------------------------------------------------------------------


def policy_document(world: World, policy: ReplicationPolicy) -> dict[str, Json]:
    return {
        "id": service_id(policy.id),
        "name": policy.name,
        "type": TYPE + "/replicationPolicies",
        "properties": {
            "friendlyName": policy.name,
            "providerSpecificDetails": {
                "instanceType": "A2A",
                "recoveryPointThresholdInMinutes": 0,
                "recoveryPointHistory": policy.retention_minutes,
                "appConsistentFrequencyInMinutes": policy.app_consistent_minutes,
                "multiVmSyncStatus": "Enabled" if policy.multi_vm_sync else "Disabled",
                "crashConsistentFrequencyInMinutes": policy.crash_consistent_minutes,
                "status": False,
                "associatedItemsCount": 0,
                "dataSourceType": "VM",
            },
        },
    }


@ROUTES.get(VAULT + "/replicationPolicies", action=ACTION + "/replicationPolicies/read")
def list_policies(ctx: Context) -> Answer:
    return _list(ctx, ctx.world.store.all(ReplicationPolicy, under=require_vault(ctx)), policy_document)


@ROUTES.get(VAULT + "/replicationPolicies/{policy}", action=ACTION + "/replicationPolicies/read")
def get_policy(ctx: Context) -> Answer:
    policy_id = f"{require_vault(ctx)}/replicationPolicies/{ctx.params['policy']}"
    return Answer(200, policy_document(ctx.world, require(ctx, ReplicationPolicy, policy_id)))
