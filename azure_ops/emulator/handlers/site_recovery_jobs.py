"""Replication jobs: their documents, list, cancel, restart, resume.

The list is thin, the single GET has the tree of tasks.
"""

from __future__ import annotations

from datetime import datetime

from ..answers import Answer, Json
from ..records.site_recovery import JobError, JobTask, ReplicationJob
from ..routing import Context, Routes
from ..world import World
from .site_recovery import service_list
from .site_recovery_bodies import properties, text
from .site_recovery_ids import (
    ACTION,
    TYPE,
    UNSET_TIME,
    VAULT,
    filter_time,
    filters,
    last,
    require,
    require_vault,
    service_id,
    service_refusal,
    service_time,
    whole_second,
)
from .site_recovery_runner import (
    SCENARIOS,
    Scenario,
    accepted,
    cancel,
    item_of,
    launch,
    new_job,
    restart,
    scenario,
    step,
)
from .site_recovery_states import require_operation

ROUTES = Routes()
JOB_ACTION = ACTION + "/replicationJobs"
JOB = VAULT + "/replicationJobs/{job}"
ALLOWED = {"InProgress": ["Cancel"], "Failed": ["Restart"], "Suspended": ["Cancel", "Resume"]}
CUSTOM_DETAILS = {
    "TestFailover": "TestFailoverJobDetails",
    "TestFailoverCleanup": "TestFailoverJobDetails",
    "UnplannedFailover": "FailoverJobDetails",
    "ChangePit": "FailoverJobDetails",
    "SwitchReplicationGroupProtection": "SwitchProtectionJobDetails",
}


# documents --------------------------------------------------------------------------------------------------


def job_document(world: World, job: ReplicationJob, *, detail: bool) -> dict[str, Json]:
    """As GET shows it, or (`detail` false) as a list does: no activity, tasks, errors or details."""
    named = job.state != "NotStarted"
    document: dict[str, Json] = {
        "activityId": f"{job.client_request_id} ActivityId: {job.activity_guid}" if detail else None,
        "scenarioName": job.scenario if named else None,
        "friendlyName": SCENARIOS[job.scenario].title if named else None,
        "state": job.state,
        "stateDescription": job.state_description,
        "tasks": [task_document(task) for task in job.tasks] if detail else [],
        "errors": [_error_document(job, error) for error in job.errors] if detail else [],
        **({"startTime": service_time(job.started_at)} if job.started_at else {}),
        **({"endTime": whole_second(job.ended_at)} if job.ended_at else {}),
        "allowedActions": list(ALLOWED.get(job.state, ())),
        "targetObjectId": job.object_id if named else None,
        "targetObjectName": job.object_name if named else None,
        "targetInstanceType": job.object_type if named else None,
        "customDetails": _custom_details(job, named) if detail else None,
    }
    return {
        "id": service_id(job.id),
        "name": job.name,
        "type": TYPE + "/replicationJobs",
        "properties": document,
    }


def task_document(task: JobTask) -> dict[str, Json]:
    group: dict[str, Json] | None = None
    if task.group:
        group = {**task.group, "childTasks": [task_document(child) for child in task.children]}
    return {
        "taskId": task.task_id,
        "name": task.name,
        "startTime": service_time(task.started_at) if task.started_at else UNSET_TIME,
        "endTime": service_time(task.ended_at) if task.ended_at else UNSET_TIME,
        "allowedActions": [],
        "friendlyName": task.friendly_name,
        "state": task.state,
        "stateDescription": task.state_description,
        "taskType": task.task_type,
        "customDetails": None if group else {**task.details, "instanceType": task.task_type},
        "groupTaskCustomDetails": group,
        "errors": [],
    }


def _error_document(job: ReplicationJob, error: JobError) -> dict[str, Json]:
    """Nobody recorded a filled one; the shape is the SDK's."""
    texts = {"possibleCauses": error.possible_causes, "recommendedAction": error.recommended_action}
    return {
        "serviceErrorDetails": {
            "code": error.code,
            "message": error.message,
            **texts,
            "activityId": job.activity_guid,
        },
        "providerErrorDetails": {
            "errorCode": int(error.code) if error.code.isdigit() else 0,
            "errorMessage": error.message,
            "errorId": error.code,
            **texts,
        },
        "errorLevel": "Error",
        "creationTime": service_time(error.at),
        "taskId": error.task_id,
    }


def _custom_details(job: ReplicationJob, named: bool) -> dict[str, Json]:
    kind = CUSTOM_DETAILS.get(job.scenario, "AsrJobDetails") if named else "AsrJobDetails"
    details: dict[str, Json] = {"instanceType": kind}
    if kind == "TestFailoverJobDetails":
        details |= _test_details(job)
    if kind == "SwitchProtectionJobDetails":
        details["newReplicationProtectedItemId"] = job.inputs["new_item"]
    elif kind != "AsrJobDetails":
        details["protectedItemDetails"] = [dict(job.outcome)] if job.outcome else []
    return {**details, "affectedObjectDetails": dict(job.affected) if named else {}}


