"""Stopping, killing and starting again: nothing that was answered is lost, and time goes on."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import sqlite3
import subprocess
import sys
import time
from datetime import datetime

import pytest

from ..conftest import EmulatorFactory
from ..support import Emulator
from .test_server import first_item, first_vault

QUERIES = ("resources", "recoveryservicesresources")
BACKUP = {"properties": {"objectType": "IaasVMBackupRequest"}}


def everything(emulator: Emulator) -> dict[str, object]:
    vault = first_vault(emulator)
    sub = emulator.subscription_ids[0]
    lists = [
        f"/subscriptions/{sub}/resourcegroups",
        f"/subscriptions/{sub}/providers/Microsoft.Compute/virtualMachines",
        f"/subscriptions/{sub}/providers/Microsoft.Compute/disks",
        *(f"{vault}/{each}" for each in ("backupProtectedItems", "backupJobs", "backupPolicies")),
        *(f"{vault}/{each}" for each in ("replicationProtectedItems", "replicationJobs")),
    ]
    graph = "/providers/Microsoft.ResourceGraph/resources"
    answers: dict[str, object] = {path: emulator.get(path).raw for path in lists}
    return answers | {query: emulator.post(graph, {"query": query}).raw for query in QUERIES}


def job_of(emulator: Emulator) -> dict[str, object]:
    jobs = emulator.get(f"{first_vault(emulator)}/backupJobs").body["value"]
    ours = [job for job in jobs if job["properties"]["entityFriendlyName"] == "web-01"]
    return dict(max(ours, key=lambda job: str(job["properties"]["startTime"])))


def test_two_runs_of_one_seed_show_the_same_world(emulator_factory: EmulatorFactory) -> None:
    assert everything(emulator_factory()) == everything(emulator_factory())


def test_another_seed_shows_another(emulator_factory: EmulatorFactory) -> None:
    assert emulator_factory(seed=1).subscription_ids != emulator_factory(seed=2).subscription_ids


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_the_same_world_at_the_same_address(emulator: Emulator, end: str) -> None:
    emulator.advance(5000)
    before, endpoint = everything(emulator), emulator.endpoint
    identity = (emulator.identity_endpoint, emulator.identity_header)
    getattr(emulator, end)()
    emulator.restart()
    assert emulator.endpoint == endpoint
    assert (emulator.identity_endpoint, emulator.identity_header) == identity
    assert everything(emulator) == before


def test_a_stop_is_clean(emulator: Emulator) -> None:
    emulator.get("/subscriptions")
    assert emulator.stop() == 0
    assert "Traceback" not in emulator.log.read_text()


def test_a_job_goes_on_after_a_kill(emulator: Emulator) -> None:
    item = first_item(emulator)
    accepted = emulator.post(f"{item}/backup", BACKUP)
    assert accepted.status == 202
    emulator.kill()
    emulator.restart()
    job = job_of(emulator)
    assert job["properties"]["status"] == "InProgress"  # type: ignore[index]
    assert emulator.get(accepted.headers["azure-asyncoperation"]).status == 200
    for _ in range(12):
        emulator.advance(1800)
    assert job_of(emulator)["name"] == job["name"]
    assert job_of(emulator)["properties"]["status"] == "Completed"  # type: ignore[index]
    assert [request["method"] for request in emulator.requests()] == ["POST"]


def test_a_killed_emulator_has_kept_all_that_it_answered(emulator: Emulator) -> None:
    item = first_item(emulator)
    for count in range(1, 6):
        emulator.post(f"{item}/backup", BACKUP)
        emulator.kill()
        emulator.restart()
        assert len(emulator.requests()) == count


def test_time_never_goes_back(emulator_factory: EmulatorFactory) -> None:
    emulator = emulator_factory(speed=600)
    told = datetime.fromisoformat(str(emulator.status()["now"]))
    for _ in range(3):
        emulator.kill()
        emulator.restart()
        now = datetime.fromisoformat(str(emulator.status()["now"]))
        assert now >= told
        told = now


def test_the_world_goes_on_without_requests(emulator_factory: EmulatorFactory) -> None:
    """Events happen when they fall due, not when somebody asks: seen in the database, from outside."""
    emulator = emulator_factory(speed=0)
    item = first_item(emulator)
    emulator.post(f"{item}/backup", BACKUP)
    emulator.set_speed(20_000)
    database = sqlite3.connect(f"file:{emulator.state_dir}/world.sqlite?mode=ro", uri=True)
    name = str(job_of(emulator)["name"])
    deadline = time.monotonic() + 20
    row = b""
    while b'"Completed"' not in row:
        assert time.monotonic() < deadline, row
        (row,) = database.execute(
            "SELECT body FROM records WHERE id LIKE ?", (f"%/backupjobs/{name}",)
        ).fetchone()
        time.sleep(0.05)
    database.close()


def test_an_idle_emulator_does_nothing(emulator: Emulator) -> None:
    """No polling: a second of standing still costs no processor time worth naming."""
    emulator.get("/subscriptions")

    def used_s() -> float:
        with open(f"/proc/{emulator.pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before = used_s()
    time.sleep(1)
    assert used_s() - before <= 0.02


def test_a_full_disk_ends_it_with_one_line_and_what_was_answered_is_kept(emulator: Emulator) -> None:
    emulator.stop()
    largest = max(file.stat().st_size for file in emulator.state_dir.iterdir())
    blocks = largest // 512 + 200
    shell = f'ulimit -f {blocks}; exec "$0" -m azure_ops.emulator serve --state "$1"'
    command = ["bash", "-c", shell, sys.executable, str(emulator.state_dir)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    emulator.pid = json.loads(process.stdout.readline())["pid"]
    item = first_item(emulator)
    answered = 0
    with contextlib.suppress(OSError, http.client.HTTPException):
        while emulator.post(f"{item}/backup", BACKUP).status < 500:
            answered += 1
    assert process.wait(20) == 2
    error = process.stderr.read()
    process.stdout.close()
    process.stderr.close()
    assert error.count("\n") == 1, error
    assert "make room" in error
    assert emulator._https is not None
    emulator._https.close()
    emulator.restart()
    assert answered > 1
    assert len([each for each in emulator.requests() if each["status"]]) == answered
