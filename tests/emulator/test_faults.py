"""Every kind of fault over real HTTP: what the client sees, and whether the work was done."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from azure_ops.emulator import failing_steps
from azure_ops.emulator.handlers.backup_item_jobs import SECONDS
from azure_ops.emulator.handlers.site_recovery_runner import SCENARIOS

from ..support import Emulator
from .test_server import first_item, first_vault

BACKUP = {"properties": {"objectType": "IaasVMBackupRequest"}}


def jobs_running(emulator: Emulator) -> int:
    jobs = emulator.get(f"{first_vault(emulator)}/backupJobs").body["value"]
    return sum(
        job["properties"]["status"] == "InProgress" and job["properties"]["entityFriendlyName"] == "web-01"
        for job in jobs
    )


@pytest.mark.parametrize(
    ("fields", "code", "retry_after"),
    [
        ({"status": 429, "retry_after": 7}, "TooManyRequests", "7"),
        ({"status": 429}, "TooManyRequests", None),
        ({"status": 500}, "InternalServerError", None),
        ({"status": 503}, "ServerTimeout", None),
        ({"status": 500, "code": "CloudInternalError", "message": "m"}, "CloudInternalError", None),
    ],
)
def test_status(emulator: Emulator, fields: dict[str, object], code: str, retry_after: str | None) -> None:
    emulator.fault("status", path="*/subscriptions", **fields)
    reply = emulator.get("/subscriptions")
    assert (reply.status, reply.error_code) == (fields["status"], code)
    assert reply.headers.get("retry-after") == retry_after
    assert emulator.get("/subscriptions").status == 200


@pytest.mark.parametrize("after", [False, True])
def test_a_status_before_the_work_and_after_it(emulator: Emulator, after: bool) -> None:
    item = first_item(emulator)
    before = jobs_running(emulator)
    emulator.fault("status", status=503, method="POST", path="*/backup", after=after)
    assert emulator.post(f"{item}/backup", BACKUP).status == 503
    assert jobs_running(emulator) - before == int(after)
    assert [request["status"] for request in emulator.requests()] == [503]


@pytest.mark.parametrize("after", [False, True])
def test_reset(emulator: Emulator, after: bool) -> None:
    item = first_item(emulator)
    before = jobs_running(emulator)
    emulator.fault("reset", method="POST", path="*/backup", after=after)
    with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected, OSError)):
        emulator.post(f"{item}/backup", BACKUP)
    assert jobs_running(emulator) - before == int(after)
    assert [request["status"] for request in emulator.requests()] == [0]


def test_slow(emulator: Emulator) -> None:
    emulator.fault("slow", path="/subscriptions", delay_s=0.4)
    began = time.monotonic()
    assert emulator.get("/subscriptions").status == 200
    assert time.monotonic() - began >= 0.4


def test_cut(emulator: Emulator) -> None:
    whole = emulator.get("/subscriptions").raw
    emulator.fault("cut", path="/subscriptions")
    with pytest.raises(http.client.IncompleteRead) as caught:
        emulator.get("/subscriptions")
    assert caught.value.partial == whole[: len(whole) // 2]
    assert emulator.get("/subscriptions").raw == whole


def test_malformed(emulator: Emulator) -> None:
    emulator.fault("malformed", path="/subscriptions")
    reply = emulator.get("/subscriptions")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("application/json")
    with pytest.raises(json.JSONDecodeError):
        json.loads(reply.raw)


def test_expired_token(emulator: Emulator) -> None:
    emulator.fault("expired-token", count=2)
    for _ in range(2):
        reply = emulator.get("/subscriptions")
        assert (reply.status, reply.error_code) == (401, "ExpiredAuthenticationToken")
        assert "www-authenticate" in reply.headers
    assert emulator.get("/subscriptions").status == 200


def test_a_job_that_fails_at_a_step(emulator: Emulator) -> None:
    item = first_item(emulator)
    message = "Snapshot operation failed due to no network connectivity on the virtual machine"
    emulator.fault(
        "fail-step", operation="Backup", step=1, target="web-01", code="UserErrorGuestAgentStatusUnavailable",
        message=message,
    )  # fmt: skip
    assert emulator.post(f"{item}/backup", BACKUP).status == 202
    for _ in range(20):
        emulator.advance(3600)
    assert emulator.faults()[0]["hits"] == 1
    jobs = emulator.get(f"{first_vault(emulator)}/backupJobs").body["value"]
    ours = [job for job in jobs if job["properties"]["entityFriendlyName"] == "web-01"]
    latest = max(ours, key=lambda job: str(job["properties"]["startTime"]))
    detail = emulator.get(latest["id"]).body["properties"]
    assert detail["status"] == "Failed"
    assert message in str(detail)


def test_aim_count_and_skip(emulator: Emulator) -> None:
    sub = emulator.subscription_ids[0]
    emulator.fault("status", status=500, method="GET", regex=r"resourceGroups/RG-web-weu$", skip=1, count=2)
    there, elsewhere = f"/subscriptions/{sub}/resourcegroups/rg-web-weu", "/subscriptions"
    assert [emulator.get(elsewhere).status for _ in range(2)] == [200, 200]
    assert [emulator.get(there).status for _ in range(4)] == [200, 500, 500, 200]
    assert emulator.faults()[0]["hits"] == 2


def test_sign_in_can_fail_as_well(emulator: Emulator) -> None:
    emulator.fault("status", status=500, path="/msi/token")
    with pytest.raises(KeyError):
        emulator.token()
    assert emulator.token()


def test_clearing(emulator: Emulator) -> None:
    emulator.fault("status", status=500, count=1000)
    emulator.fault("fail-step", operation="Backup", step=1)
    assert emulator.get("/subscriptions").status == 500
    emulator.clear_faults()
    assert emulator.faults() == []
    assert emulator.get("/subscriptions").status == 200


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"kind": "explode"}, "explode"),
        ({"kind": "status"}, "status from 400 to 599"),
        ({"kind": "status", "status": 200}, "status from 400 to 599"),
        ({"kind": "slow"}, "delay_s"),
        ({"kind": "reset", "regex": "("}, "regex"),
        ({"kind": "reset", "count": 0}, "count"),
        ({"kind": "fail-step", "operation": "Backup"}, "step"),
        ({"kind": "reset", "paths": "x"}, "paths"),
    ],
)
def test_a_wrong_fault_is_refused_in_words(
    shared_emulator: Emulator, fault: dict[str, object], words: str
) -> None:
    with pytest.raises(AssertionError, match=words):
        shared_emulator.admin("POST", "faults", fault)
    assert shared_emulator.faults() == []


def test_from_the_command_line(emulator: Emulator) -> None:
    def fault(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "azure_ops.emulator", "fault", *words]
        state = ["--state", str(emulator.state_dir)]
        return subprocess.run([*command, *state], capture_output=True, text=True, check=False)

    added = fault("add", "status", "--status", "429", "--retry-after", "3", "--path", "/subscriptions")
    assert added.returncode == 0, added.stderr
    assert emulator.get("/subscriptions").headers["retry-after"] == "3"
    assert "status 429" in fault("list").stdout
    assert "1/1" in fault("list").stdout
    assert fault("clear").stdout == "cleared 1\n"
    wrong = fault("add", "slow")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == "azrecover emulator: a slow fault needs delay_s, in seconds\n"


@pytest.mark.parametrize(
    ("operation", "step", "words"),
    [
        ("Recover", 1, "one of the operations Backup, Restore, CrossRegionRestore"),
        ("Restore", 3, r"one of 1 \(Transfer data from vault\), 2 "),
        ("Backup", "Take a nap", r"one of 1 \(Take Snapshot\)"),
        ("Backup", 0, "no such step"),
        ("", 1, "one of the operations"),
    ],
)
def test_a_job_or_a_step_that_is_not_there_cannot_fail(
    shared_emulator: Emulator, operation: str, step: int | str, words: str
) -> None:
    with pytest.raises(AssertionError, match=words):
        shared_emulator.fault("fail-step", operation=operation, step=step)
    assert shared_emulator.faults() == []


def test_a_step_can_be_named_and_every_job_that_looks_for_failures_is_known() -> None:
    assert failing_steps.resolve("backup", "transfer data to vault") == ("Backup", 2)
    assert failing_steps.resolve("TestFailover", "2") == ("TestFailover", 2)
    source = Path(failing_steps.__file__).parent
    asked = set()
    for path in source.rglob("*.py"):
        asked |= set(re.findall(r'failure_at\("(\w+)"', path.read_text()))
    assert asked
    assert asked <= failing_steps.STEPS.keys()
    assert SECONDS.keys() <= failing_steps.STEPS.keys()
    assert SCENARIOS.keys() <= failing_steps.STEPS.keys()
