"""What a vault holds and how it fares, in counts and bytes, as `usages` tell it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from ..answers import Answer, Json
from ..records.backup import BackupJob, ProtectedItem
from ..routing import Context, Routes
from ..world import World
from .backup_documents import live_points
from .vaults import PROVIDER, VAULT, find_vault

ROUTES = Routes()
GIB = 1024**3
FULL_SHARE, CHANGED_SHARE = 0.4, 0.01
"""Of a machine's disks: what the first copy in the vault takes, and what each further point adds."""
JOBS_OF = timedelta(days=1)
STORAGE = {"GeoRedundant": "GRSStorageUsage", "LocallyRedundant": "LRSStorageUsage"}
"""How `usages` call the storage of a redundancy; of a zone-redundant vault no name is known."""


@ROUTES.get(VAULT + "/usages", action=f"{PROVIDER}/usages/read")
def list_usages(ctx: Context) -> Answer:
    vault, now = find_vault(ctx), ctx.now
    items = ctx.world.store.all(ProtectedItem, vault.id)
    health = Counter(item.health_status for item in items)
    jobs = Counter(
        job.status
        for job in ctx.world.store.all(BackupJob, vault.id)
        if job.ended_at is None or now - job.started_at <= JOBS_OF
    )
    critical, warning = health["ActionRequired"], health["ActionSuggested"]
    counts = (
        ("ProtectedItemCount", "Backup items/Azure virtual machine backup", len(items)),
        ("ProtectedItemCriticalCount", "Critical", critical),
        ("ProtectedItemWarningCount", "Warning", warning),
        ("IaaSVMProtectedItemCount", "Azure Virtual Machines", len(items)),
        ("IaaSVMProtectedItemCriticalCount", "Critical", critical),
        ("IaaSVMProtectedItemWarningCount", "Warning", warning),
    )
    of_a_day = (
        ("InProgressJobsCount", "In progress", jobs["InProgress"] + jobs["Cancelling"]),
        ("FailedJobsCount", "Failed", jobs["Failed"]),
    )
    taken = sum(_stored_bytes(ctx.world, item) for item in items)
    of_vault = STORAGE.get(vault.redundancy)
    stored = (
        ("GRSStorageUsage", "Cloud - GRS", taken if of_vault == "GRSStorageUsage" else 0),
        ("LRSStorageUsage", "Cloud - LRS", taken if of_vault == "LRSStorageUsage" else 0),
    )
    return Answer(
        200,
        {
            "value": [
                *(usage_document(*count) for count in counts),
                *({**usage_document(*count), "quotaPeriod": "P1D"} for count in of_a_day),
                *({**usage_document(*amount), "unit": "Bytes"} for amount in stored),
            ]
        },
    )


def _stored_bytes(world: World, item: ProtectedItem) -> int:
    """One full copy of the newest point's disks, and what each older point has that is different."""
    points = [point for point in live_points(world, item) if point.in_vault]
    if not points:
        return 0
    disks_gb = sum(disk.size_gb for disk in max(points, key=lambda point: point.taken_at).disks)
    return int(disks_gb * GIB * (FULL_SHARE + CHANGED_SHARE * (len(points) - 1)))


def usage_document(name: str, label: str, count: int) -> dict[str, Json]:
    return {
        "unit": "Count",
        "currentValue": count,
        "limit": -1,
        "name": {"value": name, "localizedValue": label},
    }
