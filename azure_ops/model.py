"""What the panes show: frozen, typed, cheap to encode. Azure's words verbatim where the user meets Azure.

Every layer may import this module; it imports nothing but the encoder.
"""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum, StrEnum

import msgspec


class Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Base of everything that crosses the socket."""


class PowerState(StrEnum):
    RUNNING = "running"
    STARTING = "starting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    DEALLOCATING = "deallocating"
    DEALLOCATED = "deallocated"
    UNKNOWN = "unknown"


class HealthNote(Fact, frozen=True, kw_only=True):
    """One health detail of a backup item or one health error of a replicated item."""

    code: str
    message: str
    causes: str = ""
    recommendation: str = ""
    severity: str = ""
    """Azure's word: `Warning`, `Error` …"""
    noted_at: datetime | None = None


class DiskChoice(Fact, frozen=True, kw_only=True):
    """Which data disks are backed up beside the OS disk."""

    luns: tuple[int, ...] = ()
    only_these: bool = False
    """False: all but these."""


class Backup(Fact, frozen=True, kw_only=True):
    """A VM's backup item, as Azure Backup tells it. Words are the service's own."""

    item_id: str
    vault_id: str
    policy_name: str = ""
    protection_state: str = ""
    """`IRPending` (first backup not done), `Protected`, `ProtectionStopped`, `ProtectionError` …"""
    policy_kind: str = ""
    """`V1` (standard) or `V2` (enhanced); from V2 there is no way back."""
    soft_deleted: bool = False
    """Its data was deleted and is kept until `purged_at`; its protection is stopped."""
    purged_at: datetime | None = None
    disks: DiskChoice | None = None
    """None: all of them."""
    health: str = ""
    last_status: str = ""
    """`Completed`, `CompletedWithWarnings`, `Failed`, or empty before the first backup."""
    last_backup_at: datetime | None = None
    last_point_at: datetime | None = None
    notes: tuple[HealthNote, ...] = ()

    @property
    def vault_name(self) -> str:
        return self.vault_id.rsplit("/", 1)[-1]

    @property
    def stopped(self) -> bool:
        """No more points are made, be it for good or until somebody resumes it."""
        return self.protection_state.lower() in ("protectionstopped", "backupssuspended")


class ReplicatedDisk(Fact, frozen=True, kw_only=True):
    name: str
    capacity_bytes: int = 0
    state: str = ""
    resync_required: bool = False
    pending_at_source_mb: float | None = None
    pending_in_staging_mb: float | None = None


class Replication(Fact, frozen=True, kw_only=True):
    """A VM's replicated item (Azure to Azure). What may be done is what `allowed_operations` says."""

    item_id: str
    vault_id: str
    primary_region: str = ""
    recovery_region: str = ""
    initial_primary_region: str = ""
    """Where it ran when it was set up; a re-protect does not change that."""
    original_disk_id: str = ""
    """A disk that a re-protect left behind and now compares with; empty when none runs."""
    policy_name: str = ""
    protection_state: str = ""
    protection_state_text: str = ""
    active_location: str = ""
    """`Primary` or `Recovery`."""
    test_failover_state: str = ""
    allowed_operations: tuple[str, ...] = ()
    replication_health: str = ""
    failover_health: str = ""
    notes: tuple[HealthNote, ...] = ()
    rpo_s: int | None = None
    rpo_calculated_at: datetime | None = None
    """`rpo_s` was true at this moment; it grows until Azure calculates again, and freezes after a commit."""
    last_heartbeat_at: datetime | None = None
    agent_version: str = ""
    agent_expires_at: datetime | None = None
    agent_certificate_expires_at: datetime | None = None
    current_scenario: str = ""
    """Empty when idle (Azure says `None`)."""
    current_job_id: str = ""
    last_test_failover_at: datetime | None = None
    last_failover_at: datetime | None = None
    failover_point_id: str = ""
    recovery_resource_group_id: str = ""
    recovery_network_id: str = ""
    recovery_vm_name: str = ""
    recovery_vm_size: str = ""
    test_vm_name: str = ""
    multi_vm_group: str = ""
    disks: tuple[ReplicatedDisk, ...] = ()

    @property
    def vault_name(self) -> str:
        return self.vault_id.rsplit("/", 1)[-1]

    def allows(self, operation: str) -> bool:
        return operation in self.allowed_operations


