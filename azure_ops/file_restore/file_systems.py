"""The readers by what the volume is recognized as."""

from __future__ import annotations

from .damage import NotReadable
from .devices import Device
from .ext4 import Ext4
from .fat import Fat
from .file_system import FileSystem
from .ntfs import Ntfs
from .xfs import Xfs


def open_file_system(kind: str, device: Device) -> FileSystem:
    if kind == "ext4":
        return Ext4(device)
    if kind == "xfs":
        return Xfs(device)
    if kind == "NTFS":
        return Ntfs(device)
    if kind == "FAT":
        return Fat(device)
    raise NotReadable(f"{kind} is not read")
