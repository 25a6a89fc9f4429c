"""For fleets: drills, failovers and commits that happened before the world began, with machines and jobs."""

from __future__ import annotations

from datetime import datetime, timedelta

from ..records.site_recovery import FAILOVER_COMMIT_PENDING, PROTECTED, ReplicatedItem, ReplicationJob
from ..world import World
from . import site_recovery_effects as effects
from .site_recovery_ids import vault_of
from .site_recovery_replication import Point
from .site_recovery_runner import SCENARIOS, affected_details
from .site_recovery_scenarios import failover_outcome, test_outcome


def past_job(
    world: World, item: ReplicatedItem, scenario: str, at: datetime, inputs: dict[str, str]
) -> ReplicationJob:
    """A job of the item that ended well, with its steps at their usual lengths."""
    job = ReplicationJob(
        id=f"{vault_of(item.id)}/replicationJobs/{world.store.new_guid()}",
        scenario=scenario,
        state="Succeeded",
        state_description="Completed",
        accepted_at=at,
        started_at=at,
        item_id=item.id,
        object_id=item.guid,
        object_name=item.vm_name,
        result_id=item.id,
        client_request_id=world.store.new_guid(),
        activity_guid=world.store.new_guid(),
        inputs=inputs,
        affected=affected_details(world, item),
    )
    job.tasks = SCENARIOS[scenario].tasks(world, job)
    moment = at + timedelta(seconds=2)
    for task in job.tasks:
        task.started_at = moment
        if task.skipped:
            task.state, task.state_description = "Other", "Skipped"
            continue
        moment += timedelta(seconds=task.duration_s)
        task.state, task.state_description, task.ended_at = "Succeeded", "Completed", moment
    job.step, job.ended_at = len(job.tasks), moment
    world.store.save(job)
    return job


def _noted(job: ReplicationJob, point: Point) -> None:
    job.inputs.update(point=point.guid, point_at=point.at.isoformat())


def seed_test_failover(world: World, item: ReplicatedItem, network_id: str, at: datetime) -> None:
    """A drill begun at `at` and never cleaned up."""
    assert item.state == PROTECTED
    job = past_job(world, item, "TestFailover", at, {"network": network_id})
    _noted(job, effects.latest_point(world, item, at))
    effects.make_test_vm(world, item, network_id, at + timedelta(seconds=110), "running", point_at=at)
    item.test_failover_job_id, item.last_test_failover_at = job.id, at
    job.outcome = test_outcome(item, job)
    world.store.save(item)
    world.store.save(job)


def seed_failover(world: World, item: ReplicatedItem, at: datetime, *, shut_down: bool = True) -> None:
    """A failover begun at `at`, not committed."""
    assert item.state == PROTECTED
    inputs = {"source_site_operations": "Required" if shut_down else "NotRequired"}
    job = past_job(world, item, "UnplannedFailover", at, inputs)
    point = effects.latest_point(world, item, at)
    _noted(job, point)
    item.frozen_at = at
    if shut_down:
        effects.set_power(world, item.vm_id, "deallocated", at + timedelta(seconds=71))
    effects.make_recovery_vm(world, item, at + timedelta(seconds=108), "running", point_at=point.at)
    effects.mark_failed_over(world, item, point, at)
    job.outcome = failover_outcome(item, job, item.recovery_network_id)
    world.store.save(job)


def seed_commit(world: World, item: ReplicatedItem, at: datetime) -> None:
    """After `seed_failover`: committed at `at`."""
    assert item.state == FAILOVER_COMMIT_PENDING
    past_job(world, item, "CommitFailover", at, {})
    effects.mark_committed(world, item)
