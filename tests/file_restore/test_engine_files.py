"""The engine's side of files: an engine process that asks nothing of Azure, and consoles on it."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import cast

import msgspec
import pytest

from azure_ops import paths, wire
from azure_ops.cloud import LOCAL, CloudSettings
from azure_ops.engine.console import Board, Console
from azure_ops.engine.files import FileSessions
from azure_ops.errors import EngineUnavailable, NotFound, RecoveryError, Refused
from azure_ops.file_model import (
    Conflict,
    Control,
    FileChoice,
    FileCount,
    FileRestore,
    FileSession,
    RestoreState,
    TickedFile,
)
from azure_ops.file_places import Place, PlaceKind
from azure_ops.journal.reader import Reader
from azure_ops.journal.store import Journal
from azure_ops.model import Phase
from tests.emulator.engine_world import Told, kill, point_folders

from .interrupted import begin_paused, big_image, opened
from .ssh_server import HOST, SshServer
from .truth import Fact, facts_of_folder, recorded

Image = Callable[[str], Path]
SETTINGS = CloudSettings(name=LOCAL)
ROOT_VOLUME = "disk0/p3"


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Short: a socket's path has little room."""
    folder = Path(tempfile.mkdtemp(prefix="azr-"))
    point_folders(monkeypatch, folder)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def console(home: Path) -> AsyncIterator[Told]:
    told = Told(SETTINGS)
    await told.connect()
    yield told
    await told.close()
    kill(told.pid)


async def choice(console: Told, session: FileSession, *ticked: bytes, without: bytes = b"") -> FileChoice:
    found = []
    for path in ticked:
        answer = await console.call(wire.LookUpPath(session=session.id, volume=ROOT_VOLUME, path=path))
        assert isinstance(answer, wire.PathFound)
        found.append(TickedFile(path=path, id=answer.entries[-1].id))
    return FileChoice(volume=ROOT_VOLUME, ticked=tuple(found), without=(without,) if without else ())


async def counted(console: Told, session: FileSession, wanted: FileChoice, folder: str = "") -> FileCount:
    async with asyncio.timeout(30):
        while True:
            request = wire.CountFiles(
                session=session.id, choice=wanted, place=Place(path=folder) if folder else None
            )
            answer = await console.call(request)
            assert isinstance(answer, wire.FilesCounted)
            if answer.count.whole or answer.count.problem:
                return answer.count


async def ended(console: Told, session: FileSession) -> FileRestore:
    async def state() -> FileRestore:
        answer = await console.call(wire.GetRestore(session=session.id))
        assert isinstance(answer, wire.RestoreTold)
        assert answer.restore is not None
        return answer.restore

    first = await state()
    await console.until(
        lambda: console.phase(first.id) is not None and console.operations[first.id].phase.ended
    )
    return await state()


def content(facts: dict[bytes, Fact], *below: bytes) -> dict[bytes, str]:
    return {
        path: fact.digest
        for path, fact in facts.items()
        if fact.kind == "file" and path.startswith(below or b"") and not path.startswith(b"azrecover-")
    }


def journal_lines() -> list[str]:
    return [event.text for event in Reader(paths.journal_path(SETTINGS)).events()]


