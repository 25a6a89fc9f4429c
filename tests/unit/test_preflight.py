"""What an expert would look at, over facts; and which changes make a plan void."""

from __future__ import annotations

from datetime import timedelta

import pytest

from azure_ops import preflight
from azure_ops.errors import ServiceFailed
from azure_ops.model import CheckState, HealthNote, Job, JobKind, JobState, Operation, Phase, PowerState

from .test_actions import NOW, job, replication, vm


def states(checks: list[preflight.Check]) -> dict[str, CheckState]:
    return {check.label: check.state for check in checks}


def test_a_healthy_vm_passes() -> None:
    item = vm(
        replication=replication(
            replication_health="Normal",
            last_heartbeat_at=NOW - timedelta(minutes=5),
            agent_expires_at=NOW + timedelta(days=200),
            last_test_failover_at=NOW - timedelta(days=30),
        )
    )
    checks = preflight.replication_checks(item, NOW)
    assert set(states(checks).values()) == {CheckState.OK}


@pytest.mark.parametrize(
    ("changes", "label", "state"),
    [
        ({"replication_health": "Critical"}, "Replication health", CheckState.FAILED),
        ({"replication_health": "Warning"}, "Replication health", CheckState.WARNING),
        ({"replication_health": ""}, "Replication health", CheckState.UNKNOWN),
        ({"rpo_calculated_at": NOW - timedelta(hours=2)}, "Recovery point objective", CheckState.WARNING),
        ({"rpo_s": None}, "Recovery point objective", CheckState.UNKNOWN),
        ({"last_heartbeat_at": NOW - timedelta(hours=1)}, "Agent reports", CheckState.WARNING),
        ({"last_heartbeat_at": None}, "Agent reports", CheckState.UNKNOWN),
        ({"agent_expires_at": NOW - timedelta(days=3)}, "Agent version", CheckState.FAILED),
        ({"agent_expires_at": NOW + timedelta(days=3)}, "Agent version", CheckState.WARNING),
        ({"last_test_failover_at": None}, "Last drill", CheckState.WARNING),
        ({"last_test_failover_at": NOW - timedelta(days=200)}, "Last drill", CheckState.WARNING),
        ({"test_failover_state": "WaitingForCompletion"}, "No drill is open", CheckState.WARNING),
    ],
)
def test_each_trouble_shows(changes: dict[str, object], label: str, state: CheckState) -> None:
    checks = preflight.replication_checks(vm(replication=replication(**changes)), NOW)
    assert states(checks)[label] is state


def test_the_first_health_error_is_named() -> None:
    notes = (HealthNote(code="90078", message="No replication progress in 60 minutes"),)
    item = vm(replication=replication(replication_health="Critical", notes=notes))
    assert "No replication progress" in preflight.replication_checks(item, NOW)[0].detail


def test_who_works_on_it_is_named() -> None:
    item = vm()
    ours = Operation(
        id="o",
        action="backup-now",
        title="Backup of web-01",
        target_key=item.key,
        target_name="web-01",
        phase=Phase.RUNNING,
        created_at=NOW,
        job_id="/V/backupJobs/1",
        confirmed_by="ops@pts/3",
    )
    same = job(id="/v/backupJobs/1", target_key=item.key)
    other = Job(
        id="/v/replicationJobs/2",
        kind=JobKind.REPLICATION,
        operation="TestFailover",
        title="Test failover",
        state=JobState.RUNNING,
        target_key=item.key,
    )
    found = preflight.running_checks(item, [same, other], [ours])
    assert [check.state for check in found] == [CheckState.FAILED, CheckState.WARNING]
    assert "ops@pts/3 at 14:00:00 UTC" in found[0].detail
    assert "Test failover" in found[1].detail
    assert preflight.running_checks(item, [], [])[0].state is CheckState.OK


def test_the_machine_that_a_failover_started_is_no_stranger_of_the_same_name() -> None:
    group = "/subscriptions/s/resourceGroups/rg-dr"
    facts = {"recovery_vm_name": "web-01", "recovery_resource_group_id": group}
    target_id = f"{group}/providers/Microsoft.Compute/virtualMachines/web-01"
    target = vm(key=target_id.lower(), id=target_id, resource_group="rg-dr", location="neu", replication=None)
    moved = vm(replication=replication(active_location="Recovery", allowed_operations=("Commit",), **facts))
    (check,) = preflight.namesake_checks(moved, [moved, target])
    assert (check.state, check.detail) == (CheckState.OK, "is what this failover has started")
    other = vm(key="/other", location="weu", resource_group="rg-test")
    found = preflight.namesake_checks(moved, [moved, target, other])
    assert [one.state for one in found] == [CheckState.OK, CheckState.WARNING]
    assert "rg-dr" not in found[1].detail
    resting = vm(replication=replication(active_location="Primary", **facts))
    assert preflight.namesake_checks(resting, [resting, target])[0].state is CheckState.WARNING


def test_a_group_that_fails_over_together_is_named() -> None:
    assert preflight.multi_vm_check(vm()) == []
    (check,) = preflight.multi_vm_check(vm(replication=replication(multi_vm_group="sql-cluster")))
    assert "sql-cluster" in check.detail


def test_only_what_a_plan_relies_on_makes_it_void() -> None:
    before = preflight.facts(vm())
    calm = vm(replication=replication(rpo_s=900, rpo_calculated_at=NOW))
    assert preflight.changes("web-01", before, preflight.facts(calm)) == []
    moved = vm(replication=replication(test_failover_state="WaitingForCompletion", allowed_operations=()))
    lines = preflight.changes("web-01", before, preflight.facts(moved))
    assert lines == [
        "web-01: test failover was nothing, is WaitingForCompletion now",
        "web-01: allowed operations was TestFailover, UnplannedFailover, is nothing now",
    ]
    stopped = preflight.changes("web-01", before, preflight.facts(vm(power_state=PowerState.STOPPED)))
    assert stopped == ["web-01: power state was unknown, is stopped now"]
    gone = preflight.changes("web-01", before, preflight.facts(vm(replication=None)))
    assert any("replicated item" in line for line in gone)


def test_missing_and_unreadable_permissions_look_different() -> None:
    assert preflight.permission_check((), "rsv-weu").state is CheckState.OK
    missing = preflight.permission_check(("a/b/action",), "rsv-weu")
    assert (missing.state, "a/b/action" in missing.detail) == (CheckState.FAILED, True)
    assert preflight.could_not_check("Permissions", ServiceFailed("no", "later")).state is CheckState.UNKNOWN


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.6, "1m"), (250, "4m 10s"), (3600, "1h"), (7500, "2h 5m"), (200_000, "2d 7h"), (-5, "0s")],
)
def test_spans_are_read_at_a_glance(seconds: float, text: str) -> None:
    assert preflight.span(seconds) == text
