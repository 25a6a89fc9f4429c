"""Containers and protectable machines: what a vault could protect, what it does, what it did and has deleted.

A vault learns of new machines by `refreshContainers`, and by itself within a day."""

from __future__ import annotations

from datetime import timedelta

from ..answers import Answer, Json, Refusal
from ..records.backup import ProtectedItem, Vault, container_short_name
from ..records.compute import VirtualMachine
from ..routing import Context, Routes, paged
from ..store import Event
from ..world import World, happens
from .backup_documents import container_document
from .backup_operations import FABRIC, accepted, end_operation, make_operation
from .odata import invalid_input, parse_filter
from .vaults import PROVIDER, VAULT, find_vault

ROUTES = Routes()
PAGE = 200
FOUND_BY_ITSELF = timedelta(days=1)


@ROUTES.get(VAULT + "/backupProtectionContainers", action=f"{PROVIDER}/backupProtectionContainers/read")
def list_containers(ctx: Context) -> Answer:
    items = ctx.world.store.all(ProtectedItem, find_vault(ctx).id)
    return _containers(ctx, items)


@ROUTES.get(
    VAULT + "/backupDeletedProtectionContainers",
    action=f"{PROVIDER}/backupDeletedProtectionContainers/read",
)
def list_deleted_containers(ctx: Context) -> Answer:
    items = ctx.world.store.all(ProtectedItem, find_vault(ctx).id)
    return _containers(ctx, [item for item in items if item.soft_deleted_at])


def _containers(ctx: Context, items: list[ProtectedItem]) -> Answer:
    known = ("backupManagementType", "status", "friendlyName", "containerType")
    terms = parse_filter(ctx.query.get("$filter", ""), known)
    if "backupmanagementtype" not in terms:
        raise invalid_input("The filter must name backupManagementType.")
    found = []
    for item in items:
        document = container_document(item)
        properties = {
            **{name.lower(): value for name, value in document["properties"].items()},
            "status": document["properties"]["registrationStatus"],
        }
        if all(str(properties[name]).lower() == value.lower() for name, value in terms.items()):
            found.append(document)
    return Answer(200, paged(ctx, found, PAGE, "$skipToken"))


def protectable(world: World, vault: Vault) -> list[VirtualMachine]:
    """Machines of the vault's region and subscription that no vault protects, as far as this one knows."""
    taken = {item.vm_id.lower() for item in world.store.all(ProtectedItem)}
    known_until = world.clock.now() - FOUND_BY_ITSELF
    if vault.refreshed_at is not None:
        known_until = max(known_until, vault.refreshed_at)
    subscription = "/".join(vault.id.split("/")[:3])
    return [
        vm
        for vm in world.store.all(VirtualMachine, subscription)
        if vm.location.lower() == vault.location.lower()
        and vm.id.lower() not in taken
        and vm.time_created <= known_until
    ]


def protectable_document(vault: Vault, vm: VirtualMachine) -> dict[str, Json]:
    short = container_short_name(vm.id)
    container_id = f"{vault.id}/backupFabrics/Azure/protectionContainers/IaasVMContainer;{short}"
    return {
        "id": f"{container_id}/protectableItems/vm;{short}",
        "name": short,  # recorded: without the `vm;` that its id has
        "type": f"{PROVIDER}/backupFabrics/protectionContainers/protectableItems",
        "properties": {
            "virtualMachineId": vm.id,
            "virtualMachineVersion": "Compute",
            "resourceGroup": vm.id.split("/")[4],
            "backupManagementType": "AzureIaasVM",
            "protectableItemType": "Microsoft.Compute/virtualMachines",
            "friendlyName": vm.name,
            "protectionState": "NotProtected",
        },
    }


@ROUTES.get(VAULT + "/backupProtectableItems", action=f"{PROVIDER}/backupProtectableItems/read")
def list_protectable_items(ctx: Context) -> Answer:
    terms = parse_filter(ctx.query.get("$filter", ""), ("backupManagementType", "friendlyName"))
    if terms.get("backupmanagementtype", "").lower() != "azureiaasvm":
        raise invalid_input("The filter must name the backupManagementType 'AzureIaasVM'.")
    vault, name = find_vault(ctx), terms.get("friendlyname")
    machines = [vm for vm in protectable(ctx.world, vault) if name is None or vm.name.lower() == name.lower()]
    page = paged(ctx, machines, PAGE, "$skipToken")
    return Answer(200, {**page, "value": [protectable_document(vault, vm) for vm in page["value"]]})


@ROUTES.post(FABRIC + "/refreshContainers", action=f"{PROVIDER}/backupFabrics/refreshContainers/action")
def refresh_containers(ctx: Context) -> Answer:
    vault = find_vault(ctx)
    if ctx.params["fabric"].lower() != "azure":
        raise Refusal(404, "BMSUserErrorFabricNotFound", f"There is no fabric '{ctx.params['fabric']}'.")
    parse_filter(ctx.query.get("$filter", ""), ("backupManagementType",))
    subject_id = ctx.path.rsplit("/", 1)[0]
    operation = make_operation(ctx.world, vault, subject_id, job_id=None, running=True)
    payload = {"vault_id": vault.id, "operation_id": operation.id}
    ctx.world.happens_in(ctx.world.store.random.uniform(4, 14), "backup.refreshed", payload)
    return accepted(ctx, operation, status_version="2019-05-13-preview")


@happens("backup.refreshed")
def refreshed(world: World, event: Event) -> None:
    vault = world.store.find(Vault, event.payload["vault_id"])
    if vault is not None:
        vault.refreshed_at = world.clock.now()
        world.store.save(vault)
    end_operation(world, event.payload["operation_id"])
