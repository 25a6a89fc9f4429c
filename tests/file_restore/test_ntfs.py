"""What no tool here writes on NTFS, made by changing records: valid lengths, encryption, reparse points."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from azure_ops.file_restore.damage import Damaged, NotReadable
from azure_ops.file_restore.devices import part_of
from azure_ops.file_restore.file_system import Name
from azure_ops.file_restore.lznt1 import decompress
from azure_ops.file_restore.ntfs import Ntfs
from azure_ops.file_restore.ntfs_names import reparse
from azure_ops.file_restore.ntfs_records import DATA, NUMBER, STANDARD

from .builders import MemoryDisk

START = 1 << 20


class Changed:
    """The Windows image with one file's record changed."""

    def __init__(self, image: Path, name: bytes) -> None:
        self.data = bytearray(image.read_bytes())
        system = self.system()
        (self.id,) = [item.id for item in system.names(system.info.root) if item.name == name]
        self.place = START + system._volume.record_place(self.id & NUMBER)

    def system(self) -> Ntfs:
        disk = MemoryDisk(self.data)
        return Ntfs(part_of(disk, START, disk.size - START))

    def attribute(self, kind: int) -> int:
        """Where the attribute's header is on the disk."""
        at = self.place + struct.unpack_from("<H", self.data, self.place + 20)[0]
        while struct.unpack_from("<I", self.data, at)[0] != kind:
            at += struct.unpack_from("<I", self.data, at + 4)[0]
        return at


@pytest.fixture
def one(image: Callable[[str], Path]) -> Changed:
    return Changed(image("windows.img"), b"one")


def test_bytes_beyond_the_valid_length_are_zeros(one: Changed) -> None:
    size = one.system().entry(one.id).size
    before = one.system().read(one.id, 0, size)
    struct.pack_into("<Q", one.data, one.attribute(DATA) + 56, 10_000)
    after = one.system().read(one.id, 0, size)
    assert before[10_000:] != bytes(size - 10_000)
    assert after == before[:10_000] + bytes(size - 10_000)
    runs = one.system().content(one.id).runs
    assert runs[-1].offset + runs[-1].length == 10_000


def test_encrypted_files_are_refused_by_name(one: Changed) -> None:
    struct.pack_into("<H", one.data, one.attribute(DATA) + 12, 0x4000)
    system = one.system()
    assert system.entry(one.id).refused == "encrypted by Windows (EFS)"
    for read in (system.content, lambda identity: system.read(identity, 0, 10)):
        with pytest.raises(NotReadable, match="EFS"):
            read(one.id)


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        (0x80000017, "WOF"),
        (0x80000013, "deduplicated"),
        (0x9000601A, "kept in the cloud"),
        (0xDEADBEEF, "not known (0xdeadbeef)"),
    ],
)
def test_reparse_points_are_refused_by_name(tag: int, text: str) -> None:
    target, refused = reparse(struct.pack("<IHH", tag, 8, 0) + bytes(8))
    assert target is None
    assert text in refused


def test_targets_of_links() -> None:
    shown, real = "..\\file".encode("utf-16-le"), "\\??\\C:\\dir\\file".encode("utf-16-le")
    for tag, head in ((0xA000000C, struct.pack("<I", 1)), (0xA0000003, b"")):
        data = struct.pack("<HHHH", len(shown), len(real), 0, len(shown)) + head + shown + real
        assert reparse(struct.pack("<IHH", tag, len(data), 0) + data) == (b"..\\file", "")
    linux = struct.pack("<I", 2) + b"../target"
    assert reparse(struct.pack("<IHH", 0xA000001D, len(linux), 0) + linux) == (b"../target", "")


def test_a_deleted_file_and_a_torn_record_are_bad_entries(one: Changed) -> None:
    one.data[one.place + 510] ^= 0xFF
    with pytest.raises(Damaged, match="only in part"):
        one.system().entry(one.id)
    one.data[one.place + 510] ^= 0xFF
    struct.pack_into("<H", one.data, one.place + 22, 0)
    with pytest.raises(Damaged, match="deleted"):
        one.system().entry(one.id)
    with pytest.raises(Damaged, match="deleted"):
        one.system().entry((one.id & NUMBER) | 77 << 48)


def test_a_dirty_volume_is_said(one: Changed) -> None:
    assert not one.system().info.banners
    system = one.system()
    volume = START + system._volume.record_place(3)
    one.place = volume
    at = one.attribute(0x70)
    value = at + struct.unpack_from("<H", one.data, at + 20)[0]
    struct.pack_into("<H", one.data, value + 10, 1)
    (banner,) = one.system().info.banners
    assert "dirty" in banner
    assert STANDARD == 0x10


def test_scan_and_listing_know_the_same_names(one: Changed) -> None:
    system = one.system()
    scanned = {(name.name, parent) for name, parent in system.scan() or ()}
    todo, listed = [system.info.root], set()
    while todo:
        parent = todo.pop()
        for item in system.names(parent):
            assert isinstance(item, Name)
            listed.add((item.name, parent))
            if item.kind == "directory":
                todo.append(item.id)
    assert listed <= scanned


def test_damaged_compression_is_an_error_and_never_too_long() -> None:
    assert decompress(b"\x03\x30abcd", 100)[:4] == b"abcd"
    assert decompress(b"\0\0", 100) == b""
    for raw in (b"\xff\x30ab", b"\x02\xb0\x01\x00\x00", b"\x03\xb0\x02a\xff\xff"):
        with pytest.raises(Damaged):
            decompress(raw, 4096)
