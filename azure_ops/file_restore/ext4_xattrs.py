"""Extended attributes of ext4: in the inode, in a block of their own, in inodes of their own."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from .damage import Damaged

_MAGIC = 0xEA020000
_PREFIX = {
    1: "user.", 2: "system.posix_acl_access", 3: "system.posix_acl_default", 4: "trusted.", 6: "security.",
    7: "system.", 8: "system.richacl",
}  # fmt: skip
INLINE_DATA = "system.data"
NO_ID = 0xFFFFFFFF
_MOST = 4096


def in_body(body: bytes, inode_value: Callable[[int], bytes]) -> Iterator[tuple[str, bytes]]:
    if len(body) < 8 or struct.unpack_from("<I", body)[0] != _MAGIC:
        return iter(())
    return _entries(body[4:], 0, 0, inode_value)


def in_block(block: bytes, inode_value: Callable[[int], bytes]) -> Iterator[tuple[str, bytes]]:
    if struct.unpack_from("<I", block)[0] != _MAGIC:
        raise Damaged("the block of extended attributes is damaged")
    return _entries(block, 32, 0, inode_value)


def _entries(
    raw: bytes, at: int, base: int, inode_value: Callable[[int], bytes]
) -> Iterator[tuple[str, bytes]]:
    for _ in range(_MOST):
        if at + 4 > len(raw) or raw[at : at + 4] == bytes(4):
            return
        if at + 16 > len(raw):
            raise Damaged("the extended attributes are cut short")
        length, index, offset, inode, size = struct.unpack_from("<BBHII", raw, at)
        name = raw[at + 16 : at + 16 + length]
        value = inode_value(inode)[:size] if inode else raw[base + offset : base + offset + size]
        if len(value) != size:
            raise Damaged("an extended attribute is cut short")
        yield _PREFIX.get(index, f"unknown{index}.") + name.decode("utf-8", "surrogateescape"), value
        at += 16 + (length + 3 & ~3)


def acl_for_linux(value: bytes) -> bytes:
    """ext4's own form of an access control list as the one that setxattr takes."""
    if len(value) < 4 or struct.unpack_from("<I", value)[0] != 1:
        raise Damaged("an access control list is damaged")
    entries = []
    at = 4
    while at + 4 <= len(value):
        tag, permissions = struct.unpack_from("<HH", value, at)
        at += 4
        identity = NO_ID
        if tag in (2, 8):
            if at + 4 > len(value):
                raise Damaged("an access control list is cut short")
            identity = struct.unpack_from("<I", value, at)[0]
            at += 4
        entries.append(struct.pack("<HHI", tag, permissions, identity))
    return struct.pack("<I", 2) + b"".join(entries)
