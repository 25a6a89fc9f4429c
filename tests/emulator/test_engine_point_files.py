"""Files of recovery points through the engine: by which way, with which requests, and what is left."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from azure_ops import paths, wire
from azure_ops.emulator.disks import build_truth
from azure_ops.engine.lock import holder
from azure_ops.errors import RecoveryError, Refused
from azure_ops.file_model import Conflict, FileChoice, FileSession, RestoreState, TickedFile
from azure_ops.file_places import Place
from azure_ops.file_ways import READ_DISK, WayKind
from azure_ops.loose_ends.kinds import Kind
from azure_ops.loose_ends.work import of_operations
from azure_ops.model import FleetItem, Phase

from ..support import READER_CLIENT_ID
from .engine_world import EngineWorld, Told, kill
from .page_blobs import close_blob

Value = TypeVar("Value")


def posts(world: EngineWorld, verb: str) -> list[str]:
    asked = [str(request["path"]).split("?")[0] for request in world.emulator.requests()]
    return [path for path in asked if path.endswith(f"/{verb}")]


async def form(console: Told, vm: FleetItem, **answers: str) -> wire.Prepared:
    asked = await console.call(wire.Prepare(action="open-files", keys=(vm.key,), answers=answers))
    assert isinstance(asked, wire.Prepared)
    return asked


async def opening(console: Told, vm: FleetItem, **answers: str) -> wire.OpenPoint:
    prepared = await form(console, vm, **answers)
    given = {field.id: field.default for field in prepared.form.fields} | answers
    made = await console.call(wire.MakePlan(action="open-files", keys=(vm.key,), answers=given))
    assert isinstance(made, wire.GotPlan)
    assert made.plan.refused == ()
    return wire.OpenPoint(key=vm.key, answers=given, plan_id=made.plan.id)


async def meanwhile(world: EngineWorld, work: Coroutine[Any, Any, Value], step_s: float = 2) -> Value:
    """The world's time passes while it is waited for."""
    task = asyncio.ensure_future(work)
    async with asyncio.timeout(60):
        while not task.done():
            world.emulator.advance(step_s)
            await asyncio.wait([task], timeout=0.2)
    return await task


async def opened(
    console: Told, request: wire.OpenPoint, world: EngineWorld, step_s: float = 2
) -> FileSession:
    async def asked() -> FileSession:
        while True:
            told = await console.call(request)
            assert isinstance(told, wire.PointTold)
            if told.session is not None:
                return told.session

    return await meanwhile(world, asked(), step_s)


async def closed(console: Told, session: FileSession, world: EngineWorld) -> None:
    await meanwhile(world, console.call(wire.CloseFiles(session=session.id)))


async def restored(
    console: Told, session: FileSession, path: bytes, out: Path, world: EngineWorld
) -> RestoreState:
    return await meanwhile(world, _restored(console, session, path, out))


async def ticked(console: Told, session: FileSession, path: bytes) -> FileChoice:
    volume = max((one for one in session.volumes if one.state == "readable"), key=lambda one: one.size).key
    await console.call(wire.OpenFileSystem(session=session.id, volume=volume))
    chain = await console.call(wire.LookUpPath(session=session.id, volume=volume, path=path))
    assert isinstance(chain, wire.PathFound)
    return FileChoice(volume=volume, ticked=(TickedFile(path=path, id=chain.entries[-1].id),))


async def begin(console: Told, session: FileSession, choice: FileChoice, out: Path) -> None:
    request = wire.RestoreFiles(
        session=session.id, choice=choice, place=Place(path=str(out)), conflict=Conflict.KEEP_BOTH
    )
    await console.call(request)


async def _restored(console: Told, session: FileSession, path: bytes, out: Path) -> RestoreState:
    await begin(console, session, await ticked(console, session, path), out)
    while True:
        told = await console.call(wire.GetRestore(session=session.id))
        assert isinstance(told, wire.RestoreTold)
        assert told.restore is not None
        if told.restore.state.ended:
            return told.restore.state
        await asyncio.sleep(0.1)


def accesses(console: Told) -> list[Phase]:
    return [one.phase for one in console.operations.values() if one.action == READ_DISK]


DATA = Path(build_truth.__file__).parent / "data"
FSTAB = b"etc/fstab"


def digests(image: str, path: str) -> set[str]:
    """Of the file at every stage of the emulator's disk."""
    stages = build_truth.read_truth(DATA / f"{image}.truth")["stages"].values()
    entries = [entry for stage in stages for system in stage for entry in system["entries"]]
    return {str(entry["sha256"]) for entry in entries if entry["path"] == path}


def digest_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def secrets_kept(world: EngineWorld) -> bool:
    """Journal and log know no address."""
    folder = paths.state_dir(world.settings)
    return not any(b"sig=" in file.read_bytes() for file in folder.iterdir() if file.is_file())


