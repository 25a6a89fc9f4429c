"""What Azure Backup can restore, as one table; how long it says it takes; and the requests, as recorded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from azure_ops.model import (
    Job,
    JobKind,
    JobState,
    Operation,
    Output,
    Phase,
    PointSource,
    PointTier,
    RecoveryPoint,
)
from azure_ops.restore_outputs import outputs, outputs_of
from azure_ops.restore_rules import (
    DISKS,
    NEW_VM,
    NO_ZONE,
    REPLACE,
    SYSTEM,
    Case,
    Order,
    Rehydration,
    RestorePoint,
    VaultRestores,
    duration,
    reasons,
    request_of,
)

GROUP = "/subscriptions/s/resourceGroups/g"
USER = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"
ZONAL: dict[str, Any] = {"redundancy": "ZoneRedundant"}
WEEKS = Rehydration(priority="High", days=15)
ALL_ON: dict[str, Any] = {"cross_region": True, "cross_subscription": "Enabled"}


def found(tiers: str = "InstantRP HardenedRP", **more: Any) -> RestorePoint:
    """Tiers are valid unless another status follows a colon."""
    pairs = [word.partition(":") for word in tiers.split()]
    point = RecoveryPoint(
        id="/p/12",
        name="12",
        source=PointSource.BACKUP,
        taken_at=datetime(2026, 8, 22, 12, tzinfo=UTC),
        tiers=tuple(PointTier(name=name, status=status or "Valid") for name, _, status in pairs),
    )
    return RestorePoint(point=point, **more)


def case(point: RestorePoint | None = None, vault: dict[str, Any] | None = None, **order: Any) -> Case:
    facts: dict[str, Any] = {
        "kind": DISKS, "region": "westeurope", "subscription": "s", "group": GROUP, "account": "/a", **order,
    }  # fmt: skip
    return Case(
        Order(**facts),
        point or found(),
        VaultRestores(id="/subscriptions/s/v", region="westeurope", **(vault or {})),
        "S",
    )


CASES: list[tuple[Case, str]] = [
    (case(), ""),
    (case(kind=NEW_VM), ""),
    (case(kind=REPLACE, group=""), ""),
    (case(group=""), ""),
    (case(found(encrypted=True)), "encrypted"),
    (case(found(managed=False)), "unmanaged disks"),
    (case(found(managed=False), group=""), ""),
    (case(found(managed=False), kind=REPLACE, group=""), "unmanaged disks"),
    (case(found(security="ConfidentialVMDiskEncryptedWithCustomerKey")), "confidential"),
    (case(found("InstantRP:Deleted")), "no tier"),
    (case(found("ArchivedRP")), "choose how to rehydrate"),
    (case(found("ArchivedRP"), rehydration=WEEKS), ""),
    (case(found("ArchivedRP"), rehydration=WEEKS, kind=REPLACE, group=""), ""),
    (case(found("ArchivedRP"), rehydration=WEEKS, subscription="t", vault=ALL_ON), "its own region"),
    (case(found("ArchivedRP:Rehydrated")), ""),
    (case(found(disks={-1: "os", 0: "d"}), luns=(0,)), ""),
    (case(found(disks={-1: "os", 0: "d"}), luns=(0, 3)), "no disk at LUN 3; it has LUN 0 (d)"),
    (case(found(disks={-1: "os"}), luns=(3,)), "the OS disk only"),
    (case(found(), luns=(3,)), ""),
    (case(region="northeurope"), "cross-region restore is off"),
    (case(region="northeurope", vault=ALL_ON), ""),
    (case(region="northeurope", vault=ALL_ON, kind=NEW_VM), ""),
    (case(region="northeurope", vault=ALL_ON, kind=REPLACE, group=""), "replaced where their VM is"),
    (case(region="northeurope", vault=ALL_ON, subscription="t"), "not both"),
    (case(region="northeurope", vault=ALL_ON, identity=SYSTEM), "managed identity cannot"),
    (case(region="northeurope", vault=ALL_ON, point=found(encrypted=True)), "encrypted"),
    (case(subscription="t"), "another subscription are off"),
    (case(subscription="t", vault={"cross_subscription": "PermanentlyDisabled"}), "are off"),
    (case(subscription="t", vault=ALL_ON), ""),
    (case(found("InstantRP"), subscription="t", vault=ALL_ON), "snapshot tier alone"),
    (case(found("InstantRP:Deleted HardenedRP"), subscription="t", vault=ALL_ON), ""),
    (case(subscription="t", vault=ALL_ON, kind=REPLACE, group=""), "replaced where their VM is"),
    (case(zone="2"), "zone-redundant storage"),
    (case(zone="2", vault=ZONAL), ""),
    (case(zone=NO_ZONE, point=found(zones=())), ""),
    (case(zone="2", point=found(zones=("2",))), ""),
    (case(found("InstantRP", zones=("1",)), zone="2", vault=ZONAL), "not restored into another zone"),
    (case(zone=NO_ZONE, point=found(zones=("1",)), vault=ZONAL), ""),
    (case(zone="2", vault=ZONAL, kind=REPLACE, group=""), "in the zone of their VM"),
]


@pytest.mark.parametrize(("asked", "reason"), CASES)
def test_what_azure_cannot_do_is_refused_with_the_reason(asked: Case, reason: str) -> None:
    given = reasons(asked)
    assert (reason in "; ".join(given) and given) if reason else given == ()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (case(), "about one minute"),
        (case(kind=NEW_VM), "two to three minutes"),
        (case(group=""), "16 minutes where it was measured, where the same point with a group took one"),
        (case(kind=REPLACE, group=""), "27 minutes"),
        (case(zone="2", vault=ZONAL), "20 minutes"),
        (case(found("HardenedRP")), "from the vault"),
        (case(found("ArchivedRP"), rehydration=WEEKS), "within about an hour"),
        (case(found("ArchivedRP"), rehydration=Rehydration(priority="Standard", days=10)), "up to 15 hours"),
        (case(subscription="t", vault=ALL_ON), "from the vault"),
        (case(region="northeurope", vault=ALL_ON), "19 to 55 minutes"),
    ],
)
def test_its_price_in_time_is_told(asked: Case, words: str) -> None:
    assert words in duration(asked)


COMMON = {"region": "westeurope", "createNewCloudService": False, "originalStorageAccountOption": False}
FIRST = {"objectType": "IaasVMRestoreRequest", "recoveryPointId": "12", "sourceResourceId": "/vm"}
STAGED = {**FIRST, **COMMON, "storageAccountId": "/a"}


@pytest.mark.parametrize(
    ("asked", "more"),
    [
        (case(), {"recoveryType": DISKS, "targetResourceGroupId": GROUP}),
        (case(group=""), {"recoveryType": DISKS}),
        (case(luns=()), {"recoveryType": DISKS, "targetResourceGroupId": GROUP, "restoreDiskLunList": []}),
        (
            case(luns=(0, 2), zone=NO_ZONE),
            {
                "recoveryType": DISKS, "targetResourceGroupId": GROUP, "restoreDiskLunList": [0, 2],
                "zones": ["NoZone"],
            },
        ),
        (case(kind=REPLACE, group=""), {"recoveryType": REPLACE}),
        (
            case(kind=NEW_VM, vm_id="/new", subnet="/n/subnets/web"),
            {
                "recoveryType": NEW_VM, "targetVirtualMachineId": "/new", "targetResourceGroupId": GROUP,
                "virtualNetworkId": "/n", "subnetId": "/n/subnets/web",
            },
        ),
    ],
)  # fmt: skip
def test_requests_are_the_recorded_ones(asked: Case, more: dict[str, Any]) -> None:
    assert request_of(asked, "/vm") == {**STAGED, **more}


@pytest.mark.parametrize(
    ("identity", "info"),
    [
        (SYSTEM, {"isSystemAssignedIdentity": True}),
        (USER, {"isSystemAssignedIdentity": False, "managedIdentityResourceId": USER}),
    ],
)
def test_an_identity_stands_in_place_of_the_account(identity: str, info: dict[str, Any]) -> None:
    request = request_of(case(identity=identity), "/vm", "/guard/restoreRequests/default")
    assert "storageAccountId" not in request
    assert request["identityInfo"] == info
    assert request["identityBasedRestoreDetails"] == {"targetStorageAccountId": "/a"}
    assert request["resourceGuardOperationRequests"] == ["/guard/restoreRequests/default"]


def test_only_a_point_of_the_archive_is_asked_to_be_rehydrated() -> None:
    request = request_of(case(found("ArchivedRP"), rehydration=WEEKS), "/vm")
    assert request["objectType"] == "IaasVMRestoreWithRehydrationRequest"
    assert request["recoveryPointRehydrationInfo"] == {
        "rehydrationRetentionDuration": "P15D",
        "rehydrationPriority": "High",
    }
    for tiers in ("HardenedRP", "HardenedRP:Deleted ArchivedRP:Rehydrated"):
        plain = request_of(case(found(tiers), rehydration=WEEKS), "/vm")
        assert plain["objectType"] == "IaasVMRestoreRequest"
        assert "recoveryPointRehydrationInfo" not in plain


def job(operation: str = "Restore", **properties: str) -> Job:
    return Job(
        id="/j", kind=JobKind.BACKUP, operation=operation, state=JobState.SUCCEEDED, properties=properties
    )


def test_outputs_come_from_the_operation_and_else_from_the_job() -> None:
    bag = {"Target VM Name": "vmName", "Template Blob Uri": "https://a/t.json", "Job Type": "Recover disks"}
    told = outputs_of(job("CrossRegionRestore", **bag))
    assert told == (Output(label="Template", value="https://a/t.json"),)
    assert outputs_of(job("Backup", **bag)) == ()
    assert outputs_of(None) == ()
    made = (Output(label="Disk", value="/disk"),)
    operation = Operation(
        id="1", action="restore-disks", title="t", target_key="k", target_name="n", phase=Phase.SUCCEEDED,
        created_at=datetime(2026, 8, 22, tzinfo=UTC), outputs=made,
    )  # fmt: skip
    assert outputs(operation, job(**bag)) == made
    assert outputs(None, job(**bag)) == told
