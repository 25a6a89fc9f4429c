"""Backup's operations: the short-lived thing that a request makes. For backups and restores it succeeds as
soon as the job exists; for what changes an item it lasts as long as its job.

Official clients poll the vault-wide `backupOperations/{id}`; the URLs in the headers lead to the same
operation under the item or the job, and those segments of the path are not looked at."""

from __future__ import annotations

from urllib.parse import quote

from ..answers import Answer, Json, Refusal
from ..clock import wire_time
from ..records.backup import BackupOperation, Vault
from ..routing import Context, Routes
from ..store import Event
from ..world import World, happens
from .backup import ITEM, ITEM_ACTION
from .backup_item_scripts import item_recovery_status
from .formats import NOT_YET, dotnet_ticks
from .vaults import PROVIDER, VAULT, find_vault

ROUTES = Routes()
JOB = VAULT + "/backupJobs/{job}"
FABRIC = VAULT + "/backupFabrics/{fabric}"
REMEMBERED_S = 86_400.0
"""So long an operation can still be asked for; its job stays."""


def make_operation(
    world: World, vault: Vault, subject_id: str, *, job_id: str | None, name: str = "", running: bool = False
) -> BackupOperation:
    """On `subject_id` (the item, the job or the fabric, as the caller spelled it). A running one ends with
    `end_operation`."""
    operation = BackupOperation(
        id=f"{vault.id}/backupOperations/{name or world.store.new_guid()}",
        subject_id=subject_id,
        started_at=world.clock.now(),
        job_id=job_id,
        status="InProgress" if running else "Succeeded",
    )
    world.store.save(operation)
    world.happens_in(REMEMBERED_S, "backup.operation_forgotten", {"operation_id": operation.id})
    return operation


def end_operation(world: World, operation_id: str, error: tuple[str, str] | None = None) -> None:
    operation = world.store.find(BackupOperation, operation_id)
    if operation is not None:
        operation.status, operation.error = ("Failed" if error else "Succeeded"), error
        world.store.save(operation)


def accepted(ctx: Context, operation: BackupOperation, *, status_version: str = "") -> Answer:
    """The 202 with its two URLs. `status_version` is the api-version of the status URL, which for some
    operations differs from the request's."""
    under, name, ticks = (
        f"{ctx.base_url}{quote(operation.subject_id, safe='/;')}",
        operation.name,
        dotnet_ticks(ctx.now),
    )
    status_query = f"api-version={status_version or ctx.api_version}&t={ticks}"
    result_query = f"api-version={ctx.api_version}&t={ticks + 1547}"
    headers = {
        "Azure-AsyncOperation": f"{under}/operationsStatus/{name}?{status_query}",
        "Location": f"{under}/operationResults/{name}?{result_query}",
        **_again(ctx),
    }
    return Answer(202, None, headers)


def accepted_by_vault(ctx: Context, vault: Vault, operation: BackupOperation) -> Answer:
    """The same with the vault's own URLs, as the deletion of an item has them."""
    query = f"api-version={ctx.api_version}&t={dotnet_ticks(ctx.now)}"
    headers = {
        "Azure-AsyncOperation": f"{ctx.base_url}{quote(operation.id, safe='/;')}?{query}",
        "Location": f"{ctx.base_url}{quote(vault.id)}/backupOperationResults/{operation.name}?{query}",
        **_again(ctx),
    }
    return Answer(202, None, headers)


@happens("backup.operation_forgotten")
def forget_operation(world: World, event: Event) -> None:
    operation = world.store.find(BackupOperation, event.payload["operation_id"])
    if operation is not None:
        world.store.delete(operation)


def find_operation(ctx: Context) -> BackupOperation:
    name = ctx.params["operation"]
    operation = ctx.world.store.find(BackupOperation, f"{find_vault(ctx).id}/backupOperations/{name}")
    if operation is None:
        raise Refusal(404, "BMSUserErrorOperationNotFound", f"The operation '{name}' was not found.")
    return operation


@ROUTES.get(VAULT + "/backupOperations/{operation}", action=f"{PROVIDER}/backupOperations/read")
@ROUTES.get(ITEM + "/operationsStatus/{operation}", action=f"{ITEM_ACTION}/operationsStatus/read")
@ROUTES.get(
    FABRIC + "/operationsStatus/{operation}", action=f"{PROVIDER}/backupFabrics/operationsStatus/read"
)
@ROUTES.get(JOB + "/operationsStatus/{operation}", action=f"{PROVIDER}/backupJobs/operationsStatus/read")
def get_operation_status(ctx: Context) -> Answer:
    operation = find_operation(ctx)
    running = operation.status == "InProgress"
    document = status_document(operation)
    if operation.script_suffix and operation.status == "Succeeded":
        document["properties"] = item_recovery_status(ctx, operation)
    return Answer(200, document, _again(ctx) if running else {})


def status_document(operation: BackupOperation) -> dict[str, Json]:
    running = operation.status == "InProgress"
    started = wire_time(operation.started_at)
    document: dict[str, Json] = {
        "id": operation.name,
        "name": operation.name,
        "status": operation.status,
        "startTime": started,
        "endTime": NOT_YET if running else started,  # recorded: the end repeats the start
    }
    if operation.error:
        document["error"] = {"code": operation.error[0], "message": operation.error[1]}
    elif operation.job_id and not running:
        document["properties"] = {
            "objectType": "OperationStatusJobExtendedInfo",
            "jobId": operation.job_id,
        }
    return document


@ROUTES.get(VAULT + "/backupOperationResults/{operation}", action=f"{PROVIDER}/backupOperationResults/read")
@ROUTES.get(ITEM + "/operationResults/{operation}", action=f"{ITEM_ACTION}/operationResults/read")
@ROUTES.get(
    FABRIC + "/operationResults/{operation}", action=f"{PROVIDER}/backupFabrics/operationResults/read"
)
@ROUTES.get(JOB + "/operationResults/{operation}", action=f"{PROVIDER}/backupJobs/operationResults/read")
def get_operation_result(ctx: Context) -> Answer:
    operation = find_operation(ctx)
    if operation.status == "InProgress":
        query = f"api-version={ctx.api_version}&t={dotnet_ticks(ctx.now)}"
        again = f"{ctx.base_url}{quote(ctx.path, safe='/;')}?{query}"
        return Answer(202, None, {"Location": again, **_again(ctx)})
    if operation.error:
        raise Refusal(400, *operation.error)
    return Answer(204)


def _again(ctx: Context) -> dict[str, str]:
    return {"Retry-After": str(ctx.world.clock.retry_after(60))}
