"""What an expert looks at before pressing a key, over facts already read; and what of a target a plan
relies on. Pure.

`planner.py` and the actions call it; nothing here asks Azure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from .errors import RecoveryError
from .model import (
    Check,
    CheckState,
    FleetItem,
    Job,
    JobKind,
    ManagedDisk,
    Operation,
    Subscription,
    Vault,
)

FIGURE_OLD_S = 900
"""An RPO figure older than this says little: Azure calculates it every few minutes."""
HEARTBEAT_OLD_S = 1800
DRILL_OLD_DAYS = 180
"""Microsoft recommends a drill every six months."""
AGENT_SOON_DAYS = 30


def facts(target: FleetItem | Job | Vault | Subscription | ManagedDisk) -> dict[str, str]:
    """What a plan relies on, by a name for people; a difference means that the plan is no longer true."""
    if isinstance(target, Job):
        return {"job state": target.state_text or target.state, "may be cancelled": _yes(target.can_cancel)}
    if isinstance(target, Subscription):
        return {}
    if isinstance(target, ManagedDisk):
        return {
            "disk state": target.state,
            "attached to": target.attached_to,
            "size": f"{target.size_gb} GB {target.sku}",
            "made": f"{target.created_at:%Y-%m-%d %H:%M:%S}" if target.created_at else "",
        }
    if isinstance(target, Vault):
        return {
            "redundancy": target.redundancy,
            "cross-region restore": _yes(target.cross_region_restore),
            "protects something": _yes(target.in_use),
            "immutability": target.immutability,
            "state": target.provisioning_state,
        }
    found = {
        "exists": _yes(target.exists),
        "power state": target.power_state,
        "disks": ", ".join(sorted(disk.id.lower() for disk in target.disks)),
    }
    if target.backup is not None:
        found["backup item"] = target.backup.item_id.lower()
        found["backup state"] = target.backup.protection_state
        found["backup policy"] = target.backup.policy_name
        found["soft-deleted"] = _yes(target.backup.soft_deleted)
    if target.replication is not None:
        item = target.replication
        found |= {
            "replicated item": item.item_id.lower(),
            "replication state": item.protection_state,
            "active location": item.active_location,
            "recovery region": item.recovery_region,
            "recovery network": item.recovery_network_id.lower(),
            "test failover": item.test_failover_state,
            "allowed operations": ", ".join(sorted(item.allowed_operations)),
            "replication health": item.replication_health,
            "running now": item.current_scenario,
        }
    return found


def changes(name: str, before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """One line for each fact that is different now."""
    labels = dict.fromkeys([*before, *now])
    return [
        f"{name}: {label} was {before.get(label) or 'nothing'}, is {now.get(label) or 'nothing'} now"
        for label in labels
        if before.get(label, "") != now.get(label, "")
    ]


def holding(key: str, operations: Iterable[Operation]) -> list[Operation]:
    """Ours that work on this target: until they end no other one may act on it."""
    return [op for op in operations if op.target_key == key and not op.phase.ended]


def busy_line(operation: Operation) -> str:
    who = operation.confirmed_by or "somebody"
    return f"{operation.title}, started by {who} at {operation.created_at:%H:%M:%S} UTC"


def running_checks(item: FleetItem, jobs: Iterable[Job], operations: Iterable[Operation]) -> list[Check]:
    """Who else works on this VM."""
    ours = holding(item.key, operations)
    known = {op.job_id.lower() for op in ours}
    others = [
        job
        for job in jobs
        if job.target_key == item.key and not job.state.ended and job.id.lower() not in known
    ]
    found = [
        Check(
            label="Nothing else of ours runs on it",
            state=CheckState.FAILED,
            detail=busy_line(op),
            fix="Wait for its end, or look at it in the operations pane.",
        )
        for op in ours
    ]
    found += [
        Check(
            label="No other job runs on it",
            state=CheckState.WARNING,
            detail=f"{job.title or job.operation} since {_when(job.started_at)}",
            fix="Wait for its end; the service may refuse a second one.",
        )
        for job in others
    ]
    return found or [Check(label="Nothing else runs on it", state=CheckState.OK)]


def held_checks(key: str, operations: Iterable[Operation]) -> list[Check]:
    """Who else works on a vault, or makes something in a subscription."""
    ours = holding(key, operations)
    return [
        Check(
            label="Nothing else of ours runs on it",
            state=CheckState.FAILED if ours else CheckState.OK,
            detail="; ".join(f"{op.title}, {_by(op)}" for op in ours),
            fix="Wait for its end, or look at it in the operations pane." if ours else "",
        )
    ]


_PARTS = {"vm": "Virtual machine", "backup": "Backup item", "replication": "Replicated item"}


def unread_checks(problems: Mapping[str, RecoveryError]) -> list[Check]:
    """Parts that the action does not need and that could not be read just now."""
    return [
        Check(
            label=f"{_PARTS.get(part, part)} could be read",
            state=CheckState.UNKNOWN,
            detail=problem.title,
            fix="What is said of it is from an earlier look; the action does not need it.",
        )
        for part, problem in problems.items()
    ]


def namesake_checks(item: FleetItem, fleet: Iterable[FleetItem]) -> list[Check]:
    """A typed name says little when two machines bear it; the one that the failover itself has made is no
    stranger."""
    namesakes = [
        other for other in fleet if other.name.lower() == item.name.lower() and other.key != item.key
    ]
    checks = [
        Check(
            label=f"The other {other.name}, of {other.resource_group} in {other.location}",
            state=CheckState.OK,
            detail="is what this failover has started",
        )
        for other in namesakes
        if _is_its_target(item, other)
    ]
    others = [
        f"{other.resource_group} in {other.location or 'an unknown region'}, {other.subscription_id}"
        for other in namesakes
        if not _is_its_target(item, other)
    ]
    if not others:
        return checks
    return [
        *checks,
        Check(
            label=f"This is {item.name} of {item.resource_group} in {item.location}, {item.subscription_id}",
            state=CheckState.WARNING,
            detail=f"there is another one of this name: {'; '.join(others[:3])}",
            fix="Make sure that this is the one you mean.",
        ),
    ]


def _is_its_target(item: FleetItem, other: FleetItem) -> bool:
    """Before the failover, a machine at that place is somebody else's."""
    replication = item.replication
    if replication is None or not (replication.active_location == "Recovery" or replication.allows("Commit")):
        return False
    place = f"{replication.recovery_resource_group_id}/providers/Microsoft.Compute/virtualMachines"
    return other.key == f"{place}/{replication.recovery_vm_name or item.name}".lower()


