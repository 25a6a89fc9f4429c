"""The jobs and steps that a `fail-step` fault can name."""

from __future__ import annotations

TRANSFER_BACK = "Transfer data from vault"
STEPS: dict[str, tuple[str, ...]] = {
    "Backup": ("Take Snapshot", "Transfer data to vault", "Validate Backup"),
    "Restore": (TRANSFER_BACK, "Create or update the virtual machine"),
    "CrossRegionRestore": (TRANSFER_BACK, "Create the restored virtual machine"),
    "ValidateOperation": ("Validate the restore",),
    "ProvisionItemRecovery": ("Open the point for its files",),
    "RevokeItemRecovery": ("Close the point",),
    "ConfigureBackup": ("Configure",),
    "DisableBackup": ("Disable",),
    "DeleteBackupData": ("Delete",),
    "Undelete": ("Undelete",),
    "VaultChange": ("Change the vault",),
    "PowerChange": ("Change the power state",),
    "Resize": ("Change the size",),
    "Snapshot": ("Take the snapshot",),
    "DeleteSnapshot": ("Delete the snapshot",),
    "DeleteDisk": ("Delete the disk",),
    "GrantAccess": ("Grant access to the disk",),
    "RevokeAccess": ("Revoke access to the disk",),
    "TestFailover": (
        "Prerequisites check for test failover",
        "Create test virtual machine",
        "Preparing the virtual machine",
        "Start the virtual machine",
    ),
    "TestFailoverCleanup": (
        "Prerequisites check for test failover cleanup",
        "Ending test failover",
        "Clean up the test virtual machine",
    ),
    "UnplannedFailover": (
        "Prerequisites check for failover",
        "Shut down the virtual machine",
        "Synchronizing the latest changes",
        "Start failover",
        "Start the replica virtual machine",
    ),
    "ChangePit": ("Prerequisite check", "Change recovery point", "Start the replica virtual machine"),
    "CommitFailover": ("Prerequisite check", "Commit"),
    "SwitchReplicationGroupProtection": (
        "Prerequisite check",
        "Committing failover",
        "Discovering replica virtual machine",
        "Getting reprotection requirements",
        "Reprotecting virtual machine (1)",
    ),
    "EnableDr": ("Enabling replication",),
    "DisableDr": ("Prerequisite check", "Disabling replication"),
    "RefreshVaultHealth": ("Refreshing failover health",),
    "RestartJob": ("Restarting job",),
    "JobAction": ("Acting on the job",),
}
"""By the job's own name, in the order of its steps. Where the service has no steps there is one."""


def resolve(operation: str, step: int | str) -> tuple[str, int]:
    """The operation as it is spelt and the step's number from 1. Raises `ValueError` with the known ones."""
    spelt = next((name for name in STEPS if name.lower() == operation.lower()), "")
    if not spelt:
        raise ValueError(f"a fail-step fault needs one of the operations {', '.join(STEPS)}")
    steps = STEPS[spelt]
    number = _number(steps, step)
    if not 1 <= number <= len(steps):
        known = ", ".join(f"{at} ({name})" for at, name in enumerate(steps, 1))
        raise ValueError(f"{spelt} has no such step: a fail-step fault needs one of {known}")
    return spelt, number


def _number(steps: tuple[str, ...], step: int | str) -> int:
    if isinstance(step, int) or step.isdecimal():
        return int(step)
    return next((at for at, name in enumerate(steps, 1) if name.lower() == step.lower()), 0)
