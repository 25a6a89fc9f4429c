"""Letting a disk's bytes be read for a while, and ending that; what holds the bytes of a recovery point.

The address that a grant gives is a secret: it is in no error and no log.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..arm_ids import group_of, key_of, name_of, request_path, segment, subscription_of
from ..disk_sources import DISK_POINTS, DISKS, SNAPSHOTS, DiskSource, Grant, kind_of
from ..engine.submitted import first_answer, once, poll_url
from ..errors import JobFailed, NotFound, Refused, ServiceFailed
from ..model import FleetItem
from ..wire_values import Document, moment, part, parts, text, whole
from .azure_failures import azure_errors
from .job_states import arm_state
from .request_log import without_secrets

if TYPE_CHECKING:
    from .session import Session

TAKEN_TOGETHER = timedelta(minutes=2)
"""A backup's point and the restore point that it was made from tell times that differ by seconds."""
FIRST_LOOK_S, LONGEST_LOOK_S = 0.2, 5.0
LASTS_AT_MOST_S = 180.0
CLOSED_TO_NETWORKS = (
    "its network access is {policy}: it can be read from nowhere, or from private networks only"
)
ENTRA_ID = (
    "it also wants a sign-in of the reader (data access mode Microsoft Entra ID), which is not done here"
)


async def read_source(session: Session, source: DiskSource) -> DiskSource:
    """With what is against reading it now. Raises NotFound when it is gone."""
    document = await _document(session, source.id)
    properties = part(document, "properties")
    return DiskSource(
        id=request_path(text(document, "id")) or source.id,
        disk=source.disk,
        lun=source.lun,
        size_gb=whole(properties, "diskSizeGB") or source.size_gb,
        closed=why_closed(document),
        is_read=text(properties, "diskState").lower() == "activesas",
    )


def why_closed(document: Document) -> str:
    properties = part(document, "properties")
    policy = text(properties, "networkAccessPolicy")
    if policy.lower() in ("denyall", "allowprivate"):
        return CLOSED_TO_NETWORKS.format(policy=policy)
    if text(properties, "publicNetworkAccess").lower() == "disabled":
        return CLOSED_TO_NETWORKS.format(policy="disabled for public networks")
    if text(properties, "dataAccessAuthMode").lower() == "azureactivedirectory":
        return ENTRA_ID
    state = text(properties, "diskState")
    if text(document, "managedBy") and state not in ("Reserved", "Unattached"):
        return f"it is attached to {name_of(text(document, 'managedBy'))}, which is not deallocated"
    if text(properties, "snapshotAccessState") in ("Pending", "InstantAccess"):
        return "it is still being copied; Azure lets it be read when that is done"
    return ""


async def _document(session: Session, source_id: str) -> Document:
    client: Any = session.compute(subscription_of(source_id))
    found: Document
    group, name = group_of(source_id), name_of(source_id)
    async with azure_errors(_words(source_id)):
        match kind_of(source_id):
            case "snapshots":
                found = await client.snapshots.get(group, name)
            case "disks":
                found = await client.disks.get(group, name)
            case _:
                found = await client.disk_restore_point.get(*_point_arguments(source_id))
    return found


async def restore_points(session: Session, item: FleetItem, taken_at: datetime) -> tuple[DiskSource, ...]:
    """Disks of the snapshot that a backup of this moment has kept in Compute; empty when there is none."""
    collections: Any = session.compute(item.subscription_id).restore_point_collections
    async with azure_errors(f"Restore points of {item.name}"):
        found = [
            text(one, "id")
            async for one in collections.list_all()
            if key_of(text(part(one, "properties", "source"), "id")) == item.key
        ]
    documents = await asyncio.gather(*(_with_points(session, one) for one in found))
    points = [
        point for document in documents for point in parts(part(document, "properties"), "restorePoints")
    ]
    nearest = min(points, key=lambda point: _apart(point, taken_at), default=None)
    if nearest is None or _apart(nearest, taken_at) > TAKEN_TOGETHER:
        return ()
    return disks_of_point(nearest)


async def _with_points(session: Session, collection_id: str) -> Document:
    client: Any = session.compute(subscription_of(collection_id)).restore_point_collections
    async with azure_errors(f"Restore points in {name_of(collection_id)}"):
        found: Document = await client.get(
            group_of(collection_id), name_of(collection_id), expand="restorePoints"
        )
    return found