def _test_details(job: ReplicationJob) -> dict[str, Json]:
    """A clean-up's details are empty, as recorded."""
    comments = job.inputs.get("comments", "")
    network = job.inputs.get("network", "")
    if not network:
        empty = dict.fromkeys(("networkName", "networkFriendlyName", "networkType"))
        return {"testFailoverStatus": None, "comments": comments, **empty}
    return {
        "testFailoverStatus": "Active" if job.ended_at is None else "Completed",
        "comments": comments,
        "networkName": last(network),
        "networkFriendlyName": last(network),
        "networkType": "VmNetworkAsInput",
    }


# jobs -------------------------------------------------------------------------------------------------------


@ROUTES.get(VAULT + "/replicationJobs", action=JOB_ACTION + "/read")
def list_jobs(ctx: Context) -> Answer:
    """Newest first."""
    vault_id = require_vault(ctx)
    wanted = filters(ctx, ("startTime", "endTime", "fabricId", "affectedObjectTypes", "jobStatus"))
    since, until = (
        filter_time(ctx, wanted[name]) if name in wanted else None for name in ("starttime", "endtime")
    )
    jobs = [
        job
        for job in ctx.world.store.all(ReplicationJob, under=vault_id)
        if not job.hidden
        and (since is None or job.accepted_at >= since)
        and (until is None or job.accepted_at <= until)
        and wanted.get("jobstatus", job.state).lower() == job.state.lower()
        and wanted.get("affectedobjecttypes", job.object_type).lower() == job.object_type.lower()
        and wanted.get("fabricid", "").lower() in job.item_id.lower()
    ]
    jobs.sort(key=lambda job: job.accepted_at, reverse=True)
    answer = service_list(ctx, jobs)
    assert isinstance(answer.body, dict)
    answer.body["value"] = [job_document(ctx.world, job, detail=False) for job in answer.body["value"]]
    return answer


def _require_job(ctx: Context) -> ReplicationJob:
    return require(ctx, ReplicationJob, JOB.format_map(ctx.params))


@ROUTES.get(JOB, action=JOB_ACTION + "/read")
def get_job(ctx: Context) -> Answer:
    return Answer(200, job_document(ctx.world, _require_job(ctx), detail=True))


def _require_action(ctx: Context, job: ReplicationJob, action: str) -> None:
    """Unverified on Azure: status and code."""
    allowed = ALLOWED.get(job.state, [])
    if action in allowed:
        return
    raise service_refusal(
        ctx,
        400,
        "BadRequest",
        "OperationNotAllowed",
        f"The action '{action}' is not allowed on the job '{job.name}' in its current state '{job.state}'.",
        "The job has ended or has not started.",
        f"Actions allowed now: {', '.join(allowed) or 'none'}.",
    )


@scenario
class JobAction(Scenario):
    """The operation behind a cancel or resume: polled like a job, never listed; unverified on Azure."""

    name, title = "JobAction", "Job action"

    def tasks(self, world: World, job: ReplicationJob) -> list[JobTask]:
        return [step("JobActionTask", "JobActionTask", "Acting on the job", 1)]


@scenario
class RestartJob(Scenario):
    name, title = "RestartJob", "Restart job"

    def tasks(self, world: World, job: ReplicationJob) -> list[JobTask]:
        return [step("RemediateWfTask", "RemediateTask", "Restarting job", 0.5)]

    def finish(self, world: World, job: ReplicationJob, at: datetime) -> None:
        failed = world.store.find(ReplicationJob, job.inputs["job"])
        if failed is not None:
            restart(world, failed, at)


def _act(ctx: Context, job: ReplicationJob, name: str, *, hidden: bool) -> Answer:
    """Starts the job that acts on `job` and answers for it; one that is listed holds the item meanwhile."""
    acting = new_job(ctx, name, require_vault(ctx), job.id, {"job": job.id})
    acting.hidden = hidden
    acting.object_id, acting.object_name, acting.object_type = job.object_id, job.object_name, job.object_type
    if not hidden and (item := item_of(ctx.world, job)) is not None:
        acting.item_id, item.job_id = item.id, acting.id
        ctx.world.store.save(item)
    launch(ctx.world, acting, ctx.now)
    return accepted(ctx, acting, f"{job.id}/operationresults")


@ROUTES.post(JOB + "/cancel", action=JOB_ACTION + "/cancel/action")
def cancel_job(ctx: Context) -> Answer:
    job = _require_job(ctx)
    _require_action(ctx, job, "Cancel")
    cancel(ctx.world, job, ctx.now)
    return _act(ctx, job, JobAction.name, hidden=True)


@ROUTES.post(JOB + "/restart", action=JOB_ACTION + "/restart/action")
def restart_job(ctx: Context) -> Answer:
    job = _require_job(ctx)
    _require_action(ctx, job, "Restart")
    item, operation = item_of(ctx.world, job), SCENARIOS[job.scenario].operation
    if item is not None and operation:
        require_operation(ctx, item, operation)
    return _act(ctx, job, RestartJob.name, hidden=False)


@ROUTES.post(JOB + "/resume", action=JOB_ACTION + "/resume/action")
def resume_job(ctx: Context) -> Answer:
    """A suspended job takes the comments and ends the wait of its step."""
    job = _require_job(ctx)
    comments = text(ctx, properties(ctx), "comments")
    _require_action(ctx, job, "Resume")
    job.inputs["comments"] = comments
    job.state = job.state_description = "InProgress"
    launch(ctx.world, job, ctx.now)
    return _act(ctx, job, JobAction.name, hidden=True)
