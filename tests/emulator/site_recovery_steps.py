"""What the Site Recovery tests do again and again: find an item, start an operation, drive it to its end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from azure.mgmt.recoveryservicessiterecovery.aio import SiteRecoveryManagementClient
from azure.mgmt.recoveryservicessiterecovery.models import (
    A2AApplyRecoveryPointInput,
    A2ATestFailoverInput,
    A2AUnplannedFailoverInput,
    ApplyRecoveryPointInput,
    ApplyRecoveryPointInputProperties,
    TestFailoverCleanupInput,
    TestFailoverCleanupInputProperties,
    TestFailoverInput,
    TestFailoverInputProperties,
    UnplannedFailoverInput,
    UnplannedFailoverInputProperties,
)

from ..support import Emulator
from .sdk import collect

VAULT = ("rg-recovery", "rsv-neu")
"""Protects West Europe in the contoso fleet."""


@dataclass
class Item:
    """A replicated item and the arguments that every SDK method wants for it."""

    client: SiteRecoveryManagementClient
    emulator: Emulator
    path: str
    vm_name: str

    @property
    def address(self) -> tuple[str, str, str, str, str]:
        parts = self.path.strip("/").split("/")
        return parts[3], parts[7], parts[9], parts[11], parts[13]

    @property
    def vault(self) -> tuple[str, str]:
        return self.address[:2]

    @property
    def items(self) -> Any:
        return self.client.replication_protected_items

    async def get(self) -> Any:
        return (await self.items.get(*self.address)).properties

    async def points(self) -> list[Any]:
        listed = self.client.recovery_points.list_by_replication_protected_items(*self.address)
        return await collect(listed)

    async def jobs(self) -> list[Any]:
        return await collect(self.client.replication_jobs.list(*self.vault))

    async def job(self, poller: Any) -> Any:
        return await self.client.replication_jobs.get(*self.vault, operation_of(poller))

    # operations; each returns its poller as soon as the service accepted it --------------------------------

    async def start_test_failover(self, network_id: str, point_id: str | None = None) -> Any:
        asked = TestFailoverInputProperties(
            failover_direction="PrimaryToRecovery",
            network_type="VmNetworkAsInput",
            network_id=network_id,
            provider_specific_details=A2ATestFailoverInput(recovery_point_id=point_id),
        )
        return await self.items.begin_test_failover(*self.address, TestFailoverInput(properties=asked))

    async def start_clean_up(self, comments: str = "done") -> Any:
        asked = TestFailoverCleanupInput(properties=TestFailoverCleanupInputProperties(comments=comments))
        return await self.items.begin_test_failover_cleanup(*self.address, asked)

    async def start_failover(self, *, shut_down: bool = False, point_id: str | None = None) -> Any:
        asked = UnplannedFailoverInputProperties(
            failover_direction="PrimaryToRecovery",
            source_site_operations="Required" if shut_down else "NotRequired",
            provider_specific_details=A2AUnplannedFailoverInput(recovery_point_id=point_id),
        )
        return await self.items.begin_unplanned_failover(
            *self.address, UnplannedFailoverInput(properties=asked)
        )

    async def start_change_point(self, point_id: str) -> Any:
        asked = ApplyRecoveryPointInputProperties(
            recovery_point_id=point_id, provider_specific_details=A2AApplyRecoveryPointInput()
        )
        return await self.items.begin_apply_recovery_point(
            *self.address, ApplyRecoveryPointInput(properties=asked)
        )

    async def start_commit(self) -> Any:
        return await self.items.begin_failover_commit(*self.address)

    async def finish(self, poller: Any, seconds: float = 400) -> Any:
        """Lets the world's time pass and the poller see the end; the typed result."""
        self.emulator.advance(seconds)
        return await asyncio.wait_for(poller.result(), 30)


def operation_of(poller: Any) -> str:
    """The guid of the operation, which is its job's name."""
    status_url = str(poller._polling_method._initial_response.http_response.headers["Azure-AsyncOperation"])
    return status_url.split("?")[0].rsplit("/", 1)[-1]


async def find_item(
    client: SiteRecoveryManagementClient, emulator: Emulator, vm_name: str, vault: tuple[str, str] = VAULT
) -> Item:
    for item in await collect(client.replication_protected_items.list(*vault)):
        if item.properties.friendly_name == vm_name:
            return Item(client, emulator, item.id, vm_name)
    raise AssertionError(f"no replicated item {vm_name}")


async def test_network(client: SiteRecoveryManagementClient, item: Item) -> str:
    details = (await item.get()).provider_specific_details
    return str(details.selected_tfo_azure_network_id or details.selected_recovery_azure_network_id)


test_network.__test__ = False  # type: ignore[attr-defined]