def _apart(point: Document, taken_at: datetime) -> timedelta:
    at = moment(part(point, "properties"), "timeCreated")
    return timedelta.max if at is None else abs(at - taken_at)


def disks_of_point(point: Document) -> tuple[DiskSource, ...]:
    storage = part(part(point, "properties", "sourceMetadata"), "storageProfile")
    named = [
        (part(storage, "osDisk"), None),
        *((one, whole(one, "lun")) for one in parts(storage, "dataDisks")),
    ]
    return tuple(
        DiskSource(id=id_, disk=text(one, "name"), lun=lun, size_gb=whole(one, "diskSizeGB") or 0)
        for one, lun in named
        if (id_ := text(part(one, "diskRestorePoint"), "id"))
    )


async def grant(session: Session, source_id: str, seconds: int, client_request_id: str) -> Grant:
    """Sent once. What fails after the service took it may have left access open."""
    from azure.mgmt.compute.models import GrantAccessData

    body = GrantAccessData(access="Read", duration_in_seconds=seconds)
    operations, arguments = _operations(session, source_id)
    polling = first_answer()
    async with azure_errors(_words(source_id), doing="access"):
        await operations.begin_grant_access(*arguments, body, polling=polling, **once(client_request_id))
        granted_at = session.service_now()
        done = await _end_of(session, poll_url(polling.answer.headers), source_id)
    address = text(part(done, "properties", "output"), "accessSAS")
    if not address:
        raise ServiceFailed(f"{_words(source_id)}: Azure opened access and does not say where.")
    return Grant(address, granted_at + timedelta(seconds=seconds))


async def revoke(session: Session, source_id: str, client_request_id: str) -> None:
    """Sent once. Of what nobody reads, or of what is gone, there is nothing to end."""
    operations, arguments = _operations(session, source_id)
    polling = first_answer()
    try:
        async with azure_errors(_words(source_id), doing="end of access"):
            await operations.begin_revoke_access(*arguments, polling=polling, **once(client_request_id))
            await _end_of(session, poll_url(polling.answer.headers), source_id)
    except NotFound:
        return


async def _end_of(session: Session, url: str, source_id: str) -> Document:
    """The operation's last answer. Raises JobFailed, or ServiceFailed when it does not come to an end."""
    try:
        async with asyncio.timeout(LASTS_AT_MOST_S):
            return await _followed(session, url, source_id)
    except TimeoutError:
        raise ServiceFailed(
            f"{_words(source_id)}: Azure did not end the operation within {LASTS_AT_MOST_S:.0f} s.",
            "Look at its loose end later: whether access is open is read anew.",
        ) from None


async def _followed(session: Session, url: str, source_id: str) -> Document:
    pause = FIRST_LOOK_S
    while url:
        response = await session.send("GET", url)
        body: Document = response.json() if response.content else {}
        if arm_state(text(body, "status")).ended:
            error = part(body, "error")
            if text(error, "message"):
                said = without_secrets(text(error, "message"))
                raise JobFailed(f"{_words(source_id)}: {said}", code=text(error, "code"))
            return body
        await asyncio.sleep(pause)
        pause = min(pause * 1.6, LONGEST_LOOK_S)
    return {}


def _operations(session: Session, source_id: str) -> tuple[Any, tuple[str, ...]]:
    client: Any = session.compute(subscription_of(source_id))
    match kind_of(source_id):
        case "snapshots":
            return client.snapshots, (group_of(source_id), name_of(source_id))
        case "disks":
            return client.disks, (group_of(source_id), name_of(source_id))
        case "diskrestorepoints":
            return client.disk_restore_point, _point_arguments(source_id)
    raise Refused(f"{name_of(source_id)} is nothing that can be read.", resource=source_id)


def _point_arguments(source_id: str) -> tuple[str, ...]:
    kinds = ("restorePointCollections", "restorePoints", "diskRestorePoints")
    return (group_of(source_id), *(segment(source_id, kind) for kind in kinds))


def _words(source_id: str) -> str:
    kinds = {SNAPSHOTS: "Snapshot", DISKS: "Disk", DISK_POINTS: "Restore point of disk"}
    return f"{kinds.get(kind_of(source_id), 'Disk')} {name_of(source_id)}"
