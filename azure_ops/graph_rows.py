"""Rows of the fleet's Resource Graph queries, decoded straight from the bytes of a page into our model. Pure.

The SDK's models would cost more than fetching the page; these structs are what `graph_queries` projects.
"""

from __future__ import annotations

from typing import Any

import msgspec

from .arm_ids import group_of, key_of, name_of, subscription_of, vault_of
from .backup_documents import health_notes
from .compute_documents import disks_of, power_state
from .model import Backup, FleetItem, PowerState, Replication, Vault
from .replication_documents import health_error, job_or_none, unless_none
from .wire_values import parse_moment

Text = str | None


class VmRow(msgspec.Struct):
    id: str
    name: Text = None
    location: Text = None
    zones: Any = None
    size: Text = None
    power: Text = None
    osDisk: Any = None
    dataDisks: Any = None


class BackupRow(msgspec.Struct, rename="camel"):
    id: str
    kind: Text = None
    source: Text = None
    machine: Text = None
    resource: Text = None
    policy: Text = None
    state: Text = None
    current_state: Text = None
    health: Text = None
    details: Any = None
    last_status: Text = None
    last_backup: Text = None
    last_point: Text = None
    deleted: bool | None = None
    deleted_at: Text = None


class ReplicationRow(msgspec.Struct, rename="camel"):
    id: str
    kind: Text = None
    source: Text = None
    resource: Text = None
    policy: Text = None
    state: Text = None
    state_text: Text = None
    active: Text = None
    test: Text = None
    allowed: Any = None
    health: Text = None
    failover_health: Text = None
    errors: Any = None
    scenario: Any = None
    last_test: Text = None
    last_failover: Text = None
    point: Text = None
    primary: Text = None
    recovery: Text = None
    rpo: float | None = None
    rpo_at: Text = None
    heartbeat: Text = None
    agent: Text = None
    agent_expires: Text = None
    certificate_expires: Text = None
    recovery_group: Text = None
    recovery_network: Text = None
    recovery_name: Text = None
    recovery_size: Text = None
    test_name: Text = None
    multi_vm: Text = None


class VaultRow(msgspec.Struct):
    id: str
    name: Text = None
    location: Text = None


class NetworkRow(msgspec.Struct):
    id: str
    prefixes: Any = None
    peerings: Any = None

    @property
    def peerings_text(self) -> str:
        """`isolated` when nothing else can be reached from it by peering."""
        count = len(self.peerings) if isinstance(self.peerings, list) else 0
        return f"peered with {count}" if count else "isolated"

    @property
    def prefixes_text(self) -> str:
        return ", ".join(map(str, self.prefixes)) if isinstance(self.prefixes, list) else ""


class DocumentRow(msgspec.Struct):
    """A job: its document as it is."""

    id: str
    properties: dict[str, Any] = {}


def vm(row: VmRow) -> tuple[str, FleetItem]:
    key = key_of(row.id)
    os_disk = row.osDisk if isinstance(row.osDisk, dict) else {}
    return key, FleetItem(
        key=key,
        id=row.id,
        name=row.name or name_of(row.id),
        subscription_id=subscription_of(row.id),
        resource_group=group_of(row.id),
        location=row.location or "",
        power_state=power_state([row.power]) if row.power else PowerState.UNKNOWN,
        os_type=str(os_disk.get("osType") or ""),
        size=row.size or "",
        zones=tuple(map(str, row.zones)) if isinstance(row.zones, list) else (),
        disks=disks_of({"osDisk": os_disk, "dataDisks": row.dataDisks}),
    )


def backup(row: BackupRow) -> tuple[str, Backup] | None:
    """With the VM's key; None for other workloads."""
    source = row.source or row.machine or row.resource
    if not source or (row.kind or "").lower() != "azureiaasvm":
        return None
    return key_of(source), Backup(
        item_id=row.id,
        vault_id=vault_of(row.id),
        policy_name=row.policy or "",
        protection_state=row.state or row.current_state or "",
        health=row.health or "",
        last_status=row.last_status or "",
        last_backup_at=parse_moment(row.last_backup),
        last_point_at=parse_moment(row.last_point),
        notes=()
        if row.health == "Passed" and not row.deleted
        else health_notes(
            {
                "healthDetails": row.details,
                "isScheduledForDeferredDelete": row.deleted,
                "deferredDeleteTimeInUTC": row.deleted_at,
            }
        ),
    )


def replication(row: ReplicationRow) -> tuple[str, Replication] | None:
    """With the VM's key; None for what is not replicated from Azure to Azure. Without disks: those of the row
    under the cursor are read from Resource Manager."""
    source = row.source or row.resource
    if not source or (row.kind or "").upper() != "A2A":
        return None
    scenario = row.scenario if isinstance(row.scenario, dict) else {}
    return key_of(source), Replication(
        item_id=row.id,
        vault_id=vault_of(row.id),
        primary_region=row.primary or "",
        recovery_region=row.recovery or "",
        policy_name=row.policy or "",
        protection_state=row.state or "",
        protection_state_text=row.state_text or "",
        active_location=row.active or "",
        test_failover_state=unless_none(row.test or ""),
        allowed_operations=tuple(map(str, row.allowed)) if isinstance(row.allowed, list) else (),
        replication_health=row.health or "",
        failover_health=row.failover_health or "",
        notes=tuple(health_error(one) for one in row.errors if isinstance(one, dict))
        if isinstance(row.errors, list)
        else (),
        rpo_s=None if row.rpo is None else int(row.rpo),
        rpo_calculated_at=parse_moment(row.rpo_at),
        last_heartbeat_at=parse_moment(row.heartbeat),
        agent_version=row.agent or "",
        agent_expires_at=parse_moment(row.agent_expires),
        agent_certificate_expires_at=parse_moment(row.certificate_expires),
        current_scenario=unless_none(str(scenario.get("scenarioName") or "")),
        current_job_id=job_or_none(str(scenario.get("jobId") or "")),
        last_test_failover_at=parse_moment(row.last_test),
        last_failover_at=parse_moment(row.last_failover),
        failover_point_id=row.point or "",
        recovery_resource_group_id=row.recovery_group or "",
        recovery_network_id=row.recovery_network or "",
        recovery_vm_name=row.recovery_name or "",
        recovery_vm_size=row.recovery_size or "",
        test_vm_name=row.test_name or "",
        multi_vm_group=row.multi_vm or "",
    )


def vault(row: VaultRow) -> Vault:
    return Vault(
        id=row.id,
        name=row.name or name_of(row.id),
        location=row.location or "",
        subscription_id=subscription_of(row.id),
        resource_group=group_of(row.id),
    )
