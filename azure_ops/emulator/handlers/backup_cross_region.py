"""Cross-region restore: the secondary region's own sign-in, the token for one point, the restore and its job.

The job belongs to the region, not to the vault: it is asked for by POST and is in no list of the vault."""

from __future__ import annotations

import base64
import hashlib
import uuid
from typing import Any

import msgspec

from ..answers import Answer, Json, Refusal
from ..clock import wire_time
from ..records.backup import BackupJob, BackupOperation, ProtectedItem, RecoveryPoint, Vault
from ..records.tenancy import TENANT_ID_FACT
from ..routing import Context, Routes
from .backup import ITEM, ITEM_ACTION, find_item
from .backup_errors import STORAGE_GONE
from .backup_guard import RESTORE, require_guard
from .backup_jobs import job_document
from .backup_operations import REMEMBERED_S
from .backup_restore_rules import problems_of, read_order
from .backup_restore_runs import start_cross_region_restore
from .backup_secondary import copied_points, secondary_region
from .bodies import properties_of
from .discovery import REGIONS
from .formats import dotnet_ticks, us_time
from .odata import invalid_input, parse_filter
from .vaults import find_vault

ROUTES = Routes()
LOCATION = "/subscriptions/{sub}/providers/Microsoft.RecoveryServices/locations/{location}"
ACTION = "Microsoft.RecoveryServices/locations"
JOB_FIELDS = ("status", "operation", "backupManagementType")


@ROUTES.get(LOCATION + "/backupAadProperties", action=f"{ACTION}/backupAadProperties/read")
def get_aad_properties(ctx: Context) -> Answer:
    parse_filter(ctx.query.get("$filter", ""), ("backupManagementType",))
    location = ctx.params["location"].lower()
    if location not in REGIONS:
        raise invalid_input(f"'{location}' is not a region.")
    return Answer(200, {"properties": _aad_properties(ctx, location)})


def _aad_properties(ctx: Context, location: str) -> dict[str, Json]:
    return {
        "tenantId": ctx.world.store.fact(TENANT_ID_FACT),
        "audience": f"https://RecoveryServices/IaasCoord/aadmgmt/{location}",
        "servicePrincipalObjectId": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"coordinator.{location}")),
    }


def _number(text: str) -> int:
    """The service has numbers of its own for vaults and containers; the same one for the same name."""
    return int.from_bytes(hashlib.sha256(text.lower().encode()).digest()[:8], "big") >> 1


@ROUTES.post(
    ITEM + "/recoveryPoints/{point}/accessToken", action=f"{ITEM_ACTION}/recoveryPoints/accessToken/action"
)
def get_access_token(ctx: Context) -> Answer:
    vault, item = find_vault(ctx), find_item(ctx)
    region = secondary_region(vault)
    if properties_of(ctx) != _aad_properties(ctx, region):
        raise invalid_input(f"The properties must be those of the secondary region, '{region}'.")
    point = _copied_point(ctx, item, ctx.params["point"])
    return Answer(200, {"properties": _access_details(vault, item, point)})


def _copied_point(ctx: Context, item: ProtectedItem, name: str) -> RecoveryPoint:
    for point in copied_points(ctx.world, item):
        if point.name == name:
            return point
    message = f"Recovery point '{name}' was not found in the secondary region."
    raise Refusal(404, "BMSUserErrorRecoveryPointNotFound", message)


