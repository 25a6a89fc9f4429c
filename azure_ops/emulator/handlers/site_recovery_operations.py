"""Long-running operations: status and result. The guid of one is the name of its job, which tells it all."""

from __future__ import annotations

from ..answers import Answer, Json, Refusal
from ..records.site_recovery import ReplicatedItem, ReplicationJob
from ..routing import Context, Routes
from .site_recovery import replicated_item_document
from .site_recovery_ids import ACTION, ITEM, VAULT, not_found, require_vault, service_time, whole_second
from .site_recovery_jobs import JOB, job_document

ROUTES = Routes()
OPERATION_ACTION = ACTION + "/replicationOperationStatus/read"
OPERATION_STATUS = {
    "NotStarted": "NotStarted",
    "Succeeded": "Succeeded",
    "Failed": "Failed",
    "Cancelled": "Canceled",
}
"""Every other state of a job is an operation InProgress."""


def require_operation_job(ctx: Context) -> ReplicationJob:
    job_id = f"{require_vault(ctx)}/replicationJobs/{ctx.params['operation']}"
    job = ctx.world.store.find(ReplicationJob, job_id)
    if job is None:
        raise not_found(ctx, ctx.params["operation"])
    return job


def _retry_after(ctx: Context, job: ReplicationJob) -> dict[str, str]:
    return {} if job.ended_at else {"Retry-After": str(ctx.world.clock.retry_after(30))}


def _operation_error(job: ReplicationJob) -> Json:
    """Of a failed operation; or the warning that a successful one carries."""
    if job.errors:
        code, message = job.errors[0].code, job.errors[0].message
    elif job.warning is not None:
        code, message = job.warning
    else:
        return None
    return {"code": code, "message": message, "details": None}


@ROUTES.get(VAULT + "/replicationOperationStatus/{operation}", action=OPERATION_ACTION)
def get_operation_status(ctx: Context) -> Answer:
    """The end is printed in whole seconds, so it can be earlier than the start, as recorded."""
    job = require_operation_job(ctx)
    status = OPERATION_STATUS.get(job.state, "InProgress")
    end = whole_second(job.ended_at)[:-1] + ".0000000Z" if job.ended_at else None
    body = {
        "error": _operation_error(job),
        "id": None,
        "name": job.name,
        "properties": None,
        "status": status,
        "startTime": service_time(job.started_at) if job.started_at else None,
        "endTime": end,
        "percentComplete": None,
    }
    return Answer(200, body, _retry_after(ctx, job))


def unfinished_answer(ctx: Context, job: ReplicationJob) -> Answer | None:
    """202 until the job ended; its error when it did not end well."""
    if job.ended_at is None:
        return Answer(202, None, _retry_after(ctx, job))
    if job.state == "Succeeded":
        return None
    code, message = (job.errors[0].code, job.errors[0].message) if job.errors else ("Canceled", "Canceled.")
    raise Refusal(400, code, message)


@ROUTES.get(ITEM + "/operationresults/{operation}", action=OPERATION_ACTION)
def get_item_operation_result(ctx: Context) -> Answer:
    """The item; 204 when it is gone."""
    job = require_operation_job(ctx)
    if (unfinished := unfinished_answer(ctx, job)) is not None:
        return unfinished
    item = ctx.world.store.find(ReplicatedItem, job.result_id)
    return Answer(204) if item is None else Answer(200, replicated_item_document(ctx.world, item))


@ROUTES.get(JOB + "/operationresults/{operation}", action=OPERATION_ACTION)
def get_job_operation_result(ctx: Context) -> Answer:
    """Of cancel and resume: the job itself; of a restart: the restarting job (documented)."""
    acting = require_operation_job(ctx)
    if (unfinished := unfinished_answer(ctx, acting)) is not None:
        return unfinished
    job = ctx.world.store.find(ReplicationJob, acting.result_id) if acting.hidden else acting
    return Answer(204) if job is None else Answer(200, job_document(ctx.world, job, detail=True))