def job_checks(job: Job, operations: Iterable[Operation]) -> list[Check]:
    """Whose job it is, before somebody stops it."""
    ours = next((op for op in operations if op.job_id and op.job_id.lower() == job.id.lower()), None)
    label = "Started from this azrecover"
    if ours is not None:
        return [Check(label=label, state=CheckState.OK, detail=_by(ours))]
    return [
        Check(
            label=label,
            state=CheckState.WARNING,
            detail=f"no: somebody else or the policy started it, {_when(job.started_at)}",
            fix="Ask whoever started it; they are not told by azrecover.",
        )
    ]


def _by(operation: Operation) -> str:
    return f"by {operation.confirmed_by or 'somebody'} at {operation.created_at:%H:%M:%S} UTC"


def replication_checks(item: FleetItem, now: datetime) -> list[Check]:
    """Health, freshness, agent and drills of a replicated VM."""
    replication = item.replication
    if replication is None:
        return [Check(label="Replicated", state=CheckState.FAILED, fix="Enable replication first.")]
    return [
        _health(replication.replication_health, [note.message for note in replication.notes]),
        _figure_age(replication.rpo_s, replication.rpo_calculated_at, now),
        _heartbeat(replication.last_heartbeat_at, now),
        _agent(replication.agent_expires_at, now),
        _drill(replication.last_test_failover_at, replication.test_failover_state, now),
    ]


def backup_checks(item: FleetItem, jobs: Iterable[Job]) -> list[Check]:
    backup = item.backup
    if backup is None:
        return [Check(label="Backed up", state=CheckState.FAILED, fix="Enable backup first.")]
    running = [
        job
        for job in jobs
        if job.kind is JobKind.BACKUP and job.target_key == item.key and not job.state.ended
    ]
    last = CheckState.OK if backup.last_status in ("Completed", "") else CheckState.WARNING
    return [
        Check(
            label="No backup is running",
            state=CheckState.WARNING if running else CheckState.OK,
            detail="; ".join(f"{job.operation} since {_when(job.started_at)}" for job in running),
            fix="Wait for its end." if running else "",
        ),
        Check(label="Last backup", state=last, detail=backup.last_status or "none yet"),
    ]


def multi_vm_check(item: FleetItem) -> list[Check]:
    group = item.replication.multi_vm_group if item.replication else ""
    if not group:
        return []
    return [
        Check(
            label="Not in a multi-VM group",
            state=CheckState.WARNING,
            detail=f"belongs to {group}: its members fail over together",
            fix="Mark all members, or use a recovery plan.",
        )
    ]


