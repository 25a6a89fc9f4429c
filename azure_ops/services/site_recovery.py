"""Site Recovery, Azure to Azure: SDK in, model out. No policy, no wording of actions.

Every changing call sends one request and returns its first answer; the job is followed by `jobs`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..arm_ids import group_of, name_of, segment, subscription_of, vault_of
from ..engine.submitted import Submitted, first_answer, once, replication_job_id
from ..model import Job, JobState, RecoveryPoint, Replication
from ..wire_values import Document
from .azure_failures import azure_errors
from .replication_documents import recovery_point, replication, source_key
from .replication_jobs import replication_job
from .site_recovery_health import list_events, refresh_vault_health, vault_health

if TYPE_CHECKING:
    from .session import Session

PRIMARY_TO_RECOVERY = "PrimaryToRecovery"
"""Also for a failback: after a re-protect the item's primary side is the one that runs."""
__all__ = ["list_events", "refresh_vault_health", "vault_health"]
_LOOK_BACK = timedelta(hours=1)
"""Jobs are looked up from this long before the intent, so that no clock difference hides one."""
_CLOCKS_DIFFER = timedelta(minutes=2)
_MOST_CANDIDATES = 20


def _arguments(item_id: str) -> tuple[str, str, str, str, str]:
    """Group, vault, fabric, container and item, as every SDK method of a replicated item takes them."""
    return (
        group_of(item_id),
        segment(item_id, "vaults"),
        segment(item_id, "replicationFabrics"),
        segment(item_id, "replicationProtectionContainers"),
        segment(item_id, "replicationProtectedItems"),
    )


def _named(item_id: str) -> str:
    """Items made by the portal are named by 43 characters that tell nobody anything."""
    name = name_of(item_id)
    return f"Replicated item {name}" if len(name) < 40 else f"Replicated item in {segment(item_id, 'vaults')}"


# reading ----------------------------------------------------------------------------------------------------


async def read_item(session: Session, item_id: str) -> Replication:
    return (await read_item_of(session, item_id))[1]


async def read_item_of(session: Session, item_id: str) -> tuple[str, Replication]:
    """With the key of the VM it replicates."""
    client = session.site_recovery(subscription_of(item_id)).replication_protected_items
    async with azure_errors(_named(item_id)):
        document: Document = await client.get(*_arguments(item_id))
        return source_key(document), replication(document)


async def list_points(session: Session, item_id: str) -> tuple[RecoveryPoint, ...]:
    """Newest first; the service gives them in any order."""
    client = session.site_recovery(subscription_of(item_id)).recovery_points
    async with azure_errors(f"{_named(item_id)}, recovery points"):
        found = [
            recovery_point(document)
            async for document in client.list_by_replication_protected_items(*_arguments(item_id))
        ]
    return tuple(sorted((one for one in found if one), key=lambda point: point.taken_at, reverse=True))


async def list_vault_items(session: Session, vault_id: str) -> dict[str, Replication]:
    """By VM key. The fall-back where Resource Graph is refused."""
    client = session.site_recovery(subscription_of(vault_id)).replication_protected_items
    async with azure_errors(f"Replicated items of {name_of(vault_id)}"):
        return {
            key: replication(document)
            async for document in client.list(group_of(vault_id), name_of(vault_id))
            if (key := source_key(document))
        }


async def list_jobs(session: Session, vault_id: str, since: datetime | None = None) -> tuple[Job, ...]:
    """Newest first, thin: no tasks, no errors, no request id. Jobs not started yet have no time and are kept;
    the list is read no further than `since` (service time)."""
    client = session.site_recovery(subscription_of(vault_id)).replication_jobs
    found: list[Job] = []
    async with azure_errors(f"Replication jobs of {name_of(vault_id)}"):
        async for document in client.list(group_of(vault_id), name_of(vault_id)):
            job = replication_job(document)
            if since is not None and job.started_at is not None and job.started_at < since:
                break
            found.append(job)
    return tuple(found)


async def read_job(session: Session, job_id: str) -> Job:
    client = session.site_recovery(subscription_of(job_id)).replication_jobs
    async with azure_errors(f"Replication job {name_of(job_id)}"):
        document = await client.get(group_of(job_id), segment(job_id, "vaults"), name_of(job_id))
        return replication_job(document, read_at=session.service_now())


# looking up an operation in doubt ---------------------------------------------------------------------------


async def find_job(
    session: Session, vault_id: str, scenario: str, target: str, since: datetime, client_request_id: str
) -> Job | None:
    """The job that carries our request id. `since` is the service's time of the intent; `scenario`
    (`TestFailover`) and `target` (the VM's name) only say which are looked at first."""
    for job in await _candidates(session, vault_id, scenario, target, since):
        full = await read_job(session, job.id)
        if full.client_request_id.lower() == client_request_id.lower():
            return full
    return None


