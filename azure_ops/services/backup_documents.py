"""Azure Backup's documents about protected VMs and their points, as our model. Pure.

Enums come as words or, from older api-versions, as numbers; both are read.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from ..arm_ids import key_of, name_of, vault_of
from ..model import Backup, DiskChoice, HealthNote, PointDisk, PointSource, PointTier, RecoveryPoint, Threat
from ..wire_values import Document, flag, moment, part, parts, text, whole, word

_TIERS = {0: "Invalid", 1: "InstantRP", 2: "HardenedRP", 3: "ArchivedRP"}
_TIER_STATES = {0: "Invalid", 1: "Valid", 2: "Disabled", 3: "Deleted", 4: "Rehydrated"}
_THREATS = {0: "Unknown", 1: "Healthy", 2: "UnHealthy", 3: "Warning", 4: "NotAvailable"}
"""In the order of the SDK's words; of the numbers only 0 was seen on the wire."""
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
    frozen = part(life, "immutabilityProperties")
    disks = part(properties, "recoveryPointDiskConfiguration")
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
        rule=text(life, "ruleName"),
        disks=tuple(_disk(one) for one in parts(disks, "includedDiskList")),
        disks_included=whole(disks, "numberOfDisksIncludedInBackup"),
        disks_attached=whole(disks, "numberOfDisksAttachedToVm"),
        threat=word(properties.get("threatStatus"), _THREATS),
        threats=tuple(_threat(one) for one in parts(properties, "threatInfo")),
        soft_deleted=flag(life, "isSoftDeleted"),
        immutable=flag(frozen, "isImmutable"),
        immutable_until=moment(frozen, "expiryTime"),
        encrypted=flag(properties, "isSourceVMEncrypted"),
        note="file session open" if flag(properties, "isInstantIlrSessionActive") else "",
    )


def _disk(disk: Document) -> PointDisk:
    """LUN -1 is the OS disk."""
    lun = whole(disk, "lun")
    return PointDisk(name=text(disk, "name"), lun=None if lun is None or lun < 0 else lun)


def _threat(threat: Document) -> Threat:
    return Threat(
        title=text(threat, "threatTitle") or "a threat without a name",
        severity=text(threat, "threatSeverity"),
        state=text(threat, "threatState"),
        description=text(threat, "threatDescription"),
    )
