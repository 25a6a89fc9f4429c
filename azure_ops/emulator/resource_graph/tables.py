"""The tables and the resource types in them: which records they are and what their rows show.

`Source` narrows itself to the types that a query wants before anything is rendered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..answers import Json
from ..records.backup import BackupJob, ProtectedItem, Vault
from ..records.backup_policies import BackupPolicy
from ..records.compute import (
    Disk,
    NetworkInterface,
    PublicIpAddress,
    Snapshot,
    StorageAccount,
    VirtualMachine,
    VirtualNetwork,
)
from ..records.site_recovery import ReplicatedItem, ReplicationJob
from ..records.tenancy import TENANT_ID_FACT, ResourceGroup, Subscription
from ..store import Record
from ..world import World
from .errors import unknown_table
from .rows import Row, SourceRow

COLUMNS = (
    "id",
    "name",
    "type",
    "tenantId",
    "kind",
    "location",
    "resourceGroup",
    "subscriptionId",
    "managedBy",
    "sku",
    "plan",
    "properties",
    "tags",
    "identity",
    "zones",
    "extendedLocation",
)
"""The same in all three tables."""

VAULT_TYPE = "microsoft.recoveryservices/vaults"

Document = Callable[[World, Any], dict[str, Json]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One resource type: the records it has, and their document as Resource Manager answers it."""

    resource_type: str
    record: type[Record]
    document: Document
    wire_id: Callable[[str], str] | None = None
    """What the document makes of the record's id; None: nothing."""


def _machine(world: World, machine: VirtualMachine) -> dict[str, Json]:
    """Resource Graph adds the power state, which the lists of Compute leave out."""
    from ..handlers.compute import vm_document

    document = vm_document(world, machine)
    power = {
        "code": f"PowerState/{machine.power}",
        "displayStatus": f"VM {machine.power}",
        "level": "Info",
    }
    document["properties"] = {**document["properties"], "extended": {"instanceView": {"powerState": power}}}
    return document


def _subscription(world: World, subscription: Subscription) -> dict[str, Json]:
    return {
        "id": subscription.id,
        "name": subscription.display_name,
        "properties": {
            "state": subscription.state,
            "subscriptionPolicies": {
                "locationPlacementId": "Public_2014-09-01",
                "quotaId": "EnterpriseAgreement_2014-09-01",
                "spendingLimit": "Off",
            },
        },
    }


def _group(world: World, group: ResourceGroup) -> dict[str, Json]:
    return {
        "id": group.id,
        "name": group.name,
        "location": group.location,
        "tags": group.tags,
        "managedBy": group.managed_by,
        "properties": {"provisioningState": "Succeeded"},
    }


# Made late: the handlers that render the documents import much of the emulator.


def _resources() -> tuple[Kind, ...]:
    from ..handlers import compute_disks, network, vaults

    def plain(document: Callable[[Any], dict[str, Json]]) -> Document:
        return lambda world, record: document(record)

    return (
        Kind("microsoft.compute/virtualmachines", VirtualMachine, _machine),
        Kind("microsoft.compute/disks", Disk, compute_disks.disk_document),
        Kind("microsoft.compute/snapshots", Snapshot, compute_disks.snapshot_document),
        Kind("microsoft.network/virtualnetworks", VirtualNetwork, plain(network.virtual_network_document)),
        Kind(
            "microsoft.network/networkinterfaces", NetworkInterface, plain(network.network_interface_document)
        ),
        Kind("microsoft.network/publicipaddresses", PublicIpAddress, plain(network.public_ip_document)),
        Kind("microsoft.storage/storageaccounts", StorageAccount, plain(network.storage_account_document)),
        Kind(VAULT_TYPE, Vault, vaults.vault_document),
    )


def _backup_kinds() -> tuple[Kind, ...]:
    from ..handlers import backup, backup_jobs

    items = f"{VAULT_TYPE}/backupfabrics/protectioncontainers/protecteditems"
    return (
        Kind(items, ProtectedItem, backup.protected_item_document),
        Kind(f"{VAULT_TYPE}/backuppolicies", BackupPolicy, backup.policy_document),
        Kind(
            f"{VAULT_TYPE}/backupjobs",
            BackupJob,
            lambda world, job: backup_jobs.job_document(world, job, detail=False),
        ),
    )


def _site_recovery_kinds() -> tuple[Kind, ...]:
    from ..handlers import site_recovery, site_recovery_jobs
    from ..handlers.site_recovery_ids import service_id

    containers = f"{VAULT_TYPE}/replicationfabrics/replicationprotectioncontainers"
    return (
        Kind(
            f"{containers}/replicationprotecteditems",
            ReplicatedItem,
            site_recovery.replicated_item_document,
            service_id,
        ),
        Kind(
            f"{VAULT_TYPE}/replicationjobs",
            ReplicationJob,
            lambda world, job: site_recovery_jobs.job_document(world, job, detail=False),
            service_id,
        ),
    )


def _containers() -> tuple[Kind, ...]:
    return (
        Kind("microsoft.resources/subscriptions", Subscription, _subscription),
        Kind("microsoft.resources/subscriptions/resourcegroups", ResourceGroup, _group),
    )


@lru_cache(maxsize=8)
def _kinds(table: str) -> tuple[Kind, ...] | None:
    if table == "resources":
        return _resources()
    if table == "recoveryservicesresources":
        return _backup_kinds() + _site_recovery_kinds()
    return _containers() if table == "resourcecontainers" else None


class Source:
    """A table as one request sees it: only the given subscriptions, only the types still wanted."""

    def __init__(self, world: World, name: str, subscription_ids: frozenset[str]) -> None:
        """`subscription_ids` in lower case. Raises `QueryError` for an unknown table."""
        kinds = _kinds(name.lower())
        if kinds is None:
            raise unknown_table(name)
        self.columns = COLUMNS
        self._world = world
        self._kinds = kinds
        self._subscriptions = subscription_ids
        self._tenant = world.store.fact(TENANT_ID_FACT) or ""

    def keep_types(self, wanted: Callable[[str], bool]) -> None:
        self._kinds = tuple(kind for kind in self._kinds if wanted(kind.resource_type))

    def rows(self) -> Iterator[Row]:
        store = self._world.store
        everywhere = len(self._subscriptions) == len(store.all(Subscription))
        for kind in self._kinds:
            document, type_, wire_id = self._reader(kind), kind.resource_type, kind.wire_id
            for record in store.all(kind.record):
                row_id = record.id if wire_id is None else wire_id(record.id)
                # "/subscriptions/" is 15 characters, a GUID 36.
                if everywhere or row_id[15:51].lower() in self._subscriptions:
                    yield SourceRow(row_id, type_, record, document)

    def _reader(self, kind: Kind) -> Callable[[Any], dict[str, Json]]:
        world, tenant = self._world, self._tenant

        def columns(record: Any) -> dict[str, Json]:
            document = kind.document(world, record)
            parts = document["id"].split("/", 5)
            return {
                "id": document["id"],
                "name": document["name"],
                "type": kind.resource_type,
                "tenantId": tenant,
                "kind": document.get("kind") or "",
                "location": document.get("location") or "",
                "resourceGroup": parts[4].lower() if len(parts) > 4 else "",
                "subscriptionId": parts[2],
                "managedBy": document.get("managedBy") or "",
                "sku": document.get("sku"),
                "plan": None,
                "properties": document["properties"],
                "tags": document.get("tags"),
                "identity": document.get("identity"),
                "zones": document.get("zones"),
                "extendedLocation": None,
            }

        return columns
