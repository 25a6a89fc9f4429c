"""The life of a replicated item, by the real SDK: protected, drilled, cleaned up, failed over, committed."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from ..support import Emulator
from .sdk import collect, group_of, name_of, sdk_clients
from .site_recovery_steps import Item, find_item, operation_of
from .site_recovery_steps import test_network as network_of

pytestmark = pytest.mark.usefixtures("emulator_env")


async def machine(clients: Any, resource_id: str) -> Any:
    return await clients.compute.virtual_machines.get(
        group_of(resource_id), name_of(resource_id), expand="instanceView"
    )


def power(vm: Any) -> str:
    return next(s.code for s in vm.instance_view.statuses if s.code.startswith("PowerState/"))[11:]


async def test_a_protected_item_says_all_that_is_known_of_it(emulator: Emulator) -> None:
    async with sdk_clients(emulator) as clients:
        item = await find_item(clients.site_recovery, emulator, "web-01")
        shown = await item.get()
        details = shown.provider_specific_details
        assert item.path.startswith("/Subscriptions/")
        assert shown.protection_state == shown.protection_state_description == "Protected"
        assert list(shown.allowed_operations) == ["UnplannedFailover", "DisableProtection", "TestFailover"]
        assert shown.current_scenario.scenario_name == "None"
        assert shown.current_scenario.start_time.year == 1753
        assert shown.active_location == "Primary"
        assert (shown.primary_fabric_friendly_name, shown.recovery_fabric_friendly_name) == (
            "West Europe",
            "North Europe",
        )
        assert details.fabric_object_id == details.fabric_object_id.lower()
        assert details.fabric_object_id.endswith("/virtualmachines/web-01")
        assert 30 < details.rpo_in_seconds < 400
        assert details.vm_nics[0].ip_configs[0].recovery_subnet_name
        assert details.protected_managed_disks[0].disk_state == "Protected"
        assert "lastSuccessfulFailoverTime" not in (await raw(emulator, item))["properties"]


async def raw(emulator: Emulator, item: Item) -> dict[str, Any]:
    return dict(emulator.get(item.path).body)


async def test_drill_and_clean_up(emulator: Emulator) -> None:
    async with sdk_clients(emulator) as clients:
        item = await find_item(clients.site_recovery, emulator, "web-01")
        network_id = await network_of(clients.site_recovery, item)
        group = (await item.get()).provider_specific_details.recovery_azure_resource_group_id.split("/")[-1]
        disks_before = {d.name async for d in clients.compute.disks.list_by_resource_group(group)}

        poller = await item.start_test_failover(network_id)
        fresh = await item.job(poller)
        assert fresh.properties.state == "NotStarted"
        assert fresh.properties.scenario_name is None
        assert not fresh.properties.tasks
        emulator.advance(60)
        busy = await item.get()
        assert list(busy.allowed_operations) == []
        assert busy.current_scenario.scenario_name == "TestFailover"
        assert name_of(busy.current_scenario.job_id) == operation_of(poller)
        running = (await item.job(poller)).properties
        assert [task.state for task in running.tasks] == [
            "Succeeded",
            "InProgress",
            "NotStarted",
            "NotStarted",
        ]
        assert list(running.allowed_actions) == ["Cancel"]
        assert running.custom_details.test_failover_status == "Active"

        result = await item.finish(poller)
        assert result.properties.protection_state_description == "Cleanup test failover pending"
        assert result.properties.test_failover_state == "WaitingForCompletion"
        assert list(result.properties.allowed_operations) == ["TestFailoverCleanup"]
        ended = (await item.job(poller)).properties
        assert (ended.state, ended.state_description) == ("Succeeded", "Completed")
        tested = ended.custom_details.protected_item_details[0]
        assert (tested.test_vm_name, tested.network_connection_status) == ("web-01-test", "Connected")
        assert 180 < (ended.end_time - ended.start_time).total_seconds() < 230

        test_id = result.properties.provider_specific_details.test_failover_recovery_fabric_object_id
        test_vm = await machine(clients, test_id)
        assert (test_vm.name, test_vm.location, power(test_vm)) == ("web-01-test", "northeurope", "running")
        assert test_vm.storage_profile.os_disk.name.endswith("-ASRtest")
        assert test_vm.os_profile is None

        result = await item.finish(await item.start_clean_up("all good"), 120)
        assert result.properties.protection_state_description == "Protected"
        assert "TestFailover" in result.properties.allowed_operations
        assert result.properties.last_successful_test_failover_time == ended.start_time
        with pytest.raises(ResourceNotFoundError):
            await machine(clients, test_id)
        disks_after = {d.name async for d in clients.compute.disks.list_by_resource_group(group)}
        assert disks_after == disks_before


async def test_failover_change_of_point_and_commit(emulator: Emulator) -> None:
    async with sdk_clients(emulator) as clients:
        item = await find_item(clients.site_recovery, emulator, "app-01")
        source_id = (await item.get()).provider_specific_details.fabric_object_id
        points = await item.points()
        older, newer = points[-5], points[-2]

        poller = await item.start_failover(shut_down=True, point_id=newer.id)
        emulator.advance(30)
        assert power(await machine(clients, source_id)) == "deallocating"
        result = (await item.finish(poller)).properties
        details = result.provider_specific_details
        assert result.protection_state == "UnplannedFailoverCommitPendingStatesBegin"
        assert result.protection_state_description == "Failover completed"
        assert result.active_location == "Recovery"
        assert list(result.allowed_operations) == [
            "CompleteMigration", "Commit", "DisableProtection", "ChangePit", "SwitchProtection",
        ]  # fmt: skip
        assert name_of(result.failover_recovery_point_id) == newer.name
        assert power(await machine(clients, source_id)) == "deallocated"
        recovered = await machine(clients, details.recovery_fabric_object_id)
        assert (recovered.name, recovered.location, power(recovered)) == ("app-01", "northeurope", "running")
        assert recovered.storage_profile.os_disk.create_option == "Attach"
        assert len(recovered.storage_profile.data_disks) == 1
        job = (await item.job(poller)).properties
        assert [task.state for task in job.tasks] == [
            "Succeeded",
            "Succeeded",
            "Other",
            "Succeeded",
            "Succeeded",
        ]
        assert job.tasks[2].state_description == "Skipped"
        assert job.tasks[2].end_time.year == 1
        assert job.tasks[2].end_time.tzinfo is None
        assert job.custom_details.protected_item_details[0].recovery_point_id == newer.name
        assert result.last_successful_failover_time == job.start_time
        assert 190 < (job.end_time - job.start_time).total_seconds() < 235

        result = (await item.finish(await item.start_change_point(older.id))).properties
        assert name_of(result.failover_recovery_point_id) == older.name
        changed = await machine(clients, details.recovery_fabric_object_id)
        assert changed.vm_id != recovered.vm_id
        assert power(changed) == "running"

        emulator.advance(7200)
        frozen = (await item.get()).provider_specific_details.last_rpo_calculated_time
        poller = await item.start_commit()
        result = (await item.finish(poller, 60)).properties
        assert result.protection_state == "UnplannedFailoverCommitted"
        assert list(result.allowed_operations) == [
            "CompleteMigration",
            "DisableProtection",
            "SwitchProtection",
        ]
        assert result.provider_specific_details.last_rpo_calculated_time == frozen
        disk = result.provider_specific_details.protected_managed_disks[0]
        assert disk.disk_state is None
        assert disk.recovery_replica_disk_id == ""
        assert await item.points() == []
        job = (await item.job(poller)).properties
        assert (job.scenario_name, job.friendly_name) == ("CommitFailover", "Commit")


async def test_latest_processes_what_is_pending(emulator: Emulator) -> None:
    """`sql-01` is 41 minutes behind: its newest processed point is older than what latest reaches."""
    async with sdk_clients(emulator) as clients:
        item = await find_item(clients.site_recovery, emulator, "sql-01")
        newest = (await item.points())[-1]
        poller = await item.start_failover()
        result = (await item.finish(poller)).properties
        job = (await item.job(poller)).properties
        reached = job.custom_details.protected_item_details[0]
        assert reached.recovery_point_id != newest.name
        assert reached.recovery_point_time > newest.properties.recovery_point_time
        assert name_of(result.failover_recovery_point_id) == reached.recovery_point_id
        assert reached.recovery_point_id in [point.name for point in await item.points()]
        shutdown = job.tasks[1]
        assert (shutdown.task_id, shutdown.state, shutdown.state_description) == (
            "ShutdownVmOnPrimaryForUFO",
            "Other",
            "Skipped",
        )
        source = await machine(clients, result.provider_specific_details.fabric_object_id)
        assert power(source) == "running"


async def test_operations_answer_as_recorded(emulator: Emulator) -> None:
    async with sdk_clients(emulator) as clients:
        item = await find_item(clients.site_recovery, emulator, "web-03")
        body = {
            "properties": {
                "failoverDirection": "PrimaryToRecovery",
                "sourceSiteOperations": "NotRequired",
                "providerSpecificDetails": {"instanceType": "A2A"},
            }
        }
        reply = emulator.post(
            item.path + "/unplannedFailover", body, headers={"x-ms-client-request-id": "abc"}
        )
        assert (reply.status, reply.raw) == (202, b"")
        vault_path = item.path.split("/replicationFabrics")[0]
        job_path = reply.headers["x-ms-request-id"]
        guid = job_path.rsplit("/", 1)[-1]
        assert job_path == f"{vault_path}/replicationJobs/{guid}"
        status_url, result_url = reply.headers["azure-asyncoperation"], reply.headers["location"]
        assert status_url.startswith(f"{emulator.endpoint}{vault_path}/replicationOperationStatus/{guid}?")
        assert result_url.startswith(f"{emulator.endpoint}{item.path}/operationresults/{guid}?")
        assert int(reply.headers["retry-after"]) >= 1

        status = emulator.get(status_url)
        assert status.body == {
            "error": None, "id": None, "name": guid, "properties": None, "status": "NotStarted",
            "startTime": None, "endTime": None, "percentComplete": None,
        }  # fmt: skip
        assert emulator.get(result_url).status == 202
        emulator.advance(10)
        status = emulator.get(status_url)
        assert (status.body["status"], status.body["endTime"]) == ("InProgress", None)
        emulator.advance(300)
        status = emulator.get(status_url)
        assert status.body["status"] == "Succeeded"
        assert status.body["endTime"].endswith(".0000000Z")
        assert emulator.get(result_url).body["id"] == item.path
        job = emulator.get(job_path).body
        assert job["properties"]["activityId"].startswith("abc ActivityId: ")
        assert job["properties"]["tasks"][1]["endTime"] == "0001-01-01T00:00:00"
        thin = emulator.get(f"{vault_path}/replicationJobs").body
        listed = next(one for one in thin["value"] if one["name"] == guid)
        assert (listed["properties"]["tasks"], listed["properties"]["customDetails"]) == ([], None)
        assert listed["properties"]["activityId"] is None
        assert "nextLink" in thin


async def test_points_thin_out_with_age_and_keep_their_ids(emulator: Emulator) -> None:
    async with sdk_clients(emulator) as clients:
        item = await find_item(clients.site_recovery, emulator, "web-01")
        points = await item.points()
        times = [point.properties.recovery_point_time for point in points]
        assert times == sorted(times)
        now = times[-1]
        young = [t for t in times if (now - t).total_seconds() < 7000]
        assert 21 <= len(young) <= 25
        old = [t for t in times if (now - t).total_seconds() > 7600]
        gaps = {round((later - at).total_seconds() / 60) for at, later in pairwise(old)}
        assert gaps <= {59, 60, 61}
        assert (now - times[0]).total_seconds() <= 86_400 + 600
        kinds = {str(point.properties.recovery_point_type) for point in points}
        assert kinds == {"CrashConsistent", "ApplicationConsistent"}

        seen = {point.name: point.properties.recovery_point_time for point in points}
        emulator.advance(3600)
        later = await item.points()
        assert len({point.name for point in later} - set(seen)) == 12
        kept = next(point for point in later if point.name in seen)
        again = await clients.site_recovery.recovery_points.get(*item.address, kept.name)
        assert again.properties.recovery_point_time == seen[kept.name]
        gone = next(name for name in seen if name not in {point.name for point in later})
        with pytest.raises(HttpResponseError) as caught:
            await clients.site_recovery.recovery_points.get(*item.address, gone)
        assert caught.value.status_code == 404
        assert caught.value.error is not None
        assert caught.value.error.code == "NotFound"


async def test_lists_of_the_vault(emulator: Emulator) -> None:
    async with sdk_clients(emulator) as clients:
        client, vault = clients.site_recovery, ("rg-recovery", "rsv-neu")
        item = await find_item(client, emulator, "web-01")
        fabric, container = item.address[2], item.address[3]
        fabrics = await collect(client.replication_fabrics.list(*vault))
        assert {one.properties.custom_details.location for one in fabrics} == {"westeurope", "northeurope"}
        whole = await client.replication_fabrics.get(*vault, fabric)
        assert len(whole.properties.custom_details.container_ids) == 1
        containers = await collect(client.replication_protection_containers.list(*vault))
        assert {one.properties.pairing_status for one in containers} == {"Paired"}
        mappings = await collect(
            client.replication_protection_container_mappings.list_by_replication_protection_containers(
                *vault, fabric, container
            )
        )
        assert len(mappings) == 2
        policies = await collect(client.replication_policies.list(*vault))
        assert policies[0].properties.provider_specific_details.crash_consistent_frequency_in_minutes == 5
        networks = await collect(client.replication_network_mappings.list(*vault))
        assert networks[0].id.split("/replicationNetworks/")[1].startswith("azureNetwork/")
        inside = await collect(
            client.replication_protected_items.list_by_replication_protection_containers(
                *vault, fabric, container
            )
        )
        assert item.path in [one.id for one in inside]
        sizes = await collect(client.target_compute_sizes.list_by_replication_protected_items(*item.address))
        assert "Standard_D4s_v5" in [size.name for size in sizes]
        by_guid = whole.properties.custom_details.container_ids[0]
        assert emulator.get(f"{by_guid}/replicationProtectedItems/{item.address[4]}").body["id"] == item.path
        for name in ("replicationAppliances", "replicationvCenters", "replicationMigrationItems"):
            reply = emulator.get(item.path.split("/replicationFabrics")[0] + "/" + name)
            assert reply.body == {"value": [], "nextLink": None}