def permission_check(missing: Iterable[str], scope_name: str) -> Check:
    lacking = tuple(missing)
    if not lacking:
        return Check(label=f"Permissions on {scope_name}", state=CheckState.OK)
    return Check(
        label=f"Permissions on {scope_name}",
        state=CheckState.FAILED,
        detail=f"missing: {', '.join(lacking)}",
        fix=f"Ask for {_role(lacking)} on {scope_name}, or a role of your own with this action; a new role "
        "takes some minutes to work.",
    )


_ROLES = (
    ("/replicationprotecteditems/remove/", "Site Recovery Contributor"),
    ("/replication", "Site Recovery Operator"),
    ("/protecteditems/delete", "Backup Contributor"),
    ("microsoft.recoveryservices/", "Backup Operator"),
    ("/snapshots/", "Disk Snapshot Contributor"),
    ("microsoft.storage/", "Reader"),
)
"""The smallest of Azure's own roles that has an action, by a part of the action's name."""


def _role(lacking: Iterable[str]) -> str:
    found = [
        next((role for part, role in _ROLES if part in one.lower()), "Virtual Machine Contributor")
        for one in lacking
    ]
    return " and ".join(dict.fromkeys(found))


def could_not_check(label: str, problem: RecoveryError) -> Check:
    return Check(label=label, state=CheckState.UNKNOWN, detail=problem.title, fix=problem.hint)


def _health(health: str, messages: list[str]) -> Check:
    state = {"Normal": CheckState.OK, "Warning": CheckState.WARNING, "Critical": CheckState.FAILED}
    return Check(
        label="Replication health",
        state=state.get(health, CheckState.UNKNOWN),
        detail=health + (f": {messages[0]}" if messages and health != "Normal" else ""),
    )


def _figure_age(rpo_s: int | None, calculated_at: datetime | None, now: datetime) -> Check:
    if rpo_s is None or calculated_at is None:
        return Check(
            label="Recovery point objective", state=CheckState.UNKNOWN, detail="Azure gives no figure"
        )
    age_s = max(0.0, (now - calculated_at).total_seconds())
    return Check(
        label="Recovery point objective",
        state=CheckState.WARNING if age_s > FIGURE_OLD_S else CheckState.OK,
        detail=f"{span(rpo_s)}, calculated {span(age_s)} ago: up to {span(rpo_s + age_s)} are lost",
    )


def _heartbeat(at: datetime | None, now: datetime) -> Check:
    if at is None:
        return Check(label="Agent reports", state=CheckState.UNKNOWN, detail="no heartbeat is known")
    age_s = (now - at).total_seconds()
    late = age_s > HEARTBEAT_OLD_S
    return Check(
        label="Agent reports",
        state=CheckState.WARNING if late else CheckState.OK,
        detail=f"last heartbeat {span(age_s)} ago",
        fix="Look at the Mobility service on the VM." if late else "",
    )


def _agent(expires_at: datetime | None, now: datetime) -> Check:
    if expires_at is None or expires_at.year >= 9999:
        return Check(label="Agent version", state=CheckState.OK, detail="no expiry")
    days = (expires_at - now).days
    state = CheckState.FAILED if days < 0 else CheckState.WARNING if days < AGENT_SOON_DAYS else CheckState.OK
    return Check(
        label="Agent version",
        state=state,
        detail=f"expired {-days} days ago" if days < 0 else f"supported for {days} days",
        fix="" if state is CheckState.OK else "Update the Mobility service.",
    )


def _drill(at: datetime | None, test_state: str, now: datetime) -> Check:
    if test_state not in ("", "None", "MarkedForDeletion"):
        return Check(
            label="No drill is open",
            state=CheckState.WARNING,
            detail="a test failover was not cleaned up",
            fix="Clean it up first.",
        )
    if at is None:
        return Check(
            label="Last drill", state=CheckState.WARNING, detail="never: nobody knows whether it boots there"
        )
    days = (now - at).days
    return Check(
        label="Last drill",
        state=CheckState.WARNING if days > DRILL_OLD_DAYS else CheckState.OK,
        detail=f"{days} days ago",
    )


def span(seconds: float) -> str:
    """`42s`, `4m 10s`, `3h 12m`, `2d 4h`."""
    whole = max(0, round(seconds))
    for size, unit, below, under in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size}{unit}" + (f" {rest}{under}" if rest else "")
    return f"{whole}s"


def _when(at: datetime | None) -> str:
    return f"{at:%H:%M} UTC" if at else "just now"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
