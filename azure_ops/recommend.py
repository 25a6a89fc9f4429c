"""Which point should I take? One recommendation and up to three alternatives, with their reasons and with
what each of them loses. Pure; the console asks, over points that are at hand.

Everything is weighed in one coin, minutes: data lost before the incident and time until the machine is back
count as they are, faults of a point count as so many minutes that somebody would gladly lose to be without.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from . import points as meaning
from .model import Disk, PointSource, RecoveryPoint, RestoreTime
from .preflight import span

ALTERNATIVES = 3
DAY_MIN = 24 * 60.0
COSTS_MIN = {meaning.APP: 0.0, meaning.FILE_SYSTEM: 30.0, meaning.CRASH: 120.0}
UNTOLD_MIN = 120.0
"""A consistency that nobody tells is reckoned as the worst."""
THREATS_MIN = {"unhealthy": 7 * DAY_MIN, "warning": DAY_MIN}
THREATS_KNOWN = (*THREATS_MIN, "healthy")
MISSING_DISK_MIN = 2 * DAY_MIN
EXCHANGED_DISK_MIN = 60.0
EXPIRES_SOON_MIN = 60.0
FAILOVER_MIN = 60.0
"""A failover moves the machine to the other region, and its commit deletes all other points."""
FAILOVER_TAKES_MIN = 10.0
OTHER_REGION_MIN = 120.0
ARCHIVE_MIN = DAY_MIN
"""Nobody rehydrates a point at night who has another one."""
BY_HAND_MIN = 240.0
"""No key makes a machine of snapshots: disks are made and attached by hand."""
SOON = timedelta(hours=24)
FURTHER_BACK = timedelta(days=1)
"""Between points that differ in nothing but their age; less is no other choice."""
SNAPSHOTS_TOGETHER = timedelta(minutes=10)
"""Snapshots of several disks taken within this time belong together."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    point: RecoveryPoint
    snapshots: tuple[RecoveryPoint, ...] = ()
    """Of a set of disk snapshots all of them; `point` is the newest."""
    reasons: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    instead: str = ""
    """Of an alternative, what speaks for it."""
    cost_min: float = 0.0


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    chosen: Choice | None = None
    alternatives: tuple[Choice, ...] = ()
    problem: str = ""
    """Why there is nothing to recommend, with the next step."""
    left_out: tuple[str, ...] = ()
    """What was not weighed, and why."""


# the recommendation -----------------------------------------------------------------------------------------


def recommend(
    incident_at: datetime,
    points: Iterable[RecoveryPoint],
    disks: Sequence[Disk],
    *,
    now: datetime,
    times: Sequence[RestoreTime] = (),
    failover: bool = True,
) -> Advice:
    """`disks` are the VM's now, `times` how long restores took on this machine, `failover` whether one is
    possible now."""
    usable, left_out = _usable(incident_at, with_alerts(points), now, failover=failover)
    back_min = {
        one.way: back_s(one.point, times)[0] / 60 for one in {one.way: one for one in usable}.values()
    }
    weighed = [_weigh(one, incident_at, disks, now, back_min[one.way]) for one in usable]
    if not weighed:
        return Advice(problem=_nothing(left_out), left_out=_told(left_out))
    weighed.sort(key=lambda one: _taken_at(one.candidate.point), reverse=True)
    weighed.sort(key=lambda one: one.cost_min)
    best = weighed[0]
    others = _alternatives(best, weighed[1:])
    return Advice(
        chosen=_choice(best, incident_at, disks, now, times),
        alternatives=tuple(_choice(one, incident_at, disks, now, times, instead=why) for one, why in others),
        left_out=_told(left_out),
    )


class _Candidate(msgspec.Struct, frozen=True, gc=False):
    point: RecoveryPoint
    way: str
    """What decides how long it takes: the tier, or the source of what has no tiers."""
    snapshots: tuple[RecoveryPoint, ...] = ()


class _Weighed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    candidate: _Candidate
    cost_min: float
    back_min: float
    """Until the machine is back."""
    faults_min: float
    """Without lost data and time."""

    @property
    def has_key(self) -> bool:
        """Nobody knows how long work by hand takes."""
        return self.candidate.point.source is not PointSource.SNAPSHOT


