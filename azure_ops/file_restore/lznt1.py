"""LZNT1, the compression of files on NTFS: chunks of 4 KiB."""

from __future__ import annotations

import struct

from .damage import Damaged

_CHUNK = 4096


def decompress(raw: bytes, most: int) -> bytes:
    """At most `most` bytes; what is missing at the end are zeros, as Windows has it."""
    found = bytearray()
    at = 0
    while at + 2 <= len(raw) and len(found) < most:
        header = struct.unpack_from("<H", raw, at)[0]
        if not header:
            break
        length = (header & 0xFFF) + 1
        at += 2
        chunk = raw[at : at + length]
        if len(chunk) < length:
            raise Damaged("a compressed file is cut short")
        at += length
        part = _chunk(chunk) if header & 0x8000 else chunk
        found += part
        if len(part) < _CHUNK and len(found) < most:
            found += bytes(_CHUNK - len(part))
    return bytes(found[:most])


def _chunk(raw: bytes) -> bytes:
    found = bytearray()
    at = 0
    while at < len(raw):
        flags = raw[at]
        at += 1
        for bit in range(8):
            if at >= len(raw):
                break
            if not flags >> bit & 1:
                found.append(raw[at])
                at += 1
                continue
            if at + 2 > len(raw) or not found:
                raise Damaged("a compressed file is damaged")
            token = struct.unpack_from("<H", raw, at)[0]
            at += 2
            shift = 12
            position = len(found) - 1
            while position >= 0x10:
                shift -= 1
                position >>= 1
            back = (token >> shift) + 1
            length = (token & (1 << shift) - 1) + 3
            if back > len(found) or len(found) + length > _CHUNK:
                raise Damaged("a compressed file is damaged")
            if back >= length:
                start = len(found) - back
                found += found[start : start + length]
            else:
                pattern = bytes(found[-back:])
                found += (pattern * (length // back + 1))[:length]
    return bytes(found)
