"""Site Recovery's job documents as our model: a tree of tasks, groups timed by their children. Pure."""

from __future__ import annotations

from datetime import datetime

from ..arm_ids import request_path, vault_of
from ..failback import NEW_ITEM
from ..model import Job, JobError, JobKind, JobTask
from ..wire_values import Document, moment, part, parts, text, texts
from .job_states import replication_state
from .replication_documents import job_or_none, unless_none
from .request_log import without_secrets

_CANCEL = "Cancel"


def replication_job(document: Document, *, read_at: datetime | None = None) -> Job:
    """From a GET; a document out of a list is thinner: no tasks, no errors, no request id."""
    properties = part(document, "properties")
    state = replication_state(text(properties, "state"), text(properties, "stateDescription"))
    job_id = request_path(text(document, "id"))
    return Job(
        id=job_id,
        kind=JobKind.REPLICATION,
        operation=text(properties, "scenarioName"),
        title=text(properties, "friendlyName"),
        state=state,
        state_text=text(properties, "stateDescription") or text(properties, "state"),
        target_name=text(properties, "targetObjectName"),
        vault_id=vault_of(job_id),
        started_at=moment(properties, "startTime"),
        ended_at=moment(properties, "endTime"),
        can_cancel=_CANCEL in texts(properties, "allowedActions") and not state.ended,
        client_request_id=client_request_id(text(properties, "activityId")),
        tasks=tuple(_task(one) for one in parts(properties, "tasks")),
        errors=_errors(properties),
        properties=_facts(part(properties, "customDetails")),
        read_at=read_at,
    )


def client_request_id(activity_id: str) -> str:
    """The caller's part of `{client request id} ActivityId: {guid}`."""
    return activity_id.split(" ActivityId:", 1)[0].strip()


def _task(task: Document) -> JobTask:
    details = part(task, "customDetails")
    children = tuple(_task(one) for one in parts(part(task, "groupTaskCustomDetails"), "childTasks"))
    started_at, ended_at = moment(task, "startTime"), moment(task, "endTime")
    if children:
        started_at, ended_at = _span(children)
    return JobTask(
        id=text(task, "taskId"),
        name=_name(task, details),
        state=replication_state(text(task, "state"), text(task, "stateDescription")),
        state_text=text(task, "stateDescription") or text(task, "state"),
        started_at=started_at,
        ended_at=ended_at,
        note=_note(task, details),
        child_job_id=request_path(job_or_none(text(part(details, "jobTask"), "jobId"))),
        children=children,
    )


def _name(task: Document, details: Document) -> str:
    """A group's own name is `Unknown`; a VM's phase that has not begun has no job to be named after."""
    for candidate in (text(task, "friendlyName"), text(task, "name"), text(task, "taskId")):
        if candidate and candidate != "Unknown":
            return candidate
    return text(part(details, "jobTask"), "targetObjectName")


def _note(task: Document, details: Document) -> str:
    skipped = text(details, "skippedReasonString") or unless_none(text(details, "skippedReason"))
    manual = text(details, "instructions")
    script = text(details, "runbookName") or text(details, "path")
    output = text(details, "jobOutput") or text(details, "output")
    errors = [_error(one).message for one in parts(task, "errors")]
    return without_secrets("; ".join(one for one in (skipped, manual, script, output, *errors) if one))


def _span(children: tuple[JobTask, ...]) -> tuple[datetime | None, datetime | None]:
    """A group's own times can end before they start; its children's do not."""
    starts = [child.started_at for child in children if child.started_at]
    ends = [child.ended_at for child in children if child.ended_at]
    all_ended = all(child.state.ended for child in children)
    return min(starts, default=None), max(ends, default=None) if all_ended else None


def _errors(properties: Document) -> tuple[JobError, ...]:
    found = [_error(one) for one in parts(properties, "errors")]
    return tuple(dict.fromkeys(one for one in found if one.code or one.message))


def _error(error: Document) -> JobError:
    service, provider = part(error, "serviceErrorDetails"), part(error, "providerErrorDetails")
    return JobError(
        code=text(service, "code") or text(provider, "errorCode"),
        message=without_secrets(text(service, "message") or text(provider, "errorMessage")),
        causes=without_secrets(text(service, "possibleCauses") or text(provider, "possibleCauses")),
        recommendation=without_secrets(
            text(service, "recommendedAction") or text(provider, "recommendedAction")
        ),
    )


def _facts(custom: Document) -> dict[str, str]:
    """What the job's own details say, under names that a person reads."""
    facts = {
        "Test failover": text(custom, "testFailoverStatus"),
        "Comments": text(custom, "comments"),
        "Network": text(custom, "networkFriendlyName") or text(custom, "networkName"),
        NEW_ITEM: text(custom, "newReplicationProtectedItemId"),
    }
    for item in parts(custom, "protectedItemDetails"):
        facts["Virtual machine"] = text(item, "friendlyName")
        facts["Test virtual machine"] = text(item, "testVmFriendlyName") or text(item, "testVmName")
        facts["Recovery point"] = text(item, "recoveryPointId")
        if taken_at := moment(item, "recoveryPointTime"):
            facts["Recovery point time"] = taken_at.isoformat().replace("+00:00", "Z")
    return {key: without_secrets(value) for key, value in facts.items() if value}
