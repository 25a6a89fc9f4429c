"""The readers by what the volume is recognized as."""

from __future__ import annotations

from .devices import Device
from .ext4 import Ext4
from .file_system import FileSystem
from .problems import NotReadable


def open_file_system(kind: str, device: Device) -> FileSystem:
    if kind == "ext4":
        return Ext4(device)
    raise NotReadable(f"{kind} is not read")
