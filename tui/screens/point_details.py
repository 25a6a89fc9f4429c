"""All that is known of one point of the timeline, in plain words. Opened by Enter in the points pane."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from azure_ops import points as meaning
from azure_ops.model import Details, Disk, Gap, PointSource, RecoveryPoint, RestoreTime
from widgets.ages import here, zone_name
from widgets.page import Page

from ..wording import span

SOURCES = {
    PointSource.BACKUP: "Azure Backup",
    PointSource.REPLICATION: "Site Recovery (replication)",
    PointSource.SNAPSHOT: "a disk snapshot",
}
TIER_MEANINGS = {
    meaning.SNAPSHOT: "beside the disks, the fastest to restore; kept for the policy's instant-restore days",
    meaning.INSTANT_ACCESS: "beside the disks, usable at once for some minutes to hours",
    meaning.VAULT: "copied to the vault; slower, and safe from what happens to the disks",
    meaning.ARCHIVE: "must be rehydrated before it can be restored",
}
SNAPSHOT_ONLY = (
    "Only its snapshot holds it: unless it is copied to the vault, it is gone when the policy's "
    "instant-restore days are over."
)
ACTIONS = {
    "restore-disks": "as disks",
    "restore-vm": "as a new VM",
    "replace-disks": "in place of the VM's disks",
    "failover": "by failover",
    "test-failover": "by test failover",
}


def point_page(point: RecoveryPoint, details: Details, now: datetime) -> Page:
    page = Page()
    page.pair("taken", _when(point.taken_at, now), style="bold")
    page.pair("by", SOURCES[point.source] + (f", in {point.region}" if point.region else ""))
    page.pair("name", point.name)
    if point.note:
        page.pair("note", point.note)
    _consistency(page, point)
    if point.tiers:
        _tiers(page, point)
    _life(page, point, now)
    _disks(page, point, details.item.disks)
    if point.source is PointSource.BACKUP:
        _threat(page, point)
    _times(page, point, details.restore_times)
    return page


def _when(at: datetime, now: datetime) -> str:
    passed = (now - at).total_seconds()
    told = f"{span(passed)} ago" if passed >= 0 else f"in {span(-passed)}"
    return f"{here(at):%Y-%m-%d %H:%M:%S} {zone_name()}, {told}"


def _consistency(page: Page, point: RecoveryPoint) -> None:
    page.heading(f"Consistency: {meaning.consistency_of(point.consistency) or 'not told'}")
    page.text(meaning.consistency_meaning(point.consistency))
    if point.fell_back:
        page.bullet(f"Its backup fell back to this: {point.fell_back}", "▲", "$text-warning")
        page.note("Azure calls that CompletedWithWarnings; the point is there and can be restored.")


def _tiers(page: Page, point: RecoveryPoint) -> None:
    page.heading("Where it is")
    for tier in point.tiers:
        name = meaning.TIERS.get(tier.name, tier.name)
        held = tier.status in ("Valid", "Rehydrated")
        told = TIER_MEANINGS.get(tier.name, "") if held else "not there any more"
        status = "" if tier.status == "Valid" else f" ({tier.status})"
        page.bullet(f"{name}{status}: {told}", "✔" if held else "·", "" if held else "$text-muted")
    if point.secondary:
        page.note(f"A copy in the secondary region: it is restored in {point.region}, from the vault tier.")


def _life(page: Page, point: RecoveryPoint, now: datetime) -> None:
    if point.source is not PointSource.BACKUP:
        return
    page.heading("How long it lives")
    if point.soft_deleted:
        page.bullet("Soft-deleted: undelete the backups (a) before it can be restored.", "✖", "$text-error")
    if point.expires_at is None:
        page.text("Azure does not tell yet when it expires; it does so a day after the backup.")
    elif point.expires_at <= now:
        page.bullet(f"Expired {_when(point.expires_at, now)}.", "✖", "$text-error")
    else:
        page.pair("expires", _when(point.expires_at, now))
    if point.rule:
        page.pair("kept by", f"the rule {point.rule}")
    if meaning.snapshot_only(point):
        page.bullet(SNAPSHOT_ONLY, "▲", "$text-warning")
    if point.immutable:
        until = f" until {_when(point.immutable_until, now)}" if point.immutable_until else ""
        page.bullet(f"Immutable{until}: nobody can delete it or shorten its life.", "✔", "$text-success")
    if point.encrypted:
        page.bullet("Of an encrypted VM: its key vault is needed for a restore.", "▲", "$text-warning")


def _disks(page: Page, point: RecoveryPoint, disks: Sequence[Disk]) -> None:
    page.heading("Disks, against those that the VM has now")
    if not point.disks:
        count = point.disks_included
        page.text(f"{count} disks are in it." if count is not None else "The point does not name its disks.")
        return
    lacking = {disk.name for disk in meaning.missing_disks(point, disks)}
    exchanged = {disk.name: name for name, disk in meaning.exchanged_disks(point, disks)}
    for disk in disks:
        place = meaning.place_of(disk.lun)
        if disk.name in lacking:
            page.bullet(f"{place}: {disk.name} is not in it", "✖", "$text-warning")
        elif disk.name in exchanged:
            page.bullet(f"{place}: {exchanged[disk.name]} then, {disk.name} now", "▲", "$text-warning")
        else:
            page.bullet(f"{place}: {disk.name}", "✔")
    replaced = set(exchanged.values())
    for name in meaning.gone_disks(point, disks):
        if name not in replaced:
            page.bullet(f"{name} is in it, the VM does not have it any more", "·", "$text-muted")
    if point.source is PointSource.SNAPSHOT and len(disks) > 1:
        page.note("A snapshot is of one disk: the others are not of the same moment.")


def _threat(page: Page, point: RecoveryPoint) -> None:
    page.heading(f"Threat status: {point.threat or 'not told'}")
    told = meaning.THREATS.get(point.threat.casefold())
    if told is None:
        page.text("Defender for Cloud says nothing about the VM at that moment: that is no all-clear.")
        return
    bad = point.threat.casefold() != "healthy"
    page.text(told, style="$text-warning" if bad else "")
    for threat in point.threats:
        facts = ", ".join(word for word in (threat.severity, threat.state) if word)
        page.bullet(f"{threat.title} ({facts})" if facts else threat.title, "▲", "$text-warning")
        if threat.description:
            page.note(threat.description)
    page.note(meaning.NOT_A_SCAN, indent=1)


def _times(page: Page, point: RecoveryPoint, times: Sequence[RestoreTime]) -> None:
    if point.source is PointSource.SNAPSHOT:
        return
    page.heading("A restore takes about")
    tier = meaning.restored_from(point) if point.source is PointSource.BACKUP else ""
    kinds = ("failover", "test-failover")
    timed = meaning.timed_by(point) if tier else ""
    known = [one for one in times if one.tier == timed and (bool(tier) or one.action in kinds)]
    for one in known:
        runs = f"{one.runs} run{'s' * (one.runs != 1)} here"
        page.bullet(f"{span(one.median_s)} {ACTIONS.get(one.action, one.action)} ({runs})")
    if not known:
        page.text("None was done from this machine yet, so there is no figure of our own.")
        if tier in meaning.RECORDED:
            said, source = meaning.RECORDED[tier][1], "recorded of small VMs elsewhere"
            if tier == meaning.ARCHIVE:
                source = "documented for a rehydration alone"
            page.note(f"From the {meaning.TIERS[tier]} {said}: {source}, no promise.", indent=1)


def gap_page(gap: Gap, details: Details, now: datetime) -> Page:
    page = Page()
    page.pair("missing", f"{gap.missing} point{'s' * (gap.missing != 1)} of the schedule", style="bold")
    page.pair("first due", _when(gap.since, now))
    if gap.missing > 1:
        page.pair("last due", _when(gap.taken_at, now))
    page.blank().text("The policy promises points that are not there:")
    page.bullet(details.promise)
    page.blank().text(
        "A backup failed or did not run, its point was deleted, or the VM came under this policy later. The "
        "jobs (4) tell which; Azure lists them for some time only."
    )
    if details.item.backup and details.item.backup.last_status == "Failed":
        page.bullet("The newest backup failed; details of the VM (1, then d) say why.", "✖", "$text-error")
    return page
