"""Restores to a tar or zip file, unpacked again by readers that are not ours."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest

from azure_ops.file_restore import extraction
from azure_ops.file_restore.archive import Archive, Kind
from azure_ops.file_restore.attributes import Carry
from azure_ops.file_restore.destination import Conflict
from azure_ops.file_restore.entries import Entry, Planned
from azure_ops.file_restore.extraction import Extraction
from azure_ops.file_restore.member import Member
from azure_ops.file_restore.problems import FileRestoreError
from azure_ops.file_restore.reports import Options
from azure_ops.file_restore.zip_format import Zip

from .range_server import RangeServer
from .test_extraction import EVERYTHING, IS_ROOT, Image, disks_of, leftovers, remote, same_tree, ticked
from .test_extraction import big as big
from .test_extraction import server as server
from .truth import Fact, differences, facts_of_folder, recorded

NOT_MADE = ("fifo", "character device")


def unpack(archive: Path, to: Path) -> Path:
    """By the programs that everybody has, else by the standard library."""
    to.mkdir()
    if archive.suffix == ".zip":
        if shutil.which("unzip"):
            command = ["unzip", "-q", "-X", str(archive), "-d", str(to)]
        else:
            command = [sys.executable, "-m", "zipfile", "-e", str(archive), str(to)]
        subprocess.run(command, check=True, timeout=60)
    elif shutil.which("tar"):
        keep = ["-p", "--numeric-owner", "--xattrs", "--xattrs-include=*"]
        done = subprocess.run(
            ["tar", "-xf", str(archive), "-C", str(to), *keep], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
    else:
        with tarfile.open(archive) as file:
            file.extractall(to, filter="fully_trusted")
    return to


def held_by_manifest(archive: Path, unpacked: Path) -> None:
    manifest = archive.with_name(archive.name + ".sha256")
    subprocess.run(["sha256sum", "--quiet", "--check", manifest], cwd=unpacked, check=True, timeout=30)
    assert not leftovers(archive.parent)
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600


def expected_of(truth: str) -> dict[bytes, Fact]:
    return {path: fact for path, fact in recorded(truth).items() if fact.kind not in NOT_MADE}


@pytest.mark.parametrize(
    ("images", "volume", "truth"),
    [(["ubuntu.img"], "disk0/p3", "ubuntu-root"), (["rhel-a.img", "rhel-b.img"], "rhel/root", "rhel-root")],
)
async def test_a_whole_file_system_as_tar(
    image: Image, tmp_path: Path, images: list[str], volume: str, truth: str
) -> None:
    path = tmp_path / "whole.tar"
    async with disks_of(*(image(name) for name in images)) as disks:
        wanted = await ticked(disks, volume, b"/")
        report = await Extraction(disks, volume, wanted, Archive(path, "tar"), EVERYTHING).run()
    assert report.made == path
    assert sorted(report.losses) == ["null: character devices are not made", "pipe: fifos are not made"]
    assert path.stat().st_size < 200 << 20
    out = unpack(path, tmp_path / "out")
    only = ("kind", "size", "mode", "modified_ns", "target", "digest", "links", "xattrs", "uid", "gid")
    assert not differences(expected_of(truth), facts_of_folder(out), only if IS_ROOT else only[:6])
    held_by_manifest(path, out)
    holes = (out / "sparse").stat()
    assert holes.st_blocks * 512 < holes.st_size // 10


async def test_a_tar_is_what_the_standard_library_reads(image: Image, tmp_path: Path) -> None:
    """Names of any bytes, holes and links: everywhere, also where no tar is installed."""
    path = tmp_path / "whole.tar"
    async with disks_of(image("ubuntu.img")) as disks:
        wanted = await ticked(disks, "disk0/p3", b"/")
        await Extraction(disks, "disk0/p3", wanted, Archive(path, "tar"), EVERYTHING).run()
    expected, found = expected_of("ubuntu-root"), set()
    with tarfile.open(path, encoding="utf-8", errors="surrogateescape") as archive:
        for info in archive:
            name = os.fsencode(info.name)
            fact = expected[name]
            found.add(name)
            assert not name.startswith(b"/")
            assert b".." not in name.split(b"/")
            assert (info.uid, info.gid) == (fact.uid, fact.gid)
            if info.isreg() or info.islnk():
                content = archive.extractfile(info)
                assert content is not None
                assert hashlib.file_digest(content, "sha256").hexdigest() == fact.digest, name
    assert found == set(expected)


async def test_a_whole_file_system_as_zip(image: Image, tmp_path: Path) -> None:
    path = tmp_path / "whole.zip"
    async with disks_of(image("ubuntu.img")) as disks:
        wanted = await ticked(disks, "disk0/p3", b"/")
        report = await Extraction(disks, "disk0/p3", wanted, Archive(path, "zip"), EVERYTHING).run()
    truth = expected_of("ubuntu-root")
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        names = {
            info.filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437").rstrip(b"/"): info
            for info in archive.infolist()
        }
        assert {name.replace(b"%5C", b"\\") for name in names} == set(truth)
        for name, info in names.items():
            fact = truth[name.replace(b"%5C", b"\\")]
            assert stat.S_IMODE(info.external_attr >> 16) == fact.mode
            if fact.kind == "file":
                with archive.open(info) as content:
                    assert hashlib.file_digest(content, "sha256").hexdigest() == fact.digest
            elif fact.kind == "symlink":
                assert archive.read(info) == fact.target
    assert "in a zip file times are to the second, and holes are zeros" in report.losses
    assert any("hard link (it has its own copy)" in loss for loss in report.losses)
    some = tmp_path / "some.zip"
    async with disks_of(image("ubuntu.img")) as disks:
        wanted = await ticked(disks, "disk0/p3", b"etc", b"many")
        await Extraction(disks, "disk0/p3", wanted, Archive(some, "zip"), EVERYTHING).run()
    out = unpack(some, tmp_path / "out")
    below = {path: fact for path, fact in truth.items() if path.split(b"/")[0] in (b"etc", b"many")}
    only = ("kind", "size", "mode", "target", "digest", "uid", "gid")
    assert not differences(below, facts_of_folder(out), only if IS_ROOT else only[:5])
    for name, fact in below.items():
        if fact.kind == "file" and shutil.which("unzip"):
            assert (
                os.stat(os.path.join(os.fsencode(out), name)).st_mtime_ns // 10**9
                == fact.modified_ns // 10**9
            )
    held_by_manifest(some, out)


@pytest.mark.parametrize("kind", ["tar", "zip"])
async def test_what_windows_compressed(image: Image, tmp_path: Path, kind: Kind) -> None:
    path = tmp_path / f"windows.{kind}"
    async with disks_of(image("windows.img")) as disks:
        wanted = await ticked(disks, "disk0/p1", b"/")
        await Extraction(disks, "disk0/p1", wanted, Archive(path, kind)).run()
    out = unpack(path, tmp_path / "out")
    truth = recorded("windows")
    assert not differences(truth, facts_of_folder(out), ("kind", "size", "target", "digest"))
    held_by_manifest(path, out)


@pytest.mark.parametrize("conflict", ["keep both", "overwrite", "skip"])
async def test_an_archive_whose_name_is_taken(image: Image, tmp_path: Path, conflict: Conflict) -> None:
    path = tmp_path / "etc.tar"
    path.write_text("mine")
    async with disks_of(image("ubuntu.img")) as disks:
        wanted = await ticked(disks, "disk0/p3", b"etc")
        job = Extraction(disks, "disk0/p3", wanted, Archive(path, "tar"), Options(conflict=conflict))
        if conflict == "skip":
            with pytest.raises(FileRestoreError, match="is there already"):
                await job.run()
            assert [entry.name for entry in tmp_path.iterdir()] == ["etc.tar"]
        else:
            report = await job.run()
            assert report.made == (path if conflict == "overwrite" else tmp_path / "etc (2).tar")
            assert report.manifest == Path(f"{report.made}.sha256")
            assert tarfile.is_tarfile(report.made)
    assert (path.read_bytes() == b"mine") == (conflict != "overwrite")


async def test_what_an_archive_does_not_carry_is_listed(image: Image, tmp_path: Path) -> None:
    path = tmp_path / "some.tar"
    async with disks_of(image("ubuntu.img")) as disks:
        wanted = await ticked(disks, "disk0/p3", b"program", b"outside", b"up")
        options = Options(carry=Carry(owners=False))
        report = await Extraction(disks, "disk0/p3", wanted, Archive(path, "tar"), options).run()
    assert "program: not carried: special mode 6000" in report.losses
    assert "outside: link not made, it leads outside: /etc/passwd" in report.losses
    with tarfile.open(path) as archive:
        assert [(info.name, info.mode) for info in archive] == [("program", 0o755)]
    assert "special mode 6000" in (tmp_path / "some.tar.not-carried.txt").read_text()


def test_names_in_a_zip_never_lead_out() -> None:
    """Windows and old readers take a backslash for a slash."""
    item = Planned(b"a", Entry(b"a", 1, "file"))
    header = Zip().header(Member(b"a/..\\..\\x", item, 0o644, "file"), 0)
    assert b"\\" not in header
    assert b"a/..%5C..%5Cx" in header


def test_a_zip_beyond_the_limits_of_its_first_format(tmp_path: Path) -> None:
    """More than 65,535 names, a file and a place beyond 4 GiB; the bytes are a hole."""
    form, path, size = Zip(), tmp_path / "large.zip", (4 << 30) + 5

    def member(name: bytes, size: int, kind: str) -> Member:
        entry = Entry(name, 1, "file", size, 0o644, 70_000, 70_000, 1_700_000_000_000_000_000)
        return Member(name, Planned(name, entry), 0o644, kind)

    members = [member(b"%05d" % number, 0, "directory") for number in range(66_000)]
    members += [member(b"large", size, "file"), member(b"behind", 5, "file")]
    with open(path, "wb") as file:
        for one in members:
            at, crc = file.tell(), zlib.crc32(b"hello") if one.name == b"behind" else 0
            layout, header = form.layout(one), form.header(one, crc)
            assert len(header) == layout.header_length
            file.write(header)
            if one.name == b"behind":
                file.write(b"hello")
            else:
                file.seek(at + layout.length)
            form.written(one, at, crc)
        for block in form.end(file.tell()):
            file.write(block)
    with zipfile.ZipFile(path) as archive:
        assert len(archive.infolist()) == len(members)
        assert archive.getinfo("large").file_size == size
        assert archive.getinfo("behind").header_offset > size
        assert archive.read("behind") == b"hello"


async def test_an_archive_whose_part_was_removed_begins_anew(
    big: tuple[Path, Path], server: RangeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, _ = big
    path = tmp_path / "all.tar"
    monkeypatch.setattr(extraction, "WORKERS", 2)
    monkeypatch.setattr(extraction, "_NEWS_S", 0)
    server.control(latency_s=0.02)
    async with remote(server) as disks:
        wanted = await ticked(disks, "disk0", b"small", b"big")
        some = asyncio.Event()
        job = Extraction(
            disks, "disk0", wanted, Archive(path, "tar"),
            progress=lambda now: some.set() if now.files_done > 50 else None,
        )  # fmt: skip
        task = asyncio.create_task(job.run())
        async with asyncio.timeout(60):
            await some.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        (part,) = tmp_path.glob(".azrecover-*.part")
        part.unlink()
        await Extraction(disks, "disk0", wanted, Archive(path, "tar")).run()
    assert same_tree(source, unpack(path, tmp_path / "out"))


_ONE_RUN = """
import asyncio, ssl, sys
from pathlib import Path
from azure_ops.file_restore.archive import Archive
from azure_ops.file_restore.disks import open_disks
from azure_ops.file_restore.extraction import Extraction
from azure_ops.file_restore.page_blob import PageBlob
async def main(address, ca_file, out, ticked):
    disks = await open_disks([PageBlob(address, "disk", tls=ssl.create_default_context(cafile=ca_file))])
    await Extraction(disks, "disk0", ticked, Archive(Path(out), Path(out).suffix[1:])).run()
