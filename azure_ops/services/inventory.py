"""The fleet: Resource Graph first, Resource Manager's lists where that is refused.

Each source is read by itself, so that one that fails leaves the others; `join` is pure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import msgspec

from ..arm_ids import group_of, name_of, subscription_of
from ..errors import NotAllowed, NotFound, RecoveryError
from ..model import Backup, FleetItem, Job, Option, Replication, Vault
from . import backup, compute, graph_queries, graph_rows, jobs, site_recovery, vaults
from .backup_documents import machine_name
from .backup_job_documents import backup_job
from .replication_jobs import replication_job
from .resource_graph import GRAPH_REFUSED, read_rows

if TYPE_CHECKING:
    from .session import Session

JOBS_BACK = timedelta(hours=72)
_AT_ONCE = 8
"""Vaults read at the same time where each has to be asked by itself."""

Found = TypeVar("Found")


async def read_vms(session: Session) -> dict[str, FleetItem]:
    """By key, without backup and replication."""
    try:
        rows = await read_rows(session, graph_queries.VMS, graph_rows.VmRow, "Virtual machines")
    except GRAPH_REFUSED:
        found = await asyncio.gather(
            *(compute.list_vms(session, one) for one in await session.subscriptions())
        )
        return {key: item for of_one in found for key, item in of_one.items()}
    return dict(map(graph_rows.vm, rows))


async def read_backups(session: Session) -> dict[str, Backup]:
    """By the key of the protected VM."""
    try:
        rows = await read_rows(session, graph_queries.BACKUPS, graph_rows.BackupRow, "Backup items")
    except GRAPH_REFUSED:
        of_vaults = await _per_vault(session, backup.list_vault_items)
        return best_of_each(pair for of_one in of_vaults for pair in of_one.items())
    return best_of_each(pair for pair in map(graph_rows.backup, rows) if pair)


def best_of_each(pairs: Iterable[tuple[str, Backup]]) -> dict[str, Backup]:
    """A VM may be protected in one vault while another one still holds what was deleted there: a soft-deleted
    item must not hide the living one."""
    found: dict[str, Backup] = {}
    for key, item in pairs:
        known = found.get(key)
        if known is None or not item.soft_deleted or known.soft_deleted:
            found[key] = item
    return found


async def read_replications(session: Session) -> dict[str, Replication]:
    """By the key of the replicated VM."""
    try:
        rows = await read_rows(
            session, graph_queries.REPLICATIONS, graph_rows.ReplicationRow, "Replicated items"
        )
    except GRAPH_REFUSED:
        return _merged(await _per_vault(session, site_recovery.list_vault_items))
    return dict(pair for pair in map(graph_rows.replication, rows) if pair)


async def read_vaults(session: Session) -> tuple[Vault, ...]:
    try:
        rows = await read_rows(session, graph_queries.VAULTS, graph_rows.VaultRow, "Recovery Services vaults")
    except GRAPH_REFUSED:
        return await vaults.list_vaults(session)
    return tuple(map(graph_rows.vault, rows))


async def read_jobs(session: Session, of_vaults: Iterable[Vault]) -> tuple[Job, ...]:
    """Everybody's jobs of these vaults in the last days, newest first, thin."""
    known = {vault.id.lower(): vault for vault in of_vaults}
    since = (session.service_now() - JOBS_BACK).strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        of_backup, of_replication = await asyncio.gather(
            _graph_jobs(session, graph_queries.BACKUP_JOBS, since, backup_job, "Backup jobs"),
            _graph_jobs(session, graph_queries.REPLICATION_JOBS, since, replication_job, "Replication jobs"),
        )
    except GRAPH_REFUSED:
        found = await _each(list(known.values()), lambda vault: jobs.list_jobs(session, vault))
        return jobs.newest(tuple(job for of_one in found for job in of_one), most=len(known) * 200)
    of_vault: dict[str, list[Job]] = {}
    for job in (*of_backup, *of_replication):
        of_vault.setdefault(job.vault_id.lower(), []).append(job)
    chosen = [job for one in known if one in of_vault for job in jobs.newest(tuple(of_vault[one]))]
    return jobs.newest(tuple(chosen), most=len(chosen))


