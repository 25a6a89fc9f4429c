"""Which ranges are fetched for scattered pieces: all bytes, at their places, in few requests."""

from __future__ import annotations

import random

import pytest

from azure_ops.file_restore.ranges import GAP, LARGEST, WASTE, Piece, fetches


def scattered(rng: random.Random) -> list[Piece]:
    """Pieces of files on two disks: beside each other, or with gaps of any size."""
    found, at = [], 0
    for number in range(rng.randrange(1, 300)):
        at += rng.choice([0, 0, rng.randrange(4096), rng.randrange(4 * GAP), rng.randrange(16 << 20)])
        length = rng.choice([rng.randrange(1, 20_000), rng.randrange(1, 3 * LARGEST)])
        found.append(Piece(rng.randrange(2), at, length, number % 50, number << 32))
        at += length
    rng.shuffle(found)
    return found


@pytest.mark.parametrize("seed", range(60))
def test_every_byte_once_and_at_its_place(seed: int) -> None:
    rng = random.Random(seed)
    pieces = scattered(rng)
    blocks = {(disk, at) for disk in range(2) for at in range(2000) if rng.random() < 0.3}

    def held(disk: int, position: int, length: int) -> bool:
        return all((disk, at) in blocks for at in range(position >> 18, (position + length - 1 >> 18) + 1))

    found = list(fetches(pieces, held if seed % 2 else None))
    for fetch in found:
        assert 0 < fetch.length <= LARGEST
        assert not fetch.at_hand or held(fetch.disk, fetch.position, fetch.length)
        for piece in fetch.pieces:
            assert piece.disk == fetch.disk
            assert fetch.position <= piece.position
            assert piece.position + piece.length <= fetch.position + fetch.length
    parts = sorted(
        (piece.item, piece.offset, piece.length, piece.disk, piece.position)
        for fetch in found
        for piece in fetch.pieces
    )
    whole: list[Piece] = []
    for item, offset, length, disk, position in parts:
        last = whole[-1] if whole else None
        if last and (last.item, last.offset + last.length) == (item, offset):
            assert (last.disk, last.position + last.length) == (disk, position)
            whole[-1] = Piece(disk, last.position, last.length + length, item, last.offset)
        else:
            whole.append(Piece(disk, position, length, item, offset))
    assert sorted(whole, key=str) == sorted(pieces, key=str)
    asked = [fetch for fetch in found if not fetch.at_hand]
    wanted = sum(piece.length for fetch in asked for piece in fetch.pieces)
    narrow = GAP * sum(len(fetch.pieces) for fetch in asked)
    assert sum(fetch.length for fetch in asked) <= wanted * (1 + WASTE) + narrow


def test_what_is_scattered_within_the_budget_is_few_requests() -> None:
    """Files of 8 KB that fill two thirds of where they lie, and two of them far away."""
    near = [Piece(0, number * 12_000, 8000, number, 0) for number in range(2000)]
    far = [Piece(0, (20 + number) << 30, 8000, 5000 + number, 0) for number in range(2)]
    found = list(fetches(near + far))
    assert len(found) <= 2 + -(-2000 * 12_000 // LARGEST) + 1
    assert sum(fetch.length for fetch in found) <= 1.5 * 8000 * 2002