def with_alerts(points: Iterable[RecoveryPoint]) -> list[RecoveryPoint]:
    """Only backups tell what Defender thought of the VM. Another point takes over the word of the newest
    backup before it, when that was bad: trouble does not go away by replication."""
    found = list(points)
    told = sorted((one for one in found if one.threat.casefold() in THREATS_KNOWN), key=_taken_at)
    if not told:
        return found
    times = [one.taken_at for one in told]
    for index, point in enumerate(found):
        before = bisect_right(times, point.taken_at) - 1
        if not point.threat and before >= 0 and told[before].threat.casefold() in THREATS_MIN:
            word, threats = told[before].threat, told[before].threats
            found[index] = msgspec.structs.replace(point, threat=word, threats=threats)
    return found


def _taken_at(point: RecoveryPoint) -> datetime:
    return point.taken_at


def _usable(
    incident_at: datetime, points: Iterable[RecoveryPoint], now: datetime, *, failover: bool
) -> tuple[list[_Candidate], dict[str, int]]:
    left_out: dict[str, int] = {}
    usable: list[_Candidate] = []
    snapshots: list[RecoveryPoint] = []
    for point in points:
        way = meaning.timed_by(point) if point.source is PointSource.BACKUP else point.source.value
        reason = _why_not(point, way, incident_at, now)
        if not reason and not failover and point.source is PointSource.REPLICATION:
            reason = "a failover is not possible now"
        if reason:
            left_out[reason] = left_out.get(reason, 0) + 1
        elif point.source is PointSource.SNAPSHOT:
            snapshots.append(point)
        else:
            usable.append(_Candidate(point, way))
    return usable + _sets(snapshots), left_out


def _why_not(point: RecoveryPoint, way: str, incident_at: datetime, now: datetime) -> str:
    if point.taken_at > incident_at:
        return "taken after the incident"
    if meaning.is_expired(point, now):
        return "expired"
    if point.soft_deleted:
        return "soft-deleted: undelete the backups first"
    if not way:
        return "held by no tier any more"
    return ""


def _sets(snapshots: Sequence[RecoveryPoint]) -> list[_Candidate]:
    """Snapshots of a VM's disks taken together are one point; of a disk the newest within the set counts."""
    found: list[_Candidate] = []
    left = sorted(snapshots, key=lambda point: point.taken_at, reverse=True)
    while left:
        since = left[0].taken_at - SNAPSHOTS_TOGETHER
        end = next((index for index, one in enumerate(left) if one.taken_at < since), len(left))
        together, left = left[:end], left[end:]
        of_disk = {disk.name.casefold(): one for one in reversed(together) for disk in one.disks}
        taken = tuple(of_disk.values()) or tuple(together)
        whole = msgspec.structs.replace(
            together[0], disks=tuple(disk for one in taken for disk in one.disks),
            taken_at=min(one.taken_at for one in taken),
        )  # fmt: skip
        found.append(_Candidate(whole, PointSource.SNAPSHOT.value, taken))
    return found


def _weigh(
    candidate: _Candidate,
    incident_at: datetime,
    disks: Sequence[Disk],
    now: datetime,
    back_min: float,
) -> _Weighed:
    point = candidate.point
    lost_min = (incident_at - point.taken_at).total_seconds() / 60
    faults = COSTS_MIN.get(meaning.consistency_of(point.consistency), UNTOLD_MIN)
    faults += THREATS_MIN.get(point.threat.casefold(), 0.0)
    if not meaning.holds_all(point, disks):
        faults += MISSING_DISK_MIN * _missing_count(point, disks)
        faults += EXCHANGED_DISK_MIN * len(meaning.exchanged_disks(point, disks))
    if point.expires_at is not None and point.expires_at - now < SOON:
        faults += EXPIRES_SOON_MIN
    if point.source is PointSource.REPLICATION:
        faults += FAILOVER_MIN
    if point.source is PointSource.SNAPSHOT:
        faults += BY_HAND_MIN
    if point.secondary:
        faults += OTHER_REGION_MIN
    if candidate.way == meaning.ARCHIVE:
        faults += ARCHIVE_MIN
    return _Weighed(
        candidate=candidate, cost_min=lost_min + back_min + faults, back_min=back_min, faults_min=faults
    )


