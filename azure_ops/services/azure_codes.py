"""Error codes of the services: which of our errors they are, their cause and the next step. Pure.

Not every code was seen on the wire (docs/unverified.md). One that is not here keeps Azure's own message.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import (
    Busy,
    InvalidState,
    NotAllowed,
    NotFound,
    QuotaExceeded,
    RecoveryError,
    ServiceFailed,
    SignInNeeded,
    Throttled,
)


@dataclass(frozen=True, slots=True)
class Known:
    kind: type[RecoveryError]
    cause: str
    """Follows the resource's name and a colon; empty keeps Azure's message."""
    next_step: str


_WAIT = "It is read again by itself; a job that runs is not affected."
_SIGN_IN = "Sign in again, for example with `az login`, and start azrecover again."
_GONE = "Refresh with r; it may have been deleted, moved or renamed."
_LATER = "Wait for the job that is running, or cancel it in the operations pane (K)."

CODES: dict[str, Known] = {
    # signing in
    "ExpiredAuthenticationToken": Known(SignInNeeded, "the sign-in expired", _SIGN_IN),
    "InvalidAuthenticationToken": Known(SignInNeeded, "the sign-in was not accepted", _SIGN_IN),
    "InvalidAuthenticationTokenTenant": Known(
        SignInNeeded, "the sign-in is for another tenant", "Sign in to the tenant of this subscription."
    ),
    "AuthenticationFailed": Known(SignInNeeded, "the sign-in was not accepted", _SIGN_IN),
    "AuthenticationFailedMissingToken": Known(SignInNeeded, "no sign-in was sent along", _SIGN_IN),
    # permissions
    "AuthorizationFailed": Known(
        NotAllowed, "", "Ask for a role with this action at that scope; a new role takes some minutes."
    ),
    "LinkedAuthorizationFailed": Known(
        NotAllowed, "", "The action also needs rights on a linked resource; ask for them there."
    ),
    "UserErrorResourceGuardApprovalRequired": Known(
        NotAllowed,
        "a Resource Guard protects the vault, and this needs its owner's approval",
        "Ask the guard's owner for the right; a deletion must then be unlocked (VaultProxy/unlockDelete).",
    ),
    "RequestDisallowedByPolicy": Known(
        NotAllowed,
        "an Azure policy forbids it",
        "The details name the policy; its owner can exempt it.",
    ),
    "ScopeLocked": Known(
        NotAllowed,
        "a lock forbids the change",
        "Remove the lock from it or its group, then try again.",
    ),
    "ReadOnlyDisabledSubscription": Known(
        NotAllowed, "the subscription is disabled and read-only", "Have the subscription enabled first."
    ),
    # not there
    "ResourceNotFound": Known(NotFound, "it does not exist (any more)", _GONE),
    "NotFound": Known(NotFound, "it does not exist (any more)", _GONE),
    "ArmResourceDoesNotExist": Known(NotFound, "it does not exist (any more)", _GONE),
    "ResourceGroupNotFound": Known(NotFound, "its resource group does not exist", _GONE),
    "SubscriptionNotFound": Known(
        NotFound, "the subscription is not known to this sign-in", "Check --subscription and the tenant."
    ),
    "InvalidSubscriptionId": Known(NotFound, "this is no subscription id", "Check --subscription."),
    "BMSUserErrorJobNotFound": Known(NotFound, "the vault knows no such job", _GONE),
    "BMSUserErrorRecoveryPointNotFound": Known(
        NotFound, "the recovery point is gone", "It expired or was deleted; choose another one."
    ),
    "UserErrorGenericResourceNotFound": Known(NotFound, "a resource it needs does not exist", _GONE),
    # in the way
    "UserErrorBackupOperationInProgress": Known(Busy, "a backup operation already runs on it", _LATER),
    "BMSUserErrorObjectLocked": Known(Busy, "another operation holds it", _LATER),
    "AnotherOperationInProgress": Known(Busy, "another operation is in progress", _LATER),
    "ConflictingUserInput": Known(Busy, "another change of it is in progress", _LATER),
    "Conflict": Known(Busy, "another operation is in progress", _LATER),
    # not in this state
    "BMSUserErrorJobNotCancellable": Known(
        InvalidState,
        "the job cannot be cancelled (any more)",
        "A backup can be cancelled in its snapshot phase.",
    ),
    "BMSUserErrorVaultDeletionNotPermitted": Known(
        InvalidState, "the vault still holds soft-deleted items", "Undelete or purge the named items first."
    ),
    "BMSUserErrorVaultDeletionNotAllowed": Known(
        InvalidState, "the vault still holds resources", "Remove what it protects first."
    ),
    "ServiceResourceNotEmptyWithBackendMessage": Known(
        InvalidState, "the vault is not empty", "Remove what it protects first."
    ),
    "BMSUserErrorContainerNotUndeleted": Known(
        InvalidState, "its backups are soft-deleted", "Undelete backups (a) first."
    ),
    "BMSUserErrorInvalidConfigureProtectionRequest": Known(
        InvalidState,
        "Azure Backup does not take this VM, vault and policy together",
        "VM and vault must be in one region and subscription; look at the details, then refresh with r.",
    ),
    "UserErrorVmRegisteredWithAnotherVault": Known(
        InvalidState,
        "another vault holds backups of this VM",
        "Refresh with r to see which; stop its protection there, or resume it.",
    ),
    "BMSUserErrorInvalidPolicyForGivenProvider": Known(
        InvalidState, "the policy is not one for virtual machines", "Choose another policy."
    ),
    "UserErrorOperationDeniedOnImmutableItem": Known(
        InvalidState,
        "the vault is immutable: nothing may shorten the life of its points",
        "They go when they expire. Unlocked immutability can be switched off by whoever owns the vault.",
    ),
    "MissingSubscriptionRegistration": Known(
        InvalidState,
        "the subscription is not registered for this resource provider",
        "Register it with `az provider register -n NAME`; azrecover does not do it by itself.",
    ),
    "NotImplementedByEmulator": Known(
        InvalidState, "the emulator does not model this", "Against Azure itself it may work."
    ),
    # quotas
    "QuotaExceeded": Known(QuotaExceeded, "a quota of the subscription is used up", "Have it raised."),
    "UserErrorCoreCountSubscriptionQuotaReached": Known(
        QuotaExceeded,
        "the core quota of the target region is used up",
        "Have it raised, or choose a smaller VM.",
    ),
    "CloudDosTimeboundLimitReached": Known(
        QuotaExceeded, "Azure Backup's limit of this operation per day is reached", "Try again tomorrow."
    ),
    "CloudDosAbsoluteLimitReached": Known(
        QuotaExceeded, "Azure Backup's limit of this operation per day is reached", "Try again tomorrow."
    ),
    "SkuNotAvailable": Known(
        InvalidState,
        "the size is not available there to this subscription",
        "Choose another size, zone or region.",
    ),
    # too many requests
    "ResourceRequestsThrottled": Known(Throttled, "too many requests of this kind in the hour", ""),
    "TooManyRequests": Known(Throttled, "too many requests", ""),
    "SubscriptionRequestsThrottled": Known(Throttled, "too many requests for the subscription", ""),
    "RateLimiting": Known(Throttled, "too many Resource Graph queries", ""),
    # the service's own troubles
    "CloudInternalError": Known(ServiceFailed, "Azure Backup had an internal error", _WAIT),
    "CloudStorageUnexpectedError": Known(ServiceFailed, "Azure Backup had a storage error", _WAIT),
    "InternalServerError": Known(ServiceFailed, "Azure had an internal error", _WAIT),
    "RestApiInternalError": Known(ServiceFailed, "Azure had an internal error", _WAIT),
    "InvalidGatewayHost": Known(ServiceFailed, "Azure's gateway could not reach the service", _WAIT),
    "BadGatewayConnection": Known(ServiceFailed, "Azure's gateway could not reach the service", _WAIT),
    "GatewayTimeout": Known(ServiceFailed, "the service did not answer Azure's gateway in time", _WAIT),
    "ServerTimeout": Known(ServiceFailed, "the service did not answer in time", _WAIT),
    "ServerClosedRequest": Known(ServiceFailed, "the service broke off", _WAIT),
    "ServiceUnavailable": Known(ServiceFailed, "the service is not available now", _WAIT),
    # failed jobs
    "UserErrorJobSuccessfullyCancelled": Known(
        RecoveryError, "the job was cancelled", "What it had made before stays; look at the recovery points."
    ),
    "UserErrorBackupTookCrashConsistentSnapshot": Known(
        RecoveryError,
        "the recovery point is only crash-consistent",
        "Check the VM agent and, on Windows, the VSS writers; then back up again.",
    ),
    "UserErrorBCMRestoreStorageAccountNotFound": Known(
        NotFound,
        "the storage account of the restore does not exist",
        "Try again (A) with another staging account, and keep that one until the restore has ended.",
    ),
    "UserErrorGuestAgentStatusUnavailable": Known(
        InvalidState, "the VM agent does not report", "Start the VM and check its agent, then try again."
    ),
    "VMAgentStatusCommunicationError": Known(
        InvalidState, "the VM agent does not report", "Start the VM and check its agent, then try again."
    ),
    "RestoreOperationFailed": Known(
        ServiceFailed,
        "the restore failed inside Azure Backup",
        "Try again (A); if it fails again, ask support.",
    ),
    "161011": Known(
        RecoveryError,
        "no successful test failover was done yet",
        "Do a test failover (F), clean it up (T).",
    ),
    "153077": Known(
        RecoveryError,
        "the Mobility agent does not report",
        "Check that the source VM runs and has a way out.",
    ),
    "153006": Known(
        RecoveryError,
        "no app-consistent recovery point for too long",
        "Check its VSS writers or scripts.",
    ),
    "153007": Known(
        RecoveryError,
        "no crash-consistent recovery point for too long",
        "Check its churn and its way out.",
    ),
    "90078": Known(
        RecoveryError,
        "no replication progress in 60 minutes",
        "Check the VM and its way to the cache.",
    ),
}

_LOWERED = {code.lower(): known for code, known in CODES.items()}


def known(code: str) -> Known | None:
    return _LOWERED.get(code.lower())
