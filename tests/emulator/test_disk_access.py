"""Access to disks and snapshots through the real compute SDK: who gets one, when, and what it forbids."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.compute.models import GrantAccessData

from ..support import NOW, READER_CLIENT_ID, Emulator
from .page_blobs import close_blob, error_of, open_blob, resource, take_snapshot
from .sdk import group_of, sdk_clients
from .sessions import point_at

ADDRESS = re.compile(
    r"https://127\.0\.0\.1:\d+/md-[a-z0-9]{12}/[a-z0-9]{12}/abcd"
    r"\?sv=2018-03-28&sr=b&si=[0-9a-f-]{36}&sig=[A-Za-z0-9%]+"
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    folder: Path = tmp_path_factory.mktemp("access") / "emulator"
    emulator = Emulator(folder, "--speed", "0", "--now", NOW)
    yield emulator
    emulator.kill()


@pytest.fixture(autouse=True)
def environment(world: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    point_at(world, monkeypatch)


def state_of(world: Emulator, resource_id: str) -> str:
    return str(world.get(resource_id).body["properties"]["diskState"])


def refusal(world: Emulator, resource_id: str, body: Any, **options: Any) -> tuple[int, str]:
    reply = world.request("POST", f"{resource_id}/beginGetAccess", body, **options)
    return reply.status, reply.error_code


READ = {"access": "Read", "durationInSeconds": 600}


async def test_a_snapshot_is_granted_and_revoked(world: Emulator) -> None:
    snapshot = resource(world, "snapshots", "web-01-os")
    group, name = group_of(snapshot["id"]), snapshot["name"]
    async with sdk_clients(world) as clients:
        asked = GrantAccessData(access="Read", duration_in_seconds=600)
        poller = await clients.compute.snapshots.begin_grant_access(group, name, asked)
        world.advance(1)
        granted = await asyncio.wait_for(poller.result(), 20)
        assert ADDRESS.fullmatch(granted.access_sas or "")
        assert (await clients.compute.snapshots.get(group, name)).disk_state == "ActiveSAS"
        with pytest.raises(HttpResponseError) as caught:
            await clients.compute.snapshots.begin_delete(group, name)
        assert caught.value.status_code == 409
        assert "Call EndGetAccess" in str(caught.value)
        revoker = await clients.compute.snapshots.begin_revoke_access(group, name)
        world.advance(1)
        await asyncio.wait_for(revoker.result(), 20)
        assert (await clients.compute.snapshots.get(group, name)).disk_state == "Unattached"
        missing = clients.compute.snapshots.begin_grant_access(group, "nothing", asked)
        with pytest.raises(ResourceNotFoundError):
            await missing


def test_the_operation_has_the_recorded_shape(world: Emulator) -> None:
    snapshot = resource(world, "snapshots", "sql-01-os")
    begun = world.request("POST", f"{snapshot['id']}/beginGetAccess", READ)
    assert (begun.status, begun.raw) == (202, b"")
    status_url, result_url = begun.headers["azure-asyncoperation"], begun.headers["location"]
    assert "/DiskOperations/" in status_url
    assert "monitor=true" in result_url
    world.advance(1)
    status = world.get(status_url).body
    assert set(status) == {"startTime", "endTime", "status", "properties", "name"}
    assert set(status["properties"]["output"]) == {"accessSAS"}
    assert world.get(result_url).body == status["properties"]["output"]
    ended = world.request("POST", f"{snapshot['id']}/endGetAccess")
    assert (ended.status, ended.raw) == (202, b"")
    world.advance(1)
    assert set(world.get(ended.headers["azure-asyncoperation"]).body) == {
        "startTime",
        "endTime",
        "status",
        "name",
    }
    result = world.get(ended.headers["location"])
    assert (result.status, result.raw) == (200, b"")


def test_what_is_asked_must_be_right(world: Emulator) -> None:
    snapshot_id = resource(world, "snapshots", "web-01-os")["id"]
    for wrong in (
        {},
        {"access": "Read"},
        {**READ, "durationInSeconds": 0},
        {**READ, "durationInSeconds": 10**7},
    ):
        assert refusal(world, snapshot_id, wrong) == (400, "InvalidParameter")
    assert refusal(world, snapshot_id, {**READ, "access": "Write"})[0] == 501
    assert refusal(world, snapshot_id, {**READ, "fileFormat": "VHDX"})[0] == 501
    assert state_of(world, snapshot_id) == "Unattached"


def test_the_reader_may_not(world: Emulator) -> None:
    snapshot_id = resource(world, "snapshots", "web-01-os")["id"]
    assert refusal(world, snapshot_id, READ, client_id=READER_CLIENT_ID) == (403, "AuthorizationFailed")
    ended = world.request("POST", f"{snapshot_id}/endGetAccess", client_id=READER_CLIENT_ID)
    assert ended.status == 403


def test_a_disk_is_read_while_its_machine_is_deallocated_and_the_machine_waits(world: Emulator) -> None:
    disk_id = resource(world, "disks", "web-02_OsDisk")["id"]
    assert (refusal(world, disk_id, READ), state_of(world, disk_id)) == (
        (409, "OperationNotAllowed"),
        "Attached",
    )
    vm_id = world.get(disk_id).body["managedBy"]
    world.request("POST", f"{vm_id}/deallocate")
    world.advance(120)
    assert state_of(world, disk_id) == "Reserved"
    blob = open_blob(world, disk_id)
    assert blob.read(0, 1 << 20).raw[510:512] == b"\x55\xaa"
    assert blob.read(512, 520).raw == b"EFI PART"
    assert state_of(world, disk_id) == "ActiveSAS"
    started = world.request("POST", f"{vm_id}/start")
    assert (started.status, started.error_code) == (409, "OperationNotAllowed")
    close_blob(world, disk_id)
    assert world.request("POST", f"{vm_id}/start").status == 202
    world.advance(120)
    assert state_of(world, disk_id) == "Attached"


def test_an_expired_access_is_active_until_it_is_revoked(world: Emulator) -> None:
    snapshot_id = resource(world, "snapshots", "web-01-os")["id"]
    blob = open_blob(world, snapshot_id, 10)
    world.advance(120)
    assert error_of(blob.read(0, 512)) == "AuthenticationFailed"
    assert state_of(world, snapshot_id) == "ActiveSAS"
    close_blob(world, snapshot_id)
    assert state_of(world, snapshot_id) == "Unattached"


def test_five_snapshots_of_a_family_can_be_read_at_a_time(world: Emulator) -> None:
    disk = resource(world, "disks", "web-03_OsDisk")
    made = [take_snapshot(world, disk, f"family-{number}") for number in range(6)]
    single = take_snapshot(world, disk, "family-none", incremental=False)
    for snapshot_id in made[:5]:
        open_blob(world, snapshot_id)
    assert refusal(world, made[5], READ) == (409, "OperationNotAllowed")
    open_blob(world, single)
    open_blob(world, made[0])
    close_blob(world, made[0])
    open_blob(world, made[5])


def test_a_grant_can_fail_and_leaves_nothing(world: Emulator) -> None:
    snapshot_id = resource(world, "snapshots", "web-01-os")["id"]
    world.fault("fail-step", operation="GrantAccess", step=1, code="InternalExecutionError")
    begun = world.request("POST", f"{snapshot_id}/beginGetAccess", READ)
    world.advance(1)
    status = world.get(begun.headers["azure-asyncoperation"]).body
    assert (status["status"], status["error"]["code"]) == ("Failed", "InternalExecutionError")
    assert "properties" not in status
    assert state_of(world, snapshot_id) == "Unattached"
