"""The way home after a failover: what comes next on a replicated item, and with which action. Pure.

Row, watch screen and loose ends say the same. It follows what the service allows, never a table of states.
"""

from __future__ import annotations

from .model import Fact, FleetItem, Replication

NEW_ITEM = "New replicated item"
"""Under this name a re-protect's job tells where the item stands from now on."""


class NextStep(Fact, frozen=True):
    text: str
    """Half a sentence after "next step:"."""
    action: str = ""
    """Id of the action that does it; empty when there is only waiting."""


def item_id_of(row: FleetItem) -> str:
    """In lower case; empty for what is not replicated."""
    return row.replication.item_id.lower() if row.replication else ""


def is_away(replication: Replication) -> bool:
    """It runs in the region that it was once failed over to."""
    initial = _word(replication.initial_primary_region)
    return bool(initial) and initial != _word(replication.primary_region)


def synchronises(replication: Replication) -> bool:
    """A re-protect has turned it round and its disks are being compared and copied."""
    return replication.protection_state.startswith("InitialReplication") and bool(
        replication.original_disk_id or is_away(replication)
    )


def next_step(replication: Replication) -> NextStep | None:
    """None where nothing is open."""
    here = replication.primary_region or "its first region"
    there = replication.recovery_region or "the other region"
    if replication.allows("TestFailoverCleanup") or replication.current_scenario:
        return None
    if replication.allows("Commit"):
        return NextStep(f"look whether it works in {there}, then commit", "commit-failover")
    if replication.allows("SwitchProtection"):
        return NextStep(f"re-protect it, so that it can go back to {here}", "re-protect")
    if synchronises(replication):
        then = f"fail back to {there}" if is_away(replication) else "it is whole again"
        return NextStep(f"wait until it is protected, then {then}")
    if is_away(replication) and replication.allows("UnplannedFailover"):
        return NextStep(f"fail back to {there}, then commit and re-protect again", "failover")
    return None


def _word(region: str) -> str:
    return region.replace(" ", "").lower()
