"""Which way to the bytes of a recovery point: those there are, the cheapest first, each with why and how
long. Pure.

A disk's bytes can be read from whatever Azure lets be downloaded: a snapshot, a restore point, a disk that is
attached to nothing. What is in a vault alone has to become a disk first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from . import points as meaning
from .disk_sources import DiskSource
from .model import Fact, FleetItem, Operation, Phase, PointSource, RecoveryPoint, RestoreTime

OPEN_FILES, READ_DISK = "open-files", "read-disk"
"""The action of the key, and in the journal: leave to read one disk, from its beginning to its end."""
RESTORE_DISKS, TEMPORARY = "restore-disks", "temporary"
"""The action that makes disks of a point, and the answer by which those made to be read are told apart."""
LASTS_S = 3600
"""Of one grant. Renewed while it is used, ended when the files are closed."""
TAKEN_TOGETHER = timedelta(minutes=10)
"""Snapshots of a VM's disks that are this close are of one moment."""
_OPENS_S = 15.0
_MADE_AT = re.compile(r"-\d{8}-\d{6}$")


class WayKind(StrEnum):
    RESTORED = "restored"
    SNAPSHOTS = "snapshots"
    RESTORE_POINT = "restore-point"
    RESTORE = "restore"
    SCRIPT = "script"


TITLES = {
    WayKind.RESTORED: "Read the disks that were restored from it",
    WayKind.SNAPSHOTS: "Read the disk snapshots",
    WayKind.RESTORE_POINT: "Read the backup's own snapshot",
    WayKind.RESTORE: "Restore to temporary disks, read, delete them",
    WayKind.SCRIPT: "Azure's item recovery script",
}
SCRIPT_WHY = (
    "it mounts the point over iSCSI, needs root on a machine of the same kind and port 3260, "
    "and Azure ends it after 12 hours"
)
NOT_PROMISED = "Azure may refuse to let its backup service's own snapshot be read; then take the next way"


class Known(Fact, frozen=True, kw_only=True):
    """What was found out about one point."""

    snapshots: tuple[DiskSource, ...] = ()
    restore_point: tuple[DiskSource, ...] = ()
    restored: tuple[DiskSource, ...] = ()
    """Disks that our own restore made of it and that are still there."""
    temporary: bool = False
    """They were made to be read and are deleted afterwards."""
    problems: dict[str, str] = msgspec.field(default_factory=dict)
    """By way: why it could not be looked at, or which permission it lacks."""


class Way(Fact, frozen=True, kw_only=True):
    kind: WayKind
    why: str
    seconds: float
    takes: str
    sources: tuple[DiskSource, ...] = ()
    temporary: bool = False
    why_not: str = ""

    @property
    def title(self) -> str:
        return TITLES[self.kind]


def ways(
    item: FleetItem,
    point: RecoveryPoint,
    known: Known,
    times: Iterable[RestoreTime] = (),
    ours: Sequence[str] = (),
) -> tuple[Way, ...]:
    """All that fit the point: the possible ones by the time they take, then those that are not, the script
    last. `ours`: ids, in lower case, of what we read already."""
    if point.source is PointSource.REPLICATION:
        return ()
    found = [_restored(known), _snapshots(item, point, known)]
    if point.source is PointSource.BACKUP:
        found += [_restore_point(point, known), _restore(point, times)]
    judged = [_judged(way, known, ours) for way in found if way is not None]
    judged.sort(key=lambda way: (bool(way.why_not), way.seconds))
    if point.source is PointSource.BACKUP:
        judged.append(_script(point))
    return tuple(judged)


def _judged(way: Way, known: Known, ours: Sequence[str]) -> Way:
    reason = way.why_not or known.problems.get(way.kind, "")
    for source in way.sources:
        if not reason and source.closed:
            reason = f"{source.disk}: {source.closed}"
        elif not reason and source.is_read and source.id.lower() not in ours:
            reason = (
                f"{source.disk}: access to it is open already, by somebody else or left open; "
                "ending ours would end theirs"
            )
    return Way(
        kind=way.kind, why=way.why, seconds=way.seconds, takes=way.takes, sources=way.sources,
        temporary=way.temporary, why_not=reason,
    )  # fmt: skip


def _restored(known: Known) -> Way | None:
    if not known.restored:
        return None
    after = "; they are deleted afterwards, as planned" if known.temporary else ""
    return Way(
        kind=WayKind.RESTORED,
        why=f"{_disks(known.restored)} restored from this point and attached to nothing{after}",
        seconds=_OPENS_S - 1,
        takes="some seconds",
        sources=known.restored,
        temporary=known.temporary,
    )


def _snapshots(item: FleetItem, point: RecoveryPoint, known: Known) -> Way | None:
    if point.source is not PointSource.SNAPSHOT:
        return None
    lacking = [disk.name for disk in item.disks if disk.name not in {one.disk for one in known.snapshots}]
    without = f", without {', '.join(lacking)}" if lacking else ""
    return Way(
        kind=WayKind.SNAPSHOTS,
        why=f"{_disks(known.snapshots)} at hand{without}; nothing is copied or restored",
        seconds=_OPENS_S,
        takes="some seconds",
        sources=known.snapshots,
        why_not="" if known.snapshots else "the snapshot is gone",
    )