async def similar_jobs(
    session: Session, vault_id: str, scenario: str, target: str, since: datetime
) -> tuple[Job, ...]:
    """Jobs of that scenario on that VM since then, whoever started them: to be shown, not to be adopted."""
    return tuple(
        job
        for job in await _candidates(session, vault_id, scenario, target, since)
        if job.operation == scenario
        and job.target_name.lower() == target.lower()
        and job.started_at is not None
        and job.started_at >= since - _CLOCKS_DIFFER
    )


async def _candidates(
    session: Session, vault_id: str, scenario: str, target: str, since: datetime
) -> list[Job]:
    """Likely ones first, and all of those: one that is left out would be declared not sent. A list entry
    has no request id, and a job just taken neither name nor target."""
    jobs = await list_jobs(session, vault_id, since - _LOOK_BACK)

    def unlikeliness(job: Job) -> int:
        if job.state is JobState.WAITING:
            return 0
        return (job.operation != scenario) + (job.target_name.lower() != target.lower())

    likely = [job for job in jobs if not unlikeliness(job)]
    rest = sorted((job for job in jobs if unlikeliness(job)), key=unlikeliness)
    return [*likely, *rest[:_MOST_CANDIDATES]]


# changing ---------------------------------------------------------------------------------------------------


async def test_failover(
    session: Session, item_id: str, *, network_id: str, point_id: str, client_request_id: str
) -> Submitted:
    """Into `network_id`, at `point_id` (ARM id; empty for the latest)."""
    from azure.mgmt.recoveryservicessiterecovery import models

    body = models.TestFailoverInput(
        properties=models.TestFailoverInputProperties(
            failover_direction=PRIMARY_TO_RECOVERY,
            network_type="VmNetworkAsInput",
            network_id=network_id,
            provider_specific_details=models.A2ATestFailoverInput(recovery_point_id=point_id or None),
        )
    )
    return await _begin(session, item_id, "begin_test_failover", "test failover", body, client_request_id)


async def clean_up_test_failover(
    session: Session, item_id: str, *, comments: str, client_request_id: str
) -> Submitted:
    from azure.mgmt.recoveryservicessiterecovery import models

    body = models.TestFailoverCleanupInput(
        properties=models.TestFailoverCleanupInputProperties(comments=comments)
    )
    verb = "begin_test_failover_cleanup"
    return await _begin(session, item_id, verb, "test failover cleanup", body, client_request_id)


async def failover(
    session: Session, item_id: str, *, point: str, shut_down_source: bool, client_request_id: str
) -> Submitted:
    """`point` is a recovery point's ARM id; empty is the latest: pending data is processed first."""
    from azure.mgmt.recoveryservicessiterecovery import models

    body = models.UnplannedFailoverInput(
        properties=models.UnplannedFailoverInputProperties(
            failover_direction=PRIMARY_TO_RECOVERY,
            source_site_operations="Required" if shut_down_source else "NotRequired",
            provider_specific_details=models.A2AUnplannedFailoverInput(recovery_point_id=point or None),
        )
    )
    return await _begin(session, item_id, "begin_unplanned_failover", "failover", body, client_request_id)


async def commit_failover(session: Session, item_id: str, client_request_id: str) -> Submitted:
    return await _begin(session, item_id, "begin_failover_commit", "commit", None, client_request_id)


async def apply_recovery_point(
    session: Session, item_id: str, *, point_id: str, client_request_id: str
) -> Submitted:
    from azure.mgmt.recoveryservicessiterecovery import models

    body = models.ApplyRecoveryPointInput(
        properties=models.ApplyRecoveryPointInputProperties(
            recovery_point_id=point_id,
            provider_specific_details=models.A2AApplyRecoveryPointInput(),
        )
    )
    verb = "begin_apply_recovery_point"
    return await _begin(session, item_id, verb, "change of the recovery point", body, client_request_id)


async def cancel_job(session: Session, job_id: str, client_request_id: str) -> Submitted:
    """The job that is cancelled is the one to follow: it ends as `Cancelled`, or in spite of it."""
    client = session.site_recovery(subscription_of(job_id)).replication_jobs
    async with azure_errors(f"Replication job {name_of(job_id)}", doing="cancel"):
        poller = await client.begin_cancel(
            group_of(job_id),
            segment(job_id, "vaults"),
            name_of(job_id),
            polling=first_answer(),
            **once(client_request_id),
        )
        return Submitted(job_id=job_id, resume=poller.continuation_token())


async def _begin(
    session: Session, item_id: str, verb: str, doing: str, body: Any, client_request_id: str
) -> Submitted:
    client = session.site_recovery(subscription_of(item_id)).replication_protected_items
    arguments: tuple[Any, ...] = _arguments(item_id)
    if body is not None:
        arguments = (*arguments, body)
    polling = first_answer()
    async with azure_errors(_named(item_id), doing=doing):
        poller = await getattr(client, verb)(*arguments, polling=polling, **once(client_request_id))
        return Submitted(
            job_id=replication_job_id(polling.answer.headers, vault_of(item_id)),
            resume=poller.continuation_token(),
        )
