"""Everything known about one VM: itself, its backup item, its replicated item, with causes and next steps."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from azure_ops.actions.disk_choice import wording
from azure_ops.model import Backup, Details, FleetItem, HealthNote, JobError, Replication
from azure_ops.points import CRASH_CODE
from widgets.ages import here, zone_name
from widgets.page import Page

from ..wording import span
from .dialog import Dialog

if TYPE_CHECKING:
    from ..app import ConsoleApp


class DetailsDialog(Dialog[None]):
    def __init__(self, app: ConsoleApp, details: Details) -> None:
        super().__init__(details.item.name, "↑↓ scroll · esc back")
        self.console_app = app
        self._details = details

    def page(self) -> Page:
        return details_page(self._details, self.console_app.state.service_now())


def details_page(details: Details, now: datetime) -> Page:
    page = Page()
    item = details.item
    for fault in details.faults:
        page.bullet(f"{fault.title} {fault.hint}", sign="▲", style="$text-warning")
    _vm(page, item)
    if item.backup:
        _backup(page, item, item.backup, now)
        if details.warning:
            _warning(page, details.warning)
        page.pair("schedule", details.promise or "none")
        if details.secondary:
            page.pair("other region", details.secondary)
        for gap in details.gaps:
            due = f"{here(gap.since):%Y-%m-%d %H:%M} {zone_name()}"
            page.bullet(f"points missing: {gap.missing}, the first due {due}", "▲", "$text-warning")
    else:
        page.heading("Backup").text("Not protected by Azure Backup.")
    if item.replication:
        _replication(page, item.replication, now)
    else:
        page.heading("Replication").text("Not replicated by Site Recovery.")
    return page


def _ago(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "never"
    return f"{here(at):%Y-%m-%d %H:%M:%S} {zone_name()}, {span((now - at).total_seconds())} ago"


def _vm(page: Page, item: FleetItem) -> None:
    page.heading("Virtual machine")
    if not item.exists:
        page.bullet("The VM is gone; its backup or replicated item is still there.", "✖", "$text-error")
    if item.vm_unread:
        page.bullet("The VM itself has not been read yet.", "…", "$text-warning")
    page.pair("state", item.power_state.value).pair("size", f"{item.size}, {item.os_type}")
    page.pair("region", item.location + (f", zone {', '.join(item.zones)}" if item.zones else ""))
    page.pair("resource group", item.resource_group).pair("subscription", item.subscription_id)
    page.pair("id", item.id)
    for disk in item.disks:
        place = "OS disk" if disk.lun is None else f"LUN {disk.lun}"
        page.pair(place, f"{disk.name}, {disk.size_gb} GB {disk.sku}")


def _notes(page: Page, notes: tuple[HealthNote, ...]) -> None:
    for note in notes:
        page.bullet(f"{note.message} ({note.code})" if note.code else note.message, "▲", "$text-warning")
        if note.causes:
            page.note(f"cause: {note.causes}")
        if note.recommendation:
            page.bullet(f"next step: {note.recommendation}", sign="→", style="$text-success")


def _warning(page: Page, error: JobError) -> None:
    """Of the newest backup, which completed with warnings."""
    crash = error.code == CRASH_CODE
    lead = "the newest point is crash-consistent only" if crash else "the newest backup warned"
    page.bullet(f"{lead}: {error.message or error.code}", "▲", "$text-warning")
    if error.recommendation:
        page.bullet(f"next step: {error.recommendation}", sign="→", style="$text-success")


def _backup(page: Page, item: FleetItem, backup: Backup, now: datetime) -> None:
    page.heading("Backup")
    if backup.soft_deleted:
        left = span(max((backup.purged_at - now).total_seconds(), 0)) if backup.purged_at else "some days"
        page.bullet(f"Its backups are deleted and kept for {left} more.", "✖", "$text-error")
    page.pair("state", f"{backup.protection_state}, health {backup.health or 'not told'}")
    kind = {"V1": ", standard (V1)", "V2": ", enhanced (V2)"}.get(backup.policy_kind, "")
    page.pair("vault", backup.vault_name).pair("policy", (backup.policy_name or "none") + kind)
    page.pair("disks", wording(backup.disks, item.disks))
    page.pair("last backup", f"{backup.last_status or 'none'}, {_ago(backup.last_backup_at, now)}")
    page.pair("newest point", _ago(backup.last_point_at, now))
    _notes(page, backup.notes)


def _replication(page: Page, replication: Replication, now: datetime) -> None:
    page.heading("Replication")
    page.pair("state", f"{replication.protection_state_text or replication.protection_state}")
    page.pair(
        "health", f"{replication.replication_health}, failover {replication.failover_health or 'not told'}"
    )
    page.pair("path", f"{replication.primary_region} → {replication.recovery_region}")
    page.pair("active", replication.active_location).pair("vault", replication.vault_name)
    if replication.rpo_s is not None:
        page.pair("RPO", f"{span(replication.rpo_s)}, calculated {_ago(replication.rpo_calculated_at, now)}")
    page.pair("heartbeat", _ago(replication.last_heartbeat_at, now))
    expires = replication.agent_expires_at
    until = f"{here(expires):%Y-%m-%d}" if expires else "not told"
    page.pair("agent", f"{replication.agent_version}, expires {until}")
    page.pair("last drill", _ago(replication.last_test_failover_at, now))
    page.pair("test failover", replication.test_failover_state or "none")
    page.pair("allowed now", ", ".join(replication.allowed_operations) or "nothing")
    for disk in replication.disks:
        pending = (disk.pending_at_source_mb or 0) + (disk.pending_in_staging_mb or 0)
        page.pair(disk.name, f"{disk.state}, {pending:.0f} MB on the way")
    _notes(page, replication.notes)
