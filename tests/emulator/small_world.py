"""One protected machine in one vault, without a server: for tests of documents and of what the clock does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from azure_ops.emulator.answers import Answer, Json
from azure_ops.emulator.clock import Clock
from azure_ops.emulator.handlers import all_routes
from azure_ops.emulator.records import KINDS
from azure_ops.emulator.records.backup import ProtectedItem, Vault, protected_item_id
from azure_ops.emulator.records.backup_policies import starting_policies
from azure_ops.emulator.records.compute import (
    UBUNTU,
    DataDisk,
    Disk,
    NetworkInterface,
    Snapshot,
    Subnet,
    VirtualMachine,
    VirtualNetwork,
)
from azure_ops.emulator.routing import Context, Principal
from azure_ops.emulator.store import Store
from azure_ops.emulator.world import World

NOW = datetime(2026, 8, 22, 14, tzinfo=UTC)
GROUP = "/subscriptions/5b1f0a3c-0000-4000-8000-000000000001/resourceGroups/rg-app"
COMPUTE = f"{GROUP}/providers/Microsoft.Compute"
NETWORK = f"{GROUP}/providers/Microsoft.Network"
BASE_URL = "https://127.0.0.1:1"


@dataclass
class SmallWorld:
    world: World
    vm: VirtualMachine
    os_disk: Disk
    snapshot: Snapshot
    vault: Vault
    item: ProtectedItem
    network: VirtualNetwork
    nic: NetworkInterface

    def advance(self, seconds: float) -> None:
        self.world.clock.advance(seconds)
        self.world.catch_up()


def small_world(location: str = "westeurope") -> SmallWorld:
    world = World(Store(None, KINDS, seed=1), Clock(NOW, speed=0))
    vm_id, vault_id = (
        f"{COMPUTE}/virtualMachines/web-01",
        f"{GROUP}/providers/Microsoft.RecoveryServices/vaults/v",
    )
    nic = NetworkInterface(
        id=f"{NETWORK}/networkInterfaces/web-01-nic",
        location=location,
        subnet_id=f"{NETWORK}/virtualNetworks/net/subnets/app",
        private_ip="10.0.0.4",
        mac="00-0D-3A-00-00-01",
        vm_id=vm_id,
    )
    vm = VirtualMachine(
        id=vm_id,
        location=location,
        size="Standard_D2s_v5",
        os_type="Linux",
        os_disk_id=f"{COMPUTE}/disks/web-01-os",
        data_disks=[DataDisk(0, f"{COMPUTE}/disks/web-01-data")],
        nic_ids=[nic.id],
        zones=["1"],
        tags={"app": "web"},
        time_created=NOW,
        vm_id="0b1f0a3c-0000-4000-8000-000000000009",
        image=UBUNTU,
    )
    os_disk = Disk(
        id=vm.os_disk_id,
        location=location,
        size_gb=30,
        os_type="Linux",
        managed_by=vm.id,
        time_created=NOW,
        unique_id="1b1f0a3c-0000-4000-8000-000000000009",
    )
    data_disk = Disk(
        id=vm.data_disks[0].disk_id,
        location=location,
        size_gb=512,
        sku="StandardSSD_LRS",
        managed_by=vm.id,
        time_created=NOW,
        unique_id="2b1f0a3c-0000-4000-8000-000000000009",
    )
    snapshot = Snapshot(
        id=f"{COMPUTE}/snapshots/web-01-before-patch",
        location=location,
        source_disk_id=os_disk.id,
        source_unique_id=os_disk.unique_id,
        size_gb=30,
        incremental=True,
        snapshot_family_id="3b1f0a3c-0000-4000-8000-000000000009",
        os_type="Linux",
        taken_at=NOW,
        unique_id="4b1f0a3c-0000-4000-8000-000000000009",
    )
    vault = Vault(id=vault_id, location=location, changed_at=NOW)
    item = ProtectedItem(
        id=protected_item_id(vault_id, vm_id),
        vm_id=vm_id,
        os_type="Linux",
        policy_name="DefaultPolicy",
        data_id="422213419752677",
    )
    network = VirtualNetwork(
        id=f"{NETWORK}/virtualNetworks/net",
        location=location,
        prefixes=["10.0.0.0/16"],
        subnets=[Subnet("app", "10.0.0.0/24")],
    )
    for record in (vm, os_disk, data_disk, snapshot, vault, item, network, nic):
        world.store.save(record)
    for policy in starting_policies(vault_id, run_at=NOW):
        world.store.save(policy)
    return SmallWorld(world, vm, os_disk, snapshot, vault, item, network, nic)


def ask(small: SmallWorld, method: str, url: str, body: Json | None = None) -> Answer:
    """What the handler of that URL answers. Raises its `Refusal`."""
    path, _, query = url.removeprefix(BASE_URL).partition("?")
    found = all_routes().match(method, path)
    assert found is not None, f"no route for {method} {path}"
    route, params = found
    context = Context(
        world=small.world,
        principal=Principal("tester", "", ()),
        method=method,
        base_url=BASE_URL,
        path=path,
        params=params,
        query={key.lower(): value for key, value in parse_qsl(query)},
        headers={},
        body=body,
        now=small.world.clock.now(),
    )
    with small.world.store.transaction():
        return route.handler(context)
