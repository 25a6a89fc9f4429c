"""Starting a restore, and asking beforehand whether it would succeed."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

from ..answers import Answer, Json, Refusal
from ..records.backup import BackupOperation, ProtectedItem, RecoveryPoint, Vault
from ..records.restores import Problem, RestoreOrder
from ..routing import Context, Routes
from ..store import Event
from ..world import World, happens
from .backup import ITEM, ITEM_ACTION, find_item, find_point
from .backup_errors import STORAGE_GONE
from .backup_guard import RESTORE, require_guard
from .backup_operations import accepted, end_operation, find_operation, make_operation, status_document
from .backup_protection import refuse_held
from .backup_restore_rules import problems_of, read_order
from .backup_restore_runs import start_restore
from .backup_runs import running_backup
from .bodies import properties_of
from .formats import dotnet_ticks
from .odata import invalid_input
from .vaults import PROVIDER, VAULT, find_vault

ROUTES = Routes()
VALIDATION = "ValidateIaasVMRestoreOperationRequest"


@ROUTES.post(ITEM + "/recoveryPoints/{point}/restore", action=f"{ITEM_ACTION}/recoveryPoints/restore/action")
def trigger_restore(ctx: Context) -> Answer:
    vault, item = find_vault(ctx), find_item(ctx)
    point = find_point(ctx.world, item, ctx.params["point"])
    order = read_order(vault, item, point, properties_of(ctx))
    _refuse_item(ctx, item, order)
    if vault.guards_restores:
        require_guard(ctx, vault, RESTORE, properties_of(ctx))
    for problem in problems_of(ctx.world, vault, item, point, order):
        # recorded: a storage account that is missing is noticed by the job, not before
        if problem.code != STORAGE_GONE.title:
            raise Refusal(400, problem.code, problem.message)
    order.from_vault = reads_vault(ctx.now, item, point, order)
    job = start_restore(ctx.world, item, point, order, ctx.client_request_id)
    subject_id = ctx.path.partition("/recoveryPoints/")[0]
    # recorded: a restore's operation and its job have one id
    operation = make_operation(ctx.world, vault, subject_id, job_id=job.name, name=job.name, running=True)
    payload = {"operation_id": operation.id}
    ctx.world.happens_in(ctx.world.store.random.uniform(1, 4), "backup.restore_accepted", payload)
    return accepted(ctx, operation)


def _refuse_item(ctx: Context, item: ProtectedItem, order: RestoreOrder) -> None:
    if item.soft_deleted_at:
        raise Refusal(
            400,
            "BMSUserErrorContainerNotUndeleted",
            "The item is in the soft delete state. Undelete it before it can be restored.",
        )
    refuse_held(ctx, item.id)
    if order.kind == "OriginalLocation" and running_backup(ctx.world, item):
        raise Refusal(
            409,
            "UserErrorBackupOperationInProgress",
            "Unable to replace disks as a backup operation is currently in progress.",
        )


def reads_vault(now: datetime, item: ProtectedItem, point: RecoveryPoint, order: RestoreOrder) -> bool:
    """A snapshot serves while it is there, within its zone and subscription, and for managed disks only."""
    at_home = order.group_id.lower().split("/")[:3] == item.vm_id.lower().split("/")[:3]
    has_snapshot = point.instant_until is not None and now < point.instant_until
    same_zone = order.zones is None or order.zones == point.zones
    return not (has_snapshot and same_zone and order.group_id and at_home)


@happens("backup.restore_accepted")
def restore_accepted(world: World, event: Event) -> None:
    end_operation(world, event.payload["operation_id"])


# validation -------------------------------------------------------------------------------------------------


@ROUTES.post(VAULT + "/backupValidateOperation", action=f"{PROVIDER}/backupValidateOperation/action")
def validate(ctx: Context) -> Answer:
    vault = find_vault(ctx)
    item, asked = _read_validation(ctx, vault)
    return Answer(200, _response(_validate(ctx.world, vault, item, asked)))


@ROUTES.post(
    VAULT + "/backupTriggerValidateOperation", action=f"{PROVIDER}/backupTriggerValidateOperation/action"
)
def trigger_validation(ctx: Context) -> Answer:
    vault = find_vault(ctx)
    item, asked = _read_validation(ctx, vault)
    _validated(ctx.world, vault, item, asked)  # raises here what would make no sense later either
    operation = make_operation(ctx.world, vault, vault.id, job_id=None, running=True)
    payload = {"operation_id": operation.id, "item_id": item.id, "asked": asked}
    ctx.world.happens_in(ctx.world.store.random.uniform(8, 18), "backup.validated", payload)
    return Answer(202, None, _validation_headers(ctx, vault, operation))


def _validation_headers(ctx: Context, vault: Vault, operation: BackupOperation) -> dict[str, str]:
    base, tail = (
        f"{ctx.base_url}{quote(vault.id)}",
        f"{operation.name}?api-version={ctx.api_version}&t={dotnet_ticks(ctx.now)}",
    )
    return {
        "Azure-AsyncOperation": f"{base}/backupValidateOperationsStatuses/{tail}",
        "Location": f"{base}/backupValidateOperationResults/{tail}",
        "Retry-After": str(ctx.world.clock.retry_after(10)),
    }


def _read_validation(ctx: Context, vault: Vault) -> tuple[ProtectedItem, dict[str, Any]]:
    """The restore request inside, with or without `properties` around it, and the item it is about."""
    body = ctx.body if isinstance(ctx.body, dict) else {}
    properties = body["properties"] if isinstance(body.get("properties"), dict) else body
    asked = properties.get("restoreRequest")
    if properties.get("objectType") != VALIDATION or not isinstance(asked, dict):
        raise invalid_input(f"The request must be a {VALIDATION} with a restoreRequest.")
    vm_id = str(asked.get("sourceResourceId") or "").lower()
    for item in ctx.world.store.all(ProtectedItem, vault.id):
        if item.vm_id.lower() == vm_id:
            return item, asked
    raise invalid_input("sourceResourceId must be a virtual machine that this vault protects.")


def _validated(
    world: World, vault: Vault, item: ProtectedItem, asked: dict[str, Any]
) -> tuple[RecoveryPoint, RestoreOrder]:
    point = find_point(world, item, str(asked.get("recoveryPointId") or "").rsplit("/", 1)[-1])
    return point, read_order(vault, item, point, asked)


def _validate(world: World, vault: Vault, item: ProtectedItem, asked: dict[str, Any]) -> list[Problem]:
    point, order = _validated(world, vault, item, asked)
    return problems_of(world, vault, item, point, order)


def _response(problems: list[Problem]) -> dict[str, Json]:
    results = [
        {"code": one.code, "message": one.message, "recommendations": one.recommendations} for one in problems
    ]
    return {"validateOperationResponse": {"validationResults": results}}


@happens("backup.validated")
def validated(world: World, event: Event) -> None:
    operation = world.store.find(BackupOperation, event.payload["operation_id"])
    item = world.store.find(ProtectedItem, event.payload["item_id"])
    if operation is None:
        return
    vault, error = world.store.find(Vault, operation.subject_id), None
    try:
        if item is None or vault is None:
            raise invalid_input("The protected item does not exist any more.")
        operation.problems = _validate(world, vault, item, event.payload["asked"])
    except Refusal as refusal:  # the item or the point went away in these seconds
        error = (refusal.code, refusal.message)
    end_operation(world, operation.id, error)


@ROUTES.get(
    VAULT + "/backupValidateOperationsStatuses/{operation}",
    action=f"{PROVIDER}/backupValidateOperationsStatuses/read",
)
def get_validation_status(ctx: Context) -> Answer:
    vault, operation = find_vault(ctx), find_operation(ctx)
    document = status_document(operation)
    if operation.problems is not None:
        document["properties"] = {
            "objectType": "OperationStatusValidateOperationExtendedInfo",
            **_response(operation.problems),
        }
    running = operation.status == "InProgress"
    return Answer(200, document, _validation_headers(ctx, vault, operation) if running else {})


@ROUTES.get(
    VAULT + "/backupValidateOperationResults/{operation}",
    action=f"{PROVIDER}/backupValidateOperationResults/read",
)
def get_validation_result(ctx: Context) -> Answer:
    vault, operation = find_vault(ctx), find_operation(ctx)
    if operation.status == "InProgress":
        return Answer(202, None, _validation_headers(ctx, vault, operation))
    if operation.error:
        raise Refusal(400, *operation.error)
    return Answer(200, _response(operation.problems or []))
