"""File systems made now by the real tools against the kernel's mount; as root, where installed."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

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


async def test_a_busy_xfs_says_what_may_be_missing(tmp_path: Path) -> None:
    image = made(tmp_path, "xfs", ["-q", "-f"], 320 * MIB)
    mount_or_skip(image, tmp_path / "mount", "nouuid,ro")
    copy = tmp_path / "copy"
    with mounted(image, tmp_path / "mount", "nouuid,rw") as folder:
        for number in range(300):
            (folder / f"file{number}").write_text("x" * number)
            if number % 50 == 0:
                run("sync", "-f", folder)
        run("sync", "-f", folder)
        run("cp", "--sparse=always", image, copy)
    info, _, _ = await read_facts([copy], "disk0")
    assert len(info.banners) == 1
    assert "not replayed" in info.banners[0]
    info, _, _ = await read_facts([image], "disk0")
    assert not info.banners


async def test_a_busy_ext4_is_shown_as_after_replay(tmp_path: Path) -> None:
    image = made(tmp_path, "ext4", ["-q", "-F"], 64 * MIB)
    mount_or_skip(image, tmp_path / "mount", "ro")
    copy, replayed = tmp_path / "copy", tmp_path / "replayed"
    rng = random.Random()
    with mounted(image, tmp_path / "mount", "rw") as folder:
        for number in range(200):
            path = folder / f"d{rng.randrange(20)}/f{number}"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(rng.randbytes(rng.randrange(9000)))
            if rng.random() < 0.2:
                shutil.rmtree(path.parent)
            if rng.random() < 0.1:
                run("sync", "-f", folder)
        run("cp", "--sparse=always", image, copy)
    run("cp", "--sparse=always", copy, replayed)
    with mounted(replayed, tmp_path / "mount", "rw") as folder:
        expected = facts_of_folder(folder)
    _, found, problems = await read_facts([copy], "disk0")
    assert not problems
    assert not differences(expected, found)
