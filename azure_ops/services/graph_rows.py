"""Rows of the fleet's Resource Graph queries, decoded straight from the bytes of a page into our model. Pure.

The SDK's models would cost more than fetching the page; these structs are what `graph_queries` projects.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ..arm_ids import group_of, key_of, name_of, subscription_of, vault_of
from ..model import (
    Backup,
    Disk,
    DiskChoice,
    FleetItem,
    HealthNote,
    ManagedDisk,
    PowerState,
    Replication,
    Vault,
)
from ..wire_values import parse_moment
from .backup_documents import disk_choice, health_notes, purged_at
from .compute_documents import power_state
from .replication_documents import job_or_none, unless_none

Text = str | None


class _Row(msgspec.Struct, rename="camel", gc=False):
    """Rows live as long as their page, and hold no cycles: the garbage collector need not look at them."""


class DiskOfVmRow(_Row, gc=False):
    id: Text = None
    storage_account_type: Text = None


class DiskRow(_Row, gc=False):
    name: Text = None
    lun: int | None = None
    os_type: Text = None
    size: float | None = msgspec.field(name="diskSizeGB", default=None)
    managed_disk: DiskOfVmRow | None = None


class ErrorRow(_Row, gc=False):
    error_code: str | int | None = None
    summary_message: Text = None
    error_message: Text = None
    possible_causes: Text = None
    recommended_action: Text = None
    error_level: Text = None
    creation_time: Text = msgspec.field(name="creationTimeUtc", default=None)


class ScenarioRow(_Row, gc=False):
    scenario_name: Text = None
    job_id: Text = None


class VmRow(_Row, gc=False):
    id: str
    name: Text = None
    location: Text = None
    zones: list[str | int] | None = None
    size: Text = None
    power: Text = None
    os_disk: DiskRow | None = None
    data_disks: list[DiskRow] | None = None


class DisksRow(_Row, gc=False):
    luns: list[int] | None = msgspec.field(name="diskLunList", default=None)
    only_these: bool | None = msgspec.field(name="isInclusionList", default=None)


class BackupRow(_Row, gc=False):
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
    deleted_days: float | str | None = None
    policy_kind: Text = None
    disks: DisksRow | None = None


class ReplicationRow(_Row, gc=False):
    id: str
    kind: Text = None
    source: Text = None
    resource: Text = None
    policy: Text = None
    state: Text = None
    state_text: Text = None
    active: Text = None
    test: Text = None
    allowed: list[str] | None = None
    health: Text = None
    failover_health: Text = None
    errors: list[ErrorRow] | None = None
    scenario: ScenarioRow | None = None
    last_test: Text = None
    last_failover: Text = None
    point: Text = None
    primary: Text = None
    recovery: Text = None
    initial: Text = None
    original: Text = None
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


class VaultRow(_Row, gc=False):
    id: str
    name: Text = None
    location: Text = None


class DiskOfItsOwnRow(_Row, gc=False):
    id: str
    name: Text = None
    location: Text = None
    tags: dict[str, Any] | None = None
    sku: Text = None
    size: float | None = None
    state: Text = None
    created: Text = None
    source: Text = None


class NetworkRow(_Row, gc=False):
    id: str
    prefixes: list[str] | None = None
    peerings: Any = None

    @property
    def peerings_text(self) -> str:
        """`isolated` when nothing else can be reached from it by peering."""
        count = len(self.peerings) if isinstance(self.peerings, list) else 0
        return f"peered with {count}" if count else "isolated"

    @property
    def prefixes_text(self) -> str:
        return ", ".join(self.prefixes or ())


class DocumentRow(msgspec.Struct):
    """A job: its document as it is."""

    id: str
    properties: dict[str, Any] = {}


def vm(row: VmRow) -> tuple[str, FleetItem]:
    key = key_of(row.id)
    return key, FleetItem(
        key=key,
        id=row.id,
        name=row.name or name_of(row.id),
        subscription_id=subscription_of(row.id),
        resource_group=group_of(row.id),
        location=row.location or "",
        power_state=power_state([row.power]) if row.power else PowerState.UNKNOWN,
        os_type=(row.os_disk.os_type if row.os_disk else None) or "",
        size=row.size or "",
        zones=tuple(map(str, row.zones or ())),
        disks=tuple(_disks(row)),
    )


def _disks(row: VmRow) -> Iterator[Disk]:
    """OS disk first; unmanaged disks are left out, as everywhere."""
    for place, one in enumerate((row.os_disk, *(row.data_disks or ()))):
        if one is not None and one.managed_disk is not None and one.managed_disk.id:
            yield Disk(
                id=one.managed_disk.id,
                name=one.name or name_of(one.managed_disk.id),
                lun=one.lun if place else None,
                size_gb=int(one.size or 0),
                sku=one.managed_disk.storage_account_type or "",
            )


def managed_disk(row: DiskOfItsOwnRow) -> ManagedDisk:
    return ManagedDisk(
        id=row.id,
        name=row.name or name_of(row.id),
        location=row.location or "",
        size_gb=int(row.size or 0),
        sku=row.sku or "",
        state=row.state or "",
        created_at=parse_moment(row.created),
        made_from=row.source or "",
        tags={str(key): str(value) for key, value in (row.tags or {}).items()},
    )


def backup(row: BackupRow) -> tuple[str, Backup] | None:
    """With the VM's key; None for other workloads."""
    source = row.source or row.machine or row.resource
    if not source or (row.kind or "").lower() != "azureiaasvm":
        return None
    deletion = {
        "isScheduledForDeferredDelete": row.deleted,
        "deferredDeleteTimeInUTC": row.deleted_at,
        "softDeleteRetentionPeriod": row.deleted_days,
    }
    well = row.health == "Passed" and not row.deleted
    return key_of(source), Backup(
        item_id=row.id,
        vault_id=vault_of(row.id),
        policy_name=row.policy or "",
        protection_state=row.state or row.current_state or "",
        policy_kind=row.policy_kind or "",
        soft_deleted=bool(row.deleted),
        purged_at=purged_at(deletion) if row.deleted else None,
        disks=_choice(row.disks),
        health=row.health or "",
        last_status=row.last_status or "",
        last_backup_at=parse_moment(row.last_backup),
        last_point_at=parse_moment(row.last_point),
        notes=() if well else health_notes({"healthDetails": row.details, **deletion}),
    )


