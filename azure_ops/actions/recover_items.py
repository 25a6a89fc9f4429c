"""Azure Backup's own file recovery: a point is opened for twelve hours, and a script mounts its volumes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..errors import NotFound, RecoveryError, Refused
from ..item_recovery import LASTS, LEAVE, RECOVER, REVOKE, WRITE
from ..model import Field, FleetItem, Form, Job, Option, Output, RecoveryPoint, Risk
from . import restoring
from .protected import request_of
from .spec import Action, Context, Draft, Step, TargetKind

if TYPE_CHECKING:
    from pathlib import Path

    from ..engine.submitted import Submitted
    from ..journal.store import Entry

_POINTS = "Microsoft.RecoveryServices/Vaults/backupFabrics/protectionContainers/protectedItems/recoveryPoints"
PROVISION = f"{_POINTS}/provisionInstantItemRecovery/action"
END = f"{_POINTS}/revokeInstantItemRecovery/action"
SCRIPTS = f"{_POINTS}/listInstantItemRecoveryOperationResult/action"
OPEN = "file session open"
NEEDS = (
    "The script needs a machine of the same kind of system ({os}), {right} there, and a way out to Azure on "
    "port 3260; it reads about 1 GB an hour."
)


# opening ----------------------------------------------------------------------------------------------------


async def choices(context: Context, targets: Sequence[FleetItem]) -> Form:
    points = await _points(context, targets[0])
    options = restoring.point_options(points, context.now())
    if not options:
        raise Refused(f"{targets[0].name} has no recovery point to take files from.", "See the points (2).")
    write = Option(
        value=WRITE,
        label="Write it here",
        note="with its password beside it, in a folder that you alone can read",
    )
    leave = Option(value=LEAVE, label="Leave it in Azure", note="the portal gives script and password")
    return Form(
        fields=(
            Field(id="point", label="Recovery point", options=options, default=options[0].value),
            Field(id="script", label="Script", options=(write, leave), default=WRITE),
        )
    )


async def _points(context: Context, target: FleetItem) -> tuple[RecoveryPoint, ...]:
    from ..services import backup

    return await backup.list_points(context.session, restoring.backup_of(target).item_id)


async def plan(context: Context, target: FleetItem, answers: Mapping[str, str]) -> Draft:
    from ..services import restores

    backup, name = restoring.backup_of(target), answers.get("point", "")
    try:
        found = await restores.read_point(context.session, backup.item_id, name)
    except NotFound as problem:
        raise Refused(
            f"{target.name} has no such recovery point (any more).", "Choose another point."
        ) from problem
    renew = found.point.note == OPEN
    writes = answers.get("script", WRITE) == WRITE
    system = found.os_type or "that of the VM"
    right = "an administrator" if found.os_type == "Windows" else "root"
    hours = int(LASTS.total_seconds() // 3600)
    return Draft(
        steps=(
            Step(
                title=f"File recovery connection to {target.name}",
                target_id=backup.item_id,
                arguments={
                    "point": name,
                    "renew": "yes" if renew else "no",
                    "script": WRITE if writes else LEAVE,
                },
                request=request_of(
                    "POST",
                    f"{backup.item_id}/recoveryPoints/{name}/provisionInstantItemRecovery",
                    _body(target, name, renew=renew),
                ),
            ),
        ),
        consequences=(
            restoring.point_line(found.point, context.now()),
            f"The connection that is open to this point gets another {hours} hours, and a new password."
            if renew
            else f"Azure opens the point for {hours} hours; that takes about a minute. {target.name} "
            "itself is not touched.",
            NEEDS.format(os=system, right=right),
            "Script and password are written to a folder of this machine that you alone can read."
            if writes
            else "Nothing is written here: the portal shows script and password.",
            "It is a loose end until it is revoked (Revoke file recovery) or its hours are over.",
        ),
        permissions=(
            (backup.vault_id, PROVISION),
            *(((backup.vault_id, SCRIPTS),) if writes else ()),
        ),
        refused=("Azure recovers no single files of encrypted machines",) if found.encrypted else (),
        amend=True,
        good_until=found.point.expires_at,
    )


def _body(target: FleetItem, point: str, *, renew: bool) -> dict[str, Any]:
    return {
        "properties": {
            "objectType": "IaasVMILRRegistrationRequest",
            "recoveryPointId": point,
            "virtualMachineId": target.id,
            "renewExistingRegistration": renew,
        }
    }


async def run(context: Context, entry: Entry) -> Submitted:
    from ..services import item_recovery

    body = json.loads(entry.plan.requests[-1].body)
    return await item_recovery.provision(
        context.session, entry.target_id, entry.arguments["point"], body, entry.request_id
    )


async def find(context: Context, entry: Entry) -> Submitted | None:
    """There is no job: the point says that it is open. Of a renewal nothing can be seen."""
    if entry.arguments.get("renew") == "yes":
        return None
    return await _point_that_is(context, entry, opened=True)


async def _point_that_is(context: Context, entry: Entry, *, opened: bool) -> Submitted | None:
    """The point's own address is as good as that of the operation: it answers that it is there."""
    from ..engine.submitted import Submitted
    from ..services import item_recovery

    point = entry.arguments["point"]
    if await item_recovery.is_open(context.session, entry.target_id, point) is not opened:
        return None
    url = request_of("GET", f"{entry.target_id}/recoveryPoints/{point}", None).url
    return Submitted(resume=f"{context.session.endpoint}{url}")


