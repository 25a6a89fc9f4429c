"""Restores that are refused, and what validation says of them beforehand."""

from __future__ import annotations

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.recoveryservicesbackup import models

from ..support import Emulator
from .restore_scene import Scene, scene
from .sdk import collect, sdk_clients
from .test_backup_jobs import trigger


async def test_requests_that_make_no_sense(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        here = await scene(emulator_env, clients)
        odd = [
            here.request("Elsewhere"),
            here.request("RestoreDisks", restore_disk_lun_list=[17]),
            here.request("RestoreDisks", storage_account_id=None),
            here.request("OriginalLocation", target_resource_group_id=here.group_id),
            here.new_machine(subnet_id=None),
            here.new_machine(subnet_id=f"{here.network_id}x/subnets/default"),
            here.request("RestoreDisks", zones=["4"]),
        ]
        other_region = here.request("RestoreDisks")
        other_region.region = "japaneast"
        other_point = here.request("RestoreDisks")
        other_point.recovery_point_id = "12"
        for request in [*odd, other_region, other_point]:
            with pytest.raises(HttpResponseError) as caught:
                await here.start(request)
            assert (caught.value.status_code, caught.value.error.code) == (400, "BMSUserErrorInvalidInput")
        with pytest.raises(HttpResponseError) as caught:
            await here.start(here.request("RestoreDisks"), "12")
        assert (caught.value.status_code, caught.value.error.code) == (
            404,
            "BMSUserErrorRecoveryPointNotFound",
        )
        with pytest.raises(HttpResponseError) as caught:
            await here.start(here.request("RestoreDisks", disk_encryption_set_id=here.group_id))
        assert caught.value.status_code == 501
        jobs = clients.backup.backup_jobs.list(
            here.item.vault, here.item.group, filter="operation eq 'Restore'"
        )
        assert await collect(jobs) == []


async def test_replacing_disks_waits_for_the_backup(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        here = await scene(emulator_env, clients)
        await trigger(clients, here.item)
        with pytest.raises(HttpResponseError) as caught:
            await here.start(here.request("OriginalLocation"))
        assert caught.value.status_code == 409


def validation(here: Scene, request: models.IaasVMRestoreRequest) -> models.ValidateOperationRequestResource:
    return models.ValidateOperationRequestResource(
        id=f"{here.item.document.id}/recoveryPoints/{here.point}",
        properties=models.ValidateIaasVMRestoreOperationRequest(restore_request=request),
    )


async def test_validation_tells_what_would_fail(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        here = await scene(emulator_env, clients)
        where = here.item.vault, here.item.group

        async def codes(request: models.IaasVMRestoreRequest) -> list[str]:
            answer = await clients.backup.operation.validate(*where, validation(here, request))
            return [one.code for one in answer.validate_operation_response.validation_results]

        assert await codes(here.new_machine()) == []
        taken = here.new_machine(target_virtual_machine_id=here.vm_id)
        taken.target_resource_group_id = here.vm_id.partition("/providers/")[0]
        assert await codes(taken) == ["UserErrorTargetVirtualMachineExists"]
        nowhere = here.new_machine(
            virtual_network_id=f"{here.network_id}x",
            subnet_id=f"{here.network_id}x/subnets/default",
            storage_account_id=f"{here.account_id}x",
        )
        assert await codes(nowhere) == [
            "UserErrorBCMRestoreStorageAccountNotFound",
            "UserErrorTargetNetworkNotFound",
        ]
        zoned = here.request("RestoreDisks", target_resource_group_id=here.group_id, zones=["3"])
        assert await codes(zoned) == ["UserErrorCrossZonalRestoreNotSupported"]
        gone = here.request("RestoreDisks", target_resource_group_id=f"{here.group_id}x")
        assert await codes(gone) == ["UserErrorTargetResourceGroupNotFound"]
        with pytest.raises(HttpResponseError, match="UserErrorTargetResourceGroupNotFound"):
            await here.start(gone)


async def test_a_long_validation_ends_with_a_full_quota(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        here = await scene(emulator_env, clients)
        where = here.item.vault, here.item.group
        emulator_env.fault(
            "fail-step",
            operation="ValidateOperation",
            step=1,
            target=here.vm_id,
            code="UserErrorCoreCountSubscriptionQuotaReached",
            message="Core Count subscription quota has been reached.",
        )
        poller = await clients.backup.validate_operation.begin_trigger(
            *where, validation(here, here.new_machine())
        )
        headers = poller.polling_method()._initial_response.http_response.headers
        url = headers["Azure-AsyncOperation"]
        name = url.split("?")[0].rsplit("/", 1)[1]
        assert emulator_env.get(url).body["status"] == "InProgress"
        assert emulator_env.get(headers["Location"]).status == 202
        emulator_env.advance(20)
        await poller.result()
        status = await clients.backup.validate_operation_statuses.get(*where, name)
        assert status.status == "Succeeded"
        told = status.properties.validate_operation_response.validation_results
        assert [one.code for one in told] == ["UserErrorCoreCountSubscriptionQuotaReached"]
        result = await clients.backup.validate_operation_results.get(*where, name)
        assert len(result.validate_operation_response.validation_results) == 1


async def test_another_subscription_needs_the_vaults_permission(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        here = await scene(emulator_env, clients)
        other = f"/subscriptions/{emulator_env.subscription_ids[1]}"
        groups = emulator_env.get(f"{other}/resourceGroups").body["value"]
        request = here.request("RestoreDisks", target_resource_group_id=groups[0]["id"])
        vault_id = here.item.document.id.split("/backupFabrics")[0]

        def switch(state: str) -> None:
            settings = {"crossSubscriptionRestoreSettings": {"crossSubscriptionRestoreState": state}}
            body = {"properties": {"restoreSettings": settings}}
            assert emulator_env.request("PATCH", vault_id, body).status == 202
            emulator_env.advance(10)

        switch("Disabled")
        with pytest.raises(HttpResponseError, match="UserErrorCrossSubscriptionRestoreNotAllowed"):
            await here.start(request)
        switch("Enabled")
        job_id = await here.start(request)
        emulator_env.advance(90)
        assert (await here.job(job_id)).status == "InProgress"  # no snapshot leads to another subscription
        emulator_env.advance(30 * 60)
        assert here.disks_in(groups[0]["id"]).keys() - here.disks_in(here.group_id).keys()
        switch("PermanentlyDisabled")
        body = {
            "properties": {
                "restoreSettings": {
                    "crossSubscriptionRestoreSettings": {"crossSubscriptionRestoreState": "Enabled"}
                }
            }
        }
        assert emulator_env.request("PATCH", vault_id, body).status == 400