asyncio.run(main(*sys.argv[1:4], [(b"big", int(sys.argv[4])), (b"small", int(sys.argv[5]))]))
"""


@pytest.mark.parametrize("kind", ["tar", "zip"])
async def test_killed_at_random_and_gone_on_with_into_the_same_archive(
    big: tuple[Path, Path], server: RangeServer, tmp_path: Path, kind: Kind
) -> None:
    source, _ = big
    path = tmp_path / f"all.{kind}"
    server.control(latency_s=0.05)
    async with remote(server) as disks:
        wanted = await ticked(disks, "disk0", b"big", b"small")
    command = [
        sys.executable, "-c", _ONE_RUN, server.address(), str(server.ca_file), str(path),
        *(str(number) for _, number in wanted),
    ]  # fmt: skip
    rng = random.Random()
    for _ in range(2):
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        await asyncio.sleep(0.5 + rng.random() * 0.6)
        process.send_signal(signal.SIGKILL)
        process.wait()
    if not path.exists():
        async with remote(server) as disks:
            await Extraction(disks, "disk0", wanted, Archive(path, kind)).run()
    out = unpack(path, tmp_path / "out")
    assert same_tree(source, out)
    held_by_manifest(path, out)


@pytest.mark.parametrize("kind", ["tar", "zip"])
async def test_what_is_in_a_cancelled_archive_is_not_fetched_again(
    big: tuple[Path, Path], server: RangeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    source, _ = big
    path = tmp_path / f"all.{kind}"
    server.control(latency_s=0.02)
    monkeypatch.setattr(extraction, "WORKERS", 2)
    monkeypatch.setattr(extraction, "_NEWS_S", 0)
    async with remote(server) as disks:
        wanted = await ticked(disks, "disk0", b"big", b"small")
        some = asyncio.Event()
        job = Extraction(
            disks, "disk0", wanted, Archive(path, kind),
            progress=lambda now: some.set() if now.requests > 4 else None,
        )  # fmt: skip
        task = asyncio.create_task(job.run())
        async with asyncio.timeout(60):
            await some.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not path.exists()
        report = await Extraction(disks, "disk0", wanted, Archive(path, kind)).run()
    assert job.progress.bytes_fetched > 8_000_000
    assert job.progress.bytes_fetched + report.bytes_fetched < 43_000_000
    assert same_tree(source, unpack(path, tmp_path / "out"))


async def test_an_archive_that_lost_bytes_never_gets_its_name(
    big: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, image = big
    path = tmp_path / "all.tar"
    async with disks_of(image) as disks:
        wanted = await ticked(disks, "disk0", b"small")
        job = Extraction(disks, "disk0", wanted, Archive(path, "tar"))

        def spoil(_: object) -> None:
            (part,) = tmp_path.glob(".azrecover-*.part")
            with open(part, "r+b") as file:
                file.seek(100_000)
                file.write(b"\xff" * 64)

        monkeypatch.setattr(job, "_links_and_directories", spoil)
        with pytest.raises(FileRestoreError, match=r"archive"):
            await job.run()
        assert not path.exists()
        await Extraction(disks, "disk0", wanted, Archive(path, "tar")).run()
    assert same_tree(source / "small", unpack(path, tmp_path / "out") / "small")


@pytest.mark.skipif(not IS_ROOT, reason="mounts a small file system")
async def test_a_full_disk_is_said_and_the_archive_gone_on_with(
    big: tuple[Path, Path], tmp_path: Path
) -> None:
    source, image = big
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "none", place], check=True, timeout=10)
    try:
        async with disks_of(image) as disks:
            wanted = await ticked(disks, "disk0", b"big", b"small")
            with pytest.raises(FileRestoreError, match="is full"):
                await Extraction(disks, "disk0", wanted, Archive(place / "a.tar", "tar")).run()
            subprocess.run(["mount", "-o", "remount,size=90m", place], check=True, timeout=10)
            await Extraction(disks, "disk0", wanted, Archive(place / "a.tar", "tar")).run()
        assert same_tree(source, unpack(place / "a.tar", tmp_path / "out"))
    finally:
        subprocess.run(["umount", place], check=True, timeout=10)
