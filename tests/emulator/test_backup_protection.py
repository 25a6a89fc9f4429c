"""The life of a protected item through the real SDK: found, protected, changed, stopped, deleted, back."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.recoveryservicesbackup import models

from azure_ops.emulator.records.backup import protected_item_id

from ..support import Emulator
from .sdk import Clients, collect, group_of, name_of, sdk_clients
from .test_backup import Item, items_of, protected
from .test_backup_jobs import job_now, points_of, task_words, trigger

IAAS = "backupManagementType eq 'AzureIaasVM'"


def vault_id_of(item: Item) -> str:
    return str(item.document.id.split("/backupFabrics")[0])


def headers_of(into: dict[str, str]) -> Any:
    def keep(response: Any, _: Any, __: Any) -> None:
        into.update({k.lower(): v for k, v in response.http_response.headers.items()})

    return keep


def put_body(vm_id: str, policy_id: str, **more: Any) -> dict[str, Any]:
    properties = {"protectedItemType": "Microsoft.Compute/virtualMachines", "sourceResourceId": vm_id}
    return {"properties": {**properties, "policyId": policy_id, **more}}


async def unprotected(clients: Clients) -> tuple[str, str, str]:
    """A vault's id, a machine that it could protect, and the id that the item will have."""
    for vault in await collect(clients.vaults.vaults.list_by_subscription_id()):
        pages = clients.backup.backup_protectable_items.list(vault.name, group_of(vault.id), filter=IAAS)
        for one in await collect(pages):
            vm_id = one.properties["virtualMachineId"]
            return vault.id, vm_id, protected_item_id(vault.id, vm_id)
    raise AssertionError("every machine of the fleet is protected")


async def change(emulator: Emulator, item_id: str, body: dict[str, Any], *, wait: float = 2) -> str:
    """PUTs, follows the operation as official clients do, and gives the job's id."""
    answer = emulator.request("PUT", item_id.replace("/VM;", "/vm;"), body)
    assert answer.status == 202, answer.body
    assert "/operationsStatus/" in answer.headers["azure-asyncoperation"]
    return follow(emulator, answer, wait)


def follow(emulator: Emulator, answer: Any, wait: float) -> str:
    url = answer.headers["azure-asyncoperation"]
    vault = emulator.endpoint + url.removeprefix(emulator.endpoint).split("/backup")[0]
    name = url.split("?")[0].rsplit("/", 1)[1]
    running = emulator.get(f"{vault}/backupOperations/{name}".removeprefix(emulator.endpoint)).body
    assert (running["status"], running["endTime"]) == ("InProgress", "0001-01-01T00:00:00")
    assert emulator.get(answer.headers["location"]).status == 202
    emulator.advance(wait)
    done = emulator.get(url).body
    assert done["status"] == "Succeeded", done
    assert done["endTime"] == done["startTime"]
    assert emulator.get(answer.headers["location"]).status == 204
    return str(done["properties"]["jobId"])


def item_of(emulator: Emulator, item_id: str) -> dict[str, Any]:
    properties: dict[str, Any] = emulator.get(item_id).body["properties"]
    return properties


def job_of(emulator: Emulator, item_id: str, job_id: str) -> dict[str, Any]:
    path = f"{item_id.split('/backupFabrics')[0]}/backupJobs/{job_id}"
    properties: dict[str, Any] = emulator.get(path).body["properties"]
    return properties


