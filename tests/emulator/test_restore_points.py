"""The instant snapshots of backups as Compute shows them, through the real SDK, down to their bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import azure.mgmt.compute.models as models
import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.mgmt.compute.models import GrantAccessData

from azure_ops.emulator.disks.image import DiskBytes, open_image
from tests.contract.known_shapes import unknown_to_model

from ..support import NOW, READER_CLIENT_ID, Emulator
from .page_blobs import Blob, error_of, open_blob
from .sdk import collect, group_of, sdk_clients
from .sessions import point_at

LISTED = "providers/Microsoft.Compute/restorePointCollections"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    folder: Path = tmp_path_factory.mktemp("points") / "emulator"
    emulator = Emulator(folder, "--speed", "0", "--now", NOW)
    yield emulator
    emulator.kill()


@pytest.fixture(autouse=True)
def environment(world: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    point_at(world, monkeypatch)


def collection_of(world: Emulator, vm: str) -> dict[str, Any]:
    rows = world.get(f"/subscriptions/{world.subscription_ids[0]}/{LISTED}").body["value"]
    found: dict[str, Any] = next(
        row for row in rows if row["properties"]["source"]["id"].endswith(f"/virtualMachines/{vm}")
    )
    return found


def points_of(world: Emulator, vm: str) -> list[dict[str, Any]]:
    """Oldest first."""
    found = world.get(f"{collection_of(world, vm)['id']}?$expand=restorePoints").body
    assert unknown_to_model(found, models.RestorePointCollection) == set()
    points: list[dict[str, Any]] = found["properties"]["restorePoints"]
    return points


def os_disk_point(point: dict[str, Any]) -> str:
    profile = point["properties"]["sourceMetadata"]["storageProfile"]
    return str(profile["osDisk"]["diskRestorePoint"]["id"])


async def test_a_disk_of_a_restore_point_is_found_and_read(world: Emulator) -> None:
    collection = collection_of(world, "web-01")
    group = group_of(collection["id"])
    assert group == "AzureBackupRG_westeurope_1"
    async with sdk_clients(world) as clients:
        named = {one.name for one in await collect(clients.compute.restore_point_collections.list(group))}
        assert collection["name"] in named
        whole = await clients.compute.restore_point_collections.get(
            group, collection["name"], expand="restorePoints"
        )
        point = whole.restore_points[-1]
        alone = await clients.compute.restore_points.get(group, whole.name, point.name)
        assert alone.consistency_mode == "FileSystemConsistent"
        disk_id = alone.source_metadata.storage_profile.os_disk.disk_restore_point.id
        disks = clients.compute.disk_restore_point
        [listed] = await collect(disks.list_by_restore_point(group, whole.name, point.name))
        assert listed.id == disk_id
        poller = await disks.begin_grant_access(
            group,
            whole.name,
            point.name,
            listed.name,
            GrantAccessData(access="Read", duration_in_seconds=600),
        )
        world.advance(1)
        blob = Blob(world, (await asyncio.wait_for(poller.result(), 20)).access_sas)
        expected = DiskBytes(
            open_image("ubuntu", "encrypted"), 30 << 30, "00000000-0000-0000-0000-000000000000"
        )
        for _, start, end in blob.ranges()[:40]:
            assert blob.read(start, end).raw == expected.read(start, end - start)
        revoker = await disks.begin_revoke_access(group, whole.name, point.name, listed.name)
        world.advance(1)
        await asyncio.wait_for(revoker.result(), 20)
        assert error_of(blob.read(0, 512)) == "AuthenticationFailed"
        with pytest.raises(ResourceNotFoundError):
            await disks.get(group, whole.name, point.name, "nothing")


def test_two_points_differ_by_what_happened_between_them(world: Emulator) -> None:
    older, newer = points_of(world, "sql-02")[-2:]
    old, new = (open_blob(world, os_disk_point(point)) for point in (older, newer))
    changes = new.ranges(x_ms_previous_snapshot_url=old.address)
    assert 0 < len(changes) < len(new.ranges())


def test_documents_hold_nothing_that_the_sdk_does_not_know(world: Emulator) -> None:
    for vm in ("web-01", "sql-02", "app-02"):
        for point in points_of(world, vm):
            assert unknown_to_model(point, models.RestorePoint) == set()
            disks = world.get(f"{point['id']}/diskRestorePoints").body["value"]
            assert disks
            for disk in disks:
                assert unknown_to_model(disk, models.DiskRestorePoint) == set()
                assert world.get(disk["id"]).body == disk


def test_a_point_is_there_as_long_as_its_snapshot(world: Emulator) -> None:
    before = points_of(world, "web-02")
    assert len(before) == 2
    assert world.get(f"{collection_of(world, 'web-02')['id']}x").status == 404
    assert world.get(f"{before[0]['id']}x").status == 404
    read = {"access": "Read", "durationInSeconds": 60}
    granted = world.request(
        "POST", f"{os_disk_point(before[0])}/beginGetAccess", read, client_id=READER_CLIENT_ID
    )
    assert (granted.status, granted.error_code) == (403, "AuthorizationFailed")
