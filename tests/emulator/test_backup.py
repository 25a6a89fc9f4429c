"""Backup at rest through the real SDK: items, containers, policies, recovery points, status of a machine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.recoveryservicesbackup.models import BackupStatusRequest

from azure_ops.emulator.records.backup import ProtectedItem, protected_item_id

from ..support import NOW, Emulator
from .sdk import Clients, collect, group_of, sdk_clients
from .small_world import BASE_URL, ask, small_world

VMS = "backupManagementType eq 'AzureIaasVM' and itemType eq 'VM'"
NOW_AT = datetime.fromisoformat(NOW)


@dataclass
class Item:
    """An item and the names that its requests take."""

    document: Any
    vault: str
    group: str

    @property
    def where(self) -> tuple[str, str, str, str, str]:
        parts = self.document.id.split("/")
        return self.vault, self.group, "Azure", parts[-3], parts[-1]

    @property
    def properties(self) -> Any:
        return self.document.properties


async def items_of(clients: Clients) -> list[Item]:
    found = []
    for vault in await collect(clients.vaults.vaults.list_by_subscription_id()):
        group = group_of(vault.id)
        items = await collect(clients.backup.backup_protected_items.list(vault.name, group, filter=VMS))
        found += [Item(item, vault.name, group) for item in items]
    return found


async def protected(clients: Clients) -> Item:
    for item in await items_of(clients):
        if item.properties["protectionState"] == "Protected":
            points = await collect(clients.backup.recovery_points.list(*item.where))
            if len(points) > 3:
                return item
    raise AssertionError("the fleet has no item with points")


async def test_items(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        items = await items_of(clients)
        states = {item.properties["protectionState"] for item in items}
        assert "Protected" in states
        item = await protected(clients)
        assert item.properties["healthDetails"]
        assert item.properties["vaultId"].startswith("https://management.azure.com/subscriptions/")
        assert item.properties["containerName"] == item.document.name.removeprefix("VM;")
        one = await clients.backup.protected_items.get(*item.where)
        assert one.id == item.document.id
        vault, group, fabric, container, name = item.where
        shouted = await clients.backup.protected_items.get(
            vault, group, fabric, container.upper(), name.lower()
        )
        assert shouted.id == item.document.id
        with pytest.raises(ResourceNotFoundError):
            await clients.backup.protected_items.get(vault, group, fabric, container, name + "x")
        pending = [one for one in items if one.properties["protectionState"] == "IRPending"]
        assert all(one.properties["lastBackupTime"] == "2001-01-01T00:00:00Z" for one in pending)


async def test_percent_encoded_names_reach_the_same_item(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        item = await protected(clients)
    answer = emulator_env.get(item.document.id.replace(";", "%3B"))
    assert answer.body["id"] == item.document.id


@pytest.mark.parametrize(
    ("filter_text", "understood"),
    [
        ("policyName eq 'DefaultPolicy'", True),
        ("backupManagementType eq 'AzureIaasVM' and itemType eq 'VM' and policyName eq 'nobody''s'", True),
        ("itemType eq VM", False),
        ("itemType ne 'VM'", False),
        ("itemType eq 'VM' or itemType eq 'FileFolder'", False),
        ("colour eq 'red'", False),
        ("itemType eq 'VM' and", False),
    ],
)
async def test_item_filters(emulator_env: Emulator, filter_text: str, understood: bool) -> None:
    async with sdk_clients(emulator_env) as clients:
        vault = (await collect(clients.vaults.vaults.list_by_subscription_id()))[0]
        pages = clients.backup.backup_protected_items.list(vault.name, group_of(vault.id), filter=filter_text)
        if understood:
            items = await collect(pages)
            assert all(item.properties["policyName"] == "DefaultPolicy" for item in items)
            assert bool(items) == ("nobody" not in filter_text)
        else:
            with pytest.raises(HttpResponseError) as caught:
                await collect(pages)
            assert (caught.value.status_code, caught.value.error.code) == (400, "BMSUserErrorInvalidInput")


async def test_containers_policies_summaries(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        item = await protected(clients)
        where = item.vault, item.group
        name = item.properties["friendlyName"]
        asked = (
            f"backupManagementType eq 'AzureIaasVM' and friendlyName eq '{name}' and status eq 'Registered'"
        )
        containers = await collect(clients.backup.backup_protection_containers.list(*where, filter=asked))
        assert [one.name for one in containers] == [item.where[3]]
        policies = await collect(clients.backup.backup_policies.list(*where))
        assert {"DefaultPolicy", "EnhancedPolicy", "HourlyLogBackup"} <= {one.name for one in policies}
        policy = await clients.backup.protection_policies.get(*where, item.properties["policyName"])
        assert policy.properties.instant_rp_retention_range_in_days >= 1
        assert policy.properties.protected_items_count >= 1
        with pytest.raises(ResourceNotFoundError):
            await clients.backup.protection_policies.get(*where, "nobody")
        summary = await collect(
            clients.backup.backup_usage_summaries.list(
                *where, filter="type eq 'BackupProtectedItemCountSummary'"
            )
        )
        assert summary[0].current_value >= 1


async def test_recovery_points_by_date(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        item = await protected(clients)
        points = await collect(clients.backup.recovery_points.list(*item.where))
        taken = [point.properties.recovery_point_time for point in points]
        assert taken == sorted(taken, reverse=True)
        since, until = taken[3] - timedelta(seconds=2), taken[1] + timedelta(seconds=2)
        form = "%Y-%m-%d %I:%M:%S %p"
        asked = f"startDate eq '{since.strftime(form)}' and endDate eq '{until.strftime(form)}'"
        some = await collect(clients.backup.recovery_points.list(*item.where, filter=asked))
        assert [point.name for point in some] == [point.name for point in points[1:4]]
        one = await clients.backup.recovery_points.get(*item.where, points[0].name)
        assert one.properties.recovery_point_time == taken[0]
        with pytest.raises(ResourceNotFoundError):
            await clients.backup.recovery_points.get(*item.where, "12")
        with pytest.raises(HttpResponseError, match="BMSUserErrorInvalidInput"):
            await collect(clients.backup.recovery_points.list(*item.where, filter="startDate eq 'today'"))


def tiers(point: Any) -> dict[str, str]:
    return {tier.type: tier.status for tier in point.properties.recovery_point_tier_details}


async def test_points_grow_old(emulator_env: Emulator) -> None:
    """The snapshot tier stays listed as deleted; the whole point goes when it expires."""
    async with sdk_clients(emulator_env) as clients:
        item = await protected(clients)
        points = await collect(clients.backup.recovery_points.list(*item.where))
        oldest, newest = points[-1], points[0]
        assert tiers(newest) == {"InstantRP": "Valid", "HardenedRP": "Valid"}
        assert newest.properties.recovery_point_properties is None
        expires = datetime.fromisoformat(oldest.properties.recovery_point_properties.expiry_time)
        emulator_env.advance((expires - NOW_AT.replace(tzinfo=None)).total_seconds() + 1)
        later = await collect(clients.backup.recovery_points.list(*item.where))
        assert oldest.name not in [point.name for point in later]
        emulator_env.advance(8 * 86400)
        aged = await clients.backup.recovery_points.get(*item.where, newest.name)
        assert tiers(aged) == {"InstantRP": "Deleted", "HardenedRP": "Valid"}
        assert aged.properties.recovery_point_properties.rule_name


async def test_protection_status_of_a_machine(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        item = await protected(clients)
        asked = BackupStatusRequest(resource_type="VM", resource_id=item.properties["virtualMachineId"])
        found = await clients.backup.backup_status.get("westeurope", asked)
        assert found.protection_status == "Protected"
        assert found.vault_id.endswith(item.vault)
        assert found.protected_item_name == item.document.name.lower()
        asked.resource_id += "-nobody"
        assert (
            await clients.backup.backup_status.get("westeurope", asked)
        ).protection_status == "NotProtected"


def test_item_lists_have_pages() -> None:
    """A vault with more items than a page holds: every item comes once, over absolute links."""
    small = small_world()
    for number in range(450):
        vm_id = f"{small.vm.id}-{number:03}"
        small.world.store.save(
            ProtectedItem(
                id=protected_item_id(small.vault.id, vm_id),
                vm_id=vm_id,
                os_type="Linux",
                policy_name="DefaultPolicy",
                data_id=str(number),
            )
        )
    link = f"{small.vault.id}/backupProtectedItems?$filter=itemType eq 'VM'&api-version=2025-02-01"
    found, pages = [], 0
    while link:
        page = ask(small, "GET", link).body
        found += [item["id"] for item in page["value"]]
        pages, link = pages + 1, page.get("nextLink", "")
        assert not link or link.startswith(f"{BASE_URL}/subscriptions/")
    assert pages == 3
    assert len(found) == len(set(found)) == 451
