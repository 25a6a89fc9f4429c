"""What the reader says about volumes, files and where their bytes are; encoded on the pipe to its parent."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal[
    "file", "directory", "symlink", "character device", "block device", "fifo", "socket", "unknown"
]
KIND_OF_TYPE: dict[int, Kind] = {
    0o100000: "file",
    0o040000: "directory",
    0o120000: "symlink",
    0o020000: "character device",
    0o060000: "block device",
    0o010000: "fifo",
    0o140000: "socket",
}
Range = tuple[int, int]
"""Offset and length in bytes."""
ZEROS = -1
BYTES = -2
READER = -3


class Run(msgspec.Struct, frozen=True, array_like=True):
    """A piece of a file: on a disk, or zeros (`disk` is ZEROS), given here (BYTES), or to be asked for at the
    reader (READER)."""

    offset: int
    length: int
    disk: int = ZEROS
    position: int = 0
    data: bytes = b""


class Entry(msgspec.Struct, frozen=True, array_like=True):
    name: bytes
    id: int
    kind: Kind
    size: int = 0
    mode: int = 0
    """Permission bits with setuid, setgid and sticky; 0 where the file system has none."""
    uid: int | None = None
    gid: int | None = None
    modified_ns: int = 0
    accessed_ns: int = 0
    changed_ns: int = 0
    created_ns: int | None = None
    links: int = 1
    target: bytes = b""
    allocated: int = 0
    notes: tuple[str, ...] = ()
    """Remarkable, but no obstacle: compressed, immutable, alternate streams."""
    refused: str = ""
    """Why the content is not handed out."""
    problem: str = ""
    """Why this entry cannot be read at all."""


class Hit(msgspec.Struct, frozen=True, array_like=True):
    path: bytes
    entry: Entry


class Planned(msgspec.Struct, frozen=True, array_like=True):
    """An entry of a ticked tree with all that is needed to write it elsewhere."""

    path: bytes
    """From the ticked entry on: its own name first."""
    entry: Entry
    runs: tuple[Run, ...] = ()
    through_reader: bool = False
    """The content is decoded by the reader (compressed): read it there, not from the disk."""
    xattrs: tuple[tuple[str, bytes], ...] = ()


VolumeState = Literal["readable", "encrypted", "unsupported", "incomplete", "empty", "container"]


class Volume(msgspec.Struct, frozen=True, array_like=True):
    key: str
    """`disk0`, `disk0/p2`, `vg0/root`: names it in every call."""
    parent: str
    description: str
    """What it is: `ext4`, `LUKS`, `GPT`, `LVM2 physical volume` …"""
    state: VolumeState
    size: int
    label: str = ""
    uuid: str = ""
    reason: str = ""
    """Why it is not readable, and what would help."""
    facts: tuple[str, ...] = ()
    """Of an encrypted one: cipher, key slots, protectors."""
    unlock: str = ""
    """What unlocks it here; empty where nothing does."""


class FileSystemInfo(msgspec.Struct, frozen=True, array_like=True):
    kind: str
    label: str
    uuid: str
    size: int
    block_size: int
    root: int
    case_sensitive: bool = True
    has_owners: bool = True
    banners: tuple[str, ...] = ()
    """Said whenever this file system is shown: replayed or dirty journals, damage."""
