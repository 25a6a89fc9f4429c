"""What the world knows of Microsoft.Compute, Microsoft.Network and Microsoft.Storage. Facts only: the
handlers render them, the fleets make them, Site Recovery and Backup read and change them."""

from __future__ import annotations

from datetime import datetime

import msgspec

from ..store import Record


class Image(msgspec.Struct, frozen=True):
    """The marketplace image a VM was made from."""

    publisher: str
    offer: str
    sku: str
    exact_version: str


RED_HAT = Image("RedHat", "RHEL", "9-lvm-gen2", "9.6.2025062411")
UBUNTU = Image("Canonical", "ubuntu-24_04-lts", "server", "24.04.202506100")
WINDOWS_SERVER = Image("MicrosoftWindowsServer", "WindowsServer", "2022-datacenter-g2", "20348.3807.250610")


class Written(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one disk had written to it in a span of time."""

    disk: str
    """Its `unique_id`: it may be gone by now."""
    until: datetime
    since: datetime | None = None
    """None: from its making on."""
    image: str = ""
    """What is on it: one of the shipped disk images; empty where nobody knew what machine it served."""
    torn: bool = False
    """Its machine was at work at the end and nothing had been flushed: the journal is not replayed."""


Contents = list[Written]
"""What a disk, a snapshot or a point holds, oldest first: enough to make its bytes from, whatever became of
the disks that wrote them. Empty: blank."""


class DataDisk(msgspec.Struct, frozen=True):
    """A data disk where it is attached; everything else about it stands in its `Disk`."""

    lun: int
    disk_id: str


class VirtualMachine(Record, kw_only=True, omit_defaults=True):
    location: str
    size: str
    os_type: str
    """`Linux` or `Windows`."""
    os_disk_id: str
    data_disks: list[DataDisk] = []
    nic_ids: list[str] = []
    power: str = "running"
    """What follows `PowerState/`: running, starting, stopping, stopped, deallocating, deallocated."""
    agent_ready: bool = True
    """False: the VM runs, its agent does not report; a backup can then only be crash-consistent."""
    agent_version: str = "2.14.0.1"
    zones: list[str] = []
    tags: dict[str, str] = {}
    time_created: datetime
    vm_id: str
    """The machine's own GUID (`properties.vmId`), not its resource id."""
    admin_username: str = "azureuser"
    image: Image | None = None
    """None for a machine made from a specialised disk, as a failover or a restore makes it."""
    provisioning_state: str = "Succeeded"
    changed_at: datetime | None = None
    """When its power or model last changed: the time in its first status. None: when it was created."""
    version: int = 1
    """Its etag."""


class Disk(Record, kw_only=True, omit_defaults=True):
    location: str
    size_gb: int
    sku: str = "Premium_LRS"
    os_type: str | None = None
    """None for a data disk."""
    managed_by: str | None = None
    """The VM it is attached to."""
    zones: list[str] = []
    tags: dict[str, str] = {}
    time_created: datetime
    unique_id: str
    create_option: str = "FromImage"
    """FromImage, Empty, Copy (of a disk or snapshot), Restore (of a disk restore point)."""
    source_id: str | None = None
    snapshot_family_id: str | None = None
    """The family its incremental snapshots belong to, from the first one on."""
    provisioning_state: str = "Succeeded"
    hyper_v_generation: str = "V2"
    held: Contents = []
    """What it held when it was made or last attached; what is written since follows from its machine."""
    written_since: datetime | None = None
    """When it was attached; None: when it was made."""


class Snapshot(Record, kw_only=True, omit_defaults=True):
    location: str
    source_disk_id: str
    """What it was copied from: a disk, or a snapshot for `CopyStart`."""
    source_unique_id: str
    size_gb: int
    incremental: bool = False
    snapshot_family_id: str | None = None
    sku: str = "Standard_LRS"
    os_type: str | None = None
    taken_at: datetime
    """The moment whose content it holds (`timeCreated`)."""
    unique_id: str
    tags: dict[str, str] = {}
    create_option: str = "Copy"
    provisioning_state: str = "Succeeded"
    hyper_v_generation: str = "V2"
    holds: Contents = []


class DiskRestorePoint(Record, kw_only=True):
    """One disk in the snapshot that a backup has in Compute. Never kept: it follows from the backup."""

    location: str
    size_gb: int
    os_type: str | None
    unique_id: str
    taken_at: datetime
    source_disk_id: str
    source_unique_id: str | None
    family_id: str
    holds: Contents


class ComputeOperation(Record, kw_only=True, omit_defaults=True):
    """A long-running operation of Compute, found at `…/locations/{location}/operations/{guid}` (machines)
    or `…/DiskOperations/{guid}` (disks and snapshots); `id` is that path."""

    started_at: datetime
    ended_at: datetime | None = None
    status: str = "InProgress"
    error: tuple[str, str] | None = None
    """(code, message) of a failed one; the poll still answers 200."""
    target_id: str
    target_kind: str
    """`VirtualMachine`, `Disk` or `Snapshot`."""
    has_output: bool = False
    """True: the finished operation carries the resource (creations of disks and snapshots)."""
    access_id: str = ""
    """Of a grant: the finished operation carries the signed address instead."""


class DiskAccess(Record, kw_only=True, omit_defaults=True):
    """A shared access signature on the bytes of a disk or snapshot; `id` is the path of its page blob. It
    stays until it is revoked: an expired one opens nothing and still counts as active."""

    target_id: str
    target_kind: str
    """`Disk`, `Snapshot` or `DiskRestorePoint`."""
    policy: str
    """The stored policy that the signature names (`si`), a GUID."""
    signature: str
    granted_at: datetime
    expires_at: datetime
    size_gb: int
    unique_id: str
    os_type: str | None = None
    holds: Contents = []
    """Of the moment of the grant: nothing can write to it while it is active."""
    family_id: str | None = None
    """Of an incremental snapshot: only few of one family may be read at a time, and compared."""


class Subnet(msgspec.Struct, frozen=True):
    name: str
    prefix: str


class VirtualNetwork(Record, kw_only=True, omit_defaults=True):
    location: str
    prefixes: list[str]
    subnets: list[Subnet]
    tags: dict[str, str] = {}


class NetworkInterface(Record, kw_only=True, omit_defaults=True):
    location: str
    subnet_id: str
    private_ip: str
    mac: str
    """`00-0D-3A-…`"""
    vm_id: str | None = None
    """The resource id of the machine it is attached to."""
    public_ip_id: str | None = None
    tags: dict[str, str] = {}


class PublicIpAddress(Record, kw_only=True, omit_defaults=True):
    location: str
    address: str
    tags: dict[str, str] = {}


class StorageAccount(Record, kw_only=True, omit_defaults=True):
    location: str
    sku: str = "Standard_LRS"
    kind: str = "StorageV2"
    time_created: datetime
    tags: dict[str, str] = {}


KINDS: list[type[Record]] = [
    VirtualMachine,
    Disk,
    Snapshot,
    ComputeOperation,
    DiskAccess,
    VirtualNetwork,
    NetworkInterface,
    PublicIpAddress,
    StorageAccount,
]
