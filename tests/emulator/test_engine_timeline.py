"""The timeline of a VM as the engine puts it together from several services, each part failing alone."""

from __future__ import annotations

from typing import Any

from azure_ops import wire
from azure_ops.model import Details, Phase, PointSource, RecoveryPoint
from azure_ops.points import CRASH_CODE, missing_disks, restored_from
from azure_ops.recommend import recommend

from .engine_world import EngineWorld, Told


async def details_of(console: Told, name: str, **more: Any) -> Details:
    """Of the VM of that name that is backed up."""
    item = next(one for one in console.items.values() if one.name == name and one.backup)
    answer = await console.call(wire.GetDetails(key=item.key, **more))
    assert isinstance(answer, wire.GotDetails)
    return answer.details


def backups(details: Details) -> list[RecoveryPoint]:
    return [point for point in details.points if point.source is PointSource.BACKUP]


async def test_one_timeline_of_everything_that_leads_back(world: EngineWorld) -> None:
    console = await world.filled_console()

    gappy = await details_of(console, "dc-02")
    assert sum(gap.missing for gap in gappy.gaps) == 3
    assert gappy.promise.startswith("daily at 12:00 UTC")
    assert {point.source for point in gappy.points} == {PointSource.BACKUP, PointSource.REPLICATION}
    assert list(gappy.points) == sorted(gappy.points, key=lambda point: point.taken_at, reverse=True)
    assert gappy.faults == ()
    assert gappy.restore_times == ()

    alarmed = await details_of(console, "file-01")
    assert {point.threat for point in backups(alarmed)} == {"Healthy", "UnHealthy"}
    assert backups(alarmed)[0].threats[0].severity == "High"
    assert {restored_from(point) for point in backups(alarmed)} == {"InstantRP", "HardenedRP", "ArchivedRP"}
    now = alarmed.points[0].taken_at
    advice = recommend(now, alarmed.points, alarmed.item.disks, now=now)
    assert advice.chosen is not None
    assert len(advice.alternatives) == 3

    grown = await details_of(console, "sql-02")
    lacking = {len(missing_disks(point, grown.item.disks)) for point in backups(grown)}
    assert lacking == {0, 1}

    saved = await details_of(console, "sql-01")
    snapshots = [point for point in saved.points if point.source is PointSource.SNAPSHOT]
    assert {point.disks[0].lun for point in snapshots} == {None, 0}

    stopped = await details_of(console, "print-01")
    assert (stopped.gaps, stopped.promise) == ((), "")


async def test_a_fall_back_is_explained_by_the_job_that_made_the_point(world: EngineWorld) -> None:
    console = await world.filled_console()
    fallen = await details_of(console, "app-02")
    assert fallen.warning is not None
    assert fallen.warning.code == CRASH_CODE
    newest, *older = backups(fallen)
    assert newest.fell_back == fallen.warning.message
    assert not any(point.fell_back for point in older)
    # the job's own errors are told to every console from now on, and read no second time
    job = next(job for job in console.jobs.values() if job.target_key == fallen.item.key and job.errors)
    assert job.errors[0].code == CRASH_CODE
    world.emulator.fault("status", method="GET", path="*/backupJobs/*", status=500, count=9)
    again = await details_of(console, "app-02", fresh=True)
    assert again.warning == fallen.warning
    assert again.faults == ()


async def test_points_of_the_other_region_are_read_on_demand(world: EngineWorld) -> None:
    console = await world.filled_console()
    here = await details_of(console, "web-01")
    assert not any(point.secondary for point in here.points)
    assert here.secondary == ""

    both = await details_of(console, "web-01", secondary=True)
    copies = [point for point in both.points if point.secondary]
    assert len(copies) == len(backups(here)) - 1  # today's has not been copied yet
    assert {point.region for point in copies} == {"northeurope"}
    assert {tuple(tier.name for tier in point.tiers) for point in copies} == {("HardenedRP",)}
    assert len({point.id for point in both.points}) == len(both.points)
    assert both.gaps == here.gaps
    assert "northeurope" in both.secondary

    off = await details_of(console, "mon-01", secondary=True)
    assert off.secondary == "Cross-region restore of rsv-neu is off: no point can be restored elsewhere."
    assert not any(point.secondary for point in off.points)

    world.emulator.fault("status", method="GET", path="*/recoveryPoints/", status=403, count=9)
    cut = await details_of(console, "web-01", secondary=True, fresh=True)
    assert [source.name for source in cut.point_sources if source.error] == ["points in northeurope"]
    assert len([point for point in cut.points if point.secondary]) == len(copies)  # those of before


async def test_a_policy_that_cannot_be_read_costs_the_gaps_alone(world: EngineWorld) -> None:
    console = await world.filled_console()
    world.emulator.fault("status", method="GET", path="*/backupPolicies", status=403, count=9)
    details = await details_of(console, "dc-02")
    assert (details.gaps, details.promise) == ((), "")
    assert len(backups(details)) > 20
    assert any("Backup policies of rsv-weu" in fault.title for fault in details.faults)


async def test_how_long_a_restore_takes_is_learned_from_ours(world: EngineWorld) -> None:
    console = await world.filled_console()
    details = await details_of(console, "app-01")
    newest = backups(details)[0]
    ids = await console.start("restore-disks", [details.item.key], {"point": newest.name})
    await console.until(lambda: ids[0] in console.operations and console.operations[ids[0]].job_id)
    for _ in range(12):
        world.emulator.advance(10)
    (operation,) = await console.ended(ids)
    assert operation.phase is Phase.SUCCEEDED, operation.message
    (time,) = (await details_of(console, "app-01", fresh=True)).restore_times
    assert (time.action, time.tier, time.runs) == ("restore-disks", restored_from(newest), 1)
    assert 30 < time.median_s < 130


async def test_a_backup_that_falls_back_does_not_end_as_a_plain_success(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = console.named("app-02")
    plan = await console.plan("backup-now", [vm.key])
    assert any("file-system-consistent" in line for line in plan.consequences)
    ids = await console.confirm(plan)
    await console.until(lambda: ids[0] in console.operations and console.operations[ids[0]].job_id)
    for _ in range(12):
        world.emulator.advance(120)
    (operation,) = await console.ended(ids)
    assert operation.phase is Phase.SUCCEEDED
    assert operation.message.startswith("crash-consistent only in ")
    await console.until(lambda: any(notice.ended for notice in console.notices))
    (notice,) = [notice for notice in console.notices if notice.ended]
    assert notice.severity == "warning"
    assert "crash-consistent only" in notice.title
    newest = backups(await details_of(console, "app-02", fresh=True))[0]
    assert newest.rule in ("", "On-Demand")
    assert newest.fell_back
    again = await console.plan("backup-now", [vm.key])
    (check,) = [check for check in again.checks if check.label == "Better than crash-consistent"]
    assert "fell back" in check.detail


async def test_every_point_of_deleted_backups_is_said_to_be_deleted(world: EngineWorld) -> None:
    """The newest has no expiry yet, and with it no word of its own about that."""
    console = await world.filled_console()
    item = next(one for one in console.items.values() if one.name == "build-01" and one.backup)
    assert item.backup is not None
    assert world.emulator.request("DELETE", item.backup.item_id).status == 202
    world.emulator.advance(120)
    details = await details_of(console, "build-01")
    assert {point.soft_deleted for point in backups(details)} == {True}
