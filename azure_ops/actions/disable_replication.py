"""Disable replication: item and recovery points go, the machines stay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..model import Check, CheckState, FleetItem, Replication, Risk
from . import replicated
from .spec import Action, Context, Draft, Step, TargetKind

if TYPE_CHECKING:
    from ..engine.submitted import Submitted
    from ..journal.store import Entry

PERMISSION = replicated.permission("remove")


async def plan(context: Context, target: FleetItem, answers: Mapping[str, str]) -> Draft:
    replication = replicated.replication_of(target)
    body = {"properties": {"disableProtectionReason": "NotSpecified"}}
    return Draft(
        steps=(
            Step(
                title=f"Disabling replication of {target.name}",
                target_id=replication.item_id,
                request=replicated.request(replication.item_id, "remove", body),
            ),
        ),
        consequences=(
            f"{target.name} is no longer replicated from {replication.primary_region} to "
            f"{replication.recovery_region}: when {replication.primary_region} fails, there is no failover.",
            _what_stays(target, replication),
            "Replicating it again means a first copy of all data.",
        ),
        losses=(
            f"All replication points of {target.name} and its replica disks in {replication.recovery_region} "
            "are deleted for good.",
            "It drops out of every recovery plan that it is in.",
        ),
        checks=(_elsewhere(target),),
        permissions=((replication.vault_id, PERMISSION),),
    )


def _what_stays(target: FleetItem, replication: Replication) -> str:
    if replication.active_location == "Recovery":
        return (
            f"The machine in {replication.recovery_region} runs on, and what is left of {target.name} in "
            f"{replication.primary_region} stays; there is no way back any more."
        )
    return (
        f"{target.name} runs on untouched; snapshots that Site Recovery made and cached data may stay behind "
        "and cost money until somebody deletes them."
    )


def _elsewhere(target: FleetItem) -> Check:
    at = target.backup.last_point_at if target.backup else None
    return Check(
        label="Something else protects it",
        state=CheckState.WARNING if at is None else CheckState.OK,
        detail=f"newest backup {at:%Y-%m-%d %H:%M} UTC" if at else "no backup of it is known",
        fix="" if at else "Enable backup first, or keep the replication.",
    )


async def run(context: Context, entry: Entry) -> Submitted:
    from ..services import reprotect

    return await reprotect.disable_replication(context.session, entry.target_id, entry.request_id)


DISABLE_REPLICATION = Action(
    id="disable-replication",
    title="Disable replication",
    target=TargetKind.VM,
    risk=Risk.DESTROYS,
    needs=("replication",),
    without_vm=True,
    azure_operation="DisableProtection",
    permissions=(PERMISSION,),
    why_not=replicated.why_not("DisableProtection", "its replication cannot be disabled now"),
    plan=plan,
    run=run,
    find=replicated.finder("DisableDr"),
    keywords=("remove", "stop replication", "unprotect"),
)
