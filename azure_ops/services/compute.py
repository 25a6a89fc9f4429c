"""VMs, disks and snapshots: SDK in, model out. No policy, no wording of actions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ..arm_ids import group_of, key_of, name_of, subscription_of
from ..engine.submitted import Submitted, first_answer, once
from ..errors import NotFound
from ..model import Disk, FleetItem, Job, RecoveryPoint
from ..wire_values import Document, part, text
from .azure_failures import azure_errors
from .compute_documents import snapshot_job, snapshot_point, vm

if TYPE_CHECKING:
    from .session import Session

OPERATION_TAG = "azrecover-operation"
"""Snapshots of ours carry the operation's id in this tag: that is how one in doubt is recognized."""
SNAPSHOT_SKU = "Standard_LRS"


async def read_vm(session: Session, vm_id: str) -> FleetItem:
    """With its power state; sizes and SKUs of disks are only as good as the VM's own document."""
    client = session.compute(subscription_of(vm_id)).virtual_machines
    async with azure_errors(f"Virtual machine {name_of(vm_id)}"):
        return vm(await client.get(group_of(vm_id), name_of(vm_id), expand="instanceView"))


async def list_vms(session: Session, subscription: str) -> dict[str, FleetItem]:
    """By key. The fall-back where Resource Graph is refused; power states come with a second list."""
    client = session.compute(subscription).virtual_machines
    async with azure_errors(f"Virtual machines of subscription {subscription}"):
        found = {key_of(text(one, "id")): one async for one in client.list_all()}
        states: dict[str, Document] = {}
        async for one in client.list_all(status_only="true"):
            states[key_of(text(one, "id"))] = part(one, "properties", "instanceView")
        return {key: vm(document, states.get(key)) for key, document in found.items()}


async def list_snapshots(session: Session, item: FleetItem) -> tuple[RecoveryPoint, ...]:
    """Newest first: those of its disks, looked for in the groups of the VM and of its disks."""
    disks = {key_of(disk.id): disk for disk in item.disks if disk.id}
    groups = {group_of(item.id).lower()} | {group_of(disk).lower() for disk in disks}
    groups.discard("")
    client = session.compute(item.subscription_id).snapshots

    async def of_group(group: str) -> list[RecoveryPoint]:
        async with azure_errors(f"Snapshots in {group}"):
            found = [snapshot_point(one, disks) async for one in client.list_by_resource_group(group)]
        return [one for one in found if one]

    points = [point for of_one in await asyncio.gather(*map(of_group, sorted(groups))) for point in of_one]
    return tuple(sorted(points, key=lambda point: point.taken_at, reverse=True))


async def begin_snapshot(
    session: Session,
    disk: Disk,
    snapshot_id: str,
    location: str,
    *,
    incremental: bool,
    tags: dict[str, str],
    client_request_id: str,
) -> Submitted:
    """The snapshot's own id stands for the job: it has none, and `jobs.read_job` reads it."""
    from azure.mgmt.compute import models

    body = models.Snapshot(
        location=location,
        sku=models.SnapshotSku(name=SNAPSHOT_SKU),
        tags=tags,
        properties=models.SnapshotProperties(
            creation_data=models.CreationData(create_option="Copy", source_resource_id=disk.id),
            incremental=incremental,
        ),
    )
    client = session.compute(subscription_of(snapshot_id)).snapshots
    async with azure_errors(f"Disk {disk.name or name_of(disk.id)}", doing="snapshot"):
        poller = await client.begin_create_or_update(
            group_of(snapshot_id),
            name_of(snapshot_id),
            body,
            polling=first_answer(),
            **once(client_request_id),
        )
        return Submitted(job_id=snapshot_id, resume=poller.continuation_token())


async def read_snapshot_job(session: Session, snapshot_id: str) -> Job:
    """How far a snapshot is, as a job. Raises NotFound when there is none."""
    return (await _snapshot(session, snapshot_id))[0]


async def find_snapshot(session: Session, snapshot_id: str, operation_id: str) -> Job | None:
    """None when there is no such snapshot, or one that another operation made."""
    try:
        job, tags = await _snapshot(session, snapshot_id)
    except NotFound:
        return None
    return job if text(tags, OPERATION_TAG) == operation_id else None


async def _snapshot(session: Session, snapshot_id: str) -> tuple[Job, Document]:
    client = session.compute(subscription_of(snapshot_id)).snapshots
    async with azure_errors(f"Snapshot {name_of(snapshot_id)}"):
        document: Document = await client.get(group_of(snapshot_id), name_of(snapshot_id))
        return snapshot_job(document, read_at=session.service_now()), part(document, "tags")
