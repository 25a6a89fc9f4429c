"""What is said before a form is filled in: the permission that is missing, by name, and what stands in the
way. One engine, signed in as somebody who may only read, for all verbs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from azure_ops import wire
from azure_ops.actions import ALL, by_id
from azure_ops.actions.spec import TargetKind
from azure_ops.errors import Refused
from azure_ops.model import CheckState, JobState
from tests.conftest import EmulatorFactory, _factory

from ..support import READER_CLIENT_ID, Emulator
from .engine_world import EngineWorld, Told, kill_engines, point_environment

UNSCOPED = (TargetKind.DISK, TargetKind.SUBSCRIPTION)
"""A disk's plan comes at once; where a vault is made, its form asks."""
TARGETS = {
    "resize-vm": "web-01",
    "backup-now": "mon-01",
    "snapshot-disks": "sql-01",
    "test-failover": "app-01",
    "clean-up-test-failover": "sql-02",
    "failover": "app-01",
    "commit-failover": "file-01",
    "protect": "jump-01",
    "change-policy": "app-01",
    "stop-protection": "app-01",
    "resume-protection": "print-01",
    "delete-backups": "app-01",
    "undelete-backups": "web-01",
    "restore-disks": "app-01",
    "restore-vm": "app-01",
    "replace-disks": "app-01",
    "recover-items": "app-01",
    "revoke-items": "app-01",
}
"""A row on which each verb may be tried; the cancellation takes a running job."""


@dataclass
class Reading:
    emulator: Emulator
    folder: Path
    pids: set[int]


def item_path(emulator: Emulator, name: str) -> str:
    vault = f"/subscriptions/{emulator.subscription_ids[0]}/resourceGroups/rg-recovery/providers"
    found = emulator.get(f"{vault}/Microsoft.RecoveryServices/vaults/rsv-weu/backupProtectedItems").body[
        "value"
    ]
    return next(one["id"] for one in found if one["properties"]["friendlyName"] == name)


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reading]:
    """With a backup that runs and backups that are deleted, both by somebody else."""
    started: list[Emulator] = []
    make: EmulatorFactory = _factory(tmp_path_factory.mktemp("reading"), started)
    emulator = make()
    assert emulator.request("DELETE", item_path(emulator, "web-01")).status == 202
    emulator.advance(120)
    backup = {"properties": {"objectType": "IaasVMBackupRequest"}}
    assert emulator.post(f"{item_path(emulator, 'web-02')}/backup", backup).status == 202
    emulator.advance(5)
    found = Reading(emulator, Path(tempfile.mkdtemp(prefix="azr-")), set())
    yield found
    kill_engines((found.folder / "state_home" / "azrecover").glob("*"), found.pids)
    for one in started:
        one.kill()
    shutil.rmtree(found.folder, ignore_errors=True)


@pytest.fixture
async def console(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Told]:
    """A console of its own on the one engine."""
    point_environment(monkeypatch, reading.emulator, reading.folder)
    monkeypatch.setenv("AZURE_CLIENT_ID", READER_CLIENT_ID)
    told = Told(EngineWorld(reading.emulator).settings)
    await told.connect()
    reading.pids.add(told.pid)
    await told.filled()
    yield told
    await told.close()


def target_of(console: Told, action: str) -> str:
    if by_id(action).target is TargetKind.JOB:
        return next(
            job.id for job in console.jobs.values() if job.state is JobState.RUNNING and job.can_cancel
        )
    if by_id(action).target is TargetKind.VAULT:
        messages = [one for one in console.messages if isinstance(one, wire.FleetDelta) and one.vaults]
        return next(vault.id for vault in messages[-1].vaults if vault.name == "rsv-weu")
    rows = [item for item in console.items.values() if item.name == TARGETS[action]]
    return next(item.key for item in rows if by_id(action).why_not(item) is None)


async def prechecked(console: Told, action: str, *keys: str) -> wire.Prechecked:
    answer = await console.call(wire.Precheck(action=action, keys=keys))
    assert isinstance(answer, wire.Prechecked)
    return answer


@pytest.mark.parametrize("action", [one.id for one in ALL if one.target not in UNSCOPED])
async def test_the_missing_permission_is_named_before_the_form(console: Told, action: str) -> None:
    found = await prechecked(console, action, target_of(console, action))
    missing = [check for check in found.checks if "missing: " in check.detail]
    assert missing, found
    named = {one for check in missing for one in check.detail.removeprefix("missing: ").split(", ")}
    assert named <= set(by_id(action).permissions)
    for check in missing:
        assert check.state is CheckState.FAILED
        assert check.fix.startswith("Ask for ")
    assert found.refused
    assert "missing: " in found.refused[0]


async def test_what_is_known_needs_few_requests(console: Told) -> None:
    """Permissions of a scope are read once for all its rows and verbs; the rest is from the fleet."""

    def paths(part: str) -> list[str]:
        lines = [
            line
            for message in console.messages
            if isinstance(message, wire.Requests)
            for line in message.lines
        ]
        return [line.path for line in lines if part in line.path]

    keys = [console.named(name).key for name in ("build-01", "test-sql-01")]
    answer = await prechecked(console, "backup-now", *keys)
    assert [check.label for check in answer.checks if "Permissions on rsv-eus" in check.label] == [
        "build-01: Permissions on rsv-eus",
        "test-sql-01: Permissions on rsv-eus",
    ]
    assert len(answer.refused) == 2
    await prechecked(console, "delete-backups", *keys)
    await console.call(wire.GetRaw(key=keys[0], part="backup"))  # the last line of all
    await console.until(lambda: paths("protectedItems/"))
    assert len(paths("/vaults/rsv-eus/providers/Microsoft.Authorization/permissions")) == 1


async def test_one_row_that_can_is_enough(console: Told) -> None:
    """What is missing on one row of several is shown, but does not take the form away."""
    row = console.named("app-01").key
    answer = await prechecked(console, "backup-now", row, "/subscriptions/x/nothing")
    assert answer.refused, "the only known row cannot"
    with pytest.raises(Refused):
        await prechecked(console, "no-such-action", row)
