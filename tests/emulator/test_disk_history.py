"""Earlier moments show earlier bytes: snapshots, points, restored disks and failed-over machines."""

from __future__ import annotations

from datetime import timedelta

import pytest

from azure_ops.emulator.answers import Refusal
from azure_ops.emulator.disks.image import PageRange
from azure_ops.emulator.handlers.backup_restore_runs import start_restore
from azure_ops.emulator.handlers.backup_runs import included_disk
from azure_ops.emulator.handlers.disk_addresses import access_to
from azure_ops.emulator.handlers.disk_bytes import bytes_of, stage_of
from azure_ops.emulator.handlers.disk_contents import contents, of_point
from azure_ops.emulator.records.backup import RecoveryPoint
from azure_ops.emulator.records.compute import RED_HAT, Disk, StorageAccount, Written
from azure_ops.emulator.records.restores import RestoreOrder
from azure_ops.emulator.records.tenancy import ResourceGroup

from .small_world import COMPUTE, GROUP, NOW, SmallWorld, ask, small_world

READ = {"access": "Read", "durationInSeconds": 600}
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/staging"


def point_before(small: SmallWorld, consistency: str = "FileSystemConsistent", **ago: float) -> RecoveryPoint:
    at = NOW - timedelta(**ago)
    disks = [included_disk(small.world, -1, small.os_disk.id)]
    return RecoveryPoint(
        name=str(int(at.timestamp())),
        taken_at=at,
        consistency=consistency,
        expires_at=NOW + timedelta(days=60),
        instant_until=NOW + timedelta(days=2),
        disks=disks,
    )


def stage(small: SmallWorld, holds: list[Written]) -> str:
    return stage_of(small.world, holds)


def test_the_stages_follow_from_the_moment_of_the_point() -> None:
    small = small_world()
    spans = {"days": 20.0}, {"days": 5.0}, {"hours": 29.0}, {"hours": 2.0}
    seen = [
        stage(small, of_point(small.world, small.vm.id, point.disks[0], point))
        for point in (point_before(small, **span) for span in spans)
    ]
    assert seen == ["start", "grown", "deleted", "encrypted"]
    small.advance(40 * 86_400)
    point = point_before(small, days=5)
    assert stage(small, of_point(small.world, small.vm.id, point.disks[0], point)) == "grown"


def test_only_what_was_taken_in_the_middle_of_work_has_a_journal_to_replay() -> None:
    small = small_world()
    for consistency, expected in (("CrashConsistent", "running"), ("AppConsistent", "encrypted")):
        point = point_before(small, consistency, hours=2)
        assert stage(small, of_point(small.world, small.vm.id, point.disks[0], point)) == expected
    assert stage(small, contents(small.world, small.os_disk)) == "running"
    small.vm.power, small.vm.changed_at = "deallocated", NOW
    small.world.store.save(small.vm)
    small.advance(60)
    assert stage(small, contents(small.world, small.os_disk)) == "encrypted"


def test_the_image_goes_with_the_machine_and_the_role() -> None:
    small = small_world()
    data = small.world.store.find(Disk, small.vm.data_disks[0].disk_id)
    assert data is not None
    assert contents(small.world, small.os_disk)[0].image == "ubuntu"
    assert contents(small.world, data)[0].image == "data-ext4"
    small.vm.image = RED_HAT
    assert contents(small.world, small.os_disk)[0].image == "rhel"
    small.vm.os_type = "Windows"
    small.os_disk.os_type = "Windows"
    assert contents(small.world, small.os_disk)[0].image == "windows"
    assert contents(small.world, data)[0].image == "data-ntfs"


def grant(small: SmallWorld, target_id: str) -> None:
    ask(small, "POST", f"{target_id}/beginGetAccess?api-version=2025-01-02", READ)
    small.advance(2)


def ranges(small: SmallWorld, target_id: str) -> list[PageRange]:
    access = access_to(small.world, target_id)
    assert access is not None
    disk = bytes_of(small.world, access)
    return disk.ranges(0, disk.length)


def test_a_restored_disk_shows_the_bytes_of_its_point_and_not_those_of_today() -> None:
    small = small_world()
    small.world.store.save(StorageAccount(id=ACCOUNT, location="westeurope", time_created=NOW))
    small.world.store.save(ResourceGroup(id=GROUP, location="westeurope"))
    point = point_before(small, days=20)
    small.item.recovery_points = [point]
    small.world.store.save(small.item)
    order = RestoreOrder(
        kind="RestoreDisks",
        point=point.name,
        region="westeurope",
        storage_account_id=ACCOUNT,
        group_id=GROUP,
        vm_id="",
    )
    job = start_restore(small.world, small.item, point, order, "")
    small.advance(3600)
    assert job.restore is not None
    restored = job.restore.disk_ids[0]
    grant(small, restored)
    access = access_to(small.world, restored)
    assert access is not None
    old = bytes_of(small.world, access)
    assert old.size == 30 << 30
    body = {"location": "westeurope", "properties": {"creationData": {
        "createOption": "Copy", "sourceResourceId": small.os_disk.id}}}  # fmt: skip
    ask(small, "PUT", f"{COMPUTE}/snapshots/now?api-version=2025-01-02", body)
    small.advance(5)
    grant(small, f"{COMPUTE}/snapshots/now")
    assert len(ranges(small, f"{COMPUTE}/snapshots/now")) > len(ranges(small, restored))


def test_a_blank_disk_is_zeros_with_a_footer() -> None:
    small = small_world()
    blank = Disk(
        id=f"{COMPUTE}/disks/blank",
        location="westeurope",
        size_gb=4,
        time_created=NOW,
        unique_id="7b1f0a3c-0000-4000-8000-000000000009",
        create_option="Empty",
    )
    small.world.store.save(blank)
    grant(small, blank.id)
    assert ranges(small, blank.id) == [PageRange(4 << 30, (4 << 30) + 512)]


def test_a_disk_that_is_read_is_not_deleted() -> None:
    small = small_world()
    blank = Disk(
        id=f"{COMPUTE}/disks/blank",
        location="westeurope",
        size_gb=4,
        time_created=NOW,
        unique_id="7b1f0a3c-0000-4000-8000-000000000009",
    )
    small.world.store.save(blank)
    grant(small, blank.id)
    with pytest.raises(Refusal, match="Call EndGetAccess before deleting the disk"):
        ask(small, "DELETE", f"{blank.id}?api-version=2025-01-02")
    ask(small, "POST", f"{blank.id}/endGetAccess?api-version=2025-01-02")
    small.advance(2)
    ask(small, "DELETE", f"{blank.id}?api-version=2025-01-02")
    small.advance(5)
    assert small.world.store.find(Disk, blank.id) is None


def test_what_nobody_recorded_is_guessed_by_its_system() -> None:
    small = small_world()
    lost = Disk(
        id=f"{COMPUTE}/disks/lost",
        location="westeurope",
        size_gb=127,
        os_type="Windows",
        time_created=NOW,
        unique_id="8b1f0a3c-0000-4000-8000-000000000009",
        held=[Written("gone", NOW)],
    )
    small.world.store.save(lost)
    grant(small, lost.id)
    access = access_to(small.world, lost.id)
    assert access is not None
    assert bytes_of(small.world, access).read((81 << 20) + 3, 4) == b"NTFS"
