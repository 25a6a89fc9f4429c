"""Every verb there is. A new one is a new file and a line here."""

from __future__ import annotations

from ..errors import Refused
from .backup_now import BACKUP_NOW
from .cancel_job import CANCEL_JOB
from .clean_up_test_failover import CLEAN_UP_TEST_FAILOVER
from .commit_failover import COMMIT_FAILOVER
from .failover import FAILOVER
from .snapshot_disks import SNAPSHOT_DISKS
from .spec import Action
from .test_failover import TEST_FAILOVER

ALL: tuple[Action, ...] = (
    BACKUP_NOW,
    SNAPSHOT_DISKS,
    TEST_FAILOVER,
    CLEAN_UP_TEST_FAILOVER,
    FAILOVER,
    COMMIT_FAILOVER,
    CANCEL_JOB,
)


def by_id(action_id: str) -> Action:
    """Raises Refused: a console of this protocol may still be of another release."""
    for action in ALL:
        if action.id == action_id:
            return action
    raise Refused(f"There is no action {action_id!r} here.", "Use the same release for console and engine.")
