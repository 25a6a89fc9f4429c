"""The errors that a backup job ends with, by the service's own numbers and words."""

from __future__ import annotations

from ..faults import UNSAID
from ..records.backup import BackupError

CANCELLED = BackupError(400158, "UserErrorJobSuccessfullyCancelled", "Job is cancelled.")
VM_GONE = BackupError(
    320001,
    "ResourceNotFound",
    "Could not perform the operation as VM no longer exists.",
    [
        "Stop protecting virtual machine without deleting backup data. "
        "More details at http://go.microsoft.com/fwlink/?LinkId=808124 "
    ],
)
AGENT_NOT_READY = BackupError(
    400446,
    "UserErrorBackupTookCrashConsistentSnapshot",
    "The backup took a crash-consistent snapshot because the virtual machine was not running or its agent "
    "did not respond.",
    ["Start the virtual machine, check that its agent is ready, and back it up again."],
)
RESOURCE_GONE = BackupError(
    400309,
    "UserErrorGenericResourceNotFound",
    "Azure resource does not exist.",
    ["Please make sure required resources exist. If the issue persists, contact Microsoft support."],
)
RESTORE_FAILED = BackupError(
    400003,
    "RestoreOperationFailed",
    "Restore failed with an internal error.",
    [
        "Please retry the operation in a few minutes. If the problem persists, please contact Microsoft "
        "support."
    ],
)
STORAGE_GONE = BackupError(
    400048,
    "UserErrorBCMRestoreStorageAccountNotFound",
    "Storage Account specified for Restore operation doesn't exist.",
    [
        "Make sure that the storage account specified in restore operation exists till restore operation is "
        "completed. If you have deleted the specified storage account, please use a different storage "
        "account and retry the operation. "
    ],
)
UNNUMBERED = 400001
"""For an error whose number nobody recorded."""
TARGET_TAKEN = BackupError(
    UNNUMBERED,
    "UserErrorTargetVirtualMachineExists",
    "A virtual machine with the target name exists already.",
    ["Choose another name for the restored virtual machine."],
)
KNOWN = {
    error.title: error
    for error in (CANCELLED, VM_GONE, AGENT_NOT_READY, RESOURCE_GONE, RESTORE_FAILED, STORAGE_GONE)
}


def job_error(code: str, message: str) -> BackupError:
    """From a fault's code (a title such as `UserErrorVmNotResponding`, or a number) and message."""
    known = KNOWN.get(code) or next((one for one in KNOWN.values() if str(one.code) == code), None)
    if known is not None:
        said = known.message if message in ("", UNSAID) else message
        return BackupError(known.code, known.title, said, known.recommendations)
    if code.isdigit():
        return BackupError(int(code), "UserErrorUnknown", message)
    return BackupError(UNNUMBERED, code, message)
