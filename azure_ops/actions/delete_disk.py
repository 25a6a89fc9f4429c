"""Delete a managed disk that is attached to nothing, such as one that a restore has left behind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from ..errors import NotFound
from ..loose_ends.restored import Evidence
from ..model import Check, CheckState, FleetItem, Job, ManagedDisk, PlannedRequest, Risk
from .locked import deletion_check
from .spec import Action, Context, Draft, Step, TargetKind

if TYPE_CHECKING:
    from ..engine.submitted import Submitted
    from ..journal.store import Entry

DELETE = "Microsoft.Compute/disks/delete"


def why_not(target: FleetItem | Job | ManagedDisk) -> str | None:
    if not isinstance(target, ManagedDisk):
        return "this works on disks that are attached to nothing: see the loose ends (L)"
    if target.attached_to:
        return f"it is attached to {target.attached_to.rsplit('/', 1)[-1]}"
    if target.state.lower() != "unattached":
        return f"Azure says that it is in use: {target.state or 'its state is not told'}"
    if target.is_replica:
        return "it is a copy of Site Recovery's: replication needs it"
    return None


async def plan(context: Context, target: ManagedDisk, answers: Mapping[str, str]) -> Draft:
    from ..arm_ids import request_path
    from ..services.api_versions import api_version_of

    lock = await deletion_check(context, target.id)
    made = f", made {target.created_at:%Y-%m-%d %H:%M} UTC" if target.created_at else ""
    size = f"{target.size_gb} GB {target.sku}".strip()
    return Draft(
        steps=(
            Step(
                title=f"Deletion of disk {target.name}",
                target_id=target.id,
                request=PlannedRequest(
                    method="DELETE", url=f"{request_path(target.id)}?api-version={api_version_of(target.id)}"
                ),
            ),
        ),
        consequences=(
            f"The disk {target.name} of {_group(target)} is deleted: {size}{made}.",
            "It costs nothing any more. No virtual machine, snapshot or backup is touched.",
            "Where a restore left it behind, nothing else has what was written after the recovery point.",
        ),
        losses=(f"What is on {target.name} is gone for good: Azure has no way back for a deleted disk.",),
        checks=(
            Check(label="Attached to nothing", state=CheckState.OK, detail=target.state),
            lock,
            *_young(target, context.now()),
        ),
        permissions=((target.id, DELETE),),
        refused=(
            *((f"it is locked: {lock.detail}",) if lock.state is CheckState.FAILED else ()),
            *_awaited(target, context.jobs.values()),
        ),
    )


def _awaited(target: ManagedDisk, jobs: Iterable[Job]) -> tuple[str, ...]:
    job = Evidence((), jobs).awaited(target)
    if job is None:
        return ()
    return (f"a restore of {job.target_name} runs and is about to use it; wait until it has ended",)


def _young(target: ManagedDisk, now: datetime) -> tuple[Check, ...]:
    if target.created_at is None or (now - target.created_at).days >= 1:
        return ()
    return (
        Check(
            label="Old enough not to be missed",
            state=CheckState.WARNING,
            detail="it was made less than a day ago",
            fix="Make sure that nobody is just about to use it.",
        ),
    )


def _group(target: ManagedDisk) -> str:
    from ..arm_ids import group_of

    return group_of(target.id)


async def run(context: Context, entry: Entry) -> Submitted:
    from ..services import disks

    return await disks.begin_delete(context.session, entry.target_id, entry.request_id)


async def find(context: Context, entry: Entry) -> Submitted | None:
    """A deletion leaves nothing that could name our request: whether the disk is gone is all there is."""
    from ..engine.submitted import Submitted
    from ..services import disks

    try:
        await disks.read_disk(context.session, entry.target_id)
    except NotFound:
        return Submitted(job_id=entry.target_id)
    return None


DELETE_DISK = Action(
    id="delete-disk",
    title="Delete disk",
    target=TargetKind.DISK,
    risk=Risk.DESTROYS,
    permissions=(DELETE,),
    why_not=why_not,
    plan=plan,
    run=run,
    find=find,
    many=False,
    keywords=("unattached", "left behind", "remove", "clean up"),
)