def _missing_count(point: RecoveryPoint, disks: Sequence[Disk]) -> int:
    """By name where the point names its disks, else by number."""
    if point.disks:
        return len(meaning.missing_disks(point, disks))
    held = point.disks_included
    return max(len(disks) - held, 0) if held is not None and disks else 0


def back_s(point: RecoveryPoint, times: Sequence[RestoreTime]) -> tuple[float, str]:
    """Seconds until a restore of this point has ended, and where the figure comes from, in words."""
    if point.source is PointSource.REPLICATION:
        known = meaning.usual_s(times, "failover", "") or meaning.usual_s(times, "test-failover", "")
        if known is None:
            return FAILOVER_TAKES_MIN * 60, ""
        return known.median_s, f"a failover takes about {span(known.median_s)} ({_runs(known)})"
    if point.source is PointSource.SNAPSHOT:
        return 0.0, ""
    tier = meaning.restored_from(point)
    from_tier = f"a restore from the {meaning.TIERS.get(tier, tier)}"
    known = meaning.quickest(times, meaning.timed_by(point))
    if known is not None:
        return known.median_s, f"{from_tier} takes about {span(known.median_s)} ({_runs(known)})"
    seconds, said = meaning.RECORDED.get(tier, meaning.RECORDED[meaning.VAULT])
    source = "as documented" if tier == meaning.ARCHIVE else "as recorded of small VMs elsewhere"
    return seconds, f"{from_tier} takes {said} {source}; none was done here yet"


def _runs(time: RestoreTime) -> str:
    return f"{time.runs} run{'s' * (time.runs != 1)} here"


def _alternatives(best: _Weighed, rest: Sequence[_Weighed]) -> list[tuple[_Weighed, str]]:
    """What somebody might want instead: each for one reason, none twice."""
    found: list[tuple[_Weighed, str]] = []

    def offer(one: _Weighed | None, why: str) -> None:
        if one is not None and all(one is not each for each, _ in found) and len(found) < ALTERNATIVES:
            found.append((one, why))

    point = best.candidate.point
    nearer = [one for one in rest if one.candidate.point.taken_at > point.taken_at]
    sound = [one for one in nearer if one.faults_min < DAY_MIN]
    offer(_nearest(sound) or _least(nearer), "nearest to the incident: least is lost")
    if best.faults_min:
        offer(_least(one for one in rest if one.faults_min < best.faults_min), "fewer doubts about the point")
    offer(_least(one for one in rest if one.back_min < best.back_min * 0.7 and one.has_key), "sooner back")
    offer(_least(one for one in rest if one.candidate.point.source is not point.source), "another way back")
    offer(_least(one for one in rest if one.candidate.point.secondary != point.secondary), "another region")
    for why in ("further back, should the trouble have begun earlier", "further back still"):
        taken = [best, *(one for one, _ in found)]
        offer(_least(one for one in rest if _is_older(one, point) and _is_apart(one, taken)), why)
    return found


def _is_older(one: _Weighed, point: RecoveryPoint) -> bool:
    return one.candidate.point.taken_at < point.taken_at


def _is_apart(one: _Weighed, taken: Iterable[_Weighed]) -> bool:
    """Nobody gains by a point like another one that was taken a few minutes after it."""
    return all(
        _kind(one) != _kind(other)
        or abs(one.candidate.point.taken_at - other.candidate.point.taken_at) >= FURTHER_BACK
        for other in taken
    )


def _kind(one: _Weighed) -> tuple[str, str]:
    return one.candidate.way, meaning.consistency_of(one.candidate.point.consistency)


def _nearest(weighed: Sequence[_Weighed]) -> _Weighed | None:
    return max(weighed, key=lambda one: one.candidate.point.taken_at, default=None)


def _least(weighed: Iterable[_Weighed]) -> _Weighed | None:
    return min(weighed, key=lambda one: one.cost_min, default=None)


def _nothing(left_out: dict[str, int]) -> str:
    if not left_out:
        return "There is no point of this VM at all. Back it up (B) before anything else."
    if set(left_out) == {"taken after the incident"}:
        return "Every point was taken after the incident; before it there is none."
    return "No point before the incident can be used."


