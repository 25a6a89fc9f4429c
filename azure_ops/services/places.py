"""Where things can be restored to: resource groups, storage accounts and subnets, from Resource Graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ..arm_ids import group_of, key_of, name_of, subscription_of
from ..model import Option
from ..wire_values import Document, part, parts, text
from .azure_failures import azure_errors
from .resource_graph import read_rows

if TYPE_CHECKING:
    from .session import Session

LOCATIONS_API = "2022-12-01"

GROUPS = """resourcecontainers
| where type =~ 'microsoft.resources/subscriptions/resourcegroups'
| project id, location
| order by id asc"""

ACCOUNTS = """resources
| where type =~ 'microsoft.storage/storageaccounts' and location =~ 'REGION'
| project id, sku = sku.name, access = properties.networkAcls.defaultAction
| order by id asc"""

NETWORKS = """resources
| where type =~ 'microsoft.network/virtualnetworks' and location =~ 'REGION'
| project id, subnets = properties.subnets
| order by id asc"""

INTERFACES = """resources
| where type =~ 'microsoft.network/networkinterfaces' and properties.virtualMachine.id =~ 'MACHINE'
| project id, configurations = properties.ipConfigurations
| order by id asc"""


class Region(msgspec.Struct, frozen=True):
    name: str
    """`westeurope`."""
    label: str
    """`West Europe`."""
    pair: str = ""
    """Name of the region that geo-redundant storage copies to; empty when there is none."""


class GroupRow(msgspec.Struct):
    id: str
    location: str | None = None


class AccountRow(msgspec.Struct):
    id: str
    sku: str | None = None
    access: str | None = None


class NetworkRow(msgspec.Struct):
    id: str
    subnets: Any = None


class InterfaceRow(msgspec.Struct):
    id: str
    configurations: Any = None


Row = TypeVar("Row", GroupRow, AccountRow, NetworkRow)


async def groups(session: Session, subscription: str, region: str) -> tuple[Option, ...]:
    """By name, those of the region first: a group may hold what is elsewhere, too."""
    rows = _within(await read_rows(session, GROUPS, GroupRow, "Resource groups"), subscription)
    rows.sort(key=lambda row: (_region(row.location) != region, name_of(row.id).lower()))
    return tuple(Option(value=row.id, label=name_of(row.id), note=_region(row.location)) for row in rows)


async def regions(session: Session, subscription: str) -> tuple[Region, ...]:
    """Those that the subscription may use, by their display names."""
    found: list[Document] = []
    async with azure_errors(f"Regions of subscription {subscription}"):
        page = await session.get_json(f"/subscriptions/{subscription}/locations", LOCATIONS_API)
        found += parts(page, "value")
        while link := text(page, "nextLink"):
            page = await session.get_json(link)
            found += parts(page, "value")
    named = [_named(one) for one in found if _is_physical(one)]
    return tuple(sorted(named, key=lambda region: region.label.lower()))


def _is_physical(document: Document) -> bool:
    return text(part(document, "metadata"), "regionType").lower() in ("", "physical")


def _named(document: Document) -> Region:
    pairs = [text(one, "name") for one in parts(part(document, "metadata"), "pairedRegion")]
    name = text(document, "name")
    return Region(name=name, label=text(document, "displayName") or name, pair=pairs[0] if pairs else "")


async def accounts(session: Session, subscription: str, region: str) -> tuple[Option, ...]:
    """Standard storage accounts: a restore is not staged in another tier or region."""
    query = ACCOUNTS.replace("REGION", _word(region))
    rows = _within(await read_rows(session, query, AccountRow, f"Storage accounts in {region}"), subscription)
    return tuple(
        Option(
            value=row.id,
            label=name_of(row.id),
            note=f"{row.sku}, {group_of(row.id)}" + (", behind a firewall" if row.access == "Deny" else ""),
        )
        for row in sorted(rows, key=lambda row: name_of(row.id).lower())
        if (row.sku or "").lower().startswith("standard")
    )


async def subnets(session: Session, subscription: str, region: str) -> tuple[Option, ...]:
    query = NETWORKS.replace("REGION", _word(region))
    rows = _within(await read_rows(session, query, NetworkRow, f"Virtual networks in {region}"), subscription)
    return tuple(
        option for row in sorted(rows, key=lambda row: name_of(row.id).lower()) for option in _subnets(row)
    )


def _subnets(row: NetworkRow) -> Iterator[Option]:
    """Without those that Azure keeps for its gateways, firewalls and bastions, or that are delegated."""
    for subnet in parts({"subnets": row.subnets}, "subnets"):
        name = text(subnet, "name")
        properties = part(subnet, "properties")
        if name.lower() in _RESERVED or any(parts(properties, "delegations")):
            continue
        prefix = text(properties, "addressPrefix")
        yield Option(
            value=text(subnet, "id") or f"{row.id}/subnets/{name}",
            label=f"{name_of(row.id)} / {name}",
            note=f"{prefix} {group_of(row.id)}".strip(),
        )


_RESERVED = {
    "gatewaysubnet", "azurefirewallsubnet", "azurefirewallmanagementsubnet", "azurebastionsubnet",
    "routeserversubnet",
}  # fmt: skip


async def subnet_of(session: Session, vm_id: str) -> str:
    """Of its first network interface; empty when it has none that can be read."""
    query = INTERFACES.replace("MACHINE", vm_id.replace("\\", "").replace("'", ""))
    rows = await read_rows(session, query, InterfaceRow, "Network interfaces")
    for row in rows:
        for one in parts({"configurations": row.configurations}, "configurations"):
            if found := text(part(one, "properties", "subnet"), "id"):
                return found
    return ""


def _within(rows: list[Row], subscription: str) -> list[Row]:
    return [row for row in rows if subscription_of(row.id).lower() == subscription.lower()]


def _region(location: str | None) -> str:
    return (location or "").replace(" ", "").lower()


def _word(text_: str) -> str:
    """Fit for a quoted word of a query."""
    return "".join(letter for letter in text_ if letter.isalnum())


def chosen(options: tuple[Option, ...], wanted: str) -> str:
    """The wanted option's value as the list spells it, else the first one's."""
    for option in options:
        if key_of(option.value) == key_of(wanted):
            return option.value
    return options[0].value if options else ""
