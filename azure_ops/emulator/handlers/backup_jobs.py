"""Backup jobs as documents, their list and their details.

Quirks kept from the recordings: the list lacks extended information and errors; `Cancellable` stays on
finished jobs; a transfer shows `NotStarted` for minutes after the snapshot ended; percentages come late,
in leaps, and in some regions never."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from ..answers import Answer, Json, Refusal
from ..clock import wire_time
from ..records.backup import BackupJob, BackupTask
from ..routing import Context, Routes, paged
from ..world import World
from .backup_restore_info import restore_info
from .formats import NOT_YET, iso_duration
from .odata import parse_filter, parse_filter_time
from .vaults import PROVIDER, VAULT, find_vault

ROUTES = Routes()
PAGE = 200
LEAPS = ((0.5, 1.0), (0.8, 75.0), (0.95, 90.0), (2.0, 99.0))
"""Share of the transfer done, and the percentage that the service shows until then."""


def job_document(world: World, job: BackupJob, *, detail: bool) -> dict[str, Json]:
    """`detail` is what GET of one job gives; without it, an entry of the list."""
    now = world.clock.now()
    errors = [
        {
            "errorCode": error.code,
            "errorTitle": error.title,
            "errorString": error.message,
            "recommendations": error.recommendations,
        }
        for error in job.errors
    ]
    properties: dict[str, Json] = {
        "jobType": "AzureIaaSVMJob",
        **({"actionsInfo": ["Cancellable"]} if job.cancellable else {}),
        "containerName": job.container_name,
        "duration": iso_duration((job.ended_at or now) - job.started_at),
        **({"errorDetails": errors} if detail and errors else {}),
        "virtualMachineVersion": "Compute",
        **({"extendedInfo": extended(job, now)} if detail else {}),
        "entityFriendlyName": job.entity_name,
        "backupManagementType": "AzureIaasVM",
        "operation": job.operation,
        "status": job.status,
        "startTime": wire_time(job.started_at),
        **({"endTime": wire_time(job.ended_at)} if job.ended_at else {}),
        "activityId": job.activity_id,
    }
    return {
        "id": job.id,
        "name": job.name,
        "type": "Microsoft.RecoveryServices/vaults/backupJobs",
        "properties": properties,
    }


def extended(job: BackupJob, now: datetime) -> dict[str, Json]:
    if job.restore is not None:
        return restore_info(job, job.restore, now)
    progress = _progress(job, now) if job.shows_progress else None
    return {
        "tasksList": [_task(task, now) for task in job.tasks],
        "propertyBag": job.property_bag,
        "internalPropertyBag": job.internal_property_bag,
        **({"progressPercentage": progress} if progress is not None else {}),
    }


def _task(task: BackupTask, now: datetime) -> dict[str, Json]:
    shown_start = task.started_at if task.status != "NotStarted" else None
    duration = (task.ended_at or now) - shown_start if shown_start else timedelta()
    return {
        "taskId": task.task_id,
        "startTime": wire_time(shown_start) if shown_start else NOT_YET,
        "endTime": wire_time(task.ended_at) if task.ended_at else NOT_YET,
        "duration": iso_duration(duration),
        "status": task.status,
        "taskType": "Normal",
    }


def _progress(job: BackupJob, now: datetime) -> float | None:
    """None until the transfer shows as running; 100 from its end on, though the job may still validate."""
    transfer = next((task for task in job.tasks if task.task_id == "Transfer data to vault"), None)
    if transfer is None or transfer.started_at is None or transfer.status == "NotStarted":
        return None
    if transfer.status == "Completed":
        return 100.0
    if transfer.status != "InProgress":
        return None
    share = (now - transfer.started_at).total_seconds() / max(transfer.expected_s, 1.0)
    return next(percent for until, percent in LEAPS if share < until or until > 1)


def find_job(ctx: Context) -> BackupJob:
    name = ctx.params["job"]
    job = ctx.world.store.find(BackupJob, f"{find_vault(ctx).id}/backupJobs/{name}")
    if job is None:
        raise Refusal(404, "BMSUserErrorJobNotFound", f"The job '{name}' was not found in this vault.")
    return job


JOB_FIELDS: dict[str, Callable[[BackupJob], str]] = {
    "status": lambda job: job.status,
    "operation": lambda job: job.operation,
    "jobId": lambda job: job.name,
    "backupManagementType": lambda job: "AzureIaasVM",
}


@ROUTES.get(VAULT + "/backupJobs", action=f"{PROVIDER}/backupJobs/read")
def list_jobs(ctx: Context) -> Answer:
    """Newest first. `startTime` and `endTime` bound the start of the jobs."""
    terms = parse_filter(ctx.query.get("$filter", ""), (*JOB_FIELDS, "startTime", "endTime"))
    since = parse_filter_time(terms.pop("starttime")) if "starttime" in terms else None
    until = parse_filter_time(terms.pop("endtime")) if "endtime" in terms else None
    fields = {name.lower(): field for name, field in JOB_FIELDS.items()}
    jobs = [
        job
        for job in ctx.world.store.all(BackupJob, find_vault(ctx).id)
        if all(fields[name](job).lower() == value.lower() for name, value in terms.items())
        and (since is None or job.started_at >= since)
        and (until is None or job.started_at <= until)
    ]
    jobs.sort(key=lambda job: job.started_at, reverse=True)
    page = paged(ctx, jobs, PAGE, "$skipToken")
    documents = [job_document(ctx.world, job, detail=False) for job in page["value"]]
    return Answer(200, {**page, "value": documents})


@ROUTES.get(VAULT + "/backupJobs/{job}", action=f"{PROVIDER}/backupJobs/read")
def get_job(ctx: Context) -> Answer:
    return Answer(200, job_document(ctx.world, find_job(ctx), detail=True))
