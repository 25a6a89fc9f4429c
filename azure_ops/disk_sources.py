"""What a disk's bytes can be read from, and what was granted. Pure; services, engine and actions share it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from .model import Fact

SNAPSHOTS, DISKS, DISK_POINTS = "snapshots", "disks", "diskrestorepoints"


class DiskSource(Fact, frozen=True, kw_only=True):
    """A snapshot, a managed disk or a disk restore point that holds the bytes of one disk."""

    id: str
    disk: str
    """Name of the VM's disk whose bytes they are."""
    lun: int | None = None
    """None is the OS disk."""
    size_gb: int = 0
    closed: str = ""
    """Why nobody can be let read it now, in one line; empty when nothing is known against it."""

    is_read: bool = False
    """Access to it is open already, ours or somebody else's."""

    @property
    def kind(self) -> str:
        return kind_of(self.id)


class Grant(msgspec.Struct, frozen=True):
    """Leave to read, with its secret: never journalled, logged or shown."""

    address: str
    expires_at: datetime
    """Of the service's time."""

    def __repr__(self) -> str:
        return f"Grant(until {self.expires_at:%H:%M:%S})"


def kind_of(source_id: str) -> str:
    return source_id.rstrip("/").rsplit("/", 2)[-2].lower()


def permission_of(source_id: str, verb: str) -> str:
    """`verb` is beginGetAccess or endGetAccess."""
    types = {
        SNAPSHOTS: "Microsoft.Compute/snapshots",
        DISKS: "Microsoft.Compute/disks",
        DISK_POINTS: "Microsoft.Compute/restorePointCollections/restorePoints/diskRestorePoints",
    }
    return f"{types[kind_of(source_id)]}/{verb}/action"
