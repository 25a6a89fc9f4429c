"""VM sizes as Compute tells them: what a region has (`skus`), what a subscription may use of it (`usages`),
what a machine can be given (`vmSizes`), and giving it another one."""

from __future__ import annotations

import re

from ..answers import Answer, Json, Refusal, not_modelled
from ..records.compute import VirtualMachine
from ..routing import Context, Routes, paged
from ..store import Event
from ..world import World, happens
from .bodies import member
from .compute import VM, find_vm, vm_document
from .compute_disks import SUBSCRIPTION
from .compute_operations import end_operation, operation_of, preempt_operations, start_operation
from .site_recovery_sizes import SIZES, Size

ROUTES = Routes()
ZONES = ("1", "2", "3")
CLOSED = ("Standard_F4s_v2",)
"""Sizes that the subscriptions of this tenant may not use."""
CLOSED_ZONES = {"Standard_D16s_v5": ("3",)}
LIMITS = {"standardESv5Family": 32, "standardFSv2Family": 16, "standardBSFamily": 20}
"""Cores of a family that a subscription may use in each region."""
PLENTY = 100_000
SHORT = 10
OFTEN = "standardDSv5Family"
"""What generated fleets are made of."""
PAGE = 500
DISK_MB = 1_047_552


def family_of(name: str) -> str:
    found = re.fullmatch(r"Standard_([A-Z]+)\d+([a-z]*)(?:_(v\d+))?", name)
    if found is None:
        return ""
    letters, small, version = found.groups()
    storage = "S" if "s" in small and "S" not in letters else ""
    return f"standard{letters}{storage}{version or ''}Family"


def size_named(name: str) -> Size | None:
    return next((size for size in SIZES if size.name.lower() == name.lower()), None)


def limit_of(family: str) -> int:
    return PLENTY if family in ("cores", OFTEN) else LIMITS.get(family, 10 * SHORT)


def used_cores(world: World, subscription: str, region: str, family: str = "cores") -> int:
    """Machines that are deallocated count, too."""
    total = 0
    for vm in world.store.all(VirtualMachine, f"/subscriptions/{subscription}"):
        size = size_named(vm.size)
        if size and vm.location.lower() == region.lower() and family in ("cores", family_of(size.name)):
            total += size.cores
    return total


def quota_problem(
    world: World, subscription: str, region: str, size: Size, before: Size | None = None
) -> tuple[str, int, int, int] | None:
    """(family, limit, used, more) of the first quota that is too small."""
    for family in ("cores", family_of(size.name)):
        same = before is not None and family in ("cores", family_of(before.name))
        more = size.cores - (before.cores if before and same else 0)
        used, limit = used_cores(world, subscription, region, family), limit_of(family)
        if more > 0 and used + more > limit:
            return family, limit, used, more
    return None


@ROUTES.get(SUBSCRIPTION + "/skus", action="Microsoft.Compute/skus/read")
def list_skus(ctx: Context) -> Answer:
    asked = re.fullmatch(r"\s*location eq '([^']+)'\s*", ctx.query.get("$filter", ""))
    if asked is None:
        raise not_modelled("skus without a $filter of one location")
    region = asked[1].replace(" ", "").lower()
    page = paged(ctx, list(SIZES), PAGE)
    return Answer(200, {**page, "value": [_sku(size, region) for size in page["value"]]})


def _sku(size: Size, region: str) -> dict[str, Json]:
    capabilities = {
        "vCPUs": str(size.cores),
        "MemoryGB": f"{size.memory_gb:g}",
        "MaxDataDiskCount": str(size.data_disks),
        "MaxNetworkInterfaces": str(size.nics),
        "HyperVGenerations": ",".join(size.generations),
        "PremiumIO": str(size.premium),
        "CpuArchitectureType": "x64",
    }
    return {
        "resourceType": "virtualMachines",
        "name": size.name,
        "tier": "Standard",
        "size": size.name.removeprefix("Standard_"),
        "family": family_of(size.name),
        "locations": [region],
        "locationInfo": [{"location": region, "zones": list(ZONES), "zoneDetails": []}],
        "capabilities": [{"name": name, "value": value} for name, value in capabilities.items()],
        "restrictions": _restrictions(size, region),
    }


def _restrictions(size: Size, region: str) -> list[Json]:
    found: list[Json] = []
    if size.name in CLOSED:
        found.append(_restriction("Location", region, {"locations": [region]}))
    if zones := CLOSED_ZONES.get(size.name):
        found.append(_restriction("Zone", region, {"locations": [region], "zones": list(zones)}))
    return found


def _restriction(kind: str, region: str, info: dict[str, Json]) -> dict[str, Json]:
    return {
        "type": kind,
        "values": [region],
        "restrictionInfo": info,
        "reasonCode": "NotAvailableForSubscription",
    }


@ROUTES.get(SUBSCRIPTION + "/locations/{location}/usages", action="Microsoft.Compute/locations/usages/read")
def list_usages(ctx: Context) -> Answer:
    sub, region = ctx.params["sub"], ctx.params["location"].replace(" ", "").lower()
    families = ["cores", *dict.fromkeys(family_of(size.name) for size in SIZES)]
    return Answer(200, {"value": [_usage(ctx.world, sub, region, family) for family in families]})


