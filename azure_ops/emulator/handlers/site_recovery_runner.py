"""Runs jobs: one event per step, the work of each scenario at its steps, failures, cancellation, restart.

A scenario registers itself in `SCENARIOS`; `accept` starts its job and answers 202 as the service does. All
times follow the events' own times, so that a clock that jumps runs every step at its moment.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

from ..answers import Answer
from ..records.site_recovery import (
    Fabric,
    JobError,
    JobTask,
    ProtectionContainer,
    ReplicatedItem,
    ReplicationEvent,
    ReplicationJob,
)
from ..routing import Context
from ..store import Event
from ..world import World, happens
from .site_recovery_ids import container_of, derived_guid, fabric_of, last, service_id, vault_of

STEP = "site_recovery.step"
CANCELLED = "site_recovery.cancelled"
START_DELAY_S = 1.5
"""A fresh job is NotStarted and nameless for a moment."""
CANCEL_DELAY_S = 12.0
FAILS_AFTER = 0.5
"""A step that is going to fail does so after that share of its time."""
FILETIME_EPOCH_S = 11_644_473_600


class Scenario:
    """One kind of job. The hooks change the world; the runner keeps the job and its tasks."""

    name: ClassVar[str]
    title: ClassVar[str]
    operation: ClassVar[str] = ""
    """The member of `allowedOperations` that permits it; empty for jobs that no item's state guards."""

    def tasks(self, world: World, job: ReplicationJob) -> list[JobTask]:
        raise NotImplementedError

    def begin(self, world: World, job: ReplicationJob, task: JobTask, at: datetime) -> JobError | None:
        """At the start of a step; an error returned fails the job there."""

    def done(self, world: World, job: ReplicationJob, task: JobTask, at: datetime) -> None:
        """At the good end of a step."""

    def finish(self, world: World, job: ReplicationJob, at: datetime) -> None:
        """At the good end of the job."""

    def undo(self, world: World, job: ReplicationJob, at: datetime) -> None:
        """The job failed or was cancelled (its state says which): back to a state that is true."""


SCENARIOS: dict[str, Scenario] = {}


def scenario(cls: type[Scenario]) -> type[Scenario]:
    SCENARIOS[cls.name] = cls()
    return cls


def step(task_id: str, name: str, friendly_name: str, duration_s: float, *, skipped: bool = False) -> JobTask:
    return JobTask(
        task_id=task_id, name=name, friendly_name=friendly_name, duration_s=duration_s, skipped=skipped
    )


def item_of(world: World, job: ReplicationJob) -> ReplicatedItem | None:
    return world.store.find(ReplicatedItem, job.item_id) if job.item_id else None


# start ------------------------------------------------------------------------------------------------------


def new_job(ctx: Context, name: str, vault_id: str, result_id: str, inputs: dict[str, str]) -> ReplicationJob:
    """A job of the vault that holds no item yet."""
    guid = ctx.world.store.new_guid()
    return ReplicationJob(
        id=f"{vault_id}/replicationJobs/{guid}",
        scenario=name,
        accepted_at=ctx.now,
        result_id=result_id,
        client_request_id=ctx.client_request_id,
        activity_guid=ctx.world.store.new_guid(),
        inputs=inputs,
    )


def accept(
    ctx: Context,
    name: str,
    item: ReplicatedItem,
    inputs: dict[str, str],
    warning: tuple[str, str] | None = None,
) -> Answer:
    """Starts the item's job. The caller has checked that the item's state allows it."""
    job = new_job(ctx, name, vault_of(item.id), item.id, inputs)
    job.warning = warning
    job.item_id = item.id
    job.object_id, job.object_name = item.guid, item.vm_name
    job.affected = affected_details(ctx.world, item)
    item.job_id = job.id
    ctx.world.store.save(item)
    launch(ctx.world, job, ctx.now)
    return accepted(ctx, job, f"{item.id}/operationresults")


