"""Vaults: what their documents say, what the screen says of them, and which changes they allow."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from azure_ops.actions import create_vault, vault_storage
from azure_ops.actions.spec import KINDS, Target, kind_of
from azure_ops.model import (
    Backup,
    ErrorNote,
    FleetItem,
    Job,
    JobKind,
    JobState,
    ManagedDisk,
    Subscription,
    Vault,
    VaultUsage,
)
from azure_ops.services.vault_documents import believed, read_vault_document, usage_of
from widgets import vaults as shown
from widgets.columns import place

NOON = datetime(2026, 8, 22, 12, tzinfo=UTC)
LISTED = Vault(
    id="/subscriptions/s/resourceGroups/g/providers/Microsoft.RecoveryServices/vaults/rsv",
    name="rsv",
    location="westeurope",
    subscription_id="s",
    resource_group="g",
)
READ = msgspec.structs.replace(
    LISTED,
    read_at=NOON,
    provisioning_state="Succeeded",
    redundancy="GeoRedundant",
    storage_version="Unassigned",
    soft_delete="Enabled",
    soft_delete_days=14,
    usage=VaultUsage(protected_items=0, running_jobs=0, failed_jobs=0, stored_bytes=0),
)


def vault(**changes: Any) -> Vault:
    return msgspec.structs.replace(READ, **changes)


def usage(name: str, value: float, unit: str = "Count") -> dict[str, Any]:
    return {"unit": unit, "currentValue": value, "limit": -1, "name": {"value": name, "localizedValue": name}}


def test_usages_are_known_by_their_names_and_storage_of_every_kind_is_added_up() -> None:
    found = usage_of(
        [
            usage("ProtectedItemCount", 3),
            usage("FailedJobsCount", 1),
            usage("GRSStorageUsage", 1000, "Bytes"),
            usage("LRSDedupStorageUsage", 24, "Bytes"),
            usage("UsedDiskSize", 5, "Bytes"),
            {"name": {"value": "InProgressJobsCount"}},
        ]
    )
    assert found == VaultUsage(protected_items=3, failed_jobs=1, stored_bytes=1024)


@pytest.mark.parametrize(
    ("redundancy", "stored", "items", "told"),
    [
        ("ZoneRedundant", 0, 1, None),
        ("ZoneRedundant", 9, 1, 9),
        ("ZoneRedundant", 0, 0, 0),
        ("GeoRedundant", 0, 1, 0),
    ],
)
def test_no_storage_of_a_zone_redundant_vault_that_protects_something_is_not_told(
    redundancy: str, stored: int, items: int, told: int | None
) -> None:
    found = believed(VaultUsage(protected_items=items, stored_bytes=stored), redundancy)
    assert found == VaultUsage(protected_items=items, stored_bytes=told)


def test_a_vault_that_tells_little_is_not_said_to_be_something() -> None:
    found = read_vault_document(LISTED, {"properties": {"securitySettings": None}})
    assert (found.redundancy, found.soft_delete, found.immutability) == ("", "", "")
    assert not found.in_use
    assert shown.soft_delete_cell(msgspec.structs.replace(found, read_at=NOON)).text == "?"


@pytest.mark.parametrize(
    ("changes", "in_use"),
    [
        ({}, False),
        ({"usage": VaultUsage(protected_items=1)}, True),
        ({"usage": None, "storage_version": "V2"}, True),
        ({"usage": None}, False),
    ],
)
def test_a_vault_is_in_use_by_what_it_holds_or_held(changes: dict[str, Any], in_use: bool) -> None:
    assert vault(**changes).in_use is in_use
    reason = vault_storage.why_no_change(vault(**changes))
    assert (reason is not None) is in_use


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, None),
        ({"redundancy": "ZoneRedundant"}, "only geo-redundant has it"),
        ({"cross_region_restore": True}, "it is on already"),
        ({"provisioning_state": "Provisioning"}, "being made or changed"),
    ],
)
def test_why_cross_region_restore_cannot_be_switched_on(changes: dict[str, Any], said: str | None) -> None:
    reason = vault_storage.why_no_switch(vault(**changes))
    assert reason is None if said is None else said in (reason or "")


@pytest.mark.parametrize("name", ["a1", "rsv-weu", "R" + "x" * 49])
def test_names_that_azure_takes(name: str) -> None:
    assert create_vault.NAME.fullmatch(name)


@pytest.mark.parametrize("name", ["", "a", "1rsv", "-rsv", "rsv_weu", "rsv.weu", "R" + "x" * 50, "räv"])
def test_names_that_azure_refuses(name: str) -> None:
    assert not create_vault.NAME.fullmatch(name)


def test_every_kind_of_target_is_told_apart() -> None:
    targets: list[Target] = [
        FleetItem(key="k", id="k", name="n", subscription_id="s", resource_group="g"),
        Job(id="j", kind=JobKind.BACKUP, operation="Backup", state=JobState.RUNNING),
        READ,
        Subscription(id="/subscriptions/s"),
        ManagedDisk(id="/d", name="d"),
    ]
    assert [kind_of(target) for target in targets] == list(KINDS.values())
    for action in (vault_storage.CHANGE_REDUNDANCY, vault_storage.CROSS_REGION_RESTORE):
        assert "vaults screen" in (action.why_not(targets[0]) or "")


def lines(found: Vault, *items: FleetItem) -> str:
    page = shown.vault_page(found, list(items), NOON)
    return " ".join(" ".join(line.plain for line in page.wrapped(76)).split())


def test_what_cannot_be_undone_stands_in_the_details_before_any_key() -> None:
    assert "once on, it cannot be switched off again" in lines(vault())
    assert "only geo-redundant storage has it" in lines(vault(redundancy="LocallyRedundant"))
    assert "yes, until something is protected" in lines(vault())


def test_soft_delete_and_immutability_are_said_in_words() -> None:
    assert "deleted backups are kept 14 days" in lines(vault())
    assert "count on it that deleted backups are gone" in lines(vault(soft_delete="Disabled"))
    assert "nobody can switch it off" in lines(vault(soft_delete="AlwaysON"))
    assert "Locked: points cannot be deleted early, for good" in lines(vault(immutability="Locked"))


def test_an_unread_vault_shows_its_place_and_why_it_is_unread() -> None:
    problem = ErrorNote(kind="NotAllowed", title="Vault rsv: you may not.", hint="Ask.")
    unread = msgspec.structs.replace(LISTED, faults=(problem,))
    assert "Vault rsv: you may not. Ask." in lines(unread)
    assert "westeurope" in lines(unread)
    cells = {column.id: column.cell(unread).text for column in shown.COLUMNS}
    assert cells["redundancy"] == "✖ unread"
    assert cells["region"] == "westeurope"
    assert {column.cell(LISTED).text for column in shown.COLUMNS if column.id in ("items", "jobs")} == {"…"}


def test_the_fleets_own_rows_say_what_the_count_does_not() -> None:
    def row(name: str, **backup: Any) -> FleetItem:
        held = Backup(item_id="i", vault_id=READ.id, **backup)
        return FleetItem(key=name, id=name, name=name, subscription_id="s", resource_group="g", backup=held)

    rows = (
        row("a", protection_state="Protected"),
        row("b", protection_state="ProtectionStopped"),
        row("c", protection_state="ProtectionStopped", soft_deleted=True),
        row("d", protection_state="IRPending"),
    )
    assert "4: 1 stopped, 1 before the first backup, 1 soft-deleted" in lines(vault(), *rows)


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0 B"), (1023, "1023 B"), (117007930, "112 MB"), (3 * 1024**4 // 2, "1.5 TB"), (2**62, "4096 PB")],
)
def test_amounts_fit_in_a_cell(size: int, said: str) -> None:
    assert shown.amount(size) == said


def test_failed_and_running_jobs_have_a_sign_each() -> None:
    assert shown.jobs_cell(VaultUsage(running_jobs=2, failed_jobs=1)).text == "●2 ✖1"
    assert shown.jobs_cell(VaultUsage(running_jobs=0, failed_jobs=0)).text == "none"
    assert shown.jobs_cell(VaultUsage()).text == "?"


@pytest.mark.parametrize("width", [75, 76, 100])
def test_the_names_of_vaults_have_their_room(width: int) -> None:
    """Beside the details in a window of 120 columns, and alone in one of 80."""
    placed = {one.column.id: one.width for one in place(shown.COLUMNS, width)}
    assert placed["name"] >= 18
    assert {"region", "redundancy", "soft-delete", "items", "jobs"} <= placed.keys()
    assert ("crossing" in placed) == (width == 100)