def _usage(world: World, sub: str, region: str, family: str) -> dict[str, Json]:
    return {
        "unit": "Count",
        "currentValue": used_cores(world, sub, region, family),
        "limit": limit_of(family),
        "name": {"value": family, "localizedValue": _label(family)},
    }


def _label(family: str) -> str:
    if family == "cores":
        return "Total Regional vCPUs"
    return f"Standard {family.removeprefix('standard').removesuffix('Family')} Family vCPUs"


@ROUTES.get(VM + "/vmSizes", action="Microsoft.Compute/virtualMachines/vmSizes/read")
def list_vm_sizes(ctx: Context) -> Answer:
    return Answer(
        200,
        {
            "value": [
                {
                    "name": size.name,
                    "numberOfCores": size.cores,
                    "osDiskSizeInMB": DISK_MB,
                    "resourceDiskSizeInMB": 0,
                    "memoryInMB": int(size.memory_gb * 1024),
                    "maxDataDiskCount": size.data_disks,
                }
                for size in _reachable(find_vm(ctx))
            ]
        },
    )


def _reachable(vm: VirtualMachine) -> list[Size]:
    """Of a machine that holds hardware only what that hardware has: sizes of its own generation."""
    if vm.power == "deallocated":
        return list(SIZES)
    return [size for size in SIZES if _generation(size.name) == _generation(vm.size)]


def _generation(name: str) -> str:
    return name.rpartition("_")[2] if re.search(r"_v\d+$", name) else "v1"


@ROUTES.patch(VM, action="Microsoft.Compute/virtualMachines/write")
def update(ctx: Context) -> Answer:
    """Of all that a machine's document can be changed in, its size alone."""
    vm = find_vm(ctx)
    asked = (
        member(ctx.body, "properties", "hardwareProfile", "vmSize") if isinstance(ctx.body, dict) else None
    )
    if ctx.body != {"properties": {"hardwareProfile": {"vmSize": asked}}} or not isinstance(asked, str):
        raise not_modelled("changes of a virtual machine other than of its size")
    size = size_named(asked)
    if size is None:
        message = f"The value {asked} provided for the VM size is not valid."
        raise Refusal(400, "InvalidParameter", message)
    _refuse(ctx, vm, size)
    preempt_operations(ctx.world, vm.id)
    before, vm.size = vm.size, size.name
    vm.provisioning_state, vm.changed_at = "Updating", ctx.now
    vm.version += 1
    ctx.world.store.save(vm)
    seconds = 60.0 if vm.power == "running" else 8.0
    headers = start_operation(ctx, vm, seconds, "compute.resized", vm_id=vm.id, before=before)
    return Answer(200, vm_document(ctx.world, vm), headers)


def _refuse(ctx: Context, vm: VirtualMachine, size: Size) -> None:
    if size.name in CLOSED or set(vm.zones) & set(CLOSED_ZONES.get(size.name, ())):
        message = (
            f"The requested VM size for resource '{vm.id}' is currently not available in location "
            f"'{vm.location}'. Please try another size or deploy to a different location or different zone. "
            "See https://aka.ms/azureskunotavailable for details."
        )
        raise Refusal(409, "SkuNotAvailable", message)
    if size not in (reachable := _reachable(vm)):
        names = ",".join(one.name for one in reachable)
        message = (
            f"Unable to resize the VM {vm.name} because the requested size {size.name} is not available in "
            f"the current hardware cluster. The available sizes in this cluster are: {names}. The requested "
            "size might be available in other clusters of this region. Read more on VM resizing strategy at "
            "https://aka.ms/azure-resizevm."
        )
        raise Refusal(409, "OperationNotAllowed", message)
    if len(vm.data_disks) > size.data_disks:
        message = (
            f"The maximum number of data disks allowed to be attached to a VM of this size is "
            f"{size.data_disks}."
        )
        raise Refusal(409, "OperationNotAllowed", message)
    if full := quota_problem(ctx.world, ctx.params["sub"], vm.location, size, size_named(vm.size)):
        family, limit, used, more = full
        message = (
            f"Operation could not be completed as it results in exceeding approved {family} Cores quota. "
            f"Additional details - Deployment Model: Resource Manager, Location: {vm.location}, Current "
            f"Limit: {limit}, Current Usage: {used}, Additional Required: {more}, (Minimum) New Limit "
            f"Required: {used + more}."
        )
        raise Refusal(409, "OperationNotAllowed", message)


@happens("compute.resized")
def resized(world: World, event: Event) -> None:
    operation = operation_of(world, event)
    vm = world.store.find(VirtualMachine, event.payload["vm_id"])
    if operation is None:
        return
    if vm is None:
        end_operation(world, operation, ("NotFound", "The virtual machine was deleted meanwhile."))
        return
    failed = world.failure_at("Resize", vm.id, 1)
    if failed:
        vm.size = event.payload["before"]
    vm.provisioning_state = "Failed" if failed else "Succeeded"
    vm.changed_at = world.clock.now()
    world.store.save(vm)
    end_operation(world, operation, failed)
