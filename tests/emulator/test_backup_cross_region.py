"""The secondary region of a vault, for which the SDK has no classes: plain requests, as `az` sends them."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import pytest

from ..support import READER_CLIENT_ID, Emulator, Reply

VERSION = "api-version=2021-11-15"
VMS = "%24filter=backupManagementType+eq+%27AzureIaasVM%27+and+itemType+eq+%27VM%27"


@dataclass
class Pair:
    """The vault of North Europe, whose secondary region is West Europe, where there is room to restore to."""

    emulator: Emulator
    vault_id: str
    item: dict[str, Any]

    @property
    def region(self) -> str:
        sub = self.emulator.subscription_ids[0]
        return f"/subscriptions/{sub}/providers/Microsoft.RecoveryServices/locations/westeurope"

    def points(self) -> list[dict[str, Any]]:
        answer = self.emulator.get(f"{self.item['id']}/recoveryPoints/?{VERSION}")
        return list(answer.body["value"])

    def access(self, point: str) -> Reply:
        aad = self.emulator.get(f"{self.region}/backupAadProperties?{VERSION}").body
        return self.emulator.post(f"{self.item['id']}/recoveryPoints/{point}/accessToken?{VERSION}", aad)

    def request(self, point: str, **more: Any) -> dict[str, Any]:
        sub = f"/subscriptions/{self.emulator.subscription_ids[0]}"
        accounts = self.emulator.get(f"{sub}/providers/Microsoft.Storage/storageAccounts").body["value"]
        return {
            "objectType": "IaasVMRestoreRequest",
            "recoveryPointId": point,
            "recoveryType": "RestoreDisks",
            "sourceResourceId": self.item["properties"]["virtualMachineId"],
            "targetResourceGroupId": f"{sub}/resourceGroups/rg-recovery",
            "storageAccountId": next(one["id"] for one in accounts if one["location"] == "westeurope"),
            "region": "westeurope",
            "createNewCloudService": False,
            "originalStorageAccountOption": False,
            **more,
        }

    def restore(self, details: dict[str, Any], asked: dict[str, Any]) -> Reply:
        body = {"crossRegionRestoreAccessDetails": details, "restoreRequest": asked}
        return self.emulator.post(f"{self.region}/backupCrossRegionRestore?{VERSION}", body)

    def job(self, name: str) -> dict[str, Any]:
        body = {"resourceId": self.vault_id, "jobName": name}
        answer = self.emulator.post(f"{self.region}/backupCrrJob?{VERSION}", body)
        assert answer.status == 200, answer.body
        assert answer.body["id"] == f"{self.region}/backupJobs/{name}"
        return dict(answer.body["properties"])


def pair(emulator: Emulator, *, switched: bool = True) -> Pair:
    sub = f"/subscriptions/{emulator.subscription_ids[0]}"
    vault_id = f"{sub}/resourceGroups/rg-recovery/providers/Microsoft.RecoveryServices/vaults/rsv-neu"
    if switched:
        settings = {"standardTierStorageRedundancy": "GeoRedundant", "crossRegionRestore": "Enabled"}
        change = {"properties": {"redundancySettings": settings}}
        assert emulator.request("PATCH", vault_id, change).status == 202
        emulator.advance(10)
    items = emulator.get(f"{vault_id}/backupProtectedItems?{VMS}").body["value"]
    return Pair(emulator, vault_id, items[0])


def test_the_secondary_region_lags(emulator_env: Emulator) -> None:
    there = pair(emulator_env)
    primary = emulator_env.get(f"{there.item['id']}/recoveryPoints").body["value"]
    secondary = there.points()
    assert 0 < len(secondary) < len(primary)
    assert {one["name"] for one in secondary} < {one["name"] for one in primary}
    newest = secondary[0]["properties"]
    assert newest["recoveryPointTierDetails"] == [{"type": "HardenedRP", "status": "Valid"}]
    assert newest["crossRegionRestoreState"] == "Supported"
    listed = emulator_env.get(f"{there.vault_id}/backupProtectedItems/?{VERSION}&{VMS}").body["value"]
    assert [one["id"] for one in listed] == [there.item["id"]]
    assert listed[0]["properties"]["lastRecoveryPoint"] == newest["recoveryPointTime"]
    emulator_env.advance(13 * 3600)
    assert there.points()[0]["name"] == primary[0]["name"]


def test_without_the_switch_nothing_is_there(emulator_env: Emulator) -> None:
    there = pair(emulator_env, switched=False)
    assert there.points() == []
    path = f"{there.vault_id}/backupProtectedItems/?{VERSION}&{VMS}"
    assert emulator_env.get(path).body["value"] == []


def test_disks_are_restored_in_the_other_region(emulator_env: Emulator) -> None:
    there = pair(emulator_env)
    point = there.points()[0]["name"]
    details = there.access(point).body["properties"]
    assert details["objectType"] == "CrrAccessToken"
    assert details["resourceId"].isdecimal()
    answer = there.restore(details, there.request(point))
    assert answer.status == 202, answer.body
    status = emulator_env.get(answer.headers["azure-asyncoperation"]).body
    assert status["status"] == "Succeeded"
    assert status["id"].endswith(f"/backupCrrOperationsStatus/{status['name']}")
    assert emulator_env.get(answer.headers["location"]).status == 200
    name = status["properties"]["jobId"]
    job = there.job(name)
    assert (job["operation"], job["status"]) == ("CrossRegionRestore", "InProgress")
    bag = job["extendedInfo"]["propertyBag"]
    assert (bag["Target VM Name"], bag["Vault name"]) == ("vmName", "rsv-neu")
    assert job["extendedInfo"]["internalPropertyBag"]["AdHoc"] == "AdHoc"
    listed = emulator_env.get(f"{there.vault_id}/backupJobs").body["value"]
    assert name not in [one["name"] for one in listed]
    both = emulator_env.post(f"{there.region}/backupCrrJobs?{VERSION}", {"resourceId": there.vault_id})
    assert [one["name"] for one in both.body["value"]] == [name]
    assert "extendedInfo" not in both.body["value"][0]["properties"]
    emulator_env.advance(3600)
    job = there.job(name)
    assert job["status"] == "Completed"
    bag = job["extendedInfo"]["propertyBag"]
    assert bag["Template Blob Uri"].endswith(f"/azuredeploy{name}.json")
    assert "Create VM Template Blob Uri" not in bag
    group = there.vault_id.partition("/providers/")[0]
    disks = emulator_env.get(f"{group}/providers/Microsoft.Compute/disks").body["value"]
    assert disks
    assert {disk["location"] for disk in disks} == {"westeurope"}


def test_a_new_machine_in_the_other_region(emulator_env: Emulator) -> None:
    there = pair(emulator_env)
    point = there.points()[0]["name"]
    sub = f"/subscriptions/{emulator_env.subscription_ids[0]}"
    networks = emulator_env.get(f"{sub}/providers/Microsoft.Network/virtualNetworks").body["value"]
    network = next(one for one in networks if one["location"] == "westeurope")["id"]
    group = there.vault_id.partition("/providers/")[0]
    vm_id = f"{group}/providers/Microsoft.Compute/virtualMachines/moved-01"
    asked = there.request(
        point,
        recoveryType="AlternateLocation",
        targetVirtualMachineId=vm_id,
        virtualNetworkId=network,
        subnetId=f"{network}/subnets/default",
    )
    details = there.access(point).body["properties"]
    status = emulator_env.get(there.restore(details, asked).headers["azure-asyncoperation"]).body
    emulator_env.advance(3600)
    job = there.job(status["properties"]["jobId"])
    assert job["status"] == "Completed"
    assert job["extendedInfo"]["propertyBag"]["Target VM Name"] == "moved-01"
    vm = emulator_env.get(vm_id).body
    assert vm["location"] == "westeurope"
    assert "zones" not in vm


def test_what_is_refused(emulator_env: Emulator) -> None:
    there = pair(emulator_env)
    primary = emulator_env.get(f"{there.item['id']}/recoveryPoints").body["value"]
    too_new = there.access(primary[0]["name"])
    assert (too_new.status, too_new.error_code) == (404, "BMSUserErrorRecoveryPointNotFound")
    point = there.points()[0]["name"]
    details = there.access(point).body["properties"]
    odd_aad = {"properties": {"tenantId": "another"}}
    path = f"{there.item['id']}/recoveryPoints/{point}/accessToken?{VERSION}"
    assert emulator_env.post(path, odd_aad).status == 400
    changed = copy.deepcopy(details) | {"recoveryPointTime": "1/1/2020 1:00:00 AM"}
    forged = details | {"accessTokenString": "a.b.c"}
    for bad in (changed, forged):
        assert there.restore(bad, there.request(point)).error_code == "BMSUserErrorInvalidInput"
    for more in (
        {"region": "northeurope"},
        {"recoveryType": "OriginalLocation", "targetResourceGroupId": None},
    ):
        assert there.restore(details, there.request(point, **more)).error_code == "BMSUserErrorInvalidInput"
    gone = there.request(point, targetResourceGroupId=f"{there.vault_id.partition('/providers/')[0]}x")
    assert there.restore(details, gone).error_code == "UserErrorTargetResourceGroupNotFound"
    missing = emulator_env.post(
        f"{there.region}/backupCrrJob?{VERSION}", {"resourceId": there.vault_id, "jobName": "x"}
    )
    assert missing.status == 404
    reader = emulator_env.request(
        "POST", f"{there.region}/backupCrossRegionRestore?{VERSION}", {}, client_id=READER_CLIENT_ID
    )
    assert reader.status == 403


@pytest.mark.parametrize("place", ["nowhere", "westeurope"])
def test_the_sign_in_of_a_region(emulator_env: Emulator, place: str) -> None:
    there = pair(emulator_env, switched=False)
    answer = emulator_env.get(f"{there.region.rsplit('/', 1)[0]}/{place}/backupAadProperties?{VERSION}")
    assert answer.status == (200 if place == "westeurope" else 400)
    if place == "westeurope":
        assert set(answer.body) == {"properties"}
        assert set(answer.body["properties"]) == {"tenantId", "audience", "servicePrincipalObjectId"}