def _told(left_out: dict[str, int]) -> tuple[str, ...]:
    return tuple(f"{count} point{'s' * (count != 1)}: {reason}" for reason, count in left_out.items())


# in words ---------------------------------------------------------------------------------------------------


def _choice(
    weighed: _Weighed,
    incident_at: datetime,
    disks: Sequence[Disk],
    now: datetime,
    times: Sequence[RestoreTime],
    *,
    instead: str = "",
) -> Choice:
    point = weighed.candidate.point
    return Choice(
        point=point,
        snapshots=weighed.candidate.snapshots,
        reasons=tuple(_reasons(point, incident_at, disks, times)),
        losses=tuple(_losses(weighed.candidate, incident_at, disks, now)),
        instead=instead,
        cost_min=weighed.cost_min,
    )


def _reasons(
    point: RecoveryPoint, incident_at: datetime, disks: Sequence[Disk], times: Sequence[RestoreTime]
) -> list[str]:
    before = span((incident_at - point.taken_at).total_seconds())
    kind = meaning.consistency_of(point.consistency)
    found = [f"{before} before the incident"]
    if kind in (meaning.APP, meaning.FILE_SYSTEM):
        found.append(kind)
    if said := back_s(point, times)[1]:
        found.append(said)
    if point.disks and disks and not _missing_count(point, disks):
        found.append(f"holds all {len(disks)} disks" if len(disks) > 1 else "holds the VM's disk")
    if point.threat.casefold() == "healthy":
        found.append("no alert about the VM when it was taken")
    if point.secondary:
        found.append(f"lies in {point.region}, whatever happens to the VM's own region")
    if point.source is PointSource.REPLICATION:
        found.append("a failover to it starts the VM in the other region")
    if point.immutable:
        found.append("immutable: nobody can have tampered with its life")
    return found


def _losses(candidate: _Candidate, incident_at: datetime, disks: Sequence[Disk], now: datetime) -> list[str]:
    point = candidate.point
    found = [_data_loss(point, incident_at, now)]
    kind = meaning.consistency_of(point.consistency)
    if kind == meaning.CRASH:
        found.append("crash-consistent: databases recover as after a power cut, look at them before use")
    elif kind == meaning.FILE_SYSTEM:
        found.append("what applications had in memory; databases recover as after a kill")
    elif kind != meaning.APP:
        found.append("how consistent it is, is not told")
    if missing := meaning.missing_disks(point, disks):
        found.append(f"not in it: {meaning.disk_names(missing)}")
    elif count := _missing_count(point, disks):
        found.append(f"{count} of the VM's {len(disks)} disks are not in it")
    for name, disk in meaning.exchanged_disks(point, disks):
        found.append(f"its {meaning.place_of(disk.lun)} is {name}, now it is {disk.name}")
    if point.threat.casefold() in ("warning", "unhealthy"):
        titles = ", ".join(threat.title for threat in point.threats) or "no title"
        when = "when it was taken" if meaning.is_backup(point) else "at the backup before it"
        found.append(f"Defender had alerts about the VM {when} ({titles})")
    if point.expires_at is not None and point.expires_at - now < SOON:
        found.append(f"it expires in {span((point.expires_at - now).total_seconds())}: begin before that")
    if meaning.snapshot_only(point):
        found.append("only its snapshot holds it, for the policy's instant-restore days")
    if candidate.way == meaning.ARCHIVE:
        found.append("it is in the archive: a restore rehydrates it first, up to 15 hours")
    if point.source is PointSource.REPLICATION:
        found.append("a failover stops replication; its commit deletes all other replication points")
    if point.source is PointSource.SNAPSHOT:
        found.append("no key restores it: disks are made of the snapshots and attached by hand")
    if point.secondary:
        found.append(f"the restored machine is in {point.region}, not beside the others")
    return found


def _data_loss(point: RecoveryPoint, incident_at: datetime, now: datetime) -> str:
    before = (incident_at - point.taken_at).total_seconds()
    since = (now - incident_at).total_seconds()
    lost = f"what was written in the {span(before)} before the incident"
    return lost + (f", and in the {span(since)} since" if since >= 60 else "")
