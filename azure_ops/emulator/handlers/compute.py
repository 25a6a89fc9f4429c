"""Virtual machines: documents with and without instance view, lists, and the power operations.

Lists carry no power state, as the service's do not, unless asked with `statusOnly=true`."""

from __future__ import annotations

from datetime import datetime

from ..answers import Answer, Json, Refusal, resource_not_found
from ..records.compute import RED_HAT, Disk, VirtualMachine
from ..routing import Context, Routes, paged
from ..store import Event
from ..world import World, happens
from .compute_disks import GROUP, SUBSCRIPTION, disk_document, resource_id, scope_of, snapshot_document
from .compute_operations import end_operation, operation_of, preempt_operations, start_operation
from .disk_access import require_closed
from .formats import agent_time, compute_time

__all__ = ["ROUTES", "disk_document", "os_profile", "snapshot_document", "vm_document"]

ROUTES = Routes()
VM = GROUP + "/virtualMachines/{name}"
READ = "Microsoft.Compute/virtualMachines/read"
PAGE = 500


def vm_document(world: World, vm: VirtualMachine, *, instance_view: bool = False) -> dict[str, Json]:
    """`instance_view` adds `properties.instanceView`, as `$expand=instanceView` does."""
    properties: dict[str, Json] = {
        "hardwareProfile": {"vmSize": vm.size},
        "provisioningState": vm.provisioning_state,
        "vmId": vm.vm_id,
        "storageProfile": _storage_profile(world, vm),
        **({"osProfile": os_profile(vm)} if vm.image else {}),
        "networkProfile": {"networkInterfaces": [{"id": nic_id} for nic_id in vm.nic_ids]},
        **({"instanceView": _instance_view(world, vm)} if instance_view else {}),
        "timeCreated": compute_time(vm.time_created),
    }
    return {
        "name": vm.name,
        "id": vm.id,
        "type": "Microsoft.Compute/virtualMachines",
        "location": vm.location,
        "tags": vm.tags,
        **({"zones": vm.zones} if vm.zones else {}),
        "properties": properties,
        "etag": f'"{vm.version}"',
    }


def _storage_profile(world: World, vm: VirtualMachine) -> dict[str, Json]:
    profile: dict[str, Json] = {}
    if vm.image:
        profile["imageReference"] = {
            "publisher": vm.image.publisher,
            "offer": vm.image.offer,
            "sku": vm.image.sku,
            "version": "latest",
            "exactVersion": vm.image.exact_version,
        }
    profile["osDisk"] = {
        "osType": vm.os_type,
        **_attached(world, vm, vm.os_disk_id, "FromImage" if vm.image else "Attach", "ReadWrite"),
    }
    profile["dataDisks"] = [
        {"lun": disk.lun, **_attached(world, vm, disk.disk_id, "Attach", "None"), "toBeDetached": False}
        for disk in vm.data_disks
    ]
    return profile


def _attached(
    world: World, vm: VirtualMachine, disk_id: str, create_option: str, caching: str
) -> dict[str, Json]:
    """Size and type of managed disks are missing once the machine is deallocated."""
    disk = world.store.find(Disk, disk_id)
    known = disk if vm.power != "deallocated" else None
    return {
        "name": disk_id.rsplit("/", 1)[-1],
        "createOption": create_option,
        "caching": caching,
        "managedDisk": {**({"storageAccountType": known.sku} if known else {}), "id": disk_id},
        "deleteOption": "Detach",
        **({"diskSizeGB": known.size_gb} if known else {}),
    }


def os_profile(vm: VirtualMachine) -> dict[str, Json]:
    profile: dict[str, Json] = {"computerName": vm.name, "adminUsername": vm.admin_username}
    if vm.os_type == "Windows":
        profile["windowsConfiguration"] = {
            "provisionVMAgent": True,
            "enableAutomaticUpdates": True,
            "patchSettings": {"patchMode": "AutomaticByOS", "assessmentMode": "ImageDefault"},
        }
    else:
        profile["linuxConfiguration"] = {
            "disablePasswordAuthentication": True,
            "provisionVMAgent": True,
            "patchSettings": {"patchMode": "ImageDefault", "assessmentMode": "ImageDefault"},
        }
    return {
        **profile,
        "secrets": [],
        "allowExtensionOperations": True,
        "requireGuestProvisionSignal": True,
    }


