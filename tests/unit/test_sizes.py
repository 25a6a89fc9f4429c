"""Why a size cannot be had, and what `Resize VM` offers for one VM: tables."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from azure_ops.actions.resize_vm import STOP, Offer, options_of, why_not
from azure_ops.model import Disk, FleetItem, PowerState
from azure_ops.services.sizes import vm_size
from azure_ops.sizes import Quota, VmSize, checks_of, not_offered, over_quota


def size(name: str = "D4", cores: int = 4, family: str = "DFamily", **more: Any) -> VmSize:
    facts: dict[str, Any] = {"memory_gb": 16.0, "data_disks": 8, "premium": True, "architecture": "x64"}
    facts |= {"zones": ("1", "2", "3"), **more}
    return VmSize(name=name, cores=cores, family=family, **facts)


D2, D4 = size("D2", 2), size()
CLOSED = size("F4", closed="NotAvailableForSubscription")
ZONAL = size("D16", 16, zones=("1", "2"), closed_zones=("2",))
ALL = (D2, D4, CLOSED, ZONAL)


def quotas(family: tuple[int, int] = (0, 100), regional: tuple[int, int] = (0, 100)) -> list[Quota]:
    return [
        Quota(name="cores", label="Total Regional vCPUs", used=regional[0], limit=regional[1]),
        Quota(name="dFamily", label="D vCPUs", used=family[0], limit=family[1]),
    ]


@pytest.mark.parametrize(
    ("name", "zones", "reason"),
    [
        ("D4", (), ""),
        ("d4", ("1",), ""),
        ("D99", (), "westeurope does not offer D99"),
        ("F4", (), "not available to this subscription in westeurope (NotAvailableForSubscription)"),
        ("D16", (), ""),
        ("D16", ("2",), "not available to this subscription in zone 2"),
        ("D16", ("3",), "does not offer D16 in zone 3"),
    ],
)
def test_what_is_not_offered(name: str, zones: tuple[str, ...], reason: str) -> None:
    given = not_offered(name, ALL, "westeurope", zones)
    assert (reason in given and given) if reason else given == ""


@pytest.mark.parametrize(
    ("wanted", "given_back", "told", "reason"),
    [
        (D4, None, quotas((96, 100)), ""),
        (D4, None, quotas((97, 100)), "D vCPUs of westeurope does not leave 4 more: 97 of 100"),
        (D4, D2, quotas((98, 100)), ""),
        (D4, D2, quotas((99, 100)), "does not leave 2 more"),
        (D2, D4, quotas((100, 100)), ""),
        (D4, size("E2", 2, "EFamily"), quotas((97, 100)), "does not leave 4 more"),
        (D4, size("E2", 2, "EFamily"), quotas(regional=(98, 100)), ""),
        (D4, None, quotas(regional=(98, 100)), "Total Regional vCPUs"),
        (D4, None, [], ""),
    ],
)
def test_what_the_quota_does_not_leave(
    wanted: VmSize, given_back: VmSize | None, told: list[Quota], reason: str
) -> None:
    given = over_quota(wanted, told, "westeurope", given_back)
    assert (reason in given and given) if reason else given == ""


def test_checks_and_reasons_go_together() -> None:
    checks, reasons = checks_of("D4", ALL, quotas(), "westeurope")
    assert reasons == ()
    assert [check.detail for check in checks] == [
        "D4: 4 cores, 16 GB, 8 data disks",
        "0 of 100 D vCPUs in use",
    ]
    assert len(checks_of("F4", ALL, quotas(), "westeurope")[1]) == 1
    assert len(checks_of("D4", ALL, quotas((100, 100)), "westeurope")[1]) == 1


def vm(**more: Any) -> FleetItem:
    made = FleetItem(
        key="/vm", id="/vm", name="web-01", subscription_id="s", resource_group="g", location="westeurope",
        size="D4", power_state=PowerState.RUNNING, zones=("1",),
        disks=(Disk(id="/os", name="os", sku="Premium_LRS"), Disk(id="/d", name="d", lun=0)),
    )  # fmt: skip
    return msgspec.structs.replace(made, **more)


OTHERS = (
    *ALL,
    size("D8", 8),
    size("ARM8", 8, architecture="Arm64"),
    size("HDD8", 8, premium=False),
    size("NONE8", 8, data_disks=0),
    size("V3", 1),
)


def test_only_what_fits_is_offered_and_first_what_needs_no_stop() -> None:
    offer = Offer(OTHERS, frozenset({"d2", "d4", "d8", "d16"}), tuple(quotas((97, 100))))
    options = options_of(vm(), offer)
    assert [option.value for option in options] == ["D2", "D8", "D16", "V3"]
    assert options[0].note == ""
    assert "does not leave 4 more" in options[1].note
    assert options[3].note == STOP
    assert STOP not in options_of(vm(power_state=PowerState.DEALLOCATED), offer)[0].note
    assert [one.value for one in options_of(vm(zones=("3",)), offer)] == ["D2", "D8", "V3"]


def test_reasons_why_not() -> None:
    assert why_not(vm()) is None
    assert why_not(vm(exists=False)) == "the virtual machine is gone"
    assert "deallocating" in str(why_not(vm(power_state=PowerState.DEALLOCATING)))


def test_a_sku_is_read_for_its_region_alone() -> None:
    document = {
        "name": "Standard_D2s_v5",
        "family": "standardDSv5Family",
        "locationInfo": [{"location": "WestEurope", "zones": ["2", "1"]}, {"location": "x", "zones": ["3"]}],
        "capabilities": [{"name": "vCPUs", "value": "2"}, {"name": "MemoryGB", "value": "not told"}],
        "restrictions": [
            {"type": "Location", "values": ["eastus"], "reasonCode": "NotAvailableForSubscription"},
            {"type": "Zone", "values": ["westeurope"], "restrictionInfo": {"zones": ["2"]}},
        ],
    }
    read = vm_size(document, "westeurope")
    assert (read.cores, read.memory_gb, read.zones, read.closed, read.closed_zones) == (
        2, 0.0, ("1", "2"), "", ("2",),
    )  # fmt: skip
    assert vm_size(document, "eastus").closed == "NotAvailableForSubscription"