class Disk(Fact, frozen=True, kw_only=True):
    id: str
    name: str
    lun: int | None = None
    """None is the OS disk."""
    size_gb: int = 0
    sku: str = ""


class ManagedDisk(Fact, frozen=True, kw_only=True):
    """A disk by itself, as Compute tells it."""

    id: str
    name: str
    location: str = ""
    size_gb: int = 0
    sku: str = ""
    state: str = ""
    """`Unattached`, `Attached`, `Reserved`, `ActiveSAS`, `ReadyToUpload` …"""
    attached_to: str = ""
    """Id of the VM that holds it."""
    created_at: datetime | None = None
    made_from: str = ""
    """Id of what its content came from, such as a restore point."""
    tags: dict[str, str] = {}

    @property
    def key(self) -> str:
        return self.id.lower()

    @property
    def is_replica(self) -> bool:
        """Site Recovery's own copy, which waits for a failover."""
        return "asrreplica" in self.name.lower()


class FleetItem(Fact, frozen=True, kw_only=True):
    """One row of the fleet: a VM joined with its backup item and its replicated item."""

    key: str
    """The VM's ARM id in lower case: the row's identity everywhere."""
    id: str
    """The VM's ARM id as Azure wrote it, for requests."""
    name: str
    subscription_id: str
    resource_group: str
    location: str = ""
    power_state: PowerState = PowerState.UNKNOWN
    os_type: str = ""
    size: str = ""
    zones: tuple[str, ...] = ()
    exists: bool = True
    """False: only its backup or replicated item is left; health does not reveal a deleted VM."""
    vm_unread: bool = False
    """Nobody has read the VM yet: of it the row knows no more than the id that its backup or replicated item
    names, not even whether it still exists."""
    disks: tuple[Disk, ...] = ()
    backup: Backup | None = None
    replication: Replication | None = None


class PointSource(StrEnum):
    BACKUP = "backup"
    REPLICATION = "replication"
    SNAPSHOT = "snapshot"


class PointTier(Fact, frozen=True, kw_only=True):
    name: str
    """`InstantRP` (snapshot), `HardenedRP` (vault), `ArchivedRP`."""
    status: str
    """`Valid`, `Deleted`, `Disabled`, `Rehydrated`."""


class PointDisk(Fact, frozen=True, kw_only=True):
    """A disk that a point holds."""

    name: str
    lun: int | None = None
    """None is the OS disk."""


class Threat(Fact, frozen=True, kw_only=True):
    """What Defender had against the source VM when the point was taken; the backup itself is not scanned."""

    title: str
    severity: str = ""
    """`Critical`, `High`, `Warning`, `Informational`."""
    state: str = ""
    """`Active`, `InProgress`, `Ignored`, `Resolved`."""
    description: str = ""


class RecoveryPoint(Fact, frozen=True, kw_only=True):
    """A point to which a VM can go back: of backup, of replication, or a disk snapshot."""

    id: str
    name: str
    source: PointSource
    taken_at: datetime
    consistency: str = ""
    """`AppConsistent`, `FileSystemConsistent`, `CrashConsistent`, `ApplicationConsistent` …"""
    fell_back: str = ""
    """Why its backup made do with a crash-consistent snapshot, where its job said so."""
    tiers: tuple[PointTier, ...] = ()
    expires_at: datetime | None = None
    rule: str = ""
    """The retention rule that keeps it: `Daily`, `On-Demand` …"""
    disks: tuple[PointDisk, ...] = ()
    """Those in it, by name; empty when the point does not say."""
    disks_included: int | None = None
    disks_attached: int | None = None
    threat: str = ""
    """`Healthy`, `Warning`, `UnHealthy`, `NotAvailable`, `Unknown`, or empty when it is not told."""
    threats: tuple[Threat, ...] = ()
    soft_deleted: bool = False
    immutable: bool = False
    immutable_until: datetime | None = None
    """None for an immutable point: as long as its policy says."""
    secondary: bool = False
    """It lies in the vault's secondary region, to be restored there."""
    region: str = ""
    """Where it lies, when that is not the VM's own region."""
    encrypted: bool = False
    note: str = ""