def _instance_view(world: World, vm: VirtualMachine) -> dict[str, Json]:
    changed_at = vm.changed_at or vm.time_created
    view: dict[str, Json] = {}
    if vm.power == "running":
        view = _guest_view(world, vm)
    disk_ids = [vm.os_disk_id, *(disk.disk_id for disk in vm.data_disks)]
    view["disks"] = [
        {"name": disk_id.rsplit("/", 1)[-1], "statuses": [_succeeded(changed_at)]} for disk_id in disk_ids
    ]
    view["hyperVGeneration"] = "V2"
    done = vm.provisioning_state == "Succeeded"
    state = _succeeded(changed_at) if done else _updating(vm, changed_at)
    power = {"code": f"PowerState/{vm.power}", "level": "Info", "displayStatus": f"VM {vm.power}"}
    view["statuses"] = [state, power]
    return view


def _guest_view(world: World, vm: VirtualMachine) -> dict[str, Json]:
    """What the agent tells; an agent that does not report leaves its place filled with `Not Ready`."""
    if not vm.agent_ready:
        status = {
            "code": "ProvisioningState/Unavailable",
            "level": "Warning",
            "displayStatus": "Not Ready",
            "message": "VM status blob is found but not yet populated.",
            "time": agent_time(world.clock.now()),
        }
        return {"vmAgent": {"vmAgentVersion": "Unknown", "statuses": [status]}}
    status = {
        "code": "ProvisioningState/succeeded",
        "level": "Info",
        "displayStatus": "Ready",
        "message": "Guest Agent is running",
        "time": agent_time(world.clock.now()),
    }
    agent = {"vmAgentVersion": vm.agent_version, "statuses": [status], "extensionHandlers": []}
    system: dict[str, Json] = {}
    if vm.image:
        windows = vm.os_type == "Windows"
        version = vm.image.exact_version
        linux = "redhat" if vm.image.publisher == RED_HAT.publisher else "ubuntu"
        system = {
            "computerName": vm.name,
            "osName": f"Windows Server {vm.image.sku.split('-')[0]}" if windows else linux,
            "osVersion": version if windows else ".".join(version.split(".")[:2]),
        }
    return {**system, "vmAgent": agent}


def _succeeded(at: datetime) -> dict[str, Json]:
    return {
        "code": "ProvisioningState/succeeded",
        "level": "Info",
        "displayStatus": "Provisioning succeeded",
        "time": compute_time(at),
    }


def _updating(vm: VirtualMachine, at: datetime) -> dict[str, Json]:
    state = vm.provisioning_state
    return {
        "code": f"ProvisioningState/{state.lower()}",
        "level": "Info",
        "displayStatus": state,
        "time": compute_time(at),
    }


def find_vm(ctx: Context) -> VirtualMachine:
    name = ctx.params["name"]
    vm = ctx.world.store.find(VirtualMachine, resource_id(ctx, "Microsoft.Compute/virtualMachines", name))
    if vm is None:
        raise resource_not_found("Microsoft.Compute/virtualMachines", name, ctx.params["rg"])
    return vm


