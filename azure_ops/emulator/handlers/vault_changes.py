"""Creating and changing vaults. Both go on for seconds after their answer; `operationStatus` follows them
and `vault_deletion`.

A new vault has no policies before it is provisioned, and shows less of itself until then."""

from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import quote

from ..answers import Answer, Json, Refusal, not_modelled
from ..records.backup import Vault, VaultOperation
from ..records.backup_policies import starting_policies
from ..routing import Context, Routes
from ..store import Event
from ..world import World, happens
from .backup_guard import require_guard
from .backup_operations import REMEMBERED_S
from .backup_schedule import schedule_runs
from .bodies import member
from .discovery import find_resource_group
from .formats import dotnet_ticks, us_time
from .odata import invalid_input
from .vault_rules import Changes, apply_changes, read_changes, refuse_changes
from .vaults import PROVIDER, VAULT, find_vault, vault_document

ROUTES = Routes()
CREATE, UPDATE, DELETE = 2047, 4095, 1023
"""The number before the GUID in an operation's name."""
NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,49}")


@ROUTES.put(VAULT, action=f"{PROVIDER}/write")
def put_vault(ctx: Context) -> Answer:
    sub, group = ctx.params["sub"], find_resource_group(ctx.world, ctx.params["sub"], ctx.params["rg"])
    body = ctx.body if isinstance(ctx.body, dict) else {}
    location = str(body.get("location") or "").replace(" ", "").lower()
    if not location:
        raise Refusal(400, "LocationRequired", "The location property is required for this definition.")
    vault_id = f"/subscriptions/{sub}/resourceGroups/{group.name}/providers/{PROVIDER}/{ctx.params['vault']}"
    existing = ctx.world.store.find(Vault, vault_id)
    changes = {"tags": {}, **_changes(ctx, existing, body)}
    if existing is not None:
        _refuse_move(existing, location)
        refuse_changes(ctx.world, existing, changes)
        require_guard_for(ctx, existing, changes)
        headers = _start(ctx, existing, UPDATE, changes)
        del headers["Location"]
        return Answer(200, vault_document(ctx.world, existing), headers)
    if not NAME.fullmatch(ctx.params["vault"]):
        raise invalid_input(f"'{ctx.params['vault']}' is not a name for a vault.")
    vault = Vault(id=vault_id, location=location, changed_at=ctx.now, provisioning_state="Provisioning")
    refuse_changes(ctx.world, vault, changes)
    apply_changes(ctx.world, vault, changes)
    vault.provisioning_state = "Provisioning"
    headers = _start(ctx, vault, CREATE, {})
    del headers["Location"]  # recorded: a PUT has the status URL alone
    return Answer(201, vault_document(ctx.world, vault), headers)


@ROUTES.patch(VAULT, action=f"{PROVIDER}/write")
def patch_vault(ctx: Context) -> Answer:
    vault = find_vault(ctx)
    changes = _changes(ctx, vault, ctx.body if isinstance(ctx.body, dict) else {})
    refuse_changes(ctx.world, vault, changes)
    require_guard_for(ctx, vault, changes)
    return Answer(202, None, _start(ctx, vault, UPDATE, changes))


def _changes(ctx: Context, vault: Vault | None, body: dict[str, Any]) -> Changes:
    changes = read_changes(body.get("properties") or {})
    if "tags" in body:
        changes["tags"] = {str(name): str(value) for name, value in (body["tags"] or {}).items()}
    if isinstance(body.get("identity"), dict):
        changes |= _identity_changes(ctx, vault, body["identity"])
    return changes


def _identity_changes(ctx: Context, vault: Vault | None, asked: dict[str, Any]) -> Changes:
    """User-assigned identities that are named join those that the vault has; one set to null leaves."""
    kinds = {word.strip() for word in str(asked.get("type") or "").split(",")}
    if not kinds <= {"None", "SystemAssigned", "UserAssigned"}:
        raise not_modelled(f"vaults with an identity of type '{asked.get('type')}'")
    own = vault.identity_principal_id if vault else None
    users = dict(vault.user_identities) if vault and "UserAssigned" in kinds else {}
    for identity_id, wish in (asked.get("userAssignedIdentities") or {}).items():
        known = next((one for one in users if one.lower() == identity_id.lower()), identity_id)
        if wish is None:
            users.pop(known, None)
        else:
            users.setdefault(known, ctx.world.store.new_guid())
    return {
        "identity_principal_id": (own or ctx.world.store.new_guid()) if "SystemAssigned" in kinds else None,
        "user_identities": users,
    }


def require_guard_for(ctx: Context, vault: Vault, changes: Changes) -> None:
    """Less immutability and less soft delete are critical; the request names the guard in its properties."""
    properties = member(ctx.body, "properties") or {}
    if vault.immutability == "Unlocked" and changes.get("immutability") == "Disabled":
        require_guard(ctx, vault, "reduceImmutabilityState", properties)
    if "Disabled" in (changes.get("soft_delete_state"), changes.get("enhanced_security")):
        require_guard(ctx, vault, "disableSoftDelete", properties)


