"""Starting a backup on demand and cancelling a job: the two requests that change what runs."""

from __future__ import annotations

from datetime import UTC, datetime

from ..answers import Answer, Refusal
from ..records.backup import STOPPED
from ..routing import Context, Routes
from .backup import ITEM, ITEM_ACTION, find_item
from .backup_jobs import find_job
from .backup_operations import JOB, accepted, make_operation
from .backup_runs import ON_DEMAND_RETENTION, running_backup, schedule_phase, start_backup
from .odata import invalid_input
from .vaults import PROVIDER, find_vault

ROUTES = Routes()


@ROUTES.post(ITEM + "/backup", action=f"{ITEM_ACTION}/backup/action")
def trigger_backup(ctx: Context) -> Answer:
    item = find_item(ctx)
    retain_until = _retain_until(ctx)
    if item.protection_state in STOPPED or item.soft_deleted_at:
        raise invalid_input("Backup cannot be triggered: protection of this item is stopped.")
    if running_backup(ctx.world, item):
        raise Refusal(
            409,
            "UserErrorBackupOperationInProgress",
            "Unable to initiate backup as another backup operation is currently in progress.",
        )
    job = start_backup(ctx.world, item, retain_until, ctx.client_request_id)
    subject_id = ctx.path.rsplit("/", 1)[0]
    return accepted(ctx, make_operation(ctx.world, find_vault(ctx), subject_id, job_id=job.name))


def _retain_until(ctx: Context) -> datetime:
    body = ctx.body if isinstance(ctx.body, dict) else {}
    properties = body.get("properties")
    if not isinstance(properties, dict) or properties.get("objectType") != "IaasVMBackupRequest":
        raise invalid_input("The request must carry properties of objectType 'IaasVMBackupRequest'.")
    given = properties.get("recoveryPointExpiryTimeInUTC")
    if given is None:
        return ctx.now + ON_DEMAND_RETENTION
    try:
        until = datetime.fromisoformat(str(given))
    except ValueError:
        raise invalid_input(f"recoveryPointExpiryTimeInUTC '{given}' is not a time.") from None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    if until <= ctx.now:
        raise invalid_input("recoveryPointExpiryTimeInUTC must be in the future.")
    return until


@ROUTES.post(JOB + "/cancel", action=f"{PROVIDER}/backupJobs/cancel/action")
def cancel_job(ctx: Context) -> Answer:
    job = find_job(ctx)
    if job.status != "InProgress" or not job.cancellable:
        message = f"The job cannot be cancelled: its operation is {job.operation}, its status {job.status}."
        raise Refusal(400, "BMSUserErrorJobNotCancellable", message)
    if job.pending_event is not None:
        ctx.world.store.unschedule(job.pending_event)
    job.status = "Cancelling"
    for task in job.tasks:
        if task.status in ("NotStarted", "InProgress"):
            task.status = "Cancelling"
    schedule_phase(ctx.world, job, ctx.world.store.random.uniform(30, 60), "cancelled")
    operation = make_operation(ctx.world, find_vault(ctx), ctx.path.rsplit("/", 1)[0], job_id=None)
    return accepted(ctx, operation, status_version="2019-05-13-preview")
