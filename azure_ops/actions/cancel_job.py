"""Cancel a running backup or replication job, whoever started it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..arm_ids import JOBS_ELSEWHERE, segment
from ..loose_ends.restored import RESTORES
from ..model import FleetItem, Job, JobKind, JobState, PlannedRequest, Risk
from .spec import Action, Context, Draft, Step, TargetKind

if TYPE_CHECKING:
    from ..engine.submitted import Submitted
    from ..journal.store import Entry

BACKUP_PERMISSION = "Microsoft.RecoveryServices/Vaults/backupJobs/cancel/action"
REPLICATION_PERMISSION = "Microsoft.RecoveryServices/vaults/replicationJobs/cancel/action"


def why_not(target: FleetItem | Job) -> str | None:
    if not isinstance(target, Job):
        return "choose a job in the operations pane"
    if target.state.ended:
        return f"the job has ended ({target.state_text or target.state})"
    if target.state is JobState.CANCELLING:
        return "it is being cancelled already"
    if target.kind is JobKind.DISK:
        return "Azure cannot cancel it"
    if segment(target.id, JOBS_ELSEWHERE):
        return "Azure has no way to cancel a restore in another region"
    if not target.can_cancel:
        return "Azure does not allow to cancel it now"
    return None


async def plan(context: Context, target: Job, answers: Mapping[str, str]) -> Draft:
    from ..arm_ids import request_path
    from ..services.api_versions import api_version_of

    backup = target.kind is JobKind.BACKUP
    what = target.title or target.operation or target.id.rsplit("/", 1)[-1]
    on = f" of {target.target_name}" if target.target_name else ""
    return Draft(
        steps=(
            Step(
                title=f"Cancellation of job '{what}'{on}",
                target_id=target.id,
                request=PlannedRequest(
                    method="POST",
                    url=f"{request_path(target.id)}/cancel?api-version={api_version_of(target.id)}",
                ),
            ),
        ),
        consequences=(
            f"Azure is asked to stop the job '{what}'{on}.",
            _what_remains(target),
        ),
        losses=("What the job did so far may be thrown away.",),
        permissions=((target.vault_id, BACKUP_PERMISSION if backup else REPLICATION_PERMISSION),),
    )


def _what_remains(job: Job) -> str:
    if job.kind is JobKind.BACKUP and job.operation == "Backup":
        return "Once the snapshot is taken it stays as a recovery point, and the job ends with warnings."
    if job.kind is JobKind.BACKUP and job.properties.get("Job Type") == "Replace disks":
        return (
            "Disks that were made already remain, and the VM may be left stopped, or with some of its disks "
            "replaced: look at it before it is used."
        )
    if job.kind is JobKind.BACKUP and job.operation in RESTORES:
        return "Disks and machines that were made already remain, and cost until somebody deletes them."
    if job.kind is JobKind.BACKUP:
        return "What the job has changed already stays changed."
    return "Virtual machines and disks that were made already may remain in the recovery region."


async def run(context: Context, entry: Entry) -> Submitted:
    from ..services import backup, site_recovery

    cancel = site_recovery.cancel_job if "/replicationjobs/" in entry.target_id.lower() else backup.cancel_job
    return await cancel(context.session, entry.target_id, entry.request_id)


async def find(context: Context, entry: Entry) -> Submitted | None:
    """A cancellation leaves no job of its own: the job itself says whether it is being cancelled."""
    from ..engine.submitted import Submitted
    from ..services import jobs

    job = await jobs.read_job(context.session, entry.target_id)
    cancelled = job.state in (JobState.CANCELLING, JobState.CANCELLED)
    by_request = any(error.code in ("400158", "UserErrorJobSuccessfullyCancelled") for error in job.errors)
    return Submitted(job_id=entry.target_id) if cancelled or by_request else None


CANCEL_JOB = Action(
    id="cancel-job",
    title="Cancel job",
    target=TargetKind.JOB,
    risk=Risk.COSTS,
    permissions=(BACKUP_PERMISSION, REPLICATION_PERMISSION),
    why_not=why_not,
    plan=plan,
    run=run,
    find=find,
    leave="Leave it running",
    go="Cancel the job",
    many=False,
    keywords=("stop", "abort"),
)
