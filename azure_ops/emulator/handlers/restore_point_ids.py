"""Where the snapshots of backups lie in Compute: restore points in a group of the service's own."""

from __future__ import annotations

import uuid

from ..records.backup import IncludedDisk, ProtectedItem, RecoveryPoint


def collection_id(item: ProtectedItem, region: str) -> str:
    subscription = "/".join(item.vm_id.split("/")[:3])
    vm_name = item.vm_id.rsplit("/", 1)[-1]
    return (
        f"{subscription}/resourceGroups/AzureBackupRG_{region}_1/providers/Microsoft.Compute/"
        f"restorePointCollections/AzureBackup_{vm_name}_{item.data_id}"
    )


def restore_point_id(item: ProtectedItem, point: RecoveryPoint, region: str) -> str:
    return f"{collection_id(item, region)}/restorePoints/AzureBackup_{point.taken_at:%Y%m%d_%H%M%S}"


def disk_restore_point_id(item: ProtectedItem, point: RecoveryPoint, disk: IncludedDisk, region: str) -> str:
    name = f"{disk.name}_{unique_id(item, point.name, disk)}"
    return f"{restore_point_id(item, point, region)}/diskRestorePoints/{name}"


def unique_id(item: ProtectedItem, of: str, disk: IncludedDisk) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{item.data_id}/{of}/{disk.name}"))
