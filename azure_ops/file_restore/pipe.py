"""Frames between the reader process and its parent: one byte of kind, four of length, then MessagePack.

The parent asks with a Call; until the answer ends the reader may ask for bytes of the disks, any number of
times, and stream parts. The reader is not trusted: everything it sends is decoded into these types only.
"""

from __future__ import annotations

import struct
from typing import Any

import msgspec

from ..secret import Secret
from .entries import Entry, FileSystemInfo, Hit, Planned, Run, Volume

HEADER = struct.Struct("<BI")
LARGEST = 64 * 1024 * 1024

CALL, BYTES, FAILED_BYTES, CANCEL, DISK = 1, 2, 3, 4, 5
"""From the parent; BYTES is raw. DISK stands between calls."""
NEED, WANT, PART, END, ERROR, READY = 10, 11, 12, 13, 14, 15
"""From the reader."""


class Call(msgspec.Struct, frozen=True, array_like=True):
    name: str
    volume: str = ""
    ids: tuple[int, ...] = ()
    path: bytes = b""
    pattern: str = ""
    offset: int = 0
    length: int = 0
    flag: bool = False
    names: tuple[bytes, ...] = ()
    """Of a plan: where each of `ids` is, from the root on."""
    without: tuple[bytes, ...] = ()
    """Of a plan: paths that are left out, with all below them."""
    secret: Secret = Secret()
    """Of an unlocking."""


class NewDisk(msgspec.Struct, frozen=True, array_like=True):
    """The content of an unlocked volume, decrypted by the parent: a further disk."""

    size: int
    volume: str


class Need(msgspec.Struct, frozen=True, array_like=True):
    disk: int
    offset: int
    length: int


class Want(msgspec.Struct, frozen=True, array_like=True):
    disk: int
    ranges: tuple[tuple[int, int], ...]


class Failure(msgspec.Struct, frozen=True, array_like=True):
    kind: str
    text: str


class Ready(msgspec.Struct, frozen=True, array_like=True):
    isolation: tuple[str, ...]


class Unlocked(msgspec.Struct, frozen=True, array_like=True):
    """How to decrypt a volume, and where its encrypted bytes are."""

    cipher: str
    key: bytes
    sector: int
    iv_offset: int
    size: int
    runs: tuple[Run, ...]

    def __repr__(self) -> str:
        return f"Unlocked({self.cipher!r}, hidden)"


class Part(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """A piece of an answer; which field is filled depends on the call."""

    volumes: tuple[Volume, ...] = ()
    system: FileSystemInfo | None = None
    entries: tuple[Entry, ...] = ()
    hits: tuple[Hit, ...] = ()
    planned: tuple[Planned, ...] = ()
    runs: tuple[Run, ...] = ()
    data: bytes = b""
    xattrs: tuple[tuple[str, bytes], ...] = ()
    unlocked: Unlocked | None = None
    problem: str = ""
    """Something is missing from the answer: a damaged directory, say."""


_encoder = msgspec.msgpack.Encoder()


def frame(kind: int, value: Any) -> bytes:
    raw = value if isinstance(value, bytes) else _encoder.encode(value)
    return HEADER.pack(kind, len(raw)) + raw
