"""The seeded worlds: what they hold, that it hangs together, and that a seed always makes the same one."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest

from azure_ops.emulator import fleets
from azure_ops.emulator.clock import Clock
from azure_ops.emulator.fleets import hostile
from azure_ops.emulator.handlers.backup import protected_item_document
from azure_ops.emulator.handlers.compute import vm_document
from azure_ops.emulator.handlers.site_recovery import points_of, replicated_item_document
from azure_ops.emulator.records import KINDS
from azure_ops.emulator.records.backup import BackupJob, ProtectedItem, Vault
from azure_ops.emulator.records.backup_policies import BackupPolicy
from azure_ops.emulator.records.compute import (
    Disk,
    NetworkInterface,
    Snapshot,
    VirtualMachine,
    VirtualNetwork,
)
from azure_ops.emulator.records.site_recovery import ReplicatedItem, ReplicationJob, ReplicationPolicy
from azure_ops.emulator.records.tenancy import ResourceGroup, Subscription
from azure_ops.emulator.store import Store
from azure_ops.emulator.world import World

from ..support import NOW, Emulator

START = datetime.fromisoformat(NOW)


def world_of(fleet: str, seed: int = 1, now: datetime = START, path: Path | None = None) -> World:
    world = World(Store(path, KINDS, seed), Clock(now, speed=0))
    fleets.seed(world, fleet)
    return world


def content(world: World) -> bytes:
    return msgspec.json.encode([list(world.store.all(kind)) for kind in KINDS])


@pytest.fixture(scope="module")
def contoso() -> World:
    return world_of("contoso")


def item_named(world: World, name: str) -> ReplicatedItem:
    return next(item for item in world.store.all(ReplicatedItem) if item.vm_name == name)


def protected(world: World, name: str) -> dict[str, object]:
    item = next(one for one in world.store.all(ProtectedItem) if one.vm_id.endswith(f"/{name}"))
    properties: dict[str, object] = protected_item_document(world, item)["properties"]
    return properties


def replicated(world: World, name: str) -> dict[str, object]:
    properties: dict[str, object] = replicated_item_document(world, item_named(world, name))["properties"]
    return properties


@pytest.mark.parametrize("fleet", ["contoso", "1", "120"])
def test_a_seed_always_makes_the_same_world(fleet: str) -> None:
    assert content(world_of(fleet)) == content(world_of(fleet))
    assert content(world_of(fleet)) != content(world_of(fleet, seed=2))


@pytest.mark.parametrize(
    "fleet", ["nothing", "0", "-3", "20001", "1e3", "", "٣", "3x", "3x0", "3x401", "x3", "3x٣"]
)
def test_other_fleets_are_refused(fleet: str) -> None:
    with pytest.raises(ValueError, match="no fleet"):
        world_of(fleet)


@pytest.mark.parametrize("fleet", ["contoso", "300"])
def test_everything_refers_to_something(fleet: str) -> None:
    world = world_of(fleet)
    store = world.store
    groups = {group.id.lower() for group in store.all(ResourceGroup)}
    subscriptions = {one.id for one in store.all(Subscription)}
    for kind in (VirtualMachine, Disk, NetworkInterface, Snapshot, VirtualNetwork, Vault):
        for record in store.all(kind):
            assert record.id.lower().split("/providers/")[0] in groups
            assert record.id.split("/resourceGroups/")[0] in subscriptions
    for machine in store.all(VirtualMachine):
        for disk_id in (machine.os_disk_id, *(disk.disk_id for disk in machine.data_disks)):
            disk = store.find(Disk, disk_id)
            assert disk is not None
            assert disk.managed_by == machine.id
            assert disk.location == machine.location
        for nic_id in machine.nic_ids:
            nic = store.find(NetworkInterface, nic_id)
            assert nic is not None
            network = store.find(VirtualNetwork, nic.subnet_id.split("/subnets/")[0])
            assert network is not None
            assert network.location == machine.location
    for item in store.all(ProtectedItem):
        vault = store.find(Vault, item.vault_id)
        machine = store.find(VirtualMachine, item.vm_id)
        assert vault is not None
        assert machine is not None
        assert vault.location == machine.location
        assert vault.id.split("/")[2] == machine.id.split("/")[2]
        if item.protection_state != "ProtectionStopped":
            assert store.find(BackupPolicy, f"{vault.id}/backupPolicies/{item.policy_name}") is not None
    for replica in store.all(ReplicatedItem):
        assert store.find(VirtualMachine, replica.vm_id) is not None
        assert store.find(ReplicationPolicy, replica.policy_id) is not None
        assert replica.recovery_group_id.lower() in groups
        vault = store.find(Vault, replica.id.split("/replicationFabrics/")[0])
        assert vault is not None
        # The region that may be lost is no place for the vault that brings it back.
        assert f"asr-a2a-default-{vault.location}/" not in replica.id


def test_addresses_are_unique_within_a_subnet() -> None:
    nics = world_of("600").store.all(NetworkInterface)
    assert len({(nic.subnet_id, nic.private_ip) for nic in nics}) == len(nics)


def test_contoso_is_what_the_readme_promises(contoso: World) -> None:
    store = contoso.store
    assert [one.display_name for one in store.all(Subscription)] == ["Contoso-Prod", "Contoso-Dev"]
    assert [(one.name, one.location) for one in store.all(Vault)] == [
        ("rsv-weu", "westeurope"),
        ("rsv-neu", "northeurope"),
        ("rsv-eus", "eastus"),
        ("rsv-weu-zrs", "westeurope"),
        ("rsv-weu-guarded", "westeurope"),
    ]
    machines = store.all(VirtualMachine)
    assert 25 <= len(machines) <= 32
    assert {machine.os_type for machine in machines} == {"Linux", "Windows"}
    roads = {
        tuple(re.findall(r"asr-a2a-default-(\w+)-container", f"{item.id} {item.recovery_container_id}"))
        for item in store.all(ReplicatedItem)
    }
    assert roads == {("westeurope", "northeurope"), ("eastus", "westus")}
    networks = {network.name: network.location for network in store.all(VirtualNetwork)}
    assert networks["vnet-drill-neu"] == networks["vnet-prod-neu"] == "northeurope"
    assert networks["vnet-drill-wus"] == networks["vnet-prod-wus"] == "westus"


def test_contoso_has_every_state(contoso: World) -> None:
    assert replicated(contoso, "web-01")["replicationHealth"] == "Normal"
    assert replicated(contoso, "web-01")["failoverHealth"] == "Normal"
    assert replicated(contoso, "sql-01")["replicationHealth"] == "Warning"
    assert replicated(contoso, "sql-01")["failoverHealth"] == "Warning"
    assert replicated(contoso, "dc-01")["replicationHealth"] == "Critical"
    assert replicated(contoso, "sql-02")["allowedOperations"] == ["TestFailoverCleanup"]
    assert "Commit" in replicated(contoso, "file-01")["allowedOperations"]  # type: ignore[operator]
    assert replicated(contoso, "shop-02")["protectionState"] == "UnplannedFailoverCommitted"
    assert replicated(contoso, "erp-01")["protectionState"] == "InitialReplicationInProgress"

    assert protected(contoso, "erp-01")["protectionState"] == "IRPending"
    assert protected(contoso, "print-01")["protectionState"] == "ProtectionStopped"
    assert protected(contoso, "sql-01")["lastBackupStatus"] == "Failed"
    assert protected(contoso, "app-02")["lastBackupStatus"] == "CompletedWithWarnings"
    assert not [one for one in contoso.store.all(ProtectedItem) if one.vm_id.endswith(("/dc-01", "/jump-01"))]

    machines = {
        machine.id.rsplit("/", 2)[0].split("/")[4] + "/" + machine.name: machine.power
        for machine in contoso.store.all(VirtualMachine)
    }
    assert machines["rg-data-weu/file-01"] == "deallocated"
    assert machines["rg-data-weu-asr/file-01"] == "running"
    assert machines["rg-data-weu-asr/sql-02-test"] == "running"
    assert machines["rg-core-weu/batch-01"] == "deallocated"


def test_contoso_has_a_past(contoso: World) -> None:
    now = contoso.clock.now()
    item = next(one for one in contoso.store.all(ProtectedItem) if one.vm_id.endswith("/web-01"))
    ages = [now - point.taken_at for point in item.recovery_points]
    assert len(ages) == 30
    assert ages == sorted(ages, reverse=True)
    assert timedelta(hours=1) < ages[-1] < timedelta(hours=3)
    assert all(point.expires_at > now for point in item.recovery_points)
    policy = contoso.store.all(ReplicationPolicy)[0]
    assert len(points_of(contoso, item_named(contoso, "web-01"), now)) > 20
    assert policy.retention_minutes == 1440
    for vault in ("rsv-weu", "rsv-eus"):
        assert [job for job in contoso.store.all(BackupJob) if f"/{vault}/" in job.id]
    failed = [job for job in contoso.store.all(BackupJob) if job.status == "Failed"]
    assert all(job.errors for job in failed)
    assert len(failed) >= 2
    assert {job.state for job in contoso.store.all(ReplicationJob)} == {"Succeeded", "Failed"}
    assert {job.id.split("/")[8] for job in contoso.store.all(ReplicationJob)} == {"rsv-weu", "rsv-neu"}
    assert len(contoso.store.all(Snapshot)) >= 5
    for job in contoso.store.all(BackupJob):
        assert job.ended_at is not None
        assert job.started_at < job.ended_at <= now


def test_contoso_has_a_vault_of_several_zones_that_is_immutable_and_one_with_a_guard(contoso: World) -> None:
    vaults = {vault.name: vault for vault in contoso.store.all(Vault)}
    zonal, guarded = vaults["rsv-weu-zrs"], vaults["rsv-weu-guarded"]
    assert (zonal.redundancy, zonal.immutability) == ("ZoneRedundant", "Unlocked")
    assert guarded.guard_id.split("/")[2] != guarded.id.split("/")[2], "it is of another subscription"
    assert [vault.name for vault in vaults.values() if vault.guard_id] == [guarded.name]
    for vault, name in ((zonal, "batch-01"), (guarded, "web-03")):
        (item,) = contoso.store.all(ProtectedItem, vault.id)
        machine = contoso.store.find(VirtualMachine, item.vm_id)
        assert machine is not None
        assert (machine.name, len(machine.zones)) == (name, 1)
        assert item.recovery_points[-1].in_vault
        assert item.recovery_points[-1].zones == machine.zones


def test_times_follow_the_clock() -> None:
    later = START + timedelta(days=100, hours=5)
    world = world_of("contoso", now=later)
    item = next(one for one in world.store.all(ProtectedItem) if one.vm_id.endswith("/web-01"))
    assert item.last_backup_at is not None
    assert timedelta(hours=1) < later - item.last_backup_at < timedelta(hours=3)
    assert replicated(world, "sql-01")["replicationHealth"] == "Warning"


def test_hostile_names_are_in_names_and_in_free_text(contoso: World) -> None:
    names = {machine.name for machine in contoso.store.all(VirtualMachine)}
    assert names.issuperset(hostile.NAMES)
    everything = "".join(hostile.NAMES)
    for character in ("\x1b", "\x9b", "\x07", "\n", "\u202e", "🐘", "["):
        assert character in everything
    documents = content(contoso).decode()
    for text in (hostile.ERROR_TEXT, hostile.COMMENT, *hostile.TAGS.values()):
        assert msgspec.json.encode(text).decode() in documents


def test_hostile_machines_can_be_read_and_started(emulator: Emulator) -> None:
    query = {"query": "resources | where type =~ 'microsoft.compute/virtualmachines' | project id, name"}
    rows = emulator.post("/providers/Microsoft.ResourceGraph/resources", query).body["data"]
    for name in hostile.NAMES:
        for row in [row for row in rows if row["name"] == name]:
            path = quote(row["id"], safe="/")
            read = emulator.get(path)
            assert read.status == 200
            assert read.body["name"] == name
            started = emulator.post(f"{path}/start")
            assert started.status == 202
            assert emulator.get(started.headers["location"]).status in (200, 202)


def test_hostile_machines_can_be_backed_up(emulator: Emulator) -> None:
    query = {
        "query": "recoveryservicesresources | where type endswith '/protecteditems' "
        "| project id, vm = tostring(properties.friendlyName)"
    }
    rows = emulator.post("/providers/Microsoft.ResourceGraph/resources", query).body["data"]
    hit = [row for row in rows if row["vm"] in hostile.NAMES]
    assert len(hit) >= 3
    body = {"properties": {"objectType": "IaasVMBackupRequest"}}
    for row in hit:
        asked = emulator.post(quote(row["id"], safe="/") + "/backup", body)
        assert asked.status == 202
        assert emulator.get(asked.headers["azure-asyncoperation"]).body["status"] in (
            "InProgress",
            "Succeeded",
        )


def test_a_generated_fleet_has_the_mix_it_promises() -> None:
    world = world_of("2000")
    machines = world.store.all(VirtualMachine)
    assert len(machines) == 2000
    assert len(world.store.all(Vault)) == 40
    items = world.store.all(ProtectedItem)
    assert 0.66 < len(items) / 2000 < 0.74
    replicas = world.store.all(ReplicatedItem)
    assert 0.36 < len(replicas) / 2000 < 0.44
    health = [replicated_item_document(world, item)["properties"]["replicationHealth"] for item in replicas]
    assert {"Normal", "Warning", "Critical"} == set(health)
    assert health.count("Normal") > 0.85 * len(health)
    assert {item.protection_state for item in items} == {"Protected", "IRPending", "ProtectionStopped"}
    per_vault: dict[str, int] = {}
    for item in items:
        per_vault[item.vault_id] = per_vault.get(item.vault_id, 0) + 1
    assert max(per_vault.values()) <= 1000
    assert all(vm_document(world, machine)["properties"]["storageProfile"] for machine in machines[:50])


def test_the_largest_fleet_has_200_vaults_and_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "world.sqlite"
    world = world_of("20000", path=path)
    assert len(world.store.all(Vault)) == 200
    assert len(world.store.all(VirtualMachine)) == 20_000
    world.store.close()
    again = Store(path, KINDS, 1)
    assert len(again.all(VirtualMachine)) == 20_000
    again.close()


def test_the_smallest_fleet_works() -> None:
    world = world_of("1", now=datetime(2030, 1, 1, tzinfo=UTC))
    assert len(world.store.all(VirtualMachine)) == 1
    assert len(world.store.all(Vault)) == 2
