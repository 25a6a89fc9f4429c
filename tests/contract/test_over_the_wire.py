"""What comes over HTTPS, walked like a client would: every list, every item by its own id, operations under
way and refusals hold no member that the SDK's models or Resource Manager's own documents do not know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import azure.mgmt.compute.models as compute
import azure.mgmt.recoveryservices.models as vaults
import azure.mgmt.recoveryservicesbackup.models as backup
import azure.mgmt.recoveryservicessiterecovery.models as replication
import pytest

from tests.conftest import EmulatorFactory
from tests.support import READER_CLIENT_ID, Emulator, Reply

from .known_shapes import unknown_to_model
from .test_backup_shapes import RECORDED_ONLY
from .test_site_recovery_shapes import RECORDED_FOR_OTHERS

OF_SUBSCRIPTION = {
    "providers/Microsoft.Compute/virtualMachines": compute.VirtualMachine,
    "providers/Microsoft.Compute/disks": compute.Disk,
    "providers/Microsoft.Compute/snapshots": compute.Snapshot,
    "providers/Microsoft.RecoveryServices/vaults": vaults.Vault,
}
CONTAINERS = "backupProtectionContainers?$filter=backupManagementType eq 'AzureIaasVM'"
LISTED_ONLY = {CONTAINERS}
OF_VAULT = {
    "backupProtectedItems": backup.ProtectedItemResource,
    "backupPolicies": backup.ProtectionPolicyResource,
    "backupJobs": backup.JobResource,
    CONTAINERS: backup.ProtectionContainerResource,
    "replicationFabrics": replication.Fabric,
    "replicationPolicies": replication.Policy,
    "replicationProtectionContainers": replication.ProtectionContainer,
    "replicationProtectionContainerMappings": replication.ProtectionContainerMapping,
    "replicationProtectedItems": replication.ReplicationProtectedItem,
    "replicationJobs": replication.Job,
    "replicationEvents": replication.Event,
    "replicationRecoveryPlans": replication.RecoveryPlan,
}
TENANCY = {
    "subscriptions": {
        "id", "authorizationSource", "managedByTenants", "subscriptionId", "tenantId", "displayName", "state",
        "subscriptionPolicies", "tags", "promotions",
    },
    "tenants": {
        "id", "tenantId", "countryCode", "displayName", "domains", "tenantCategory", "defaultDomain",
        "tenantType", "country", "tenantBrandingLogoUrl",
    },
}  # fmt: skip
"""Of Microsoft.Resources 2022-12-01, for which no SDK of ours has models."""
GROUP_MEMBERS = {"id", "name", "type", "location", "tags", "properties", "managedBy"}
PERMISSION_MEMBERS = {
    "actions", "notActions", "dataActions", "notDataActions", "condition", "conditionVersion",
}  # fmt: skip
STATUS_MEMBERS = {
    "id", "name", "status", "startTime", "endTime", "error", "properties", "percentComplete", "resourceId",
}  # fmt: skip
"""Of an operation's status: the resource provider contract's, in both services' spelling."""
ERROR_MEMBERS = {"code", "message", "target", "details", "additionalInfo", "innererror"}


@pytest.fixture(scope="module")
def world(shared_emulator: Emulator) -> Emulator:
    return shared_emulator


def get(world: Emulator, path: str) -> Reply:
    """Names of machines hold anything; an address holds ASCII."""
    return world.get(quote(path.removeprefix(world.endpoint), safe="/?&=$%;:,'()~"))


def listed(world: Emulator, path: str) -> Iterator[dict[str, Any]]:
    """Through all pages."""
    while path:
        reply = get(world, path)
        assert reply.status == 200, (path, reply.body)
        assert set(reply.body) <= {"value", "nextLink", "totalCount", "count"}, path
        yield from reply.body["value"]
        path = reply.body.get("nextLink") or ""


def all_vaults(world: Emulator) -> list[str]:
    path = "providers/Microsoft.RecoveryServices/vaults"
    return [v["id"] for one in world.subscription_ids for v in listed(world, f"/subscriptions/{one}/{path}")]


def unknown(document: dict[str, Any], model: Any) -> set[str]:
    return {
        path
        for path in unknown_to_model(document, model)
        if path not in RECORDED_ONLY and path.removeprefix(".properties.").lower() not in RECORDED_FOR_OTHERS
    }


@pytest.mark.parametrize(("path", "model"), OF_SUBSCRIPTION.items())
def test_resources_of_a_subscription(world: Emulator, path: str, model: Any) -> None:
    seen = 0
    for subscription in world.subscription_ids:
        for document in listed(world, f"/subscriptions/{subscription}/{path}"):
            assert unknown(document, model) == set(), document["id"]
            alone = get(world, document["id"])
            assert alone.status == 200, alone.body
            assert unknown(alone.body, model) == set(), document["id"]
            seen += 1
    assert seen