def launch(world: World, job: ReplicationJob, at: datetime) -> None:
    _schedule(world, job, at + timedelta(seconds=START_DELAY_S), STEP)
    world.store.save(job)


def accepted(ctx: Context, job: ReplicationJob, results_path: str) -> Answer:
    """202, empty body, the two poll addresses and the job's id for `x-ms-request-id`."""
    vault_id, guid = service_id(vault_of(job.id)), last(job.id)
    query = f"api-version={ctx.api_version}"
    return Answer(
        202,
        None,
        {
            "Azure-AsyncOperation": f"{ctx.base_url}{vault_id}/replicationOperationStatus/{guid}?{query}",
            "Location": f"{ctx.base_url}{service_id(results_path)}/{guid}?{query}",
            "Retry-After": str(ctx.world.clock.retry_after(30)),
            "x-ms-request-id": service_id(job.id),
        },
    )


def affected_details(world: World, item: ReplicatedItem) -> dict[str, str]:
    details = {
        "primaryVmId": item.guid,
        "primaryVmName": item.vm_name,
        "recoveryVmId": "",
        "recoveryVmName": (item.recovery_vm_name or item.vm_name).lower(),
        "protectionProfileId": derived_guid(item.policy_id, "profile"),
    }
    for side, container_id in (("primary", container_of(item.id)), ("recovery", item.recovery_container_id)):
        container = world.store.find(ProtectionContainer, container_id)
        fabric = world.store.find(Fabric, fabric_of(container_id))
        details[f"{side}CloudId"] = container.guid if container else ""
        details[f"{side}CloudName"] = last(container_id)
        details[f"{side}VmmId"] = fabric.guid if fabric else ""
        details[f"{side}VmmName"] = fabric.friendly_name if fabric else ""
    return {**details, "primaryFabricProviderId": "Azure", "recoveryFabricProviderId": "Azure"}


def _schedule(world: World, job: ReplicationJob, at: datetime, name: str, **payload: object) -> None:
    job.event_seq = world.store.schedule(at, name, {"job": job.id, **payload})
    world.on_schedule()


# steps ------------------------------------------------------------------------------------------------------


@happens(STEP)
def _step_due(world: World, event: Event) -> None:
    """The job's start, the good end of its running step, or the end that a fault asked for."""
    job = world.store.find(ReplicationJob, str(event.payload["job"]))
    if job is None or job.state not in ("NotStarted", "InProgress"):
        return
    kind = SCENARIOS[job.scenario]
    failure = event.payload.get("failure")
    if job.state == "NotStarted":
        job.state = job.state_description = "InProgress"
        job.started_at = job.accepted_at
        job.tasks = job.tasks or kind.tasks(world, job)
    elif failure is not None:
        code, message = failure
        _fail(world, job, _error(job, event.at, code, message), event.at)
        return
    else:
        task = job.tasks[job.step]
        task.state, task.state_description, task.ended_at = "Succeeded", "Completed", event.at
        kind.done(world, job, task, event.at)
        job.step += 1
    _begin_next(world, job, event.at)
    world.store.save(job)


def _begin_next(world: World, job: ReplicationJob, at: datetime) -> None:
    kind = SCENARIOS[job.scenario]
    while job.step < len(job.tasks):
        task = job.tasks[job.step]
        task.started_at = at
        if task.skipped:
            task.state, task.state_description = "Other", "Skipped"
            job.step += 1
            continue
        task.state = task.state_description = "InProgress"
        if (error := kind.begin(world, job, task, at)) is not None:
            _fail(world, job, error, at)
            return
        duration_s = task.duration_s * world.store.random.uniform(0.93, 1.07)
        failure = world.failure_at(job.scenario, _aimed_at(world, job), job.step + 1)
        if failure is None:
            _schedule(world, job, at + timedelta(seconds=duration_s), STEP)
        else:
            _schedule(world, job, at + timedelta(seconds=duration_s * FAILS_AFTER), STEP, failure=failure)
        return
    kind.finish(world, job, at)
    job.state, job.state_description = "Succeeded", "Completed"
    _end(world, job, at)


