"""Facts of Azure-to-Azure replication: fabrics, containers, mappings, policies, items, plans, jobs, events.

Fleets make them, `handlers.site_recovery*` render and change them. Ids may be stored with `/subscriptions/`
or `/Subscriptions/`: the renderer prints the service's capital S. What the clock decides (RPO, heartbeat,
recovery points, percentages, the end of a first replication) is never stored, but computed when asked for.

To seed an item, give `id`, `guid`, `vm_id`, `vm_name`, `recovery_container_id`, `policy_id`, the recovery
group, size and network, its disks and nics, and `protected_at`. Then:

- replicating well: nothing more;
- never drilled: leave `last_test_failover_at` None (failover health Warning, error 161011);
- first replication running: `state=INITIAL_REPLICATION`, `replicating_from`, `initial_replication_s`;
- slow: `trouble=RPO_TROUBLE` and `trouble_since`; dead: `trouble=HEARTBEAT_TROUBLE` or `STALL_TROUBLE`;
- drill not cleaned up, failed over, committed: `handlers.site_recovery_seeds.seed_test_failover`,
  `seed_failover`, `seed_commit`, which also make the machines.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from ..store import Record

INITIAL_REPLICATION = "InitialReplicationInProgress"
FIRST_POINT_PENDING = "InitialReplicationRecoveryCompletionPending"
PROTECTED = "Protected"
FAILOVER_COMMIT_PENDING = "UnplannedFailoverCommitPendingStatesBegin"
FAILOVER_COMMITTED = "UnplannedFailoverCommitted"

RPO_TROUBLE = "RpoThresholdExceeded"
"""Replication is slower than the churn: health Warning, the RPO grows with the clock."""
STALL_TROUBLE = "NoReplicationProgress"
"""Agent alive, no data arrives: health Critical (90078)."""
HEARTBEAT_TROUBLE = "HeartbeatDown"
"""Agent silent: health Critical (153077), no heartbeat, no points."""


class Fabric(Record, kw_only=True, omit_defaults=True):
    """One region's side, `…/vaults/{vault}/replicationFabrics/{name}`."""

    location: str
    """`westeurope`"""
    friendly_name: str
    """`West Europe`"""
    guid: str


class ProtectionContainer(Record, kw_only=True, omit_defaults=True):
    """`{fabric}/replicationProtectionContainers/{name}`; `guid` names it inside other resources."""

    guid: str


class ContainerMapping(Record, kw_only=True, omit_defaults=True):
    """`{container}/replicationProtectionContainerMappings/{name}`."""

    target_container_id: str
    policy_id: str
    automation_account_id: str = ""
    """Agents are updated by themselves through this account; empty = switched off."""
    job_schedule_name: str = ""


class ReplicationPolicy(Record, kw_only=True, omit_defaults=True):
    """`{vault}/replicationPolicies/{name}`."""

    retention_minutes: int = 1440
    app_consistent_minutes: int = 240
    """0 = no application-consistent points."""
    crash_consistent_minutes: int = 5
    multi_vm_sync: bool = True


class NetworkMapping(Record, kw_only=True, omit_defaults=True):
    """`{fabric}/replicationNetworks/azureNetwork/replicationNetworkMappings/{name}`."""

    primary_network_id: str
    recovery_network_id: str
    recovery_fabric_id: str


