"""Deleting disks through the real compute SDK: what is attached or locked stays."""

from __future__ import annotations

import asyncio

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from ..support import READER_CLIENT_ID, Emulator
from .restore_scene import scene
from .sdk import Clients, collect, group_of, sdk_clients


async def refusal(clients: Clients, disk_id: str) -> HttpResponseError:
    with pytest.raises(HttpResponseError) as refused:
        await clients.compute.disks.begin_delete(group_of(disk_id), disk_id.rsplit("/", 1)[-1])
    return refused.value


async def test_an_unattached_disk_is_gone_a_moment_later(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        stage = await scene(emulator_env, clients)
        await stage.start(stage.request("RestoreDisks", target_resource_group_id=stage.group_id))
        emulator_env.advance(200)
        disks = stage.disks_in(stage.group_id)
        assert disks
        name, document = next(iter(disks.items()))
        group = group_of(document["id"])
        poller = await clients.compute.disks.begin_delete(group, name)
        assert (await clients.compute.disks.get(group, name)).disk_state == "Unattached"
        emulator_env.advance(5)
        await asyncio.wait_for(poller.result(), 20)
        with pytest.raises(ResourceNotFoundError):
            await clients.compute.disks.get(group, name)
        assert name not in stage.disks_in(stage.group_id)
        # what is not there is deleted already
        assert emulator_env.request("DELETE", document["id"]).status == 204


async def test_what_is_attached_or_locked_is_refused(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        disks = await collect(clients.compute.disks.list())
        attached = next(disk for disk in disks if "/rg-web-weu/" in disk.id)
        error = await refusal(clients, attached.id)
        assert (error.status_code, error.error.code) == (409, "OperationNotAllowed")
        assert attached.managed_by in error.message
        locked = next(disk for disk in disks if "/rg-data-weu/" in disk.id)
        error = await refusal(clients, locked.id)
        assert (error.status_code, error.error.code) == (409, "ScopeLocked")
        assert "/resourceGroups/rg-data-weu'" in error.message
    names = {disk.id for disk in disks}
    assert {attached.id, locked.id} <= names
    answer = emulator_env.request("DELETE", attached.id, client_id=READER_CLIENT_ID)
    assert answer.status == 403


def test_locks_are_listed_for_the_subscription_and_the_group(shared_emulator: Emulator) -> None:
    subscription = f"/subscriptions/{shared_emulator.subscription_ids[0]}"
    locks = "providers/Microsoft.Authorization/locks?api-version=2016-09-01"
    (lock,) = shared_emulator.get(f"{subscription}/{locks}").body["value"]
    assert lock["properties"]["level"] == "CanNotDelete"
    assert lock["id"].startswith(f"{subscription}/resourceGroups/rg-data-weu/")
    assert shared_emulator.get(f"{subscription}/resourceGroups/rg-data-weu/{locks}").body["value"] == [lock]
    assert shared_emulator.get(f"{subscription}/resourceGroups/rg-web-weu/{locks}").body["value"] == []
