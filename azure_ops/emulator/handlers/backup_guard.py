"""Resource Guard: a second pair of eyes for critical requests. A vault names its guard in `VaultProxy`; a
critical request then names the guard's own resource for that operation, a deletion is unlocked beforehand.

The guard itself lives elsewhere (another subscription, often another tenant) and is not modelled: who may
read its resource for an operation is taken as approved."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from ..answers import Answer, Json, Refusal
from ..clock import wire_time
from ..records.backup import Vault
from ..routing import Context, Routes
from .bodies import properties_of
from .odata import invalid_input
from .vaults import PROVIDER, VAULT, find_vault

ROUTES = Routes()
PROXIES = VAULT + "/backupResourceGuardProxies"
ACTION = f"{PROVIDER}/backupResourceGuardProxies"
ITEM_WRITE = f"{PROVIDER}/backupFabrics/protectionContainers/protectedItems"
CRITICAL = {
    "deleteProtectedItem": f"{ITEM_WRITE}/delete",
    "updateProtectedItem": f"{ITEM_WRITE}/write",
    "updateProtectionPolicy": f"{PROVIDER}/backupPolicies/write",
    "deleteResourceGuardProxy": f"{PROVIDER}/backupResourceGuardProxies/delete",
    "getBackupSecurityPIN": f"{PROVIDER}/backupSecurityPIN/action",
    "disableSoftDelete": f"{PROVIDER}/backupconfig/write",
    "stopProtectionWithRetainData": f"{ITEM_WRITE}/write#stopProtectionWithRetainData",
    "reduceImmutabilityState": f"{PROVIDER}/write#reduceImmutabilityState",
    "deleteMABIdentity": f"{PROVIDER}/registeredIdentities/delete",
}
"""The guard's word for an operation, and the operation as the proxy lists it."""
RESTORE = "restoreRecoveryPoint"
RESTORE_ACTION = f"{ITEM_WRITE}/recoveryPoints/restore/action"
UNLOCKED_FOR = timedelta(minutes=30)
GUARD = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.DataProtection/resourceGuards/[^/]+",
    re.IGNORECASE,
)


def request_id(vault: Vault, operation: str) -> str:
    return f"{vault.guard_id}/{operation}Requests/default"


def require_guard(ctx: Context, vault: Vault, operation: str, body: dict[str, Any]) -> None:
    """Raises a 403 unless the vault has no guard, or the request names the guard's resource for this
    operation and its sender may read that."""
    if not vault.guard_id:
        return
    wanted = request_id(vault, operation)
    given = body.get("resourceGuardOperationRequests") or []
    if wanted.lower() not in [str(one).lower() for one in given]:
        raise Refusal(
            403,
            "UserErrorResourceGuardApprovalRequired",
            f"The vault is protected by the Resource Guard '{vault.guard_id}': the request must carry "
            f"resourceGuardOperationRequests with '{wanted}'.",
        )
    action = f"Microsoft.DataProtection/resourceGuards/{operation}Requests/read"
    if not ctx.principal.may(action):
        raise Refusal(
            403,
            "LinkedAuthorizationFailed",
            f"The client has permission to perform action '{_action_of(operation)}' on "
            f"scope '{vault.id}', however it does not have permission to perform action '{action}' on the "
            f"linked scope(s) '{wanted}'.",
        )


def _action_of(operation: str) -> str:
    return RESTORE_ACTION if operation == RESTORE else CRITICAL[operation].partition("#")[0]


def require_unlocked(ctx: Context, vault: Vault, resource_id: str, operation: str) -> None:
    """For deletions, whose request has no body that could name the guard."""
    until = vault.unlocked_until.get(resource_id.lower())
    if vault.guard_id and (until is None or until <= ctx.now):
        raise Refusal(
            403,
            "UserErrorResourceGuardApprovalRequired",
            f"The vault is protected by the Resource Guard '{vault.guard_id}': the deletion must be unlocked "
            f"with '{request_id(vault, operation)}' first.",
        )


