"""Vaults deleted, and why not: the answer is yes at once, and the operation says later what came of it."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.recoveryservices import models

from ..support import ADMIN_CLIENT_ID, Emulator
from .sdk import Clients, collect, group_of, sdk_clients


async def delete(emulator: Emulator, clients: Clients, group: str, name: str) -> Any:
    poller = await clients.vaults.vaults.begin_delete(group, name)
    emulator.advance(10)
    return await poller.result()


async def test_an_empty_vault_goes_and_its_operation_is_still_known(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env, client_id=ADMIN_CLIENT_ID) as clients:
        vaults = await collect(clients.vaults.vaults.list_by_subscription_id())
        group = group_of(vaults[0].id)
        new = models.Vault(location="westeurope", sku=models.Sku(name="Standard"), properties={})
        poller = await clients.vaults.vaults.begin_create_or_update(group, "rsv-new", new)
        emulator_env.advance(10)
        path = (await poller.result()).id
        started = emulator_env.request("DELETE", path, client_id=ADMIN_CLIENT_ID)
        assert (started.status, started.body) == (202, None)
        status = started.headers["azure-asyncoperation"]
        assert "/operationStatus/MTAyMz" in status, "1023 before the GUID"
        assert emulator_env.get(status).body["status"] == "InProgress"
        emulator_env.advance(10)
        ended = emulator_env.get(status)
        assert ended.body["status"] == "Succeeded"
        assert set(ended.body) == {"id", "name", "status"}
        with pytest.raises(ResourceNotFoundError):
            await clients.vaults.vaults.get(group, "rsv-new")
        left = await collect(clients.vaults.vaults.list_by_subscription_id())
        assert [one.name for one in left] == [one.name for one in vaults]


async def test_a_vault_with_items_stays_and_says_which(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env, client_id=ADMIN_CLIENT_ID) as clients:
        vault = (await collect(clients.vaults.vaults.list_by_subscription_id()))[0]
        with pytest.raises(HttpResponseError, match="BMSUserErrorVaultDeletionNotAllowed"):
            await delete(emulator_env, clients, group_of(vault.id), vault.name)
        assert (await clients.vaults.vaults.get(group_of(vault.id), vault.name)).name == vault.name


async def test_soft_deleted_items_hold_a_vault_for_their_days(emulator_env: Emulator) -> None:
    def ask(method: str, path: str, body: Any = None) -> Any:
        return emulator_env.request(method, path, body, client_id=ADMIN_CLIENT_ID)

    async with sdk_clients(emulator_env, client_id=ADMIN_CLIENT_ID) as clients:
        vm = next(
            vm
            for vm in await collect(clients.compute.virtual_machines.list_all())
            if vm.name.startswith("jump")
        )
        path = f"{vm.id.partition('/providers/')[0]}/providers/Microsoft.RecoveryServices/vaults/rsv-new"
        ask("PUT", path, {"location": vm.location, "sku": {"name": "Standard"}})
        emulator_env.advance(10)
        short = f"iaasvmcontainerv2;{group_of(vm.id)};{vm.name}".lower()
        container = f"{path}/backupFabrics/Azure/protectionContainers/IaasVMContainer;{short}"
        item = f"{container}/protectedItems/VM;{short}"
        properties = {
            "protectedItemType": "Microsoft.Compute/virtualMachines",
            "sourceResourceId": vm.id,
            "policyId": f"{path}/backupPolicies/DefaultPolicy",
        }
        assert ask("PUT", item, {"properties": properties}).status == 202
        emulator_env.advance(120)
        assert ask("POST", f"{item}/backup", backup_now()).status == 202
        emulator_env.advance(6 * 3600)
        assert ask("DELETE", item).status == 202
        emulator_env.advance(300)
        status = ask("DELETE", path).headers["azure-asyncoperation"]
        emulator_env.advance(10)
        told = emulator_env.get(status).body
        assert told["status"] == "Failed"
        assert told["error"]["code"] == "BMSUserErrorVaultDeletionNotPermitted"
        assert told["error"]["message"].endswith(f"  : {vm.name}")
        assert told["endTime"].endswith(("AM", "PM")), "as recorded, not as everywhere else"
        emulator_env.advance(15 * 86400)
        await delete(emulator_env, clients, group_of(path), "rsv-new")
        assert ask("GET", path).status == 404


def backup_now() -> Any:
    return {
        "properties": {
            "objectType": "IaasVMBackupRequest",
            "recoveryPointExpiryTimeInUTC": "2026-11-20T00:00:00Z",
        }
    }


async def test_deleting_a_vault_is_more_than_the_roles_on_call_allow(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        vault = (await collect(clients.vaults.vaults.list_by_subscription_id()))[0]
        with pytest.raises(HttpResponseError, match="vaults/delete"):
            await delete(emulator_env, clients, group_of(vault.id), vault.name)


async def test_usages_count_a_day_of_jobs_and_what_is_stored(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        found = {}
        for vault in await collect(clients.vaults.vaults.list_by_subscription_id()):
            listed = await collect(clients.vaults.usages.list_by_vaults(group_of(vault.id), vault.name))
            found[vault.name] = {one.name.value: one for one in listed}
            jobs = await collect(clients.backup.backup_jobs.list(vault.name, group_of(vault.id)))
            running = [job for job in jobs if job.properties.status in ("InProgress", "Cancelling")]
            assert found[vault.name]["InProgressJobsCount"].current_value == len(running)
            failed = [job for job in jobs if job.properties.status == "Failed"]
            assert found[vault.name]["FailedJobsCount"].current_value <= len(failed)
            assert found[vault.name]["FailedJobsCount"].quota_period == "P1D"
        stored = [each["GRSStorageUsage"] for each in found.values() if each["GRSStorageUsage"].current_value]
        assert stored
        assert {one.unit for one in stored} == {"Bytes"}
        emulator_env.advance(3 * 86400)
        for vault in await collect(clients.vaults.vaults.list_by_subscription_id()):
            listed = await collect(clients.vaults.usages.list_by_vaults(group_of(vault.id), vault.name))
            failed_now = next(one for one in listed if one.name.value == "FailedJobsCount")
            assert failed_now.current_value == 0, "those of before are no longer of the last day"
