"""VM sizes: what a region offers, what its quotas leave, and why a size cannot be had. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .model import Check, CheckState, Fact

REGIONAL = "cores"
"""Name of the quota of a region's cores of all families together."""
OFFERED, LEFT = "The size is offered", "The quota leaves room for it"
ANOTHER_SIZE = "Choose another one, or ask Azure support to open it for the subscription."
RAISE = "Have the quota raised in the Azure portal, or free cores first."


class VmSize(Fact, frozen=True, kw_only=True):
    name: str
    family: str = ""
    """As quotas call it: `standardDSv5Family`."""
    cores: int = 0
    memory_gb: float = 0.0
    data_disks: int = 0
    premium: bool = False
    """Takes premium disks."""
    architecture: str = ""
    zones: tuple[str, ...] = ()
    closed: str = ""
    """Why the subscription may not use it in the region, in Azure's word."""
    closed_zones: tuple[str, ...] = ()


class Quota(Fact, frozen=True, kw_only=True):
    name: str
    label: str
    used: int
    limit: int


def describe(size: VmSize) -> str:
    cores = "1 core" if size.cores == 1 else f"{size.cores} cores"
    return f"{cores}, {size.memory_gb:g} GB, {size.data_disks} data disks"


def named(sizes: Iterable[VmSize], name: str) -> VmSize | None:
    return next((size for size in sizes if size.name.lower() == name.lower()), None)


def not_offered(name: str, sizes: Sequence[VmSize], region: str, zones: Sequence[str] = ()) -> str:
    """Why the region, or one of the zones, does not offer it; empty when it does."""
    size = named(sizes, name)
    if size is None:
        return f"{region} does not offer {name}"
    if size.closed:
        return f"{name} is not available to this subscription in {region} ({size.closed})"
    for zone in zones:
        if zone not in size.zones:
            return f"{region} does not offer {name} in zone {zone}"
        if zone in size.closed_zones:
            return f"{name} is not available to this subscription in zone {zone} of {region}"
    return ""


def over_quota(size: VmSize, quotas: Iterable[Quota], region: str, given_back: VmSize | None = None) -> str:
    """Why the quotas of the region do not leave room; `given_back` is what the machine has until then."""
    for quota in quotas:
        if quota.name.lower() not in (size.family.lower(), REGIONAL):
            continue
        back = given_back
        if back is not None and quota.name.lower() != REGIONAL and back.family.lower() != size.family.lower():
            back = None
        more = size.cores - (back.cores if back else 0)
        if more > 0 and quota.used + more > quota.limit:
            return (
                f"the quota {quota.label} of {region} does not leave {more} more: "
                f"{quota.used} of {quota.limit} are in use"
            )
    return ""


def room_of(size: VmSize, quotas: Iterable[Quota]) -> str:
    """The size's own quota in words; empty where none is told."""
    for quota in quotas:
        if quota.name.lower() == size.family.lower():
            return f"{quota.used} of {quota.limit} {quota.label} in use"
    return ""


def checks_of(
    name: str,
    sizes: Sequence[VmSize],
    quotas: Sequence[Quota],
    region: str,
    zones: Sequence[str] = (),
    given_back: VmSize | None = None,
) -> tuple[tuple[Check, ...], tuple[str, ...]]:
    """Checks, and reasons to refuse."""
    missing = not_offered(name, sizes, region, zones)
    size = named(sizes, name)
    if missing or size is None:
        return (Check(label=OFFERED, state=CheckState.FAILED, detail=missing, fix=ANOTHER_SIZE),), (missing,)
    offered = Check(label=OFFERED, state=CheckState.OK, detail=f"{size.name}: {describe(size)}")
    if full := over_quota(size, quotas, region, given_back):
        return (offered, Check(label=LEFT, state=CheckState.FAILED, detail=full, fix=RAISE)), (full,)
    return (offered, Check(label=LEFT, state=CheckState.OK, detail=room_of(size, quotas))), ()
