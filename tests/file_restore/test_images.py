"""The shipped images against what the kernel has shown of them: everything, byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from azure_ops.file_restore.byte_source import LocalImage
from azure_ops.file_restore.disks import open_disks
from azure_ops.file_restore.entries import Hit
from azure_ops.file_restore.problems import FileRestoreError
from azure_ops.file_restore.reader import Reader

from .truth import Fact, differences, read_facts, recorded

WHOLE = tuple(Fact.__dataclass_fields__)
WITHOUT_OWNERS = ("kind", "size", "modified_ns", "target", "digest", "links", "xattrs")
CONTENT = ("kind", "size", "digest")
BOTTOM = b"/".join(b"level%d" % number for number in range(20)) + b"/bottom"
Image = Callable[[str], Path]


@pytest.mark.parametrize(
    ("images", "volume", "truth", "only"),
    [
        (["ubuntu.img"], "disk0/p3", "ubuntu-root", WHOLE),
        (["ubuntu.img"], "disk0/p2", "ubuntu-efi", CONTENT),
        (["crashed.img"], "disk0", "crashed", WHOLE),
        (["busy.img"], "disk0", "busy", WHOLE),
        (["rhel-a.img", "rhel-b.img"], "rhel/root", "rhel-root", WHOLE),
        (["rhel-b.img", "rhel-a.img"], "rhel/root", "rhel-root", WHOLE),
        (["windows.img"], "disk0/p1", "windows", WITHOUT_OWNERS),
    ],
)
async def test_all_is_as_the_kernel_shows_it(
    image: Image, images: list[str], volume: str, truth: str, only: tuple[str, ...]
) -> None:
    _, found, problems = await read_facts([image(name) for name in images], volume)
    assert not problems
    assert not differences(recorded(truth), found, only)


async def test_a_point_taken_in_use_is_said_to_be_replayed(image: Image) -> None:
    for name in ("crashed.img", "busy.img"):
        info, _, _ = await read_facts([image(name)], "disk0")
        assert "replayed in memory" in info.banners[0]
    info, _, _ = await read_facts([image("ubuntu.img")], "disk0/p3")
    assert not info.banners


async def test_volumes_are_told_apart(image: Image) -> None:
    disks = await open_disks([LocalImage(image("ubuntu.img")), LocalImage(image("rhel-b.img"))])
    async with Reader(disks) as reader:
        volumes = {volume.key: volume for volume in await reader.volumes()}
        with pytest.raises(FileRestoreError, match="open all disks of the machine together"):
            await reader.open("rhel/root")
    assert [(key, volume.description, volume.state) for key, volume in volumes.items()] == [
        ("disk0", "GPT", "container"),
        ("disk0/p1", "BIOS boot", "empty"),
        ("disk0/p2", "FAT", "readable"),
        ("disk0/p3", "ext4", "readable"),
        ("disk1", "LVM2 physical volume", "container"),
        ("rhel", "LVM2 volume group", "container"),
        ("rhel/root", "logical volume", "incomplete"),
    ]
    assert volumes["disk0/p3"].label == "root"


@pytest.mark.parametrize(
    ("images", "volume", "pattern", "expected"),
    [
        (["ubuntu.img"], "disk0/p3", "FSTAB", {b"etc/fstab"}),
        (["ubuntu.img"], "disk0/p3", "entry-001?.conf", {b"many/entry-001%d.conf" % n for n in range(10)}),
        (["rhel-a.img", "rhel-b.img"], "rhel/root", "bott*", {BOTTOM}),
        (["windows.img"], "disk0/p1", "notes", {b"Users/admin/notes.txt"}),
        (["windows.img"], "disk0/p1", "entry 0007*", {b"many/entry 0007.log"}),
    ],
)  # fmt: skip
async def test_search_finds_by_part_of_a_name_or_glob(
    image: Image, images: list[str], volume: str, pattern: str, expected: set[bytes]
) -> None:
    disks = await open_disks([LocalImage(image(name)) for name in images])
    async with Reader(disks) as reader:
        info = await reader.open(volume)
        hits: list[Hit] = []
        async for found, problem in reader.search(volume, info.root, pattern):
            assert not problem
            hits += found
    assert {hit.path for hit in hits} == expected
    assert all(hit.entry.kind == "file" and not hit.entry.problem for hit in hits)


async def test_paths_are_followed_within_the_file_system_only(image: Image) -> None:
    disks = await open_disks([LocalImage(image("ubuntu.img"))])
    async with Reader(disks) as reader:
        chain = await reader.lookup("disk0/p3", b"etc/../short link", follow=True)
        assert [entry.name for entry in chain] == [b"", b"etc", b"fstab"]
        data = await reader.read("disk0/p3", chain[-1].id, 0, 100)
        assert data.startswith(b"UUID=1111")
        with pytest.raises(FileRestoreError, match="there is no passwd"):
            await reader.lookup("disk0/p3", b"outside", follow=True)
        entries = [
            entry
            async for part in reader.list("disk0/p3", chain[0].id)
            for entry in part.entries
        ]  # fmt: skip
        assert b"\xff\xfe not utf-8" in [entry.name for entry in entries]


@pytest.mark.parametrize(
    ("name", "magic", "block", "text"),
    [
        ("busy.img", b"\xfe\xed\xba\xbe", 512, "not written whole"),
        ("crashed.img", b"\xc0\x3b\x39\x98\0\0\0\2", 1024, "damaged transaction"),
    ],
)
async def test_a_torn_journal_is_said(
    image: Image, tmp_path: Path, name: str, magic: bytes, block: int, text: str
) -> None:
    """A byte is changed in what was written last: the last record of XFS, each commit of ext4."""
    raw = bytearray(image(name).read_bytes())
    places = [at for at in range(0, len(raw), block) if raw.startswith(magic, at)]
    # Behind the head of a log of XFS come stamps: records without operations.
    written = [at for at in places if any(raw[at + 40 : at + 44])]
    for at in written[-1:] if name == "busy.img" else places:
        raw[at + 50] ^= 1
    torn = tmp_path / name
    torn.write_bytes(raw)
    info, _, _ = await read_facts([torn], "disk0")
    assert [banner for banner in info.banners if text in banner]
