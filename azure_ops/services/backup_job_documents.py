"""Azure Backup's job documents as our model. Pure.

Percentages are coarse and go backwards and are kept as what they are; `Cancellable` stays on jobs that ended.
"""

from __future__ import annotations

import re
from datetime import datetime

from ..arm_ids import key_of, request_path, subscription_of, vault_of
from ..model import Job, JobError, JobKind, JobState, JobTask
from ..wire_values import Document, moment, number, part, parts, text, word
from .job_states import backup_state
from .request_log import without_secrets

_TITLES = {
    "Backup": "Back up",
    "Restore": "Restore",
    "ConfigureBackup": "Configure backup",
    "DeleteBackupData": "Delete backup data",
    "DisableBackup": "Stop backup",
    "Undelete": "Undelete",
    "CrossRegionRestore": "Restore in the other region",
}
_SIGNATURE = re.compile(r"(https?://[^\s?\"']+)\?[^\s\"']*")
_ACTIONS = {0: "Invalid", 1: "Cancellable", 2: "Retriable"}


def backup_job(document: Document, *, read_at: datetime | None = None) -> Job:
    """From a GET; a document out of a list has no tasks, errors, properties or percentage."""
    properties = part(document, "properties")
    extended = part(properties, "extendedInfo")
    status = text(properties, "status")
    state = backup_state(status)
    job_id = request_path(text(document, "id"))
    operation = text(properties, "operation")
    actions = properties.get("actionsInfo") or ()
    cancellable = any(word(action, _ACTIONS) == "Cancellable" for action in actions)
    return Job(
        id=job_id,
        kind=JobKind.BACKUP,
        operation=operation,
        title=_TITLES.get(operation, operation),
        state=state,
        state_text=status,
        target_name=text(properties, "entityFriendlyName"),
        target_key=target_key(text(properties, "containerName"), subscription_of(job_id)),
        vault_id=vault_of(job_id),
        started_at=moment(properties, "startTime"),
        ended_at=moment(properties, "endTime"),
        percent=number(extended, "progressPercentage"),
        can_cancel=cancellable and state is JobState.RUNNING,
        client_request_id=text(properties, "activityId"),
        tasks=tuple(_task(one) for one in parts(extended, "tasksList")),
        errors=tuple(_error(one) for one in parts(properties, "errorDetails")),
        properties=_facts(part(extended, "propertyBag")),
        read_at=read_at,
    )


def target_key(container_name: str, subscription: str) -> str:
    """The VM's key from `iaasvmcontainerv2;{group};{vm}`: it lives in its vault's subscription. Empty for
    classic VMs and other workloads."""
    words = container_name.split(";", 2)
    if len(words) < 3 or words[0].lower() != "iaasvmcontainerv2":
        return ""
    return key_of(
        f"/subscriptions/{subscription}/resourceGroups/{words[1]}"
        f"/providers/Microsoft.Compute/virtualMachines/{words[2]}"
    )


def _task(task: Document) -> JobTask:
    status = text(task, "status")
    return JobTask(
        id=text(task, "taskId"),
        name=text(task, "taskId"),
        state=backup_state(status),
        state_text=status,
        started_at=moment(task, "startTime"),
        ended_at=moment(task, "endTime"),
        note=without_secrets(text(task, "taskExecutionDetails")),
    )


def _error(error: Document) -> JobError:
    """Azure Backup tells no causes; its number says nothing that its title does not say better."""
    title = text(error, "errorTitle")
    return JobError(
        code=title or text(error, "errorCode"),
        message=without_secrets(text(error, "errorString") or title),
        recommendation=without_secrets(" ".join(str(one) for one in error.get("recommendations") or ())),
    )


def _facts(bag: Document) -> dict[str, str]:
    """The property bag; one of its keys ends with a space (`Recovery point time `)."""
    return {str(key).strip(): _told(str(v)) for key, v in bag.items() if v not in (None, "")}


def _told(value: str) -> str:
    """The address of a blob without what signs it."""
    return without_secrets(_SIGNATURE.sub(r"\1", value))
