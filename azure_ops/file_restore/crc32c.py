"""CRC-32C, which ext4, XFS and their journals carry, for the few blocks where it decides something."""

from __future__ import annotations


def _table() -> list[int]:
    values = []
    for number in range(256):
        value = number
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        values.append(value)
    return values


_TABLE = _table()


def crc32c(data: bytes, start: int = 0xFFFFFFFF) -> int:
    """Without the final inversion, as the Linux kernel counts it."""
    value = start
    for byte in data:
        value = _TABLE[(value ^ byte) & 0xFF] ^ value >> 8
    return value
