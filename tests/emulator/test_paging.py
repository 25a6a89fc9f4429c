"""Lists in pages, followed by the real SDKs' pagers: each thing comes once and in the order of the whole."""

from __future__ import annotations

from typing import Any

import pytest

from ..conftest import EmulatorFactory
from ..support import NOW, Emulator
from .sdk import Clients, group_of, name_of, sdk_clients
from .site_recovery_steps import VAULT

SIZE = 3


@pytest.fixture
def emulator(emulator_factory: EmulatorFactory) -> Emulator:
    return emulator_factory(now=NOW, throttle=False, arguments=("--page-size", str(SIZE)))


async def pages_of(pager: Any) -> list[list[str]]:
    return [[str(one.id) async for one in page] async for page in pager.by_page()]


async def lists(clients: Clients) -> dict[str, Any]:
    """The pagers, made anew: a pager is good for one pass."""
    vault = ("rsv-weu", "rg-recovery")
    backup, replication, compute = clients.backup, clients.site_recovery, clients.compute
    item = await anext(aiter(backup.backup_protected_items.list(*vault)))
    parts = str(item.id).split("/")
    return {
        "vms": compute.virtual_machines.list_all(),
        "vms of a group": compute.virtual_machines.list("rg-web-weu"),
        "disks": compute.disks.list(),
        "vaults": clients.vaults.vaults.list_by_subscription_id(),
        "items": backup.backup_protected_items.list(*vault, filter="backupManagementType eq 'AzureIaasVM'"),
        "containers": backup.backup_protection_containers.list(
            *vault, filter="backupManagementType eq 'AzureIaasVM'"
        ),
        "points": backup.recovery_points.list(*vault, parts[10], parts[12], parts[14]),
        "backup jobs": backup.backup_jobs.list(*vault, filter="operation eq 'Backup'"),
        "replicated items": replication.replication_protected_items.list(*VAULT),
        "replication jobs": replication.replication_jobs.list(*VAULT),
    }


async def test_every_pager_follows_its_links(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        paged = {name: await pages_of(pager) for name, pager in (await lists(clients)).items()}
    emulator_env.restart("--page-size", "100000")
    async with sdk_clients(emulator_env) as clients:
        whole = {name: await pages_of(pager) for name, pager in (await lists(clients)).items()}
    for name, pages in paged.items():
        (everything,) = whole[name]
        assert [each for page in pages for each in page] == everything, name
        assert len(set(everything)) == len(everything), name
        assert all(len(page) == SIZE for page in pages[:-1]), name
        assert 1 <= len(pages[-1]) <= SIZE, name
    assert min(len(paged[name]) for name in paged if name != "vaults") > 1
    assert group_of(whole["vms of a group"][0][0]).lower() == "rg-web-weu"
    assert name_of(whole["vaults"][0][0])


async def test_a_link_that_was_changed_is_refused(emulator: Emulator) -> None:
    sub = emulator.subscription_ids[0]
    machines = f"/subscriptions/{sub}/providers/Microsoft.Compute/virtualMachines"
    link = emulator.get(machines).body["nextLink"]
    assert emulator.get(link + "x").status == 400