def _access_details(vault: Vault, item: ProtectedItem, point: RecoveryPoint) -> dict[str, Json]:
    parts, short = vault.id.split("/"), item.name.split(";", 1)[1]
    stamp = f"backup.{vault.location}.emulator"
    return {
        "objectType": "CrrAccessToken",
        "accessTokenString": _token(item, point),
        "subscriptionId": parts[2],
        "resourceGroupName": parts[4],
        "resourceName": vault.name,
        "resourceId": str(_number(vault.id)),
        "protectionContainerId": _number(short) % 10**7,
        "recoveryPointId": point.name,
        "recoveryPointTime": us_time(point.taken_at),
        "containerName": short,
        "containerType": "IaasVMContainer",
        "backupManagementType": "AzureIaasVM",
        "datasourceType": "VM",
        "datasourceName": item.vm_id.rsplit("/", 1)[-1],
        "datasourceId": item.data_id,
        "datasourceContainerName": short,
        "coordinatorServiceStampUri": f"https://pod01-coord1.{stamp}",
        "protectionServiceStampId": str(uuid.uuid5(uuid.NAMESPACE_DNS, stamp)),
        "protectionServiceStampUri": f"https://pod01-prot1-int.{stamp}",
        "tokenExtendedInformation": f"<IaaSVMRecoveryPointMetadataBase><OsType>{item.os_type}</OsType>"
        f"<VMSizeDescription>{point.vm_size}</VMSizeDescription></IaaSVMRecoveryPointMetadataBase>",
        "rpTierInformation": {"HardenedRP": "Valid"},
        "rpOriginalSAOption": False,
        "rpIsManagedVirtualMachine": True,
        "rpVMSizeDescription": point.vm_size,
        "bMSActiveRegion": REGIONS[vault.location.lower()][0].replace(" ", ""),
    }


def _token(item: ProtectedItem, point: RecoveryPoint) -> str:
    """Three parts like a JWT, unsigned: the emulator looks up what it names."""
    parts = ({"alg": "none", "typ": "JWT"}, {"item": item.id, "point": point.name})
    texts = [base64.urlsafe_b64encode(msgspec.json.encode(part)).decode().rstrip("=") for part in parts]
    return ".".join([*texts, ""])


def _from_token(ctx: Context, details: dict[str, Any]) -> tuple[ProtectedItem, RecoveryPoint]:
    """Raises a 400 for details that are not, unchanged, those that were given out."""
    try:
        payload = str(details.get("accessTokenString")).split(".")[1]
        claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        item = ctx.world.store.find(ProtectedItem, claims["item"])
    except (ValueError, LookupError, TypeError, msgspec.DecodeError):
        item = None
    vault = ctx.world.store.find(Vault, item.vault_id) if item else None
    if item is None or vault is None:
        raise invalid_input("crossRegionRestoreAccessDetails must carry a token of this service.")
    point = _copied_point(ctx, item, claims["point"])
    if details != _access_details(vault, item, point):
        raise invalid_input("crossRegionRestoreAccessDetails must be sent as they were given.")
    return item, point


@ROUTES.post(LOCATION + "/backupCrossRegionRestore", action=f"{ACTION}/backupCrossRegionRestore/action")
def trigger_cross_region_restore(ctx: Context) -> Answer:
    body = ctx.body if isinstance(ctx.body, dict) else {}
    details, asked = body.get("crossRegionRestoreAccessDetails"), body.get("restoreRequest")
    if not isinstance(details, dict) or not isinstance(asked, dict):
        raise invalid_input("The body must have crossRegionRestoreAccessDetails and restoreRequest.")
    item, point = _from_token(ctx, details)
    vault = ctx.world.store.find(Vault, item.vault_id)
    region = ctx.params["location"].lower()
    if vault is None or region != secondary_region(vault):
        raise invalid_input(f"'{region}' is not the secondary region of the vault.")
    if asked.get("recoveryType") == "OriginalLocation":
        raise invalid_input("Disks cannot be replaced from another region.")
    order = read_order(vault, item, point, asked, region)
    if vault.guards_restores:
        require_guard(ctx, vault, RESTORE, asked)
    for problem in problems_of(ctx.world, vault, item, point, order):
        if problem.code != STORAGE_GONE.title:
            raise Refusal(400, problem.code, problem.message)
    order.from_vault, order.zones = True, order.zones or []  # the zones of the point are another region's
    job = start_cross_region_restore(ctx.world, item, point, order, ctx.client_request_id)
    return Answer(202, None, _start_operation(ctx, vault, job))