async def test_a_machine_is_protected_and_waits_for_its_first_backup(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        vault_id, vm_id, item_id = await unprotected(clients)
        policy_id = f"{vault_id}/backupPolicies/DefaultPolicy"
        body = models.ProtectedItemResource(
            properties=models.AzureIaaSComputeVMProtectedItem(source_resource_id=vm_id, policy_id=policy_id)
        )
        parts = item_id.split("/")
        where = name_of(vault_id), group_of(vault_id), "Azure", parts[-3], parts[-1]
        poller = await clients.backup.protected_items.begin_create_or_update(*where, body)
        with pytest.raises(ResourceNotFoundError):
            await clients.backup.protected_items.get(*where)
        emulator_env.advance(61)
        await poller.result()
        item = Item(await clients.backup.protected_items.get(*where), where[0], where[1])
        assert item.properties["protectionState"] == "IRPending"
        assert item.properties["lastBackupTime"] == "2001-01-01T00:00:00Z"
        assert item.properties["policyName"] == "DefaultPolicy"
        assert "healthDetails" not in item.properties
        jobs = await collect(clients.backup.backup_jobs.list(where[0], where[1]))
        job = await job_now(clients, item, jobs[0].name)
        assert (job.operation, job.status, task_words(job)) == ("ConfigureBackup", "Completed", [])
        bag = {"VM Name": name_of(vm_id), "Policy Name": "DefaultPolicy"}
        assert job.extended_info.property_bag == bag
        assert 50 <= job.duration.total_seconds() <= 61
        assert job.actions_info is None
        await trigger(clients, item)
        emulator_env.advance(2 * 3600)
        after = (await clients.backup.protected_items.get(*where)).properties
        assert after["protectionState"] == "Protected"
        assert len(await points_of(clients, item)) == 1
        asked = clients.backup.backup_protectable_items.list(where[0], where[1], filter=IAAS)
        assert vm_id not in [one.properties["virtualMachineId"] for one in await collect(asked)]


async def test_protectable_items_and_refresh(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        vault_id, vm_id, _ = await unprotected(clients)
        where = name_of(vault_id), group_of(vault_id)
        asked = f"{IAAS} and friendlyName eq '{name_of(vm_id)}'"
        found = await collect(clients.backup.backup_protectable_items.list(*where, filter=asked))
        assert [one.name for one in found if one.properties["virtualMachineId"] == vm_id] == [
            f"iaasvmcontainerv2;{group_of(vm_id).lower()};{name_of(vm_id).lower()}"
        ]
        assert found[0].id.rsplit("/", 1)[1] == f"vm;{found[0].name}"
        assert found[0].properties["protectionState"] == "NotProtected"
        headers: dict[str, str] = {}
        await clients.backup.protection_containers.refresh(*where, "Azure", cls=headers_of(headers))
        assert "api-version=2019-05-13-preview" in headers["azure-asyncoperation"]
        again = emulator_env.get(headers["location"])
        assert again.status == 202
        assert "/backupFabrics/Azure/operationResults/" in again.headers["location"]
        emulator_env.advance(15)
        assert emulator_env.get(headers["location"]).status == 204
        assert emulator_env.get(headers["azure-asyncoperation"]).body["status"] == "Succeeded"
        with pytest.raises(HttpResponseError, match="BMSUserErrorInvalidInput"):
            await collect(clients.backup.backup_protectable_items.list(*where))


async def test_policy_disks_stop_and_resume(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        item = await protected(clients)
        item_id, vm_id = item.document.id, item.properties["virtualMachineId"]
        policies = f"{vault_id_of(item)}/backupPolicies"
        disks = {"diskExclusionProperties": {"diskLunList": [0], "isInclusionList": False}}
        job_id = await change(
            emulator_env,
            item_id,
            put_body(vm_id, f"{policies}/EnhancedPolicy", extendedProperties=disks),
        )
        after = item_of(emulator_env, item_id)
        assert (after["policyName"], after["policyType"]) == ("EnhancedPolicy", "V2")
        assert after["protectionState"] == "Protected"
        assert after["extendedProperties"]["diskExclusionProperties"]["diskLunList"] == [0]
        assert job_of(emulator_env, item_id, job_id)["operation"] == "ConfigureBackup"
        back = emulator_env.request("PUT", item_id, put_body(vm_id, f"{policies}/DefaultPolicy"))
        assert (back.status, back.error_code) == (400, "BMSUserErrorInvalidInput")

        job_id = await change(emulator_env, item_id, put_body(vm_id, "", protectionState="ProtectionStopped"))
        stopped = item_of(emulator_env, item_id)
        assert stopped["protectionState"] == "ProtectionStopped"
        assert (stopped["policyId"], stopped["policyName"]) == ("", "")
        job = job_of(emulator_env, item_id, job_id)
        assert job["operation"] == "DisableBackup"
        assert job["extendedInfo"]["propertyBag"]["Policy Name"] == ""
        points = len(await points_of(clients, item))
        assert points > 3
        emulator_env.advance(60 * 86400)
        assert len(await points_of(clients, item)) == points
        with pytest.raises(HttpResponseError, match="BMSUserErrorInvalidInput"):
            await trigger(clients, item)

        await change(emulator_env, item_id, put_body(vm_id, f"{policies}/EnhancedPolicy"))
        resumed = item_of(emulator_env, item_id)
        assert resumed["policyName"] == "EnhancedPolicy"
        assert resumed["extendedProperties"]["diskExclusionProperties"]["diskLunList"] == [0]


async def with_data_disks(clients: Clients) -> tuple[Item, list[int]]:
    for item in await items_of(clients):
        if item.properties["protectionState"] == "Protected":
            vm_id = item.properties["virtualMachineId"]
            vm = await clients.compute.virtual_machines.get(group_of(vm_id), name_of(vm_id))
            luns = [disk.lun for disk in vm.storage_profile.data_disks]
            if luns and vm.instance_view is None:
                return item, luns
    raise AssertionError("no protected machine has data disks")


@pytest.mark.parametrize(("included", "covered"), [(True, 0), (False, None)])
async def test_the_next_backup_holds_the_chosen_disks(
    emulator_env: Emulator, included: bool, covered: int | None
) -> None:
    """An empty inclusion list leaves the OS disk alone; an empty exclusion list leaves nothing out."""
    async with sdk_clients(emulator_env) as clients:
        item, luns = await with_data_disks(clients)
        vm_id = item.properties["virtualMachineId"]
        disks = {"diskExclusionProperties": {"diskLunList": [], "isInclusionList": included}}
        body = put_body(vm_id, item.properties["policyId"], extendedProperties=disks)
        await change(emulator_env, item.document.id, body)
        headers = await trigger(clients, item)
        emulator_env.advance(2 * 3600)
        point = (await points_of(clients, item))[0].properties.recovery_point_disk_configuration
        held = [disk.lun for disk in point.included_disk_list]
        assert held == [-1, *luns[: len(luns) if covered is None else covered]]
        assert point.number_of_disks_attached_to_vm == 1 + len(luns)
        status = emulator_env.get(headers["azure-asyncoperation"]).body
        bag = job_of(emulator_env, item.document.id, status["properties"]["jobId"])["extendedInfo"]
        assert bool(bag["propertyBag"]["Excluded disk(s)"]) == included


async def test_deleted_data_is_kept_for_two_weeks(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        item = await protected(clients)
        points = await points_of(clients, item)
        item_id, vm_id = item.document.id, item.properties["virtualMachineId"]
        answer = emulator_env.request("DELETE", item_id)
        assert answer.status == 202
        assert "/backupOperations/" in answer.headers["azure-asyncoperation"]
        assert "/backupOperationResults/" in answer.headers["location"]
        job = job_of(emulator_env, item_id, follow(emulator_env, answer, 12))
        assert (job["operation"], job["status"]) == ("DeleteBackupData", "Completed")
        assert job["extendedInfo"]["propertyBag"]["Number of Recovery Points"] == str(len(points))
        deleted = item_of(emulator_env, item_id)
        assert deleted["protectionState"] == "ProtectionStopped"
        assert deleted["isScheduledForDeferredDelete"] is True
        assert deleted["deferredDeleteTimeInUTC"] == job["startTime"]
        assert deleted["deferredDeleteTimeRemaining"].startswith("13.23:59:4")
        assert deleted["softDeleteRetentionPeriod"] == 14
        gone = await collect(
            clients.backup.deleted_protection_containers.list(item.group, item.vault, filter=IAAS)
        )
        assert [one.properties.registration_status for one in gone if one.name == item.where[3]] == [
            "SoftDeleted"
        ]
        policy_id = item.properties["policyId"]
        protect = emulator_env.request("PUT", item_id, put_body(vm_id, policy_id))
        assert (protect.status, protect.error_code) == (400, "BMSUserErrorContainerNotUndeleted")

        undelete = put_body(vm_id, "", isRehydrate=True, protectionState="ProtectionStopped")
        job = job_of(emulator_env, item_id, await change(emulator_env, item_id, undelete, wait=12))
        assert (job["operation"], job["status"]) == ("Undelete", "Completed")
        assert job["extendedInfo"]["propertyBag"]["Undelete flag"] == "True"
        back = item_of(emulator_env, item_id)
        assert back["protectionState"] == "ProtectionStopped"
        assert "isScheduledForDeferredDelete" not in back
        assert len(await points_of(clients, item)) == len(points)
        await change(emulator_env, item_id, put_body(vm_id, policy_id))
        assert item_of(emulator_env, item_id)["protectionState"] == "Protected"
        emulator_env.advance(15 * 86400)
        assert emulator_env.get(item_id).status == 200

        follow(emulator_env, emulator_env.request("DELETE", item_id), 12)
        emulator_env.advance(14 * 86400)
        assert emulator_env.get(item_id).status == 404


async def test_one_change_at_a_time(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        vault_id, vm_id, item_id = await unprotected(clients)
        body = put_body(vm_id, f"{vault_id}/backupPolicies/DefaultPolicy")
        assert emulator_env.request("PUT", item_id, body).status == 202
        second = emulator_env.request("PUT", item_id, body)
        assert (second.status, second.error_code) == (409, "BMSUserErrorObjectLocked")
        item = await protected(clients)
        await trigger(clients, item)
        refused = emulator_env.request("DELETE", item.document.id)
        assert (refused.status, refused.error_code) == (409, "UserErrorBackupOperationInProgress")


async def test_a_failed_configuration_makes_no_item(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        vault_id, vm_id, item_id = await unprotected(clients)
        emulator_env.fault(
            "fail-step",
            operation="ConfigureBackup",
            step=1,
            target=name_of(vm_id).lower(),
            code="UserErrorGenericResourceNotFound",
            message="Azure resource does not exist.",
        )
        answer = emulator_env.request(
            "PUT", item_id, put_body(vm_id, f"{vault_id}/backupPolicies/DefaultPolicy")
        )
        emulator_env.advance(61)
        status = emulator_env.get(answer.headers["azure-asyncoperation"]).body
        assert (status["status"], status["error"]["code"]) == (
            "Failed",
            "UserErrorGenericResourceNotFound",
        )
        jobs = await collect(clients.backup.backup_jobs.list(name_of(vault_id), group_of(vault_id)))
        assert (jobs[0].properties.operation, jobs[0].properties.status) == ("ConfigureBackup", "Failed")
        assert emulator_env.get(item_id).status == 404


async def test_what_cannot_be_protected(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        vault_id, vm_id, item_id = await unprotected(clients)
        policies = f"{vault_id}/backupPolicies"
        vaults = await collect(clients.vaults.vaults.list_by_subscription_id())
        item = await protected(clients)
        taken = item.properties["virtualMachineId"]

        def refusal(item_id: str, vm_id: str, policy: str, **more: Any) -> str:
            answer = emulator_env.request("PUT", item_id, put_body(vm_id, policy, **more))
            assert answer.status == 400, answer.body
            return answer.error_code

        default, wrong = f"{policies}/DefaultPolicy", "BMSUserErrorInvalidConfigureProtectionRequest"
        nobody = f"{vm_id}x"
        assert refusal(protected_item_id(vault_id, nobody), nobody, default) == wrong
        assert refusal(item_id, taken, default) == wrong
        assert refusal(item_id, vm_id, f"{policies}/nobody") == wrong
        assert refusal(item_id, vm_id, "") == wrong
        assert refusal(item_id, vm_id, default, protectedItemType="Nothing") == wrong
        assert refusal(item_id, vm_id, "", protectionState="ProtectionStopped") == wrong
        assert refusal(item_id, vm_id, "", isRehydrate=True) == "BMSUserErrorInvalidInput"
        logs = "BMSUserErrorInvalidPolicyForGivenProvider"
        assert refusal(item_id, vm_id, f"{policies}/HourlyLogBackup") == logs
        odd = {"diskExclusionProperties": {"diskLunList": [-1], "isInclusionList": True}}
        assert refusal(item_id, vm_id, default, extendedProperties=odd) == "BMSUserErrorInvalidInput"
        for vault in vaults:
            if vault.id == vault_id_of(item):
                continue
            other = protected_item_id(vault.id, taken)
            same = vault.location == next(v.location for v in vaults if v.id == vault_id_of(item))
            expected = "UserErrorVmRegisteredWithAnotherVault" if same else wrong
            assert refusal(other, taken, f"{vault.id}/backupPolicies/DefaultPolicy") == expected
        assert emulator_env.get(item_id).status == 404


async def test_an_immutable_vault_keeps_its_data(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        item = await protected(clients)
        item_id, vm_id = item.document.id, item.properties["virtualMachineId"]
        suspend = put_body(vm_id, "", protectionState="BackupsSuspended")
        denied = "UserErrorOperationDeniedOnImmutableItem"
        assert emulator_env.request("PUT", item_id, suspend).error_code == denied
        state = {"properties": {"securitySettings": {"immutabilitySettings": {"state": "Unlocked"}}}}
        emulator_env.request("PATCH", vault_id_of(item), state)
        emulator_env.advance(10)
        assert emulator_env.request("DELETE", item_id).error_code == denied
        await change(emulator_env, item_id, suspend)
        suspended = item_of(emulator_env, item_id)
        assert suspended["protectionState"] == "BackupsSuspended"
        assert suspended["policyName"] == item.properties["policyName"]
        with pytest.raises(HttpResponseError, match="BMSUserErrorInvalidInput"):
            await trigger(clients, item)


async def test_a_guarded_item_is_deleted_after_its_unlocking_only(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        item = await protected(clients)
        item_id, proxy = item.document.id, f"{vault_id_of(item)}/backupResourceGuardProxies/VaultProxy"
        guard = (
            "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-guard/providers/"
            "Microsoft.DataProtection/resourceGuards/guard"
        )
        put = emulator_env.request("PUT", proxy, {"properties": {"resourceGuardResourceId": guard}})
        details = put.body["properties"]["resourceGuardOperationDetails"]
        requests = {one["vaultCriticalOperation"]: one["defaultResourceRequest"] for one in details}
        delete = next(value for name, value in requests.items() if name.endswith("protectedItems/delete"))
        assert emulator_env.request("DELETE", item_id).status == 403
        body = {"resourceGuardOperationRequests": [delete], "resourceToBeDeleted": item_id}
        assert emulator_env.post(f"{proxy}/unlockDelete", body).status == 200
        assert emulator_env.request("DELETE", item_id).status == 202