@pytest.mark.parametrize(("path", "model"), OF_VAULT.items())
def test_resources_of_a_vault(world: Emulator, path: str, model: Any) -> None:
    seen = 0
    for vault in all_vaults(world):
        for document in listed(world, f"{vault}/{path}"):
            assert unknown(document, model) == set(), document["id"]
            seen += 1
            if path not in LISTED_ONLY:
                alone = get(world, document["id"])
                assert alone.status == 200, (document["id"], alone.body)
                assert unknown(alone.body, model) == set(), document["id"]
    assert seen


def test_recovery_points_of_every_item(world: Emulator) -> None:
    seen = set()
    for vault in all_vaults(world):
        for path, model in (
            ("backupProtectedItems", backup.RecoveryPointResource),
            ("replicationProtectedItems", replication.RecoveryPoint),
        ):
            for item in list(listed(world, f"{vault}/{path}"))[:4]:
                for point in list(listed(world, f"{item['id']}/recoveryPoints"))[:3]:
                    assert unknown(point, model) == set(), point["id"]
                    seen.add(path)
    assert len(seen) == 2


def test_the_health_of_a_vault(world: Emulator) -> None:
    for vault in all_vaults(world):
        health = world.get(f"{vault}/replicationVaultHealth")
        assert unknown(health.body, replication.VaultHealthDetails) == set()


def test_tenancy_and_permissions(world: Emulator) -> None:
    for path, members in TENANCY.items():
        documents = list(listed(world, f"/{path}"))
        assert documents
        assert all(set(each) <= members for each in documents), path
    for subscription in world.subscription_ids:
        for group in listed(world, f"/subscriptions/{subscription}/resourcegroups"):
            assert set(group) <= GROUP_MEMBERS
        scope = f"/subscriptions/{subscription}/providers/Microsoft.Authorization/permissions"
        for permission in listed(world, scope):
            assert set(permission) <= PERMISSION_MEMBERS


def test_refusals_have_the_shape_of_errors(world: Emulator) -> None:
    vault = all_vaults(world)[0]
    subscription = f"/subscriptions/{world.subscription_ids[0]}"
    item = next(i for v in all_vaults(world) for i in listed(world, f"{v}/backupProtectedItems"))["id"]
    refused = [
        world.get(f"{subscription}/resourceGroups/none/providers/Microsoft.Compute/virtualMachines/none"),
        world.get(f"{vault}/backupJobs/00000000-0000-0000-0000-000000000000"),
        world.get(f"{vault}/replicationJobs/none"),
        world.post(f"{item}/backup", {"properties": {}}, client_id=READER_CLIENT_ID),
        world.get("/subscriptions/00000000-0000-0000-0000-000000000000"),
    ]
    for reply in refused:
        assert 400 <= reply.status < 500, reply.body
        assert set(reply.body) == {"error"}
        assert set(reply.body["error"]) <= ERROR_MEMBERS
        assert reply.error_code


def test_operations_under_way_and_done(emulator_factory: EmulatorFactory) -> None:
    """A test failover and a backup, asked at their addresses from the first answer to the end."""
    world = emulator_factory(throttle=False)
    vault, item = next(
        (v, i)
        for v in all_vaults(world)
        for i in listed(world, f"{v}/replicationProtectedItems")
        if "TestFailover" in i["properties"]["allowedOperations"]
    )
    properties = {
        "failoverDirection": "PrimaryToRecovery",
        "networkType": "VmNetworkAsInput",
        "networkId": item["properties"]["providerSpecificDetails"]["selectedRecoveryAzureNetworkId"],
        "providerSpecificDetails": {"instanceType": "A2A"},
    }
    check_operation(world, world.post(f"{item['id']}/testFailover", {"properties": properties}))
    for job in listed(world, f"{vault}/replicationJobs"):
        assert unknown(world.get(job["id"]).body, replication.Job) == set()
    vault, item = next(
        (v, i)
        for v in all_vaults(world)
        for i in listed(world, f"{v}/backupProtectedItems")
        if i["properties"]["protectionState"] == "Protected"
    )
    check_operation(
        world, world.post(f"{item['id']}/backup", {"properties": {"objectType": "IaasVMBackupRequest"}})
    )
    for job in listed(world, f"{vault}/backupJobs"):
        assert unknown(world.get(job["id"]).body, backup.JobResource) == set()


def check_operation(world: Emulator, first: Reply) -> None:
    assert first.status == 202, first.body
    addresses = [
        first.headers[name] for name in ("azure-asyncoperation", "location") if name in first.headers
    ]
    assert addresses
    for _ in range(4):
        for address in addresses:
            reply = world.get(address)
            assert reply.status in (200, 202, 204), reply.body
            if reply.body and "status" in reply.body:
                assert set(reply.body) <= STATUS_MEMBERS, reply.body
        world.advance(700)
