"""Restores to a folder: complete, resumable, and nothing outside of it whatever the disk says."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from azure_ops.file_restore import extraction, ledger
from azure_ops.file_restore.attributes import Carry
from azure_ops.file_restore.byte_source import LocalImage
from azure_ops.file_restore.destination import Conflict, Destination, NameChoices, leaves, safe_parts
from azure_ops.file_restore.disks import Disk, open_disks
from azure_ops.file_restore.extraction import Extraction
from azure_ops.file_restore.page_blob import PageBlob
from azure_ops.file_restore.problems import FileRestoreError
from azure_ops.file_restore.reader import Reader
from azure_ops.file_restore.reports import Options, Progress

from .range_server import RangeServer
from .truth import Fact, differences, facts_of_folder, recorded

Image = Callable[[str], Path]
IS_ROOT = os.geteuid() == 0
EVERYTHING = Options(outside_links=True, carry=Carry(owners=IS_ROOT, special_modes=True))


@asynccontextmanager
async def disks_of(*images: Path) -> AsyncIterator[list[Disk]]:
    disks = await open_disks([LocalImage(path) for path in images])
    try:
        yield disks
    finally:
        for disk in disks:
            await disk.close()


async def ticked(disks: list[Disk], volume: str, *paths: bytes) -> list[tuple[bytes, int]]:
    async with Reader(disks) as reader:
        entries = [(await reader.lookup(volume, path))[-1] for path in paths]
    return [(entry.name, entry.id) for entry in entries]


def checked(folder: Path) -> None:
    """The manifest holds for every file that it names, and no part is left."""
    (manifest,) = folder.glob("azrecover-*.sha256")
    subprocess.run(["sha256sum", "--quiet", "--check", manifest.name], cwd=folder, check=True, timeout=30)
    assert not leftovers(folder)


def leftovers(folder: Path) -> list[str]:
    # Not by rglob: older ones of Python follow links, and one of these is longer than a path may be.
    return [name for _, _, names in os.walk(folder) for name in names if name.startswith(".azrecover-")]


def without_ledger(facts: dict[bytes, Fact]) -> dict[bytes, Fact]:
    return {path: fact for path, fact in facts.items() if not path.startswith(b"azrecover-")}


@pytest.mark.parametrize(
    ("images", "volume", "truth"),
    [(["ubuntu.img"], "disk0/p3", "ubuntu-root"), (["rhel-a.img", "rhel-b.img"], "rhel/root", "rhel-root")],
)
async def test_a_whole_file_system_is_restored(
    image: Image, tmp_path: Path, images: list[str], volume: str, truth: str
) -> None:
    async with disks_of(*(image(name) for name in images)) as disks:
        report = await Extraction(
            disks, volume, await ticked(disks, volume, b"/"), tmp_path / "out", EVERYTHING
        ).run()
    expected = {
        path: fact for path, fact in recorded(truth).items() if fact.kind not in ("fifo", "character device")
    }
    found = without_ledger(facts_of_folder(tmp_path / "out"))
    if IS_ROOT:
        assert not differences(expected, found)
        assert sorted(report.losses) == ["null: character devices are not made", "pipe: fifos are not made"]
    else:
        assert not differences(expected, found, ("kind", "size", "mode", "modified_ns", "target", "digest"))
    checked(tmp_path / "out")
    holes = (tmp_path / "out/sparse").stat()
    assert holes.st_blocks * 512 < holes.st_size // 10


async def test_what_is_not_carried_is_listed(image: Image, tmp_path: Path) -> None:
    async with disks_of(image("ubuntu.img")) as disks:
        report = await Extraction(
            disks, "disk0/p3", await ticked(disks, "disk0/p3", b"program", b"outside", b"up", b"etc/fstab",
            b"hard"), tmp_path, Options(carry=Carry(owners=False)),
        ).run()  # fmt: skip
    assert stat.S_IMODE((tmp_path / "program").stat().st_mode) == 0o755
    assert "program: not carried: special mode 6000" in report.losses
    assert "outside: link not made, it leads outside: /etc/passwd" in report.losses
    assert "up: link not made, it leads outside: ../../up" in report.losses
    assert not (tmp_path / "outside").is_symlink()
    assert (tmp_path / "fstab").samefile(tmp_path / "hard")
    (losses,) = tmp_path.glob("azrecover-*.not-carried.txt")
    assert "special mode 6000" in losses.read_text()


async def test_compressed_files_and_streams_of_windows(image: Image, tmp_path: Path) -> None:
    async with disks_of(image("windows.img")) as disks:
        report = await Extraction(disks, "disk0/p1", await ticked(disks, "disk0/p1", b"/"), tmp_path).run()
    same = ("kind", "size", "modified_ns", "target", "digest", "xattrs")
    assert not differences(recorded("windows"), without_ledger(facts_of_folder(tmp_path)), same)
    assert not report.losses
    checked(tmp_path)


@pytest.mark.parametrize("conflict", ["keep both", "overwrite", "skip"])
async def test_what_is_there_already(image: Image, tmp_path: Path, conflict: Conflict) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/fstab").write_text("mine")
    (tmp_path / "etc/mine").write_text("stays")
    async with disks_of(image("ubuntu.img")) as disks:
        wanted = await ticked(disks, "disk0/p3", b"etc")
        report = await Extraction(disks, "disk0/p3", wanted, tmp_path, Options(conflict=conflict)).run()
    mine, other = (tmp_path / "etc/fstab").read_text(), tmp_path / "etc/fstab (2)"
    assert (tmp_path / "etc/mine").read_text() == "stays"
    assert (mine == "mine") == (conflict != "overwrite")
    assert other.exists() == (conflict == "keep both")
    assert report.skipped == (conflict == "skip")
    assert (tmp_path / "etc/shadow").read_text().startswith("root")


async def test_links_in_the_folder_are_not_followed(image: Image, tmp_path: Path) -> None:
    outside, out = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    out.mkdir()
    (out / "etc").symlink_to(outside)
    (out / "random.bin").symlink_to(outside / "made")
    async with disks_of(image("ubuntu.img")) as disks:
        wanted = await ticked(disks, "disk0/p3", b"etc", b"random.bin")
        await Extraction(disks, "disk0/p3", wanted, out, Options(conflict="overwrite")).run()
    assert not list(outside.iterdir())
    assert (out / "etc (2)/fstab").exists()
    assert not (out / "random.bin").is_symlink()


async def test_names_that_lead_elsewhere_are_left_out(image: Image, tmp_path: Path) -> None:
    evil = tmp_path / "evil.img"
    raw = image("ubuntu.img").read_bytes()
    assert raw.count(b"entry-0007.conf") >= 1
    evil.write_bytes(raw.replace(b"entry-0007.conf", b"../../../evil.c"))
    out = tmp_path / "a/b/c/out"
    async with disks_of(evil) as disks:
        wanted = await ticked(disks, "disk0/p3", b"many")
        report = await Extraction(disks, "disk0/p3", wanted, out).run()
    assert [loss for loss in report.losses if "damaged" in loss]
    assert report.files > 100
    assert not list(tmp_path.rglob("evil.c"))
    for path in (b"../x", b"a/../../x", b"/x", b"a//x", b"a/\0", b"."):
        with pytest.raises(FileRestoreError, match="leads elsewhere"):
            safe_parts(path)


def test_where_links_lead() -> None:
    assert not leaves(b"a/b", b"../c")
    assert not leaves(b"a/b", b"c/../d")
    for path, target in (
        (b"a", b"../c"),
        (b"a/b", b"../../c"),
        (b"a", b"/x"),
        (b"a/b", b"x/../../../y"),
        (b"a", b"C:\\x"),
    ):
        assert leaves(path, target)


def test_second_names_are_never_too_long() -> None:
    for name in (b"a.txt", b"x" * 300, b"y" * 260 + b".conf", "ü".encode() * 200 + b".tar.gz", b".bashrc"):
        names = iter(NameChoices(name))
        found = [next(names) for _ in range(120)]
        assert len(set(found)) == 120
        assert all(0 < len(choice) <= 255 for choice in found)
    assert list(zip(range(2), NameChoices(b"a.txt"), strict=False)) == [(0, b"a.txt"), (1, b"a (2).txt")]


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A file of 40 MB and 300 small ones, and the image that mke2fs makes of them."""
    if not shutil.which("mkfs.ext4"):
        pytest.skip("mkfs.ext4 is not installed")
    folder = tmp_path_factory.mktemp("big")
    rng = random.Random(9)
    source = folder / "source"
    (source / "small").mkdir(parents=True)
    (source / "big").write_bytes(rng.randbytes(40_000_000))
    for number in range(300):
        (source / f"small/{number}").write_bytes(rng.randbytes(rng.randrange(8000)))
    image = folder / "big.img"
    with open(image, "wb") as file:
        file.truncate(80 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-d", source, image], check=True, timeout=60)
    return source, image


@pytest.fixture(scope="module")
def server(big: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RangeServer]:
    running = RangeServer(big[1], tmp_path_factory.mktemp("server"))
    yield running
    running.close()


def same_tree(source: Path, out: Path) -> bool:
    names = [path.relative_to(source) for path in source.rglob("*") if path.is_file()]
    return all((source / name).read_bytes() == (out / name).read_bytes() for name in names)


@asynccontextmanager
async def remote(server: RangeServer) -> AsyncIterator[list[Disk]]:
    disks = await open_disks([PageBlob(server.address(), "disk", tls=server.tls, pause_s=0.01)])
    try:
        yield disks
    finally:
        for disk in disks:
            await disk.close()


async def test_cancelled_and_gone_on_with(
    big: tuple[Path, Path], server: RangeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, _ = big
    server.control(latency_s=0.02)
    monkeypatch.setattr(extraction, "WORKERS", 2)
    monkeypatch.setattr(extraction, "_NEWS_S", 0)
    async with remote(server) as disks:
        wanted = await ticked(disks, "disk0", b"big", b"small")
        some = asyncio.Event()
        job = Extraction(
            disks, "disk0", wanted, tmp_path, progress=lambda now: some.set() if now.requests > 2 else None
        )
        task = asyncio.create_task(job.run())
        async with asyncio.timeout(60):
            await some.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        assert not (tmp_path / "big").exists()
        report = await Extraction(disks, "disk0", wanted, tmp_path).run()
    assert job.progress.bytes_fetched + report.bytes_fetched < 43_000_000
    assert same_tree(source, tmp_path)
    checked(tmp_path)


async def test_after_a_loss_of_power_files_show_their_hashes(
    big: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, image = big
    monkeypatch.setattr(ledger, "_boot", lambda: "before")
    async with disks_of(image) as disks:
        wanted = await ticked(disks, "disk0", b"small", b"big")
        job = Extraction(disks, "disk0", wanted, tmp_path)
        monkeypatch.setattr(
            job, "_links_and_directories", lambda _: (_ for _ in ()).throw(OSError(5, "power"))
        )
        with pytest.raises(FileRestoreError, match="power"):
            await job.run()
        torn = max((tmp_path / "small").iterdir(), key=lambda path: path.stat().st_size)
        times = torn.stat()
        torn.write_bytes(bytes(times.st_size))
        os.utime(torn, ns=(times.st_atime_ns, times.st_mtime_ns))
        monkeypatch.setattr(ledger, "_boot", lambda: "after")
        report = await Extraction(disks, "disk0", wanted, tmp_path).run()
    assert (report.resumed, report.files) == (300, 1)
    assert same_tree(source, tmp_path)
    assert len(list((tmp_path / "small").iterdir())) == 300


_ONE_RUN = """
import asyncio, ssl, sys
from pathlib import Path
from azure_ops.file_restore.disks import open_disks
from azure_ops.file_restore.extraction import Extraction
from azure_ops.file_restore.page_blob import PageBlob
async def main(address, ca_file, out, ticked):
    disks = await open_disks([PageBlob(address, "disk", tls=ssl.create_default_context(cafile=ca_file))])
    print((await Extraction(disks, "disk0", ticked, Path(out)).run()).bytes_fetched)
asyncio.run(main(*sys.argv[1:4], [(b"big", int(sys.argv[4])), (b"small", int(sys.argv[5]))]))
"""


async def test_killed_at_random_and_gone_on_with(
    big: tuple[Path, Path], server: RangeServer, tmp_path: Path
) -> None:
    source, _ = big
    server.control(latency_s=0.05)
    async with remote(server) as disks:
        wanted = await ticked(disks, "disk0", b"big", b"small")
    command = [
        sys.executable, "-c", _ONE_RUN, server.address(), str(server.ca_file), str(tmp_path),
        *(str(number) for _, number in wanted),
    ]  # fmt: skip
    rng = random.Random()
    for _ in range(3):
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        await asyncio.sleep(0.4 + rng.random() * 0.8)
        process.send_signal(signal.SIGKILL)
        process.wait()
    async with remote(server) as disks:
        await Extraction(disks, "disk0", wanted, tmp_path).run()
        before = server.figures()["bytes"]
        again = await Extraction(disks, "disk0", wanted, tmp_path, Options(conflict="skip")).run()
    assert same_tree(source, tmp_path)
    assert again.skipped == 301
    assert server.figures()["bytes"] - before < 2_000_000
    assert not leftovers(tmp_path)


async def test_a_pause_sends_nothing(big: tuple[Path, Path], server: RangeServer, tmp_path: Path) -> None:
    source, _ = big
    server.control(latency_s=0.01)
    told: list[Progress] = []
    async with remote(server) as disks:
        wanted = await ticked(disks, "disk0", b"big")
        job = Extraction(disks, "disk0", wanted, tmp_path, progress=told.append)
        job.pause()
        task = asyncio.create_task(job.run())
        async with asyncio.timeout(30):
            while not job.progress.files:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        assert job.progress.requests == 0
        job.go_on()
        await task
    assert (job.progress.files_done, job.progress.bytes_done, told[-1].planned) == (1, 40_000_000, True)
    assert (tmp_path / "big").read_bytes() == (source / "big").read_bytes()


async def test_bytes_that_go_bad_on_the_way_are_never_written(
    big: tuple[Path, Path], server: RangeServer, tmp_path: Path
) -> None:
    source, _ = big
    async with remote(server) as disks:
        wanted = await ticked(disks, "disk0", b"small")
        server.control(
            latency_s=0, faults=[{"kind": "corrupt", "times": 1}, {"kind": "reset"}, {"kind": "short"}]
        )
        await Extraction(disks, "disk0", wanted, tmp_path).run()
    assert same_tree(source / "small", tmp_path / "small")


@pytest.mark.skipif(not IS_ROOT, reason="mounts a small file system")
async def test_a_full_folder_is_said_and_gone_on_with(big: tuple[Path, Path], tmp_path: Path) -> None:
    source, image = big
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "none", tmp_path], check=True, timeout=10)
    try:
        async with disks_of(image) as disks:
            wanted = await ticked(disks, "disk0", b"big", b"small")
            with pytest.raises(FileRestoreError, match="is full") as caught:
                await Extraction(disks, "disk0", wanted, tmp_path).run()
            assert caught.value.code == "ENOSPC"
            subprocess.run(["mount", "-o", "remount,size=90m", tmp_path], check=True, timeout=10)
            await Extraction(disks, "disk0", wanted, tmp_path).run()
        assert same_tree(source, tmp_path)
        checked(tmp_path)
    finally:
        subprocess.run(["umount", tmp_path], check=True, timeout=10)


@pytest.mark.parametrize("conflict", ["keep both", "skip"])
def test_killed_between_getting_its_name_and_losing_the_other(tmp_path: Path, conflict: Conflict) -> None:
    there = Destination(tmp_path)
    descriptor = there.open_part((b".part",), (b"file",))
    os.write(descriptor, b"whole")
    os.close(descriptor)
    os.link(tmp_path / ".part", tmp_path / "file")
    os.close(there.open_part((b".part",), (b"file",)))
    noted = []

    def note(placed: tuple[bytes, ...]) -> None:
        noted.append((placed, (tmp_path / ".part").exists()))

    placed = there.place((b".part",), (b"file",), conflict, intend=lambda placed: None, note=note)
    assert placed == (b"file",)
    assert noted == [((b"file",), True)]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]

    (tmp_path / "elsewhere").write_bytes(b"somebody's")
    os.link(tmp_path / "elsewhere", tmp_path / ".part")
    with pytest.raises(FileExistsError):
        there.open_part((b".part",), (b"file",))
    there.close()


