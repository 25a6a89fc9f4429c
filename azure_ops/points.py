"""What a recovery point means, in plain words: consistency, tiers, disks, threat status, time of a restore.
Pure.

Console, actions and `recommend.py` speak of points with these words; nothing here asks Azure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache

from .model import Disk, FleetItem, Job, JobError, PointSource, PowerState, RecoveryPoint, RestoreTime

SNAPSHOT, VAULT, ARCHIVE, INSTANT_ACCESS = "InstantRP", "HardenedRP", "ArchivedRP", "IASnapshotRP"
SECONDARY = "secondary"
"""Stands for the tier where times are kept: a restore in the other region takes its own time."""
TIERS = {SNAPSHOT: "snapshot", VAULT: "vault", ARCHIVE: "archive", INSTANT_ACCESS: "instant access"}
APP, FILE_SYSTEM, CRASH = "app-consistent", "file-system-consistent", "crash-consistent"
CRASH_CODE = "UserErrorBackupTookCrashConsistentSnapshot"
"""A backup that could not do better than a crash-consistent snapshot; it completes with warnings."""
_KINDS = {
    "appconsistent": APP,
    "applicationconsistent": APP,
    "filesystemconsistent": FILE_SYSTEM,
    "crashconsistent": CRASH,
}
_MEANINGS = {
    APP: "Applications wrote out what they had in memory first: databases start from it as after a clean "
    "stop.",
    FILE_SYSTEM: "The file systems were frozen for the moment: files are whole, but what applications had in "
    "memory is missing. Databases recover as after a kill.",
    CRASH: "Only what was on the disks at that moment: as after a power cut. File systems check themselves "
    "and databases recover at the first start; look at them before use.",
}
THREATS = {
    "healthy": "Defender for Cloud had no alert about the VM when the point was taken.",
    "warning": "Defender for Cloud had a warning about the VM when the point was taken.",
    "unhealthy": "Defender for Cloud had a serious alert about the VM when the point was taken.",
}
NOT_A_SCAN = "This is about the source VM at that moment; the backup itself was not scanned."

RECORDED = {SNAPSHOT: (78.0, "1 to 3 min"), VAULT: (990.0, "16 to 57 min"), ARCHIVE: (54_000.0, "up to 15 h")}
"""Restores of small test VMs as they were recorded, seconds to reckon with and words to say; of the archive
what is documented for a rehydration of standard priority."""


# consistency ------------------------------------------------------------------------------------------------


@cache
def consistency_of(word: str) -> str:
    """One of our three words, or Azure's own when it is none of them; empty when it is not told."""
    return _KINDS.get(word.replace("-", "").casefold(), word)


def consistency_meaning(word: str) -> str:
    return _MEANINGS.get(consistency_of(word), "Azure does not say how consistent this point is.")


def expected(vm: FleetItem) -> str:
    """What a backup of this machine, as it is now, can be expected to be, as a sentence."""
    if vm.power_state in (PowerState.STOPPED, PowerState.DEALLOCATED):
        return (
            f"The point will be crash-consistent, because the VM is {vm.power_state}: what is on its disks, "
            "which is all there is when it was shut down cleanly."
        )
    otherwise = "If the VM's agent does not answer, it falls back to crash-consistent and says so."
    if vm.os_type.lower() == "windows":
        return f"The point will be app-consistent (VSS): databases start from it cleanly. {otherwise}"
    return (
        "The point will be file-system-consistent, app-consistent only with pre- and post-scripts in the VM: "
        f"files are whole, databases recover at their start. {otherwise}"
    )


def crash_error(job: Job | None) -> JobError | None:
    """Of a backup that fell back to a crash-consistent snapshot, why; None for any other."""
    errors = job.errors if job is not None and job.operation == "Backup" else ()
    return next((error for error in errors if error.code == CRASH_CODE), None)


# tiers ------------------------------------------------------------------------------------------------------


