"""Restores through the real SDK: their jobs, and the disks and machines that they leave behind."""

from __future__ import annotations

from datetime import timedelta

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.recoveryservicesbackup import models

from azure_ops.emulator.handlers.backup_restore_rules import problems_of
from azure_ops.emulator.handlers.backup_restores import reads_vault
from azure_ops.emulator.handlers.backup_runs import start_backup
from azure_ops.emulator.records.restores import RestoreOrder

from ..support import Emulator
from .restore_scene import scene
from .sdk import collect, group_of, name_of, sdk_clients
from .small_world import GROUP, NOW, small_world
from .test_backup_jobs import points_of, task_words
from .test_backup_protection import IAAS, vault_id_of


async def test_disks_come_from_the_snapshot_in_a_minute(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        here = await scene(emulator_env, clients)
        source = await here.machine(here.vm_id)
        job_id = await here.start(here.request("RestoreDisks", target_resource_group_id=here.group_id))
        job = await here.job(job_id)
        assert (job.operation, job.status, job.actions_info) == ("Restore", "InProgress", ["Cancellable"])
        assert task_words(job) == ["InProgress"]
        assert job.extended_info.progress_percentage == 1.0
        assert job.extended_info.dynamic_error_message == ""
        assert job.extended_info.internal_property_bag == {"restoreLocationType": "RestoreDisks"}
        assert here.disks_in(here.group_id) == {}
        emulator_env.advance(40)
        job = await here.job(job_id)
        assert (job.status, task_words(job)) == ("InProgress", ["Completed"])
        assert "Config Blob Uri" not in job.extended_info.property_bag
        assert len(here.disks_in(here.group_id)) == 1 + len(here.luns)
        emulator_env.advance(40)
        job = await here.job(job_id)
        assert (job.status, job.extended_info.progress_percentage) == ("Completed", 100.0)
        assert timedelta(seconds=55) < job.duration < timedelta(seconds=85)
        bag = job.extended_info.property_bag
        account = name_of(here.account_id)
        assert bag["Job Type"] == "Recover disks"
        assert bag["Target Storage Account Name"] == account
        assert bag["Target resource group"] == "rg-recovery"
        assert bag["Recovery point time "].endswith("M")
        assert bag["Create VM Template Blob Uri"].startswith(f"https://{account}.blob.core.windows.net/")
        assert bag["Create VM Template Blob Uri"].endswith(f"/azuredeploy{job_id}.json")
        restored = here.disks_in(here.group_id)
        os_disk = next(disk for name, disk in restored.items() if "-osdisk-" in name)
        assert os_disk["properties"]["osType"] == source.storage_profile.os_disk.os_type
        assert os_disk["properties"]["diskSizeGB"] == source.storage_profile.os_disk.disk_size_gb
        assert os_disk["properties"]["creationData"]["createOption"] == "Restore"
        assert {disk["properties"]["diskState"] for disk in restored.values()} == {"Unattached"}


@pytest.mark.parametrize("chosen", [[], [0]])
async def test_chosen_disks_alone(emulator_env: Emulator, chosen: list[int]) -> None:
    async with sdk_clients(emulator_env) as clients:
        here = await scene(emulator_env, clients)
        request = here.request(
            "RestoreDisks", target_resource_group_id=here.group_id, restore_disk_lun_list=chosen
        )
        job_id = await here.start(request)
        emulator_env.advance(90)
        assert len(here.disks_in(here.group_id)) == 1 + len(chosen)
        told = (await here.job(job_id)).extended_info.property_bag["Restored disk(s)"]
        assert len(told.split("; ")) == 1 + len(chosen)


async def test_from_the_vault_it_takes_long_and_the_percentage_goes_back(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        here = await scene(emulator_env, clients)
        old = (await points_of(clients, here.item))[-1].name
        request = here.request("RestoreDisks", target_resource_group_id=here.group_id)
        request.recovery_point_id = old
        job_id = await here.start(request, old)
        seen, details, left = [], [], []
        for _ in range(200):
            job = await here.job(job_id)
            seen.append(job.extended_info.progress_percentage)
            details.append(job.extended_info.tasks_list[0].task_execution_details)
            left.append(job.extended_info.estimated_remaining_duration)
            if job.status != "InProgress":
                break
            emulator_env.advance(10)
        assert job.status == "Completed"
        assert timedelta(minutes=14) < job.duration < timedelta(minutes=21)
        back = seen.index(0.0)
        assert set(seen[:back]) == {1.0}
        assert seen[back:] == sorted(seen[back:])
        assert seen[-1] == 100.0
        assert details[back].startswith("384 MBs / ")
        assert details[0] is None
        assert details[-1].endswith(" GBs Transferred")
        assert left[back].startswith("P1D")  # honest arithmetic on 384 MBs in seven minutes
        assert left[-1] == "PT0S"
        # the point's snapshot is long gone: its disks were not copied from one
        created = [disk["properties"]["creationData"] for disk in here.disks_in(here.group_id).values()]
        assert {one["createOption"] for one in created} == {"Empty"}


async def test_two_restores_at_once_do_not_share_disks(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        here = await scene(emulator_env, clients)
        request = here.request("RestoreDisks", target_resource_group_id=here.group_id)
        jobs = [await here.start(request) for _ in range(12)]
        emulator_env.advance(120)
        assert {(await here.job(job_id)).status for job_id in jobs} == {"Completed"}
        assert len(here.disks_in(here.group_id)) == 12 * (1 + len(here.luns))


def test_another_zone_needs_a_zone_redundant_vault_and_reads_the_vault() -> None:
    """No vault of the fleet is zone-redundant and none with items can become it: a small world's is."""
    small = small_world()
    small.vault.redundancy = "ZoneRedundant"
    start_backup(small.world, small.item, NOW + timedelta(days=60))
    small.advance(2 * 3600)
    point = small.item.recovery_points[0]
    assert point.zones == ["1"]
    vault = small.vault
    order = RestoreOrder(
        kind="RestoreDisks", point=point.name, region=vault.location, storage_account_id="", zones=["2"]
    )
    codes = [one.code for one in problems_of(small.world, vault, small.item, point, order)]
    assert "UserErrorCrossZonalRestoreNotSupported" not in codes
    vault.redundancy = "GeoRedundant"
    codes = [one.code for one in problems_of(small.world, vault, small.item, point, order)]
    assert "UserErrorCrossZonalRestoreNotSupported" in codes
    order.zones = ["1"]
    order.group_id = GROUP
    assert not reads_vault(small.world.clock.now(), small.item, point, order)
    order.zones = []
    assert reads_vault(small.world.clock.now(), small.item, point, order)
    order.zones, order.group_id = ["1"], "/subscriptions/another/resourceGroups/group"
    assert reads_vault(small.world.clock.now(), small.item, point, order)


async def test_files_in_a_storage_account_make_no_disks(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        here = await scene(emulator_env, clients)
        before = here.disks_in(f"/subscriptions/{emulator_env.subscription_ids[0]}").keys()
        job_id = await here.start(here.request("RestoreDisks"))
        emulator_env.advance(25 * 60)
        job = await here.job(job_id)
        assert job.status == "Completed"
        assert "Target resource group" not in job.extended_info.property_bag
        assert here.disks_in(f"/subscriptions/{emulator_env.subscription_ids[0]}").keys() == before


async def test_a_new_machine_with_disks_and_interface(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        here = await scene(emulator_env, clients)
        source = await here.machine(here.vm_id)
        job_id = await here.start(here.new_machine())
        job = await here.job(job_id)
        tasks = [task.task_id for task in job.extended_info.tasks_list]
        assert tasks == ["Transfer data from vault", "Create the restored virtual machine"]
        assert job.extended_info.tasks_list[0].start_time is None
        bag = job.extended_info.property_bag
        assert bag["Job Type"] == "Recover VM to an alternate location"
        assert bag["Original VM Name"] == name_of(here.vm_id)
        assert bag["Target VM Name"] == "restored-01"
        network = here.network_id.split("/")
        assert bag["Target VNet Name"] == f"Group {network[4]} {network[8]}"
        emulator_env.advance(41)
        assert task_words(await here.job(job_id)) == ["Completed", "InProgress"]
        emulator_env.advance(120)
        job = await here.job(job_id)
        assert (job.status, task_words(job)) == ("Completed", ["Completed", "Completed"])
        vm = await here.machine(here.compute("virtualMachines", "restored-01"))
        assert vm.hardware_profile.vm_size == source.hardware_profile.vm_size
        assert [disk.lun for disk in vm.storage_profile.data_disks] == here.luns
        assert "PowerState/running" in [status.code for status in vm.instance_view.statuses]
        for disk in here.disks_in(here.group_id).values():
            assert disk["managedBy"] == vm.id
        nic = emulator_env.get(vm.network_profile.network_interfaces[0].id).body["properties"]
        assert nic["virtualMachine"]["id"] == vm.id
        assert nic["ipConfigurations"][0]["properties"]["subnet"]["id"] == (
            f"{here.network_id}/subnets/default"
        )
        again = here.new_machine()
        with pytest.raises(HttpResponseError, match="UserErrorTargetVirtualMachineExists"):
            await here.start(again)


async def test_a_restored_machine_can_be_protected_after_a_refresh(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        here = await scene(emulator_env, clients)
        await here.start(here.new_machine())
        emulator_env.advance(180)
        where = here.item.vault, here.item.group

        async def found() -> list[str]:
            pages = clients.backup.backup_protectable_items.list(*where, filter=IAAS)
            return [one.properties["friendlyName"] for one in await collect(pages)]

        assert "restored-01" not in await found()
        await clients.backup.protection_containers.refresh(*where, "Azure")
        assert "restored-01" not in await found()
        emulator_env.advance(15)
        assert "restored-01" in await found()


async def test_the_vaults_identity_may_write_to_the_staging_account(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        here = await scene(emulator_env, clients)
        by_identity = here.request(
            "RestoreDisks",
            storage_account_id=None,
            target_resource_group_id=here.group_id,
            identity_info=models.IdentityInfo(is_system_assigned_identity=True),
            identity_based_restore_details=models.IdentityBasedRestoreDetails(
                target_storage_account_id=here.account_id
            ),
        )
        with pytest.raises(HttpResponseError, match="BMSUserErrorInvalidInput"):
            await here.start(by_identity)
        change = {"identity": {"type": "SystemAssigned"}}
        assert emulator_env.request("PATCH", vault_id_of(here.item), change).status == 202
        emulator_env.advance(10)
        assert emulator_env.get(vault_id_of(here.item)).body["identity"]["principalId"]
        with pytest.raises(HttpResponseError, match="UserErrorManagedIdentityHasNoAccess"):
            await here.start(by_identity)


async def test_the_vaults_identities_and_their_roles_can_be_read(emulator_env: Emulator) -> None:
    development = f"/subscriptions/{emulator_env.subscription_ids[1]}"
    home = f"{development}/resourceGroups/rg-recovery-dev/providers"
    vault_id = f"{home}/Microsoft.RecoveryServices/vaults/rsv-eus"
    account_id = f"{home}/Microsoft.Storage/storageAccounts/stcontosodeveus"
    vault = emulator_env.get(vault_id).body
    assert vault["identity"]["type"] == "UserAssigned"
    ((identity_id, identity),) = vault["identity"]["userAssignedIdentities"].items()
    asked = f"$filter=assignedTo('{identity['principalId']}')&api-version=2022-04-01"
    assignments = f"providers/Microsoft.Authorization/roleAssignments?{asked}"
    listed = emulator_env.get(f"{account_id}/{assignments}").body["value"]
    assert [one["properties"]["scope"] for one in listed] == [account_id]
    assert emulator_env.get(f"{development}/{assignments}").body["value"] == []

    assert emulator_env.request("PATCH", vault_id, {"identity": {"type": "None"}}).status == 202
    emulator_env.advance(10)
    assert "identity" not in emulator_env.get(vault_id).body
    back = {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {identity_id: {}}}
    assert emulator_env.request("PATCH", vault_id, {"identity": back}).status == 202
    emulator_env.advance(10)
    assert emulator_env.get(vault_id).body["identity"]["type"] == "SystemAssigned, UserAssigned"


async def test_replaced_disks_stay_behind(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        here = await scene(emulator_env, clients)
        before = await here.machine(here.vm_id)
        old = [before.storage_profile.os_disk, *before.storage_profile.data_disks]
        job_id = await here.start(here.request("OriginalLocation"))
        job = await here.job(job_id)
        tasks = [task.task_id for task in job.extended_info.tasks_list]
        assert tasks == ["Transfer data from vault", "Update the virtual machine"]
        assert job.extended_info.property_bag["Target VM Name"] is None
        with pytest.raises(HttpResponseError, match="BMSUserErrorObjectLocked"):
            await here.start(here.request("OriginalLocation"))
        emulator_env.advance(41)
        job = await here.job(job_id)
        assert task_words(job) == ["Completed", "InProgress"]
        assert job.extended_info.property_bag["Target resource group"] == group_of(here.vm_id)
        emulator_env.advance(10 * 60)
        job = await here.job(job_id)
        assert job.extended_info.property_bag["Target VM Name"] == name_of(here.vm_id)
        emulator_env.advance(20 * 60)
        job = await here.job(job_id)
        assert (job.status, job.extended_info.progress_percentage) == ("Completed", 100.0)
        assert timedelta(minutes=24) < job.duration < timedelta(minutes=30)
        after = await here.machine(here.vm_id)
        assert [status.code for status in after.instance_view.statuses] == [
            status.code for status in before.instance_view.statuses
        ]
        assert after.storage_profile.os_disk.managed_disk.id != old[0].managed_disk.id
        assert [disk.lun for disk in after.storage_profile.data_disks] == here.luns
        disks = here.disks_in(here.vm_id.partition("/providers/")[0])
        assert {disks[disk.name]["properties"]["diskState"] for disk in old} == {"Unattached"}
        assert disks[after.storage_profile.os_disk.name]["managedBy"] == after.id
        assert after.etag != before.etag


async def test_a_cancelled_restore_makes_nothing(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        here = await scene(emulator_env, clients)
        job_id = await here.start(here.new_machine())
        await clients.backup.job_cancellations.trigger(here.item.vault, here.item.group, job_id)
        emulator_env.advance(70)
        job = await here.job(job_id)
        assert (job.status, task_words(job)) == ("Cancelled", ["Cancelled", "Cancelled"])
        assert job.error_details[-1].error_code == 400158
        emulator_env.advance(3600)
        assert here.disks_in(here.group_id) == {}


@pytest.mark.parametrize(("step", "words"), [(1, ["Failed", "NotStarted"]), (2, ["Completed", "Failed"])])
async def test_a_restore_that_fails(emulator_env: Emulator, step: int, words: list[str]) -> None:
    """A fault that names a recorded failure gets its recorded number, words and advice."""
    async with sdk_clients(emulator_env) as clients:
        here = await scene(emulator_env, clients)
        emulator_env.fault(
            "fail-step", operation="Restore", step=step, target=here.vm_id, code="RestoreOperationFailed"
        )
        job_id = await here.start(here.new_machine())
        emulator_env.advance(300)
        job = await here.job(job_id)
        assert (job.status, task_words(job)) == ("Failed", words)
        error = job.error_details[-1]
        assert (error.error_code, error.error_string) == (400003, "Restore failed with an internal error.")
        assert error.recommendations
        assert emulator_env.get(here.compute("virtualMachines", "restored-01")).status == 404
        assert len(here.disks_in(here.group_id)) == (0 if step == 1 else 1 + len(here.luns))


async def test_a_missing_storage_account_is_noticed_late(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        here = await scene(emulator_env, clients)
        here.account_id += "gone"
        job_id = await here.start(here.request("RestoreDisks", target_resource_group_id=here.group_id))
        emulator_env.advance(60)
        job = await here.job(job_id)
        assert job.status == "Failed"
        assert (job.error_details[0].error_code, job.error_details[0].error_title) == (
            400048,
            "UserErrorBCMRestoreStorageAccountNotFound",
        )
        assert job.extended_info.estimated_remaining_duration == "PT0S"


async def test_a_restore_outlives_a_kill(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        here = await scene(emulator_env, clients)
        job_id = await here.start(here.new_machine())
    port = emulator_env.endpoint.rsplit(":", 1)[1]
    path = f"{vault_id_of(here.item)}/backupJobs/{job_id}"
    for _ in range(3):
        emulator_env.kill()
        emulator_env.restart("--port", port)
        emulator_env.advance(60)
    assert emulator_env.get(path).body["properties"]["status"] == "Completed"
    assert emulator_env.get(here.compute("virtualMachines", "restored-01")).status == 200
