"""Compute and Backup documents hold no member that neither the SDK's models nor the recordings know, and
where a member was recorded, its value is of a recorded kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import azure.mgmt.compute.models as compute_models
import azure.mgmt.recoveryservices.models as vault_models
import azure.mgmt.recoveryservicesbackup.models as backup_models
import pytest

from azure_ops.emulator.handlers.backup_containers import protectable_document
from azure_ops.emulator.handlers.backup_documents import (
    container_document,
    policy_document,
    protected_item_document,
    recovery_point_document,
)
from azure_ops.emulator.handlers.backup_jobs import job_document
from azure_ops.emulator.handlers.backup_restore_runs import start_cross_region_restore
from azure_ops.emulator.handlers.backup_runs import start_backup
from azure_ops.emulator.handlers.backup_secondary import (
    secondary_item_document,
    secondary_point_document,
)
from azure_ops.emulator.handlers.compute import vm_document
from azure_ops.emulator.handlers.compute_disks import disk_document, snapshot_document
from azure_ops.emulator.handlers.vaults import vault_document
from azure_ops.emulator.records.backup import BackupJob
from azure_ops.emulator.records.backup_policies import BackupPolicy
from azure_ops.emulator.records.compute import Disk, StorageAccount, VirtualMachine
from azure_ops.emulator.records.restores import RestoreOrder
from azure_ops.emulator.records.tenancy import ResourceGroup
from tests.contract.known_shapes import RECORDINGS, recorded_kinds, unknown_to_model, value_kinds
from tests.emulator.small_world import GROUP, NOW, SmallWorld, ask, small_world
from tests.support import Emulator

RECORDED_ONLY = {
    ".properties.softDeleteRetentionPeriod",
    ".properties.virtualMachineId",
    ".properties.virtualMachineVersion",
    ".properties.resourceGroup",
    ".properties.createdWithPolicyType",
    ".properties.crossRegionRestoreState",
    ".properties.extendedInfo.tasksList[].taskType",
}
"""Members that the service sends and the SDK has no field for."""
WORDS_NOW = {".properties.threatStatus"}
"""Recorded as a number of the older api family; the SDK's api has words."""


def machines(small: SmallWorld) -> list[tuple[dict[str, Any], Any]]:
    found = []
    for power, ready in (("running", True), ("running", False), ("deallocated", True)):
        small.vm.power, small.vm.agent_ready = power, ready
        document = vm_document(small.world, small.vm, instance_view=True)
        found.append((document, compute_models.VirtualMachine))
    return found


def disks(small: SmallWorld) -> list[tuple[dict[str, Any], Any]]:
    return [
        (disk_document(small.world, small.os_disk), compute_models.Disk),
        (snapshot_document(small.world, small.snapshot), compute_models.Snapshot),
    ]


def vaults(small: SmallWorld) -> list[tuple[dict[str, Any], Any]]:
    small.vault.immutability, small.vault.identity_principal_id = "Unlocked", "principal"
    found: list[tuple[dict[str, Any], Any]] = [
        (vault_document(small.world, small.vault), vault_models.Vault),
    ]
    small.vault.provisioning_state = "Provisioning"
    found.append((vault_document(small.world, small.vault), vault_models.Vault))
    return found


def vault_settings(small: SmallWorld) -> list[tuple[dict[str, Any], Any]]:
    guard = f"{GROUP}/providers/Microsoft.DataProtection/resourceGuards/guard"
    ask(
        small,
        "PUT",
        f"{small.vault.id}/backupResourceGuardProxies/VaultProxy",
        {"properties": {"resourceGuardResourceId": guard}},
    )
    models = {
        "backupconfig/vaultconfig": backup_models.BackupResourceVaultConfigResource,
        "backupstorageconfig/vaultstorageconfig": backup_models.BackupResourceConfigResource,
        "backupResourceGuardProxies/VaultProxy": backup_models.ResourceGuardProxyBaseResource,
    }
    return [(ask(small, "GET", f"{small.vault.id}/{path}").body, model) for path, model in models.items()]


def policies(small: SmallWorld) -> list[tuple[dict[str, Any], Any]]:
    model = backup_models.ProtectionPolicyResource
    return [(policy_document(small.world, one), model) for one in small.world.store.all(BackupPolicy)]


