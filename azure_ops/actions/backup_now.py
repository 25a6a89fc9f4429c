"""Back up a VM now: one more recovery point, beside those of the policy."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ..errors import Refused
from ..model import Check, CheckState, Field, FleetItem, Form, Job, PlannedRequest, PowerState, Risk
from ..points import crash_error, expected
from .spec import Action, Context, Draft, Step, TargetKind
from .words import what_becomes_of

if TYPE_CHECKING:
    from ..engine.submitted import Submitted
    from ..journal.store import Entry

PERMISSION = (
    "Microsoft.RecoveryServices/Vaults/backupFabrics/protectionContainers/protectedItems/backup/action"
)
KEPT_DAYS = 30
MOST_DAYS = 3650


def why_not(target: FleetItem | Job) -> str | None:
    if isinstance(target, Job):
        return "this works on virtual machines"
    if target.backup is None:
        return "it is not backed up by any vault"
    if not target.exists:
        return "the virtual machine is gone; only its backups are left"
    if target.backup.soft_deleted:
        return "its backups are deleted; undelete them first"
    if target.backup.stopped:
        return f"its protection is stopped ({target.backup.protection_state}); resume it first"
    return None


async def choices(context: Context, targets: Sequence[FleetItem]) -> Form:
    default = (context.now() + timedelta(days=KEPT_DAYS)).date().isoformat()
    return Form(
        fields=(
            Field(
                id="expires",
                label="Keep the point until (UTC)",
                default=default,
                help="YYYY-MM-DD; the policy's retention does not apply to this point",
            ),
        )
    )


async def early(context: Context, target: FleetItem) -> tuple[Check, ...]:
    from .. import preflight

    jobs = context.jobs.values()
    return (*preflight.backup_checks(target, jobs), *consistency_checks(target, jobs))


async def plan(context: Context, target: FleetItem, answers: Mapping[str, str]) -> Draft:
    from .. import preflight
    from ..arm_ids import request_path
    from ..services.api_versions import api_version_of

    assert target.backup is not None
    expires_at = parse_expiry(answers.get("expires", ""), context.now())
    wire_time = f"{expires_at:%Y-%m-%dT%H:%M:%S}Z"
    body = {"properties": {"objectType": "IaasVMBackupRequest", "recoveryPointExpiryTimeInUTC": wire_time}}
    first = target.backup.protection_state == "IRPending"
    return Draft(
        steps=(
            Step(
                title=f"Backup of {target.name}",
                target_id=target.backup.item_id,
                arguments={"expires_at": expires_at.isoformat(), "vm_key": target.key},
                request=PlannedRequest(
                    method="POST",
                    url=f"{request_path(target.backup.item_id)}/backup?api-version={api_version_of(target.backup.item_id)}",
                    body=json.dumps(body),
                ),
            ),
        ),
        consequences=(
            f"A recovery point of {target.name} is made in {target.backup.vault_name} and kept until "
            f"{expires_at:%Y-%m-%d} UTC; it costs storage until then.",
            f"{what_becomes_of(target)}; its disks are briefly snapshotted, then copied to the vault.",
            expected(target),
            *(("This is the first backup: all of the disks is copied, which takes long.",) if first else ()),
        ),
        checks=(
            *preflight.backup_checks(target, context.jobs.values()),
            *consistency_checks(target, context.jobs.values()),
        ),
        permissions=((target.backup.vault_id, PERMISSION),),
        good_until=expires_at,
    )


def consistency_checks(target: FleetItem, jobs: Iterable[Job]) -> tuple[Check, ...]:
    """Only when something speaks against a better one."""
    label = "Better than crash-consistent"
    if target.power_state in (PowerState.STOPPED, PowerState.DEALLOCATED):
        detail, fix = f"the VM is {target.power_state}", "Start it first, if its applications matter."
    else:
        last = newest_backup(target, jobs)
        crash = crash_error(last)
        if crash is None:
            return ()
        detail, fix = f"the newest backup fell back: {crash.message or crash.code}", crash.recommendation
    return (Check(label=label, state=CheckState.WARNING, detail=detail, fix=fix),)


def newest_backup(target: FleetItem, jobs: Iterable[Job]) -> Job | None:
    """Of its backups that ended and are listed."""
    ended = [
        job for job in jobs if job.operation == "Backup" and job.target_key == target.key and job.ended_at
    ]
    return max(ended, key=lambda job: job.ended_at.timestamp() if job.ended_at else 0.0, default=None)


def parse_expiry(answer: str, now: datetime) -> datetime:
    """Midnight UTC of the day that was typed. Raises Refused."""
    if not answer.strip():
        return _midnight(now + timedelta(days=KEPT_DAYS))
    try:
        day = datetime.strptime(answer.strip(), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise Refused(f"{answer[:40]!r} is no date.", "Type it as YYYY-MM-DD.") from None
    if not now < day <= now + timedelta(days=MOST_DAYS):
        better = "a later" if day <= now else "an earlier"
        raise Refused(f"{day:%Y-%m-%d} is not within the next ten years.", f"Choose {better} date.")
    return day


def _midnight(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


async def run(context: Context, entry: Entry) -> Submitted:
    from ..services import backup

    expires_at = datetime.fromisoformat(entry.arguments["expires_at"])
    return await backup.trigger(context.session, entry.target_id, expires_at, entry.request_id)


async def find(context: Context, entry: Entry) -> Submitted | None:
    from ..arm_ids import vault_of
    from ..engine.submitted import Submitted
    from ..services import backup

    job = await backup.find_job(
        context.session,
        vault_of(entry.target_id),
        entry.arguments["vm_key"],
        entry.service_created_at,
        entry.request_id,
    )
    return None if job is None else Submitted(job_id=job.id)


BACKUP_NOW = Action(
    id="backup-now",
    title="Back up now",
    target=TargetKind.VM,
    risk=Risk.CREATES,
    needs=("backup",),
    permissions=(PERMISSION,),
    early=early,
    why_not=why_not,
    choices=choices,
    plan=plan,
    run=run,
    find=find,
    keywords=("on-demand", "recovery point", "protect"),
)
