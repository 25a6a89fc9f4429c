"""What comes next on the way there and back, and how it stays open: by what the service allows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from azure_ops.actions import by_id
from azure_ops.failback import is_away, next_step, synchronises
from azure_ops.loose_ends import Kind, of_row
from azure_ops.model import FleetItem, Replication
from widgets.vm_table import replication_state

NOW = datetime(2026, 8, 22, 14, tzinfo=UTC)
HOME: dict[str, Any] = {
    "item_id": "/v/i", "vault_id": "/v", "primary_region": "westeurope", "recovery_region": "northeurope",
    "initial_primary_region": "West Europe", "active_location": "Primary", "protection_state": "Protected",
    "allowed_operations": ("UnplannedFailover", "DisableProtection", "TestFailover"),
}  # fmt: skip
AWAY = {**HOME, "primary_region": "northeurope", "recovery_region": "westeurope"}
COPYING = {"protection_state": "InitialReplicationInProgress", "allowed_operations": ("DisableProtection",)}
FAILED_OVER = {"active_location": "Recovery", "protection_state": "UnplannedFailoverCommitPendingStatesBegin"}
PENDING = {**FAILED_OVER, "allowed_operations": ("Commit", "ChangePit", "SwitchProtection")}
COMMITTED = {**FAILED_OVER, "allowed_operations": ("DisableProtection", "SwitchProtection")}
STAGES: list[tuple[str, dict[str, Any], str | None, Kind | None, str]] = [
    ("at home", HOME, None, None, ""),
    ("failed over", HOME | PENDING, "commit-failover", Kind.FAILOVER_UNCOMMITTED, "▲ uncommitted"),
    ("committed", HOME | COMMITTED, "re-protect", Kind.NOT_REPROTECTED, "▲ failed over"),
    ("coming back", AWAY | COPYING, "", Kind.SYNCHRONISING, "◐ re-protect"),
    ("protected away", AWAY, "failover", Kind.AWAY, ""),
    ("failed back", AWAY | PENDING, "commit-failover", Kind.FAILOVER_UNCOMMITTED, "▲ uncommitted"),
    ("failed back for good", AWAY | COMMITTED, "re-protect", Kind.NOT_REPROTECTED, "▲ failed over"),
    ("whole again soon", HOME | COPYING | {"original_disk_id": "/d"}, "", Kind.SYNCHRONISING, "◐ re-protect"),
    ("first copy", HOME | COPYING, None, None, "◐ first copy"),
    ("a job runs", HOME | {"current_scenario": "ReverseReplication"}, None, None, "◐ ReverseReplication"),
]


@pytest.mark.parametrize(
    ("facts", "action", "kind", "cell"), [s[1:] for s in STAGES], ids=[s[0] for s in STAGES]
)
def test_each_stage_has_its_next_step_its_loose_end_and_its_word(
    facts: dict[str, Any], action: str | None, kind: Kind | None, cell: str
) -> None:
    replication = Replication(**facts)
    row = FleetItem(
        key="web", id="/web", name="web", subscription_id="s", resource_group="g", replication=replication
    )
    then = next_step(replication)
    assert (then.action if then else None) == action
    ends = of_row(row, {}, {}, NOW)
    assert [end.kind for end in ends] == ([kind] if kind else [])
    if kind is not None:
        assert ends[0].action == action
    if action:
        assert by_id(action).why_not(row) is None, "the key of a loose end leads on"
    if cell:
        assert replication_state(replication).text == cell


def test_regions_are_compared_however_they_are_spelled() -> None:
    assert not is_away(Replication(**HOME))
    assert is_away(Replication(**AWAY))
    assert not is_away(Replication(**{**AWAY, "initial_primary_region": ""}))
    assert not synchronises(Replication(**AWAY))


def test_a_failed_over_item_that_azure_does_not_let_re_protect_has_no_key() -> None:
    stuck = Replication(**{**HOME, **FAILED_OVER, "allowed_operations": ("DisableProtection",)})
    row = FleetItem(key="w", id="/w", name="w", subscription_id="s", resource_group="g", replication=stuck)
    (end,) = of_row(row, {}, {}, NOW)
    assert (end.kind, end.action) == (Kind.NOT_REPROTECTED, "")
    assert "allows no re-protect" in end.way_out
