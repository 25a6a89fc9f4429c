"""The shipped form of a disk image: its blocks that hold anything, compressed in chunks, with an index.

A layer is a whole image, or what one moment of it has changed against the image. `build` writes layers, the
page-blob endpoint reads them; nothing of a layer is decompressed before somebody reads there."""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

import msgspec

BLOCK = 4096
CHUNK_BLOCKS = 16
MAGIC = b"AZDISK1\n"
CHUNKS_KEPT = 256
"""16 MiB of decompressed chunks, for all images together."""


class Chunk(msgspec.Struct, frozen=True, array_like=True):
    """`count` blocks from `first` on; `stored` bytes at `at`. Nothing stored: the blocks are zeros."""

    first: int
    count: int
    at: int
    stored: int


class Index(msgspec.Struct, frozen=True, array_like=True):
    size: int
    """Of the whole image, in bytes."""
    chunks: list[Chunk]


class Layer:
    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise ValueError(f"{path} is no disk layer")
            length = int.from_bytes(file.read(4), "big")
            index = msgspec.msgpack.decode(zlib.decompress(file.read(length)), type=Index)
        self.size = index.size
        self._start = len(MAGIC) + 4 + length
        self._chunks = index.chunks
        self._firsts = [chunk.first for chunk in self._chunks]

    def block(self, number: int) -> bytes | None:
        """None where the layer says nothing."""
        at = bisect_right(self._firsts, number) - 1
        if at < 0:
            return None
        chunk = self._chunks[at]
        inside = number - chunk.first
        if inside >= chunk.count:
            return None
        if not chunk.stored:
            return bytes(BLOCK)
        data = _chunk(self.path, self._start + chunk.at, chunk.stored)
        return data[inside * BLOCK : (inside + 1) * BLOCK]

    def runs(self) -> Iterator[tuple[int, int, bool]]:
        """(first block, count, whether they hold anything), in order."""
        for chunk in self._chunks:
            yield chunk.first, chunk.count, bool(chunk.stored)


@lru_cache(maxsize=CHUNKS_KEPT)
def _chunk(path: Path, at: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(at)
        return zlib.decompress(file.read(length))


def write_layer(path: Path, size: int, blocks: Iterable[tuple[int, bytes]]) -> int:
    """`blocks` by ascending number. Returns the length of the file."""
    chunks: list[Chunk] = []
    data = bytearray()
    for first, run in _gathered(blocks):
        stored = zlib.compress(b"".join(run), 9) if any(map(any, run)) else b""
        chunks.append(Chunk(first, len(run), len(data), len(stored)))
        data += stored
    index = zlib.compress(msgspec.msgpack.encode(Index(size, chunks)), 9)
    path.write_bytes(MAGIC + len(index).to_bytes(4, "big") + index + bytes(data))
    return path.stat().st_size


def _gathered(blocks: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, list[bytes]]]:
    """Neighbours together, at most `CHUNK_BLOCKS`, zeros apart from the rest."""
    first, zero = 0, False
    run: list[bytes] = []
    for number, block in blocks:
        if run and (number != first + len(run) or len(run) == CHUNK_BLOCKS or zero != (not any(block))):
            yield first, run
            run = []
        if not run:
            first, zero = number, not any(block)
        run.append(block)
    if run:
        yield first, run
