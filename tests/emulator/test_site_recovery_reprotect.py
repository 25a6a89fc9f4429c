"""Re-protect, failback and the end of a replication, by the real SDK: the whole circle and what is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.recoveryservicessiterecovery.models import (
    A2ASwitchProtectionInput,
    A2AVmManagedDiskInputDetails,
    DisableProtectionInput,
    DisableProtectionInputProperties,
    SwitchProtectionInput,
    SwitchProtectionInputProperties,
)

from ..support import Emulator
from .sdk import group_of, name_of, sdk_clients
from .site_recovery_steps import Item, find_item, operation_of

pytestmark = pytest.mark.usefixtures("emulator_env")
JOB_S, UNTIL_PROTECTED_S = 700, 3000


async def account_in(clients: Any, region: str) -> str:
    accounts = await clients.graph_rows(
        "resources | where type =~ 'microsoft.storage/storageaccounts' "
        f"and location =~ '{region}' | project id | order by id asc"
    )
    return str(accounts[0]["id"])


def staging(emulator: Emulator, region: str) -> str:
    """Any account of the region; contoso's names tell theirs."""
    found = emulator.graph(
        f"resources | where type =~ 'microsoft.storage/storageaccounts' and location =~ '{region}' | project id"
    )
    return str(found[0]["id"])


def asked_of(item: Item, shown: Any, group_id: str, account_id: str, **changes: Any) -> SwitchProtectionInput:
    details = shown.provider_specific_details
    facts = {
        "recovery_container_id": item.path.split("/replicationProtectedItems/")[0],
        "policy_id": shown.policy_id,
        "recovery_resource_group_id": group_id,
        "vm_managed_disks": [
            A2AVmManagedDiskInputDetails(
                disk_id=disk.recovery_target_disk_id,
                primary_staging_azure_storage_account_id=account_id,
                recovery_resource_group_id=group_id,
            )
            for disk in details.protected_managed_disks
        ],
        "vm_disks": [],
    }
    return SwitchProtectionInput(
        properties=SwitchProtectionInputProperties(
            replication_protected_item_name=name_of(item.path),
            provider_specific_details=A2ASwitchProtectionInput(**{**facts, **changes}),
        )
    )


async def switch(item: Item, asked: SwitchProtectionInput) -> Any:
    containers = item.client.replication_protection_containers
    return await containers.begin_switch_protection(*item.address[:4], asked)


async def fail_over_and_commit(item: Item) -> Any:
    await item.finish(await item.start_failover(shut_down=True))
    return (await item.finish(await item.start_commit(), 120)).properties
