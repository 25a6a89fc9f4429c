"""Which images there are: their partitions, volumes and file systems. Used by `build` only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import build_linux, build_windows
from .build_trees import Tree

MIB = 1 << 20
EFI, BIOS, MSR, BASIC, LINUX, LVM = (
    "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
    "21686148-6449-6E6F-744E-656564454649",
    "E3C9E316-0B5C-4DB8-817D-F92DF00215AE",
    "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7",
    "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
    "E6D6D379-F507-44C2-A23C-238F2A3DF928",
)
Fill = Callable[[Tree, str], None]


@dataclass(frozen=True)
class Partition:
    number: int
    type: str
    start: int
    size: int
    """Both in bytes."""
    name: str = ""


@dataclass(frozen=True)
class FileSystem:
    """`on` is the number of a partition, the name of a logical volume, or None for the whole disk."""

    kind: str
    on: int | str | None
    size: int
    fill: Fill
    label: str
    mount: str


@dataclass(frozen=True)
class Image:
    name: str
    size: int
    file_systems: tuple[FileSystem, ...]
    partitions: tuple[Partition, ...] = ()
    volumes: tuple[tuple[str, int], ...] = ()
    """Logical volumes in the order of their making, in bytes; one named twice is extended."""


IMAGES = (
    Image(
        "ubuntu",
        512 * MIB,
        (
            FileSystem("ext4", 1, 384 * MIB, build_linux.ubuntu, "cloudimg-rootfs", "/"),
            FileSystem("vfat", 15, 64 * MIB, build_windows.efi, "UEFI", "/boot/efi"),
        ),
        (
            Partition(14, BIOS, MIB, 4 * MIB),
            Partition(15, EFI, 5 * MIB, 64 * MIB),
            Partition(1, LINUX, 69 * MIB, 384 * MIB),
        ),
    ),
    Image(
        "rhel",
        1280 * MIB,
        (
            FileSystem("vfat", 1, 64 * MIB, build_windows.efi, "UEFI", "/boot/efi"),
            FileSystem("xfs", 2, 300 * MIB, build_linux.boot, "boot", "/boot"),
            FileSystem("xfs", "rootlv", 448 * MIB, build_linux.red_hat_root, "", "/"),
            FileSystem("xfs", "varlv", 320 * MIB, build_linux.red_hat_var, "", "/var"),
        ),
        (
            Partition(1, EFI, MIB, 64 * MIB, "EFI System Partition"),
            Partition(2, LINUX, 65 * MIB, 300 * MIB),
            Partition(3, BIOS, 365 * MIB, 2 * MIB),
            Partition(4, LVM, 367 * MIB, 800 * MIB),
        ),
        (("rootlv", 320 * MIB), ("varlv", 320 * MIB), ("rootlv", 128 * MIB)),
    ),
    Image(
        "windows",
        360 * MIB,
        (
            FileSystem("vfat", 1, 64 * MIB, build_windows.efi, "SYSTEM", ""),
            FileSystem("ntfs", 3, 256 * MIB, build_windows.system, "Windows", "C:"),
        ),
        (
            Partition(1, EFI, MIB, 64 * MIB, "EFI system partition"),
            Partition(2, MSR, 65 * MIB, 16 * MIB, "Microsoft reserved partition"),
            Partition(3, BASIC, 81 * MIB, 256 * MIB, "Basic data partition"),
        ),
    ),
    Image("data-ext4", 256 * MIB, (FileSystem("ext4", None, 256 * MIB, build_linux.data, "data", "/data"),)),
    Image(
        "data-ntfs",
        288 * MIB,
        (FileSystem("ntfs", 2, 256 * MIB, build_windows.data, "Data", "F:"),),
        (
            Partition(1, MSR, MIB, 15 * MIB, "Microsoft reserved partition"),
            Partition(2, BASIC, 16 * MIB, 256 * MIB, "Basic data partition"),
        ),
    ),
)