class Gap(Fact, frozen=True, kw_only=True):
    """Points that the policy's schedule promised and that are not there, one after the other."""

    id: str
    since: datetime
    """When the first of them was due."""
    taken_at: datetime
    """When the last of them was due: its place among the points."""
    missing: int


class RestoreTime(Fact, frozen=True, kw_only=True):
    """How long ended restores of one kind took on this machine."""

    action: str
    tier: str = ""
    """Where they came from, `InstantRP` or `HardenedRP`; empty where a kind has no tier."""
    median_s: float
    runs: int


class JobKind(StrEnum):
    BACKUP = "backup"
    REPLICATION = "replication"
    DISK = "disk"
    """An ARM long-running operation without a job of its own, such as a snapshot."""


class JobState(StrEnum):
    """Our one word for the states of all services; the service's own is in `state_text`."""

    WAITING = "waiting"
    """Not started yet."""
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUSPENDED = "suspended"
    """Waits for somebody: a manual action or a clean-up."""
    SUCCEEDED = "succeeded"
    WARNED = "warned"
    """Completed with warnings."""
    SKIPPED = "skipped"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def ended(self) -> bool:
        return self in _ENDED


_ENDED = frozenset(
    {JobState.SUCCEEDED, JobState.WARNED, JobState.SKIPPED, JobState.FAILED, JobState.CANCELLED}
)


class JobError(Fact, frozen=True, kw_only=True):
    code: str
    message: str
    causes: str = ""
    recommendation: str = ""


class JobTask(Fact, frozen=True, kw_only=True):
    id: str
    """Not unique within a job: Azure repeats group ids."""
    name: str
    state: JobState
    state_text: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    note: str = ""
    """What the service adds: `71.5 GBs / 127 GBs Transferred`, a manual action's instructions."""
    child_job_id: str = ""
    children: tuple[JobTask, ...] = ()


class Job(Fact, frozen=True, kw_only=True):
    """A backup job, a site-recovery job or an ARM operation, in one shape."""

    id: str
    kind: JobKind
    operation: str
    """Azure's own word: `Backup`, `TestFailover`, `UnplannedFailover`, `CommitFailover` …"""
    title: str = ""
    state: JobState
    state_text: str = ""
    target_name: str = ""
    target_key: str = ""
    """Key of the VM's row when it is known, else empty."""
    vault_id: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    percent: float | None = None
    """As the service tells it: coarse, sometimes backwards, never a basis for an end time."""
    can_cancel: bool = False
    client_request_id: str = ""
    tasks: tuple[JobTask, ...] = ()
    errors: tuple[JobError, ...] = ()
    properties: dict[str, str] = {}
    read_at: datetime | None = None
    """When these facts were read, in the service's time."""


class Phase(StrEnum):
    """Of an operation of ours in the journal."""

    INTENDED = "intended"
    SUBMITTED = "submitted"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    """The engine died between `intended` and the answer: looked up, never sent again."""
    NOT_SENT = "not-sent"
    """Looked up and not found, or refused before anything was sent."""
    GIVEN_UP = "given-up"
    """Nothing can be learned of it any more, and somebody said so: what became of it is not known."""

    @property
    def ended(self) -> bool:
        return self in (Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED, Phase.NOT_SENT, Phase.GIVEN_UP)


class ErrorNote(Fact, frozen=True, kw_only=True):
    """A typed error as it crosses the socket and as it is shown: one readable line, details behind it."""

    kind: str
    """Class name in `errors.py`."""
    title: str
    hint: str = ""
    code: str = ""
    status: int | None = None
    request_id: str = ""
    resource: str = ""
    details: str = ""
    retryable: bool = False


class Output(Fact, frozen=True, kw_only=True):
    """Something that an operation made or left, to be shown and copied."""

    label: str
    value: str


