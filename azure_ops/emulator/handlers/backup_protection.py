"""Protecting a machine and everything that changes its protection: one PUT whose body says which, and one
DELETE. Checked here against the item's state; what they do happens in `backup_item_jobs`."""

from __future__ import annotations

from typing import Any

from ..answers import Answer, Refusal
from ..records.backup import ProtectedItem, Vault, protected_item_id
from ..records.backup_policies import BackupPolicy
from ..records.compute import VirtualMachine
from ..routing import Context, Routes
from .backup import ITEM, ITEM_ACTION, find_item
from .backup_documents import live_points
from .backup_guard import require_guard, require_unlocked
from .backup_item_jobs import running_change, schedule_change, start_change
from .backup_operations import accepted, accepted_by_vault, make_operation
from .backup_policies import denied_on_immutable
from .backup_runs import running_backup
from .bodies import member, properties_of
from .odata import invalid_input
from .vaults import find_vault

ROUTES = Routes()
KINDS = ("microsoft.compute/virtualmachines", "azureiaasvmprotecteditem")
IMMUTABLE = ("Unlocked", "Locked")


@ROUTES.put(ITEM, action=f"{ITEM_ACTION}/write")
def put_item(ctx: Context) -> Answer:
    vault, properties = find_vault(ctx), properties_of(ctx)
    vm_id = str(properties.get("sourceResourceId") or properties.get("virtualMachineId") or "")
    _refuse_names(ctx, vault, properties, vm_id)
    item_id = protected_item_id(vault.id, vm_id)
    item = ctx.world.store.find(ProtectedItem, item_id)
    refuse_held(ctx, item_id)
    state = str(properties.get("protectionState") or "")
    if properties.get("isRehydrate"):
        return _change(ctx, vault, _undeletable(item), "Undelete", {"Undelete flag": "True"}, {})
    if item is not None and item.soft_deleted_at:
        raise Refusal(
            400,
            "BMSUserErrorContainerNotUndeleted",
            "The item is in the soft delete state. Undelete it before any other operation on it.",
        )
    if state in ("ProtectionStopped", "BackupsSuspended"):
        return _stop(ctx, vault, item, state, properties)
    return _configure(ctx, vault, item, vm_id, properties)


def _refuse_names(ctx: Context, vault: Vault, properties: dict[str, Any], vm_id: str) -> None:
    """The path must be the one that belongs to the machine in the body."""
    parts = vm_id.split("/")
    fits = len(parts) == 9 and str(properties.get("protectedItemType") or "").lower() in KINDS
    asked = "/".join(ctx.path.split("/")[-5:])
    if not fits or not protected_item_id(vault.id, vm_id).lower().endswith(asked.lower()):
        raise invalid_protection()


def invalid_protection(
    why: str = "Please ensure that container exists and other parameters are in valid format",
) -> Refusal:
    return Refusal(
        400,
        "BMSUserErrorInvalidConfigureProtectionRequest",
        f"Input for configure protection is not in proper format\r\n{why}",
    )


def refuse_held(ctx: Context, item_id: str) -> None:
    job = running_change(ctx.world, item_id)
    if job is not None:
        raise Refusal(
            409,
            "BMSUserErrorObjectLocked",
            f"Another operation is in progress on the selected item: the job '{job.name}' "
            f"({job.operation}). Please wait until it has ended.",
        )


def _undeletable(item: ProtectedItem | None) -> ProtectedItem:
    if item is None or item.soft_deleted_at is None:
        raise invalid_input("Only an item in the soft delete state can be undeleted.")
    return item


def _stop(
    ctx: Context, vault: Vault, item: ProtectedItem | None, state: str, properties: dict[str, Any]
) -> Answer:
    if item is None:
        raise invalid_protection("Protection of a machine that is not protected cannot be stopped.")
    if state == "BackupsSuspended" and vault.immutability not in IMMUTABLE:
        # from a public report: the service says so of a vault that is not immutable
        raise denied_on_immutable()
    require_guard(ctx, vault, "stopProtectionWithRetainData", properties)
    kept = item.policy_name if state == "BackupsSuspended" else ""
    return _change(ctx, vault, item, "DisableBackup", {"Policy Name": kept}, {"state": state})


