"""Where file systems are mounted, as /etc/fstab says it."""

from __future__ import annotations

import pytest

from azure_ops.file_restore.fstab import Marks, mounts

ROOT = Marks(uuid="ab12-CD", label="root", partition_uuid="p-1", partition_label="system")
DATA = Marks(uuid="2222", label="data", volume="vg-data/lv-one")


@pytest.mark.parametrize(
    ("line", "directory"),
    [
        ("UUID=AB12-cd / ext4 defaults 0 1", "/"),
        ('UUID="ab12-cd" / ext4 defaults 0 1', "/"),
        ("LABEL=root\t/\text4", "/"),
        ("PARTUUID=P-1 /x ext4", "/x"),
        ("PARTLABEL=system /x ext4", "/x"),
        ("/dev/disk/by-uuid/ab12-cd /a\\040b ext4", "/a b"),
        ("# UUID=ab12-cd / ext4", None),
        ("UUID=ab12-cd none swap", None),
        ("UUID=other / ext4", None),
        ("/dev/sda1 / ext4", None),
        ("UUID= / ext4", None),
        ("UUID=ab12-cd", None),
        ("", None),
    ],
)
def test_a_line_names_a_file_system(line: str, directory: str | None) -> None:
    assert mounts(line.encode(), {"disk0/p1": ROOT}).get("disk0/p1") == directory


@pytest.mark.parametrize("name", ["/dev/vg-data/lv-one", "/dev/mapper/vg--data-lv--one", "LABEL=data"])
def test_a_logical_volume_has_two_names(name: str) -> None:
    assert mounts(f"{name} /srv xfs".encode(), {"disk0/p1": ROOT, "vg": DATA}) == {"vg": "/srv"}


def test_the_first_line_counts_and_bytes_of_any_kind_are_text() -> None:
    text = b"UUID=2222 /\xff\x1b[31m xfs\nUUID=2222 /later xfs\n"
    assert mounts(text, {"one": DATA}) == {"one": "/\\xff\x1b[31m"}
    assert mounts(text, {"one": Marks()}) == {}