class Operation(Fact, frozen=True, kw_only=True):
    """One thing that this user started through azrecover, from intent to end."""

    id: str
    action: str
    title: str
    target_key: str
    target_name: str
    phase: Phase
    created_at: datetime
    """All other times of an operation are this machine's; those of its job are the service's."""
    service_created_at: datetime | None = None
    """The intent by the service's clock: this one can be compared with the times of jobs."""
    submitted_at: datetime | None = None
    ended_at: datetime | None = None
    took_s: float | None = None
    """By the service's clock, once it has ended."""
    job_id: str = ""
    job: Job | None = None
    message: str = ""
    """One line for the row: what is happening, or how it ended."""
    error: ErrorNote | None = None
    confirmed_by: str = ""
    answers: dict[str, str] = {}
    """What the form was answered, for trying again."""
    outputs: tuple[Output, ...] = ()
    normal_s: float | None = None
    """Median duration of this kind of job in our own history, None while there is none."""
    normal_count: int = 0


class Risk(IntEnum):
    LOOK = 0
    CREATES = 1
    COSTS = 2
    CHANGES = 3
    DESTROYS = 4


class CheckState(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Check(Fact, frozen=True, kw_only=True):
    """One line of a preflight."""

    label: str
    state: CheckState
    detail: str = ""
    fix: str = ""


class Option(Fact, frozen=True, kw_only=True):
    value: str
    label: str
    note: str = ""
    """What choosing it means, in plain words."""


class Field(Fact, frozen=True, kw_only=True):
    """One question of a form; answers are strings keyed by `id`."""

    id: str
    label: str
    options: tuple[Option, ...] = ()
    """Empty: free text."""
    default: str = ""
    help: str = ""
    required: bool = True
    many: bool = False
    """Any number of the options; the answer and the default are their values with commas between them."""
    leads: bool = False
    """What the other fields offer depends on it: the form is read again when another option is chosen."""


class Form(Fact, frozen=True, kw_only=True):
    fields: tuple[Field, ...] = ()
    checks: tuple[Check, ...] = ()
    """What could not be offered, and why."""


class PlannedRequest(Fact, frozen=True, kw_only=True):
    method: str
    url: str
    """Path and query, without host."""
    body: str = ""
    """JSON as it will be sent."""


class Plan(Fact, frozen=True, kw_only=True):
    """What will happen, in plain words, made before anything is sent."""

    id: str
    action: str
    title: str
    risk: Risk
    keys: tuple[str, ...]
    names: tuple[str, ...]
    consequences: tuple[str, ...]
    losses: tuple[str, ...] = ()
    """What is lost or cannot be undone; shown above the confirmation."""
    checks: tuple[Check, ...] = ()
    requests: tuple[PlannedRequest, ...] = ()
    permissions: tuple[str, ...] = ()
    confirm_name: str = ""
    """What has to be typed (risk 3 and 4); empty when Enter is enough."""
    refused: tuple[str, ...] = ()
    """Reasons why this plan cannot be confirmed at all; empty when it can."""
    amend: bool = False
    """It is refused for what was answered in the form: other answers may do."""
    made_at: datetime | None = None
    leave: str = "Cancel"
    """On the button that does nothing."""
    go: str = "Go ahead"
    """On the button that confirms."""
    subscriptions: dict[str, str] = {}
    """Names of those in the paths of `requests`, by id in lower case, as far as they are known."""


class SourceState(Fact, frozen=True, kw_only=True):
    """How one source of the fleet (virtual machines, backup, replication, jobs of a vault) is doing."""

    name: str
    read_at: datetime | None = None
    """Of the last good answer, in this machine's time; None when there was none yet."""
    error: ErrorNote | None = None
    rows: int = 0


class VaultUsage(Fact, frozen=True, kw_only=True):
    """What a vault holds and how it fares, as it counts itself. None is not told."""

    protected_items: int | None = None
    critical_items: int | None = None
    warning_items: int | None = None
    running_jobs: int | None = None
    """Backup jobs of the last day, as the next."""
    failed_jobs: int | None = None
    stored_bytes: int | None = None


class Vault(Fact, frozen=True, kw_only=True):
    """A Recovery Services vault. Lists tell where it is; the rest is there once it was read by itself."""

    id: str
    name: str
    location: str
    subscription_id: str
    resource_group: str
    subscription_name: str = ""
    read_at: datetime | None = None
    """In the service's time; None when it is known from a list alone."""
    provisioning_state: str = ""
    redundancy: str = ""
    """`GeoRedundant`, `ZoneRedundant` or `LocallyRedundant`."""
    cross_region_restore: bool = False
    cross_subscription_restore: str = ""
    storage_version: str = ""
    """`Unassigned` until something was protected."""
    soft_delete: str = ""
    """`Enabled`, `AlwaysON`, `Disabled`."""
    soft_delete_days: int = 0
    immutability: str = ""
    """`Disabled`, `Unlocked`, `Locked`; empty when it was never set."""
    public_network_access: str = ""
    guard_id: str = ""
    """Of the Resource Guard that its critical operations need."""
    usage: VaultUsage | None = None
    policies: tuple[Option, ...] = ()
    """For virtual machines, each with what it means."""
    faults: tuple[ErrorNote, ...] = ()
    """What of it could not be read, each part failing alone."""

    @property
    def in_use(self) -> bool:
        """Something is, or was, protected: its storage cannot be changed any more."""
        held = self.usage.protected_items if self.usage else None
        return bool(held) or self.storage_version not in ("", "Unassigned")


class Subscription(Fact, frozen=True, kw_only=True):
    """Where something new is made."""

    id: str
    """`/subscriptions/{guid}`."""
    name: str = ""


class Trace(Fact, frozen=True, kw_only=True):
    """What one restore of ours has left in Azure, from the journal: the strongest evidence there is."""

    operation_id: str
    action: str
    """`replace-disks`, `restore-disks`, `restore-vm` …"""
    title: str
    target_key: str
    """Of the VM whose backup it was."""
    target_name: str
    by: str
    began_at: datetime
    """By the service's clock, as the next one."""
    ended_at: datetime
    disk_ids: tuple[str, ...] = ()
    """Disks that the VM had before, in lower case."""
    group_id: str = ""
    """Where disks were made."""
    vm_id: str = ""
    """The machine that was made."""


class Schedule(Fact, frozen=True, kw_only=True):
    """What a backup policy promises."""

    policy_id: str
    every_s: int
    """The longest time between two backups that are on schedule."""
    words: str = ""


class Leftovers(Fact, frozen=True, kw_only=True):
    """What loose ends are worked out from beside fleet, jobs and operations; read now and then."""

    disks: tuple[ManagedDisk, ...] = ()
    """Attached to nothing."""
    schedules: tuple[Schedule, ...] = ()
    traces: tuple[Trace, ...] = ()
    sources: tuple[SourceState, ...] = ()
    """Of one that failed the facts of its last good answer are kept."""


class RequestLine(Fact, frozen=True, kw_only=True):
    """One request as it went out, for the requests pane: host and secrets left out."""

    at: datetime
    method: str
    path: str
    status: int | None
    took_ms: float
    remaining: str = ""
    """What the service said is left of the budget."""
    note: str = ""


class RawDocument(Fact, frozen=True, kw_only=True):
    """The service's own answer about a row, with the request that fetched it."""

    method: str
    url: str
    status: int
    permission: str
    az_command: str
    json_text: str
    read_at: datetime


class Details(Fact, frozen=True, kw_only=True):
    """What the detail panes show of the row under the cursor, read from ARM, not from the fleet query."""

    item: FleetItem
    points: tuple[RecoveryPoint, ...] = ()
    gaps: tuple[Gap, ...] = ()
    restore_times: tuple[RestoreTime, ...] = ()
    promise: str = ""
    """What the policy's schedule promises, in plain words; empty where there is none or it was not read."""
    secondary: str = ""
    """What was found in the vault's secondary region, or why nothing; empty when it was not asked for."""
    warning: JobError | None = None
    """Of the newest backup, when it completed with warnings."""
    rpo_history: tuple[tuple[datetime, int], ...] = ()
    """What we saw ourselves in the last 24 h: (service time, seconds)."""
    point_sources: tuple[SourceState, ...] = ()
    """Of one that failed the points of its last good answer are among `points`."""
    faults: tuple[ErrorNote, ...] = ()
    """What could not be read, each part failing alone."""
    read_at: datetime | None = None


class EngineStatus(Fact, frozen=True, kw_only=True):
    pid: int
    version: str
    cloud: str
    started_at: datetime
    consoles: int
    running: int
    """Operations that are not at their end."""
    rss_bytes: int
    state_dir: str
    endpoint: str
    identity: str = ""
    """Who is signed in, when known."""
