"""A folder of this machine behind the reader: hostile names, links, special files, changes underneath."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from azure_ops.file_restore.entries import Entry
from azure_ops.file_restore.extraction import Extraction
from azure_ops.file_restore.folder import VOLUME, Folder
from azure_ops.file_restore.folder_reader import FolderReader
from azure_ops.file_restore.problems import FileRestoreError
from azure_ops.file_restore.reports import Report

SECRET = b"outside of the folder"
ODD = [
    b"line\nend",
    b"\x1b[2Jclear",
    b"not-utf8-\xff\xfe",
    b"[bold]markup",
    b"n" * 255,
    b" ",
    b"-rf",
    b"\xe2\x80\xae",
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(SECRET)
    folder = tmp_path / "source"
    (folder / "etc/deep").mkdir(parents=True)
    (folder / "etc/hosts").write_bytes(b"127.0.0.1 localhost\n")
    (folder / "etc/deep/big").write_bytes(os.urandom(3_000_000))
    os.link(folder / "etc/hosts", folder / "etc/hosts.too")
    os.symlink(outside, folder / "out")
    os.symlink("../../outside/secret", folder / "etc/up")
    os.symlink("/etc/hosts", folder / "absolute")
    os.symlink("loop", folder / "loop")
    os.mkfifo(folder / "fifo")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "sock"))
    listener.close()
    for name in ODD:
        (Path(os.fsdecode(os.fsencode(folder) + b"/" + name))).write_bytes(name)
    with open(folder / "sparse", "wb") as file:
        file.truncate(10 << 40)
        file.seek(5 << 40)
        file.write(b"in the middle")
    return folder


@pytest.fixture
async def folder(source: Path) -> AsyncIterator[Folder]:
    opened = Folder(source)
    yield opened
    opened.close()


@pytest.fixture
async def reader(folder: Folder) -> AsyncIterator[FolderReader]:
    async with FolderReader(folder) as made:
        yield made


async def listed(reader: FolderReader, path: bytes = b"") -> dict[bytes, Entry]:
    directory = (await reader.lookup(VOLUME, path))[-1]
    return {one.name: one async for part in reader.list(VOLUME, directory.id) for one in part.entries}


async def restored(folder: Folder, to: Path, *paths: bytes) -> Report:
    async with FolderReader(folder) as reader:
        ticked = [(path, (await reader.lookup(VOLUME, path))[-1].id) for path in paths]
    return await Extraction([], VOLUME, ticked, to, new_reader=lambda: FolderReader(folder)).run()


async def test_what_is_listed_is_what_is_there(reader: FolderReader, source: Path) -> None:
    (volume,) = await reader.volumes()
    assert (volume.key, volume.description, volume.state) == (VOLUME, "folder", "readable")
    found = await listed(reader)
    assert set(found) == {os.fsencode(name) for name in os.listdir(source)} >= set(ODD)
    for name, entry in found.items():
        status = os.lstat(os.fsencode(source) + b"/" + name)
        assert (entry.size, entry.modified_ns, entry.uid) == (
            status.st_size,
            status.st_mtime_ns,
            status.st_uid,
        )
    assert found[b"fifo"].kind == "fifo"
    assert found[b"sock"].kind == "socket"
    assert found[b"out"].kind == "symlink"
    assert found[b"etc"].id == (await reader.lookup(VOLUME, b"etc"))[-1].id


async def test_no_link_leads_out_of_the_folder(reader: FolderReader) -> None:
    within = await reader.lookup(VOLUME, b"absolute", follow=True)
    assert await reader.read(VOLUME, within[-1].id, 0, 100) == b"127.0.0.1 localhost\n"
    for path in (b"out", b"out/secret", b"etc/up", b"../outside/secret", b"loop"):
        with pytest.raises(FileRestoreError):
            await reader.lookup(VOLUME, path, follow=True)
    hits = [
        hit.path
        async for some, _ in reader.search(VOLUME, (await reader.open(VOLUME)).root, "secret")
        for hit in some
    ]
    assert hits == []


async def test_a_directory_that_becomes_a_link_is_not_followed(reader: FolderReader, source: Path) -> None:
    deep = (await listed(reader, b"etc"))[b"deep"]
    os.rename(source / "etc/deep", source / "etc/was-deep")
    os.symlink(source.parent / "outside", source / "etc/deep")
    parts = [part async for part in reader.list(VOLUME, deep.id)]
    assert [(part.entries, part.problem) for part in parts] == [
        ((), "it is not there any more; list it again")
    ]
    assert (await listed(reader, b"etc"))[b"was-deep"].id == deep.id
    moved = [one.name async for part in reader.list(VOLUME, deep.id) for one in part.entries]
    assert moved == [b"big"]


async def test_special_files_are_not_opened(reader: FolderReader) -> None:
    found = await listed(reader)
    for name in (b"fifo", b"sock", b"out", b"etc"):
        async with asyncio.timeout(5):
            with pytest.raises(FileRestoreError, match="is not opened"):
                await reader.read(VOLUME, found[name].id, 0, 10)


async def test_all_of_it_is_copied_but_what_cannot_be(folder: Folder, source: Path, tmp_path: Path) -> None:
    to = tmp_path / "to"
    report = await restored(folder, to, *(os.fsencode(name) for name in os.listdir(source)))
    for path in (b"etc/hosts", b"etc/deep/big", *ODD):
        there, here = (os.path.join(os.fsencode(place), path) for place in (source, to))
        assert Path(os.fsdecode(here)).read_bytes() == Path(os.fsdecode(there)).read_bytes()
        assert os.stat(here).st_mtime_ns == os.stat(there).st_mtime_ns
    assert os.path.samefile(to / "etc/hosts", to / "etc/hosts.too")
    sparse = (to / "sparse").stat()
    assert sparse.st_size == 10 << 40
    assert sparse.st_blocks * 512 < 1 << 20
    with open(to / "sparse", "rb") as file:
        file.seek(5 << 40)
        assert file.read(13) == b"in the middle"
    lost = "\n".join(report.losses)
    for what in ("fifo: fifos are not made", "sock: sockets are not made", "out", "etc/up"):
        assert what in lost
    assert not os.path.lexists(to / "out")
    assert SECRET not in b"".join(
        one.read_bytes() for one in to.rglob("*") if one.is_file() and one.name != "sparse"
    )
    assert report.manifest is not None
    digest = hashlib.sha256((source / "etc/deep/big").read_bytes()).hexdigest()
    assert digest.encode() in report.manifest.read_bytes()


async def test_a_file_that_changes_while_it_is_copied_is_not_handed_out(
    folder: Folder, source: Path, tmp_path: Path
) -> None:
    class Meddling(FolderReader):
        async def read(self, volume: str, identity: int, offset: int, length: int) -> bytes:
            data = await super().read(volume, identity, offset, length)
            with open(source / "etc/deep/big", "r+b") as file:
                file.write(b"changed")
            return data

    async with FolderReader(folder) as reader:
        ticked = [(path, (await reader.lookup(VOLUME, path))[-1].id) for path in (b"etc/deep", b"etc/hosts")]
    extraction = Extraction([], VOLUME, ticked, tmp_path / "to", new_reader=lambda: Meddling(folder))
    report = await extraction.run()
    assert any("etc/deep/big: it changed while it was being copied" in loss for loss in report.losses)
    assert not (tmp_path / "to/etc/deep/big").exists()
    assert (tmp_path / "to/etc/hosts").read_bytes() == b"127.0.0.1 localhost\n"
    assert not list((tmp_path / "to").rglob("*.part"))


async def test_a_file_replaced_after_it_was_listed_is_told(reader: FolderReader, source: Path) -> None:
    hosts = (await listed(reader, b"etc"))[b"hosts"]
    (source / "new").write_bytes(b"another file")
    os.rename(source / "new", source / "etc/hosts")
    os.unlink(source / "etc/hosts.too")
    with pytest.raises(FileRestoreError, match="another file has this name now"):
        await reader.read(VOLUME, hosts.id, 0, 10)


async def test_numbers_of_an_earlier_engine_are_found_by_their_paths(source: Path, tmp_path: Path) -> None:
    first = Folder(source)
    ticked = []
    async with FolderReader(first) as reader:
        ticked = [(b"etc/deep", (await reader.lookup(VOLUME, b"etc/deep"))[-1].id)]
    first.close()
    second = Folder(source)
    report = await Extraction(
        [], VOLUME, ticked, tmp_path / "to", new_reader=lambda: FolderReader(second)
    ).run()
    second.close()
    assert report.files == 1
    assert (tmp_path / "to/etc/deep/big").read_bytes() == (source / "etc/deep/big").read_bytes()


async def test_a_long_answer_nobody_wants_any_more_ends(folder: Folder, source: Path) -> None:
    many = source / "many"
    many.mkdir()
    for number in range(5000):
        (many / f"f{number}").touch()
    async with FolderReader(folder) as reader:
        directory = (await reader.lookup(VOLUME, b"many"))[-1]
        async for part in reader.list(VOLUME, directory.id):
            assert part.entries
            break
        assert len(await listed(reader, b"many")) == 5000


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileRestoreError, match="not a directory"):
        Folder(tmp_path / "file")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_what_may_not_be_read_is_one_bad_entry() -> None:
    place = Path(tempfile.mkdtemp(prefix="azr-"))
    place.chmod(0o755)
    (place / "mine").write_bytes(b"mine")
    (place / "closed").mkdir(mode=0o700)
    (place / "open").write_bytes(b"open")
    (place / "mine").chmod(0o600)
    os.seteuid(65534)
    try:
        opened = Folder(place)
        async with FolderReader(opened) as reader:
            found = await listed(reader)
            assert set(found) == {b"mine", b"closed", b"open"}
            assert await reader.read(VOLUME, found[b"open"].id, 0, 9) == b"open"
            with pytest.raises(FileRestoreError, match="permission denied"):
                await reader.read(VOLUME, found[b"mine"].id, 0, 9)
            inside = [part async for part in reader.list(VOLUME, found[b"closed"].id)]
            assert [part.problem for part in inside] == ["permission denied"]
            ticked = [(name, found[name].id) for name in sorted(found)]
            planned = {one.path: one async for some in reader.plan(VOLUME, ticked) for one in some}
            assert planned[b"mine"].entry.problem == "permission denied"
            assert not planned[b"open"].entry.problem
            assert planned[b""].entry.problem == "/closed: permission denied"
        opened.close()
    finally:
        os.seteuid(0)
        shutil.rmtree(place)
