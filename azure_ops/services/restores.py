"""Restores of Azure Backup: a point as a restore sees it, asking beforehand, and the one request that starts.

A request's body is a document, made once for the plan: what was shown is validated, journalled and sent.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..arm_ids import group_of, name_of, request_path, subscription_of, vault_of
from ..engine.submitted import Submitted, first_answer, once, operation_name, poll_url
from ..errors import NotFound, RecoveryError
from ..model import JobError
from ..restore_rules import RestorePoint, VaultRestores
from ..wire_values import Document, flag, moment, part, parts, text, texts, whole
from . import backup
from .azure_failures import azure_errors
from .backup_documents import machine_name, recovery_point
from .request_log import without_secrets

if TYPE_CHECKING:
    from .session import Session

VALIDATION = "ValidateIaasVMRestoreOperationRequest"


async def read_point(session: Session, item_id: str, name: str) -> RestorePoint:
    """Raises NotFound when it has expired or was deleted."""
    client = session.backup(subscription_of(item_id)).recovery_points
    what = f"Recovery point {name} of {machine_name(item_id)}"
    async with azure_errors(what):
        return restore_point(await client.get(*backup.arguments_of(item_id), name), what)


def restore_point(document: Document, what: str) -> RestorePoint:
    properties = part(document, "properties")
    point = recovery_point(document)
    if point is None:
        raise NotFound(f"{what} tells no time.", "Choose another one.")
    return RestorePoint(
        point=point,
        encrypted=flag(properties, "isSourceVMEncrypted"),
        managed=properties.get("isManagedVirtualMachine") is not False,
        security=text(properties, "securityType"),
        private_access=flag(properties, "isPrivateAccessEnabledOnAnyDisk"),
        size=text(properties, "virtualMachineSize"),
        os_type=text(properties, "osType"),
        zones=texts(properties, "zones"),
        disks={
            lun: text(one, "name")
            for one in parts(part(properties, "recoveryPointDiskConfiguration"), "includedDiskList")
            if (lun := whole(one, "lun")) is not None
        },
    )


async def read_vault(session: Session, vault_id: str) -> VaultRestores:
    client = session.vaults(subscription_of(vault_id)).vaults
    async with azure_errors(f"Vault {name_of(vault_id)}"):
        return vault_restores(await client.get(group_of(vault_id), name_of(vault_id)), vault_id)


def vault_restores(document: Document, vault_id: str) -> VaultRestores:
    properties = part(document, "properties")
    redundancy = part(properties, "redundancySettings")
    switch = part(properties, "restoreSettings", "crossSubscriptionRestoreSettings")
    users = part(document, "identity", "userAssignedIdentities")
    return VaultRestores(
        id=vault_id,
        region=text(document, "location").replace(" ", "").lower(),
        redundancy=text(redundancy, "standardTierStorageRedundancy"),
        cross_region=text(redundancy, "crossRegionRestore").lower() == "enabled",
        cross_subscription=text(switch, "crossSubscriptionRestoreState"),
        own_principal=text(part(document, "identity"), "principalId"),
        user_identities={str(id_): text(part(users, id_), "principalId") for id_ in users},
    )


async def roles_of(session: Session, principal_id: str, scope: str) -> tuple[str, ...]:
    """GUIDs of the roles that a principal was given at the scope or above it; groups count."""
    path = f"{request_path(scope)}/providers/Microsoft.Authorization/roleAssignments"
    params = {"api-version": "2022-04-01", "$filter": f"assignedTo('{principal_id}')"}
    async with azure_errors(f"Role assignments on {name_of(scope)}"):
        page: Document = (await session.send("GET", path, params=params)).json()
        found = [text(part(one, "properties"), "roleDefinitionId") for one in parts(page, "value")]
        while link := text(page, "nextLink"):
            page = await session.get_json(link)
            found += [text(part(one, "properties"), "roleDefinitionId") for one in parts(page, "value")]
    return tuple(name_of(role).lower() for role in found)


async def made_disks(session: Session, group_id: str, prefix: str, since: datetime) -> tuple[str, ...]:
    """Names of the disks that a restore made: those of the group that are called after the VM and are not
    older than the job."""
    client = session.compute(subscription_of(group_id)).disks
    made = []
    async with azure_errors(f"Disks in {name_of(group_id)}"):
        async for document in client.list_by_resource_group(group_of(group_id)):
            name, at = text(document, "name"), moment(part(document, "properties"), "timeCreated")
            if name.lower().startswith(prefix.lower()) and at is not None and at >= since:
                made.append(name)
    return tuple(sorted(made))


async def validate(
    session: Session, item_id: str, point_name: str, body: dict[str, Any]
) -> tuple[JobError, ...]:
    """Why the service would not carry out this restore; empty when it would. Changes nothing."""
    client: Any = session.backup(subscription_of(item_id)).operation
    vault_id = vault_of(item_id)
    asked = {
        "id": f"{item_id}/recoveryPoints/{point_name}",
        "properties": {"objectType": VALIDATION, "restoreRequest": body["properties"]},
    }
    async with azure_errors(f"Restore of {machine_name(item_id)}", doing="validation"):
        answer: Document = await client.validate(name_of(vault_id), group_of(vault_id), asked)
        return verdicts(answer)


def verdicts(answer: Document) -> tuple[JobError, ...]:
    return tuple(
        JobError(
            code=text(one, "code"),
            message=without_secrets(text(one, "message") or text(one, "code")),
            recommendation=without_secrets(" ".join(texts(one, "recommendations"))),
        )
        for one in parts(part(answer, "validateOperationResponse"), "validationResults")
    )


async def start(
    session: Session, item_id: str, point_name: str, body: dict[str, Any], client_request_id: str
) -> Submitted:
    client: Any = session.backup(subscription_of(item_id)).restores
    async with azure_errors(f"Backup item {machine_name(item_id)}", doing="restore"):
        poller = await client.begin_trigger(
            *backup.arguments_of(item_id),
            point_name,
            body,
            polling=first_answer(),
            **once(client_request_id),
        )
        headers = poller.polling_method().answer.headers
    job_id = await _job_of(session, f"{vault_of(item_id)}/backupJobs/{operation_name(headers)}")
    return Submitted(job_id=job_id, resume=poll_url(headers))


async def _job_of(session: Session, job_id: str) -> str:
    """A restore's job has the id of its operation in every recording; empty where there is no such job (yet),
    and then the operation will tell."""
    try:
        return (await backup.read_job(session, job_id)).id
    except RecoveryError:
        return ""
