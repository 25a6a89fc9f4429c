"""Block devices inside the reader: disks, partitions, logical volumes, and an overlay over any of them.

Every device reads bytes, and says where they lie on the disks so that bulk data need not come this way.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from .damage import Damaged
from .entries import BYTES, ZEROS, Range, Run


class Device(Protocol):
    @property
    def size(self) -> int: ...

    def read(self, offset: int, length: int) -> bytes: ...

    def runs(self, offset: int, length: int) -> list[Run]:
        """Where a range lies on the disks; the runs' own offsets count from the start of the range."""

    def prefetch(self, ranges: Iterable[Range]) -> None: ...


def inside(device: Device, offset: int, length: int) -> None:
    if offset < 0 or length < 0 or offset + length > device.size:
        raise Damaged(f"bytes {offset:,} to {offset + length:,} lie outside of {device.size:,}")


@dataclass(frozen=True)
class Piece:
    """A part of a mapped device, and where it lies on the one below; no device means zeros."""

    start: int
    length: int
    device: Device | None
    offset: int = 0


class MappedDevice:
    """Pieces of other devices, one after another without gaps: partitions and linear volumes alike."""

    def __init__(self, pieces: list[Piece]) -> None:
        self._pieces = pieces
        self._starts = [piece.start for piece in pieces]
        self._size = pieces[-1].start + pieces[-1].length if pieces else 0

    @property
    def size(self) -> int:
        return self._size

    def _cover(self, offset: int, length: int) -> Iterable[tuple[int, int, Piece]]:
        """Parts of a range as (start in the piece, length, piece)."""
        inside(self, offset, length)
        index = bisect_right(self._starts, offset) - 1
        while length:
            piece = self._pieces[index]
            start = offset - piece.start
            part = min(length, piece.length - start)
            yield start, part, piece
            offset += part
            length -= part
            index += 1

    def read(self, offset: int, length: int) -> bytes:
        parts = [
            piece.device.read(piece.offset + start, part) if piece.device else bytes(part)
            for start, part, piece in self._cover(offset, length)
        ]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def runs(self, offset: int, length: int) -> list[Run]:
        found: list[Run] = []
        at = 0
        for start, part, piece in self._cover(offset, length):
            below = piece.device.runs(piece.offset + start, part) if piece.device else [Run(0, part, ZEROS)]
            found += shifted(below, at)
            at += part
        return found

    def prefetch(self, ranges: Iterable[Range]) -> None:
        below: dict[int, tuple[Device, list[Range]]] = {}
        for offset, length in ranges:
            if offset < 0 or length <= 0 or offset + length > self._size:
                continue
            for start, part, piece in self._cover(offset, length):
                if piece.device:
                    _, wanted = below.setdefault(id(piece.device), (piece.device, []))
                    wanted.append((piece.offset + start, part))
        for device, wanted in below.values():
            device.prefetch(wanted)


def part_of(device: Device, offset: int, length: int) -> MappedDevice:
    return MappedDevice([Piece(0, length, device, offset)])


class StripedDevice:
    """RAID 0 over several devices: a stripe of each in turn."""

    def __init__(self, legs: list[tuple[Device, int]], stripe: int, size: int) -> None:
        self._legs = legs
        """Device and the offset at which this volume begins on it."""
        self._stripe = stripe
        self._size = size

    @property
    def size(self) -> int:
        return self._size

    def _cover(self, offset: int, length: int) -> Iterable[tuple[Device, int, int]]:
        inside(self, offset, length)
        while length:
            number, within = divmod(offset, self._stripe)
            row, leg = divmod(number, len(self._legs))
            device, start = self._legs[leg]
            part = min(length, self._stripe - within)
            yield device, start + row * self._stripe + within, part
            offset += part
            length -= part

    def read(self, offset: int, length: int) -> bytes:
        parts = [device.read(start, part) for device, start, part in self._cover(offset, length)]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def runs(self, offset: int, length: int) -> list[Run]:
        found: list[Run] = []
        at = 0
        for device, start, part in self._cover(offset, length):
            found += shifted(device.runs(start, part), at)
            at += part
        return found

    def prefetch(self, ranges: Iterable[Range]) -> None:
        below: dict[int, tuple[Device, list[Range]]] = {}
        for offset, length in ranges:
            if offset < 0 or length <= 0 or offset + length > self._size:
                continue
            for device, start, part in self._cover(offset, length):
                below.setdefault(id(device), (device, []))[1].append((start, part))
        for device, wanted in below.values():
            device.prefetch(wanted)


class OverlaidDevice:
    """A device some blocks of which are replaced, as a journal's replay would on the disk.

    A block is replaced by bytes, or by the place of the same device where the journal has it: that needs no
    memory, and bulk reads find their way, too.
    """

    def __init__(self, device: Device, block_size: int, blocks: dict[int, bytes | int]) -> None:
        self._device = device
        self._block = block_size
        self._blocks = blocks
        self._numbers = sorted(blocks)

    @property
    def size(self) -> int:
        return self._device.size

    def _replaced(self, offset: int, length: int) -> list[int]:
        first = bisect_right(self._numbers, offset // self._block - 1)
        last = bisect_right(self._numbers, (offset + length - 1) // self._block)
        return self._numbers[first:last]

    def read(self, offset: int, length: int) -> bytes:
        replaced = self._replaced(offset, length) if length else []
        if not replaced:
            return self._device.read(offset, length)
        data = bytearray(self._device.read(offset, length))
        for number in replaced:
            start, low, high = self._window(number, offset, length)
            data[low - offset : high - offset] = self._content(number, low - start, high - start)
        return bytes(data)

    def _content(self, number: int, start: int, end: int) -> bytes:
        block = self._blocks[number]
        return self._device.read(block + start, end - start) if isinstance(block, int) else block[start:end]

    def _window(self, number: int, offset: int, length: int) -> tuple[int, int, int]:
        start = number * self._block
        return start, max(start, offset), min(start + self._block, offset + length)

    def runs(self, offset: int, length: int) -> list[Run]:
        inside(self, offset, length)
        found: list[Run] = []
        at = offset
        for number in self._replaced(offset, length) if length else []:
            start, low, high = self._window(number, offset, length)
            if low > at:
                found += shifted(self._device.runs(at, low - at), at - offset)
            block = self._blocks[number]
            if isinstance(block, int):
                found += shifted(self._device.runs(block + low - start, high - low), low - offset)
            else:
                found.append(Run(low - offset, high - low, BYTES, 0, block[low - start : high - start]))
            at = high
        if at < offset + length:
            found += shifted(self._device.runs(at, offset + length - at), at - offset)
        return found

    def prefetch(self, ranges: Iterable[Range]) -> None:
        self._device.prefetch(ranges)


def shifted(runs: list[Run], by: int) -> list[Run]:
    if not by:
        return runs
    return [Run(run.offset + by, run.length, run.disk, run.position, run.data) for run in runs]