def items_and_points(small: SmallWorld) -> list[tuple[dict[str, Any], Any]]:
    world, item = small.world, small.item
    found = [(protected_item_document(world, item), backup_models.ProtectedItemResource)]
    start_backup(world, item, NOW + timedelta(days=30))
    for _ in range(4):
        small.advance(1400)
        found.append((protected_item_document(world, item), backup_models.ProtectedItemResource))
        for point in item.recovery_points:
            document = recovery_point_document(world, item, point)
            found.append((document, backup_models.RecoveryPointResource))
    small.advance(3 * 86400)
    small.vault.immutability = "Locked"
    found.append(
        (recovery_point_document(world, item, item.recovery_points[0]), backup_models.RecoveryPointResource)
    )
    item.disk_luns, item.soft_deleted_at = [0], world.clock.now()
    found.append((protected_item_document(world, item), backup_models.ProtectedItemResource))
    found.append((container_document(item), backup_models.ProtectionContainerResource))
    found.append((protectable_document(small.vault, small.vm), backup_models.WorkloadProtectableItemResource))
    return found


def jobs(small: SmallWorld) -> list[tuple[dict[str, Any], Any]]:
    small.vm.agent_ready = False
    job = start_backup(small.world, small.item, NOW + timedelta(days=30))
    found = []
    for _ in range(10):
        for detail in (True, False):
            document = job_document(small.world, job, detail=detail)
            found.append((document, backup_models.JobResource))
        small.advance(600)
    assert job.status == "CompletedWithWarnings"
    return found


def item_jobs(small: SmallWorld) -> list[tuple[dict[str, Any], Any]]:
    """Every job that a change of an item makes, and the item after it."""
    policy_id = f"{small.vault.id}/backupPolicies/EnhancedPolicy"
    stopped = {"policyId": "", "protectionState": "ProtectionStopped"}
    disks = {"diskExclusionProperties": {"diskLunList": [], "isInclusionList": True}}
    changes: tuple[tuple[str, dict[str, Any]], ...] = (
        ("PUT", {"policyId": policy_id, "extendedProperties": disks}),
        ("PUT", stopped),
        ("DELETE", {}),
        ("PUT", {**stopped, "isRehydrate": True}),
    )
    common = {"protectedItemType": "Microsoft.Compute/virtualMachines", "sourceResourceId": small.vm.id}
    found: list[tuple[dict[str, Any], Any]] = []
    for method, properties in changes:
        assert ask(small, method, small.item.id, {"properties": {**common, **properties}}).status == 202
        small.advance(15)
        found.append((protected_item_document(small.world, small.item), backup_models.ProtectedItemResource))
    documents = [job_document(small.world, job, detail=True) for job in small.world.store.all(BackupJob)]
    found += [(document, backup_models.JobResource) for document in documents]
    assert len(found) == 8
    return found


def restores(small: SmallWorld) -> list[tuple[dict[str, Any], Any]]:
    """Jobs of every kind of restore, from the snapshot and from the vault, as they go on."""
    account = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/staging"
    small.world.store.save(StorageAccount(id=account, location=small.vault.location, time_created=NOW))
    small.world.store.save(ResourceGroup(id=GROUP, location=small.vault.location))
    start_backup(small.world, small.item, NOW + timedelta(days=60))
    small.advance(2 * 3600)
    point = small.item.recovery_points[0].name
    common = {
        "objectType": "IaasVMRestoreRequest",
        "recoveryPointId": point,
        "sourceResourceId": small.vm.id,
        "storageAccountId": account,
        "region": small.vault.location,
    }
    machine = {
        "targetVirtualMachineId": f"{GROUP}/providers/Microsoft.Compute/virtualMachines/new",
        "targetResourceGroupId": GROUP,
        "virtualNetworkId": small.network.id,
        "subnetId": f"{small.network.id}/subnets/app",
    }
    kinds: tuple[dict[str, Any], ...] = (
        {"recoveryType": "RestoreDisks", "targetResourceGroupId": GROUP, "restoreDiskLunList": []},
        {"recoveryType": "RestoreDisks"},
        {"recoveryType": "AlternateLocation", **machine},
        {"recoveryType": "OriginalLocation"},
    )
    found: list[tuple[dict[str, Any], Any]] = []
    for kind in kinds:
        url = f"{small.item.id}/recoveryPoints/{point}/restore"
        assert ask(small, "POST", url, {"properties": {**common, **kind}}).status == 202
        for _ in range(15):
            job = small.world.store.all(BackupJob)[-1]
            found.append((job_document(small.world, job, detail=True), backup_models.JobResource))
            small.advance(120)
        assert job.status == "Completed"
    machines = [
        vm_document(small.world, vm, instance_view=True) for vm in small.world.store.all(VirtualMachine)
    ]
    found += [(document, compute_models.VirtualMachine) for document in machines]
    documents = [disk_document(small.world, disk) for disk in small.world.store.all(Disk)]
    found += [(document, compute_models.Disk) for document in documents]
    return found


