"""Site Recovery documents against the SDK's models and, where they lie at hand, the recordings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.mgmt.recoveryservicessiterecovery import models

from azure_ops.emulator.clock import Clock
from azure_ops.emulator.fleets import contoso
from azure_ops.emulator.handlers import site_recovery_fabrics as fabrics
from azure_ops.emulator.handlers import site_recovery_health as health
from azure_ops.emulator.handlers import site_recovery_networks as networks
from azure_ops.emulator.handlers import site_recovery_plans as plans
from azure_ops.emulator.handlers.site_recovery import (
    points_of,
    recovery_point_document,
    replicated_item_document,
)
from azure_ops.emulator.handlers.site_recovery_jobs import job_document
from azure_ops.emulator.records import KINDS
from azure_ops.emulator.records.backup import Vault
from azure_ops.emulator.records.site_recovery import (
    ContainerMapping,
    Fabric,
    NetworkMapping,
    ProtectionContainer,
    RecoveryPlan,
    ReplicatedItem,
    ReplicationEvent,
    ReplicationJob,
    ReplicationPolicy,
)
from azure_ops.emulator.store import Store
from azure_ops.emulator.world import World

from .known_shapes import RECORDINGS, recorded_kinds, unknown_to_model, value_kinds

RECORDED_FOR_OTHERS = {
    "providerspecificdetails.status",
    "providerspecificdetails.associateditemscount",
    "providerspecificdetails.datasourcetype",
}
"""Members of policies that the SDK has no field for and the recordings have."""
NEW_SINCE = {".properties.providerSpecificDetails.churnOptionSelected"}
"""In the SDK's model and in later responses, not in the recorded item."""


@pytest.fixture(scope="module")
def world() -> World:
    made = World(Store(None, KINDS, seed=1), Clock(datetime(2026, 8, 22, 14, tzinfo=UTC), speed=0))
    contoso.seed(made)
    return made


