"""Azure Backup of VMs: SDK in, model out. No policy, no wording of actions.

Every changing call sends one request; its answer names an operation, and that names the job.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..arm_ids import group_of, name_of, segment, subscription_of, vault_of
from ..engine.submitted import Submitted, once, operation_name, poll_url
from ..errors import RecoveryError
from ..model import Backup, Job, RecoveryPoint
from ..wire_values import Document, part, text
from .azure_failures import azure_errors
from .backup_documents import backup, is_vm, machine_name, recovery_point, source_key
from .backup_job_documents import backup_job

if TYPE_CHECKING:
    from .session import Session

FABRIC = "Azure"
VM_ITEMS = "backupManagementType eq 'AzureIaasVM' and itemType eq 'VM'"
_LOOK_BACK = timedelta(hours=1)
"""Jobs are looked up from this long before the intent, so that no clock difference hides one."""
_CLOCKS_DIFFER = timedelta(minutes=2)


def arguments_of(item_id: str) -> tuple[str, str, str, str, str]:
    """Vault, group, fabric, container and item, as every SDK method of a protected item takes them."""
    return (
        segment(item_id, "vaults"),
        group_of(item_id),
        segment(item_id, "backupFabrics") or FABRIC,
        segment(item_id, "protectionContainers"),
        segment(item_id, "protectedItems"),
    )


def item_title(item_id: str) -> str:
    return f"Backup item {machine_name(item_id)}"


# reading ----------------------------------------------------------------------------------------------------


async def read_item(session: Session, item_id: str) -> Backup:
    client = session.backup(subscription_of(item_id)).protected_items
    async with azure_errors(item_title(item_id)):
        return backup(await client.get(*arguments_of(item_id)))


async def list_points(session: Session, item_id: str) -> tuple[RecoveryPoint, ...]:
    """Newest first."""
    client = session.backup(subscription_of(item_id)).recovery_points
    async with azure_errors(f"{item_title(item_id)}, recovery points"):
        found = [recovery_point(document) async for document in client.list(*arguments_of(item_id))]
    return tuple(sorted((one for one in found if one), key=lambda point: point.taken_at, reverse=True))


async def list_vault_items(session: Session, vault_id: str) -> dict[str, Backup]:
    """By VM key. The fall-back where Resource Graph is refused."""
    client = session.backup(subscription_of(vault_id)).backup_protected_items
    async with azure_errors(f"Backup items of {name_of(vault_id)}"):
        return {
            source_key(document): backup(document)
            async for document in client.list(name_of(vault_id), group_of(vault_id), filter=VM_ITEMS)
            if is_vm(document)
        }


async def list_jobs(session: Session, vault_id: str, since: datetime | None = None) -> tuple[Job, ...]:
    """Newest first, thin; `since` is the service's time. Jobs of other workloads are left out."""
    client = session.backup(subscription_of(vault_id)).backup_jobs
    found: list[Job] = []
    async with azure_errors(f"Backup jobs of {name_of(vault_id)}"):
        async for document in client.list(name_of(vault_id), group_of(vault_id)):
            job = backup_job(document)
            if since is not None and job.started_at is not None and job.started_at < since:
                break
            if is_vm(document):
                found.append(job)
    return tuple(found)


async def read_job(session: Session, job_id: str) -> Job:
    client = session.backup(subscription_of(job_id)).job_details
    async with azure_errors(f"Backup job {name_of(job_id)}"):
        document = await client.get(segment(job_id, "vaults"), group_of(job_id), name_of(job_id))
        return backup_job(document, read_at=session.service_now())


# looking up an operation in doubt ---------------------------------------------------------------------------


async def find_job(
    session: Session, vault_id: str, vm_key: str, since: datetime, client_request_id: str
) -> Job | None:
    """The job whose `activityId` is our request id; `since` is the service's time of the intent."""
    for job in await list_jobs(session, vault_id, since - _LOOK_BACK):
        if client_request_id.lower() in job.client_request_id.lower() and job.target_key in ("", vm_key):
            return await read_job(session, job.id)
    return None


async def similar_jobs(
    session: Session, vault_id: str, vm_key: str, operation: str, since: datetime
) -> tuple[Job, ...]:
    """Jobs of that operation on that VM since then, whoever started them: to be shown, not to be adopted."""
    jobs = await list_jobs(session, vault_id, since - _CLOCKS_DIFFER)
    return tuple(job for job in jobs if job.target_key == vm_key and job.operation == operation)


async def job_of(session: Session, vault_id: str, operation_id: str) -> str:
    """Id of the job that an operation made; empty while it is not made yet."""
    client = session.backup(subscription_of(vault_id)).backup_operation_statuses
    async with azure_errors(f"Backup operation {operation_id}"):
        document: Document = await client.get(name_of(vault_id), group_of(vault_id), operation_id)
        job = text(part(document, "properties"), "jobId")
        return f"{vault_id}/backupJobs/{job}" if job else ""


# changing ---------------------------------------------------------------------------------------------------


async def trigger(session: Session, item_id: str, expires_at: datetime, client_request_id: str) -> Submitted:
    """Backs up now; the recovery point is kept until `expires_at`."""
    from azure.mgmt.recoveryservicesbackup import models

    body = models.BackupRequestResource(
        properties=models.IaasVMBackupRequest(recovery_point_expiry_time_in_utc=expires_at)
    )
    client: Any = session.backup(subscription_of(item_id)).backups
    async with azure_errors(item_title(item_id), doing="backup"):
        headers = await client.trigger(
            *arguments_of(item_id), parameters=body, cls=headers_of, **once(client_request_id)
        )
    vault_id = vault_of(item_id)
    try:
        job_id = await job_of(session, vault_id, operation_name(headers))
    except RecoveryError:
        job_id = ""  # the backup is on its way all the same; the job is asked for again
    return Submitted(job_id=job_id, resume=poll_url(headers))


async def cancel_job(session: Session, job_id: str, client_request_id: str) -> Submitted:
    """The job that is cancelled is the one to follow. After the snapshot phase it may still complete."""
    client: Any = session.backup(subscription_of(job_id)).job_cancellations
    async with azure_errors(f"Backup job {name_of(job_id)}", doing="cancel"):
        headers = await client.trigger(
            segment(job_id, "vaults"),
            group_of(job_id),
            name_of(job_id),
            cls=headers_of,
            **once(client_request_id),
        )
        return Submitted(job_id=job_id, resume=poll_url(headers))


def headers_of(answer: Any, _: Any, __: Any) -> Any:
    """These calls are no long-running operations to the SDK, which would drop the poll address."""
    return answer.http_response.headers