def secondary(small: SmallWorld) -> list[tuple[dict[str, Any], Any]]:
    """What the secondary region tells: the item, its points, the job of a restore there."""
    small.vault.cross_region_restore = True
    start_backup(small.world, small.item, NOW + timedelta(days=60))
    small.advance(86400)
    point = small.item.recovery_points[0]
    order = RestoreOrder(
        kind="RestoreDisks", point=point.name, region="northeurope", storage_account_id="/staging"
    )
    order.from_vault = True
    job = start_cross_region_restore(small.world, small.item, point, order, "")
    small.advance(900)
    return [
        (secondary_item_document(small.world, small.item), backup_models.ProtectedItemResource),
        (secondary_point_document(small.world, small.item, point), backup_models.RecoveryPointResource),
        (job_document(small.world, job, detail=True), backup_models.JobResource),
    ]


FAMILIES = (
    machines,
    disks,
    vaults,
    vault_settings,
    policies,
    items_and_points,
    item_jobs,
    jobs,
    restores,
    secondary,
)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_member_is_unknown(family: Callable[[SmallWorld], list[tuple[dict[str, Any], Any]]]) -> None:
    documents = family(small_world())
    assert documents
    for document, model in documents:
        assert unknown_to_model(document, model) <= RECORDED_ONLY, document["type"]


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not beside this checkout")
@pytest.mark.parametrize("family", FAMILIES)
def test_values_are_of_a_recorded_kind(
    family: Callable[[SmallWorld], list[tuple[dict[str, Any], Any]]],
) -> None:
    for document, _ in family(small_world()):
        recorded = recorded_kinds()[document["type"].lower()]
        for path, kinds in value_kinds(document).items():
            if path in recorded and path not in WORDS_NOW:
                assert kinds <= recorded[path], f"{document['type']} {path}"


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not beside this checkout")
def test_members_unknown_to_the_sdk_were_recorded() -> None:
    seen = {path for paths in recorded_kinds().values() for path in paths}
    assert seen >= RECORDED_ONLY


def served(emulator: Emulator, path: str) -> list[dict[str, Any]]:
    answer = emulator.get(quote(path, safe="/;?=")).body
    value: list[dict[str, Any]] = answer["value"]
    assert "nextLink" not in answer
    return value


def served_documents(emulator: Emulator) -> Iterator[tuple[dict[str, Any], Any]]:
    """Every Compute and Backup document of the fleet, as it comes over the wire."""
    for subscription_id in emulator.subscription_ids:
        under = f"/subscriptions/{subscription_id}/providers"
        for vm in served(emulator, f"{under}/Microsoft.Compute/virtualMachines?statusOnly=true"):
            yield vm, compute_models.VirtualMachine
        for disk in served(emulator, f"{under}/Microsoft.Compute/disks"):
            yield disk, compute_models.Disk
        for snapshot in served(emulator, f"{under}/Microsoft.Compute/snapshots"):
            yield snapshot, compute_models.Snapshot
        for vault in served(emulator, f"{under}/Microsoft.RecoveryServices/vaults"):
            yield vault, vault_models.Vault
            yield emulator.get(quote(vault["id"])).body, vault_models.Vault
            yield from served_backups(emulator, vault["id"])


def served_backups(emulator: Emulator, vault_id: str) -> Iterator[tuple[dict[str, Any], Any]]:
    for policy in served(emulator, f"{vault_id}/backupPolicies"):
        yield policy, backup_models.ProtectionPolicyResource
    for item in served(emulator, f"{vault_id}/backupProtectedItems"):
        yield item, backup_models.ProtectedItemResource
        for point in served(emulator, f"{item['id']}/recoveryPoints"):
            yield point, backup_models.RecoveryPointResource
    for job in served(emulator, f"{vault_id}/backupJobs"):
        yield job, backup_models.JobResource
        yield emulator.get(quote(job["id"])).body, backup_models.JobResource


def test_no_member_of_the_fleet_is_unknown(shared_emulator: Emulator) -> None:
    recorded = recorded_kinds() if RECORDINGS.is_dir() else {}
    seen: Counter[str] = Counter()
    for document, model in served_documents(shared_emulator):
        kind = document["type"].lower()
        seen[kind] += 1
        assert unknown_to_model(document, model) <= RECORDED_ONLY, document["id"]
        for path, kinds in value_kinds(document).items():
            if path in WORDS_NOW:
                continue
            assert kinds <= recorded.get(kind, {}).get(path, kinds), f"{document['id']} {path}"
    assert len(seen) == 8, seen
    assert min(seen.values()) >= 1


def test_the_check_finds_an_invented_member() -> None:
    small = small_world()
    document = vm_document(small.world, small.vm, instance_view=True)
    document["properties"]["instanceView"]["statuses"][0]["mood"] = "fine"
    found = unknown_to_model(document, compute_models.VirtualMachine)
    assert found == {".properties.instanceView.statuses[].mood"}
