"""A protected machine with a recovery point, and the places that it can be restored to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from azure.mgmt.recoveryservicesbackup import models

from ..support import Emulator
from .sdk import Clients, group_of, name_of
from .test_backup import Item
from .test_backup_jobs import job_now, points_of
from .test_backup_protection import with_data_disks

NETWORK = "Microsoft.Network/virtualNetworks"


@dataclass
class Scene:
    """A protected machine with data disks, its newest point, and where things can be put."""

    emulator: Emulator
    clients: Clients
    item: Item
    point: str
    luns: list[int]
    account_id: str
    group_id: str
    network_id: str

    @property
    def vm_id(self) -> str:
        return str(self.item.properties["virtualMachineId"])

    def request(self, kind: str, **more: Any) -> models.IaasVMRestoreRequest:
        return models.IaasVMRestoreRequest(
            recovery_point_id=self.point,
            recovery_type=kind,
            source_resource_id=self.vm_id,
            region="westeurope",
            create_new_cloud_service=False,
            original_storage_account_option=False,
            **{"storage_account_id": self.account_id, **more},
        )

    def new_machine(self, name: str = "restored-01", **more: Any) -> models.IaasVMRestoreRequest:
        return self.request(
            "AlternateLocation",
            **{
                "target_virtual_machine_id": self.compute("virtualMachines", name),
                "target_resource_group_id": self.group_id,
                "virtual_network_id": self.network_id,
                "subnet_id": f"{self.network_id}/subnets/default",
                **more,
            },
        )

    def compute(self, kind: str, name: str) -> str:
        return f"{self.group_id}/providers/Microsoft.Compute/{kind}/{name}"

    async def start(self, request: models.IaasVMRestoreRequest, point: str = "") -> str:
        """The job's id, which is the operation's."""
        body = models.RestoreRequestResource(properties=request)
        poller = await self.clients.backup.restores.begin_trigger(*self.item.where, point or self.point, body)
        headers = poller.polling_method()._initial_response.http_response.headers
        name = headers["Azure-AsyncOperation"].split("?")[0].rsplit("/", 1)[1]
        status = self.clients.backup.backup_operation_statuses
        assert (await status.get(self.item.vault, self.item.group, name)).status == "InProgress"
        self.emulator.advance(4)
        done = await status.get(self.item.vault, self.item.group, name)
        assert (done.status, done.properties.job_id) == ("Succeeded", name)
        await poller.result()
        return name

    async def job(self, job_id: str) -> Any:
        return await job_now(self.clients, self.item, job_id)

    def disks_in(self, group_id: str) -> dict[str, dict[str, Any]]:
        answer = self.emulator.get(f"{group_id}/providers/Microsoft.Compute/disks")
        return {disk["name"]: disk for disk in answer.body["value"]}

    async def machine(self, vm_id: str) -> Any:
        return await self.clients.compute.virtual_machines.get(
            group_of(vm_id), name_of(vm_id), expand="instanceView"
        )


async def scene(emulator: Emulator, clients: Clients) -> Scene:
    item, luns = await with_data_disks(clients)
    point = (await points_of(clients, item))[0].name
    subscription = f"/subscriptions/{emulator.subscription_ids[0]}"
    providers = f"{subscription}/providers"
    accounts = emulator.get(f"{providers}/Microsoft.Storage/storageAccounts").body["value"]
    networks = emulator.get(f"{providers}/{NETWORK}").body["value"]
    group = emulator.get(f"{subscription}/resourceGroups/rg-recovery").body["id"]
    return Scene(
        emulator,
        clients,
        item,
        point,
        luns,
        next(one["id"] for one in accounts if one["location"] == "westeurope"),
        group,
        next(one["id"] for one in networks if one["location"] == "westeurope"),
    )
