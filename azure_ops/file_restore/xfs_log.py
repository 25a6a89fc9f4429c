"""How far an XFS volume is behind its log, which is not replayed: said, never passed over."""

from __future__ import annotations

import struct
from functools import lru_cache

from .problems import Damaged
from .xfs_layout import Layout

_MAGIC = 0xFEEDBABE
_SECTOR = 512
_LARGEST_RECORD = 512
"""Sectors: 256 KiB of data, and headers of it."""
_UNMOUNT = 0x20
_PROBES = 16
"""Asked for together: a few rounds over the line instead of one for each halving."""
NEARLY_NOTHING = 16


class _Log:
    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._start = layout.place(layout.log_start)
        self.sectors = layout.log_blocks * layout.block_size // _SECTOR
        self.read = lru_cache(4096)(self._read)

    def _read(self, number: int) -> bytes:
        return self._layout.device.read(self._start + number % self.sectors * _SECTOR, _SECTOR)

    def prefetch(self, numbers: list[int]) -> None:
        self._layout.device.prefetch([(self._start + number * _SECTOR, _SECTOR) for number in numbers])

    def cycle(self, number: int) -> int:
        raw = self.read(number)
        first, second = struct.unpack_from(">II", raw)
        return int(second if first == _MAGIC else first)


def banner(layout: Layout) -> str:
    """What to say about the log; nothing when the volume was unmounted."""
    if not layout.log_start:
        return "The log is on another device and is not replayed: the last changes may be missing."
    try:
        distance = distance_in_sectors(layout)
    except (Damaged, struct.error) as exc:
        return f"The log cannot be read ({exc}): whether the last changes are missing is not known."
    if distance == 0:
        return ""
    if distance <= NEARLY_NOTHING:
        return (
            "The file system was in use, but its log is as short as after a freeze "
            f"({distance * _SECTOR // 1024} KiB): at most changes of the last moment are missing."
        )
    return (
        f"The file system was in use and its log ({distance * _SECTOR // 1024:,} KiB) is not replayed: "
        "changes of the last 30 seconds or so before this point may be missing or torn."
    )


def distance_in_sectors(layout: Layout) -> int:
    """From the log's tail to its head; 0 after a clean unmount."""
    log = _Log(layout)
    if log.sectors < 16:
        raise Damaged("the log is too short")
    head = _head(log)
    for back in range(1, min(_LARGEST_RECORD * 2, log.sectors)):
        at = (head - back) % log.sectors
        raw = log.read(at)
        if struct.unpack_from(">I", raw)[0] != _MAGIC:
            continue
        operations = struct.unpack_from(">I", raw, 40)[0]
        tail_cycle, tail = struct.unpack_from(">II", raw, 24)
        if operations == 1 and log.read(at + 1)[9] & _UNMOUNT and back <= 2 + _header_sectors(raw):
            return 0
        if tail_cycle == 0 or tail >= log.sectors:
            raise Damaged("the log's tail makes no sense")
        return int((head - tail) % log.sectors)
    if not any(any(log.read(number)) for number in range(4)):
        return 0
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