async def test_from_the_disks_to_files_with_their_hashes(console: Told, image: Image, tmp_path: Path) -> None:
    session = await opened(console, image("ubuntu.img"))
    by_key = {volume.key: volume for volume in session.volumes}
    assert by_key[ROOT_VOLUME].state == "readable"
    root = await console.call(wire.OpenFileSystem(session=session.id, volume=ROOT_VOLUME))
    assert isinstance(root, wire.FileSystemOpened)
    truth = recorded("ubuntu-root")

    request = wire.ListFiles(session=session.id, volume=ROOT_VOLUME, directory=root.system.root)
    names, more = set(), True
    while more:
        part = await console.call(request)
        assert isinstance(part, wire.FilesListed)
        names |= {entry.name for entry in part.entries}
        more, request = part.more, wire.ListFiles(**{**_fields(request), "more": True})
    assert names == {path for path in truth if b"/" not in path}

    hits: set[bytes] = set()
    find = wire.FindFiles(
        session=session.id,
        volume=ROOT_VOLUME,
        directory=root.system.root,
        path=b"",
        pattern="ENTRY-000?.conf",
    )
    more = True
    while more:
        found = await console.call(find)
        assert isinstance(found, wire.FilesFound)
        hits |= {hit.path for hit in found.hits}
        more, find = found.more, wire.FindFiles(**{**_fields(find), "more": True})
    assert hits == {b"many/entry-000%d.conf" % number for number in range(10)}

    wanted = await choice(console, session, b"etc/fstab", b"many", without=b"many/entry-0001.conf")
    preview = await console.call(
        wire.ReadFile(
            session=session.id, volume=ROOT_VOLUME, id=wanted.ticked[0].id, offset=0, length=1 << 30
        )
    )
    assert isinstance(preview, wire.FileRead)
    assert len(preview.data) == truth[b"etc/fstab"].size

    out = tmp_path / "out"
    (out / "etc").mkdir(parents=True)
    (out / "etc/fstab").write_text("mine")
    count = await counted(console, session, wanted, str(out))
    expected = content(truth, b"etc/fstab", b"many/")
    del expected[b"many/entry-0001.conf"]
    assert (count.files, count.existing) == (len(expected), 1)
    assert count.size == sum(truth[path].size for path in expected)
    assert {line.path for line in count.lines if line.kind == "file"} == set(expected)

    await console.call(
        wire.RestoreFiles(
            session=session.id, choice=wanted, place=Place(path=str(out)), conflict=Conflict.KEEP_BOTH
        )
    )
    restore = await ended(console, session)
    assert (restore.state, restore.restored, restore.losses_count) == (RestoreState.DONE, len(expected), 0)
    found_files = content(facts_of_folder(out))
    assert found_files.pop(b"etc/fstab") != expected[b"etc/fstab"]
    expected[b"etc/fstab (2)"] = expected.pop(b"etc/fstab")
    assert found_files == expected
    subprocess.run(["sha256sum", "--quiet", "--check", restore.manifest], cwd=out, check=True, timeout=30)
    lines = journal_lines()
    for path, digest in expected.items():
        assert f"restored, SHA-256 {digest}  {path.decode()}" in lines


@pytest.mark.parametrize("conflict", [Conflict.SKIP, Conflict.OVERWRITE])
async def test_names_that_are_taken(console: Told, image: Image, tmp_path: Path, conflict: Conflict) -> None:
    session = await opened(console, image("ubuntu.img"))
    wanted = await choice(console, session, b"etc/fstab", b"random.bin")
    out = tmp_path / "out"
    (out / "etc").mkdir(parents=True)
    (out / "etc/fstab").write_text("mine")
    await console.call(
        wire.RestoreFiles(
            session=session.id, choice=wanted, place=Place(path=str(out)), conflict=conflict, overwriting=True
        )
    )
    restore = await ended(console, session)
    skips = conflict is Conflict.SKIP
    assert (restore.state, restore.skipped) == (RestoreState.DONE, 1 if skips else 0)
    truth, found = recorded("ubuntu-root"), content(facts_of_folder(out))
    assert set(found) == {b"etc/fstab", b"random.bin"}
    assert (found[b"etc/fstab"] == truth[b"etc/fstab"].digest) is not skips
    assert found[b"random.bin"] == truth[b"random.bin"].digest


