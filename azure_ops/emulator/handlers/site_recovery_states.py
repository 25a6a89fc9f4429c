"""The states of a replicated item: what the service calls them, what it allows there, what it refuses.

`allowedOperations` and every refusal come from here, so that they cannot disagree. Registers no routes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..answers import Refusal
from ..records.site_recovery import (
    FAILOVER_COMMIT_PENDING,
    FAILOVER_COMMITTED,
    FIRST_POINT_PENDING,
    INITIAL_REPLICATION,
    PROTECTED,
    ReplicatedItem,
    ReplicationJob,
)
from ..routing import Context
from ..world import World
from .site_recovery_ids import last, service_refusal
from .site_recovery_replication import state_at


@dataclass(frozen=True, slots=True)
class State:
    """One state as the wire shows it. `operations` keep the recorded order."""

    protection_state: str
    description: str
    active_location: str
    operations: tuple[str, ...]
    vm_state: str
    vm_description: str
    disk_state: str | None
    replicates: bool = False
    """It has an RPO, points and health errors of its own."""


_ENABLING = ("UnprotectedStatesBegin", "Enabling protection")
_AFTER_FAILOVER = ("CompleteMigration", "Commit", "DisableProtection", "ChangePit", "SwitchProtection")

STATES = {
    INITIAL_REPLICATION: State(
        INITIAL_REPLICATION,
        "Initial replication is in progress",
        "Primary",
        ("DisableProtection",),
        *_ENABLING,
        "InitialReplicationPending",
    ),
    FIRST_POINT_PENDING: State(
        FIRST_POINT_PENDING,
        "Waiting for first recovery point",
        "Primary",
        ("DisableProtection",),
        *_ENABLING,
        "InitialReplicationPending",
    ),
    PROTECTED: State(
        PROTECTED,
        "Protected",
        "Primary",
        ("UnplannedFailover", "DisableProtection", "TestFailover"),
        "Protected",
        "Protected",
        "Protected",
        replicates=True,
    ),
    FAILOVER_COMMIT_PENDING: State(
        FAILOVER_COMMIT_PENDING,
        "Failover completed",
        "Recovery",
        _AFTER_FAILOVER,
        FAILOVER_COMMIT_PENDING,
        "Failover completed",
        None,
    ),
    FAILOVER_COMMITTED: State(
        FAILOVER_COMMITTED,
        "Failover committed",
        "Recovery",
        ("CompleteMigration", "DisableProtection", "SwitchProtection"),
        FAILOVER_COMMITTED,
        "Failover committed",
        None,
    ),
}
CLEANUP_PENDING = State(
    PROTECTED,
    "Cleanup test failover pending",
    "Primary",
    ("TestFailoverCleanup",),
    "Protected",
    "Protected",
    "Protected",
    replicates=True,
)
"""Protected with a test VM standing: nothing but its clean-up is allowed (documented for Hyper-V)."""


def state_of(item: ReplicatedItem, now: datetime) -> State:
    name = state_at(item, now)
    return CLEANUP_PENDING if name == PROTECTED and item.test_failover_job_id else STATES[name]


def running_job(world: World, item: ReplicatedItem) -> ReplicationJob | None:
    return world.store.find(ReplicationJob, item.job_id) if item.job_id else None


def allowed_operations(item: ReplicatedItem, now: datetime) -> list[str]:
    """Nothing while a job holds the item."""
    return [] if item.job_id else list(state_of(item, now).operations)


def require_operation(ctx: Context, item: ReplicatedItem, operation: str) -> None:
    """Raises the refusal of an operation that the item's state or running job forbids.

    Nobody recorded such a refusal: statuses and codes are unverified on Azure."""
    if (job := running_job(ctx.world, item)) is not None:
        raise busy(ctx, item, job)
    state = state_of(item, ctx.now)
    if operation in state.operations:
        return
    raise service_refusal(
        ctx,
        400,
        "BadRequest",
        "OperationNotAllowed",
        f"The operation '{operation}' is not allowed on the replication protected item '{item.vm_name}' in "
        f"its current state '{state.protection_state}' ({state.description}).",
        "The protection state of the virtual machine does not permit this operation.",
        f"Operations allowed now: {', '.join(state.operations)}.",
    )


def busy(ctx: Context, item: ReplicatedItem, job: ReplicationJob) -> Refusal:
    return service_refusal(
        ctx,
        409,
        "Conflict",
        "AnotherOperationInProgress",
        f"The operation cannot be started because the job '{last(job.id)}' ({job.scenario}) is in progress "
        f"on the virtual machine '{item.vm_name}'.",
        "Another operation is in progress on the virtual machine.",
        "Wait until that job has ended, or cancel it, and retry the operation.",
    )
