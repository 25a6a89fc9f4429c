"""Re-protect, failback and the end of a replication, by the real SDK."""

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

from ..support import ADMIN_CLIENT_ID, Emulator
from .sdk import group_of, name_of, sdk_clients
from .site_recovery_steps import Item, find_item, operation_of

pytestmark = pytest.mark.usefixtures("emulator_env")
JOB_S, UNTIL_PROTECTED_S = 700, 3000


async def caches(item: Item) -> tuple[str, str]:
    """Cache storage accounts of the source's region and of the target's."""
    disk = (await item.get()).provider_specific_details.protected_managed_disks[0]
    here = str(disk.primary_staging_azure_storage_account_id)
    return here, f"{here.rsplit('/', 1)[0]}/stcontosorestoreneu"


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


async def moved(item: Item, poller: Any) -> Item:
    """Where the job says that the item stands from now on."""
    job = (await item.job(poller)).properties
    return Item(
        item.client, item.emulator, job.custom_details.new_replication_protected_item_id, item.vm_name
    )


async def test_the_whole_circle(emulator: Emulator) -> None:
    async with sdk_clients(emulator) as clients:
        item = await find_item(clients.site_recovery, emulator, "app-01")
        before = (await item.get()).provider_specific_details
        home_cache, there_cache = await caches(item)
        home_vm, home_disk = before.fabric_object_id, before.protected_managed_disks[0].disk_id
        home_group = home_vm.split("/providers/")[0]
        committed = await fail_over_and_commit(item)
        assert list(committed.allowed_operations) == [
            "CompleteMigration",
            "DisableProtection",
            "SwitchProtection",
        ]

        poller = await switch(item, asked_of(item, await item.get(), home_group, there_cache))
        emulator.advance(60)
        busy = await item.get()
        assert (list(busy.allowed_operations), busy.current_scenario.scenario_name) == (
            [],
            "ReverseReplication",
        )
        job = (await item.job(poller)).properties
        assert (job.scenario_name, job.friendly_name) == ("SwitchReplicationGroupProtection", "Reprotect")
        assert [(task.task_id, task.state) for task in job.tasks] == [
            ("SwitchReplicationGroupProtectionPreflightTask", "Succeeded"),
            ("CommitFailoverTask", "Other"),
            ("DiscoverReplicaTask", "Succeeded"),
            ("GetSwitchProtectionRequirementsTask", "Succeeded"),
            ("ProtectReplicaTask", "InProgress"),
        ]
        child = job.tasks[-1].group_task_custom_details.child_tasks[0].custom_details.job_task
        enabling = await item.client.replication_jobs.get(*item.vault, name_of(child.job_id))
        assert (enabling.properties.friendly_name, enabling.properties.state) == (
            "Enable replication",
            "InProgress",
        )
        container = await item.finish(poller, JOB_S)
        assert container.name == name_of(item.path.split("/replicationProtectedItems/")[0])
        enabling = await item.client.replication_jobs.get(*item.vault, name_of(child.job_id))
        assert enabling.properties.state == "Succeeded"

        back = await moved(item, poller)
        with pytest.raises(ResourceNotFoundError):
            await item.get()
        shown = await back.get()
        details = shown.provider_specific_details
        assert (shown.protection_state, shown.active_location) == ("InitialReplicationInProgress", "Primary")
        assert list(shown.allowed_operations) == ["DisableProtection"]
        assert (shown.primary_fabric_friendly_name, shown.recovery_fabric_friendly_name) == (
            "North Europe",
            "West Europe",
        )
        assert details.fabric_object_id == committed.provider_specific_details.recovery_fabric_object_id
        assert (details.initial_primary_fabric_location, details.primary_fabric_location) == (
            "westeurope",
            "northeurope",
        )
        disk = details.protected_managed_disks[0]
        assert disk.recovery_orignal_target_disk_id.lower() == home_disk.lower()
        assert disk.recovery_replica_disk_id.endswith("-ASRReplica")
        assert [nic.selection_type for nic in details.vm_nics] == ["NotSelected"]
        with pytest.raises(ResourceNotFoundError):  # the first re-protect deletes it, its disks come later
            await clients.compute.virtual_machines.get(group_of(home_vm), name_of(home_vm))
        await clients.compute.disks.get(group_of(home_disk), name_of(home_disk))

        emulator.advance(UNTIL_PROTECTED_S)
        shown = await back.get()
        assert list(shown.allowed_operations) == ["UnplannedFailover", "DisableProtection", "TestFailover"]
        disk = shown.provider_specific_details.protected_managed_disks[0]
        assert disk.recovery_orignal_target_disk_id == ""
        assert shown.provider_specific_details.lifecycle_id == before.lifecycle_id
        with pytest.raises(ResourceNotFoundError):
            await clients.compute.disks.get(group_of(home_disk), name_of(home_disk))

        away_vm = shown.provider_specific_details.fabric_object_id
        committed = await fail_over_and_commit(back)
        home = await clients.compute.virtual_machines.get(group_of(home_vm), name_of(home_vm))
        assert (home.location, home.name) == ("westeurope", "app-01")

        shown = await back.get()
        group_id = before.recovery_azure_resource_group_id
        poller = await switch(back, asked_of(back, shown, group_id, home_cache))
        await back.finish(poller, JOB_S)
        again = await moved(back, poller)
        assert again.path.lower() == item.path.lower()
        await clients.compute.virtual_machines.get(group_of(away_vm), name_of(away_vm))  # the second keeps it
        emulator.advance(UNTIL_PROTECTED_S)
        final = await again.get()
        assert final.protection_state == "Protected"
        assert final.provider_specific_details.primary_fabric_location == "westeurope"
        result = await again.finish(await again.start_failover())
        recovered = result.properties.provider_specific_details.recovery_fabric_object_id
        assert recovered.lower() == away_vm.lower(), "it takes the place of what the failback left there"


