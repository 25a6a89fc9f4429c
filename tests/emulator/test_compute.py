"""Virtual machines through the real compute SDK: lists, instance views, power operations."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from ..conftest import EmulatorFactory
from ..support import READER_CLIENT_ID, Emulator
from .sdk import Clients, collect, group_of, name_of, sdk_clients


async def running_vm(clients: Clients) -> Any:
    for vm in await collect(clients.compute.virtual_machines.list_all()):
        if await power_of(clients, vm) == "running":
            return vm
    raise AssertionError("the fleet has no running machine")


async def power_of(clients: Clients, vm: Any) -> str:
    view = await clients.compute.virtual_machines.instance_view(group_of(vm.id), vm.name)
    return next(s.code.split("/")[1] for s in view.statuses if s.code.startswith("PowerState/"))


async def test_lists_and_gets_agree(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        machines = await collect(clients.compute.virtual_machines.list_all())
        assert machines
        first = machines[0]
        assert first.instance_view is None
        group = await collect(clients.compute.virtual_machines.list(group_of(first.id)))
        assert [vm.id for vm in group] == [vm.id for vm in machines if group_of(vm.id) == group_of(first.id)]
        shouted = group_of(first.id).upper()
        whole = await clients.compute.virtual_machines.get(shouted, first.name.upper(), expand="instanceView")
        assert whole.id == first.id
        assert whole.storage_profile.os_disk.managed_disk.id
        assert any(status.code.startswith("PowerState/") for status in whole.instance_view.statuses)
        disk_id = whole.storage_profile.os_disk.managed_disk.id
        disk = await clients.compute.disks.get(group_of(disk_id), name_of(disk_id))
        assert disk.managed_by.lower() == whole.id.lower()
        assert disk.os_type == whole.storage_profile.os_disk.os_type
        assert disk.id in [one.id for one in await collect(clients.compute.disks.list())]


async def test_status_only_lists_carry_power(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        machines = await collect(clients.compute.virtual_machines.list_all(status_only="true"))
        assert all(vm.instance_view.statuses for vm in machines)


async def test_unknown_machine(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        vm = (await collect(clients.compute.virtual_machines.list_all()))[0]
        with pytest.raises(ResourceNotFoundError) as caught:
            await clients.compute.virtual_machines.get(group_of(vm.id), "nobody")
        assert caught.value.error.code == "ResourceNotFound"
        assert "Microsoft.Compute/virtualMachines/nobody" in caught.value.error.message


async def test_deallocate_and_start(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        vm = await running_vm(clients)
        where = group_of(vm.id), vm.name
        poller = await clients.compute.virtual_machines.begin_deallocate(*where)
        assert not poller.done()
        assert await power_of(clients, vm) == "deallocating"
        emulator_env.advance(120)
        await asyncio.wait_for(poller.result(), 20)
        assert await power_of(clients, vm) == "deallocated"
        off = await clients.compute.virtual_machines.get(*where, expand="instanceView")
        assert off.instance_view.vm_agent is None
        assert off.storage_profile.os_disk.disk_size_gb is None
        assert off.etag != vm.etag
        poller = await clients.compute.virtual_machines.begin_start(*where)
        emulator_env.advance(120)
        await asyncio.wait_for(poller.result(), 20)
        assert await power_of(clients, vm) == "running"


async def test_a_newer_action_preempts_the_older(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        vm = await running_vm(clients)
        where = group_of(vm.id), vm.name
        older = await clients.compute.virtual_machines.begin_deallocate(*where)
        newer = await clients.compute.virtual_machines.begin_start(*where)
        with pytest.raises(HttpResponseError, match="OperationPreempted"):
            await asyncio.wait_for(older.result(), 20)
        emulator_env.advance(120)
        await asyncio.wait_for(newer.result(), 20)
        assert await power_of(clients, vm) == "running"


async def test_power_operation_outlives_a_restart(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        vm = await running_vm(clients)
    answer = emulator_env.post(f"{vm.id}/powerOff?skipShutdown=false")
    assert answer.status == 202
    assert answer.body is None
    status_url = answer.headers["azure-asyncoperation"]
    port = emulator_env.endpoint.rsplit(":", 1)[1]
    emulator_env.restart("--port", port)
    assert emulator_env.get(status_url).body["status"] == "InProgress"
    assert emulator_env.get(answer.headers["location"]).status == 202
    emulator_env.advance(60)
    assert emulator_env.get(status_url).body["status"] == "Succeeded"
    assert emulator_env.get(answer.headers["location"]).status == 200
    view = emulator_env.get(f"{vm.id}/instanceView").body
    assert "PowerState/stopped" in [status["code"] for status in view["statuses"]]


async def test_failed_power_operation_is_a_200(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        vm = await running_vm(clients)
        emulator_env.fault(
            "fail-step", operation="PowerChange", step=1, target=vm.name, code="AllocationFailed"
        )
        poller = await clients.compute.virtual_machines.begin_restart(group_of(vm.id), vm.name)
        emulator_env.advance(120)
        with pytest.raises(HttpResponseError, match="AllocationFailed"):
            await asyncio.wait_for(poller.result(), 20)


async def test_reader_may_look_and_not_act(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env, client_id=READER_CLIENT_ID) as clients:
        vm = await running_vm(clients)
        with pytest.raises(HttpResponseError) as caught:
            await clients.compute.virtual_machines.begin_start(group_of(vm.id), vm.name)
        assert caught.value.status_code == 403
        assert "Microsoft.Compute/virtualMachines/start/action" in caught.value.message


def test_long_lists_have_pages(emulator_factory: EmulatorFactory) -> None:
    emulator = emulator_factory(fleet=1100)
    found, pages = [], 0
    for subscription_id in emulator.subscription_ids:
        link = f"/subscriptions/{subscription_id}/providers/Microsoft.Compute/virtualMachines"
        while link:
            page = emulator.get(link).body
            found += [vm["id"] for vm in page["value"]]
            pages, link = pages + 1, page.get("nextLink", "")
            assert not link or link.startswith(emulator.endpoint)
    assert len(found) == len(set(found)) == 1100
    assert pages > len(emulator.subscription_ids)


async def test_networks_for_the_pickers(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        vm = await running_vm(clients)
    nic = emulator_env.get(vm.network_profile.network_interfaces[0].id).body
    assert nic["properties"]["virtualMachine"]["id"].lower() == vm.id.lower()
    subnet_id = nic["properties"]["ipConfigurations"][0]["properties"]["subnet"]["id"]
    network_id, _, subnet = subnet_id.partition("/subnets/")
    network = emulator_env.get(network_id).body
    assert subnet in [one["name"] for one in network["properties"]["subnets"]]
    assert emulator_env.get(subnet_id).body["id"] == subnet_id
    path = f"/subscriptions/{emulator_env.subscription_ids[0]}/providers/Microsoft.Network/virtualNetworks"
    assert network["id"] in [one["id"] for one in emulator_env.get(path).body["value"]]
    assert emulator_env.get(network_id + "-not").error_code == "ResourceNotFound"
