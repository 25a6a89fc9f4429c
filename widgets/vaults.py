"""Recovery Services vaults: one row each, and all that is known of one as a page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from azure_ops.model import FleetItem, Vault, VaultUsage

from .ages import age, seconds_between
from .columns import TONE_STYLES, Cell, Column, Tone, natural_key
from .keyed_table import KeyedTable
from .page import Page

Now = Callable[[], datetime]
UNREAD = Cell("…", Tone.DIM)
NOT_TOLD = Cell("?", Tone.DIM)
REDUNDANCY = {"georedundant": "geo", "zoneredundant": "zone", "locallyredundant": "local"}
MEANINGS = {
    "georedundant": "geo-redundant: copies in the paired region, too",
    "zoneredundant": "zone-redundant: copies in three zones of its region",
    "locallyredundant": "locally redundant: copies in one data centre",
}
IMMUTABILITY = {
    "unlocked": "points cannot be deleted early; whoever owns it may still switch that off",
    "locked": "points cannot be deleted early, for good",
}
UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


class VaultTable(KeyedTable[Vault]):
    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(
            COLUMNS,
            key=lambda vault: vault.id.lower(),
            natural=lambda vault: (natural_key(vault.name), vault.id),
            empty="No Recovery Services vault",
            markable=False,
            id=id,
            classes=classes,
        )


def _once_read(cell: Callable[[Vault], Cell]) -> Callable[[Vault], Cell]:
    def read(vault: Vault) -> Cell:
        if vault.read_at is None:
            return Cell("✖ unread", Tone.BAD) if vault.faults else UNREAD
        return cell(vault)

    return read


def redundancy_cell(vault: Vault) -> Cell:
    word = REDUNDANCY.get(vault.redundancy.lower(), vault.redundancy)
    return Cell(word) if word else NOT_TOLD


def crossing_cell(vault: Vault) -> Cell:
    return Cell("✔ on", Tone.GOOD) if vault.cross_region_restore else Cell("off", Tone.DIM)


def soft_delete_cell(vault: Vault) -> Cell:
    match vault.soft_delete.lower():
        case "disabled":
            return Cell("▲ off", Tone.WARN)
        case "alwayson":
            return Cell(f"✔ {vault.soft_delete_days}d always", Tone.GOOD)
        case "enabled":
            return Cell(f"✔ {vault.soft_delete_days}d", Tone.GOOD)
    return Cell(vault.soft_delete) if vault.soft_delete else NOT_TOLD


def immutable(vault: Vault) -> bool:
    return vault.immutability.lower() not in ("", "disabled")


def immutability_cell(vault: Vault) -> Cell:
    return Cell(vault.immutability) if immutable(vault) else Cell("off", Tone.DIM)


def guard_cell(vault: Vault) -> Cell:
    if vault.guard_id:
        return Cell("✔ guarded")
    unread = any(_guards(fault.title) for fault in vault.faults)
    return NOT_TOLD if unread else Cell("none", Tone.DIM)


def _guards(title: str) -> bool:
    return title.startswith("Resource Guard")


def _usage(cell: Callable[[VaultUsage], Cell]) -> Callable[[Vault], Cell]:
    return _once_read(lambda vault: NOT_TOLD if vault.usage is None else cell(vault.usage))


def items_cell(usage: VaultUsage) -> Cell:
    if usage.protected_items is None:
        return NOT_TOLD
    bad = f" ✖{usage.critical_items}" if usage.critical_items else ""
    late = f" ▲{usage.warning_items}" if usage.warning_items else ""
    tone = Tone.BAD if bad else Tone.WARN if late else Tone.PLAIN
    return Cell(f"{usage.protected_items}{bad}{late}", tone)


def jobs_cell(usage: VaultUsage) -> Cell:
    if usage.running_jobs is None and usage.failed_jobs is None:
        return NOT_TOLD
    running = f"●{usage.running_jobs}" if usage.running_jobs else ""
    failed = f"✖{usage.failed_jobs}" if usage.failed_jobs else ""
    said = " ".join(part for part in (running, failed) if part)
    return Cell(said or "none", Tone.BAD if failed else Tone.BUSY if running else Tone.DIM)


def stored_cell(usage: VaultUsage) -> Cell:
    return NOT_TOLD if usage.stored_bytes is None else Cell(amount(usage.stored_bytes))


def amount(size: int) -> str:
    """`117 MB`, `1.4 TB`: by 1024, as Azure's portal counts them."""
    value, unit = float(size), 0
    while value >= 1024 and unit < len(UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f} {UNITS[unit]}" if 0 < value < 10 and unit else f"{value:.0f} {UNITS[unit]}"


def _subscription(vault: Vault) -> str:
    return vault.subscription_name or vault.subscription_id


