"""Jobs of any service by their id, and operations of Resource Manager that have none."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from ..arm_ids import name_of, resource_type, vault_of
from ..engine.submitted import Submitted
from ..errors import NotFound
from ..model import Job, JobError, JobState, Vault
from ..wire_values import Document, moment, part, text
from . import backup, compute, cross_region, disks, site_recovery, sizes, vaults
from .azure_failures import azure_errors
from .job_states import arm_state
from .request_log import without_secrets

if TYPE_CHECKING:
    from .session import Session

LIST_BACK = timedelta(hours=72)
MOST_PER_VAULT = 200


class OperationStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What an `Azure-AsyncOperation` address answers."""

    state: JobState
    state_text: str = ""
    job_id: str = ""
    """Of the backup job that the operation made, when it says so."""
    error: JobError | None = None
    """Site Recovery puts warnings here, too, while the operation runs or after it succeeded."""
    started_at: datetime | None = None
    ended_at: datetime | None = None


async def read_job(session: Session, job_id: str) -> Job:
    """With its whole tree; children that are jobs of their own are named, not read."""
    kind = resource_type(job_id).lower().rsplit("/", 1)[-1]
    if kind == "replicationjobs":
        return await site_recovery.read_job(session, job_id)
    if kind == "backupjobs":
        return await backup.read_job(session, job_id)
    if kind == cross_region.JOBS.lower():
        return await cross_region.read_job(session, job_id)
    if kind == "snapshots":
        return await compute.read_snapshot_job(session, job_id)
    if kind == "disks":
        return await disks.read_deletion(session, job_id)
    if kind == "virtualmachines":
        return await sizes.read_resize(session, job_id)
    if kind == "vaults":
        return await vaults.read_vault_job(session, job_id)
    raise NotFound(f"{name_of(job_id) or 'An empty id'} names no job.", "Refresh with r.", resource=job_id)


async def list_jobs(session: Session, vault: Vault, *, back: timedelta = LIST_BACK) -> tuple[Job, ...]:
    """Backup and replication jobs of one vault, newest first, thin, by Resource Manager's lists."""
    since = session.service_now() - back
    of_backup, of_replication = await asyncio.gather(
        backup.list_jobs(session, vault.id, since), site_recovery.list_jobs(session, vault.id, since)
    )
    return newest((*of_backup, *of_replication))


def newest(jobs: tuple[Job, ...], most: int = MOST_PER_VAULT) -> tuple[Job, ...]:
    """Newest first; jobs that have not started come before all others."""

    def age(job: Job) -> tuple[bool, float]:
        return job.started_at is None, job.started_at.timestamp() if job.started_at else 0.0

    return tuple(sorted(jobs, key=age, reverse=True)[:most])


async def operation_status(session: Session, submitted: Submitted) -> OperationStatus:
    """Asks the poll address of a submitted operation once."""
    url = poll_address(submitted.resume)
    if not url:
        raise NotFound("This operation left no address to ask.", "Look at the resource itself.")
    async with azure_errors("The operation's status"):
        response = await session.send("GET", url)
        body: Any = response.json() if response.content else {}
        return _status(body if isinstance(body, dict) else {}, response.status_code, url)


def _status(body: Document, status: int, url: str) -> OperationStatus:
    """An answer without a status is a result: 202 goes on, anything else is done."""
    word = text(body, "status")
    error = part(body, "error")
    said = without_secrets(text(error, "message"))
    job = text(part(body, "properties"), "jobId")
    vault_id = vault_of(urlsplit(url).path)
    if job and not vault_id:
        raise cross_region.named_elsewhere(url)
    return OperationStatus(
        state=arm_state(word) if word else (JobState.RUNNING if status == 202 else JobState.SUCCEEDED),
        state_text=word,
        job_id=f"{vault_id}/backupJobs/{job}" if job else "",
        error=JobError(code=text(error, "code"), message=said) if error else None,
        started_at=moment(body, "startTime"),
        ended_at=moment(body, "endTime"),
    )


def poll_address(resume: str) -> str:
    """The URL in an SDK continuation token, or the URL itself; empty when there is none."""
    if resume.startswith("https://"):
        return resume
    try:
        token = json.loads(base64.b64decode(resume, validate=True))
        headers = {key.lower(): value for key, value in token["data"]["response"]["headers"].items()}
    except (binascii.Error, ValueError, KeyError, TypeError, AttributeError):
        return ""
    return str(headers.get("azure-asyncoperation") or headers.get("location") or "")


async def follow_submitted(session: Session, submitted: Submitted) -> str:
    """The job's id, asked for where the first answer did not name it; empty while there is none yet."""
    if submitted.job_id or not submitted.resume:
        return submitted.job_id
    return (await operation_status(session, submitted)).job_id
