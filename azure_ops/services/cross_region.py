"""Restores in a vault's secondary region: an api of its own that no SDK speaks any more, by plain requests.

A job of that region is asked for by POST and with its vault, so its id here names both:
`{vault}/locations/{region}/backupCrrJobs/{name}`.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from ..arm_ids import JOBS_ELSEWHERE, name_of, request_path, segment, subscription_of, vault_of
from ..engine.submitted import Submitted, once, poll_url
from ..errors import NotFound, RecoveryError
from ..model import Job, RawDocument
from ..restore_rules import RestorePoint
from ..wire_values import Document, part, parts, text
from .azure_failures import azure_errors
from .backup_documents import machine_name, recovery_point
from .backup_job_documents import backup_job
from .request_log import action_of, without_secrets
from .restores import restore_point

if TYPE_CHECKING:
    from .session import Session

API_VERSION = "2021-11-15"
"""A slash at the end of a path of the vault and this version ask the other region."""
LOCATIONS_API = "2022-12-01"
VERSION = {"api-version": API_VERSION}
JOBS = JOBS_ELSEWHERE
_LOOK_BACK = timedelta(hours=1)
_LIST_BACK = timedelta(hours=72)


def location_path(vault_id: str, region: str) -> str:
    subscription = subscription_of(vault_id)
    return f"/subscriptions/{subscription}/providers/Microsoft.RecoveryServices/locations/{region}"


def job_id_of(vault_id: str, region: str, name: str) -> str:
    return f"{vault_id}/locations/{region}/{JOBS}/{name}"


async def paired_region(session: Session, subscription: str, region: str) -> str:
    """Where the copies of a geo-redundant vault are; empty for a region without a pair."""
    async with azure_errors("The regions of the subscription"):
        page: Document = await session.get_json(f"/subscriptions/{subscription}/locations", LOCATIONS_API)
        for one in parts(page, "value"):
            if text(one, "name").lower() == region.lower():
                pairs = list(parts(part(one, "metadata"), "pairedRegion"))
                return text(pairs[0], "name").lower() if pairs else ""
    return ""


async def list_points(session: Session, item_id: str) -> tuple[RestorePoint, ...]:
    """Newest first, those that have been copied: hours behind the primary region."""
    path = f"{request_path(item_id)}/recoveryPoints/"
    what = f"Copied recovery points of {machine_name(item_id)}"
    async with azure_errors(what):
        page: Document = await session.get_json(path, API_VERSION)
        documents = list(parts(page, "value"))
        while link := text(page, "nextLink"):
            page = await session.get_json(link)
            documents += parts(page, "value")
    found = [restore_point(one, what) for one in documents if recovery_point(one)]
    return tuple(sorted(found, key=lambda one: one.point.taken_at, reverse=True))


async def access_to(session: Session, item_id: str, point_name: str, region: str) -> dict[str, Any]:
    """The access details of a copied point. Holds a token: goes from answer to request only."""
    where = location_path(vault_of(item_id), region)
    async with azure_errors(f"Recovery point {point_name} of {machine_name(item_id)} in {region}"):
        properties = part(await session.get_json(f"{where}/backupAadProperties", API_VERSION), "properties")
        path = f"{request_path(item_id)}/recoveryPoints/{point_name}/accessToken"
        answer = await session.send("POST", path, params=VERSION, body={"properties": properties})
        return dict(part(answer.json(), "properties"))


async def start(
    session: Session,
    item_id: str,
    access: dict[str, Any],
    region: str,
    body: dict[str, Any],
    client_request_id: str,
) -> Submitted:
    vault_id = vault_of(item_id)
    where = location_path(vault_id, region)
    asked = {"crossRegionRestoreAccessDetails": access, "restoreRequest": body["properties"]}
    async with azure_errors(f"Restore of {machine_name(item_id)} in {region}", doing="restore"):
        response = await session.send(
            "POST",
            f"{where}/backupCrossRegionRestore",
            params=VERSION,
            body=asked,
            **once(client_request_id),
        )
    url = poll_url(response.headers)
    return Submitted(job_id=await _job_of(session, vault_id, region, url), resume=url)


async def _job_of(session: Session, vault_id: str, region: str, url: str) -> str:
    """Empty when it cannot be learned now; then it is looked up among the region's jobs."""
    try:
        async with azure_errors("The operation's status"):
            status: Document = (await session.send("GET", url)).json()
    except RecoveryError:
        return ""
    name = text(part(status, "properties"), "jobId")
    return job_id_of(vault_id, region, name) if name else ""


async def read_job(session: Session, job_id: str) -> Job:
    document = await read_job_document(session, job_id)
    return _job(document, job_id, session.service_now())


async def read_job_document(session: Session, job_id: str) -> Document:
    vault_id, region = vault_of(job_id), segment(job_id, "locations")
    body = {"resourceId": vault_id, "jobName": name_of(job_id)}
    async with azure_errors(f"Restore job {name_of(job_id)} in {region}"):
        path = f"{location_path(vault_id, region)}/backupCrrJob"
        answer = await session.send("POST", path, params=VERSION, body=body)
        document: Document = answer.json()
        return document


async def raw_job(session: Session, job_id: str) -> RawDocument:
    document = await read_job_document(session, job_id)
    path = f"{location_path(vault_of(job_id), segment(job_id, 'locations'))}/backupCrrJob"
    body = json.dumps({"resourceId": vault_of(job_id), "jobName": name_of(job_id)})
    url = f"{path}?api-version={API_VERSION}"
    quoted = body.replace("'", "'\\''")
    return RawDocument(
        method="POST",
        url=url,
        status=200,
        permission=action_of("POST", path),
        az_command=f"az rest --method post --url '{url}' --body '{quoted}'",
        json_text=without_secrets(json.dumps(document, indent=2, ensure_ascii=False)),
        read_at=session.service_now(),
    )


async def find_job(
    session: Session, vault_id: str, region: str, since: datetime, client_request_id: str
) -> Job | None:
    """The region's job whose `activityId` is our request id."""
    for job in await list_jobs(session, vault_id, region, since=since - _LOOK_BACK):
        if client_request_id.lower() in job.client_request_id.lower():
            return job
    return None


async def list_jobs(
    session: Session, vault_id: str, region: str, *, since: datetime | None = None
) -> tuple[Job, ...]:
    """Everybody's restore jobs of this vault in that region, thin; usually those of the last days."""
    async with azure_errors(f"Restore jobs in {region}"):
        path = f"{location_path(vault_id, region)}/{JOBS}"
        answer = await session.send("POST", path, params=VERSION, body={"resourceId": vault_id})
        documents: list[Document] = list(parts(answer.json(), "value"))
    found = [_job(one, job_id_of(vault_id, region, text(one, "name")), None) for one in documents]
    oldest = since or session.service_now() - _LIST_BACK
    return tuple(job for job in found if job.started_at is None or job.started_at >= oldest)


def _job(document: Document, job_id: str, read_at: datetime | None) -> Job:
    """Nobody cancels these, whatever the job says."""
    job = backup_job(document, read_at=read_at)
    return msgspec.structs.replace(job, id=job_id, vault_id=vault_of(job_id), can_cancel=False)


def named_elsewhere(url: str) -> NotFound:
    """Of an operation's status that names a job without its vault."""
    return NotFound(
        f"The job of {name_of(url.split('?', 1)[0])} is in another region.", "It is looked up there."
    )
