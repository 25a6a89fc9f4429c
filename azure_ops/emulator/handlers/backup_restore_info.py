"""The inside of a restore job as a document. Its tasks tell no times; what is copied from the vault is told
late, and by then the percentage has gone back from 1 to 0, as recorded: the 1 stands for nothing."""

from __future__ import annotations

from datetime import datetime

from ..answers import Json
from ..records.backup import BackupJob, BackupTask
from ..records.restores import RestoreOrder
from .formats import iso_duration

SILENT_SHARE, SLOW_SHARE = 0.45, 0.5
"""So much of a transfer goes by before anything is told about it, and until more than a first amount is."""
FIRST_GB = 0.375
"""384 MBs."""


def restore_info(job: BackupJob, order: RestoreOrder, now: datetime) -> dict[str, Json]:
    transfer = job.tasks[0]
    done_gb = transferred_gb(transfer, order, now)
    info: dict[str, Json] = {
        "tasksList": [_task(task, order, done_gb if task is transfer else None) for task in job.tasks],
        "propertyBag": job.property_bag,
        "internalPropertyBag": job.internal_property_bag,
    }
    if job.ended_at is None:
        percentage = 1.0 if done_gb is None else float(int(100 * done_gb / order.transfer_gb))
        info["progressPercentage"] = min(99.0, percentage)
        if done_gb is not None and transfer.started_at is not None:
            elapsed = now - transfer.started_at
            left = elapsed * ((order.transfer_gb - done_gb) / done_gb)
            info["estimatedRemainingDuration"] = iso_duration(left)
        return {**info, "dynamicErrorMessage": ""}
    if job.status == "Completed":
        info["progressPercentage"] = 100.0
    return {**info, "estimatedRemainingDuration": "PT0S"}


def transferred_gb(transfer: BackupTask, order: RestoreOrder, now: datetime) -> float | None:
    """None while nothing is told, and for what comes from a snapshot."""
    if not order.transfer_gb or transfer.started_at is None:
        return None
    if transfer.status == "Completed":
        return float(order.transfer_gb)
    elapsed = ((transfer.ended_at or now) - transfer.started_at).total_seconds()
    share = elapsed / max(transfer.expected_s, 1.0)
    if share < SILENT_SHARE:
        return None
    part = min(0.99, (share - SLOW_SHARE) / (1 - SLOW_SHARE))
    return max(FIRST_GB, round(order.transfer_gb * part, 2))


def _task(task: BackupTask, order: RestoreOrder, done_gb: float | None) -> dict[str, Json]:
    told = {}
    if done_gb is not None:
        amount = f"{round(done_gb * 1024)} MBs" if done_gb < 1 else f"{done_gb:g} GBs"
        told["taskExecutionDetails"] = f"{amount} / {order.transfer_gb} GBs Transferred"
    return {
        "taskId": task.task_id,
        "duration": "PT0S",
        "status": task.status,
        **told,
        "taskType": "Normal",
    }