async def test_an_uncommitted_failover_is_committed_by_the_switch(emulator: Emulator) -> None:
    async with sdk_clients(emulator) as clients:
        item = await find_item(clients.site_recovery, emulator, "app-01")
        _, there = await caches(item)
        group_id = (await item.get()).provider_specific_details.fabric_object_id.split("/providers/")[0]
        await item.finish(await item.start_failover())
        asked = asked_of(item, await item.get(), group_id, there, recovery_availability_zone="2")
        poller = await switch(item, asked)
        emulator.advance(60)
        job = (await item.job(poller)).properties
        assert (job.tasks[1].friendly_name, job.tasks[1].state) == ("Committing failover", "Succeeded")
        await item.client.replication_jobs.begin_cancel(*item.vault, operation_of(poller))
        emulator.advance(60)
        left = await item.get()
        assert left.protection_state == "UnplannedFailoverCommitted"
        assert "SwitchProtection" in left.allowed_operations
        poller = await switch(item, asked)
        await item.finish(poller, JOB_S)
        back = await moved(item, poller)
        assert (await back.get()).provider_specific_details.recovery_availability_zone == "2"
        emulator.advance(UNTIL_PROTECTED_S)
        result = (await back.finish(await back.start_failover())).properties
        vm_id = result.provider_specific_details.recovery_fabric_object_id
        vm = await clients.compute.virtual_machines.get(group_of(vm_id), name_of(vm_id))
        assert list(vm.zones) == ["2"]


async def test_what_a_switch_is_refused_for(emulator: Emulator) -> None:
    async with sdk_clients(emulator) as clients:
        item = await find_item(clients.site_recovery, emulator, "app-01")
        home, there = await caches(item)
        group_id = (await item.get()).provider_specific_details.fabric_object_id.split("/providers/")[0]
        with pytest.raises(HttpResponseError, match="not those of the failed-over"):
            await switch(item, asked_of(item, await item.get(), group_id, there))
        await item.finish(await item.start_failover())
        shown = await item.get()
        other = f"{item.path.split('/replicationFabrics/')[0]}/replicationFabrics/x/y/z"
        for word, asked in (
            ("cache storage account", asked_of(item, shown, group_id, home)),
            ("not those of the failed-over", asked_of(item, shown, group_id, there, vm_managed_disks=[])),
            ("not the one that", asked_of(item, shown, group_id, there, recovery_container_id=other)),
            ("resource group", asked_of(item, shown, "", there)),
            ("does not exist", asked_of(item, shown, group_id, there, policy_id=f"{other}/p")),
        ):
            with pytest.raises(HttpResponseError, match=word):
                await switch(item, asked)
        assert "SwitchProtection" in (await item.get()).allowed_operations


async def test_disabling_replication_takes_item_and_points_and_leaves_the_machine(emulator: Emulator) -> None:
    async with sdk_clients(emulator, client_id=ADMIN_CLIENT_ID) as clients:
        item = await find_item(clients.site_recovery, emulator, "web-02")
        vm_id = (await item.get()).provider_specific_details.fabric_object_id
        plan = f"{item.path.split('/replicationFabrics/')[0]}/replicationRecoveryPlans/rp-shop"
        asked = DisableProtectionInput(properties=DisableProtectionInputProperties())
        poller = await item.items.begin_delete(*item.address, asked)
        emulator.advance(30)
        assert list((await item.get()).allowed_operations) == []
        emulator.advance(300)
        await asyncio.wait_for(poller.result(), 30)
        with pytest.raises(ResourceNotFoundError):
            await item.get()
        job = (await item.job(poller)).properties
        assert (job.scenario_name, job.friendly_name, job.state) == (
            "DisableDr",
            "Disable replication",
            "Succeeded",
        )
        await clients.compute.virtual_machines.get(group_of(vm_id), name_of(vm_id))
        assert item.path not in str(emulator.get(plan).body)
