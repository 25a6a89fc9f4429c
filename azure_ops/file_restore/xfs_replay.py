"""Replay of the log of XFS as a table of replaced sectors; nothing is written.

Committed transactions between the log's tail and its head: buffers, inodes and new inode chunks, in the order
and with the exceptions of the kernel (cancelled buffers, metadata that is newer than the log). Intents need
no work for reading.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from .crc32c import crc32c
from .damage import Damaged, NotReadable
from .xfs_layout import Layout

SECTOR = 512
RECORD_MAGIC = 0xFEEDBABE
_TRANSACTION_MAGIC = 0x5452414E
_COMMIT, _CONTINUE, _WAS_CONTINUED, _END, _UNMOUNT = 0x02, 0x04, 0x08, 0x10, 0x20
_BUFFER, _INODE, _CREATE = 0x123C, 0x123B, 0x123F
_INODE_BUFFER, _CANCEL, _QUOTA_BUFFERS = 0x1, 0x2, 0x1C
_CHUNK = 128
_CHECKED_FULLY = 4 << 20
_CHECKED_AT_END = 8
_LONGEST = 192 << 20
"""More would not fit into the memory that the reader may take."""
_DATA_LOCAL, _DATA_ROOT, _ATTR_LOCAL, _ATTR_ROOT = 0x2 | 0x4, 0x8, 0x40 | 0x80, 0x100
_CORE = struct.Struct("<HHbbHIIIHHQ8s8s8sqQIIHBbIHHIIIQQQI12s8sQ16s")
_CORE_ON_DISK = struct.Struct(_CORE.format.replace("<", ">"))
_CORE_OLD = 100
_NO_LSN = (1 << 64) - 1


@dataclass
class _Transaction:
    lsn: int
    """Of the record in which it begins."""
    header: bytes = b""
    items: list[list[bytes]] = field(default_factory=list)


@dataclass(frozen=True)
class _Item:
    number: int
    lsn: int
    regions: list[bytes]

    @property
    def type(self) -> int:
        return int(struct.unpack_from("<H", self.regions[0])[0])


@dataclass(frozen=True)
class _Place:
    """Of a record in the log, in sectors; the length of its data in bytes."""

    sector: int
    heads: int
    count: int
    length: int


@dataclass
class Replayed:
    sectors: dict[int, bytes | int] = field(default_factory=dict)
    transactions: int = 0


class Replay:
    def __init__(self, layout: Layout, start: int, sectors: int) -> None:
        self._layout = layout
        self._start = start
        self._sectors = sectors
        self._uuid = layout.meta_uuid
        self.is_torn = False
        """The last records were not written whole; they are left out, as the kernel does."""
        self._new: dict[int, bytes] = {}
        self._cancelled: dict[tuple[int, int], int] = {}
        self._freed: dict[int, int] = {}
        """First sector of a cancelled buffer → the last item that cancels it."""

    def run(self, tail: int, head: int) -> Replayed:
        if (head - tail) % self._sectors * SECTOR > _LONGEST:
            raise NotReadable("it is too long")
        items: list[_Item] = []
        transactions = 0
        for lsn, logged in self._committed(tail, head):
            transactions += 1
            items += [
                _Item(len(items) + at, lsn, regions) for at, regions in enumerate(sorted(logged, key=_order))
            ]
        for item in items:
            if item.type == _BUFFER:
                flags, length, block = struct.unpack_from("<HHq", item.regions[0], 4)
                if flags & _CANCEL:
                    self._cancelled[block, length] = item.number
                    self._freed[block] = item.number
        for item in items:
            if item.type == _BUFFER:
                self._buffer(item)
            elif item.type == _INODE:
                self._inode(item)
            elif item.type == _CREATE:
                self._create(item)
        return Replayed(dict(self._new), transactions)

    def _bytes(self, sector: int, count: int) -> bytes:
        """Of the log, around its end."""
        sector %= self._sectors
        first = min(count, self._sectors - sector)
        device = self._layout.device
        parts = [device.read(self._start + sector * SECTOR, first * SECTOR)]
        if first < count:
            parts.append(device.read(self._start, (count - first) * SECTOR))
        return b"".join(parts)

    def _places(self, tail: int, head: int) -> list[_Place]:
        left = (head - tail) % self._sectors
        at = tail
        found = []
        while left > 0:
            header = self._bytes(at, 1)
            magic, _, version, length = struct.unpack_from(">IIII", header)
            if magic != RECORD_MAGIC or length > 1 << 20:
                raise Damaged("a record of it is damaged")
            size = struct.unpack_from(">I", header, 320)[0]
            heads = max(1, -(-size // 32768)) if version & 2 else 1
            count = -(-length // SECTOR)
            if heads + count > left:
                raise Damaged("it ends within a record")
            found.append(_Place(at, heads, count, length))
            at, left = at + heads + count, left - heads - count
        return found

    def _record(self, place: _Place) -> tuple[bytes, bytes, bytes]:
        """Header, data with the sectors' first words put back, and data as it is on the disk."""
        header = self._bytes(place.sector, place.heads)
        raw = self._bytes(place.sector + place.heads, place.count) if place.count else b""
        data = bytearray(raw)
        for number in range(place.count):
            block, within = divmod(number, 64)
            word = 44 + 4 * within if block == 0 else block * SECTOR + 4 + 4 * within
            data[number * SECTOR : number * SECTOR + 4] = header[word : word + 4]
        return header, bytes(data[: place.length]), raw[: place.length]

    def _committed(self, tail: int, head: int) -> Iterator[tuple[int, list[list[bytes]]]]:
        running: dict[int, _Transaction] = {}
        whole = (head - tail) % self._sectors * SECTOR <= _CHECKED_FULLY
        places = self._places(tail, head)
        for number, place in enumerate(places):
            header, data, raw = self._record(place)
            is_late = number >= len(places) - _CHECKED_AT_END
            if (whole or is_late) and not _is_whole(header, raw):
                if not is_late:
                    raise Damaged("a record of it is damaged")
                # Torn at the moment of the snapshot: nothing after it counts.
                self.is_torn = True
                return
            lsn = struct.unpack_from(">Q", header, 16)[0]
            at = 0
            for _ in range(struct.unpack_from(">I", header, 40)[0]):
                if at + 12 > len(data):
                    raise Damaged("an operation of it is cut short")
                identity, length, _, flags = struct.unpack_from(">IIBB", data, at)
                body = data[at + 12 : at + 12 + length]
                at += 12 + length
                if len(body) < length:
                    raise Damaged("an operation of it is cut short")
                if flags & _UNMOUNT:
                    continue
                if flags & _COMMIT:
                    done = running.pop(identity, None)
                    if done is not None and done.items:
                        yield done.lsn, done.items
                elif not flags & ~(_CONTINUE | _WAS_CONTINUED | _END | 0x01):
                    if flags & 0x01:
                        running[identity] = _Transaction(lsn)
                    elif identity in running:
                        _add(running[identity], body, bool(flags & _WAS_CONTINUED))

    def _read(self, sector: int, count: int) -> bytearray:
        data = bytearray(self._layout.device.read(sector * SECTOR, count * SECTOR))
        for number in range(count):
            new = self._new.get(sector + number)
            if new is not None:
                data[number * SECTOR : (number + 1) * SECTOR] = new
        return data

    def _write(self, sector: int, data: bytes | bytearray) -> None:
        for number in range(len(data) // SECTOR):
            self._new[sector + number] = bytes(data[number * SECTOR : (number + 1) * SECTOR])

    def _is_cancelled(self, item: _Item, sector: int, count: int) -> bool:
        return self._cancelled.get((sector, count), -1) > item.number

    def _buffer(self, item: _Item) -> None:
        flags, count, sector, words = struct.unpack_from("<HHqI", item.regions[0], 4)
        if flags & (_CANCEL | _INODE_BUFFER | _QUOTA_BUFFERS) or self._is_cancelled(item, sector, count):
            return
        if sector < 0 or (sector + count) * SECTOR > self._layout.device.size or words > 1024:
            raise Damaged("a buffer of the log lies outside of the volume")
        data = self._read(sector, count)
        if self._lsn_of(data) >= item.lsn:
            return
        bits = int.from_bytes(item.regions[0][20 : 20 + 4 * words], "little")
        bit, last = 0, 32 * words
        for region in item.regions[1:]:
            while bit < last and not bits >> bit & 1:
                bit += 1
            run = 0
            while bit + run < last and bits >> (bit + run) & 1:
                run += 1
            run = min(run, len(region) // _CHUNK)
            if not run or (bit + run) * _CHUNK > len(data):
                raise Damaged("a buffer of the log does not fit its map")
            data[bit * _CHUNK : (bit + run) * _CHUNK] = region[: run * _CHUNK]
            bit += run
        self._write(sector, data)

    def _lsn_of(self, data: bytes | bytearray) -> int:
        """When the block was written last, where it says so and belongs to this file system; else 0."""
        if not self._layout.crc:
            return 0
        magic, short = bytes(data[:4]), struct.unpack_from(">H", data, 8)[0]
        if magic in (b"AB3B", b"AB3C", b"IAB3", b"FIB3", b"RMB3", b"R3FC"):
            at, identity = 24, 32
        elif magic == b"BMA3":
            at, identity = 32, 40
        elif magic in (b"XDB3", b"XDD3", b"XDF3"):
            at, identity = 16, 24
        elif magic in (b"XSLM", b"XARM"):
            at, identity = 48, 16
        elif short in (0x3BEE, 0x3EBE, 0x3DF1, 0x3DFF):
            at, identity = 24, 32
        else:
            return 0
        if bytes(data[identity : identity + 16]) != self._uuid:
            return 0
        lsn = int(struct.unpack_from(">Q", data, at)[0])
        # Blocks of attribute values are written around the log and say so.
        return 0 if lsn == _NO_LSN else lsn

    def _create(self, item: _Item) -> None:
        group, block, _, _, length = struct.unpack_from(">IIIII", item.regions[0], 4)
        size = self._layout.block_size
        place = (group * self._layout.group_blocks + block) * size
        if place + length * size > self._layout.device.size or length > 1024:
            raise Damaged("new inodes of the log lie outside of the volume")
        first, end = place // SECTOR, (place + length * size) // SECTOR
        freed = (self._freed.get(sector, -1) for sector in range(first, end))
        if any(number > item.number for number in freed):
            # Freed again, and maybe used for data since: the whole chunk is left alone.
            return
        self._write(first, bytes(length * size))

    def _inode(self, item: _Item) -> None:
        head = item.regions[0]
        if len(head) != 56 or len(item.regions) < 2:
            raise Damaged("an inode of the log has a form that is not known")
        fields = struct.unpack_from("<I", head, 4)[0]
        sector, count, offset = struct.unpack_from("<qii", head, 40)
        size = self._layout.inode_size
        outside = sector < 0 or (sector + count) * SECTOR > self._layout.device.size
        if outside or not 0 <= offset <= count * SECTOR - size:
            raise Damaged("an inode of the log lies outside of the volume")
        if self._is_cancelled(item, sector, count):
            return
        data = self._read(sector, count)
        inode = data[offset : offset + size]
        if inode[:2] == b"IN" and inode[4] >= 3 and struct.unpack_from(">Q", inode, 112)[0] > item.lsn:
            return
        core = _core_on_disk(item.regions[1])
        inode[: len(core)] = core
        start = len(core)
        split = start + 8 * core[82] if core[82] else size
        forks = iter(item.regions[2:])
        for local, root, low, high in (
            (_DATA_LOCAL, _DATA_ROOT, start, split), (_ATTR_LOCAL, _ATTR_ROOT, split, size),
        ):  # fmt: skip
            if not fields & (local | root):
                continue
            region = next(forks, b"")
            if fields & root:
                region = self._root_on_disk(region, high - low)
            if len(region) > high - low:
                raise Damaged("a fork of an inode of the log is too long")
            inode[low : low + len(region)] = region
        data[offset : offset + size] = inode
        self._write(sector, data)

    def _root_on_disk(self, block: bytes, room: int) -> bytes:
        """The root of an extent tree as it is in memory → in its inode."""
        head = 72 if self._layout.crc else 24
        level, count = struct.unpack_from(">HH", block, 4)
        most, fit = (len(block) - head) // 16, (room - 4) // 16
        if count > min(most, fit):
            raise Damaged("the root of an extent tree of the log is damaged")
        keys = block[head : head + 8 * count]
        pointers = block[head + 8 * most : head + 8 * most + 8 * count]
        return struct.pack(">HH", level, count) + keys.ljust(8 * fit, b"\0") + pointers


def _is_whole(header: bytes, raw: bytes) -> bool:
    """The checksum of a record, over header and data as they are on the disk."""
    sent = struct.unpack_from("<I", header, 32)[0]
    if not sent:
        return True
    start = crc32c(header[:32] + bytes(4) + header[36:328])
    for number in range(1, -(-len(raw) // 32768)):
        start = crc32c(header[number * SECTOR : number * SECTOR + 260], start)
    return bool(crc32c(raw, start) ^ 0xFFFFFFFF == sent)


def _order(item: list[bytes]) -> int:
    """Buffers before inodes, cancelled ones last, as the kernel sorts a transaction."""
    kind = struct.unpack_from("<H", item[0])[0]
    if kind == _BUFFER:
        return 2 if struct.unpack_from("<H", item[0], 4)[0] & _CANCEL else 0
    return 1 if kind == _INODE else 0


def _add(transaction: _Transaction, body: bytes, continued: bool) -> None:
    if continued:
        if transaction.items and transaction.items[-1]:
            transaction.items[-1][-1] += body
        else:
            transaction.header += body
        return
    if not body:
        return
    if len(transaction.header) < 16 and not transaction.items:
        transaction.header += body
        if struct.unpack_from("<I", transaction.header.ljust(4, b"\0"))[0] != _TRANSACTION_MAGIC:
            raise Damaged("a transaction of the log has no header")
        return
    last = transaction.items[-1] if transaction.items else None
    if last is None or len(last) >= struct.unpack_from("<H", last[0], 2)[0]:
        if len(body) < 4:
            raise Damaged("an item of the log is cut short")
        transaction.items.append([body])
    else:
        last.append(body)


def _core_on_disk(core: bytes) -> bytes:
    """An inode's fixed part: the log has it in the byte order of the machine that wrote it."""
    old = len(core) < _CORE.size
    values = list(_CORE.unpack(core.ljust(_CORE.size, b"\0")[: _CORE.size]))
    if values[0] != 0x494E:
        raise Damaged("an inode of the log is of another byte order, or damaged")
    big = bool(values[29] & 0x8) and values[2] >= 3
    for place in (11, 12, 13, 32):
        values[place] = values[place][::-1] if big else values[place][3::-1] + values[place][7:3:-1]
    raw = bytearray(_CORE_ON_DISK.pack(*values))
    return bytes(raw[:_CORE_OLD] if old or values[2] < 3 else raw)
