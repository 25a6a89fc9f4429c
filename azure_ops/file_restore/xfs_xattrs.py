"""Extended attributes of XFS: in the inode, in leaf blocks, with long values in blocks of their own."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from .damage import Damaged
from .xfs_layout import EXTENTS, LOCAL, Fork, Layout

_ROOT, _SECURE, _PARENT, _INCOMPLETE, _IN_PLACE = 0x2, 0x4, 0x8, 0x80, 0x1
_NODE, _LEAF = {0xFEBE, 0x3EBE}, {0xFBEE, 0x3BEE}
_ACLS = {
    "trusted.SGI_ACL_FILE": "system.posix_acl_access",
    "trusted.SGI_ACL_DEFAULT": "system.posix_acl_default",
}
_LONGEST = 64 * 1024
_MOST_LEAVES = 65536


def attributes(layout: Layout, fork: Fork | None) -> tuple[tuple[str, bytes], ...]:
    if fork is None or (fork.format == EXTENTS and not fork.extents):
        return ()
    found = _short(fork.raw) if fork.format == LOCAL else _leaves(layout, fork)
    answer = []
    for flags, name, value in found:
        if flags & (_INCOMPLETE | _PARENT):
            continue
        prefix = "trusted." if flags & _ROOT else "security." if flags & _SECURE else "user."
        whole = prefix + name.decode("utf-8", "surrogateescape")
        if whole in _ACLS:
            answer.append((_ACLS[whole], _acl_for_linux(value)))
        else:
            answer.append((whole, value))
    return tuple(answer)


def _short(raw: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    total, count = struct.unpack_from(">HB", raw)
    if total > len(raw):
        raise Damaged("the extended attributes are damaged")
    at = 4
    for _ in range(count):
        if at + 3 > total:
            raise Damaged("the extended attributes are damaged")
        name_length, length, flags = raw[at : at + 3]
        at += 3
        yield flags, raw[at : at + name_length], raw[at + name_length : at + name_length + length]
        at += name_length + length


def _leaves(layout: Layout, fork: Fork) -> Iterator[tuple[int, bytes, bytes]]:
    size = layout.block_size
    places = {
        first + number: place + number * size
        for first, count, place in layout.pieces(fork)
        for number in range(min(count, _MOST_LEAVES))
    }

    def block(number: int) -> bytes:
        if number not in places:
            raise Damaged("the extended attributes are damaged")
        return layout.device.read(places[number], size)

    number = 0
    for _ in range(10):
        raw = block(number)
        if struct.unpack_from(">H", raw, 8)[0] not in _NODE:
            break
        number = struct.unpack_from(">I", raw, 68 if layout.crc else 20)[0]
    seen: set[int] = set()
    while number not in seen:
        seen.add(number)
        raw = block(number)
        if struct.unpack_from(">H", raw, 8)[0] not in _LEAF:
            raise Damaged("the extended attributes are damaged")
        at = 56 if layout.crc else 12
        count = struct.unpack_from(">H", raw, at)[0]
        start = 80 if layout.crc else 32
        if start + 8 * count > size:
            raise Damaged("the extended attributes are damaged")
        for entry in range(count):
            _, index, flags = struct.unpack_from(">IHB", raw, start + 8 * entry)
            yield _entry(layout, raw, index, flags, block)
        number = struct.unpack_from(">I", raw)[0]
        if number == 0:
            break


def _entry(layout: Layout, raw: bytes, index: int, flags: int, block: object) -> tuple[int, bytes, bytes]:
    if flags & _IN_PLACE:
        length, name_length = struct.unpack_from(">HB", raw, index)
        at = index + 3
        return flags, raw[at : at + name_length], raw[at + name_length : at + name_length + length]
    first, length, name_length = struct.unpack_from(">IIB", raw, index)
    name = raw[index + 9 : index + 9 + name_length]
    if flags & _INCOMPLETE:
        return flags, name, b""
    if length > _LONGEST or not callable(block):
        raise Damaged("an extended attribute is longer than it can be")
    value = b""
    while len(value) < length:
        data = block(first)
        if layout.crc:
            if data[:4] != b"XARM":
                raise Damaged("the value of an extended attribute is damaged")
            data = data[56:]
        value += data
        first += 1
    return flags, name, value[:length]


def _acl_for_linux(value: bytes) -> bytes:
    count = struct.unpack_from(">I", value)[0]
    if 4 + 12 * count > len(value):
        raise Damaged("an access control list is cut short")
    entries = []
    for number in range(count):
        tag, identity, permissions = struct.unpack_from(">IIH", value, 4 + 12 * number)
        entries.append(struct.pack("<HHI", tag, permissions, identity if tag in (2, 8) else 0xFFFFFFFF))
    return struct.pack("<I", 2) + b"".join(entries)
