"""Which VM is protected by which vault and policy, and every change of that: SDK in, model out. No policy,
no wording of actions.

A change is one PUT of the item, whose body says which, or its DELETE. Both answer with an operation that
names its job when that has done its work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..arm_ids import group_of, key_of, name_of, request_path, subscription_of, vault_of
from ..backup_policies import BackupPolicy, Guard, VaultSafety
from ..engine.submitted import Submitted, first_answer, once, poll_url
from ..wire_values import Document, text
from . import graph_queries, graph_rows, inventory
from .azure_failures import azure_errors
from .backup import arguments_of, headers_of, item_title
from .backup_policy_documents import guard, policy, vault_safety
from .resource_graph import GRAPH_REFUSED, read_rows

if TYPE_CHECKING:
    from .session import Session

VM_POLICIES = "backupManagementType eq 'AzureIaasVM'"
GUARD_PROXY = "VaultProxy"
"""The one name that a vault's link to its guard has."""
VM_TYPE = "Microsoft.Compute/virtualMachines"


def item_id_of(vault_id: str, vm_id: str) -> str:
    """The id that a VM's backup item has in that vault: it follows from the names."""
    short = f"iaasvmcontainerv2;{group_of(vm_id)};{name_of(vm_id)}".lower()
    return (
        f"{request_path(vault_id)}/backupFabrics/Azure/protectionContainers/IaasVMContainer;{short}"
        f"/protectedItems/VM;{short}"
    )


# reading ----------------------------------------------------------------------------------------------------


async def list_policies(session: Session, vault_id: str) -> tuple[BackupPolicy, ...]:
    """Those for virtual machines, by name."""
    client = session.backup(subscription_of(vault_id)).backup_policies
    async with azure_errors(f"Backup policies of {name_of(vault_id)}"):
        pages = client.list(name_of(vault_id), group_of(vault_id), filter=VM_POLICIES)
        found = [policy(document) async for document in pages]
    return tuple(sorted((one for one in found if one), key=lambda one: one.name.lower()))


async def every_policy(session: Session) -> tuple[BackupPolicy, ...]:
    """Those for virtual machines, of all vaults."""
    try:
        rows = await read_rows(session, graph_queries.POLICIES, graph_rows.DocumentRow, "Backup policies")
    except GRAPH_REFUSED:
        vaults = await inventory.read_vaults(session)
        of_vaults = await asyncio.gather(*(list_policies(session, vault.id) for vault in vaults))
        return tuple(one for of_one in of_vaults for one in of_one)
    found = [policy({"id": row.id, "properties": row.properties}) for row in rows]
    return tuple(one for one in found if one)


async def protecting_vault(session: Session, vm_id: str, location: str) -> str:
    """Id of the vault that holds a backup item of this VM, whichever it is; empty when none does."""
    client: Any = session.backup(subscription_of(vm_id)).backup_status
    body = {"resourceType": "VM", "resourceId": vm_id}
    async with azure_errors(f"Backup status of {name_of(vm_id)}"):
        document: Document = await client.get(location, body)
        protected = text(document, "protectionStatus").lower() not in ("", "notprotected")
        return request_path(text(document, "vaultId")) if protected else ""


async def read_safety(session: Session, vault_id: str) -> VaultSafety:
    client = session.vaults(subscription_of(vault_id)).vaults
    async with azure_errors(f"Vault {name_of(vault_id)}"):
        return vault_safety(await client.get(group_of(vault_id), name_of(vault_id)))


async def read_guard(session: Session, vault_id: str) -> Guard:
    """Of its guard proxies there is one at most."""
    client = session.backup(subscription_of(vault_id)).resource_guard_proxies
    async with azure_errors(f"Resource Guard of {name_of(vault_id)}"):
        async for document in client.get(name_of(vault_id), group_of(vault_id)):
            return guard(document)
    return Guard()


# what a PUT of the item says --------------------------------------------------------------------------------


def _item(vm_id: str, policy_id: str, **more: Any) -> dict[str, Any]:
    return {"protectedItemType": VM_TYPE, "sourceResourceId": vm_id, "policyId": policy_id, **more}


def protected(
    vm_id: str, policy_id: str, disks: tuple[tuple[int, ...], bool] | None = None, guard_request: str = ""
) -> dict[str, Any]:
    """First protection, another policy, or protection resumed. `disks` are LUNs and whether these alone are
    backed up beside the OS disk, or all others; None leaves the choice as it is."""
    body = _item(vm_id, policy_id)
    if disks is not None:
        exclusion = {"diskLunList": list(disks[0]), "isInclusionList": disks[1]}
        body["extendedProperties"] = {"diskExclusionProperties": exclusion}
    return {"properties": body | _approved(guard_request)}


def stopped(vm_id: str, *, as_policy_says: bool, guard_request: str = "") -> dict[str, Any]:
    """Points stay for good, or expire as the policy says."""
    state = "BackupsSuspended" if as_policy_says else "ProtectionStopped"
    return {"properties": _item(vm_id, "", protectionState=state) | _approved(guard_request)}


def undeleted(vm_id: str) -> dict[str, Any]:
    """Back from soft deletion, its protection stopped."""
    return {"properties": _item(vm_id, "", isRehydrate=True, protectionState="ProtectionStopped")}


def _approved(guard_request: str) -> dict[str, Any]:
    return {"resourceGuardOperationRequests": [guard_request]} if guard_request else {}


# changing ---------------------------------------------------------------------------------------------------


async def put_item(
    session: Session, item_id: str, body: Mapping[str, Any], client_request_id: str, *, doing: str
) -> Submitted:
    client: Any = session.backup(subscription_of(item_id)).protected_items
    polling = first_answer()
    async with azure_errors(item_title(item_id), doing=doing):
        await client.begin_create_or_update(
            *arguments_of(item_id), dict(body), polling=polling, **once(client_request_id)
        )
        return Submitted(resume=poll_url(polling.answer.headers))


async def unlock_deletion(
    session: Session, vault_id: str, body: Mapping[str, Any], client_request_id: str
) -> None:
    """Tells the vault that its Resource Guard lets one deletion through, for 30 minutes; deletes nothing."""
    client: Any = session.backup(subscription_of(vault_id)).resource_guard_proxy
    async with azure_errors(f"Resource Guard of {name_of(vault_id)}", doing="unlocking of the deletion"):
        await client.unlock_delete(
            name_of(vault_id), group_of(vault_id), GUARD_PROXY, dict(body), **once(client_request_id)
        )


async def delete_item(session: Session, item_id: str, client_request_id: str) -> Submitted:
    """Stops protection and deletes all points; soft delete, where it is on, keeps them for its days."""
    client: Any = session.backup(subscription_of(item_id)).protected_items
    async with azure_errors(item_title(item_id), doing="deletion"):
        headers = await client.delete(*arguments_of(item_id), cls=headers_of, **once(client_request_id))
        return Submitted(resume=poll_url(headers or {}))


def same_vault(policy_id: str, vault_id: str) -> bool:
    return key_of(vault_of(policy_id)) == key_of(vault_id)