def _configure(
    ctx: Context, vault: Vault, item: ProtectedItem | None, vm_id: str, properties: dict[str, Any]
) -> Answer:
    policy = _policy(ctx, vault, str(properties.get("policyId") or ""))
    if item is None:
        vm_id = _refuse_machine(ctx, vault, vm_id).id
    else:
        _refuse_policy_change(ctx, vault, item, policy, properties)
    change = {"policy": policy.name, **_disk_choice(properties)}
    subject = item or ProtectedItem(
        id=protected_item_id(vault.id, vm_id), vm_id=vm_id, os_type="", policy_name="", data_id=""
    )
    return _change(ctx, vault, subject, "ConfigureBackup", {"Policy Name": policy.name}, change)


def _policy(ctx: Context, vault: Vault, policy_id: str) -> BackupPolicy:
    policy = ctx.world.store.find(BackupPolicy, policy_id)
    if policy is None or not policy.id.lower().startswith(f"{vault.id.lower()}/"):
        raise invalid_protection("Please ensure that the policy exists in this vault.")
    if policy.backup_management_type != "AzureIaasVM":
        raise Refusal(
            400,
            "BMSUserErrorInvalidPolicyForGivenProvider",
            "Policy is not valid for given provider type. Please choose valid policy for given provider.",
        )
    return policy


def _refuse_machine(ctx: Context, vault: Vault, vm_id: str) -> VirtualMachine:
    vm = ctx.world.store.find(VirtualMachine, vm_id)
    if vm is None:
        raise invalid_protection()
    if vm.location.lower() != vault.location.lower():
        raise invalid_protection(
            f"The virtual machine is in '{vm.location}', the vault in '{vault.location}': both must be in "
            "the same region."
        )
    if any(item.vm_id.lower() == vm.id.lower() for item in ctx.world.store.all(ProtectedItem)):
        raise Refusal(
            400,
            "UserErrorVmRegisteredWithAnotherVault",
            "Virtual machine is already registered with another recovery services vault. Please select a "
            "different virtual machine for registration.",
        )
    return vm


def _refuse_policy_change(
    ctx: Context, vault: Vault, item: ProtectedItem, policy: BackupPolicy, properties: dict[str, Any]
) -> None:
    if item.policy_type == "V2" and policy.policy_type == "V1":
        raise invalid_input("An item under an enhanced policy cannot be moved to a standard policy.")
    before = ctx.world.store.find(BackupPolicy, f"{vault.id}/backupPolicies/{item.policy_name}")
    if before is None or (policy.daily_retention_days or 0) >= (before.daily_retention_days or 0):
        return
    if vault.immutability in IMMUTABLE:
        raise denied_on_immutable()
    require_guard(ctx, vault, "updateProtectedItem", properties)


def _disk_choice(properties: dict[str, Any]) -> dict[str, Any]:
    """Nothing when the request says nothing of disks, which leaves the choice as it is."""
    choice = member(properties, "extendedProperties", "diskExclusionProperties")
    if choice is None:
        return {}
    luns, included = member(choice, "diskLunList"), member(choice, "isInclusionList")
    numbers = isinstance(luns, list) and all(type(lun) is int and 0 <= lun <= 63 for lun in luns)
    if not numbers or not isinstance(included, bool):
        raise invalid_input("diskExclusionProperties must have diskLunList (0 to 63) and isInclusionList.")
    return {"luns": luns, "included": included}


def _change(
    ctx: Context,
    vault: Vault,
    item: ProtectedItem,
    name: str,
    bag: dict[str, str | None],
    change: dict[str, Any],
) -> Answer:
    job = start_change(ctx.world, item.id, item.vm_id, name, bag, ctx.client_request_id)
    operation = make_operation(ctx.world, vault, ctx.path, job_id=job.name, running=True)
    schedule_change(ctx.world, job, operation.id, item.vm_id, change)
    if ctx.method == "DELETE":
        return accepted_by_vault(ctx, vault, operation)
    return accepted(ctx, operation)


@ROUTES.delete(ITEM, action=f"{ITEM_ACTION}/delete")
def delete_item(ctx: Context) -> Answer:
    vault, item = find_vault(ctx), find_item(ctx)
    if item.soft_deleted_at:
        raise invalid_input("The item is in the soft delete state already.")
    refuse_held(ctx, item.id)
    points = live_points(ctx.world, item)
    if vault.immutability in IMMUTABLE and points:
        raise denied_on_immutable()
    require_unlocked(ctx, vault, item.id, "deleteProtectedItem")
    if running_backup(ctx.world, item):
        raise Refusal(
            409,
            "UserErrorBackupOperationInProgress",
            "Unable to delete backup data as a backup operation is currently in progress.",
        )
    count: dict[str, str | None] = {"Number of Recovery Points": str(len(points))}
    return _change(ctx, vault, item, "DeleteBackupData", count, {})
