"""What the file systems of opened disks call themselves, and where their machine mounted them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..file_model import FileVolume
from ..file_restore import fstab
from ..file_restore.problems import FileRestoreError
from ..file_restore.reader import Reader


async def names_of(reader: Reader, volumes: Sequence[FileVolume]) -> dict[str, FileVolume]:
    """By key, those that can be read; a file system that cannot be opened keeps what its partition says."""
    named: dict[str, FileVolume] = {}
    marks: dict[str, fstab.Marks] = {}
    tables: list[bytes] = []
    for volume in volumes:
        if volume.state != "readable":
            continue
        try:
            system = await reader.open(volume.key)
        except FileRestoreError:
            continue
        named[volume.key] = msgspec.structs.replace(volume, label=system.label or volume.label)
        marks[volume.key] = fstab.Marks(
            uuid=system.uuid,
            label=system.label,
            partition_uuid=volume.uuid,
            partition_label=volume.label,
            volume=volume.key,
        )
        table = await _table(reader, volume.key)
        if table:
            tables.append(table)
    for table in tables:
        for key, directory in fstab.mounts(table, marks).items():
            if not named[key].mount:
                named[key] = msgspec.structs.replace(named[key], mount=directory)
    return named


async def _table(reader: Reader, volume: str) -> bytes:
    """Its /etc/fstab; nothing where there is none, as on all but the root."""
    try:
        entry = (await reader.lookup(volume, fstab.PATH, follow=True))[-1]
        if entry.kind != "file":
            return b""
        return await reader.read(volume, entry.id, 0, min(entry.size, fstab.LONGEST))
    except FileRestoreError:
        return b""
