"""What a restore was asked to do: kept with its job, so that a restart goes on with it."""

from __future__ import annotations

import msgspec


class RestoreOrder(msgspec.Struct, kw_only=True, omit_defaults=True):
    kind: str
    """RestoreDisks, AlternateLocation (a new machine) or OriginalLocation (replace the machine's disks)."""
    point: str
    """Name of the recovery point."""
    region: str
    storage_account_id: str
    group_id: str = ""
    """Where disks, and the new machine, go; empty for disks that are only files in the storage account."""
    vm_id: str = ""
    network_id: str = ""
    subnet_id: str = ""
    luns: list[int] | None = None
    """The data disks that are restored beside the OS disk; None: all the point holds."""
    principal_id: str = ""
    """The identity that writes to the storage account; empty: the service itself."""
    zones: list[str] | None = None
    """The zone of what is made; empty: none; None: the point's."""
    rehydrate: str = ""
    """`Standard` or `High`: a point of the archive is brought back first."""
    rehydrated_days: int = 0
    from_vault: bool = False
    """Copied from the vault, not from the snapshot: minutes instead of seconds."""
    transfer_gb: int = 0
    """How much is copied from the vault, for the job to tell."""
    power_before: str = ""
    """Of the machine whose disks are replaced, which is deallocated meanwhile."""
    disk_ids: list[str] = []
    """What it made: the OS disk first."""


class Problem(msgspec.Struct, frozen=True):
    """Why a restore would fail, as validation tells it."""

    code: str
    message: str
    recommendations: list[str] = []