def _document(vault: Vault) -> dict[str, Json]:
    details = [
        {"vaultCriticalOperation": name, "defaultResourceRequest": request_id(vault, operation)}
        for operation, name in (
            CRITICAL | ({RESTORE: RESTORE_ACTION} if vault.guards_restores else {})
        ).items()
    ]
    return {
        "id": f"{vault.id}/backupResourceGuardProxies/VaultProxy",
        "name": "VaultProxy",
        "type": f"{PROVIDER}/backupResourceGuardProxies",
        "properties": {
            "resourceGuardResourceId": vault.guard_id,
            "resourceGuardOperationDetails": details,
            "lastUpdatedTime": wire_time(vault.guarded_at or vault.changed_at),
        },
    }


@ROUTES.get(PROXIES, action=f"{ACTION}/read")
def list_proxies(ctx: Context) -> Answer:
    vault = find_vault(ctx)
    return Answer(200, {"value": [_document(vault)] if vault.guard_id else []})


def _guarded_vault(ctx: Context) -> Vault:
    vault = find_vault(ctx)
    if ctx.params["proxy"].lower() != "vaultproxy" or not vault.guard_id:
        message = f"The Resource Guard proxy '{ctx.params['proxy']}' was not found in this vault."
        raise Refusal(404, "ResourceNotFound", message)
    return vault


@ROUTES.get(PROXIES + "/{proxy}", action=f"{ACTION}/read")
def get_proxy(ctx: Context) -> Answer:
    return Answer(200, _document(_guarded_vault(ctx)))


@ROUTES.put(PROXIES + "/{proxy}", action=f"{ACTION}/write")
def put_proxy(ctx: Context) -> Answer:
    vault, properties = find_vault(ctx), properties_of(ctx)
    guard_id = str(properties.get("resourceGuardResourceId") or "")
    if ctx.params["proxy"].lower() != "vaultproxy" or not GUARD.fullmatch(guard_id):
        raise invalid_input("The proxy must be named 'VaultProxy' and name a Resource Guard.")
    if vault.guard_id:  # exchanging a guard takes the old one away
        require_guard(ctx, vault, "deleteResourceGuardProxy", properties)
    # recorded: the guard's ids come back with `resourcegroups` in lower case
    vault.guard_id = re.sub("/resourceGroups/", "/resourcegroups/", guard_id, flags=re.IGNORECASE)
    vault.guarded_at = ctx.now
    asked = properties.get("resourceGuardOperationDetails") or []
    vault.guards_restores = any(one.get("vaultCriticalOperation") == RESTORE_ACTION for one in asked)
    ctx.world.store.save(vault)
    return Answer(200, _document(vault))


@ROUTES.post(PROXIES + "/{proxy}/unlockDelete", action=f"{ACTION}/unlockDelete/action")
def unlock_delete(ctx: Context) -> Answer:
    vault = _guarded_vault(ctx)
    body = ctx.body if isinstance(ctx.body, dict) else {}
    resource_id = body.get("resourceToBeDeleted")
    require_guard(ctx, vault, "deleteProtectedItem" if resource_id else "deleteResourceGuardProxy", body)
    until = ctx.now + UNLOCKED_FOR
    vault.unlocked_until[str(resource_id or _document(vault)["id"]).lower()] = until
    ctx.world.store.save(vault)
    return Answer(200, {"unlockDeleteExpiryTime": wire_time(until)})


@ROUTES.delete(PROXIES + "/{proxy}", action=f"{ACTION}/delete")
def delete_proxy(ctx: Context) -> Answer:
    vault = _guarded_vault(ctx)
    require_unlocked(ctx, vault, _document(vault)["id"], "deleteResourceGuardProxy")
    vault.guard_id, vault.guarded_at, vault.unlocked_until = "", None, {}
    ctx.world.store.save(vault)
    return Answer(200)
