"""Managed disks by themselves: which are attached to nothing, what locks hold them, their deletion."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..arm_ids import group_of, key_of, name_of, request_path, subscription_of
from ..engine.submitted import Submitted, first_answer, once, poll_url
from ..errors import NotFound
from ..model import Job, JobKind, JobState, ManagedDisk
from ..wire_values import part, parts, text
from . import graph_queries, graph_rows
from .azure_failures import azure_errors
from .compute_documents import managed_disk
from .resource_graph import GRAPH_REFUSED, read_rows

if TYPE_CHECKING:
    from .session import Session

LOCKS_VERSION = "2016-09-01"
UNATTACHED = "unattached"


async def list_unattached(session: Session) -> tuple[ManagedDisk, ...]:
    """Attached to nothing, whyever."""
    try:
        rows = await read_rows(
            session, graph_queries.UNATTACHED_DISKS, graph_rows.DiskOfItsOwnRow, "Unattached disks"
        )
    except GRAPH_REFUSED:
        found = await asyncio.gather(*(_of(session, one) for one in await session.subscriptions()))
        return tuple(disk for of_one in found for disk in of_one)
    return tuple(map(graph_rows.managed_disk, rows))


async def _of(session: Session, subscription: str) -> list[ManagedDisk]:
    client = session.compute(subscription).disks
    async with azure_errors(f"Disks of subscription {subscription}"):
        found = [managed_disk(document) async for document in client.list()]
    return [disk for disk in found if not disk.attached_to and disk.state.lower() == UNATTACHED]


async def read_disk(session: Session, disk_id: str) -> ManagedDisk:
    client = session.compute(subscription_of(disk_id)).disks
    async with azure_errors(f"Disk {name_of(disk_id)}"):
        return managed_disk(await client.get(group_of(disk_id), name_of(disk_id)))


async def begin_delete(session: Session, disk_id: str, client_request_id: str) -> Submitted:
    client = session.compute(subscription_of(disk_id)).disks
    polling = first_answer()
    async with azure_errors(f"Disk {name_of(disk_id)}", doing="deletion"):
        await client.begin_delete(
            group_of(disk_id), name_of(disk_id), polling=polling, **once(client_request_id)
        )
        address = poll_url(polling.answer.headers)
        # 204 means that it is gone already: then only the disk itself can be asked.
        return Submitted(job_id="" if address else request_path(disk_id), resume=address)


async def read_deletion(session: Session, disk_id: str) -> Job:
    """Whether it is gone, as a job."""
    try:
        await read_disk(session, disk_id)
    except NotFound:
        state = JobState.SUCCEEDED
    else:
        state = JobState.RUNNING
    return Job(
        id=disk_id,
        kind=JobKind.DISK,
        operation="Delete",
        title="Delete disk",
        state=state,
        read_at=session.service_now(),
    )


async def list_locks(session: Session, subscription: str) -> tuple[tuple[str, str], ...]:
    """(scope in lower case, name and level) of every lock in it, whatever it is on."""
    path = f"/subscriptions/{subscription}/providers/Microsoft.Authorization/locks"
    found: list[tuple[str, str]] = []
    async with azure_errors(f"Locks of subscription {subscription}"):
        page = await session.get_json(path, LOCKS_VERSION)
        while True:
            for lock in parts(page, "value"):
                scope = key_of(text(lock, "id")).partition("/providers/microsoft.authorization/locks/")[0]
                level = text(part(lock, "properties"), "level")
                found.append((scope, f"{text(lock, 'name')} on {name_of(scope)} ({level})"))
            link = text(page, "nextLink")
            if not link:
                return tuple(found)
            page = await session.get_json(link)


def holding(locks: Iterable[tuple[str, str]], arm_id: str) -> tuple[str, ...]:
    """Those that hold for it: its own and those above it."""
    return tuple(lock for scope, lock in locks if f"{key_of(arm_id)}/".startswith(f"{scope}/"))
