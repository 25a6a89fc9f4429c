"""The shipped images against their recorded truth: by their own index always, by the real tools and by the
kernel where those are there."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from azure_ops.emulator.disks.build import mounted
from azure_ops.emulator.disks.build_truth import entries_of, read_truth
from azure_ops.emulator.disks.image import DATA, STAGES, DiskBytes, open_image

NAMES = ("ubuntu", "rhel", "windows", "data-ext4", "data-ntfs")
PLAIN = re.compile(r"[A-Za-z0-9/._-]+")
GUID = "7c7c625c-e9ef-4d58-9565-c657bdb0100b"
ROOT = os.geteuid() == 0 and Path("/dev/loop-control").exists()


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def truth(name: str) -> dict[str, Any]:
    return read_truth(DATA / f"{name}.truth")


def part_of(name: str, stage: str, file_system: dict[str, Any], folder: Path) -> Path:
    """One file system of a disk of 32 GiB as a sparse file of its own."""
    disk = DiskBytes(open_image(name, stage), 32 << 30, GUID)
    path = folder / "part"
    with path.open("wb") as file:
        file.truncate(sum(length for _, _, length in file_system["pieces"]))
        for at, within, length in file_system["pieces"]:
            for one in disk.ranges(at, at + length):
                file.seek(one.start - at + within)
                file.write(disk.read(one.start, one.end - one.start))
    return path


def files_of(file_system: dict[str, Any], count: int) -> Iterator[dict[str, Any]]:
    """Ordinary files with plain names, spread over the tree."""
    plain = [
        entry
        for entry in file_system["entries"]
        if entry["kind"] == "file" and 0 < entry["size"] < 1 << 25 and PLAIN.fullmatch(entry["path"])
    ]
    yield from plain[:: max(1, len(plain) // count)]


def test_every_stage_has_its_layer_and_its_truth(name: str, truth: dict[str, Any]) -> None:
    stages = [stage for stage in STAGES if (DATA / f"{name}.{stage}.layer").exists()]
    assert list(truth["stages"]) == stages
    assert stages[:4] == list(STAGES[:4])
    assert open_image(name, "start").size == truth["size"]
    for stage in stages:
        for fs in truth["stages"][stage]:
            assert sum(length for _, _, length in fs["pieces"]) >= 64 << 20


def test_each_stage_tells_its_part_of_the_story(name: str, truth: dict[str, Any]) -> None:
    def paths(stage: str) -> set[str]:
        return {entry["path"] for fs in truth["stages"][stage] for entry in fs["entries"]}

    def size(stage: str) -> int:
        entries = [entry for fs in truth["stages"][stage] for entry in fs["entries"]]
        return sum(entry.get("size", 0) for entry in entries)

    assert size("grown") > size("start")
    assert len(paths("grown") - paths("deleted")) == 1
    locked = {path for path in paths("encrypted") if path.endswith(".locked")}
    assert locked
    assert {path.removesuffix(".locked") for path in locked} == paths("deleted") - paths("encrypted")
    assert any(path.endswith("HOW_TO_GET_YOUR_FILES_BACK.txt") for path in paths("encrypted"))


def test_all_of_it_is_small() -> None:
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 4 << 20


def test_partition_tables_are_what_the_machines_have() -> None:
    disk = DiskBytes(open_image("rhel", "grown"), 64 << 30, GUID)
    assert disk.read(512, 8) == b"EFI PART"
    assert disk.read((367 << 20) + 512, 8) == b"LABELONE"
    assert DiskBytes(open_image("data-ext4", "grown"), 64 << 30, GUID).read(1080, 2) == b"\x53\xef"
    windows = DiskBytes(open_image("windows", "grown"), 127 << 30, GUID)
    assert windows.read((81 << 20) + 3, 8) == b"NTFS    "
    assert windows.read((1 << 20) + 82, 8) == b"FAT32   "


def test_only_the_running_stage_has_a_journal_to_replay() -> None:
    for stage, dirty in (("encrypted", False), ("running", True)):
        disk = DiskBytes(open_image("data-ext4", stage), 64 << 30, GUID)
        incompatible = int.from_bytes(disk.read(1024 + 0x60, 4), "little")
        assert bool(incompatible & 4) == dirty


@pytest.mark.skipif(not shutil.which("debugfs"), reason="needs e2fsprogs")
@pytest.mark.parametrize("name", ["ubuntu", "data-ext4"])
@pytest.mark.parametrize("stage", ["start", "encrypted"])
def test_debugfs_reads_the_recorded_files(name: str, stage: str, tmp_path: Path) -> None:
    fs = read_truth(DATA / f"{name}.truth")["stages"][stage][0]
    part = part_of(name, stage, fs, tmp_path)
    assert subprocess.run(["e2fsck", "-fn", part], capture_output=True).returncode == 0
    chosen = list(files_of(fs, 12))
    assert len(chosen) > 5
    script = "\n".join(f'dump "{entry["path"]}" "{tmp_path}/{n}"' for n, entry in enumerate(chosen))
    subprocess.run(["debugfs", "-f", "-", part], input=script, text=True, capture_output=True, check=True)
    for number, entry in enumerate(chosen):
        content = (tmp_path / str(number)).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"], entry["path"]


@pytest.mark.skipif(not shutil.which("ntfscat"), reason="needs ntfs-3g")
@pytest.mark.parametrize(("name", "stage"), [("windows", "start"), ("data-ntfs", "encrypted")])
def test_ntfscat_reads_the_recorded_files(name: str, stage: str, tmp_path: Path) -> None:
    fs = next(one for one in read_truth(DATA / f"{name}.truth")["stages"][stage] if one["kind"] == "ntfs")
    part = part_of(name, stage, fs, tmp_path)
    chosen = list(files_of(fs, 8))
    assert len(chosen) > 5
    for entry in chosen:
        read = subprocess.run(["ntfscat", "-f", part, entry["path"]], capture_output=True, check=True).stdout
        assert hashlib.sha256(read).hexdigest() == entry["sha256"], entry["path"]


@pytest.mark.skipif(not shutil.which("xfs_repair"), reason="needs xfsprogs")
def test_xfs_is_whole_over_the_segments_of_its_volume(tmp_path: Path) -> None:
    for fs in read_truth(DATA / "rhel.truth")["stages"]["encrypted"]:
        if fs["kind"] == "xfs":
            part = part_of("rhel", "encrypted", fs, tmp_path)
            checked = subprocess.run(["xfs_repair", "-n", "-f", part], capture_output=True, text=True)
            assert checked.returncode == 0, checked.stderr
    assert any(len(fs["pieces"]) == 2 for fs in read_truth(DATA / "rhel.truth")["stages"]["encrypted"])


@pytest.mark.skipif(not shutil.which("mcopy"), reason="needs mtools")
def test_fat_holds_the_recorded_files(tmp_path: Path) -> None:
    fs = next(one for one in read_truth(DATA / "ubuntu.truth")["stages"]["start"] if one["kind"] == "vfat")
    part = part_of("ubuntu", "start", fs, tmp_path)
    for entry in fs["entries"]:
        if entry["kind"] == "file":
            copy = ["mcopy", "-i", part, f"::/{entry['path']}", "-"]
            read = subprocess.run(copy, capture_output=True, check=True).stdout
            assert hashlib.sha256(read).hexdigest() == entry["sha256"], entry["path"]


@pytest.mark.skipif(not ROOT or not shutil.which("mount"), reason="only root mounts")
@pytest.mark.parametrize(
    ("name", "stage"),
    [("ubuntu", "running"), ("rhel", "running"), ("data-ext4", "deleted"), ("windows", "grown")],
)
def test_the_kernel_sees_the_recorded_trees(name: str, stage: str, tmp_path: Path) -> None:
    for fs in read_truth(DATA / f"{name}.truth")["stages"][stage]:
        if fs["kind"] == "vfat":
            continue
        part = part_of(name, stage, fs, tmp_path)
        with mounted(fs["kind"], part, tmp_path / "mnt", read_only=stage != "running") as root:
            assert entries_of(root) == fs["entries"]