async def test_read_only_writes_archives_here_and_nothing_elsewhere(
    home: Path, image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = SshServer(tmp_path / "ssh", system_ssh=bool(shutil.which("ssh")))
    monkeypatch.setenv("PATH", f"{server.folder / 'bin'}:{os.environ['PATH']}")
    there = Place(kind=PlaceKind.SFTP, host=HOST, path=str(tmp_path / "there"))
    looking = Told(CloudSettings(name=LOCAL, read_only=True))
    await looking.connect()
    session = await opened(looking, image("ubuntu.img"))
    wanted = await choice(looking, session, b"etc/fstab", b"many")
    restore = wire.RestoreFiles(
        session=session.id, choice=wanted, place=there, conflict=Conflict.KEEP_BOTH, agent="/nowhere"
    )
    for request in (wire.CheckPlace(place=there, conflict=Conflict.SKIP), restore):
        with pytest.raises(Refused, match="nothing is written into another machine"):
            await looking.call(request)
    archive = Place(kind=PlaceKind.TAR, path=str(tmp_path / "some.tar"))
    await looking.call(msgspec.structs.replace(restore, place=archive))
    told = await ended(looking, session)
    assert (told.state, told.made, told.place) == (RestoreState.DONE, archive.path, archive)
    truth = recorded("ubuntu-root")
    with tarfile.open(archive.path) as file:
        assert {os.fsencode(info.name) for info in file if info.isreg()} == set(
            content(truth, b"etc/fstab", b"many/")
        )
    with pytest.raises(RecoveryError, match="is there already"):
        await looking.call(msgspec.structs.replace(restore, place=archive, conflict=Conflict.SKIP))
    await looking.close()

    writing = Told(SETTINGS)
    await writing.connect()
    session = await opened(writing, image("ubuntu.img"))
    checked = await writing.call(wire.CheckPlace(place=there, conflict=Conflict.SKIP))
    assert isinstance(checked, wire.PlaceChecked)
    assert (checked.check.problem, checked.check.exists) == ("", False)
    assert checked.check.free_bytes > 0
    (tmp_path / "there/etc").mkdir(parents=True)
    (tmp_path / "there/etc/fstab").write_text("mine")
    asked = wire.CountFiles(session=session.id, choice=wanted, place=there)
    async with asyncio.timeout(30):
        while not (counted := await writing.call(asked)).count.whole:  # type: ignore[union-attr]
            assert isinstance(counted, wire.FilesCounted)
            assert not counted.count.problem
    assert counted.count.existing == 1
    await writing.call(msgspec.structs.replace(restore, session=session.id))
    told = await ended(writing, session)
    assert (told.state, told.place) == (RestoreState.DONE, there)
    expected = content(truth, b"etc/fstab", b"many/")
    expected[b"etc/fstab (2)"] = expected.pop(b"etc/fstab")
    found = content(facts_of_folder(tmp_path / "there"))
    assert found.pop(b"etc/fstab")
    assert found == expected
    await writing.close()
    kill(writing.pid)
    server.kill()


def _fields(message: wire.Message) -> dict[str, object]:
    return {name: getattr(message, name) for name in message.__struct_fields__}


async def test_what_is_refused_is_said(console: Told, image: Image, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="Azure is not asked"):
        await console.call(wire.Refresh())
    with pytest.raises(RecoveryError, match="cannot be opened"):
        await opened(console, tmp_path / "nothing.img")
    with pytest.raises(RecoveryError, match="no whole path"):
        await console.call(wire.OpenFiles(paths=("ubuntu.img",)))
    session = await opened(console, image("ubuntu.img"))
    with pytest.raises(RecoveryError, match="there is no nowhere"):
        await console.call(wire.LookUpPath(session=session.id, volume=ROOT_VOLUME, path=b"nowhere/x"))
    wanted = await choice(console, session, b"etc")
    taken = tmp_path / "taken"
    taken.write_text("a file")
    for folder, conflict, why in (
        (taken, Conflict.SKIP, "is no folder"),
        (tmp_path, Conflict.OVERWRITE, "nobody confirmed"),
        (Path("relative"), Conflict.SKIP, "no whole path"),
    ):
        with pytest.raises(RecoveryError, match=why):
            await console.call(
                wire.RestoreFiles(
                    session=session.id, choice=wanted, place=Place(path=str(folder)), conflict=conflict
                )
            )
    with pytest.raises(Refused, match="Nothing is ticked"):
        await console.call(
            wire.RestoreFiles(
                session=session.id, choice=FileChoice(volume=ROOT_VOLUME),
                place=Place(path=str(tmp_path / "o")), conflict=Conflict.SKIP,
            )
        )  # fmt: skip
    assert not Reader(paths.journal_path(SETTINGS)).entries()
    await console.call(wire.CloseFiles(session=session.id))
    with pytest.raises(NotFound, match="not open any more"):
        await console.call(wire.GetRestore(session=session.id))


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return big_image(tmp_path_factory.mktemp("big"))


@pytest.mark.parametrize("kind", [PlaceKind.FOLDER, PlaceKind.TAR])
async def test_a_lost_line_and_a_killed_engine_lose_nothing(
    home: Path, big: tuple[Path, Path], tmp_path: Path, kind: PlaceKind
) -> None:
    source, image = big
    out = tmp_path / "out"
    place = Place(kind=kind, path=str(tmp_path / "all.tar" if kind.is_archive else out))
    first = Told(SETTINGS)
    await first.connect()
    session = await opened(first, image)
    answer = await first.call(wire.LookUpPath(session=session.id, volume="disk0", path=b"data"))
    assert isinstance(answer, wire.PathFound)
    data = TickedFile(path=b"data", id=answer.entries[-1].id)
    wanted = FileChoice(volume="disk0", ticked=(data,))
    begun = await begin_paused(first, session, wanted, place)
    await first.close()

    second = Told(SETTINGS)
    await second.connect()
    assert second.pid == first.pid
    again = await opened(second, image)
    assert again.id == session.id
    assert again.restore is not None
    assert (again.restore.id, again.restore.state) == (begun.id, RestoreState.PAUSED)
    kill(second.pid)

    await second.until(lambda: second.pid != first.pid)
    third = await opened(second, image)
    assert third.restore is not None
    assert (third.restore.id, third.restore.state) == (begun.id, RestoreState.INTERRUPTED)
    await second.call(wire.ResumeRestore(session=third.id, id=begun.id))
    restore = await ended(second, third)
    assert restore.state is RestoreState.DONE
    assert restore.bytes_fetched < sum(file.stat().st_size for file in source.rglob("*") if file.is_file())
    if kind.is_archive:
        with tarfile.open(place.path) as archive:
            archive.extractall(out)
    for file in source.rglob("*"):
        if file.is_file():
            assert (out / file.relative_to(source)).read_bytes() == file.read_bytes()
    assert not list(tmp_path.rglob(".azrecover-*"))
    (entry,) = Reader(paths.journal_path(SETTINGS)).entries()
    assert entry.phase is Phase.SUCCEEDED
    await second.close()
    kill(second.pid)


async def test_a_cancelled_restore_leaves_no_half_file_under_its_name(
    console: Told, big: tuple[Path, Path], tmp_path: Path
) -> None:
    source, image = big
    out = tmp_path / "out"
    session = await opened(console, image)
    answer = await console.call(wire.LookUpPath(session=session.id, volume="disk0", path=b"data"))
    assert isinstance(answer, wire.PathFound)
    wanted = FileChoice(volume="disk0", ticked=(TickedFile(path=b"data", id=answer.entries[-1].id),))
    await begin_paused(console, session, wanted, Place(path=str(out)))
    await console.call(wire.ControlRestore(session=session.id, control=Control.CANCEL))
    assert (await ended(console, session)).state is RestoreState.CANCELLED
    for path in out.glob("data/[0-9]*"):
        assert path.read_bytes() == (source / path.relative_to(out)).read_bytes()


async def test_disks_are_closed_when_nobody_looks_any_more(home: Path, image: Image, tmp_path: Path) -> None:
    """By the sessions themselves: a minute's grace is too long for a test of the process."""
    from datetime import UTC, datetime

    journal = Journal.open(tmp_path / "journal.sqlite")
    sessions = FileSessions(
        journal,
        Board(service_now=lambda: datetime.now(UTC)),
        wake=lambda: None,
        notify=lambda _: None,
        grace_s=0.05,
    )
    keeping = asyncio.create_task(sessions.run())
    here, gone = cast(Console, object()), cast(Console, object())
    readers = []
    for console in (here, gone):
        answer = await sessions.answer(console, wire.OpenFiles(paths=(str(image("ubuntu.img")),)))
        assert isinstance(answer, wire.FilesOpened)
        readers += sessions._sessions[answer.session.id].reader_pids
    assert len(readers) == 2
    sessions.console_left(gone)
    async with asyncio.timeout(10):
        while os.path.exists(f"/proc/{readers[1]}"):
            await asyncio.sleep(0.02)
    assert os.path.exists(f"/proc/{readers[0]}")
    assert sessions.count == 1
    keeping.cancel()
    await sessions.close()
    assert not os.path.exists(f"/proc/{readers[0]}")
    journal.close()


async def test_a_folder_is_opened_as_disks_are(console: Told, home: Path, tmp_path: Path) -> None:
    source = tmp_path / "mounted"
    (source / "etc").mkdir(parents=True)
    (source / "etc/hosts").write_text("127.0.0.1 localhost\n")
    answer = await console.call(wire.OpenFiles(paths=(str(source),)))
    assert isinstance(answer, wire.FilesOpened)
    session = answer.session
    assert [(one.key, one.state, one.label) for one in session.volumes] == [
        ("folder", "readable", str(source))
    ]
    found = await console.call(wire.LookUpPath(session=session.id, volume="folder", path=b"etc"))
    assert isinstance(found, wire.PathFound)
    wanted = FileChoice(volume="folder", ticked=(TickedFile(path=b"etc", id=found.entries[-1].id),))
    count = await counted(console, session, wanted)
    assert (count.files, count.directories, count.size) == (1, 1, 20)
    inside = wire.RestoreFiles(
        session=session.id, choice=wanted, place=Place(path=str(source / "copy")), conflict=Conflict.KEEP_BOTH
    )
    with pytest.raises(Refused, match="lies in the folder that is read"):
        await console.call(inside)
    assert not (source / "copy").exists()
    outside = msgspec.structs.replace(inside, place=Place(path=str(tmp_path / "to")))
    await console.call(outside)
    async with asyncio.timeout(30):
        while True:
            told = await console.call(wire.GetRestore(session=session.id))
            assert isinstance(told, wire.RestoreTold)
            if told.restore is not None and told.restore.state is RestoreState.DONE:
                break
            await asyncio.sleep(0.05)
    assert (tmp_path / "to/etc/hosts").read_text() == "127.0.0.1 localhost\n"
    with pytest.raises(RecoveryError, match="opened alone"):
        await console.call(wire.OpenFiles(paths=(str(source), str(tmp_path))))
