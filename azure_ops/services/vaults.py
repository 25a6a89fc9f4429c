"""Recovery Services vaults: SDK in, model out. Lists know nothing of redundancy and soft delete.

Creating and changing one answers with an operation that is no job: its status is asked for by its address.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from ..arm_ids import group_of, name_of, request_path, subscription_of
from ..backup_policies import BackupPolicy, meaning
from ..engine.submitted import Submitted, first_answer, once, poll_url
from ..errors import NotFound, RecoveryError
from ..model import ErrorNote, Job, JobKind, Option, Vault, VaultUsage
from ..wire_values import Document, part, text
from . import protection
from .azure_failures import azure_errors
from .job_states import arm_state
from .vault_documents import believed, read_vault_document, usage_of

if TYPE_CHECKING:
    from .session import Session


async def list_vaults(session: Session) -> tuple[Vault, ...]:
    """Of all subscriptions looked at, by Resource Manager's lists."""
    found = await asyncio.gather(*(_of(session, one) for one in await session.subscriptions()))
    return tuple(vault for of_one in found for vault in of_one)


async def _of(session: Session, subscription: str) -> list[Vault]:
    client = session.vaults(subscription).vaults
    async with azure_errors(f"Vaults of subscription {subscription}"):
        return [vault(document) async for document in client.list_by_subscription_id()]


def vault(document: Document) -> Vault:
    vault_id = request_path(text(document, "id"))
    return Vault(
        id=vault_id,
        name=text(document, "name") or name_of(vault_id),
        location=text(document, "location"),
        subscription_id=subscription_of(vault_id),
        resource_group=group_of(vault_id),
    )


async def read_vault(session: Session, vault_id: str) -> Vault:
    """With all there is. Usage, Resource Guard and policies fail alone; the vault itself raises."""
    whole, usage, guard, policies = await asyncio.gather(
        _document(session, vault_id),
        _or_problem(read_usage(session, vault_id)),
        _or_problem(protection.read_guard(session, vault_id)),
        _or_problem(protection.list_policies(session, vault_id)),
    )
    names = await session.subscription_names()
    found = read_vault_document(vault(whole), whole)
    faults: tuple[ErrorNote, ...] = tuple(
        one.note() for one in (usage, guard, policies) if isinstance(one, RecoveryError)
    )
    return msgspec.structs.replace(
        found,
        subscription_name=names.get(found.subscription_id, ""),
        read_at=session.service_now(),
        usage=None if isinstance(usage, RecoveryError) else believed(usage, found.redundancy),
        guard_id="" if isinstance(guard, RecoveryError) else guard.id,
        policies=() if isinstance(policies, RecoveryError) else tuple(map(_told, policies)),
        faults=faults,
    )


def _told(policy: BackupPolicy) -> Option:
    return Option(value=policy.id, label=policy.name, note=meaning(policy))


async def _or_problem(reading: Any) -> Any:
    try:
        return await reading
    except RecoveryError as problem:
        return problem


async def _document(session: Session, vault_id: str) -> Document:
    client = session.vaults(subscription_of(vault_id)).vaults
    async with azure_errors(f"Vault {name_of(vault_id)}"):
        found: Document = await client.get(group_of(vault_id), name_of(vault_id))
        return found


async def read_usage(session: Session, vault_id: str) -> VaultUsage:
    client = session.vaults(subscription_of(vault_id)).usages
    async with azure_errors(f"Usage of vault {name_of(vault_id)}"):
        pages = client.list_by_vaults(group_of(vault_id), name_of(vault_id))
        return usage_of([document async for document in pages])


async def find_vault(session: Session, vault_id: str) -> Vault | None:
    """None when there is none of this name in this resource group."""
    try:
        document = await _document(session, vault_id)
    except NotFound:
        return None
    return read_vault_document(vault(document), document)


async def storage_locked(session: Session, vault_id: str) -> bool:
    """Whether the service says that the kind of storage cannot be changed any more."""
    client = session.backup(subscription_of(vault_id)).backup_resource_storage_configs_non_crr
    async with azure_errors(f"Storage of vault {name_of(vault_id)}"):
        document: Document = await client.get(name_of(vault_id), group_of(vault_id))
        return text(part(document, "properties"), "storageTypeState").lower() == "locked"


async def read_vault_job(session: Session, vault_id: str) -> Job:
    """How far its creation is, as a job: it has none. Raises NotFound when there is no such vault."""
    document = await _document(session, vault_id)
    state = text(part(document, "properties"), "provisioningState")
    return Job(
        id=request_path(text(document, "id")),
        kind=JobKind.BACKUP,
        operation="Vault",
        title=f"Vault {name_of(vault_id)}",
        state=arm_state(state),
        state_text=state,
        target_name=name_of(vault_id),
        vault_id=vault_id,
        read_at=session.service_now(),
    )


async def create(
    session: Session, vault_id: str, body: Mapping[str, Any], client_request_id: str
) -> Submitted:
    client: Any = session.vaults(subscription_of(vault_id)).vaults
    polling = first_answer()
    async with azure_errors(f"Vault {name_of(vault_id)}", doing="creation"):
        await client.begin_create_or_update(
            group_of(vault_id), name_of(vault_id), dict(body), polling=polling, **once(client_request_id)
        )
        return Submitted(resume=poll_url(polling.answer.headers))


async def change(
    session: Session, vault_id: str, body: Mapping[str, Any], client_request_id: str
) -> Submitted:
    """What the body does not name stays as it is."""
    client: Any = session.vaults(subscription_of(vault_id)).vaults
    polling = first_answer()
    async with azure_errors(f"Vault {name_of(vault_id)}", doing="change"):
        await client.begin_update(
            group_of(vault_id), name_of(vault_id), dict(body), polling=polling, **once(client_request_id)
        )
        return Submitted(resume=poll_url(polling.answer.headers))
