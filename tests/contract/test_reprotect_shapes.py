"""A re-protected item and its job against the SDK's models and, where they lie at hand, the recordings."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.mgmt.recoveryservicessiterecovery import models

from azure_ops.emulator.clock import Clock
from azure_ops.emulator.fleets import contoso
from azure_ops.emulator.handlers import all_routes
from azure_ops.emulator.handlers.site_recovery import replicated_item_document
from azure_ops.emulator.handlers.site_recovery_jobs import job_document
from azure_ops.emulator.records import KINDS
from azure_ops.emulator.records.site_recovery import FAILOVER_COMMITTED, ReplicatedItem, ReplicationJob
from azure_ops.emulator.routing import Context, Principal
from azure_ops.emulator.store import Store
from azure_ops.emulator.world import World
from azure_ops.services.reprotect import failed_over, switch_input

from .known_shapes import RECORDINGS, unknown_to_model, value_kinds

needs_recordings = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="no recordings beside the checkout")


def advance(world: World, seconds: float) -> None:
    world.clock.advance(seconds)
    world.catch_up()


def asked_of(world: World, item: ReplicatedItem) -> dict[str, Any]:
    """The client's own body."""
    told = failed_over(replicated_item_document(world, item))
    vault_group = item.id.split("/providers/")[0]
    account = f"{vault_group}/providers/Microsoft.Storage/storageAccounts/stcontosocachewus"
    group = item.vm_id.split("/providers/")[0]
    made: dict[str, Any] = switch_input(told, group_id=group, account_id=account, zone="").as_dict()
    return made


@pytest.fixture(scope="module")
def switched() -> tuple[World, ReplicatedItem, dict[str, Any], dict[str, Any]]:
    """The world, the item after its switch, the job on its way and the request."""
    world = World(Store(None, KINDS, seed=1), Clock(datetime(2026, 8, 22, 14, tzinfo=UTC), speed=0))
    contoso.seed(world)
    item = next(one for one in world.store.all(ReplicatedItem) if one.state == FAILOVER_COMMITTED)
    container = item.id.split("/replicationProtectedItems/")[0]
    found = all_routes().match("POST", f"{container}/switchprotection")
    assert found is not None
    route, params = found
    body = asked_of(world, item)
    context = Context(
        world=world, principal=Principal("tester", "", ()), method="POST", base_url="https://x",
        path=container, params=params, query={}, headers={}, body=body, now=world.clock.now(),
    )  # fmt: skip
    with world.store.transaction():
        assert route.handler(context).status == 202
    advance(world, 60)
    job = next(one for one in world.store.all(ReplicationJob) if one.scenario.startswith("Switch"))
    running = job_document(world, job, detail=True)
    advance(world, 600)
    back = next(one for one in world.store.all(ReplicatedItem) if one.name == item.name)
    return world, back, running, body


def test_the_sdk_knows_every_member(switched: tuple[World, ReplicatedItem, dict[str, Any], Any]) -> None:
    world, back, running, _ = switched
    item = replicated_item_document(world, back)
    assert not unknown_to_model(item, models.ReplicationProtectedItem)
    assert not unknown_to_model(running, models.Job)
    read = models.Job(running).properties.custom_details
    assert isinstance(read, models.SwitchProtectionJobDetails)
    assert read.new_replication_protected_item_id == back.id


@needs_recordings
def test_item_job_and_request_are_as_recorded(
    switched: tuple[World, ReplicatedItem, dict[str, Any], dict[str, Any]],
) -> None:
    world, back, running, sent = switched
    scenarios = (RECORDINGS / "site_recovery" / "A2A_scenarios.jsonl").read_text().splitlines()
    recorded = {one["seq"]: one for one in map(json.loads, scenarios)}
    ours, theirs = (
        {path for path in value_kinds(one) if "Details.tags." not in path}
        for one in (replicated_item_document(world, back), recorded[111]["body"])
    )
    assert ours - theirs == {".properties.providerSpecificDetails.churnOptionSelected"}
    assert theirs - ours == set()
    asked = recorded[93]["request_body"]
    assert set(value_kinds(sent)) - set(value_kinds(asked)) <= {".properties.providerSpecificDetails.vmDisks"}
    assert set(value_kinds(asked)) - set(value_kinds(sent)) == set()
    jobs = (RECORDINGS / "site_recovery" / "azps_A2A_jobs.jsonl").read_text().splitlines()
    body = next(one["body"] for one in map(json.loads, jobs) if one["seq"] == 6)
    assert set(value_kinds(running)) == set(value_kinds(body))
    for word in ("taskId", "name", "friendlyName", "taskType"):
        assert [task[word] for task in running["properties"]["tasks"]] == [
            task[word] for task in body["properties"]["tasks"]
        ]
    assert running["properties"]["scenarioName"] == body["properties"]["scenarioName"]
    assert running["properties"]["friendlyName"] == body["properties"]["friendlyName"]