@pytest.fixture
async def alike(tmp_path: Path) -> AsyncIterator[list[Disk]]:
    """Names that differ in case alone, names that Windows has not, and two names of one file."""
    if not shutil.which("mkfs.ext4"):
        pytest.skip("mkfs.ext4 is not installed")
    source, image = tmp_path / "source", tmp_path / "ext4.img"
    (source / "d").mkdir(parents=True)
    for name in ("d/Config", "d/config", "d/CONFIG", "d/a:b"):
        (source / name).write_text(name)
    (source / "d/first").write_text("shared")
    os.link(source / "d/first", source / "d/second")
    with open(image, "wb") as file:
        file.truncate(8 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-d", source, image], check=True, timeout=60)
    async with disks_of(image) as disks:
        yield disks


WITHOUT_CASE = ("lowntfs-3g", "mkfs.ntfs")


@pytest.mark.skipif(
    not IS_ROOT or not all(map(shutil.which, WITHOUT_CASE)) or not os.path.exists("/dev/fuse"),
    reason="mounts NTFS without regard to case",
)
@pytest.mark.parametrize("conflict", ["keep both", "overwrite", "skip"])
async def test_a_folder_that_tells_no_case(alike: list[Disk], tmp_path: Path, conflict: Conflict) -> None:
    """Of files that differ in case alone none replaces or hides the other."""
    out, ntfs = tmp_path / "out", tmp_path / "ntfs.img"
    out.mkdir()
    with open(ntfs, "wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ntfs", "-q", "-F", ntfs], check=True, timeout=60, capture_output=True)
    mount = ["lowntfs-3g", "-o", "ignore_case,windows_names", str(ntfs), str(out)]
    if subprocess.run(mount, capture_output=True, timeout=30).returncode:
        pytest.skip("FUSE does not work here")
    try:
        wanted = await ticked(alike, "disk0", b"d")
        options = Options(conflict=conflict, carry=Carry(owners=False))
        report = await Extraction(alike, "disk0", wanted, out, options).run()
        texts = [path.read_text() for path in (out / "d").iterdir()]
        checked(out)
    finally:
        subprocess.run(["umount", out], check=True, timeout=30)
    assert sorted(texts) == ["d/CONFIG", "d/Config", "d/config", "shared", "shared"]
    assert report.skipped == 0
    assert any(loss.startswith("d/a:b: ") for loss in report.losses)


async def test_a_folder_without_hard_links_gets_a_copy_of_each(
    alike: list[Disk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> bool:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Destination, "link", no_links)
    wanted = await ticked(alike, "disk0", b"d")
    report = await Extraction(alike, "disk0", wanted, tmp_path / "out").run()
    first, second = tmp_path / "out/d/first", tmp_path / "out/d/second"
    assert (first.read_text(), second.read_text()) == ("shared", "shared")
    assert not first.samefile(second)
    assert first.stat().st_mtime_ns == second.stat().st_mtime_ns
    assert [loss for loss in report.losses if "hard link (it has its own copy)" in loss]
