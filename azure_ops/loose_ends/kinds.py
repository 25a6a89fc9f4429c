"""What a loose end is: its kinds in the order of their urgency, and what is told of each."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from ..model import Fact, FleetItem, Job, ManagedDisk, Operation

NO_PRICE = "a price is not known here"


class Kind(StrEnum):
    """In the order of their urgency."""

    OPERATION_UNKNOWN = "operation in doubt"
    ACCESS_OPEN = "disk access left open"
    FAILOVER_UNCOMMITTED = "failover not committed"
    NOT_REPROTECTED = "not protected again"
    SYNCHRONISING = "re-protect synchronises"
    TEST_OPEN = "test not cleaned up"
    ITEMS_OPEN = "file recovery open"
    JOB_SUSPENDED = "job waits"
    AWAY = "not failed back"
    SOFT_DELETED = "backups deleted"
    BACKUP_FAILED = "backup failed"
    BACKUP_STALE = "backup is stale"
    NO_POINT = "no recovery point"
    OPERATION_FAILED = "operation failed"
    JOB_FAILED = "job failed"
    STOPPED = "backup stopped"
    DISK_REPLACED = "disk left by a replace"
    DISK_RESTORED = "restored disk"
    VM_RESTORED = "restored VM"


Target = FleetItem | Job | ManagedDisk | Operation


class LooseEnd(Fact, frozen=True, kw_only=True):
    key: str
    """Its identity: kind and what it is about."""
    kind: Kind
    name: str
    """Of the VM or the disk."""
    what: str
    """One line."""
    since: datetime | None = None
    until: datetime | None = None
    """When the way back is gone."""
    costs: str = ""
    """What is known of it; no price is invented."""
    action: str = ""
    """Id of the action that ends it; empty where none does."""
    way_out: str = ""
    """What else there is to do, in a few words."""
    target: Target
    arm_id: str = ""
    vault: str = ""
    facts: tuple[str, ...] = ()
    """What is known besides, such as the evidence."""


def loose_end(kind: Kind, target: Target, about: str, **facts: object) -> LooseEnd:
    return LooseEnd(key=f"{kind}|{about}", kind=kind, target=target, **facts)  # type: ignore[arg-type]


def unpriced(*what: str) -> str:
    return f"{' '.join(what)}: {NO_PRICE}"


def span(time: timedelta) -> str:
    from ..preflight import span as of_seconds

    return of_seconds(time.total_seconds())