async def made(context: Context, entry: Entry, job: Job) -> tuple[Output, ...]:
    """Until when it is open; and the script, where the user wanted it written."""
    until = entry.service_created_at + LASTS
    told = Output(label="Open until", value=f"{until:%Y-%m-%d %H:%M} UTC")
    if entry.arguments.get("script") != WRITE:
        return (told,)
    return (told, *await _written(context, entry))


async def _written(context: Context, entry: Entry) -> tuple[Output, ...]:
    import asyncio

    from ..engine import item_scripts
    from ..services import item_recovery

    operation = urlsplit(entry.resume).path.rsplit("/", 1)[-1]
    point = entry.arguments["point"]
    if operation == point:
        return (Output(label="Script", value="not known any more: renew the connection to get it"),)
    try:
        scripts = await item_recovery.read_scripts(context.session, entry.target_id, point, operation)
        folder = _folder(context, entry.id)
        script, password = await asyncio.to_thread(item_scripts.write, folder, scripts)
    except RecoveryError as problem:
        return (Output(label="Script", value=f"not written: {problem}"),)
    told = [Output(label="Script", value=str(script)), Output(label="Password file", value=str(password))]
    if scripts[0].os_type == "Windows":
        url = next((one.url for one in scripts if one.url), "")
        told.append(Output(label="Program for Windows", value=url))
    else:
        told.append(Output(label="Run it", value=f"sudo azrecover files --script {script.parent}"))
    return tuple(told)


def _folder(context: Context, operation_id: str) -> Path:
    from ..paths import state_dir

    return state_dir(context.session.settings) / "items" / operation_id


RECOVER_ITEMS = Action(
    id=RECOVER,
    title="Files by recovery script",
    target=TargetKind.VM,
    risk=Risk.CREATES,
    needs=("backup",),
    without_vm=True,
    permissions=(PROVISION, SCRIPTS),
    why_not=restoring.why_not,
    choices=choices,
    plan=plan,
    run=run,
    find=find,
    made=made,
    many=False,
    keywords=("item-level recovery", "file recovery", "mount", "script", "renew"),
)


# closing ----------------------------------------------------------------------------------------------------


async def open_choices(context: Context, targets: Sequence[FleetItem]) -> Form:
    points = [point for point in await _points(context, targets[0]) if point.note == OPEN]
    if not points:
        raise Refused(
            f"No recovery point of {targets[0].name} is open for file recovery.",
            "There is nothing to revoke.",
        )
    options = restoring.point_options(points, context.now())
    return Form(fields=(Field(id="point", label="Open point", options=options, default=options[0].value),))


async def plan_end(context: Context, target: FleetItem, answers: Mapping[str, str]) -> Draft:
    from ..services import item_recovery

    backup, name = restoring.backup_of(target), answers.get("point", "")
    try:
        opened = await item_recovery.is_open(context.session, backup.item_id, name)
    except NotFound:
        opened = False
    return Draft(
        steps=(
            Step(
                title=f"End of file recovery of {target.name}",
                target_id=backup.item_id,
                arguments={"point": name},
                request=request_of(
                    "POST", f"{backup.item_id}/recoveryPoints/{name}/revokeInstantItemRecovery", None
                ),
            ),
        ),
        consequences=(
            "Azure closes the connection: where its script has mounted the volumes, they cannot be read any "
            "more. Unmount them there first.",
            "The script that azrecover has written for it is removed, with its password.",
        ),
        permissions=((backup.vault_id, END),),
        refused=() if opened else ("this point is not open (any more)",),
        amend=True,
    )


async def run_end(context: Context, entry: Entry) -> Submitted:
    from ..services import item_recovery

    return await item_recovery.revoke(
        context.session, entry.target_id, entry.arguments["point"], entry.request_id
    )


async def find_end(context: Context, entry: Entry) -> Submitted | None:
    return await _point_that_is(context, entry, opened=False)


async def removed(context: Context, entry: Entry, job: Job) -> tuple[Output, ...]:
    """Takes away the scripts of this point, whichever operation wrote them."""
    import asyncio

    from ..engine import item_scripts

    folders = _folder(context, "x").parent
    point = entry.arguments["point"]
    await asyncio.to_thread(item_scripts.remove_of, folders, point)
    return ()


REVOKE_ITEMS = Action(
    id=REVOKE,
    title="Revoke file recovery",
    target=TargetKind.VM,
    risk=Risk.CREATES,
    needs=("backup",),
    without_vm=True,
    permissions=(END,),
    why_not=restoring.why_not,
    choices=open_choices,
    plan=plan_end,
    run=run_end,
    find=find_end,
    made=removed,
    many=False,
    keywords=("item-level recovery", "unmount", "close"),
)
