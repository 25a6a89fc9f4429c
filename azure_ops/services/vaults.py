"""Recovery Services vaults: SDK in, model out. Lists know nothing of redundancy and soft delete."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ..arm_ids import group_of, name_of, request_path, subscription_of
from ..model import Vault
from ..wire_values import Document, text
from .azure_failures import azure_errors

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