async def _graph_jobs(
    session: Session, query: str, since: str, convert: Callable[..., Job], what: str
) -> list[Job]:
    rows = await read_rows(session, query.replace("SINCE", since), graph_rows.DocumentRow, what)
    return [convert({"id": row.id, "properties": row.properties}) for row in rows]


async def list_networks(session: Session, subscription: str, location: str) -> tuple[Option, ...]:
    """Virtual networks that a VM could come up in, by name."""
    query = graph_queries.networks(location)
    rows = await read_rows(session, query, graph_rows.NetworkRow, f"Virtual networks in {location}")
    return tuple(
        Option(
            value=row.id,
            label=name_of(row.id),
            note=f"{row.peerings_text}, {group_of(row.id)} {row.prefixes_text}".strip(),
        )
        for row in sorted(rows, key=lambda row: name_of(row.id).lower())
        if subscription_of(row.id).lower() == subscription.lower()
    )


# where Resource Graph is refused ------------------------------------------------------------------------


async def _per_vault(
    session: Session, read: Callable[[Session, str], Awaitable[dict[str, Found]]]
) -> list[dict[str, Found]]:
    return await _each(list(await read_vaults(session)), lambda vault: read(session, vault.id))


async def _each(of_vaults: list[Vault], read: Callable[[Vault], Awaitable[Found]]) -> list[Found]:
    """A vault that may not be read is left out, as Resource Graph would; any other failure fails the source:
    a VM must not look unprotected because its vault did not answer."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(vault: Vault) -> Found | RecoveryError:
        async with gate:
            try:
                return await read(vault)
            except (NotAllowed, NotFound) as error:
                return error

    answers = await asyncio.gather(*map(one, of_vaults))
    found = [answer for answer in answers if not isinstance(answer, RecoveryError)]
    refused = [answer for answer in answers if isinstance(answer, RecoveryError)]
    if refused and not found:
        raise refused[0]
    return found


def _merged(found: list[dict[str, Found]]) -> dict[str, Found]:
    return {key: value for of_one in found for key, value in of_one.items()}


# joining ----------------------------------------------------------------------------------------------------


def join(
    vms: Mapping[str, FleetItem],
    backups: Mapping[str, Backup],
    replications: Mapping[str, Replication],
    is_gone: Callable[[str], bool] = lambda _: True,
) -> dict[str, FleetItem]:
    """One row per VM, and one per protected VM that is not among them. `is_gone` says whether that means that
    it was deleted, or only that the VMs could not be read."""
    items: dict[str, FleetItem] = {}
    for key, item in vms.items():
        of_backup, of_replication = backups.get(key), replications.get(key)
        if of_backup is not None or of_replication is not None:
            item = msgspec.structs.replace(item, backup=of_backup, replication=of_replication)
        items[key] = item
    for key in (*backups, *replications):
        if key not in items:
            items[key] = without_vm(key, backups.get(key), replications.get(key), gone=is_gone(key))
    return items


def without_vm(
    key: str, of_backup: Backup | None, of_replication: Replication | None, *, gone: bool
) -> FleetItem:
    """What is known of a deleted or an unread VM: its item knows the name in the casing that people wrote."""
    name = name_of(key)
    spelt = machine_name(of_backup.item_id) if of_backup else ""
    if of_replication and not spelt:
        spelt = of_replication.recovery_vm_name
    return FleetItem(
        key=key,
        id=key,
        name=spelt if spelt.lower() == name else name,
        subscription_id=subscription_of(key),
        resource_group=group_of(key),
        location=of_replication.primary_region if of_replication else "",
        exists=not gone,
        vm_unread=not gone,
        backup=of_backup,
        replication=of_replication,
    )