def documents(world: World) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Every document of the fleet with its model."""
    every = world.store.all
    for fabric in every(Fabric):
        yield models.Fabric, fabrics.fabric_document(world, fabric, detail=True)
        yield models.Fabric, fabrics.fabric_document(world, fabric, detail=False)
    for container in every(ProtectionContainer):
        yield models.ProtectionContainer, fabrics.container_document(world, container)
    for mapping in every(ContainerMapping):
        yield models.ProtectionContainerMapping, fabrics.mapping_document(world, mapping)
    for policy in every(ReplicationPolicy):
        yield models.Policy, fabrics.policy_document(world, policy)
    for network in every(NetworkMapping):
        yield models.NetworkMapping, networks.network_mapping_document(world, network)
    for item in every(ReplicatedItem):
        yield models.ReplicationProtectedItem, replicated_item_document(world, item)
        for point in points_of(world, item)[:2]:
            yield models.RecoveryPoint, recovery_point_document(item, point)
    for job in every(ReplicationJob):
        yield models.Job, job_document(world, job, detail=True)
        yield models.Job, job_document(world, job, detail=False)
    for event in every(ReplicationEvent):
        yield models.Event, health.event_document(world, event)
    for plan in every(RecoveryPlan):
        yield models.RecoveryPlan, plans.plan_document(world, plan, detail=True)
    for vault in every(Vault):
        yield models.VaultHealthDetails, health.vault_health_document(world, vault.id)


def test_every_member_is_known_to_the_sdk_or_was_recorded(world: World) -> None:
    seen: set[str] = set()
    for model, document in documents(world):
        assert json.loads(json.dumps(document)) == document
        seen.add(model.__name__)
        unknown = {path.removeprefix(".properties.").lower() for path in unknown_to_model(document, model)}
        assert unknown <= RECORDED_FOR_OTHERS, (model.__name__, unknown)
    assert len(seen) == 11


def replicated(world: World, name: str) -> dict[str, Any]:
    item = next(item for item in world.store.all(ReplicatedItem) if item.vm_name == name)
    return replicated_item_document(world, item)


def test_the_models_read_what_they_should(world: World) -> None:
    """Discriminators resolve to the Azure-to-Azure classes, times to times."""
    item = models.ReplicationProtectedItem(replicated(world, "web-01"))
    assert isinstance(item.properties.provider_specific_details, models.A2AReplicationDetails)
    details = item.properties.provider_specific_details
    assert isinstance(details.protected_managed_disks[0], models.A2AProtectedManagedDiskDetails)
    assert details.last_heartbeat.tzinfo is not None
    kinds = set()
    for job in world.store.all(ReplicationJob):
        read = models.Job(job_document(world, job, detail=True))
        kinds.add(type(read.properties.custom_details))
        assert read.properties.start_time.tzinfo is not None
    assert {models.TestFailoverJobDetails, models.FailoverJobDetails, models.AsrJobDetails} <= kinds


needs_recordings = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="no recordings beside the checkout")


@needs_recordings
def test_a_protected_item_has_the_recorded_members_and_no_other(world: World) -> None:
    recorded = RECORDINGS / "site_recovery" / "A2A_scenarios.jsonl"
    exchanges = [json.loads(line) for line in recorded.read_text().splitlines()]
    body = next(exchange["body"] for exchange in exchanges if exchange["seq"] == 73)
    fresh = next(
        document
        for document in (replicated_item_document(world, item) for item in world.store.all(ReplicatedItem))
        if [error["errorCode"] for error in document["properties"]["healthErrors"]] == ["161011"]
    )
    ours, theirs = (
        {path: kinds for path, kinds in value_kinds(one).items() if "Details.tags." not in path}
        for one in (fresh, body)
    )
    assert set(ours) - set(theirs) == NEW_SINCE
    assert set(theirs) - set(ours) == set()
    assert list(fresh["properties"]) == list(body["properties"])


@needs_recordings
@pytest.mark.parametrize(
    "part",
    [
        "replicationFabrics",
        "replicationPolicies",
        "replicationProtectionContainers",
        "replicationProtectionContainerMappings",
        "replicationNetworkMappings",
        "replicationProtectedItems",
        "replicationJobs",
        "replicationRecoveryPlans",
        "replicationVaultHealth",
    ],
)
def test_values_have_the_recorded_kinds(world: World, part: str) -> None:
    """A member that was recorded has, at the same place, a kind that was recorded there; a place where only
    null was recorded tells nothing."""
    checked = 0
    for _, document in documents(world):
        if not document["type"].endswith(part):
            continue
        known = recorded_kinds()[document["type"].lower()]
        for path, kinds in value_kinds(document).items():
            if known.get(path, {"NoneType"}) != {"NoneType"}:
                assert kinds <= known[path] | {"NoneType"}, (path, kinds, known[path])
                checked += 1
    assert checked > 10


@needs_recordings
def test_a_failover_job_has_the_recorded_members(world: World) -> None:
    recorded = RECORDINGS / "site_recovery" / "azps_A2A_jobs.jsonl"
    exchanges = [json.loads(line) for line in recorded.read_text().splitlines()]
    body = next(exchange["body"] for exchange in exchanges if exchange["seq"] == 3)
    job = next(
        job
        for job in world.store.all(ReplicationJob)
        if job.scenario == "UnplannedFailover" and job.state == "Succeeded"
    )
    ours = job_document(world, job, detail=True)
    assert set(value_kinds(ours)) == set(value_kinds(body))
    assert [task["taskId"] for task in ours["properties"]["tasks"]] == [
        task["taskId"] for task in body["properties"]["tasks"]
    ]
    assert [task["friendlyName"] for task in ours["properties"]["tasks"]] == [
        task["friendlyName"] for task in body["properties"]["tasks"]
    ]
    assert list(ours["properties"]) == list(body["properties"])
