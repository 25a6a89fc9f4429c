"""What no recording holds: words, trees and errors that the services document or may send."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from azure_ops.engine.submitted import operation_name, replication_job_id
from azure_ops.model import JobError, JobState
from azure_ops.services import permissions
from azure_ops.services.backup_job_documents import backup_job, target_key
from azure_ops.services.jobs import newest, poll_address
from azure_ops.services.replication_jobs import replication_job

VAULT = "/subscriptions/S/resourceGroups/RG/providers/Microsoft.RecoveryServices/vaults/V"
GUID = "5f59fa6b-cc7d-4cce-84ec-b5f4bd47c73e"


def replication_document(**properties: Any) -> dict[str, Any]:
    return {"id": f"{VAULT}/replicationJobs/{GUID}", "name": GUID, "properties": properties}


@pytest.mark.parametrize(
    ("state", "description", "expected"),
    [
        ("NotStarted", "NotStarted", JobState.WAITING),
        ("InProgress", "InProgress", JobState.RUNNING),
        ("Succeeded", "Completed", JobState.SUCCEEDED),
        ("Succeeded", "PartiallySucceeded", JobState.WARNED),
        ("Succeeded", "CompletedWithInformation", JobState.WARNED),
        ("Other", "Skipped", JobState.SKIPPED),
        ("Other", "Whatever", JobState.UNKNOWN),
        ("Suspended", "WaitingForStopTestFailover", JobState.SUSPENDED),
        ("Cancelling", "Cancelling", JobState.CANCELLING),
        ("Cancelled", "Cancelled", JobState.CANCELLED),
        ("Failed", "Failed", JobState.FAILED),
        ("Dancing", "", JobState.UNKNOWN),
    ],
)
def test_words_of_site_recovery(state: str, description: str, expected: JobState) -> None:
    document = replication_document(state=state, stateDescription=description, allowedActions=["Cancel"])
    job = replication_job(document)
    assert job.state is expected
    assert job.can_cancel == (not expected.ended)


def test_a_number_is_no_cause() -> None:
    error = {
        "errorCode": 400446,
        "errorTitle": "UserErrorX",
        "errorString": "No agent.",
        "recommendations": [],
    }
    document = {"id": f"{VAULT}/backupJobs/{GUID}", "properties": {"errorDetails": [error]}}
    assert backup_job(document).errors == (JobError(code="UserErrorX", message="No agent."),)
    del error["errorTitle"]
    assert backup_job(document).errors == (JobError(code="400446", message="No agent."),)


def test_a_group_is_timed_by_its_children() -> None:
    child = {"state": "Succeeded", "stateDescription": "Completed", "friendlyName": "vm"}
    early, late = "2026-08-22T10:00:00Z", "2026-08-22T10:05:00Z"
    group = {
        "taskId": "g",
        "friendlyName": "Group 1: Start (2)",
        "state": "Succeeded",
        "startTime": late,
        "endTime": early,
        "groupTaskCustomDetails": {
            "childTasks": [
                child | {"startTime": early, "endTime": "2026-08-22T10:01:00Z"},
                child | {"startTime": "2026-08-22T10:02:00Z", "endTime": late},
            ]
        },
    }
    (task,) = replication_job(replication_document(state="Succeeded", tasks=[group])).tasks
    assert task.started_at == datetime(2026, 8, 22, 10, 0, tzinfo=UTC)
    assert task.ended_at == datetime(2026, 8, 22, 10, 5, tzinfo=UTC)
    running = child | {"state": "InProgress", "startTime": early}
    group["groupTaskCustomDetails"] = {"childTasks": [running]}
    (task,) = replication_job(replication_document(state="InProgress", tasks=[group])).tasks
    assert task.ended_at is None


def test_manual_actions_runbooks_and_errors_are_told() -> None:
    tasks = [
        {"name": "wait", "customDetails": {"instructions": "Switch the DNS."}},
        {"name": "run", "customDetails": {"runbookName": "fix-dns", "jobOutput": "done"}},
        {
            "name": "vm",
            "customDetails": {"skippedReason": "None", "jobTask": {"jobId": "x/replicationJobs/"}},
        },
        {"name": "bad", "errors": [{"serviceErrorDetails": {"code": "1", "message": "It broke."}}]},
    ]
    errors = [
        {"providerErrorDetails": {"errorCode": 539, "errorMessage": "No.", "recommendedAction": "Wait."}},
        {"serviceErrorDetails": {}},
    ]
    job = replication_job(replication_document(state="Failed", tasks=tasks, errors=errors))
    assert [task.note for task in job.tasks] == ["Switch the DNS.", "fix-dns; done", "", "It broke."]
    assert job.tasks[2].child_job_id == ""
    assert [(error.code, error.recommendation) for error in job.errors] == [("539", "Wait.")]


def test_a_backup_job_of_an_older_version() -> None:
    job = backup_job(
        {
            "id": f"{VAULT}/backupJobs/{GUID}",
            "properties": {
                "status": "InProgress",
                "operation": "Backup",
                "actionsInfo": [1],
                "containerName": "iaasvmcontainerv2;RG;Web;01",
                "extendedInfo": {"progressPercentage": 0.0, "propertyBag": {"Recovery point time ": "x"}},
            },
        }
    )
    assert job.can_cancel
    assert job.percent == 0
    assert job.properties == {"Recovery point time": "x"}
    assert job.target_key.endswith("/resourcegroups/rg/providers/microsoft.compute/virtualmachines/web;01")


@pytest.mark.parametrize("container", ["", "iaasvmcontainer;svc;vm", "sqlcontainer;x;y", "a;b"])
def test_other_containers_name_no_machine(container: str) -> None:
    assert target_key(container, "s") == ""


def test_jobs_that_have_not_started_come_first() -> None:
    waiting = replication_job(replication_document(state="NotStarted"))
    started = replication_job(replication_document(state="InProgress", startTime="2026-08-22T10:00:00Z"))
    assert newest((started, waiting), most=1) == (waiting,)


def test_the_job_of_a_submitted_operation() -> None:
    url = f"https://h/Subscriptions/S/x/replicationOperationStatus/{GUID}?api-version=1&t=1"
    twice = f"{VAULT}/replicationJobs/{GUID}, {VAULT}/replicationJobs/{GUID}"
    wanted = f"{VAULT}/replicationJobs/{GUID}"
    assert operation_name({"Azure-AsyncOperation": url}) == GUID
    assert replication_job_id({"x-ms-request-id": twice, "Azure-AsyncOperation": url}, VAULT) == wanted
    assert replication_job_id({"Azure-AsyncOperation": url}, VAULT) == wanted
    assert replication_job_id({"x-ms-request-id": GUID}, VAULT) == ""
    assert replication_job_id({}, VAULT) == ""


@pytest.mark.parametrize("resume", ["", "nonsense", "bm90anNvbg==", "http://plain"])
def test_an_address_that_is_none(resume: str) -> None:
    assert poll_address(resume) == ""


def test_rights_are_wildcards_and_do_not_subtract_from_each_other() -> None:
    contributor = {"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write"]}
    reader = {"actions": ["*/read"]}
    writer = {"actions": ["microsoft.authorization/locks/WRITE"]}
    read, write = "Microsoft.Compute/disks/read", "Microsoft.Authorization/locks/write"
    assert permissions.is_granted([reader], read)
    assert not permissions.is_granted([reader], "Microsoft.Compute/disks/beginGetAccess/action")
    assert not permissions.is_granted([contributor], write)
    assert permissions.is_granted([contributor, writer], write)
    assert not permissions.is_granted([], read)
    assert not permissions.is_granted([{"actions": ["Microsoft.Compute/disk.*/read"]}], read)
