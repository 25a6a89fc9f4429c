"""What re-protecting and disabling the replication of an item need: SDK in, model out.

Azure to Azure re-protects by switching the protection of the item's container; the item then stands, under
its name, in the other one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..arm_ids import group_of, name_of, segment, subscription_of, vault_of
from ..engine.submitted import Submitted, first_answer, once, replication_job_id
from ..wire_values import Document, part, parts, text, whole
from .azure_failures import azure_errors

if TYPE_CHECKING:
    from .session import Session

CONTAINERS = "/replicationProtectedItems/"


class TurnedDisk(msgspec.Struct, frozen=True, kw_only=True):
    """A disk on both sides of a failover."""

    old_id: str
    """Of the machine that was failed over."""
    new_id: str
    """Of the machine that runs now; empty when Azure does not tell it."""
    size_bytes: int = 0

    @property
    def old_name(self) -> str:
        return name_of(self.old_id)


class FailedOver(msgspec.Struct, frozen=True, kw_only=True):
    """A replicated item as a re-protect sees it."""

    item_id: str
    recovery_vm_id: str = ""
    policy_id: str = ""
    disks: tuple[TurnedDisk, ...] = ()
    nics: tuple[str, ...] = ()
    """Names of the old machine's interfaces."""
    first: bool = True
    """In the direction in which it was set up: the old machine is the original one."""

    @property
    def container_id(self) -> str:
        return self.item_id[: self.item_id.index(CONTAINERS)]


async def read_failed_over(session: Session, item_id: str) -> FailedOver:
    client = session.site_recovery(subscription_of(item_id)).replication_protected_items
    async with azure_errors(f"Replicated item in {segment(item_id, 'vaults')}"):
        document: Document = await client.get(
            *_container(item_id), segment(item_id, "replicationProtectedItems")
        )
    return failed_over(document)


def failed_over(document: Document) -> FailedOver:
    properties = part(document, "properties")
    details = part(properties, "providerSpecificDetails")
    initial = text(details, "initialPrimaryFabricLocation").lower()
    return FailedOver(
        item_id=text(document, "id"),
        recovery_vm_id=text(details, "recoveryFabricObjectId"),
        policy_id=text(properties, "policyId"),
        disks=tuple(
            TurnedDisk(
                old_id=text(disk, "diskId"),
                new_id=text(disk, "recoveryTargetDiskId"),
                size_bytes=whole(disk, "diskCapacityInBytes") or 0,
            )
            for disk in parts(details, "protectedManagedDisks")
        ),
        nics=tuple(name_of(text(nic, "sourceNicArmId")) for nic in parts(details, "vmNics")),
        first=initial in ("", text(details, "primaryFabricLocation").lower()),
    )


def switch_input(item: FailedOver, *, group_id: str, account_id: str, zone: str) -> Any:
    """The request's body, as the SDK's model; `as_dict()` is what is sent."""
    from azure.mgmt.recoveryservicessiterecovery import models

    details = models.A2ASwitchProtectionInput(
        recovery_container_id=item.container_id,
        policy_id=item.policy_id,
        recovery_resource_group_id=group_id,
        recovery_availability_zone=zone or None,
        vm_disks=[],
        vm_managed_disks=[
            models.A2AVmManagedDiskInputDetails(
                disk_id=disk.new_id,
                primary_staging_azure_storage_account_id=account_id,
                recovery_resource_group_id=group_id,
            )
            for disk in item.disks
        ],
    )
    return models.SwitchProtectionInput(
        properties=models.SwitchProtectionInputProperties(
            replication_protected_item_name=name_of(item.item_id), provider_specific_details=details
        )
    )


async def switch_protection(
    session: Session, item: FailedOver, *, group_id: str, account_id: str, zone: str, client_request_id: str
) -> Submitted:
    client = session.site_recovery(subscription_of(item.item_id)).replication_protection_containers
    body = switch_input(item, group_id=group_id, account_id=account_id, zone=zone)
    polling = first_answer()
    async with azure_errors(f"Replicated item in {segment(item.item_id, 'vaults')}", doing="re-protect"):
        poller = await client.begin_switch_protection(
            *_container(item.item_id), body, polling=polling, **once(client_request_id)
        )
        return Submitted(
            job_id=replication_job_id(polling.answer.headers, vault_of(item.item_id)),
            resume=poller.continuation_token(),
        )


async def disable_replication(session: Session, item_id: str, client_request_id: str) -> Submitted:
    from azure.mgmt.recoveryservicessiterecovery import models

    client = session.site_recovery(subscription_of(item_id)).replication_protected_items
    asked = models.DisableProtectionInputProperties(disable_protection_reason="NotSpecified")
    polling = first_answer()
    async with azure_errors(f"Replicated item in {segment(item_id, 'vaults')}", doing="disable replication"):
        poller = await client.begin_delete(
            *_container(item_id),
            segment(item_id, "replicationProtectedItems"),
            models.DisableProtectionInput(properties=asked),
            polling=polling,
            **once(client_request_id),
        )
        return Submitted(
            job_id=replication_job_id(polling.answer.headers, vault_of(item_id)),
            resume=poller.continuation_token(),
        )


def _container(item_id: str) -> tuple[str, str, str, str]:
    """Group, vault, fabric and container, as every SDK method takes them."""
    return (
        group_of(item_id),
        segment(item_id, "vaults"),
        segment(item_id, "replicationFabrics"),
        segment(item_id, "replicationProtectionContainers"),
    )