COLUMNS: tuple[Column[Vault], ...] = (
    Column(
        "name", "NAME", lambda vault: Cell(vault.name, Tone.STRONG), lambda vault: natural_key(vault.name),
        width=18, max_width=50,
    ),
    Column("region", "REGION", lambda vault: Cell(vault.location), lambda vault: vault.location, width=12,
           min_width=12, max_width=18),
    Column("redundancy", "STORAGE", _once_read(redundancy_cell), lambda vault: vault.redundancy, width=7),
    Column("crossing", "CROSS", _once_read(crossing_cell), lambda vault: vault.cross_region_restore, width=5,
           priority=2),
    Column("soft-delete", "SOFT DELETE", _once_read(soft_delete_cell), lambda vault: vault.soft_delete_days,
           width=11, max_width=14),
    Column("items", "ITEMS", _usage(items_cell),
           lambda vault: vault.usage.protected_items if vault.usage else None, width=9),
    Column("jobs", "JOBS 24H", _usage(jobs_cell),
           lambda vault: -(vault.usage.failed_jobs or 0) if vault.usage else None, width=8),
    Column("stored", "STORED", _usage(stored_cell),
           lambda vault: vault.usage.stored_bytes if vault.usage else None, width=7, priority=3, right=True),
    Column("immutability", "IMMUTABLE", _once_read(immutability_cell), lambda vault: vault.immutability,
           width=9, priority=4),
    Column("guard", "GUARD", _once_read(guard_cell), lambda vault: bool(vault.guard_id), width=9, priority=5),
    Column("group", "GROUP", lambda vault: Cell(vault.resource_group), lambda vault: vault.resource_group,
           width=12, max_width=24, priority=7),
    Column("subscription", "SUBSCRIPTION", lambda vault: Cell(_subscription(vault)), _subscription,
           width=14, max_width=36, priority=6),
)  # fmt: skip


# one vault --------------------------------------------------------------------------------------------------


def vault_page(vault: Vault | None, items: list[FleetItem], now: datetime) -> Page:
    """`items`: the rows of the fleet that this vault holds backups of."""
    page = Page()
    if vault is None:
        return page.text("No vault under the cursor", style=TONE_STYLES[Tone.DIM])
    for fault in vault.faults:
        page.bullet(f"{fault.title} {fault.hint}", sign="▲", style="$text-warning")
    page.heading("Vault").pair("region", vault.location).pair("resource group", vault.resource_group)
    named = f"{vault.subscription_name} " if vault.subscription_name else ""
    page.pair("subscription", f"{named}{vault.subscription_id}")
    if vault.read_at is None:
        return page if vault.faults else page.blank().text("Reading …", style=TONE_STYLES[Tone.DIM])
    if vault.provisioning_state != "Succeeded":
        page.pair("state", vault.provisioning_state or "not told")
    _storage(page, vault)
    _safety(page, vault)
    _held(page, vault, items)
    if vault.policies:
        page.heading("Policies for virtual machines")
    for policy in vault.policies:
        page.bullet(policy.label, style="bold").note(policy.note)
    return page.blank().note(f"read {age(seconds_between(vault.read_at, now))} ago; {vault.id}", 0)


def _storage(page: Page, vault: Vault) -> None:
    page.heading("Storage")
    page.pair("redundancy", MEANINGS.get(vault.redundancy.lower(), vault.redundancy or "not told"))
    page.pair(
        "can be changed",
        "no: something is, or was, protected" if vault.in_use else "yes, until something is protected",
    )
    if vault.cross_region_restore:
        crossing = "on: restores in the paired region, too; it cannot be switched off again"
    elif vault.redundancy.lower() == "georedundant":
        crossing = "off; once on, it cannot be switched off again"
    else:
        crossing = "off; only geo-redundant storage has it"
    page.pair("cross-region", crossing)
    page.pair("cross-subscription", vault.cross_subscription_restore or "not told")
    page.pair("network access", vault.public_network_access or "not told")
    if vault.usage and vault.usage.stored_bytes is not None:
        page.pair("stored", amount(vault.usage.stored_bytes))


def _safety(page: Page, vault: Vault) -> None:
    page.heading("What protects the backups")
    match vault.soft_delete.lower():
        case "disabled":
            said = "off: count on it that deleted backups are gone"
        case "alwayson":
            said = (
                f"always on: deleted backups are kept {vault.soft_delete_days} days; nobody can switch it off"
            )
        case "enabled":
            said = f"on: deleted backups are kept {vault.soft_delete_days} days"
        case _:
            said = vault.soft_delete or "not told"
    page.pair("soft delete", said, TONE_STYLES[soft_delete_cell(vault).tone] if "off:" in said else "")
    meant = IMMUTABILITY.get(vault.immutability.lower(), "not known what that means")
    page.pair("immutability", f"{vault.immutability}: {meant}" if immutable(vault) else "off")
    if vault.guard_id:
        page.pair(
            "Resource Guard",
            f"{vault.guard_id.rsplit('/', 1)[-1]}: deletions and weaker protection need its owner's approval",
        )
        page.note(vault.guard_id, 20)
    else:
        page.pair("Resource Guard", guard_cell(vault).text.replace("?", "could not be read"))


def _held(page: Page, vault: Vault, items: list[FleetItem]) -> None:
    page.heading("What it holds")
    usage = vault.usage
    if usage is None:
        page.text("Its usage could not be read.", style=TONE_STYLES[Tone.DIM])
    else:
        critical, warning = usage.critical_items or 0, usage.warning_items or 0
        told = (
            f"{_or_unknown(usage.protected_items)} protected, {critical} critical, {warning} with a warning"
        )
        page.pair("items", told)
        running, failed = _or_unknown(usage.running_jobs), _or_unknown(usage.failed_jobs)
        page.pair(
            "jobs of a day",
            f"{running} running, {failed} failed",
            TONE_STYLES[Tone.BAD] if usage.failed_jobs else "",
        )
    backups = [item.backup for item in items if item.backup]
    deleted = sum(backup.soft_deleted for backup in backups)
    stopped = sum(backup.stopped and not backup.soft_deleted for backup in backups)
    first = sum(backup.protection_state == "IRPending" for backup in backups)
    page.pair(
        "VMs of the fleet",
        f"{len(backups)}: {stopped} stopped, {first} before the first backup, {deleted} soft-deleted",
    )


def _or_unknown(count: int | None) -> str:
    return "unknown" if count is None else str(count)