async def test_from_the_backups_own_snapshot_to_a_file(world: EngineWorld, tmp_path: Path) -> None:
    console = await world.filled_console()
    vm = console.named("web-01")
    prepared = await form(console, vm)
    way = prepared.form.fields[1]
    assert [option.value for option in way.options] == [WayKind.RESTORE_POINT, WayKind.RESTORE]
    assert "Azure may refuse" in way.options[0].note
    assert prepared.checks == ()
    assert "Files by recovery script" in way.help

    request = await opening(console, vm)
    assert posts(world, "beginGetAccess") == []
    session = await opened(console, request, world)
    assert session.title.startswith("web-01, 2026-")
    assert session.notes[0].startswith("file-system-consistent")
    assert len(posts(world, "beginGetAccess")) == 1
    assert accesses(console) == [Phase.RUNNING]
    named = await meanwhile(world, console.call(wire.IdentifyVolumes(session=session.id)))
    assert isinstance(named, wire.VolumesTold)
    assert {(one.label, one.mount) for one in named.volumes if one.state == "readable"} == {
        ("cloudimg-rootfs", "/"),
        ("UEFI", "/boot/efi"),
    }
    assert await restored(console, session, FSTAB, tmp_path, world) is RestoreState.DONE
    assert digest_of(tmp_path / "etc/fstab") in digests("ubuntu", "etc/fstab")

    (other,) = [await opened(await world.filled_console(), await opening(console, vm), world)]
    assert other.id != session.id
    assert len(posts(world, "beginGetAccess")) == 1
    await closed(console, other, world)
    assert posts(world, "endGetAccess") == []
    await closed(console, session, world)
    assert len(posts(world, "endGetAccess")) == 1
    await console.until(lambda: accesses(console) == [Phase.SUCCEEDED])
    assert secrets_kept(world)


async def test_access_that_has_ended_is_asked_for_again(world: EngineWorld, tmp_path: Path) -> None:
    console = await world.filled_console()
    vm = console.named("web-01")
    session = await opened(console, await opening(console, vm), world)
    source = posts(world, "beginGetAccess")[0].removesuffix("/beginGetAccess")

    world.emulator.advance(3700)
    assert await restored(console, session, FSTAB, tmp_path / "expired", world) is RestoreState.DONE
    assert len(posts(world, "beginGetAccess")) == 2

    close_blob(world.emulator, source)
    assert await restored(console, session, b"etc", tmp_path / "revoked", world) is RestoreState.DONE
    assert len(posts(world, "beginGetAccess")) == 3
    assert digest_of(tmp_path / "revoked/etc/fstab") == digest_of(tmp_path / "expired/etc/fstab")
    await closed(console, session, world)
    assert len(posts(world, "endGetAccess")) == 2


async def test_what_is_used_is_renewed_before_its_end(world: EngineWorld) -> None:
    console = await world.filled_console()
    session = await opened(console, await opening(console, console.named("web-01")), world)
    world.emulator.advance(3100)
    async with asyncio.timeout(20):
        while len(posts(world, "beginGetAccess")) < 2:
            await console.call(wire.Refresh())
            world.emulator.advance(1)
            await asyncio.sleep(0.2)
    assert "until" in next(one.message for one in console.operations.values() if one.action == READ_DISK)
    await closed(console, session, world)


async def test_the_next_engine_ends_what_a_killed_one_left_open(world: EngineWorld) -> None:
    console = await world.filled_console()
    request = await opening(console, console.named("web-01"))
    session = await opened(console, request, world)
    kill(console.pid)
    again = await world.console()
    async with asyncio.timeout(30):
        while not posts(world, "endGetAccess") or Phase.SUCCEEDED not in accesses(again):
            world.emulator.advance(2)
            await asyncio.sleep(0.1)
    await again.filled()
    assert len(posts(world, "endGetAccess")) == 1
    assert [entry.phase for entry in world.entries() if entry.action == READ_DISK] == [Phase.SUCCEEDED]

    anew = await opened(again, request, world)
    assert anew.id != session.id
    assert anew.names == session.names
    assert len(posts(world, "beginGetAccess")) == 2
    await closed(again, anew, world)


async def test_access_that_cannot_be_ended_is_a_loose_end(world: EngineWorld) -> None:
    console = await world.filled_console()
    session = await opened(console, await opening(console, console.named("web-01")), world)
    world.emulator.fault("status", method="POST", path="*endGetAccess", status=500, count=1)
    await closed(console, session, world)
    await console.until(lambda: accesses(console) == [Phase.UNKNOWN])
    operation = next(one for one in console.operations.values() if one.action == READ_DISK)
    (end,) = of_operations([operation], operation.created_at)
    assert end.kind is Kind.ACCESS_OPEN
    await meanwhile(world, console.call(wire.EndAccess(operation_id=operation.id)))
    await console.until(lambda: accesses(console) == [Phase.SUCCEEDED])


