"""Replay of an ext4 journal (JBD2) as a table of replaced blocks; nothing is written.

Scan from the journal's tail: only transactions that end with a commit block count; a revoked block is not
taken from that transaction or an earlier one.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from .crc32c import crc32c
from .damage import Damaged, NotReadable

MAGIC = 0xC03B3998
_DESCRIPTOR, _COMMIT, _SUPER_1, _SUPER_2, _REVOKE = 1, 2, 3, 4, 5
_64BIT, _ASYNC_COMMIT, _CSUM_2, _CSUM_3, _FAST_COMMIT = 0x2, 0x4, 0x8, 0x10, 0x20
_KNOWN = 0x1 | _64BIT | _ASYNC_COMMIT | _CSUM_2 | _CSUM_3 | _FAST_COMMIT
_ESCAPED, _SAME_UUID, _LAST = 1, 2, 8
_FAST_COMMIT_HEAD = 9


@dataclass
class Replay:
    transactions: int = 0
    blocks: dict[int, bytes | int] = field(default_factory=dict)
    is_torn: bool = False
    """It ends with a transaction whose checksum does not fit; that one is left out."""
    fast_commits: bool = False
    """The journal holds fast commits after its last transaction; these are not replayed."""


@dataclass(frozen=True)
class _Tag:
    block: int
    flags: int


class Journal:
    def __init__(self, size: int, read: Callable[[int], bytes], place: Callable[[int], int]) -> None:
        """`read` gives a block of the journal by number, `place` where it lies on the device."""
        self._read = read
        self._place = place
        raw = read(0)
        magic, kind = struct.unpack_from(">II", raw)
        if magic != MAGIC or kind not in (_SUPER_1, _SUPER_2):
            raise Damaged("the journal has no superblock")
        self.block_size, length, self._first, self._sequence, self._start = struct.unpack_from(">5I", raw, 12)
        self._features = struct.unpack_from(">I", raw, 40)[0] if kind == _SUPER_2 else 0
        if self._features & ~_KNOWN:
            raise NotReadable("the journal has features that are not known here")
        fast = 0
        if self._features & _FAST_COMMIT:
            fast = struct.unpack_from(">I", raw, 0x54)[0] or 256
        self._end = length - fast
        self._length = length
        if self.block_size != len(raw) or not 0 < self._first < self._end or length * self.block_size > size:
            raise Damaged("the journal's own measures make no sense")
        self._seed = crc32c(raw[48:64])

    def replay(self) -> Replay:
        result = Replay()
        if not self._start:
            return result
        revoked: dict[int, int] = {}
        committed: list[tuple[int, int, _Tag]] = []
        """Sequence, number of the journal block, tag."""
        at, sequence, count = self._start, self._sequence, 0
        pending: list[tuple[int, int, _Tag]] = []
        pending_revokes: list[int] = []
        while count < self._end:
            raw = self._read(at)
            magic, kind, found = struct.unpack_from(">III", raw)
            if magic != MAGIC or found != sequence:
                break
            if kind == _DESCRIPTOR:
                if not self._tail_fits(raw):
                    result.is_torn = True
                    break
                for tag in self._tags(raw):
                    at, count = self._next(at), count + 1
                    pending.append((sequence, at, tag))
            elif kind == _COMMIT:
                if not self._commit_fits(raw):
                    result.is_torn = True
                    break
                committed += pending
                for block in pending_revokes:
                    revoked[block] = sequence
                pending, pending_revokes = [], []
                result.transactions += 1
                sequence = sequence + 1 & 0xFFFFFFFF
            elif kind == _REVOKE:
                if not self._tail_fits(raw):
                    result.is_torn = True
                    break
                pending_revokes += self._revokes(raw)
            else:
                break
            at, count = self._next(at), count + 1
        for number, place, tag in committed:
            last = revoked.get(tag.block)
            if last is None or _later(number, last):
                result.blocks[tag.block] = self._content(place, tag)
        result.fast_commits = self._has_fast_commit(sequence)
        return result

    def _next(self, at: int) -> int:
        return at + 1 if at + 1 < self._end else self._first

    def _content(self, place: int, tag: _Tag) -> bytes | int:
        if tag.flags & _ESCAPED:
            return MAGIC.to_bytes(4, "big") + self._read(place)[4:]
        return self._place(place)

    def _tags(self, raw: bytes) -> list[_Tag]:
        wide = bool(self._features & _64BIT)
        if self._features & _CSUM_3:
            width = 16
        else:
            width = (14 if self._features & _CSUM_2 else 12) - (0 if wide else 4)
        end = len(raw) - (4 if self._features & (_CSUM_2 | _CSUM_3) else 0)
        found = []
        at = 12
        while at + width <= end:
            if self._features & _CSUM_3:
                block, flags, high, _ = struct.unpack_from(">IIII", raw, at)
            else:
                block, _, flags = struct.unpack_from(">IHH", raw, at)
                high = struct.unpack_from(">I", raw, at + 8)[0] if wide else 0
            found.append(_Tag(block | high << 32 if wide else block, flags))
            at += width if flags & _SAME_UUID else width + 16
            if flags & _LAST:
                break
        return found

    def _revokes(self, raw: bytes) -> list[int]:
        count = min(struct.unpack_from(">I", raw, 12)[0], len(raw))
        width, form = (8, ">Q") if self._features & _64BIT else (4, ">I")
        return [struct.unpack_from(form, raw, at)[0] for at in range(16, count - width + 1, width)]

    def _tail_fits(self, raw: bytes) -> bool:
        if not self._features & (_CSUM_2 | _CSUM_3):
            return True
        sum_ = crc32c(bytes(4), crc32c(raw[:-4], self._seed))
        return bool(sum_ == struct.unpack_from(">I", raw, len(raw) - 4)[0])

    def _commit_fits(self, raw: bytes) -> bool:
        if not self._features & (_CSUM_2 | _CSUM_3):
            return True
        blank = raw[:16] + bytes(4) + raw[20:]
        return bool(crc32c(blank, self._seed) == struct.unpack_from(">I", raw, 16)[0])

    def _has_fast_commit(self, sequence: int) -> bool:
        if self._end == self._length:
            return False
        # The first block behind the log proper stays unused.
        head = self._read(self._end + 1)
        tag, length = struct.unpack_from("<HH", head)
        if tag != _FAST_COMMIT_HEAD or length < 8:
            return False
        return bool(struct.unpack_from("<I", head, 8)[0] == sequence)


def _later(first: int, second: int) -> bool:
    """Transaction numbers wrap around."""
    return 0 < (first - second & 0xFFFFFFFF) < 0x80000000