@ROUTES.get(SUBSCRIPTION + "/virtualMachines", action=READ)
@ROUTES.get(GROUP + "/virtualMachines", action=READ)
def list_vms(ctx: Context) -> Answer:
    with_status = ctx.query.get("statusonly", "").lower() == "true"
    if ctx.query.get("$expand", "").lower() not in ("", "instanceview"):
        raise Refusal(400, "InvalidParameter", f"The $expand '{ctx.query['$expand']}' is not supported.")
    vms = ctx.world.store.all(VirtualMachine, scope_of(ctx))
    if ctx.query.get("$filter"):
        if "'virtualmachinescaleset/id' eq " not in ctx.query["$filter"].lower():
            raise Refusal(400, "InvalidParameter", f"The $filter '{ctx.query['$filter']}' is not supported.")
        vms = []  # the emulator's machines stand alone
    page = paged(ctx, vms, PAGE)
    with_view = with_status or ctx.query.get("$expand", "").lower() == "instanceview"
    documents = [vm_document(ctx.world, vm, instance_view=with_view) for vm in page["value"]]
    return Answer(200, {**page, "value": documents})


@ROUTES.get(VM, action=READ)
def get_vm(ctx: Context) -> Answer:
    vm = find_vm(ctx)
    with_view = ctx.query.get("$expand", "").lower() == "instanceview"
    document = vm_document(ctx.world, vm, instance_view=with_view)
    return Answer(200, document, {"ETag": f'"{vm.version}"'})


@ROUTES.get(VM + "/instanceView", action="Microsoft.Compute/virtualMachines/instanceView/read")
def get_instance_view(ctx: Context) -> Answer:
    return Answer(200, _instance_view(ctx.world, find_vm(ctx)))


@ROUTES.post(VM + "/start", action="Microsoft.Compute/virtualMachines/start/action")
def start(ctx: Context) -> Answer:
    vm = find_vm(ctx)
    for disk_id in (vm.os_disk_id, *(disk.disk_id for disk in vm.data_disks)):
        require_closed(ctx.world, disk_id, f"starting virtual machine '{vm.name}'")
    return _change_power(ctx, vm, "starting", "running", 20)


@ROUTES.post(VM + "/deallocate", action="Microsoft.Compute/virtualMachines/deallocate/action")
def deallocate(ctx: Context) -> Answer:
    return _change_power(ctx, find_vm(ctx), "deallocating", "deallocated", 45)


@ROUTES.post(VM + "/powerOff", action="Microsoft.Compute/virtualMachines/powerOff/action")
def power_off(ctx: Context) -> Answer:
    quick = ctx.query.get("skipshutdown", "").lower() == "true"
    return _change_power(ctx, find_vm(ctx), "stopping", "stopped", 8 if quick else 30)


@ROUTES.post(VM + "/restart", action="Microsoft.Compute/virtualMachines/restart/action")
def restart(ctx: Context) -> Answer:
    vm = find_vm(ctx)
    if vm.power != "running":
        raise Refusal(
            409,
            "OperationNotAllowed",
            f"Cannot restart VM '{vm.name}' because it is not running.",
        )
    return _change_power(ctx, vm, "running", "running", 40)


def _change_power(ctx: Context, vm: VirtualMachine, now: str, then: str, seconds: float) -> Answer:
    """A change to the state it is in already ends quickly and changes nothing."""
    preempt_operations(ctx.world, vm.id)
    nothing_to_do = vm.power == then and now != then
    if not nothing_to_do:
        vm.power, vm.provisioning_state, vm.changed_at = now, "Updating", ctx.now
        vm.version += 1
        ctx.world.store.save(vm)
    headers = start_operation(
        ctx, vm, 1 if nothing_to_do else seconds, "compute.power_changed", vm_id=vm.id, power=then
    )
    return Answer(202, None, headers)


@happens("compute.power_changed")
def power_changed(world: World, event: Event) -> None:
    operation = operation_of(world, event)
    if operation is None:
        return
    vm = world.store.find(VirtualMachine, event.payload["vm_id"])
    if vm is None:
        end_operation(world, operation, ("NotFound", "The virtual machine was deleted meanwhile."))
        return
    failed = world.failure_at("PowerChange", vm.id, 1)
    vm.provisioning_state = "Failed" if failed else "Succeeded"
    if not failed:
        vm.power = event.payload["power"]
    vm.changed_at = world.clock.now()
    world.store.save(vm)
    end_operation(world, operation, failed)
