"""The services' words for the state of a job, and our one word for each. Pure."""

from __future__ import annotations

from ..model import JobState

_BACKUP = {
    "notstarted": JobState.WAITING,
    "inprogress": JobState.RUNNING,
    "cancelling": JobState.CANCELLING,
    "completed": JobState.SUCCEEDED,
    "completedwithwarnings": JobState.WARNED,
    "skipped": JobState.SKIPPED,
    "failed": JobState.FAILED,
    "cancelled": JobState.CANCELLED,
}
_REPLICATION = {
    "notstarted": JobState.WAITING,
    "inprogress": JobState.RUNNING,
    "cancelling": JobState.CANCELLING,
    "suspended": JobState.SUSPENDED,
    "succeeded": JobState.SUCCEEDED,
    "failed": JobState.FAILED,
    "cancelled": JobState.CANCELLED,
}
_REPLICATION_DESCRIPTIONS = {
    "skipped": JobState.SKIPPED,
    "partiallysucceeded": JobState.WARNED,
    "completedwithinformation": JobState.WARNED,
    "cancelled": JobState.CANCELLED,
    "cancelling": JobState.CANCELLING,
}
"""Finer than the state: a skipped step is `Other` with this description."""
_ARM = {
    "accepted": JobState.RUNNING,
    "notstarted": JobState.WAITING,
    "inprogress": JobState.RUNNING,
    "running": JobState.RUNNING,
    "creating": JobState.RUNNING,
    "provisioning": JobState.RUNNING,
    "updating": JobState.RUNNING,
    "succeeded": JobState.SUCCEEDED,
    "failed": JobState.FAILED,
    "canceled": JobState.CANCELLED,
    "cancelled": JobState.CANCELLED,
}


def backup_state(status: str) -> JobState:
    return _BACKUP.get(status.lower(), JobState.UNKNOWN)


def replication_state(state: str, description: str) -> JobState:
    finer = _REPLICATION_DESCRIPTIONS.get(description.lower())
    if finer is not None and state.lower() in ("other", "succeeded", "cancelling", "cancelled"):
        return finer
    return _REPLICATION.get(state.lower(), JobState.UNKNOWN)


def arm_state(status: str) -> JobState:
    """Of an operation status or a `provisioningState`."""
    return _ARM.get(status.lower(), JobState.UNKNOWN)