def _start_operation(ctx: Context, vault: Vault, job: BackupJob) -> dict[str, str]:
    under = job.id.rsplit("/backupJobs/", 1)[0]
    plain = f"{_number(vault.id)};{ctx.world.store.new_guid()}"
    name = base64.b64encode(plain.encode()).decode()
    operation = BackupOperation(
        id=f"{under}/backupCrrOperationsStatus/{name}",
        subject_id=job.item_id,
        started_at=ctx.now,
        job_id=job.name,
    )
    ctx.world.store.save(operation)
    ctx.world.happens_in(REMEMBERED_S, "backup.operation_forgotten", {"operation_id": operation.id})
    tail = f"{name.replace('=', '%3D')}?api-version={ctx.api_version}&t={dotnet_ticks(ctx.now)}"
    return {
        "Azure-AsyncOperation": f"{ctx.base_url}{under}/backupCrrOperationsStatus/{tail}",
        "Location": f"{ctx.base_url}{under}/backupCrrOperationResults/{tail}",
        "Retry-After": str(ctx.world.clock.retry_after(60)),
    }


def _find_operation(ctx: Context) -> BackupOperation:
    name = ctx.params["operation"]
    under = LOCATION.replace("{sub}", ctx.params["sub"]).replace("{location}", ctx.params["location"])
    operation = ctx.world.store.find(BackupOperation, f"{under}/backupCrrOperationsStatus/{name}")
    if operation is None:
        raise Refusal(404, "BMSUserErrorOperationNotFound", f"The operation '{name}' was not found.")
    return operation


@ROUTES.get(
    LOCATION + "/backupCrrOperationsStatus/{operation}", action=f"{ACTION}/backupCrrOperationsStatus/read"
)
def get_operation_status(ctx: Context) -> Answer:
    operation = _find_operation(ctx)
    document = {
        "id": operation.id,
        "name": operation.name,
        "status": operation.status,
        "startTime": wire_time(operation.started_at),
        "endTime": f"{operation.started_at:%Y-%m-%dT%H:%M:%SZ}",  # recorded: whole seconds
        "properties": {"objectType": "OperationStatusJobExtendedInfo", "jobId": operation.job_id},
    }
    return Answer(200, document)


@ROUTES.get(
    LOCATION + "/backupCrrOperationResults/{operation}", action=f"{ACTION}/backupCrrOperationResults/read"
)
def get_operation_result(ctx: Context) -> Answer:
    _find_operation(ctx)
    return Answer(200)


def _jobs(ctx: Context) -> list[BackupJob]:
    """Those of the vault that the body names."""
    body = ctx.body if isinstance(ctx.body, dict) else {}
    vault_id = str(body.get("resourceId") or "").lower()
    under = LOCATION.replace("{sub}", ctx.params["sub"]).replace("{location}", ctx.params["location"])
    jobs = ctx.world.store.all(BackupJob, under)
    return [job for job in jobs if job.item_id.lower().startswith(f"{vault_id}/backupfabrics/")]


@ROUTES.post(LOCATION + "/backupCrrJob", action=f"{ACTION}/backupCrrJob/action")
def get_job(ctx: Context) -> Answer:
    name = str((ctx.body if isinstance(ctx.body, dict) else {}).get("jobName") or "")
    for job in _jobs(ctx):
        if job.name.lower() == name.lower():
            return Answer(200, job_document(ctx.world, job, detail=True))
    raise Refusal(404, "BMSUserErrorJobNotFound", f"The job '{name}' was not found in this region.")


@ROUTES.post(LOCATION + "/backupCrrJobs", action=f"{ACTION}/backupCrrJobs/action")
def list_jobs(ctx: Context) -> Answer:
    terms = parse_filter(ctx.query.get("$filter", ""), JOB_FIELDS)
    wanted = {"status": terms.get("status"), "operation": terms.get("operation")}
    jobs = [
        job
        for job in _jobs(ctx)
        if all(value is None or getattr(job, name).lower() == value.lower() for name, value in wanted.items())
    ]
    jobs.sort(key=lambda job: job.started_at, reverse=True)
    return Answer(200, {"value": [job_document(ctx.world, job, detail=False) for job in jobs]})
