"""Puts Azure-to-Azure replication into the world, with the names that the portal gives to its parts."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..handlers.site_recovery_ids import derived_guid
from ..handlers.site_recovery_runner import reversed_ticks
from ..records.compute import Disk, NetworkInterface, VirtualMachine
from ..records.site_recovery import (
    INITIAL_REPLICATION,
    PROTECTED,
    ContainerMapping,
    Fabric,
    NetworkMapping,
    PlanGroup,
    ProtectionContainer,
    RecoveryPlan,
    ReplicatedDisk,
    ReplicatedItem,
    ReplicatedNic,
    ReplicationEvent,
    ReplicationPolicy,
)
from .builder import Builder
from .places import REGIONS

POLICY_NAME = "24-hour-retention-policy"


@dataclass(frozen=True, slots=True)
class Road:
    """One direction: from a region's container to its partner's, with what the target side uses."""

    vault_id: str
    source: str
    target: str
    recovery_network_id: str
    test_network_id: str
    staging_account_id: str

    @property
    def container_id(self) -> str:
        return _container_id(self.vault_id, self.source)

    @property
    def recovery_container_id(self) -> str:
        return _container_id(self.vault_id, self.target)

    @property
    def policy_id(self) -> str:
        return f"{self.vault_id}/replicationPolicies/{POLICY_NAME}"


@dataclass(frozen=True, slots=True)
class ReplicationStory:
    """How the replication of one machine goes."""

    trouble: str = ""
    trouble_s: float = 0.0
    """Since when, before now."""
    typical_rpo_s: int = 0
    """0: drawn, one to four minutes."""
    drilled_days: float | None = 45.0
    """Days since the last good drill; None: there never was one."""
    protected_days: float = 120.0
    first_copy_s: float = 0.0
    """The first replication began that long ago and still runs."""
    agent_expires_days: float | None = 240.0


def _fabric_id(vault_id: str, region: str) -> str:
    return f"{vault_id}/replicationFabrics/asr-a2a-default-{region}"


def _container_id(vault_id: str, region: str) -> str:
    name = f"asr-a2a-default-{region}-container"
    return f"{_fabric_id(vault_id, region)}/replicationProtectionContainers/{name}"


def road(
    builder: Builder,
    vault_id: str,
    source: str,
    target: str,
    *,
    source_network_id: str,
    recovery_network_id: str,
    test_network_id: str,
    staging_account_id: str,
) -> Road:
    """Fabrics, containers, the policy and the mappings of both directions."""
    save = builder.store.save
    made = Road(vault_id, source, target, recovery_network_id, test_network_id, staging_account_id)
    if builder.store.find(ReplicationPolicy, made.policy_id) is None:
        save(ReplicationPolicy(id=made.policy_id))
    for region in (source, target):
        if builder.store.find(Fabric, _fabric_id(vault_id, region)) is None:
            name = REGIONS[region].display_name
            fabric = Fabric(
                id=_fabric_id(vault_id, region), location=region, friendly_name=name, guid=builder.guid()
            )
            save(fabric)
            save(ProtectionContainer(id=_container_id(vault_id, region), guid=builder.guid()))
    _map(builder, made, source, target, source_network_id, recovery_network_id)
    _map(builder, made, target, source, recovery_network_id, source_network_id)
    return made


def _map(
    builder: Builder, made: Road, source: str, target: str, network_id: str, recovery_network_id: str
) -> None:
    container_id = _container_id(made.vault_id, source)
    name = f"{source}-{target}-{POLICY_NAME}"
    builder.store.save(
        ContainerMapping(
            id=f"{container_id}/replicationProtectionContainerMappings/{name}",
            target_container_id=_container_id(made.vault_id, target),
            policy_id=made.policy_id,
        )
    )
    networks = f"{_fabric_id(made.vault_id, source)}/replicationNetworks/azureNetwork"
    builder.store.save(
        NetworkMapping(
            id=f"{networks}/replicationNetworkMappings/{network_id.rsplit('/', 1)[-1]}-mapping",
            primary_network_id=network_id,
            recovery_network_id=recovery_network_id,
            recovery_fabric_id=_fabric_id(made.vault_id, target),
        )
    )


def replicate(
    builder: Builder, on: Road, machine: VirtualMachine, recovery_group_id: str, story: ReplicationStory
) -> ReplicatedItem:
    """A machine's replication. Its disks and interfaces must be in the world already."""
    name = base64.urlsafe_b64encode(builder.random.randbytes(32)).decode().rstrip("=")
    protected_at = builder.ago(days=story.protected_days)
    item = ReplicatedItem(
        id=f"{on.container_id}/replicationProtectedItems/{name}",
        guid=builder.guid(),
        vm_id=machine.id,
        vm_name=machine.name,
        recovery_container_id=on.recovery_container_id,
        policy_id=on.policy_id,
        recovery_group_id=recovery_group_id,
        recovery_vm_size=machine.size,
        recovery_network_id=on.recovery_network_id,
        test_network_id=on.test_network_id,
        os_type=machine.os_type,
        disks=_disks(builder, on, machine),
        nics=_nics(builder, machine),
        tags=dict(machine.tags),
        protected_at=protected_at,
        typical_rpo_s=story.typical_rpo_s or builder.random.randrange(60, 240),
        churn_mb_s=round(builder.random.uniform(0.05, 1.5), 2),
        last_test_failover_at=None if story.drilled_days is None else builder.ago(days=story.drilled_days),
    )
    if story.agent_expires_days is not None:
        item.agent_expires_at = builder.ago(days=-story.agent_expires_days)
    if story.trouble:
        item.trouble, item.trouble_since = story.trouble, builder.ago(seconds=story.trouble_s)
        _health_event(builder, item, item.trouble_since)
    if story.first_copy_s:
        item.state, item.replicating_from = INITIAL_REPLICATION, builder.ago(seconds=story.first_copy_s)
        item.initial_replication_s = story.first_copy_s / 0.4
        item.protected_at = item.replicating_from + timedelta(seconds=item.initial_replication_s)
        item.last_test_failover_at = None
    assert item.state in (PROTECTED, INITIAL_REPLICATION)
    builder.store.save(item)
    return item


