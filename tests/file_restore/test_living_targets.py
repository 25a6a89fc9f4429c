"""A folder that people work in, into archives and into another machine: what changed since is not mixed."""

from __future__ import annotations

import asyncio
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from azure_ops.file_restore.archive import Archive
from azure_ops.file_restore.extraction import Extraction
from azure_ops.file_restore.folder import VOLUME, Folder
from azure_ops.file_restore.folder_reader import FolderReader
from azure_ops.file_restore.remote import Remote
from azure_ops.file_restore.reports import Report
from azure_ops.file_restore.target import Opener
from tests.file_restore.ssh_server import SshServer

from .test_remote import machine as machine
from .test_remote import place as place

NAMES = [b"a", b"b", b"deep", b"sparse"]
OLD, NEW = b"old" * 700_000, b"new" * 500_000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "living"
    (folder / "deep").mkdir(parents=True)
    (folder / "a").write_bytes(b"a" * 3_000_000)
    (folder / "b").write_bytes(OLD)
    (folder / "deep/c").write_bytes(b"c" * 100)
    with open(folder / "sparse", "wb") as file:
        file.truncate(50 << 20)
        file.seek(20 << 20)
        file.write(b"in the middle")
    return folder


async def restored(source: Path, to: Opener, *, stop: bool = False, changes: bool = False) -> Report:
    """Stopped when two files are there; or `b` changes while it is copied."""
    folder = Folder(source)

    class Changing(FolderReader):
        async def read(self, volume: str, file: int, offset: int, length: int) -> bytes:
            data = await super().read(volume, file, offset, length)
            if data[:3] == b"old":
                (source / "b").write_bytes(OLD)
            return data

    reader = Changing if changes else FolderReader
    try:
        job = Extraction((), VOLUME, [(name, 0) for name in NAMES], to, new_reader=lambda: reader(folder))
        if not stop:
            return await job.run()
        running = asyncio.create_task(job.run())
        while job.progress.files_done < 2 and not running.done():
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return Report()
    finally:
        folder.close()


def expected(source: Path) -> dict[str, bytes]:
    files = [path for path in source.rglob("*") if path.is_file()]
    return {str(path.relative_to(source)): path.read_bytes() for path in files}


def unpacked(made: Path) -> dict[str, bytes]:
    if made.suffix == ".zip":
        with zipfile.ZipFile(made) as file:
            listed = [info.filename for info in file.infolist() if not info.is_dir()]
            assert len(listed) == len(set(listed))
            return {name: file.read(name) for name in listed}
    with tarfile.open(made) as tar:
        members = [member for member in tar.getmembers() if member.isfile()]
        assert len(members) == len({member.name for member in members})
        return {member.name: tar.extractfile(member).read() for member in members}  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["tar", "zip"])
async def test_an_archive_gone_on_with_after_a_change(source: Path, tmp_path: Path, kind: str) -> None:
    made = tmp_path / f"made.{kind}"
    to = Archive(made, "tar" if kind == "tar" else "zip")
    await restored(source, to, stop=True)
    (source / "b").write_bytes(NEW)
    os.unlink(source / "a")
    (source / "a0").write_bytes(b"never ticked")
    await restored(source, to)
    wanted = expected(source)
    del wanted["a0"]
    assert unpacked(made) == wanted


@pytest.mark.parametrize("kind", ["tar", "zip"])
async def test_a_file_that_changes_is_not_in_the_archive(source: Path, tmp_path: Path, kind: str) -> None:
    made = tmp_path / f"made.{kind}"
    report = await restored(source, Archive(made, "tar" if kind == "tar" else "zip"), changes=True)
    wanted = expected(source)
    del wanted["b"]
    assert unpacked(made) == wanted
    assert any("b: " in loss and "changed" in loss for loss in report.losses)


async def test_another_machine_gone_on_with_after_a_change(
    source: Path, machine: SshServer, place: Remote
) -> None:
    await restored(source, place, stop=True)
    (source / "deep/c").write_bytes(NEW)
    await restored(source, place)
    out = Path(place.path)
    found = {name: data for name, data in expected(out).items() if not name.startswith("azrecover-")}
    assert found == expected(source)