async def test_a_temporary_disk_is_made_read_and_deleted(world: EngineWorld, tmp_path: Path) -> None:
    console = await world.filled_console()
    vm = console.named("web-01")
    prepared = await form(console, vm)
    oldest = prepared.form.fields[0].options[3].value
    request = await opening(console, vm, point=oldest, way=WayKind.RESTORE)
    session = await opened(console, request, world, step_s=30)
    assert await restored(console, session, FSTAB, tmp_path, world) is RestoreState.DONE
    assert digest_of(tmp_path / "etc/fstab") in digests("ubuntu", "etc/fstab")
    (granted,) = posts(world, "beginGetAccess")
    disk = granted.removesuffix("/beginGetAccess")
    assert "/disks/web-01-osdisk-" in disk
    assert world.emulator.get(disk).status == 200
    await closed(console, session, world)
    deleting = next(one for one in world.entries() if one.action == "delete-disk")
    await console.until(lambda: deleting.id in console.operations)
    await world.goes_on(console, deleting.id)
    assert world.emulator.get(disk).status == 404
    assert len(posts(world, "restore")) == 1
    assert [one.action for one in world.entries()].count("restore-disks") == 1


async def test_snapshots_of_several_disks_are_opened_together(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = console.named("app-01")
    ids = await console.start("snapshot-disks", [vm.key])
    await meanwhile(world, console.ended(ids))
    prepared = await form(console, vm)
    point = next(one for one in prepared.form.fields[0].options if "/snapshots/" in one.value)
    session = await opened(console, await opening(console, vm, point=point.value), world)
    assert len(session.names) == len(vm.disks) == len(posts(world, "beginGetAccess"))
    assert session.notes[0].startswith("crash-consistent, as after a power cut")
    refused = await form(await world.console(), vm, point=point.value)
    assert [field.id for field in refused.form.fields] == ["point", "way"]
    await closed(console, session, world)
    assert len(posts(world, "endGetAccess")) == len(vm.disks)


async def test_who_may_not_is_told_which_right_is_missing(
    world: EngineWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_CLIENT_ID", READER_CLIENT_ID)
    console = await world.filled_console()
    vm = console.named("web-01")
    prepared = await form(console, vm)
    lacking = [check.detail for check in prepared.checks if "you lack" in check.detail]
    assert lacking == [
        "you lack Microsoft.Compute/restorePointCollections/restorePoints/diskRestorePoints/"
        "beginGetAccess/action"
    ]
    point = prepared.form.fields[0].default
    answers = {"point": point, "way": WayKind.RESTORE_POINT}
    with pytest.raises(Refused):
        await console.call(wire.OpenPoint(key=vm.key, answers=answers))
    assert posts(world, "beginGetAccess") == []
    assert world.entries() == []


async def test_a_read_only_console_opens_nothing(world: EngineWorld) -> None:
    console = await world.filled_console()
    request = await opening(console, console.named("web-01"))
    looking = await world.console(settings=msgspec.structs.replace(world.settings, read_only=True))
    with pytest.raises(RecoveryError, match="read-only"):
        await opened(looking, request, world)
    assert posts(world, "beginGetAccess") == []


async def test_a_restore_that_was_cut_off_goes_on_from_the_same_point(
    world: EngineWorld, tmp_path: Path
) -> None:
    """The engine is killed in the middle; the same question opens the point anew and offers what was left."""
    console = await world.filled_console()
    vm = console.named("web-01")
    request = await opening(console, vm)
    session = await opened(console, request, world)
    choice = await ticked(console, session, b"etc")
    world.emulator.fault("slow", path="/md-*", delay_s=20.0, count=10_000)
    await begin(console, session, choice, tmp_path)
    kill(console.pid)
    world.emulator.clear_faults()
    again = await world.console()
    await again.filled()
    anew = await opened(again, request, world)
    assert anew.restore is not None
    assert anew.restore.state is RestoreState.INTERRUPTED
    await again.call(wire.ResumeRestore(session=anew.id, id=anew.restore.id))
    await meanwhile(world, again.ended([anew.restore.id]))
    told = await again.call(wire.GetRestore(session=anew.id))
    assert isinstance(told, wire.RestoreTold)
    assert told.restore is not None
    assert told.restore.state is RestoreState.DONE
    await closed(again, anew, world)
    assert len(posts(world, "beginGetAccess")) == len(posts(world, "endGetAccess")) == 2


async def test_an_engine_that_is_stopped_ends_its_access_first(world: EngineWorld) -> None:
    console = await world.filled_console()
    await opened(console, await opening(console, console.named("web-01")), world)
    await console.call(wire.Stop())
    async with asyncio.timeout(30):
        while holder(world.settings) is not None:
            world.emulator.advance(2)
            await asyncio.sleep(0.1)
    assert len(posts(world, "endGetAccess")) == 1
    assert [entry.phase for entry in world.entries()] == [Phase.SUCCEEDED]
