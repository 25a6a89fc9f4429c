"""What real Azure answered goes through the SDK's models and our mappings, and keeps its meaning."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from azure.core.exceptions import HttpResponseError

from azure_ops.errors import (
    Busy,
    InvalidState,
    NotAllowed,
    NotFound,
    RecoveryError,
    ServiceFailed,
    Throttled,
)
from azure_ops.model import JobState, JobTask, PowerState
from azure_ops.services import backup_documents, compute_documents, replication_documents
from azure_ops.services.azure_failures import translate
from azure_ops.services.backup_job_documents import backup_job
from azure_ops.services.replication_jobs import replication_job
from azure_ops.services.vaults import vault
from tests.contract.known_shapes import RECORDINGS

pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not here")


def exchanges() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(RECORDINGS.glob("*/*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                exchange = json.loads(line)
                yield f"{path.stem}:{exchange['seq']}", exchange


def documents(pattern: str) -> list[tuple[str, dict[str, Any]]]:
    """Resources that GETs of such paths answered, those of lists one by one."""
    found = []
    for where, exchange in exchanges():
        body = exchange["body"]
        if exchange["method"] != "GET" or exchange["status"] != 200 or not isinstance(body, dict):
            continue
        if re.search(pattern, exchange["path"], re.IGNORECASE):
            found += [(where, one) for one in body.get("value", [body]) if isinstance(one, dict)]
    return found


def both_ways(document: dict[str, Any], model: Any, convert: Callable[[Any], Any]) -> Any:
    """By way of the SDK's model and from the document itself: the same."""
    import sys

    base = sys.modules[model.__module__.rsplit(".models", 1)[0] + "._utils.model_base"]
    through_sdk = convert(base._deserialize(model, document))
    assert through_sdk == convert(document)
    return through_sdk


def moments(value: Any) -> Iterator[datetime]:
    if isinstance(value, datetime):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from moments(getattr(value, name))
    elif isinstance(value, (tuple, list)):
        for one in value:
            yield from moments(one)


def check_moments(where: str, value: Any) -> None:
    for moment in moments(value):
        assert moment.tzinfo is UTC, where
        assert 2015 < moment.year < 2100, (where, moment)


def leaves(tasks: tuple[JobTask, ...]) -> Iterator[JobTask]:
    for task in tasks:
        yield task
        yield from leaves(task.children)


def test_backup_jobs() -> None:
    from azure.mgmt.recoveryservicesbackup.models import JobResource

    found = documents(r"/backupJobs(/[^/]+)?$")
    assert len(found) > 150
    cancellable = 0
    for where, document in found:
        job = both_ways(document, JobResource, backup_job)
        check_moments(where, job)
        assert job.state is not JobState.UNKNOWN, (where, job.state_text)
        assert all(task.state is not JobState.UNKNOWN for task in job.tasks), where
        assert job.operation, where
        assert job.client_request_id, where
        if document["properties"]["jobType"] == "AzureIaaSVMJob":
            assert job.target_key.endswith(f"/{job.target_name.lower()}"), where
            assert job.vault_id.lower() in job.id.lower(), where
        cancellable += job.can_cancel
        assert not (job.can_cancel and job.state.ended), where
        assert (job.state.ended and job.ended_at is None) is False, where
        assert all(key == key.strip() for key in job.properties), where
    assert cancellable > 20


def test_a_cancelled_transfer_reads_as_completed_with_warnings() -> None:
    jobs = [backup_job(one) for where, one in documents("/backupJobs/") if "failures_mined" in where]
    warned = [job for job in jobs if job.state is JobState.WARNED]
    assert any(error.code == "UserErrorJobSuccessfullyCancelled" for job in warned for error in job.errors)
    assert any(task.state is JobState.CANCELLED for job in warned for task in job.tasks)


def test_backup_items() -> None:
    from azure.mgmt.recoveryservicesbackup.models import ProtectedItemResource

    found = [
        (where, one)
        for where, one in documents(r"/(backupProtectedItems|protectedItems)(/[^/]+)?/?$")
        if "properties" in one and backup_documents.is_vm(one)
    ]
    assert len(found) > 40
    states = set()
    for where, document in found:
        item = both_ways(document, ProtectedItemResource, backup_documents.backup)
        check_moments(where, item)
        states.add(item.protection_state)
        assert item.vault_name, where
        assert "/virtualmachines/" in backup_documents.source_key(document), where
        if item.protection_state == "IRPending":
            assert item.last_backup_at is None, where
    assert {"IRPending", "Protected", "ProtectionStopped"} <= states


def test_backup_points() -> None:
    from azure.mgmt.recoveryservicesbackup.models import RecoveryPointResource

    found = [
        (where, one)
        for where, one in documents(r"/protectedItems/[^/]+/recoveryPoints(/[^/]+)?/?$")
        if one.get("properties", {}).get("objectType") == "IaasVMRecoveryPoint"
    ]
    assert len(found) > 15
    tiers = set()
    for where, document in found:
        point = both_ways(document, RecoveryPointResource, backup_documents.recovery_point)
        check_moments(where, point)
        assert point.consistency in ("AppConsistent", "FileSystemConsistent", "CrashConsistent"), where
        tiers |= {(tier.name, tier.status) for tier in point.tiers}
    assert tiers <= {
        (name, status)
        for name in ("InstantRP", "HardenedRP", "ArchivedRP")
        for status in ("Valid", "Deleted", "Disabled", "Rehydrated")
    }, "numbers of older versions are read as words"


