"""Item-level recovery: opening a recovery point for its files, the scripts that mount it, closing it again.

The point says that a session is open; there is no job. The scripts are handed out with the operation's status
in older versions of the API and by a request of their own in newer ones."""

from __future__ import annotations

from ..answers import Answer, Refusal, not_modelled
from ..records.backup import BackupOperation, ProtectedItem, RecoveryPoint
from ..routing import Context, Routes
from ..store import Event
from ..world import World, happens
from .backup import ITEM, ITEM_ACTION, find_item, find_point
from .backup_item_scripts import LASTS, close_disks, new_suffix, recovery_target
from .backup_operations import accepted, end_operation, make_operation
from .bodies import properties_of
from .odata import invalid_input
from .vaults import find_vault

ROUTES = Routes()
POINT = ITEM + "/recoveryPoints/{point}"
ACTION = f"{ITEM_ACTION}/recoveryPoints"


@ROUTES.post(POINT + "/provisionInstantItemRecovery", action=f"{ACTION}/provisionInstantItemRecovery/action")
def provision(ctx: Context) -> Answer:
    item = find_item(ctx)
    point = find_point(ctx.world, item, ctx.params["point"])
    asked = properties_of(ctx)
    if asked.get("objectType") != "IaasVMILRRegistrationRequest":
        raise invalid_input("The request must carry properties of objectType 'IaasVMILRRegistrationRequest'.")
    if str(asked.get("recoveryPointId") or point.name) != point.name:
        raise invalid_input("recoveryPointId must be the recovery point of the path.")
    if item.soft_deleted_at:
        text = "The item is in the soft delete state. Undelete it before its files can be recovered."
        raise Refusal(400, "BMSUserErrorContainerNotUndeleted", text)
    if point.encrypted:
        raise not_modelled("item-level recovery of encrypted machines")
    operation = _start(ctx, 33, 46, "backup.files_opened", item, point)
    operation.script_suffix = new_suffix(ctx.world, item, point)
    ctx.world.store.save(operation)
    return accepted(ctx, operation)


@ROUTES.post(POINT + "/revokeInstantItemRecovery", action=f"{ACTION}/revokeInstantItemRecovery/action")
def revoke(ctx: Context) -> Answer:
    """Also of a point that nobody opened: then nothing changes."""
    item = find_item(ctx)
    point = find_point(ctx.world, item, ctx.params["point"])
    return accepted(ctx, _start(ctx, 5, 20, "backup.files_closed", item, point))


def _start(
    ctx: Context, at_least_s: float, at_most_s: float, event: str, item: ProtectedItem, point: RecoveryPoint
) -> BackupOperation:
    subject_id = ctx.path.partition("/recoveryPoints/")[0]
    operation = make_operation(ctx.world, find_vault(ctx), subject_id, job_id=None, running=True)
    payload = {"operation_id": operation.id, "item_id": item.id, "point": point.name}
    ctx.world.happens_in(ctx.world.store.random.uniform(at_least_s, at_most_s), event, payload)
    return operation


@happens("backup.files_opened")
def files_opened(world: World, event: Event) -> None:
    _mark(world, event, opened=True)


@happens("backup.files_closed")
def files_closed(world: World, event: Event) -> None:
    _mark(world, event, opened=False)


def _mark(world: World, event: Event, *, opened: bool) -> None:
    item = world.store.find(ProtectedItem, event.payload["item_id"])
    points = item.recovery_points if item else []
    point = next((one for one in points if one.name == event.payload["point"]), None)
    if item is None or point is None:
        error = ("BMSUserErrorRecoveryPointNotFound", "The recovery point is gone.")
        end_operation(world, event.payload["operation_id"], error)
        return
    operation = "ProvisionItemRecovery" if opened else "RevokeItemRecovery"
    error_of_fault = world.failure_at(operation, item.vm_id, 1)
    if error_of_fault is None:
        point.files_open_until = world.clock.now() + LASTS if opened else None
        world.store.save(item)
        if not opened:
            close_disks(world, item, point)
    end_operation(world, event.payload["operation_id"], error_of_fault)


@ROUTES.post(
    POINT + "/listInstantItemRecoveryOperationResult",
    action=f"{ACTION}/listInstantItemRecoveryOperationResult/action",
)
def list_scripts(ctx: Context) -> Answer:
    item = find_item(ctx)
    point = find_point(ctx.world, item, ctx.params["point"])
    body = ctx.body if isinstance(ctx.body, dict) else {}
    name = str(body.get("provisionInstantItemRecoveryOperationId") or "")
    operation = ctx.world.store.find(BackupOperation, f"{item.vault_id}/backupOperations/{name}")
    if operation is None or not operation.script_suffix:
        raise Refusal(404, "BMSUserErrorOperationNotFound", f"The operation '{name}' was not found.")
    if operation.status != "Succeeded" or not point.files_are_open(ctx.now):
        raise invalid_input("There is no active item-level recovery session for this operation.")
    return Answer(200, recovery_target(ctx, operation, item, point))
