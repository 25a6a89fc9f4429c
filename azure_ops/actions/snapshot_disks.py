"""Snapshots of a VM's managed disks: one operation for each disk."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ..model import (
    Check,
    CheckState,
    Disk,
    Field,
    FleetItem,
    Form,
    Job,
    Option,
    PlannedRequest,
    PowerState,
    Risk,
)
from .spec import Action, Context, Draft, Step, TargetKind
from .words import what_becomes_of

if TYPE_CHECKING:
    from ..engine.submitted import Submitted
    from ..journal.store import Entry

WRITE = "Microsoft.Compute/snapshots/write"
READ_DISK = "Microsoft.Compute/disks/read"
ALL_DISKS = "all"
OS_DISK = "os"
LONGEST_NAME = 80
TAG = "azrecover-operation"
SKU = "Standard_LRS"


def why_not(target: FleetItem | Job) -> str | None:
    if isinstance(target, Job):
        return "this works on virtual machines"
    if not target.exists:
        return "the virtual machine is gone"
    if not any(disk.id for disk in target.disks):
        return "it has no managed disks"
    return None


async def choices(context: Context, targets: Sequence[FleetItem]) -> Form:
    disks = [Option(value=ALL_DISKS, label="All disks")]
    if len(targets) == 1 and len(targets[0].disks) > 1:
        disks += [
            Option(
                value=disk.id.lower(),
                label=disk.name,
                note="OS disk" if disk.lun is None else f"data disk, LUN {disk.lun}",
            )
            for disk in targets[0].disks
            if disk.id
        ]
    elif len(targets) > 1:
        disks.append(Option(value=OS_DISK, label="OS disks only"))
    return Form(
        fields=(
            Field(
                id="kind",
                label="Kind",
                options=(
                    Option(
                        value="incremental", label="Incremental", note="only what changed is stored and paid"
                    ),
                    Option(value="full", label="Full", note="a copy of all used data"),
                ),
                default="incremental",
            ),
            Field(id="disks", label="Disks", options=tuple(disks), default=ALL_DISKS),
        )
    )


async def plan(context: Context, target: FleetItem, answers: Mapping[str, str]) -> Draft:
    chosen = _chosen(target, answers.get("disks", ALL_DISKS))
    incremental = answers.get("kind", "incremental") != "full"
    steps = tuple(_step(target, disk, context.now(), incremental=incremental) for disk in chosen)
    kind = "An incremental" if incremental else "A full"
    groups = sorted({_group_path(disk.id) for disk in chosen})
    return Draft(
        steps=steps,
        consequences=(
            *(f"{kind} snapshot {_name_of(step.target_id)} is made." for step in steps),
            f"{what_becomes_of(target)}. Each snapshot costs storage until it is deleted.",
        ),
        checks=_checks(target, chosen),
        permissions=tuple((group, action) for group in groups for action in (WRITE, READ_DISK)),
        refused=() if chosen else ("none of its disks was chosen",),
    )


def _chosen(target: FleetItem, answer: str) -> list[Disk]:
    disks = [disk for disk in target.disks if disk.id]
    if answer == ALL_DISKS:
        return disks
    if answer == OS_DISK:
        return [disk for disk in disks if disk.lun is None]
    return [disk for disk in disks if disk.id.lower() == answer.lower()]


def _step(target: FleetItem, disk: Disk, now: datetime, *, incremental: bool) -> Step:
    from ..services.api_versions import api_version_of

    tag = str(uuid.uuid4())
    name = snapshot_name(disk.name, now, tag)
    snapshot_id = f"{_group_path(disk.id)}/providers/Microsoft.Compute/snapshots/{name}"
    body = {
        "location": target.location,
        "tags": {TAG: tag},
        "sku": {"name": SKU},
        "properties": {
            "creationData": {"createOption": "Copy", "sourceResourceId": disk.id},
            "incremental": incremental,
        },
    }
    return Step(
        title=f"Snapshot of {disk.name}",
        target_id=snapshot_id,
        arguments={
            "disk_id": disk.id,
            "disk_name": disk.name,
            "location": target.location,
            "incremental": "yes" if incremental else "no",
            "tag": tag,
        },
        request=PlannedRequest(
            method="PUT",
            url=f"{snapshot_id}?api-version={api_version_of(snapshot_id)}",
            body=json.dumps(body),
        ),
    )


def snapshot_name(disk_name: str, now: datetime, tag: str) -> str:
    """Letters, digits, `_`, `-` and `.`, at most 80 of them. The time says when, the tag makes it new: a name
    that is taken would change that snapshot instead of making one."""
    stamp = f"-{now:%Y%m%d-%H%M%S}-{tag[:4]}"
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", disk_name).strip(".-") or "disk"
    if stem != disk_name or len(stem) + len(stamp) > LONGEST_NAME:
        # What tells the disks of one VM apart stands at the end of their names.
        stamp = f"-{hashlib.sha256(disk_name.encode()).hexdigest()[:6]}{stamp}"
    return f"{stem[: LONGEST_NAME - len(stamp)]}{stamp}"


def _checks(target: FleetItem, chosen: Sequence[Disk]) -> tuple[Check, ...]:
    several = len(chosen) > 1 and target.power_state is PowerState.RUNNING
    return (
        Check(
            label="Consistent with each other",
            state=CheckState.WARNING if several else CheckState.OK,
            detail="the disks are snapshotted one after the other while the VM writes" if several else "",
            fix="Stop the VM first, or back it up (B), if they must fit together." if several else "",
        ),
    )


def _group_path(disk_id: str) -> str:
    return re.split(r"(?i)/providers/", disk_id, maxsplit=1)[0]


def _name_of(arm_id: str) -> str:
    return arm_id.rsplit("/", 1)[-1]


async def run(context: Context, entry: Entry) -> Submitted:
    from ..services import compute

    arguments = entry.arguments
    return await compute.begin_snapshot(
        context.session,
        Disk(id=arguments["disk_id"], name=arguments["disk_name"]),
        entry.target_id,
        arguments["location"],
        incremental=arguments["incremental"] == "yes",
        tags={TAG: arguments["tag"]},
        client_request_id=entry.request_id,
    )


async def find(context: Context, entry: Entry) -> Submitted | None:
    from ..engine.submitted import Submitted
    from ..services import compute

    job = await compute.find_snapshot(context.session, entry.target_id, entry.arguments["tag"])
    return None if job is None else Submitted(job_id=job.id)


SNAPSHOT_DISKS = Action(
    id="snapshot-disks",
    title="Snapshot disks",
    target=TargetKind.VM,
    risk=Risk.CREATES,
    permissions=(WRITE, READ_DISK),
    on_the_vm=(WRITE, READ_DISK),
    why_not=why_not,
    choices=choices,
    plan=plan,
    run=run,
    find=find,
    keywords=("incremental", "copy", "disk"),
)