def _aimed_at(world: World, job: ReplicationJob) -> str:
    """What a fault's target is looked for in: the item's id, and its machine's for the readable name."""
    item = item_of(world, job)
    return f"{item.id} {item.vm_id}" if item else job.id


def _error(job: ReplicationJob, at: datetime, code: str, message: str) -> JobError:
    task_id = job.tasks[job.step].task_id if job.step < len(job.tasks) else ""
    return JobError(
        code=code,
        message=message,
        possible_causes=f"The step '{task_id}' of the job could not be completed.",
        recommended_action="Resolve the cause and restart the job. If the issue persists, contact Support.",
        task_id=task_id,
        at=at,
    )


def _fail(world: World, job: ReplicationJob, error: JobError, at: datetime) -> None:
    if job.step < len(job.tasks):
        task = job.tasks[job.step]
        task.state, task.state_description, task.ended_at = "Failed", "Failed", at
    job.errors.append(error)
    job.state = job.state_description = "Failed"
    SCENARIOS[job.scenario].undo(world, job, at)
    _end(world, job, at)
    _note_failure(world, job, at)


def _end(world: World, job: ReplicationJob, at: datetime) -> None:
    job.ended_at, job.event_seq = at, 0
    item = item_of(world, job)
    if item is not None and item.job_id == job.id:
        item.job_id = ""
        world.store.save(item)
    world.store.save(job)


def _note_failure(world: World, job: ReplicationJob, at: datetime) -> None:
    """A `JobStatus` event, as the vault's event list shows a job that failed."""
    item = item_of(world, job)
    event_name = f"JobStatusMonitoringEvent;{reversed_ticks(at)}_{derived_guid(job.id, 'failed')}"
    world.store.save(
        ReplicationEvent(
            id=f"{vault_of(job.id)}/replicationEvents/{event_name}",
            at=at,
            event_type="JobStatus",
            code=derived_guid(job.scenario, "event code"),
            description=f"{job.scenario} - Failed",
            severity="Critical",
            object_name=job.object_name,
            correlation_id=derived_guid(item.guid, "events") if item else "",
            fabric_id=fabric_of(job.item_id),
            item_id=job.item_id,
        )
    )


def reversed_ticks(at: datetime) -> int:
    """The number in an event's name: newest first when sorted (19 digits)."""
    return 2**63 - 1 - round((at.timestamp() + FILETIME_EPOCH_S) * 10_000_000)


# cancel and restart -----------------------------------------------------------------------------------------


def cancel(world: World, job: ReplicationJob, at: datetime) -> None:
    """The running step is left; the work is undone when the cancellation is through."""
    world.store.unschedule(job.event_seq)
    job.state = job.state_description = "Cancelling"
    _schedule(world, job, at + timedelta(seconds=CANCEL_DELAY_S), CANCELLED)
    world.store.save(job)


@happens(CANCELLED)
def _cancelled(world: World, event: Event) -> None:
    job = world.store.find(ReplicationJob, str(event.payload["job"]))
    if job is None or job.state != "Cancelling":
        return
    if job.step < len(job.tasks):
        task = job.tasks[job.step]
        task.state, task.state_description, task.ended_at = "Cancelled", "Cancelled", event.at
    job.state = job.state_description = "Cancelled"
    SCENARIOS[job.scenario].undo(world, job, event.at)
    _end(world, job, event.at)


def restart(world: World, job: ReplicationJob, at: datetime) -> None:
    """A failed job begins again from its first step, under its own name."""
    job.state = job.state_description = "NotStarted"
    job.tasks, job.errors, job.step, job.ended_at = [], [], 0, None
    item = item_of(world, job)
    if item is not None:
        item.job_id = job.id
        world.store.save(item)
    launch(world, job, at)