def _restore_point(point: RecoveryPoint, known: Known) -> Way:
    reason = ""
    if point.secondary:
        reason = "the copy in the other region has none"
    elif meaning.SNAPSHOT not in meaning.tiers_of(point):
        reason = "the point is not in the snapshot tier (any more)"
    elif not known.restore_point:
        reason = known.problems.get(WayKind.RESTORE_POINT, "") or "no restore point of this moment was found"
    return Way(
        kind=WayKind.RESTORE_POINT,
        why=f"its snapshot is still kept; nothing is copied or restored. {NOT_PROMISED}",
        seconds=_OPENS_S + 1,
        takes="some seconds",
        sources=known.restore_point,
        why_not=reason,
    )


def _restore(point: RecoveryPoint, times: Iterable[RestoreTime]) -> Way:
    tier = meaning.restored_from(point)
    reason = ""
    if point.soft_deleted:
        reason = "its backups are deleted; undelete them first"
    elif point.secondary:
        reason = "copies in the other region are restored by hand (D)"
    elif not tier:
        reason = "no tier holds the point any more"
    elif tier == meaning.ARCHIVE:
        reason = "the point is in the archive tier: restore its disks (D), which rehydrates it"
    usual = meaning.usual_s(times, RESTORE_DISKS, tier)
    recorded_s, words = meaning.RECORDED.get(tier, (0.0, ""))
    if usual is not None:
        words = f"about {_minutes(usual.median_s)}, as it took here ({usual.runs}×)"
    elif words:
        words = f"{words} where it was recorded for small VMs"
    where = "the snapshot tier" if tier == meaning.SNAPSHOT else "the vault"
    return Way(
        kind=WayKind.RESTORE,
        why=f"from {where}; the disks cost money until they are deleted, which is done when you are through",
        seconds=usual.median_s if usual is not None else recorded_s,
        takes=words,
        temporary=True,
        why_not=reason,
    )


def _script(point: RecoveryPoint) -> Way:
    return Way(
        kind=WayKind.SCRIPT, why=SCRIPT_WHY, seconds=float("inf"), takes="some minutes and more",
        why_not="it is an action of its own in the menu (a): Files by recovery script",
    )  # fmt: skip


def _minutes(seconds: float) -> str:
    return f"{max(1, round(seconds / 60))} min"


def _disks(sources: Sequence[DiskSource]) -> str:
    return "one disk" if len(sources) == 1 else f"{len(sources)} disks"


def together(chosen: RecoveryPoint, snapshots: Iterable[RecoveryPoint]) -> tuple[DiskSource, ...]:
    """The snapshot that was chosen, and of each other disk the nearest one of the same moment."""
    found: dict[str, tuple[timedelta, RecoveryPoint]] = {}
    for one in (chosen, *snapshots):
        apart = abs(one.taken_at - chosen.taken_at)
        for disk in one.disks:
            best = found.get(disk.name)
            if apart <= TAKEN_TOGETHER and (best is None or apart < best[0]):
                found[disk.name] = (apart, one)
    sources = [
        DiskSource(id=one.id, disk=disk.name, lun=disk.lun)
        for name, (_, one) in found.items()
        for disk in one.disks
        if disk.name == name
    ]
    return tuple(sorted(sources, key=lambda one: -1 if one.lun is None else one.lun))


def restored_disks(
    point: RecoveryPoint, key: str, operations: Iterable[Operation]
) -> tuple[tuple[str, ...], bool]:
    """Ids of the disks that the newest restore of ours made of this point, and whether they are temporary."""
    fitting = [
        one
        for one in operations
        if one.action == RESTORE_DISKS
        and one.target_key == key
        and one.phase is Phase.SUCCEEDED
        and one.answers.get("point") == point.name
        and not one.answers.get("where", "").startswith("region:")
    ]
    for one in sorted(fitting, key=lambda one: one.created_at, reverse=True):
        if ids := restored_disks_of(one):
            return ids, one.answers.get(TEMPORARY) == "yes"
    return (), False


def restored_disks_of(operation: Operation) -> tuple[str, ...]:
    return tuple(made.value for made in operation.outputs if made.label == "Disk")


def source_of_restored(disk_id: str) -> DiskSource:
    """Azure names restored disks after the VM, with a number that is not always the LUN, and the time."""
    name = disk_id.rsplit("/", 1)[-1]
    return DiskSource(id=disk_id, disk=_MADE_AT.sub("", name))


def moment_words(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def point_notes(point: RecoveryPoint) -> tuple[str, ...]:
    """What the point's consistency means for who reads its files."""
    kind = meaning.consistency_of(point.consistency)
    if kind == meaning.APP:
        return (f"{kind}: applications had written out what they held in memory; files are whole.",)
    if kind == meaning.FILE_SYSTEM:
        return (f"{kind}: files are whole; what applications had in memory only is missing.",)
    if kind == meaning.CRASH:
        return (
            f"{kind}, as after a power cut: journals are replayed in memory; what was not on the disk "
            "yet, such as the last half minute, is missing, and databases need their own recovery.",
        )
    return ("Azure does not say how consistent this point is: read it as after a power cut.",)