def _disks(builder: Builder, on: Road, machine: VirtualMachine) -> list[ReplicatedDisk]:
    made = []
    for disk_id in (machine.os_disk_id, *(disk.disk_id for disk in machine.data_disks)):
        disk = builder.store.find(Disk, disk_id)
        assert disk is not None
        made.append(
            ReplicatedDisk(
                disk_id=disk_id,
                size_gb=disk.size_gb,
                is_os=disk_id == machine.os_disk_id,
                account_type=disk.sku,
                staging_account_id=on.staging_account_id,
            )
        )
    return made


def _nics(builder: Builder, machine: VirtualMachine) -> list[ReplicatedNic]:
    made = []
    for nic_id in machine.nic_ids:
        nic = builder.store.find(NetworkInterface, nic_id)
        assert nic is not None
        network_id, _, subnet = nic.subnet_id.partition("/subnets/")
        made.append(
            ReplicatedNic(
                nic_id=nic_id,
                network_id=network_id,
                subnet=subnet,
                ip_address=nic.private_ip,
                recovery_subnet=subnet,
            )
        )
    return made


def _health_event(builder: Builder, item: ReplicatedItem, at: datetime) -> None:
    """What the vault's event list remembers of the change for the worse."""
    vault_id = item.id[: item.id.index("/replicationFabrics/")]
    severity = "Warning" if item.trouble == "RpoThresholdExceeded" else "Critical"
    builder.store.save(
        ReplicationEvent(
            id=f"{vault_id}/replicationEvents/VmMonitoringEvent;{reversed_ticks(at)}_{builder.guid()}",
            at=at,
            event_type="VmHealth",
            code="SRSVMHealthChanged",
            description=f"Replication health changed to {severity}.",
            severity=severity,
            object_name=item.vm_name,
            correlation_id=derived_guid(item.guid, "events"),
            fabric_id=item.id.split("/replicationProtectionContainers/")[0],
            item_id=item.id,
        )
    )


def plan(builder: Builder, on: Road, name: str, groups: list[list[ReplicatedItem]]) -> None:
    """A recovery plan whose groups start one after the other."""
    builder.store.save(
        RecoveryPlan(
            id=f"{on.vault_id}/replicationRecoveryPlans/{name}",
            guid=builder.guid(),
            primary_fabric_id=_fabric_id(on.vault_id, on.source),
            recovery_fabric_id=_fabric_id(on.vault_id, on.target),
            groups=[PlanGroup(item_ids=[item.id for item in group]) for group in groups],
        )
    )
