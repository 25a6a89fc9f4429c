"""Flipped bits in what the readers read: entries may be bad, but nothing hangs, grows or leads elsewhere.

    python -m tests.file_restore.test_fuzz TRIALS

runs more of them and prints how they ended.
"""

from __future__ import annotations

import collections
import random
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from azure_ops.file_restore import volumes
from azure_ops.file_restore.devices import Device
from azure_ops.file_restore.entries import BYTES
from azure_ops.file_restore.file_system import Name
from azure_ops.file_restore.file_systems import open_file_system
from azure_ops.file_restore.walk import Walk

from .builders import MemoryDisk
from .conftest import unpack

VOLUMES = [
    (["ubuntu.img"], "disk0/p3"), (["ubuntu.img"], "disk0/p2"), (["crashed.img"], "disk0"),
    (["busy.img"], "disk0"),
    (["rhel-a.img", "rhel-b.img"], "rhel/root"), (["windows.img"], "disk0/p1"),
]  # fmt: skip
TRIALS = 15
LONGEST_S = 20.0
MOST_BYTES = 128 << 20


def walked(disks: list[MemoryDisk], key: str) -> tuple[int, int]:
    """Everything the reader does with a volume: (entries, bad ones)."""
    found = volumes.scan(list[Device](disks))[key]
    if found.device is None:
        raise ValueError(found.volume.reason)
    system = open_file_system(found.volume.description, found.device)
    walk = Walk(system, lambda: None)
    entries = bad = 0
    for planned in walk.plan([Name(b"", system.info.root, "unknown")]):
        entries += 1
        bad += bool(planned.entry.problem or planned.entry.refused)
        parts = planned.path.split(b"/")
        assert b".." not in parts
        assert b"." not in parts
        end = 0
        for run in planned.runs:
            assert run.offset >= end
            end = run.offset + run.length
            assert run.disk == BYTES or run.position + run.length <= disks[run.disk].size
        if planned.through_reader:
            try:
                assert len(system.read(planned.entry.id, 0, 1 << 16)) <= 1 << 16
            except AssertionError:
                raise
            except Exception:
                bad += 1
    for hits in Walk(system, lambda: None).search(system.info.root, b"", lambda name: b"e" in name):
        assert all(b".." not in hit.path.split(b"/") for hit in hits)
    return entries, bad


def trial(disks: list[MemoryDisk], key: str, places: list[tuple[int, int]], rng: random.Random) -> str:
    """Flips some bits of what is read, walks, and puts them back."""
    changed = []
    for _ in range(rng.choice([1, 1, 4, 32])):
        number, at = rng.choice(places)
        at += rng.randrange(512)
        data = disks[number].data
        assert isinstance(data, bytearray)
        if at < len(data):
            changed.append((data, at, data[at]))
            data[at] = data[at] ^ 1 << rng.randrange(8) if rng.random() < 0.7 else rng.randrange(256)
    begun = time.monotonic()
    try:
        entries, bad = walked(disks, key)
        ended = "clean" if not bad else "some bad entries"
        assert entries < 100_000
    except AssertionError:
        raise
    except (MemoryError, RecursionError):
        raise AssertionError("unbounded") from None
    except Exception as exc:
        ended = f"refused ({type(exc).__name__})"
    finally:
        for data, at, value in reversed(changed):
            data[at] = value
    assert time.monotonic() - begun < LONGEST_S
    return ended


def touched(disks: list[MemoryDisk], key: str) -> list[tuple[int, int]]:
    for disk in disks:
        disk.touched = []
    walked(disks, key)
    found = {
        (disk.number, at // 512 * 512)
        for disk in disks
        for offset, length in disk.touched
        for at in range(offset, offset + min(length, 1 << 18), 512)
        if any(disk.data[at : at + 512])
    }
    for disk in disks:
        disk.touched = []
    return sorted(found)


def load(names: list[str], folder: Path) -> list[MemoryDisk]:
    return [
        MemoryDisk(bytearray(unpack(name, folder).read_bytes()), number) for number, name in enumerate(names)
    ]


@pytest.mark.parametrize(("names", "key"), VOLUMES)
def test_flipped_bits(image: Callable[[str], Path], names: list[str], key: str) -> None:
    disks = load(names, image(names[0]).parent)
    for name in names:
        image(name)
    places = touched(disks, key)
    rng = random.Random(f"{names}{key}")
    tracemalloc.start()
    try:
        for _ in range(3):
            trial(disks, key, places, rng)
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()
    for _ in range(TRIALS - 3):
        trial(disks, key, places, rng)


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for names, key in VOLUMES:
            disks = load(names, Path(folder))
            places = touched(disks, key)
            ends: collections.Counter[str] = collections.Counter()
            begun, slowest = time.monotonic(), 0.0
            for number in range(count // len(VOLUMES)):
                one = time.monotonic()
                ends[trial(disks, key, places, random.Random(number))] += 1
                slowest = max(slowest, time.monotonic() - one)
            print(
                f"{names[0]} {key}: {dict(ends)}, slowest {slowest:.2f} s,"
                f" all {time.monotonic() - begun:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]))
