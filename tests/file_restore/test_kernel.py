"""File systems made now by the real tools against the kernel's mount; as root, where installed."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from .churn import Churn
from .make_images import fill, run
from .truth import differences, facts_of_folder, mounted, read_facts

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
MIB = 1 << 20


def made(tmp_path: Path, kind: str, options: list[str], size: int) -> Path:
    if not shutil.which(f"mkfs.{kind}") or not shutil.which("setfacl"):
        pytest.skip(f"mkfs.{kind} or setfacl is not installed")
    image = tmp_path / "image"
    with open(image, "wb") as file:
        file.truncate(size)
    run(f"mkfs.{kind}", *options, image)
    return image


def mount_or_skip(image: Path, folder: Path, options: str) -> None:
    try:
        with mounted(image, folder, options):
            pass
    except subprocess.CalledProcessError:
        pytest.skip("this kernel does not mount it")


@pytest.mark.parametrize(
    ("kind", "options", "size"),
    [
        ("ext4", ["-q", "-F", "-b", "4096", "-O", "meta_bg,^resize_inode"], 64 * MIB),
        ("ext4", ["-q", "-F", "-b", "4096", "-O", "bigalloc,ea_inode", "-C", "16384"], 64 * MIB),
        ("ext4", ["-q", "-F", "-b", "4096", "-O", "^extents,^64bit", "-I", "256"], 64 * MIB),
        ("xfs", ["-q", "-f", "-n", "size=16384", "-i", "nrext64=1"], 320 * MIB),
        ("xfs", ["-q", "-f", "-b", "size=1024"], 320 * MIB),
    ],
)
async def test_every_entry_is_as_the_kernel_shows_it(
    tmp_path: Path, kind: str, options: list[str], size: int
) -> None:
    image = made(tmp_path, kind, options, size)
    unlike = "nouuid," if kind == "xfs" else ""
    mount_or_skip(image, tmp_path / "mount", f"{unlike}ro")
    with mounted(image, tmp_path / "mount", f"{unlike}rw") as folder:
        if "^extents,^64bit" in options:
            shutil.copytree("/etc/ssl", folder / "tree", symlinks=True, ignore_dangling_symlinks=True)
            (folder / "large").write_bytes(random.Random(1).randbytes(7_000_000))
        else:
            fill(folder, 6)
        fragment(folder)
    with mounted(image, tmp_path / "mount", f"{unlike}ro") as folder:
        expected = facts_of_folder(folder)
    info, found, problems = await read_facts([image], "disk0")
    assert not problems
    assert not info.banners
    assert not differences(expected, found)


def fragment(folder: Path) -> None:
    """A file of a thousand extents and more."""
    rng = random.Random(2)
    with open(folder / "fragmented", "wb") as file:
        for number in range(1200):
            file.seek(number * 8192)
            file.write(rng.randbytes(1000))
            if number % 100 == 0:
                file.flush()
                os.fsync(file.fileno())


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("ext4", ["-q", "-F"]),
        ("ext4", ["-q", "-F", "-b", "1024"]),
        ("xfs", ["-q", "-f"]),
        ("xfs", ["-q", "-f", "-b", "size=1024"]),
        ("xfs", ["-q", "-f", "-n", "size=16384"]),
    ],
)
async def test_a_disk_in_use_is_shown_as_after_replay(tmp_path: Path, kind: str, options: list[str]) -> None:
    """The disk is copied in the midst of random work; the kernel replays the copy's journal, and so do we."""
    image = made(tmp_path, kind, options, 320 * MIB)
    unlike = "nouuid," if kind == "xfs" else ""
    mount_or_skip(image, tmp_path / "mount", f"{unlike}ro")
    copy, replayed = tmp_path / "copy", tmp_path / "replayed"
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    with mounted(image, tmp_path / "mount", f"{unlike}rw") as folder:
        Churn(folder, random.Random(seed)).run(800)
        run("cp", "--sparse=always", image, copy)
    run("cp", "--sparse=always", copy, replayed)
    with mounted(replayed, tmp_path / "mount", f"{unlike}rw") as folder:
        expected = facts_of_folder(folder)
    info, found, problems = await read_facts([copy], "disk0")
    assert not problems
    assert "replayed in memory" in info.banners[0]
    assert not differences(expected, found)
