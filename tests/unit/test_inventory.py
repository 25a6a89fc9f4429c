"""Joining the sources of the fleet, and rows of Resource Graph of every odd kind."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from azure_ops.model import Backup, FleetItem, PowerState, Replication
from azure_ops.services import graph_rows, inventory
from azure_ops.services.resource_graph import _Decoder

MACHINES = "/subscriptions/S/resourceGroups/RG/providers/Microsoft.Compute/virtualMachines"
VAULT = "/subscriptions/S/resourceGroups/RG/providers/Microsoft.RecoveryServices/vaults/V"


def machine(name: str) -> FleetItem:
    vm_id = f"{MACHINES}/{name}"
    return FleetItem(key=vm_id.lower(), id=vm_id, name=name, subscription_id="S", resource_group="RG")


def item_id(name: str) -> str:
    words = f"iaasvmcontainerv2;rg;{name}"
    container = f"{VAULT}/backupFabrics/Azure/protectionContainers/IaasVMContainer;{words}"
    return f"{container}/protectedItems/VM;{words}"


def test_rows_get_what_protects_them() -> None:
    web, dc = machine("Web"), machine("DC")
    backup = Backup(item_id=item_id("web"), vault_id=VAULT)
    replication = Replication(item_id="r", vault_id=VAULT)
    rows = inventory.join({web.key: web, dc.key: dc}, {web.key: backup}, {web.key: replication})
    assert rows[web.key].backup is backup
    assert rows[web.key].replication is replication
    assert rows[dc.key] is dc, "what did not change stays the same object"


def test_a_deleted_machine_stays_visible_by_what_it_left() -> None:
    gone = machine("Old;Name")
    backup = Backup(item_id=item_id("Old;Name"), vault_id=VAULT)
    row = inventory.join({}, {gone.key: backup}, {})[gone.key]
    assert (row.exists, row.name, row.subscription_id, row.resource_group) == (False, "Old;Name", "s", "rg")
    replication = Replication(item_id="r", vault_id=VAULT, recovery_vm_name="Old;Name", primary_region="weu")
    row = inventory.join({}, {}, {gone.key: replication})[gone.key]
    assert (row.exists, row.name, row.location) == (False, "Old;Name", "weu")


def page(*rows: dict[str, Any]) -> bytes:
    return json.dumps({"totalRecords": len(rows), "data": rows, "facets": []}).encode()


def vm_of(row: dict[str, Any]) -> FleetItem:
    (decoded,) = _Decoder(graph_rows.VmRow, "VMs").rows(page(row))
    return graph_rows.vm(decoded)[1]


def test_a_machine_row() -> None:
    found = vm_of(
        {
            "id": f"{MACHINES}/Web",
            "name": "Web",
            "location": "westeurope",
            "zones": ["1"],
            "size": "Standard_B2s",
            "power": "PowerState/deallocated",
            "osDisk": {"name": "os", "osType": "Linux", "diskSizeGB": 30, "managedDisk": {"id": "/d/os"}},
            "dataDisks": [{"lun": 3, "managedDisk": {"id": "/d/x"}}, {"lun": 4, "vhd": {"uri": "u"}}],
        }
    )
    assert found.power_state is PowerState.DEALLOCATED
    assert [(disk.name, disk.lun) for disk in found.disks] == [("os", None), ("x", 3)]
    assert found.os_type == "Linux"


@pytest.mark.parametrize(
    "odd",
    [
        {"osDisk": 5, "dataDisks": {}},
        {"zones": "1", "power": 7},
        {"power": "PowerState/dancing"},
        {"name": None, "location": None},
        {"size": ["x"], "unknown": {}},
    ],
)
def test_an_odd_member_costs_that_member_only(odd: dict[str, Any]) -> None:
    found = vm_of({"id": f"{MACHINES}/Web", "name": "Web", **odd})
    assert found.name == "Web"
    assert found.power_state is PowerState.UNKNOWN


def test_a_row_without_id_is_no_row() -> None:
    rows = _Decoder(graph_rows.VmRow, "VMs").rows(page({"name": "x"}, {"id": f"{MACHINES}/a"}, {"id": 5}))
    assert [row.id for row in rows] == [f"{MACHINES}/a"]


def test_a_backup_row_that_was_never_backed_up() -> None:
    row = graph_rows.BackupRow(
        id=item_id("web"),
        kind="AzureIaasVM",
        source=f"{MACHINES}/Web",
        state="IRPending",
        last_status="",
        last_backup="2001-01-01T00:00:00Z",
    )
    key, found = graph_rows.backup(row) or ("", None)
    assert key == f"{MACHINES}/Web".lower()
    assert found == Backup(item_id=item_id("web"), vault_id=VAULT, protection_state="IRPending")


def test_other_workloads_and_other_replications_are_left_out() -> None:
    assert graph_rows.backup(graph_rows.BackupRow(id="x", kind="AzureWorkload", source="y")) is None
    assert graph_rows.backup(graph_rows.BackupRow(id="x", kind="AzureIaasVM")) is None
    assert graph_rows.replication(graph_rows.ReplicationRow(id="x", kind="InMageRcm", source="y")) is None


def test_a_replication_row() -> None:
    row = graph_rows.ReplicationRow(
        id=f"/Subscriptions{VAULT.removeprefix('/subscriptions')}/replicationFabrics/f",
        kind="A2A",
        source=f"{MACHINES}/Web",
        test="None",
        allowed=["Commit", "ChangePit"],
        rpo=87.0,
        rpo_at="2026-08-22T13:58:41Z",
        agent_expires="9999-12-31T23:59:59.9999999",
        scenario=graph_rows.ScenarioRow(scenario_name="None", job_id="/x/replicationJobs/None"),
        errors=[graph_rows.ErrorRow(error_code=161011, summary_message="No test yet", error_level="Warning")],
    )
    _, found = graph_rows.replication(row) or ("", None)
    assert found is not None
    assert found.vault_id == VAULT
    assert (found.rpo_s, found.rpo_calculated_at) == (87, datetime(2026, 8, 22, 13, 58, 41, tzinfo=UTC))
    assert (found.test_failover_state, found.current_scenario, found.current_job_id) == ("", "", "")
    assert found.agent_expires_at is None
    assert found.allows("Commit")
    assert found.notes[0].code == "161011"
