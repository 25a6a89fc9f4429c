"""Backup policies: lists, gets, creation, change and deletion. All of them are done when they are answered.

A change takes effect on the points that are there: longer or shorter retention moves their expiry."""

from __future__ import annotations

import re
from datetime import timedelta

from ..answers import Answer, Refusal, not_modelled
from ..records.backup import ProtectedItem, Vault
from ..records.backup_policies import BackupPolicy
from ..routing import Context, Routes, paged
from ..world import World
from .backup_documents import policy_document
from .backup_guard import require_guard
from .backup_policy_rules import normalised, refuse_policy
from .backup_schedule import schedule_runs, unschedule_runs
from .bodies import properties_of
from .odata import invalid_input, parse_filter
from .vaults import PROVIDER, VAULT, find_vault

ROUTES = Routes()
POLICY = VAULT + "/backupPolicies/{policy}"
ACTION = f"{PROVIDER}/backupPolicies"
NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{2,149}")
PAGE = 200
READ_ONLY = {"backupManagementType", "protectedItemsCount", "resourceGuardOperationRequests"}


@ROUTES.get(VAULT + "/backupPolicies", action=f"{ACTION}/read")
def list_policies(ctx: Context) -> Answer:
    terms = parse_filter(ctx.query.get("$filter", ""), ("backupManagementType", "workloadType"))
    wanted = terms.get("backupmanagementtype", "").lower()
    policies = [
        policy
        for policy in ctx.world.store.all(BackupPolicy, find_vault(ctx).id)
        if wanted in ("", policy.backup_management_type.lower())
    ]
    page = paged(ctx, policies, PAGE, "$skipToken")
    return Answer(200, {**page, "value": [policy_document(ctx.world, one) for one in page["value"]]})


@ROUTES.get(POLICY, action=f"{ACTION}/read")
def get_policy(ctx: Context) -> Answer:
    policy = find_policy(ctx.world, find_vault(ctx), ctx.params["policy"])
    return Answer(200, policy_document(ctx.world, policy))


def find_policy(world: World, vault: Vault, name: str) -> BackupPolicy:
    policy = world.store.find(BackupPolicy, f"{vault.id}/backupPolicies/{name}")
    if policy is None:
        raise Refusal(404, "BMSUserErrorPolicyNotFound", f"The policy '{name}' was not found in this vault.")
    return policy


@ROUTES.put(POLICY, action=f"{ACTION}/write")
def put_policy(ctx: Context) -> Answer:
    vault, name = find_vault(ctx), ctx.params["policy"]
    policy_id = f"{vault.id}/backupPolicies/{name}"
    existing = ctx.world.store.find(BackupPolicy, policy_id)
    if not NAME.fullmatch(name):
        raise invalid_input(f"'{name}' is not a name for a policy.")
    policy = _read_policy(ctx, existing.id if existing else policy_id)
    refuse_policy(policy)
    if existing is not None:
        _refuse_change(ctx, vault, existing, policy)
    if existing is not None:
        unschedule_runs(ctx.world, existing)
    schedule_runs(ctx.world, policy)
    for item in items_under(ctx.world, policy):
        apply_retention(ctx.world, item, policy)
    return Answer(200, policy_document(ctx.world, policy))


def _read_policy(ctx: Context, policy_id: str) -> BackupPolicy:
    properties = dict(properties_of(ctx))
    kind = properties.get("backupManagementType")
    if kind != "AzureIaasVM":
        raise not_modelled(f"policies of backupManagementType '{kind}'")
    policy = BackupPolicy(
        id=policy_id,
        policy_type=properties.pop("policyType", None) or "V1",
        schedule_policy=normalised(properties.pop("schedulePolicy", None) or {}),
        retention_policy=normalised(properties.pop("retentionPolicy", None) or {}),
        instant_rp_details=properties.pop("instantRPDetails", None) or {},
        tiering_policy=properties.pop("tieringPolicy", None),
        time_zone=properties.pop("timeZone", None) or "UTC",
    )
    days = properties.pop("instantRpRetentionRangeInDays", None)
    policy.instant_days = days if days is not None else (2 if policy.policy_type == "V1" else 7)
    if unknown := [name for name in properties if name not in READ_ONLY]:
        raise not_modelled(f"the policy property '{unknown[0]}'")
    return policy


def _refuse_change(ctx: Context, vault: Vault, before: BackupPolicy, after: BackupPolicy) -> None:
    if before.backup_management_type != "AzureIaasVM" or before.policy_type != after.policy_type:
        raise invalid_input(f"The type of the policy '{before.name}' cannot be changed.")
    shorter = (after.daily_retention_days or 0) < (before.daily_retention_days or 0)
    if not shorter:
        return
    if vault.immutability in ("Unlocked", "Locked") and items_under(ctx.world, before):
        raise denied_on_immutable()
    require_guard(ctx, vault, "updateProtectionPolicy", properties_of(ctx))


def denied_on_immutable() -> Refusal:
    return Refusal(
        400,
        "UserErrorOperationDeniedOnImmutableItem",
        "The Vault and Backup Item is immutable, hence operation is denied. Refer to the documentation to "
        "learn more: https://aka.ms/AB-ImmutableVaults-States ",
    )


def items_under(world: World, policy: BackupPolicy) -> list[ProtectedItem]:
    vault_id = policy.id.rsplit("/", 2)[0]
    items = world.store.all(ProtectedItem, vault_id)
    return [item for item in items if item.policy_name.lower() == policy.name.lower()]


def apply_retention(world: World, item: ProtectedItem, policy: BackupPolicy) -> None:
    """The points of the daily rule live as long as the policy says now; those on demand keep their own."""
    if policy.daily_retention_days is None:
        return
    for point in item.recovery_points:
        if point.rule == "Daily":
            point.expires_at = point.taken_at + timedelta(days=policy.daily_retention_days)
    world.store.save(item)


@ROUTES.delete(POLICY, action=f"{ACTION}/delete")
def delete_policy(ctx: Context) -> Answer:
    vault = find_vault(ctx)
    policy = ctx.world.store.find(BackupPolicy, f"{vault.id}/backupPolicies/{ctx.params['policy']}")
    if policy is None:
        return Answer(204)
    if items_under(ctx.world, policy):
        raise Refusal(
            400,
            "BMSUserErrorPolicyObjectInUse",
            f"The policy '{policy.name}' is in use: it still has protected items.",
        )
    unschedule_runs(ctx.world, policy)
    ctx.world.store.delete(policy)
    return Answer(200)
