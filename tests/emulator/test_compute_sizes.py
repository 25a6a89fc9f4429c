"""Sizes, quotas and resizing through the real compute SDK."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from azure_ops.emulator.answers import Refusal
from azure_ops.emulator.handlers.compute_sizes import family_of
from azure_ops.emulator.handlers.site_recovery_sizes import SIZES
from azure_ops.emulator.records.compute import DataDisk

from ..support import Emulator
from .sdk import Clients, collect, group_of, sdk_clients
from .small_world import ask, small_world

WEST = "location eq 'westeurope'"


async def machine(clients: Clients, name: str) -> Any:
    return next(vm for vm in await collect(clients.compute.virtual_machines.list_all()) if vm.name == name)


def to(size: str) -> dict[str, Any]:
    return {"properties": {"hardwareProfile": {"vmSize": size}}}


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("Standard_D2s_v5", "standardDSv5Family"),
        ("Standard_DS1_v2", "standardDSv2Family"),
        ("Standard_B2ms", "standardBSFamily"),
        ("Standard_A1_v2", "standardAv2Family"),
        ("Standard_F8s_v2", "standardFSv2Family"),
    ],
)
def test_families_are_called_as_quotas_call_them(name: str, family: str) -> None:
    assert family_of(name) == family
    assert all(family_of(size.name) for size in SIZES)


async def test_sizes_and_quotas_fit_together(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        skus = {sku.name: sku for sku in await collect(clients.compute.resource_skus.list(filter=WEST))}
        d2 = skus["Standard_D2s_v5"]
        assert d2.resource_type == "virtualMachines"
        assert {one.name: one.value for one in d2.capabilities}["vCPUs"] == "2"
        assert list(d2.location_info[0].zones) == ["1", "2", "3"]
        assert skus["Standard_F4s_v2"].restrictions[0].reason_code == "NotAvailableForSubscription"
        usages = {one.name.value: one for one in await collect(clients.compute.usage.list("westeurope"))}
        assert {sku.family for sku in skus.values()} < usages.keys()
        families = [one.current_value for name, one in usages.items() if name != "cores"]
        assert usages["cores"].current_value == sum(families) > 0
        assert usages["standardESv5Family"].limit == 32


async def test_a_running_machine_is_resized_on_its_hardware(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        machines, vm = clients.compute.virtual_machines, await machine(clients, "web-01")
        where = group_of(vm.id), vm.name
        names = {one.name for one in await collect(machines.list_available_sizes(*where))}
        assert {"Standard_D2s_v5", "Standard_E2s_v5"} <= names
        assert "Standard_B2s" not in names
        poller = await machines.begin_update(*where, to("Standard_E2s_v5"))
        during = await machines.get(*where)
        assert (during.hardware_profile.vm_size, during.provisioning_state) == ("Standard_E2s_v5", "Updating")
        emulator_env.advance(90)
        await poller.result()
        after = await machines.get(*where)
        assert (after.hardware_profile.vm_size, after.provisioning_state) == ("Standard_E2s_v5", "Succeeded")


@pytest.mark.parametrize(
    ("name", "size", "code", "words"),
    [
        ("web-01", "Standard_F4s_v2", "SkuNotAvailable", "not available in location 'westeurope'"),
        ("web-01", "Standard_B4ms", "OperationNotAllowed", "not available in the current hardware cluster"),
        ("web-01", "Standard_Nix", "InvalidParameter", "is not valid"),
    ],
)
async def test_what_cannot_be_is_refused(
    emulator_env: Emulator, name: str, size: str, code: str, words: str
) -> None:
    async with sdk_clients(emulator_env) as clients:
        vm = await machine(clients, name)
        with pytest.raises(HttpResponseError, match=words) as caught:
            await clients.compute.virtual_machines.begin_update(group_of(vm.id), vm.name, to(size))
        assert caught.value.error.code == code
        same = await machine(clients, name)
        assert same.hardware_profile.vm_size == vm.hardware_profile.vm_size


async def test_a_quota_that_is_full_is_named(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        machines = clients.compute.virtual_machines
        first, second = [await machine(clients, name) for name in ("sql-01", "sql-02")]
        poller = await machines.begin_update(group_of(first.id), first.name, to("Standard_E16s_v5"))
        emulator_env.advance(90)
        await poller.result()
        with pytest.raises(
            HttpResponseError, match="exceeding approved standardESv5Family Cores quota"
        ) as caught:
            await machines.begin_update(group_of(second.id), second.name, to("Standard_E16s_v5"))
        assert caught.value.error.code == "OperationNotAllowed"
        assert "Current Limit: 32" in caught.value.error.message


def test_a_size_must_take_the_disks() -> None:
    small = small_world()
    small.vm.data_disks = [DataDisk(lun, f"{small.os_disk.id}-{lun}") for lun in range(5)]
    small.world.store.save(small.vm)
    with pytest.raises(Refusal, match="data disks allowed to be attached to a VM of this size is 4"):
        ask(small, "PATCH", small.vm.id, to("Standard_E2s_v5"))
    assert ask(small, "PATCH", small.vm.id, to("Standard_E4s_v5")).status == 200


@pytest.mark.parametrize("power", ["running", "deallocated"])
def test_a_resize_that_fails_leaves_the_old_size(power: str) -> None:
    small = small_world()
    small.vm.power = power
    small.world.store.save(small.vm)
    fault = {"operation": "Resize", "step": 1, "target": "web-01", "count": 1}
    small.world.failing_steps.append(fault | {"code": "AllocationFailed", "message": "No room."})
    begun = ask(small, "PATCH", small.vm.id, to("Standard_D4s_v5"))
    small.advance(100)
    assert ask(small, "GET", small.vm.id).body["properties"]["hardwareProfile"]["vmSize"] == "Standard_D2s_v5"
    told = ask(small, "GET", begun.headers["Azure-AsyncOperation"]).body
    assert (told["status"], told["error"]["code"]) == ("Failed", "AllocationFailed")


def test_a_deallocated_machine_takes_sizes_of_other_hardware() -> None:
    small = small_world()
    with pytest.raises(Refusal, match="hardware cluster"):
        ask(small, "PATCH", small.vm.id, to("Standard_B4ms"))
    small.vm.power = "deallocated"
    small.world.store.save(small.vm)
    ask(small, "PATCH", small.vm.id, to("Standard_B4ms"))
    small.advance(20)
    document = ask(small, "GET", small.vm.id).body
    assert document["properties"]["hardwareProfile"]["vmSize"] == "Standard_B4ms"
    for body in ({"tags": {}}, {"properties": {}}, {"tags": {}, **to("Standard_D4s_v5")}):
        with pytest.raises(Refusal, match="does not model"):
            ask(small, "PATCH", small.vm.id, body)
