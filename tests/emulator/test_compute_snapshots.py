"""Snapshots through the real compute SDK: full and incremental, refusals, deletion, a restart in between."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.compute.models import CreationData, Snapshot

from ..support import Emulator
from .sdk import Clients, collect, group_of, sdk_clients


async def os_disk(clients: Clients) -> Any:
    return next(disk for disk in await collect(clients.compute.disks.list()) if disk.os_type)


def asked_for(disk: Any, *, incremental: bool = True) -> Snapshot:
    source = CreationData(create_option="Copy", source_resource_id=disk.id)
    return Snapshot(location=disk.location, creation_data=source, incremental=incremental, tags={"by": "me"})


async def take(emulator: Emulator, clients: Clients, disk: Any, name: str, **options: Any) -> Any:
    group = group_of(disk.id)
    poller = await clients.compute.snapshots.begin_create_or_update(group, name, asked_for(disk, **options))
    emulator.advance(5)
    return await asyncio.wait_for(poller.result(), 20)


async def test_incremental_snapshots_of_a_disk_are_a_family(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        disk = await os_disk(clients)
        first = await take(emulator_env, clients, disk, "before-1")
        second = await take(emulator_env, clients, disk, "before-2")
        assert first.incremental_snapshot_family_id == second.incremental_snapshot_family_id
        assert first.creation_data.source_unique_id == disk.unique_id
        assert (first.disk_size_gb, first.os_type) == (disk.disk_size_gb, disk.os_type)
        assert first.time_created < second.time_created
        assert first.sku.tier == "Standard"
        assert first.tags == {"by": "me"}
        names = [one.name for one in await collect(clients.compute.snapshots.list())]
        assert {"before-1", "before-2"} <= set(names)
        in_group = await collect(clients.compute.snapshots.list_by_resource_group(group_of(disk.id)))
        assert {"before-1", "before-2"} <= {one.name for one in in_group}


async def test_the_accepted_body_says_updating_and_no_more(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        disk = await os_disk(clients)
    path = f"{disk.id.rsplit('/disks/', 1)[0]}/snapshots/full"
    body = {
        "location": disk.location,
        "properties": {"creationData": {"createOption": "Copy", "sourceResourceId": disk.id}},
    }
    answer = emulator_env.request("PUT", path, body)
    assert answer.status == 202
    assert set(answer.body["properties"]) == {"creationData", "provisioningState"}
    assert answer.body["properties"]["provisioningState"] == "Updating"
    assert "/DiskOperations/" in answer.headers["azure-asyncoperation"]
    assert "monitor=true" in answer.headers["location"]
    assert int(answer.headers["retry-after"]) >= 1
    assert emulator_env.get(path).body["properties"]["provisioningState"] == "Updating"
    emulator_env.restart("--port", emulator_env.endpoint.rsplit(":", 1)[1])
    emulator_env.advance(5)
    status = emulator_env.get(answer.headers["azure-asyncoperation"]).body
    assert status["status"] == "Succeeded"
    output = status["properties"]["output"]
    assert output == emulator_env.get(answer.headers["location"]).body == emulator_env.get(path).body
    assert output["properties"]["incremental"] is False
    assert "incrementalSnapshotFamilyId" not in output["properties"]


async def test_refusals(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        disk = await os_disk(clients)
        group = group_of(disk.id)
        create = clients.compute.snapshots.begin_create_or_update
        await take(emulator_env, clients, disk, "taken")
        wrong: list[tuple[Snapshot, int, str]] = []
        ghost = asked_for(disk)
        ghost.creation_data.source_resource_id = disk.id + "-gone"
        wrong.append((ghost, 404, "NotFound"))
        elsewhere = asked_for(disk)
        elsewhere.location = "japaneast"
        wrong.append((elsewhere, 404, "NotFound"))
        wrong.append((asked_for(disk, incremental=False), 409, "PropertyChangeNotAllowed"))
        empty = Snapshot(location=disk.location, creation_data=CreationData(create_option="Empty"))
        wrong.append((empty, 501, "NotImplementedByEmulator"))
        wrong.append((Snapshot(location=disk.location), 400, "InvalidParameter"))
        for request, status, code in wrong:
            with pytest.raises(HttpResponseError) as caught:
                await create(group, "taken", request)
            assert (caught.value.status_code, caught.value.error.code) == (status, code)
        still = await clients.compute.snapshots.get(group, "taken")
        assert still.incremental


async def test_a_snapshot_that_fails(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        disk = await os_disk(clients)
        emulator_env.fault("fail-step", operation="Snapshot", step=1, target=disk.name, code="InternalError")
        with pytest.raises(HttpResponseError, match="InternalError"):
            await take(emulator_env, clients, disk, "broken")
        snapshot = await clients.compute.snapshots.get(group_of(disk.id), "broken")
        assert snapshot.provisioning_state == "Failed"


async def test_deletion(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        disk = await os_disk(clients)
        group = group_of(disk.id)
        await take(emulator_env, clients, disk, "brief")
        poller = await clients.compute.snapshots.begin_delete(group, "brief")
        emulator_env.advance(5)
        await asyncio.wait_for(poller.result(), 20)
        with pytest.raises(ResourceNotFoundError):
            await clients.compute.snapshots.get(group, "brief")
        path = f"{disk.id.rsplit('/disks/', 1)[0]}/snapshots/brief"
        assert emulator_env.request("DELETE", path).status == 204


async def test_the_operation_is_taken_up_by_another_client(emulator_env: Emulator) -> None:
    """What the journal relies on: the continuation token finds the operation, and nothing is sent twice."""
    async with sdk_clients(emulator_env) as clients:
        disk = await os_disk(clients)
        where = group_of(disk.id), "resumed", asked_for(disk)
        token = (await clients.compute.snapshots.begin_create_or_update(*where)).continuation_token()
    async with sdk_clients(emulator_env) as clients:
        poller = await clients.compute.snapshots.begin_create_or_update(*where, continuation_token=token)
        emulator_env.advance(5)
        assert (await asyncio.wait_for(poller.result(), 20)).name == "resumed"
    puts = [one for one in emulator_env.requests() if one["path"].endswith("/snapshots/resumed")]
    assert [one["status"] for one in puts] == [202]
