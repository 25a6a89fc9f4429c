"""Partition tables, LVM2 and what is told apart by its first bytes."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from azure_ops.file_restore import lvm, volumes
from azure_ops.file_restore.byte_source import LocalImage
from azure_ops.file_restore.damage import Damaged
from azure_ops.file_restore.devices import Device, MappedDevice, OverlaidDevice, Piece, StripedDevice
from azure_ops.file_restore.disks import open_disks
from azure_ops.file_restore.entries import BYTES, ZEROS, Run
from azure_ops.file_restore.problems import FileRestoreError

from .builders import MemoryDisk, gpt, mbr, physical_volume

MIB = 1 << 20
LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4"
LUKS_FORMAT = [
    "cryptsetup", "luksFormat", "--batch-mode", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000",
    "--key-file", "/dev/zero", "--keyfile-size", "8",
]  # fmt: skip
EXTENT = 16
"""Sectors; small, so that many segments fit."""


def states(disk: bytearray) -> dict[str, tuple[str, str]]:
    found = volumes.scan([MemoryDisk(disk)])
    return {key: (item.volume.description, item.volume.state) for key, item in found.items()}


def gathered(runs: list[Run], disks: list[MemoryDisk], length: int) -> bytes:
    data = bytearray(length)
    end = 0
    for run in runs:
        assert run.offset == end
        end += run.length
        if run.disk == BYTES:
            part = run.data
        elif run.disk == ZEROS:
            part = bytes(run.length)
        else:
            part = bytes(disks[run.disk].data[run.position : run.position + run.length])
        data[run.offset : end] = part
    assert end == length
    return bytes(data)


def assert_same(device: Device, disks: list[MemoryDisk], expected: bytes, rng: random.Random) -> None:
    """Whole and in random parts, by reading and through the runs."""
    assert device.size == len(expected)
    for _ in range(40):
        offset = rng.randrange(len(expected))
        length = rng.randrange(len(expected) - offset) + 1
        assert device.read(offset, length) == expected[offset : offset + length]
        assert gathered(device.runs(offset, length), disks, length) == expected[offset : offset + length]
    with pytest.raises(Damaged):
        device.read(len(expected) - 1, 2)


@pytest.mark.parametrize("seed", range(12))
def test_logical_volumes_map_as_a_plain_model_does(seed: int) -> None:
    rng = random.Random(seed)
    names = [f"pv{number}" for number in range(rng.randrange(1, 5))]
    ids = {name: f"{name}".ljust(32, "x") for name in names}
    starts = {name: 256 + 8 * rng.randrange(4) for name in names}
    disks = {name: bytearray(rng.randbytes(256 * 512 + 64 * EXTENT * 512)) for name in names}
    free = dict.fromkeys(names, 0)
    segments, expected, at = [], b"", 0
    for number in range(rng.randrange(1, 6)):
        legs = rng.sample(names, rng.randrange(1, len(names) + 1))
        rows = rng.randrange(1, 4)
        stripe = 2 ** rng.randrange(0, 5)
        places = [free[leg] for leg in legs]
        for leg in legs:
            free[leg] += rows + rng.randrange(2)
        parts = [
            bytes(disks[leg][(starts[leg] + place * EXTENT) * 512 :][: rows * EXTENT * 512])
            for leg, place in zip(legs, places, strict=True)
        ]
        if len(legs) == 1:
            expected += parts[0]
        else:
            width = stripe * 512
            expected += b"".join(
                part[row : row + width] for row in range(0, len(parts[0]), width) for part in parts
            )
        stripes = ", ".join(f'"{leg}", {place}' for leg, place in zip(legs, places, strict=True))
        segments.append(
            f"segment{number + 1} {{ start_extent = {at} extent_count = {rows * len(legs)}\n"
            f' type = "striped" # a comment\n stripe_count = {len(legs)} stripe_size = {stripe}\n'
            f" stripes = [ {stripes} ] }}"
        )
        at += rows * len(legs)
    physical = " ".join(f'{name} {{ id = "{ids[name]}" pe_start = {starts[name]} }}' for name in names)
    rng.shuffle(segments)
    text = (
        f'vg {{ id = "vgid" seqno = {rng.randrange(2, 99)} extent_size = {EXTENT}\n'
        f"physical_volumes {{ {physical} }}\n"
        f'logical_volumes {{ data {{ id = "lvid" status = ["READ", "VISIBLE"] {" ".join(segments)} }} }} }}'
    )
    old = text.replace("start_extent", "extent_start").replace("seqno = ", "seqno = 0")
    carriers = rng.sample(names, rng.randrange(1, len(names) + 1))
    for name in names:
        written = (
            text
            if name in carriers
            else rng.choice(["", 'vg { id = "vgid" seqno = 1 extent_size = 1 physical_volumes { } }'])
        )
        physical_volume(disks[name], ids[name], written, at=rng.choice([512, 4096, 65536 - 100]))
    assert old
    order = names[:]
    rng.shuffle(order)
    memory = [MemoryDisk(disks[name], number) for number, name in enumerate(order)]
    (group,) = lvm.assemble([lvm.read_physical_volume(disk) for disk in memory])
    (volume,) = group.volumes
    assert volume.device is not None, volume.reason
    assert_same(volume.device, memory, expected, rng)
    if len(memory) > 1 and all(any(f'"{name}"' in segment for segment in segments) for name in names):
        (group,) = lvm.assemble([lvm.read_physical_volume(disk) for disk in memory if disk.number])
        if group.volumes:
            assert group.volumes[0].device is None
            assert "open all disks" in group.volumes[0].reason


@pytest.mark.parametrize("seed", range(8))
def test_devices_over_devices_read_what_their_runs_say(seed: int) -> None:
    rng = random.Random(100 + seed)
    disks = [MemoryDisk(rng.randbytes(40_000), number) for number in range(3)]
    pieces: list[Piece] = []
    expected, at = b"", 0
    for _ in range(8):
        length = rng.randrange(1, 3000)
        disk = rng.choice([*disks, None])
        offset = rng.randrange(40_000 - length) if disk else 0
        pieces.append(Piece(at, length, disk, offset))
        expected += bytes(disk.data[offset : offset + length]) if disk else bytes(length)
        at += length
    linear = MappedDevice(pieces)
    assert_same(linear, disks, expected, rng)
    striped = StripedDevice([(disk, 512 * rng.randrange(4)) for disk in disks], 512, 3 * 512 * 20)
    whole = striped.read(0, striped.size)
    assert_same(striped, disks, whole, rng)
    blocks: dict[int, bytes | int] = {}
    replaced = bytearray(whole)
    for _ in range(10):
        number = rng.randrange(striped.size // 1024)
        place = rng.randrange(striped.size - 1024)
        content = rng.randbytes(1024) if rng.random() < 0.5 else place
        blocks[number] = content
        data = content if isinstance(content, bytes) else whole[place : place + 1024]
        replaced[number * 1024 : (number + 1) * 1024] = data
    assert_same(OverlaidDevice(striped, 1024, blocks), disks, bytes(replaced), rng)


@pytest.mark.parametrize("sector", [512, 4096])
def test_gpt_and_its_spare(sector: int) -> None:
    parts = [(LINUX, 64, 100, "one"), ("e3c9e316-0b5c-4db8-817d-f92df00215ae", 200, 50, "Microsoft reserved")]
    disk = gpt(8 * MIB, parts, sector)
    expected = {
        "disk0": ("GPT", "container"),
        "disk0/p1": ("empty", "empty"),
        "disk0/p2": ("reserved", "empty"),
    }
    assert states(disk) == expected
    disk[sector + 20] ^= 1
    disk[2 * sector + 5] ^= 1
    assert states(disk) == expected
    disk[-sector + 60] ^= 1
    assert states(disk) == {"disk0": ("GPT", "unsupported")}


def test_mbr_with_logical_partitions_and_a_loop() -> None:
    disk = mbr(8 * MIB, [(0x83, 64, 100), (0x05, 1000, 5000), (0x42, 9000, 100)])
    mbr(0, [(0x83, 10, 50), (0x05, 100, 100)], 1000, disk)
    mbr(0, [(0x83, 10, 50), (0x05, 100, 100)], 1100, disk)
    disk[(1000 + 10) * 512 : (1000 + 10) * 512 + 6] = b"LUKS\xba\xbe"
    assert states(disk) == {
        "disk0": ("MBR", "container"),
        "disk0/p1": ("empty", "empty"),
        "disk0/p5": ("LUKS", "encrypted"),
        "disk0/p6": ("empty", "empty"),
        "disk0/p3": ("dynamic disk", "unsupported"),
    }


@pytest.mark.parametrize(
    ("at", "magic", "description", "state"),
    [
        (0, b"LUKS\xba\xbe", "LUKS", "encrypted"),
        (3, b"-FVE-FS-", "BitLocker", "encrypted"),
        (3, b"ReFS\0", "ReFS", "unsupported"),
        (3, b"EXFAT   ", "exFAT", "unsupported"),
        (65600, b"_BHRfS_M", "btrfs", "unsupported"),
        (4086, b"SWAPSPACE2", "swap", "unsupported"),
        (4096, b"\xfc\x4e\x2b\xa9", "md-raid", "unsupported"),
        (100_000, b"x", "empty", "empty"),
        (100, b"x", "unknown", "unsupported"),
        (0, b"QFI\xfb", "disk image", "unsupported"),
        (0, b"vhdxfile", "disk image", "unsupported"),
    ],
)
def test_what_is_not_read_is_named(at: int, magic: bytes, description: str, state: str) -> None:
    disk = bytearray(MIB)
    disk[at : at + len(magic)] = magic
    (found,) = volumes.scan([MemoryDisk(disk)]).values()
    assert (found.volume.description, found.volume.state) == (description, state)
    assert found.device is None
    assert found.volume.reason


@pytest.mark.parametrize(
    ("tool", "description"),
    [
        (["mkswap"], "swap"),
        (["mkfs.btrfs", "-q", "-f"], "btrfs"),
        (LUKS_FORMAT, "LUKS"),
        (["mkfs.ext4", "-q", "-F"], "ext4"),
        (["mkfs.xfs", "-q", "-f"], "xfs"),
        (["mkfs.ntfs", "-F", "-Q"], "NTFS"),
        (["mkfs.fat"], "FAT"),
        (["mkfs.fat", "-F", "32"], "FAT"),
    ],
)  # fmt: skip
def test_what_the_real_tools_make_is_recognized(tool: list[str], description: str, tmp_path: Path) -> None:
    if not shutil.which(tool[0]):
        pytest.skip(f"{tool[0]} is not installed")
    image = tmp_path / "image"
    with open(image, "wb") as file:
        file.truncate(320 * MIB)
    subprocess.run([*tool, image], check=True, capture_output=True, timeout=60)
    with open(image, "rb") as file:
        head = file.read(70 * 1024)
    (found,) = volumes.scan([MemoryDisk(head + bytes(MIB))]).values()
    assert found.volume.description == description


@pytest.mark.parametrize(("kind", "readable"), [(2, True), (3, False)])
async def test_a_fixed_vhd_ends_before_its_footer(tmp_path: Path, kind: int, readable: bool) -> None:
    footer = bytearray(512)
    footer[:8] = b"conectix"
    footer[48:56] = (4 * MIB).to_bytes(8, "big")
    footer[60:64] = kind.to_bytes(4, "big")
    image = tmp_path / "disk.vhd"
    image.write_bytes(bytes(4 * MIB) + footer)
    if readable:
        (disk,) = await open_disks([LocalImage(image)])
        assert disk.size == 4 * MIB
        await disk.close()
    else:
        with pytest.raises(FileRestoreError, match="dynamic VHD"):
            await open_disks([LocalImage(image)])


async def test_what_cannot_be_opened_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for path, text in (
        (tmp_path / "none", "no such file"),
        (tmp_path, "neither a file"),
        (tmp_path / "empty", "is empty"),
    ):
        with pytest.raises(FileRestoreError, match=text):
            await open_disks([LocalImage(path)])
