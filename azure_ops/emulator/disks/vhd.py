"""The footer of a fixed VHD: the last 512 bytes of an exported disk."""

from __future__ import annotations

import struct
import uuid

FOOTER = 512
FIXED = 2


def footer(size: int, unique_id: str) -> bytes:
    """For a disk of `size` bytes."""
    cylinders, heads, sectors = _geometry(size // 512)
    body = struct.pack(
        ">8sIIQI4sI4sQQHBBII16sB427x",
        b"conectix",
        2,
        0x00010000,
        0xFFFFFFFFFFFFFFFF,
        0,
        b"wa\0\0",
        0x00070000,
        b"Wi2k",
        size,
        size,
        cylinders,
        heads,
        sectors,
        FIXED,
        0,
        uuid.UUID(unique_id).bytes,
        0,
    )
    checksum = ~sum(body) & 0xFFFFFFFF
    return body[:64] + struct.pack(">I", checksum) + body[68:]


def _geometry(sectors: int) -> tuple[int, int, int]:
    """Cylinders, heads and sectors a track, as the format's specification works them out."""
    sectors = min(sectors, 65535 * 16 * 255)
    if sectors >= 65535 * 16 * 63:
        return sectors // 255 // 16, 16, 255
    per_track, heads = 17, max(4, (sectors // 17 + 1023) // 1024)
    if sectors // 17 >= heads * 1024 or heads > 16:
        per_track, heads = 31, 16
    if sectors // per_track >= heads * 1024:
        per_track, heads = 63, 16
    return sectors // per_track // heads, heads, per_track
