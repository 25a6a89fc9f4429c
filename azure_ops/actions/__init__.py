"""Every verb there is. A new one is a new file and a line here."""

from __future__ import annotations

from ..errors import Refused
from .backup_now import BACKUP_NOW
from .cancel_job import CANCEL_JOB
from .change_point import CHANGE_POINT
from .change_policy import CHANGE_POLICY, RESUME_PROTECTION
from .clean_up_test_failover import CLEAN_UP_TEST_FAILOVER
from .commit_failover import COMMIT_FAILOVER
from .create_vault import CREATE_VAULT
from .delete_backups import DELETE_BACKUPS, UNDELETE_BACKUPS
from .delete_disk import DELETE_DISK
from .disable_replication import DISABLE_REPLICATION
from .failover import FAILOVER
from .open_files import OPEN
from .protect import PROTECT
from .recover_items import RECOVER_ITEMS, REVOKE_ITEMS
from .replace_disks import REPLACE_DISKS
from .reprotect import RE_PROTECT
from .resize_vm import RESIZE_VM
from .restore_disks import RESTORE_DISKS
from .restore_vm import RESTORE_VM
from .snapshot_disks import SNAPSHOT_DISKS
from .spec import Action
from .stop_protection import STOP_PROTECTION
from .test_failover import TEST_FAILOVER
from .vault_storage import CHANGE_REDUNDANCY, CROSS_REGION_RESTORE

ALL: tuple[Action, ...] = (
    BACKUP_NOW,
    SNAPSHOT_DISKS,
    TEST_FAILOVER,
    CLEAN_UP_TEST_FAILOVER,
    FAILOVER,
    COMMIT_FAILOVER,
    CHANGE_POINT,
    RE_PROTECT,
    DISABLE_REPLICATION,
    PROTECT,
    CHANGE_POLICY,
    STOP_PROTECTION,
    RESUME_PROTECTION,
    DELETE_BACKUPS,
    UNDELETE_BACKUPS,
    OPEN,
    RESTORE_DISKS,
    RESTORE_VM,
    REPLACE_DISKS,
    RESIZE_VM,
    RECOVER_ITEMS,
    REVOKE_ITEMS,
    CANCEL_JOB,
    DELETE_DISK,
    CREATE_VAULT,
    CHANGE_REDUNDANCY,
    CROSS_REGION_RESTORE,
)


def by_id(action_id: str) -> Action:
    """Raises Refused: a console of this protocol may still be of another release."""
    for action in ALL:
        if action.id == action_id:
            return action
    raise Refused(f"There is no action {action_id!r} here.", "Use the same release for console and engine.")
