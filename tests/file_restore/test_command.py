"""`python -m azure_ops.file_restore`: what it prints of a hostile disk, and what it writes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

Image = Callable[[str], Path]


def ran(*words: str | Path, code: int = 0) -> str:
    command = [sys.executable, "-m", "azure_ops.file_restore", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def test_list_find_and_get(image: Image, tmp_path: Path) -> None:
    disk = image("ubuntu.img")
    assert "disk0/p3" in ran("list", disk)
    listing = ran("list", disk, "--volume", "disk0/p3")
    assert "\\xff\\xfe not utf-8" in listing
    assert "esc\\x1b[31m" in listing
    assert "\x1b" not in listing
    assert "outside -> /etc/passwd" in listing
    assert "etc/fstab" in ran("find", disk, "--volume", "disk0/p3", "--pattern", "FSTAB")
    said = ran("get", disk, "--volume", "disk0/p3", "--path", "/etc", "--to", tmp_path / "out")
    assert "2 files" in said
    assert (tmp_path / "out/etc/fstab").read_text().startswith("UUID=1111")


def test_errors_are_one_line(image: Image, tmp_path: Path) -> None:
    for words in (
        ("list", tmp_path / "none"),
        ("list", image("ubuntu.img"), "--volume", "disk9"),
        ("get", image("ubuntu.img"), "--volume", "disk0/p3", "--path", "/nothing", "--to", tmp_path),
    ):
        said = ran(*words, code=1)
        assert said.count("\n") == 1
        assert "Traceback" not in said


def test_a_sparse_file_of_terabytes(tmp_path: Path, image: Image) -> None:
    """Made by changing the size of the sparse file in its inode: no byte more is fetched or written."""
    from azure_ops.file_restore.ext4_layout import Layout
    from azure_ops.file_restore.partitions import read_gpt

    from .builders import MemoryDisk

    disk = MemoryDisk(bytearray(image("ubuntu.img").read_bytes()))
    part = (read_gpt(disk) or [])[2]
    volume = MemoryDisk(disk.data[part.start : part.start + part.length])
    layout = Layout(volume)
    place = next(
        at
        for number in range(11, 600)
        if (at := layout.inode_place(number)) and layout.inode(number).size == 30 * (1 << 20) + 7
    )
    size = 4 << 40
    disk.data[part.start + place + 0x6C : part.start + place + 0x70] = (size >> 32).to_bytes(4, "little")
    changed = tmp_path / "changed.img"
    changed.write_bytes(disk.data)
    said = ran("get", changed, "--volume", "disk0/p3", "--path", "/sparse", "--to", tmp_path / "out")
    status = os.stat(tmp_path / "out/sparse")
    assert status.st_size == size + 30 * (1 << 20) + 7
    assert status.st_blocks * 512 < 1 << 20
    assert "its holes are too large" in said
