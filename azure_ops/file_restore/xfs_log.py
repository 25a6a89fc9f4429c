"""Where the log of XFS begins and ends, and the volume as it is after the log."""

from __future__ import annotations

import struct
from functools import lru_cache

from .damage import Damaged, NotReadable
from .devices import OverlaidDevice
from .xfs_layout import Layout
from .xfs_replay import Replay

_MAGIC = 0xFEEDBABE
_SECTOR = 512
_LARGEST_RECORD = 512
"""Sectors: 256 KiB of data, and headers of it."""
_UNMOUNT = 0x20
_PROBES = 16
"""Asked for together: a few rounds over the line instead of one for each halving."""


class _Log:
    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.start = layout.place(layout.log_start)
        self.sectors = layout.log_blocks * layout.block_size // _SECTOR
        self.read = lru_cache(4096)(self._read)

    def _read(self, number: int) -> bytes:
        return self._layout.device.read(self.start + number % self.sectors * _SECTOR, _SECTOR)

    def prefetch(self, numbers: list[int]) -> None:
        self._layout.device.prefetch([(self.start + number * _SECTOR, _SECTOR) for number in numbers])

    def cycle(self, number: int) -> int:
        raw = self.read(number)
        first, second = struct.unpack_from(">II", raw)
        return int(second if first == _MAGIC else first)


def replayed(layout: Layout, banners: list[str]) -> Layout:
    """The layout as it will be once the log is replayed, through an overlay; what there is to say of it."""
    if not layout.log_start:
        banners.append("The log is on another device and is not replayed: the last changes may be missing.")
        return layout
    try:
        log = _Log(layout)
        ends = _ends(log)
        if ends is None:
            return layout
        replay = Replay(layout, log.start, log.sectors)
        result = replay.run(*ends)
        new = Layout(OverlaidDevice(layout.device, _SECTOR, result.sectors)) if result.sectors else layout
    except (Damaged, NotReadable, struct.error) as exc:
        banners.append(
            f"The file system was in use and its log is not replayed ({exc}): changes of the last 30 seconds "
            "or so before this point may be missing or torn."
        )
        return layout
    if result.sectors:
        banners.append(
            "The point was taken while the file system was in use; its log "
            f"({result.transactions:,} transactions) is replayed in memory."
        )
    if replay.is_torn:
        banners.append("The log ends with records that were not written whole; they are left out.")
    return new


def _ends(log: _Log) -> tuple[int, int] | None:
    """Tail and head of the log; None after a clean unmount."""
    if log.sectors < 16:
        raise Damaged("it is too short")
    head = _head(log)
    for back in range(1, min(_LARGEST_RECORD * 2, log.sectors)):
        at = (head - back) % log.sectors
        raw = log.read(at)
        if struct.unpack_from(">I", raw)[0] != _MAGIC:
            continue
        operations = struct.unpack_from(">I", raw, 40)[0]
        tail_cycle, tail = struct.unpack_from(">II", raw, 24)
        if operations == 1 and log.read(at + 1)[9] & _UNMOUNT and back <= 2 + _header_sectors(raw):
            return None
        if tail_cycle == 0 or tail >= log.sectors:
            raise Damaged("its tail makes no sense")
        return tail, head
    if not any(any(log.read(number)) for number in range(4)):
        return None
    raise Damaged("no record is found before its head")


def _header_sectors(raw: bytes) -> int:
    size = struct.unpack_from(">I", raw, 320)[0]
    return -(-size // 32768) if size else 1


def _head(log: _Log) -> int:
    """The first sector of an older cycle than the log's first one: cycles fall once, so by narrowing down."""
    first = log.cycle(0)
    low, high = 0, log.sectors - 1
    if log.cycle(high) == first:
        return 0
    while low + 1 < high:
        step = max(1, (high - low) // _PROBES)
        probes = list(range(low + step, high, step))
        log.prefetch(probes)
        older = next((at for at in probes if log.cycle(at) != first), high)
        low, high = max([low, *(at for at in probes if at < older)]), older
    return int(high)
