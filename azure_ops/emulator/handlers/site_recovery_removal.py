"""Disabling the replication of an item: the POST `remove` and the DELETE that does without the source."""

from __future__ import annotations

from datetime import datetime

from ..answers import Answer
from ..records.site_recovery import JobTask, RecoveryPlan, ReplicationJob
from ..routing import Context, Routes
from ..world import World
from .site_recovery_bodies import choice, properties
from .site_recovery_effects import remove_replicas
from .site_recovery_failover import ITEM_ACTION
from .site_recovery_ids import ITEM, require_item, vault_of
from .site_recovery_runner import Scenario, accept, item_of, scenario, step
from .site_recovery_states import require_operation

ROUTES = Routes()
REASONS = ("NotSpecified", "MigrationComplete")
REMOVE_S, PURGE_S = 205.0, 112.0


def replace_in_plans(world: World, item_id: str, new_id: str) -> None:
    """Recovery plans name their members by id; an empty `new_id` takes the member out."""
    for plan in world.store.all(RecoveryPlan, under=vault_of(item_id)):
        for group in plan.groups:
            if item_id.lower() in (one.lower() for one in group.item_ids):
                kept = (new_id if one.lower() == item_id.lower() else one for one in group.item_ids)
                group.item_ids = [one for one in kept if one]
                world.store.save(plan)


@scenario
class DisableDr(Scenario):
    """Name and title are recorded in lists, its tasks nowhere."""

    name, title, operation = "DisableDr", "Disable replication", "DisableProtection"

    def tasks(self, world: World, job: ReplicationJob) -> list[JobTask]:
        total = float(job.inputs["seconds"])
        return [
            step("DisableDrPreflightTask", "DisableDrPreflightTask", "Prerequisite check", 1),
            step("DisableProtectionTask", "DisableProtectionTask", "Disabling replication", total - 1),
        ]

    def finish(self, world: World, job: ReplicationJob, at: datetime) -> None:
        """Item, points and replica disks are gone; machines on both sides stay as they are."""
        item = item_of(world, job)
        assert item is not None
        remove_replicas(world, item)
        replace_in_plans(world, item.id, "")
        world.store.delete(item)


@ROUTES.post(ITEM + "/remove", action=ITEM_ACTION + "/remove/action")
def remove_item(ctx: Context) -> Answer:
    item, asked = require_item(ctx), properties(ctx)
    reason = choice(ctx, asked, "disableProtectionReason", REASONS, "NotSpecified")
    require_operation(ctx, item, "DisableProtection")
    return accept(ctx, DisableDr.name, item, {"seconds": str(REMOVE_S), "reason": reason})


@ROUTES.delete(ITEM, action=ITEM_ACTION + "/delete")
def purge_item(ctx: Context) -> Answer:
    item = require_item(ctx)
    require_operation(ctx, item, "DisableProtection")
    return accept(ctx, DisableDr.name, item, {"seconds": str(PURGE_S)})
