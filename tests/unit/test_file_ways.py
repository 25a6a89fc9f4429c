"""Which way to a point's bytes: tables of what is known and what is chosen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from azure_ops.actions.open_files import why_not, why_not_point
from azure_ops.disk_sources import DiskSource, kind_of, permission_of
from azure_ops.file_ways import (
    Known,
    WayKind,
    point_notes,
    restored_disks,
    source_of_restored,
    together,
    ways,
)
from azure_ops.model import (
    Disk,
    FleetItem,
    Operation,
    Output,
    Phase,
    PointDisk,
    PointSource,
    PointTier,
    RecoveryPoint,
    RestoreTime,
)
from azure_ops.services.disk_access import why_closed

NOW = datetime(2026, 8, 22, 14, 0, tzinfo=UTC)
COMPUTE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute"
VM = FleetItem(
    key=f"{COMPUTE}/virtualMachines/app-01".lower(),
    id=f"{COMPUTE}/virtualMachines/app-01",
    name="app-01",
    subscription_id="s",
    resource_group="g",
    disks=(Disk(id=f"{COMPUTE}/disks/os", name="os"), Disk(id=f"{COMPUTE}/disks/d0", name="d0", lun=0)),
)
OS = DiskSource(id=f"{COMPUTE}/snapshots/os-1", disk="os")
KEPT = DiskSource(id=f"{COMPUTE}/restorePointCollections/c/restorePoints/p/diskRestorePoints/os_1", disk="os")
MADE = DiskSource(id=f"{COMPUTE}/disks/app-01-osdisk-20260822-120000", disk="app-01-osdisk")


def point(source: PointSource = PointSource.BACKUP, *tiers: str, **more: object) -> RecoveryPoint:
    made = RecoveryPoint(
        id="/points/7",
        name="7",
        source=source,
        taken_at=NOW,
        tiers=tuple(PointTier(name=tier, status="Valid") for tier in tiers),
    )
    return msgspec.structs.replace(made, **more)


BOTH = point(PointSource.BACKUP, "InstantRP", "HardenedRP")
VAULT_ONLY = point(PointSource.BACKUP, "HardenedRP")


@pytest.mark.parametrize(
    ("of", "known", "expected"),
    [
        (BOTH, Known(restore_point=(KEPT,)), ["restore-point", "restore"]),
        (BOTH, Known(), ["restore"]),
        (BOTH, Known(restore_point=(KEPT,), problems={"restore-point": "you lack it"}), ["restore"]),
        (BOTH, Known(restore_point=(KEPT,), restored=(MADE,)), ["restored", "restore-point", "restore"]),
        (VAULT_ONLY, Known(), ["restore"]),
        (VAULT_ONLY, Known(restored=(MADE,)), ["restored", "restore"]),
        (point(PointSource.BACKUP, "ArchivedRP"), Known(), []),
        (point(PointSource.BACKUP), Known(), []),
        (msgspec.structs.replace(VAULT_ONLY, soft_deleted=True), Known(), []),
        (msgspec.structs.replace(BOTH, secondary=True), Known(restore_point=(KEPT,)), []),
        (point(PointSource.SNAPSHOT), Known(snapshots=(OS,)), ["snapshots"]),
        (point(PointSource.SNAPSHOT), Known(), []),
        (point(PointSource.REPLICATION), Known(), []),
    ],
)
def test_the_possible_ways_in_their_order(of: RecoveryPoint, known: Known, expected: list[str]) -> None:
    judged = ways(VM, of, known)
    assert [way.kind for way in judged if not way.why_not] == expected
    assert all(way.why_not for way in judged[len(expected) :])
    if of.source is PointSource.BACKUP:
        assert judged[-1].kind is WayKind.SCRIPT


def test_the_minutes_are_our_own_where_there_are_any() -> None:
    (restore,) = (way for way in ways(VM, VAULT_ONLY, Known()) if way.kind is WayKind.RESTORE)
    assert "16 to 57 min" in restore.takes
    times = [RestoreTime(action="restore-disks", tier="HardenedRP", median_s=600, runs=3)]
    (restore,) = (way for way in ways(VM, VAULT_ONLY, Known(), times) if way.kind is WayKind.RESTORE)
    assert (restore.seconds, restore.takes) == (600, "about 10 min, as it took here (3×)")
    assert restore.temporary


@pytest.mark.parametrize(
    ("source", "ours", "reason"),
    [
        (msgspec.structs.replace(OS, is_read=True), (), "access to it is open already"),
        (msgspec.structs.replace(OS, is_read=True), (OS.id.lower(),), ""),
        (msgspec.structs.replace(OS, closed="it is attached to x"), (), "os: it is attached to x"),
    ],
)
def test_what_others_read_is_left_alone(source: DiskSource, ours: tuple[str, ...], reason: str) -> None:
    (way,) = ways(VM, point(PointSource.SNAPSHOT), Known(snapshots=(source,)), (), ours)
    assert reason in way.why_not
    assert bool(reason) == bool(way.why_not)


@pytest.mark.parametrize(
    ("properties", "managed_by", "reason"),
    [
        ({"diskState": "Unattached", "networkAccessPolicy": "AllowAll"}, "", ""),
        ({"diskState": "Attached"}, "/x/vm-1", "attached to vm-1"),
        ({"diskState": "Reserved"}, "/x/vm-1", ""),
        ({"networkAccessPolicy": "DenyAll"}, "", "network access is DenyAll"),
        ({"networkAccessPolicy": "AllowPrivate"}, "", "network access is AllowPrivate"),
        ({"publicNetworkAccess": "Disabled"}, "", "disabled for public networks"),
        ({"dataAccessAuthMode": "AzureActiveDirectory"}, "", "Entra ID"),
        ({"snapshotAccessState": "Pending"}, "", "still being copied"),
    ],
)
def test_what_stands_in_a_disks_document(properties: dict[str, str], managed_by: str, reason: str) -> None:
    found = why_closed({"properties": properties, "managedBy": managed_by})
    assert reason in found
    assert bool(reason) == bool(found)


def test_snapshots_of_one_moment_belong_together() -> None:
    def snapshot(name: str, disk: str, minutes: float, lun: int | None) -> RecoveryPoint:
        return point(
            PointSource.SNAPSHOT,
            id=f"{COMPUTE}/snapshots/{name}",
            name=name,
            taken_at=NOW + timedelta(minutes=minutes),
            disks=(PointDisk(name=disk, lun=lun),),
        )

    chosen = snapshot("d0-1", "d0", 0, 0)
    others = [
        snapshot("os-1", "os", 0.5, None),
        snapshot("os-2", "os", -4, None),
        snapshot("d0-9", "d0", 0.1, 0),
    ]
    assert [one.id.rsplit("/", 1)[-1] for one in together(chosen, others)] == ["os-1", "d0-1"]
    assert [one.disk for one in together(chosen, [snapshot("os-0", "os", -11, None)])] == ["d0"]


def test_what_our_restores_made_is_found_again() -> None:
    def operation(number: int, **changes: object) -> Operation:
        made = Operation(
            id=str(number),
            action="restore-disks",
            title="",
            target_key=VM.key,
            target_name="app-01",
            phase=Phase.SUCCEEDED,
            created_at=NOW + timedelta(minutes=number),
            answers={"point": "7"},
            outputs=(Output(label="Disk", value=f"{MADE.id}-{number}"), Output(label="Template", value="x")),
        )
        return msgspec.structs.replace(made, **changes)

    assert restored_disks(BOTH, VM.key, []) == ((), False)
    assert restored_disks(BOTH, VM.key, [operation(1), operation(2)]) == ((f"{MADE.id}-2",), False)
    temporary = operation(3, answers={"point": "7", "temporary": "yes"})
    assert restored_disks(BOTH, VM.key, [operation(1), temporary]) == ((f"{MADE.id}-3",), True)
    for change in (
        {"phase": Phase.FAILED},
        {"answers": {"point": "8"}},
        {"target_key": "x"},
        {"outputs": ()},
    ):
        assert restored_disks(BOTH, VM.key, [operation(1, **change)]) == ((), False)
    assert source_of_restored(MADE.id) == MADE


def test_kinds_permissions_and_reasons() -> None:
    assert [kind_of(one.id) for one in (OS, KEPT, MADE)] == ["snapshots", "diskrestorepoints", "disks"]
    assert permission_of(KEPT.id, "endGetAccess").endswith("/diskRestorePoints/endGetAccess/action")
    assert why_not(VM) is None
    assert "neither backups nor managed disks" in (why_not(msgspec.structs.replace(VM, disks=())) or "")
    assert "test failover" in why_not_point(point(PointSource.REPLICATION))
    assert why_not_point(BOTH) == ""
    for word, meant in (
        ("CrashConsistent", "replayed in memory"),
        ("AppConsistent", "whole"),
        ("", "not say"),
    ):
        assert meant in point_notes(msgspec.structs.replace(BOTH, consistency=word))[0]