def _refuse_move(vault: Vault, location: str) -> None:
    if vault.location.lower() != location:
        raise Refusal(
            409,
            "InvalidResourceLocation",
            f"The resource '{vault.name}' already exists in location '{vault.location}' in resource group "
            f"'{vault.id.split('/')[4]}'. A resource with the same name cannot be created in location "
            f"'{location}'. Please select a new resource name.",
        )


def _start(ctx: Context, vault: Vault, number: int, changes: Changes) -> dict[str, str]:
    ctx.world.store.save(vault)
    return start_operation(ctx, vault, number, "vault.changed", {"changes": changes})


def start_operation(
    ctx: Context, vault: Vault, number: int, event: str, payload: dict[str, Json]
) -> dict[str, str]:
    """What `event` will end, and the headers that lead to it."""
    name = base64.b64encode(f"{number};{ctx.world.store.new_guid()}".encode()).decode()
    operation = VaultOperation(id=f"{vault.id}/operationStatus/{name}", started_at=ctx.now)
    ctx.world.store.save(operation)
    payload = {"vault_id": vault.id, "operation_id": operation.id, **payload}
    ctx.world.happens_in(ctx.world.store.random.uniform(1.4, 6.0), event, payload)
    return _headers(ctx, operation)


def _headers(ctx: Context, operation: VaultOperation) -> dict[str, str]:
    vault_id, _, name = operation.id.rpartition("/operationStatus/")
    base, tail = (
        f"{ctx.base_url}{quote(vault_id)}",
        f"api-version={ctx.api_version}&t={dotnet_ticks(ctx.now)}",
    )
    return {
        "Azure-AsyncOperation": f"{base}/operationStatus/{name}?{tail}",
        "Location": f"{base}/operationResults/{name}?{tail}",
        "Retry-After": str(ctx.world.clock.retry_after(60)),
    }


@happens("vault.changed")
def vault_changed(world: World, event: Event) -> None:
    vault = world.store.find(Vault, event.payload["vault_id"])
    operation = world.store.find(VaultOperation, event.payload["operation_id"])
    if vault is None or operation is None:
        return
    error = world.failure_at("VaultChange", vault.id, 1)
    if error is None:
        created = vault.provisioning_state == "Provisioning"
        apply_changes(world, vault, event.payload["changes"])
        for policy in starting_policies(vault.id, run_at=world.clock.now()) if created else ():
            schedule_runs(world, policy)
    end_operation(world, operation, error)


def end_operation(world: World, operation: VaultOperation, error: tuple[str, str] | None) -> None:
    operation.status, operation.error = ("Failed" if error else "Succeeded"), error
    operation.ended_at = world.clock.now()
    world.store.save(operation)
    world.happens_in(REMEMBERED_S, "vault.operation_forgotten", {"operation_id": operation.id})


@happens("vault.operation_forgotten")
def forget_operation(world: World, event: Event) -> None:
    operation = world.store.find(VaultOperation, event.payload["operation_id"])
    if operation is not None:
        world.store.delete(operation)


def _find_operation(ctx: Context) -> VaultOperation:
    """Also of a vault that is no more: its deletion is asked for below its own id."""
    sub, group, vault, name = (ctx.params[part] for part in ("sub", "rg", "vault", "operation"))
    vault_id = f"/subscriptions/{sub}/resourceGroups/{group}/providers/{PROVIDER}/{vault}"
    operation = ctx.world.store.find(VaultOperation, f"{vault_id}/operationStatus/{name}")
    if operation is None:
        raise Refusal(404, "ResourceNotFound", f"The operation '{name}' was not found.")
    return operation


@ROUTES.get(VAULT + "/operationStatus/{operation}", action=f"{PROVIDER}/operationStatus/read")
def get_operation_status(ctx: Context) -> Answer:
    operation = _find_operation(ctx)
    document: dict[str, Json] = {"id": operation.id, "name": operation.name, "status": operation.status}
    if operation.error:  # recorded: only a failed one tells its times, and in this spelling
        document["startTime"] = us_time(operation.started_at)
        document["endTime"] = us_time(operation.ended_at or ctx.now)
        document["error"] = {"code": operation.error[0], "message": operation.error[1]}
    running = operation.status == "InProgress"
    return Answer(200, document, _headers(ctx, operation) if running else {})


@ROUTES.get(VAULT + "/operationResults/{operation}", action=f"{PROVIDER}/operationResults/read")
def get_operation_result(ctx: Context) -> Answer:
    operation = _find_operation(ctx)
    if operation.status == "InProgress":
        return Answer(202, None, _headers(ctx, operation))
    if operation.error:
        raise Refusal(400, *operation.error)
    vault = ctx.world.store.find(Vault, operation.id.rpartition("/operationStatus/")[0])
    return Answer(204) if vault is None else Answer(200, vault_document(ctx.world, vault))