def test_replicated_items() -> None:
    from azure.mgmt.recoveryservicessiterecovery.models import ReplicationProtectedItem

    found = documents(r"/replicationProtectedItems(/[^/]+)?$")
    assert len(found) > 30
    states = set()
    for where, document in found:
        item = both_ways(document, ReplicationProtectedItem, replication_documents.replication)
        check_moments(where, item)
        states.add(item.protection_state)
        assert item.item_id == document["id"], where
        assert item.vault_id.startswith("/subscriptions/"), where
        assert "None" not in (item.current_scenario, item.test_failover_state), where
        assert not item.current_job_id.lower().endswith("/none"), where
        if document["properties"]["providerSpecificDetails"]["instanceType"] == "A2A":
            assert "/virtualmachines/" in replication_documents.source_key(document), where
            assert item.disks, where
    assert {
        "Protected",
        "InitialReplicationInProgress",
        "UnplannedFailoverCommitPendingStatesBegin",
    } <= states


def test_replication_jobs() -> None:
    from azure.mgmt.recoveryservicessiterecovery.models import Job

    found = documents(r"/replicationJobs(/[^/]+)?$")
    assert len(found) >= 7
    children, skipped = [], []
    for where, document in found:
        job = both_ways(document, Job, replication_job)
        check_moments(where, job)
        assert job.state is not JobState.UNKNOWN, where
        assert " " not in job.client_request_id, where
        for task in leaves(job.tasks):
            assert task.state is not JobState.UNKNOWN, (where, task.state_text)
            assert task.name not in ("", "Unknown"), where
            assert not task.child_job_id.endswith("/"), where
            if task.started_at and task.ended_at:
                assert task.ended_at - task.started_at > -timedelta(seconds=1), (where, task)
            children += [task.child_job_id] if task.child_job_id else []
            skipped += [task] if task.state is JobState.SKIPPED else []
    assert children, "a plan's job names the jobs of its VMs"
    assert skipped


def test_machines_and_snapshots() -> None:
    from azure.mgmt.compute.models import Snapshot, VirtualMachine

    powers = set()
    for where, document in documents(r"/virtualMachines(/[^/]+)?$"):
        machine = both_ways(document, VirtualMachine, compute_documents.vm)
        powers.add(machine.power_state)
        assert machine.key == machine.id.lower(), where
        assert machine.location, where
    assert {PowerState.RUNNING, PowerState.DEALLOCATED, PowerState.UNKNOWN} <= powers
    states = set()
    for where, document in documents(r"/Microsoft\.Compute/snapshots/[^/]+$"):
        job = both_ways(document, Snapshot, compute_documents.snapshot_job)
        check_moments(where, job)
        states.add(job.state)
    assert {JobState.SUCCEEDED, JobState.RUNNING} <= states, "a copy at 0 % is not done"


def test_vaults() -> None:
    from azure.mgmt.recoveryservices.models import Vault

    found = documents(r"/Microsoft\.RecoveryServices/vaults(/[^/]+)?$")
    assert len(found) > 90
    for where, document in found:
        assert both_ways(document, Vault, vault).name == document["name"], where


class Answer:
    """A recorded refusal, with the little of a response that errors are read from."""

    def __init__(self, exchange: dict[str, Any]) -> None:
        self.status_code: int = exchange["status"]
        self.reason = "recorded"
        self.headers = exchange["headers"]
        self._body = exchange["body"]

    def text(self, encoding: str | None = None) -> str:
        return self._body if isinstance(self._body, str) else json.dumps(self._body)

    def json(self) -> Any:
        return json.loads(self.text())


BY_STATUS: dict[int, tuple[type[RecoveryError], ...]] = {
    400: (InvalidState,),
    403: (NotAllowed,),
    404: (NotFound,),
    409: (Busy, InvalidState),
    429: (Throttled,),
    500: (ServiceFailed,),
    502: (ServiceFailed,),
    503: (ServiceFailed,),
}


def test_refusals() -> None:
    seen = set()
    for where, exchange in exchanges():
        if exchange["status"] < 400:
            continue
        refusal = HttpResponseError(response=Answer(exchange))  # type: ignore[arg-type]
        error = translate(refusal, "web-01")
        seen.add(exchange["status"])
        assert isinstance(error, BY_STATUS[exchange["status"]]), (where, error)
        assert error.title.startswith("web-01: "), where
        assert "\n" not in error.title, where
        assert error.hint, (where, error.title)
        if isinstance(error, NotAllowed) and error.code == "AuthorizationFailed":
            assert error.missing_action.startswith("Microsoft."), where
        if isinstance(error, Throttled):
            assert error.retry_after_s == 324, where
    assert {403, 404, 409, 429, 500} <= seen
