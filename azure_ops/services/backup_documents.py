"""Azure Backup's documents about protected VMs and their points, as our model. Pure.

Enums come as words or, from older api-versions, as numbers; both are read.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from ..arm_ids import key_of, name_of, vault_of
from ..model import Backup, DiskChoice, HealthNote, PointSource, PointTier, RecoveryPoint
from ..wire_values import Document, flag, moment, part, parts, text, whole, word

_TIERS = {0: "Invalid", 1: "InstantRP", 2: "HardenedRP", 3: "ArchivedRP"}
_TIER_STATES = {0: "Invalid", 1: "Valid", 2: "Disabled", 3: "Deleted", 4: "Rehydrated"}
_ALL_IS_WELL = "IaasVmHealthGreenDefault"
_USUAL_DAYS = 14


def source_key(document: Document) -> str:
    properties = part(document, "properties")
    return key_of(text(properties, "sourceResourceId") or text(properties, "virtualMachineId"))


def machine_name(item_id: str) -> str:
    """From `VM;iaasvmcontainerv2;{group};{name}`, in the casing that Backup keeps."""
    return name_of(item_id).split(";", 3)[-1]


def is_vm(document: Document) -> bool:
    """Lists without a filter also hold databases and file shares."""
    return text(part(document, "properties"), "backupManagementType").lower() == "azureiaasvm"


def backup(document: Document) -> Backup:
    properties = part(document, "properties")
    item_id = text(document, "id")
    return Backup(
        item_id=item_id,
        vault_id=vault_of(item_id),
        policy_name=text(properties, "policyName"),
        protection_state=text(properties, "protectionState"),
        policy_kind=text(properties, "policyType"),
        soft_deleted=flag(properties, "isScheduledForDeferredDelete"),
        purged_at=purged_at(properties),
        disks=disk_choice(part(properties, "extendedProperties", "diskExclusionProperties")),
        health=text(properties, "healthStatus"),
        last_status=text(properties, "lastBackupStatus"),
        last_backup_at=moment(properties, "lastBackupTime"),
        last_point_at=moment(properties, "lastRecoveryPoint"),
        notes=health_notes(properties),
    )


def purged_at(properties: Document) -> datetime | None:
    """When soft-deleted data is gone for good. `deferredDeleteTimeInUTC` is when the deletion was asked
    for."""
    deleted_at = moment(properties, "deferredDeleteTimeInUTC")
    if deleted_at is None or not flag(properties, "isScheduledForDeferredDelete"):
        return None
    return deleted_at + timedelta(days=whole(properties, "softDeleteRetentionPeriod") or _USUAL_DAYS)


def disk_choice(exclusion: Document) -> DiskChoice | None:
    """None when nothing is left out: no document, or a list of exclusions that is empty."""
    luns = exclusion.get("diskLunList")
    only_these = flag(exclusion, "isInclusionList")
    if not isinstance(luns, list | tuple) or not (luns or only_these):
        return None
    return DiskChoice(luns=tuple(lun for lun in luns if isinstance(lun, int)), only_these=only_these)


def health_notes(properties: Document) -> tuple[HealthNote, ...]:
    """Health details but for the one that says that all is well, and a soft deletion."""
    notes = [
        HealthNote(
            code=text(one, "code"),
            message=text(one, "message") or text(one, "title"),
            causes=text(one, "title"),
            recommendation=" ".join(str(each) for each in one.get("recommendations") or ()),
        )
        for one in parts(properties, "healthDetails")
        if text(one, "title") != _ALL_IS_WELL
    ]
    if flag(properties, "isScheduledForDeferredDelete"):
        purged = purged_at(properties)
        when = f"on {purged:%Y-%m-%d %H:%M} UTC" if purged else "in some days"
        notes.append(
            HealthNote(
                code="isScheduledForDeferredDelete",
                message=f"Soft-deleted: its recovery points are purged {when}.",
                recommendation="Undelete backups (a) brings them back until then.",
                severity="Warning",
                noted_at=moment(properties, "deferredDeleteTimeInUTC"),
            )
        )
    return tuple(notes)


def recovery_point(document: Document) -> RecoveryPoint | None:
    """None for a point without a time: nothing can be said about it."""
    properties = part(document, "properties")
    taken_at = moment(properties, "recoveryPointTime")
    if taken_at is None:
        return None
    life = part(properties, "recoveryPointProperties")
    disks = part(properties, "recoveryPointDiskConfiguration")
    notes = (
        ("file session open", flag(properties, "isInstantIlrSessionActive")),
        ("soft-deleted", flag(life, "isSoftDeleted")),
        ("encrypted", flag(properties, "isSourceVMEncrypted")),
        (text(life, "ruleName"), bool(text(life, "ruleName"))),
    )
    return RecoveryPoint(
        id=text(document, "id"),
        name=text(document, "name"),
        source=PointSource.BACKUP,
        taken_at=taken_at,
        consistency=text(properties, "recoveryPointType"),
        tiers=tuple(
            PointTier(name=word(one.get("type"), _TIERS), status=word(one.get("status"), _TIER_STATES))
            for one in parts(properties, "recoveryPointTierDetails")
        ),
        expires_at=moment(life, "expiryTime"),
        disks_included=whole(disks, "numberOfDisksIncludedInBackup"),
        disks_attached=whole(disks, "numberOfDisksAttachedToVm"),
        note=", ".join(note for note, applies in notes if applies),
    )
