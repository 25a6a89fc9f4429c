"""What Site Recovery says about a vault as a whole: health counts, errors, events."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from ..arm_ids import group_of, name_of, subscription_of
from ..engine.submitted import Submitted, first_answer, once, replication_job_id
from ..model import HealthNote
from ..wire_values import Document, moment, part, parts, text, whole
from .azure_failures import azure_errors
from .replication_documents import health_error

if TYPE_CHECKING:
    from .session import Session


class VaultHealth(msgspec.Struct, frozen=True, kw_only=True):
    """`replicationVaultHealth`: counts by the service's own names, and its errors."""

    counts: dict[str, int] = {}
    notes: tuple[HealthNote, ...] = ()


class ReplicationEvent(msgspec.Struct, frozen=True, kw_only=True):
    at: datetime | None
    code: str
    text: str
    severity: str
    kind: str
    target_name: str
    notes: tuple[HealthNote, ...] = ()


async def vault_health(session: Session, vault_id: str) -> VaultHealth:
    client = session.site_recovery(subscription_of(vault_id)).replication_vault_health
    async with azure_errors(f"Replication health of {name_of(vault_id)}"):
        return _health(await client.get(group_of(vault_id), name_of(vault_id)))


def _health(document: Document) -> VaultHealth:
    properties = part(document, "properties")
    counts = part(properties, "protectedItemsHealth", "categorizedResourceCounts")
    notes = [health_error(one) for one in parts(properties, "vaultErrors")]
    issues = [
        HealthNote(
            code=text(one, "summaryCode"), message=text(one, "summaryMessage"), severity=text(one, "severity")
        )
        for one in parts(part(properties, "protectedItemsHealth"), "issues")
    ]
    return VaultHealth(
        counts={key: count for key in counts if (count := whole(counts, key)) is not None},
        notes=tuple(notes + issues),
    )


async def refresh_vault_health(session: Session, vault_id: str, client_request_id: str) -> Submitted:
    """Starts the failover validator, which otherwise runs every 12 hours."""
    client = session.site_recovery(subscription_of(vault_id)).replication_vault_health
    polling = first_answer()
    async with azure_errors(f"Replication health of {name_of(vault_id)}", doing="refresh"):
        poller = await client.begin_refresh(
            group_of(vault_id), name_of(vault_id), polling=polling, **once(client_request_id)
        )
        return Submitted(
            job_id=replication_job_id(polling.answer.headers, vault_id), resume=poller.continuation_token()
        )


async def list_events(
    session: Session, vault_id: str, since: datetime | None = None
) -> tuple[ReplicationEvent, ...]:
    """Newest first; `since` is the service's time."""
    client = session.site_recovery(subscription_of(vault_id)).replication_events
    found: list[ReplicationEvent] = []
    async with azure_errors(f"Replication events of {name_of(vault_id)}"):
        async for document in client.list(group_of(vault_id), name_of(vault_id)):
            event = _event(document)
            if since is not None and event.at is not None and event.at < since:
                break
            found.append(event)
    return tuple(found)


def _event(document: Document) -> ReplicationEvent:
    properties = part(document, "properties")
    return ReplicationEvent(
        at=moment(properties, "timeOfOccurrence"),
        code=text(properties, "eventCode"),
        text=text(properties, "description"),
        severity=text(properties, "severity"),
        kind=text(properties, "eventType"),
        target_name=text(properties, "affectedObjectFriendlyName"),
        notes=tuple(health_error(one) for one in parts(properties, "healthErrors")),
    )