def _choice(row: DisksRow | None) -> DiskChoice | None:
    if row is None:
        return None
    return disk_choice({"diskLunList": row.luns, "isInclusionList": row.only_these})


def replication(row: ReplicationRow) -> tuple[str, Replication] | None:
    """With the VM's key; None for what is not replicated from Azure to Azure. Without disks: those of the row
    under the cursor are read from Resource Manager."""
    source = row.source or row.resource
    if not source or (row.kind or "").upper() != "A2A":
        return None
    scenario = row.scenario or ScenarioRow()
    return key_of(source), Replication(
        item_id=row.id,
        vault_id=vault_of(row.id),
        primary_region=row.primary or "",
        recovery_region=row.recovery or "",
        initial_primary_region=row.initial or "",
        original_disk_id=row.original or "",
        policy_name=row.policy or "",
        protection_state=row.state or "",
        protection_state_text=row.state_text or "",
        active_location=row.active or "",
        test_failover_state=unless_none(row.test or ""),
        allowed_operations=tuple(row.allowed or ()),
        replication_health=row.health or "",
        failover_health=row.failover_health or "",
        notes=tuple(map(_note, row.errors or ())),
        rpo_s=None if row.rpo is None else int(row.rpo),
        rpo_calculated_at=parse_moment(row.rpo_at),
        last_heartbeat_at=parse_moment(row.heartbeat),
        agent_version=row.agent or "",
        agent_expires_at=parse_moment(row.agent_expires),
        agent_certificate_expires_at=parse_moment(row.certificate_expires),
        current_scenario=unless_none(scenario.scenario_name or ""),
        current_job_id=job_or_none(scenario.job_id or ""),
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


def _note(error: ErrorRow) -> HealthNote:
    return HealthNote(
        code="" if error.error_code is None else str(error.error_code),
        message=error.summary_message or error.error_message or "",
        causes=error.possible_causes or "",
        recommendation=error.recommended_action or "",
        severity=error.error_level or "",
        noted_at=parse_moment(error.creation_time),
    )


def vault(row: VaultRow) -> Vault:
    return Vault(
        id=row.id,
        name=row.name or name_of(row.id),
        location=row.location or "",
        subscription_id=subscription_of(row.id),
        resource_group=group_of(row.id),
    )