def tiers_of(point: RecoveryPoint) -> list[str]:
    """Those that hold it now: an expired snapshot stays listed."""
    return [tier.name for tier in point.tiers if tier.status in ("Valid", "Rehydrated")]


def snapshot_only(point: RecoveryPoint) -> bool:
    """No copy in the vault: until there is one, it lives no longer than the policy's instant-restore days."""
    held = tiers_of(point)
    return bool(held) and not point.secondary and all(name in (SNAPSHOT, INSTANT_ACCESS) for name in held)


def restored_from(point: RecoveryPoint) -> str:
    """The tier that a restore reads: the fastest that holds the point; empty when none does."""
    held = {tier.name: tier.status for tier in point.tiers if tier.status in ("Valid", "Rehydrated")}
    if not point.secondary and (SNAPSHOT in held or INSTANT_ACCESS in held):
        return SNAPSHOT
    if VAULT in held or held.get(ARCHIVE) == "Rehydrated":
        return VAULT
    return ARCHIVE if ARCHIVE in held and not point.secondary else ""


# disks ------------------------------------------------------------------------------------------------------


def holds_all(point: RecoveryPoint, disks: Sequence[Disk]) -> bool:
    """Every disk that the VM has now, by its name; False also where the point names none."""
    held = {disk.name for disk in point.disks}
    return bool(disks) and all(disk.name in held for disk in disks)


def missing_disks(point: RecoveryPoint, disks: Sequence[Disk]) -> tuple[Disk, ...]:
    """Disks that the VM has now and the point has not, by name and by LUN; empty where the point does not
    name its disks."""
    if not point.disks:
        return ()
    names, luns = _names(point), {disk.lun for disk in point.disks}
    return tuple(disk for disk in disks if disk.name.casefold() not in names and disk.lun not in luns)


def exchanged_disks(point: RecoveryPoint, disks: Sequence[Disk]) -> tuple[tuple[str, Disk], ...]:
    """Where the point has another disk than the VM has there now, as after a replacement: its name then, and
    the disk now."""
    names = _names(point)
    then = {disk.lun: disk.name for disk in point.disks if disk.name}
    return tuple(
        (then[disk.lun], disk) for disk in disks if disk.name.casefold() not in names and disk.lun in then
    )


def _names(point: RecoveryPoint) -> set[str]:
    return {disk.name.casefold() for disk in point.disks if disk.name}


def gone_disks(point: RecoveryPoint, disks: Sequence[Disk]) -> tuple[str, ...]:
    """Names of disks in the point that the VM does not have any more."""
    now = {disk.name.casefold() for disk in disks}
    return tuple(disk.name for disk in point.disks if disk.name and disk.name.casefold() not in now)


def place_of(lun: int | None) -> str:
    return "OS disk" if lun is None else f"LUN {lun}"


def disk_names(disks: Iterable[Disk]) -> str:
    return ", ".join(f"{disk.name} ({place_of(disk.lun)})" for disk in disks)


# time -------------------------------------------------------------------------------------------------------


def timed_by(point: RecoveryPoint) -> str:
    """What decides how long a restore takes; empty when no tier holds the point."""
    held = restored_from(point)
    return SECONDARY if held and point.secondary else held


def usual_s(times: Iterable[RestoreTime], action: str, tier: str) -> RestoreTime | None:
    return next((time for time in times if time.action == action and time.tier == tier), None)


def quickest(times: Iterable[RestoreTime], tier: str) -> RestoreTime | None:
    """Of the kinds of restore that were done from this tier, the one done most often."""
    of_tier = [time for time in times if time.tier == tier]
    return max(of_tier, key=lambda time: (time.runs, -time.median_s), default=None)


def is_expired(point: RecoveryPoint, now: datetime) -> bool:
    return point.expires_at is not None and point.expires_at <= now


def is_backup(point: RecoveryPoint) -> bool:
    return point.source is PointSource.BACKUP
