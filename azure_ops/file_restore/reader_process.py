"""The process that parses (`python -m azure_ops.file_restore.reader_process [unlocks] SIZE…`), of `Reader`.

It has no credentials, no network and no files, only two pipes: calls come in, blocks of the disks are asked
for, answers go out. Whatever a parser raises becomes one bad entry or a refused call.
"""

from __future__ import annotations

import codecs
import os
import select
import sys
import traceback
from collections import OrderedDict
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec

from . import isolation, pipe
from .damage import Cancelled, Damaged, NotReadable
from .devices import inside
from .entries import Range, Run
from .serving import Desk

UNLOCKS = "unlocks"
"""Before the sizes: the process will be asked for the key of an encrypted volume."""
BLOCK = 256 * 1024
KEPT_BLOCKS = 128
"""32 MiB: most parsers ask thousands of times for a few bytes."""


class Channel:
    """The reader's end of the pipes."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._in = incoming
        self._out = outgoing
        self._calls = msgspec.msgpack.Decoder(pipe.Call)
        self._cancelled = False

    def call(self) -> pipe.Call | pipe.NewDisk | None:
        """The next call or disk; None when the parent has gone."""
        while True:
            kind, raw = self._frame()
            if kind == 0:
                return None
            if kind == pipe.CALL:
                self._cancelled = False
                return self._calls.decode(raw)
            if kind == pipe.DISK:
                return msgspec.msgpack.decode(raw, type=pipe.NewDisk)

    def need(self, disk: int, offset: int, length: int) -> bytes:
        self.send(pipe.NEED, pipe.Need(disk, offset, length))
        while True:
            kind, raw = self._frame()
            if kind == pipe.BYTES:
                return raw or _zeros(length)
            if kind == pipe.FAILED_BYTES:
                raise OSError(raw.decode("utf-8", "replace"))
            if kind == pipe.CANCEL:
                self._cancelled = True
            if kind == 0:
                sys.exit(0)

    def check(self) -> None:
        """Raises Cancelled when the parent has said so."""
        if not self._cancelled and select.select([self._in], [], [], 0)[0]:
            kind, _ = self._frame()
            if kind == 0:
                sys.exit(0)
            self._cancelled = kind == pipe.CANCEL
        if self._cancelled:
            raise Cancelled

    def send(self, kind: int, value: Any) -> None:
        view = memoryview(pipe.frame(kind, value))
        while view:
            view = view[os.write(self._out, view) :]

    def _frame(self) -> tuple[int, bytes]:
        head = self._exactly(pipe.HEADER.size)
        if not head:
            return 0, b""
        kind, length = pipe.HEADER.unpack(head)
        return kind, self._exactly(length)

    def _exactly(self, length: int) -> bytes:
        parts = []
        while length:
            part = os.read(self._in, length)
            if not part:
                return b""
            parts.append(part)
            length -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


@lru_cache(4)
def _zeros(length: int) -> bytes:
    """A hole comes without its bytes."""
    return bytes(length)


class RemoteDisk:
    """A disk whose blocks the parent serves."""

    def __init__(self, channel: Channel, number: int, size: int) -> None:
        self._channel = channel
        self._number = number
        self._size = size
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    @property
    def size(self) -> int:
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        index, start = divmod(offset, BLOCK)
        if start + length <= BLOCK and offset >= 0 and offset + length <= self._size:
            return self._block(index)[start : start + length]
        inside(self, offset, length)
        if length > 16 * BLOCK:
            raise Damaged(f"a structure of {length:,} bytes")
        parts = []
        while length:
            part = min(length, BLOCK - start)
            parts.append(self._block(index)[start : start + part])
            length -= part
            index, start = index + 1, 0
        return b"".join(parts)

    def _block(self, index: int) -> bytes:
        block = self._blocks.get(index)
        if block is None:
            at = index * BLOCK
            block = self._channel.need(self._number, at, min(BLOCK, self._size - at))
            self._blocks[index] = block
            if len(self._blocks) > KEPT_BLOCKS:
                self._blocks.popitem(last=False)
        else:
            self._blocks.move_to_end(index)
        return block

    def runs(self, offset: int, length: int) -> list[Run]:
        inside(self, offset, length)
        return [Run(0, length, self._number, offset)] if length else []

    def prefetch(self, ranges: Iterable[Range]) -> None:
        wanted = {
            index
            for offset, length in ranges
            if offset >= 0 and length > 0 and offset + length <= self._size
            for index in range(offset // BLOCK, (offset + length - 1) // BLOCK + 1)
            if index not in self._blocks
        }
        if len(wanted) > 1:
            asked = tuple((at * BLOCK, min(BLOCK, self._size - at * BLOCK)) for at in sorted(wanted))
            self._channel.send(pipe.WANT, pipe.Want(self._number, asked))


def serve(channel: Channel, sizes: list[int]) -> None:
    desk = Desk([RemoteDisk(channel, number, size) for number, size in enumerate(sizes)], channel.check)
    while (call := channel.call()) is not None:
        if isinstance(call, pipe.NewDisk):
            desk.add(RemoteDisk(channel, desk.disk_count, call.size), call.volume)
            continue
        isolation.allow_processor_time()
        try:
            for part in desk.answer(call):
                channel.send(pipe.PART, part)
        except Cancelled:
            channel.send(pipe.ERROR, pipe.Failure("Cancelled", ""))
        except (Damaged, NotReadable) as exc:
            channel.send(pipe.ERROR, pipe.Failure(type(exc).__name__, str(exc)))
        except Exception as exc:
            where = traceback.extract_tb(exc.__traceback__)[-1]
            text = f"{type(exc).__name__}: {exc} ({where.name}:{where.lineno})"
            channel.send(pipe.ERROR, pipe.Failure("Damaged", text))
        else:
            channel.send(pipe.END, b"")


def main() -> None:
    for encoding in ("utf-16-le", "cp437", "ascii"):
        # The filter forbids to open modules later.
        codecs.lookup(encoding)
    incoming, outgoing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(nothing, descriptor)
    channel = Channel(incoming, outgoing)
    unlocks = sys.argv[1:2] == [UNLOCKS]
    if unlocks:
        from . import luks_keys  # noqa: F401  # later the filter forbids it
    channel.send(pipe.READY, pipe.Ready(isolation.isolate(for_keys=unlocks)))
    serve(channel, [int(word) for word in sys.argv[1 + unlocks :]])


if __name__ == "__main__":
    main()
