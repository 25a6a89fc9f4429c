"""BitLocker: what can be told of a volume without its key."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from .damage import Damaged
from .devices import Device

_SIGNATURE = b"-FVE-FS-"
_LARGEST = 64 * 1024
_METHODS = {
    0x8000: "AES-128-CBC with diffuser", 0x8001: "AES-256-CBC with diffuser", 0x8002: "AES-128-CBC",
    0x8003: "AES-256-CBC", 0x8004: "AES-128-XTS", 0x8005: "AES-256-XTS",
}  # fmt: skip
_PROTECTORS = {
    0x0000: "clear key (protection is suspended)", 0x0100: "TPM", 0x0200: "startup key (external key)",
    0x0500: "TPM and PIN", 0x0800: "recovery password", 0x2000: "password",
}  # fmt: skip


@dataclass(frozen=True)
class BitLocker:
    uuid: str
    method: str
    protectors: tuple[str, ...]


def read_bitlocker(device: Device) -> BitLocker:
    """From the first of the three copies of its description that is whole."""
    for offset in struct.unpack("<QQQ", device.read(176, 24)):
        if not 0 < offset <= device.size - 112:
            continue
        block = device.read(offset, 112)
        size, version, header = struct.unpack_from("<III", block, 64)
        if block[:8] != _SIGNATURE or version != 1 or header != 48 or not header <= size <= _LARGEST:
            continue
        if offset + 64 + size > device.size:
            continue
        entries = device.read(offset + 64 + header, size - header)
        method = struct.unpack_from("<H", block, 100)[0]
        kinds = [
            _PROTECTORS.get(kind, f"a protector of kind {kind:#06x}") for kind in _protector_kinds(entries)
        ]
        return BitLocker(
            str(uuid.UUID(bytes_le=block[80:96])),
            _METHODS.get(method, f"encryption method {method:#06x}"),
            tuple(dict.fromkeys(kinds)),
        )
    raise Damaged("the description of the BitLocker volume is damaged in all its copies")


def _protector_kinds(entries: bytes) -> Iterator[int]:
    at = 0
    while at + 8 <= len(entries):
        size, entry, value = struct.unpack_from("<HHH", entries, at)
        if size < 8 or at + size > len(entries):
            return
        if (entry, value) == (2, 8) and size >= 36:
            yield struct.unpack_from("<H", entries, at + 34)[0]
        at += size
