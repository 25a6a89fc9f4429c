"""Where a Linux machine mounts its file systems, as its own `/etc/fstab` says (fstab(5)); a guess, since what
was really mounted stands nowhere on the disks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

PATH = b"/etc/fstab"
LONGEST = 256 * 1024
_ESCAPED = re.compile(r"\\([0-7]{3})")
_BY_LINK = {"by-uuid": "UUID", "by-label": "LABEL", "by-partuuid": "PARTUUID", "by-partlabel": "PARTLABEL"}


class Marks(NamedTuple):
    """By which a line may name a file system."""

    uuid: str = ""
    label: str = ""
    partition_uuid: str = ""
    partition_label: str = ""
    volume: str = ""
    """Of LVM: group and name with a slash between."""


def mounts(text: bytes, volumes: Mapping[str, Marks]) -> dict[str, str]:
    """Key of a volume → the directory on which it is mounted; the first line that names it counts. Names like
    `/dev/sdb1` depend on the order of the disks at a start and are not taken."""
    found: dict[str, str] = {}
    for kind, value, directory in _lines(text):
        for key, marks in volumes.items():
            if key not in found and _is_meant(kind, value, marks):
                found[key] = directory
    return found


def _lines(text: bytes) -> Iterable[tuple[str, str, str]]:
    for line in text[:LONGEST].decode("utf-8", "backslashreplace").splitlines():
        fields = line.split()
        if len(fields) < 2 or fields[0].startswith("#") or not fields[1].startswith("/"):
            continue
        kind, value = _named(_plain(fields[0]).strip('"'))
        if kind:
            yield kind, value, _plain(fields[1])


def _named(what: str) -> tuple[str, str]:
    kind, is_tag, value = what.partition("=")
    if is_tag and kind.upper() in _BY_LINK.values():
        return kind.upper(), value.strip('"')
    parts = what.split("/")
    if what.startswith("/dev/disk/") and len(parts) == 5:
        return _BY_LINK.get(parts[3], ""), parts[4]
    if what.startswith("/dev/mapper/") and len(parts) == 4:
        return "VOLUME", _of_mapper(parts[3])
    if what.startswith("/dev/") and len(parts) == 4:
        return "VOLUME", f"{parts[2]}/{parts[3]}"
    return "", ""


def _of_mapper(name: str) -> str:
    """The device mapper doubles the hyphens of both names and puts one between them."""
    group, _, volume = name.replace("--", "\0").partition("-")
    return f"{group}/{volume}".replace("\0", "-")


def _is_meant(kind: str, value: str, marks: Marks) -> bool:
    match kind:
        case "UUID":
            return bool(marks.uuid) and value.lower() == marks.uuid.lower()
        case "PARTUUID":
            return bool(marks.partition_uuid) and value.lower() == marks.partition_uuid.lower()
        case "LABEL":
            return bool(marks.label) and value == marks.label
        case "PARTLABEL":
            return bool(marks.partition_label) and value == marks.partition_label
        case _:
            return bool(marks.volume) and value == marks.volume


def _plain(field: str) -> str:
    """Blanks and the like stand there as three octal digits."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), field)