class ReplicatedDisk(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A protected managed disk."""

    disk_id: str
    """Of the source disk."""
    size_gb: int
    is_os: bool = False
    account_type: str = "Premium_LRS"
    staging_account_id: str = ""
    original_target_disk_id: str = ""
    """After a re-protect: the disk that the first failover left behind."""

    @property
    def name(self) -> str:
        return self.disk_id.rsplit("/", 1)[-1]


class ReplicatedNic(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A network interface with its one IP configuration."""

    nic_id: str
    network_id: str
    """Virtual network of the source."""
    subnet: str = "default"
    ip_address: str = ""
    ip_config: str = "ipconfig1"
    recovery_subnet: str = "default"
    accelerated: bool = False


class StoredPoint(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A recovery point outside the regular grid, made by a failover to the latest data."""

    guid: str
    at: datetime


class ReplicatedItem(Record, kw_only=True, omit_defaults=True):
    """`{container}/replicationProtectedItems/{name}`: one virtual machine's replication in one direction."""

    guid: str
    """The service's own name of the machine in this direction (plans' `virtualMachineId`, jobs' target)."""
    vm_id: str
    vm_name: str
    recovery_container_id: str
    policy_id: str
    recovery_group_id: str
    """ARM id of the resource group that receives the recovery VM and its disks."""
    recovery_vm_size: str
    recovery_network_id: str
    recovery_vm_name: str = ""
    """Empty = the source's name."""
    recovery_zone: str = ""
    test_network_id: str = ""
    os_type: str = "Linux"
    generation: str = "V2"
    disks: list[ReplicatedDisk]
    nics: list[ReplicatedNic] = []
    tags: dict[str, str] = {}

    state: str = PROTECTED
    """One of the states above. A running first replication moves on by the clock: `site_recovery_states`."""
    replicating_from: datetime | None = None
    """When the copying of the disks began."""
    initial_replication_s: float = 1500.0
    protected_at: datetime
    """First recovery point, known or to come; retention counts from here."""
    frozen_at: datetime | None = None
    """Since then the source is no longer replicated (failed over)."""

    typical_rpo_s: int = 120
    churn_mb_s: float = 0.5
    trouble: str = ""
    trouble_since: datetime | None = None

    validated_at: datetime | None = None
    """First run of the failover validator, when it was asked for; else some minutes after protection."""

    agent_version: str = "9.65.7397.1"
    agent_expires_at: datetime | None = None
    agent_update_required: bool = False
    agent_certificate_expires_at: datetime | None = None

    initial_primary_location: str = ""
    """Empty = this direction is the first one. Does not swap with a re-protect."""
    initial_recovery_location: str = ""
    lifecycle_id: str = ""
    multi_vm_group_id: str = ""

    job_id: str = ""
    """The job that holds the item now; empty = idle."""
    test_failover_job_id: str = ""
    """The drill that waits for its clean-up."""
    test_vm_id: str = ""
    test_network_used_id: str = ""
    last_test_failover_at: datetime | None = None
    last_failover_at: datetime | None = None
    failover_point: str = ""
    """Bare guid of the point that was failed over to."""
    failover_point_at: datetime | None = None
    recovery_vm_id: str = ""
    recovery_disk_ids: list[str] = []
    left_vm_id: str = ""
    """What a failback has left running nowhere in the recovery region; the next failover takes its place."""
    stored_points: list[StoredPoint] = []


class PlanGroup(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A Boot group; the Shutdown and Failover groups in front of them are the renderer's."""

    item_ids: list[str] = []
    start_actions: list[dict[str, object]] = []
    end_actions: list[dict[str, object]] = []


class RecoveryPlan(Record, kw_only=True, omit_defaults=True):
    """`{vault}/replicationRecoveryPlans/{name}`."""

    guid: str
    primary_fabric_id: str
    recovery_fabric_id: str
    groups: list[PlanGroup]
    last_unplanned_failover_at: datetime | None = None
    last_test_failover_at: datetime | None = None
    last_job_id: str = ""


class JobTask(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One step of a job. `state` in the service's words; Skipped is `Other` with description `Skipped`."""

    task_id: str
    name: str
    friendly_name: str
    duration_s: float = 0.0
    """How long it is going to take."""
    skipped: bool = False
    """It is going to be passed over."""
    state: str = "NotStarted"
    state_description: str = "NotStarted"
    started_at: datetime | None = None
    ended_at: datetime | None = None
    task_type: str = "TaskDetails"
    details: dict[str, object] = {}
    """Rendered `customDetails` beyond `instanceType`."""
    group: dict[str, object] = {}
    """Rendered `groupTaskCustomDetails` without `childTasks`; empty = no group."""
    children: list[JobTask] = []


class JobError(msgspec.Struct, kw_only=True, omit_defaults=True):
    code: str
    message: str
    possible_causes: str = ""
    recommended_action: str = ""
    task_id: str = ""
    at: datetime


class ReplicationJob(Record, kw_only=True, omit_defaults=True):
    """`{vault}/replicationJobs/{guid}`; the long-running operation of the same guid is this job, too."""

    scenario: str
    """`TestFailover`; title and steps stand in `handlers.site_recovery_runner.SCENARIOS`."""
    hidden: bool = False
    """An operation that polls like a job and is in no list."""
    state: str = "NotStarted"
    state_description: str = "NotStarted"
    accepted_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    item_id: str = ""
    """The replicated item it works on; empty for vault-wide jobs."""
    object_id: str = ""
    object_name: str = ""
    object_type: str = "ProtectionEntity"
    result_id: str = ""
    """Resource that `operationresults` returns when it is over."""
    tasks: list[JobTask] = []
    step: int = 0
    """Tasks finished; the one at this index is running."""
    event_seq: int = 0
    """The scheduled event of the running step, so that a cancel can take it back."""
    errors: list[JobError] = []
    warning: tuple[str, str] | None = None
    """(code, message) that the operation status carries in `error` though it succeeds."""
    client_request_id: str = ""
    activity_guid: str = ""
    inputs: dict[str, str] = {}
    """What the request asked for: point, network, comments, sourceSiteOperations."""
    affected: dict[str, str] = {}
    """`affectedObjectDetails`, as they were when the job was made."""
    outcome: dict[str, str | None] = {}
    """The one member of `protectedItemDetails`, filled when the work is done."""


class ReplicationEvent(Record, kw_only=True, omit_defaults=True):
    """`{vault}/replicationEvents/{Kind;ticks_guid}`."""

    at: datetime
    event_type: str
    """`VmHealth` or `JobStatus`."""
    code: str
    description: str
    severity: str
    """`OK`, `Warning` or `Critical`."""
    object_name: str
    correlation_id: str = ""
    fabric_id: str = ""
    item_id: str = ""


class AlertSetting(Record, kw_only=True, omit_defaults=True):
    """`{vault}/replicationAlertSettings/defaultAlertSetting`."""

    send_to_owners: str = "DoNotSend"
    email_addresses: list[str] = []
    locale: str = "en_US"


class VaultHealthRefresh(Record, kw_only=True, omit_defaults=True):
    """`{vault}/replicationVaultHealth/Default`: when the failover validator was last run on demand."""

    refreshed_at: datetime


KINDS: list[type[Record]] = [
    Fabric,
    ProtectionContainer,
    ContainerMapping,
    ReplicationPolicy,
    NetworkMapping,
    ReplicatedItem,
    RecoveryPlan,
    ReplicationJob,
    ReplicationEvent,
    AlertSetting,
    VaultHealthRefresh,
]
