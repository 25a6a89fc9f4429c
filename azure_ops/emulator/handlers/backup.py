"""Azure Backup's things at rest: lists and gets of protected items, containers, policies, recovery points,
and the protection status of a machine. What runs is in `backup_runs`, `backup_jobs`, `backup_operations`."""

from __future__ import annotations

from collections.abc import Callable

from ..answers import Answer, Json, Refusal
from ..records.backup import ProtectedItem, RecoveryPoint
from ..routing import Context, Routes, paged
from ..world import World
from .backup_documents import (
    live_points,
    policy_document,
    protected_item_document,
    recovery_point_document,
)
from .backup_secondary import (
    copied_points,
    is_secondary,
    secondary_item_document,
    secondary_point_document,
)
from .odata import invalid_input, parse_filter, parse_filter_time
from .vault_usages import usage_document
from .vaults import PROVIDER, VAULT, find_vault

__all__ = ["ROUTES", "policy_document", "protected_item_document", "recovery_point_document"]

ROUTES = Routes()
ITEM = VAULT + "/backupFabrics/{fabric}/protectionContainers/{container}/protectedItems/{item}"
ITEM_ACTION = f"{PROVIDER}/backupFabrics/protectionContainers/protectedItems"
PAGE = 200


def find_item(ctx: Context) -> ProtectedItem:
    """The item that the path names, whatever the casing of its `VM;` and its group."""
    vault = find_vault(ctx)
    fabric, container, item = ctx.params["fabric"], ctx.params["container"], ctx.params["item"]
    path = f"{vault.id}/backupFabrics/{fabric}/protectionContainers/{container}/protectedItems/{item}"
    found = ctx.world.store.find(ProtectedItem, path)
    if found is None:
        message = (
            "Item not found. Selected item might have been deleted. "
            "Please check if item is registered to the vault."
        )
        raise Refusal(404, "BMSUserErrorDataSourceObjectNotFound", message)
    return found


ITEM_FIELDS: dict[str, Callable[[ProtectedItem], str]] = {
    "backupManagementType": lambda item: "AzureIaasVM",
    "itemType": lambda item: "VM",
    "policyName": lambda item: item.policy_name,
    "friendlyName": lambda item: item.vm_id.rsplit("/", 1)[-1],
    "containerName": lambda item: item.name.split(";", 1)[1],
    "healthState": lambda item: item.health_status,
}


@ROUTES.get(VAULT + "/backupProtectedItems", action=f"{PROVIDER}/backupProtectedItems/read")
def list_items(ctx: Context) -> Answer:
    terms = parse_filter(ctx.query.get("$filter", ""), ITEM_FIELDS)
    fields = {name.lower(): field for name, field in ITEM_FIELDS.items()}
    items = [
        item
        for item in ctx.world.store.all(ProtectedItem, find_vault(ctx).id)
        if all(fields[name](item).lower() == value.lower() for name, value in terms.items())
    ]
    document = protected_item_document
    if is_secondary(ctx):
        items, document = [one for one in items if copied_points(ctx.world, one)], secondary_item_document
    page = paged(ctx, items, PAGE, "$skipToken")
    return Answer(200, {**page, "value": [document(ctx.world, one) for one in page["value"]]})


@ROUTES.get(ITEM, action=f"{ITEM_ACTION}/read")
def get_item(ctx: Context) -> Answer:
    parse_filter(ctx.query.get("$filter", ""), ("expand",))
    return Answer(200, protected_item_document(ctx.world, find_item(ctx)))


@ROUTES.get(ITEM + "/recoveryPoints", action=f"{ITEM_ACTION}/recoveryPoints/read")
def list_recovery_points(ctx: Context) -> Answer:
    item = find_item(ctx)
    terms = parse_filter(ctx.query.get("$filter", ""), ("startDate", "endDate"))
    start = parse_filter_time(terms["startdate"]) if "startdate" in terms else None
    end = parse_filter_time(terms["enddate"]) if "enddate" in terms else None
    points = [
        point
        for point in (copied_points if is_secondary(ctx) else live_points)(ctx.world, item)
        if (start is None or point.taken_at >= start) and (end is None or point.taken_at <= end)
    ]
    points.sort(key=lambda point: point.taken_at, reverse=True)
    page = paged(ctx, points, PAGE, "$skipToken")
    document = secondary_point_document if is_secondary(ctx) else recovery_point_document
    documents = [document(ctx.world, item, point) for point in page["value"]]
    return Answer(200, {**page, "value": documents})


@ROUTES.get(ITEM + "/recoveryPoints/{point}", action=f"{ITEM_ACTION}/recoveryPoints/read")
def get_recovery_point(ctx: Context) -> Answer:
    item = find_item(ctx)
    point = find_point(ctx.world, item, ctx.params["point"])
    return Answer(200, recovery_point_document(ctx.world, item, point))


def find_point(world: World, item: ProtectedItem, name: str) -> RecoveryPoint:
    for point in live_points(world, item):
        if point.name == name:
            return point
    raise Refusal(404, "BMSUserErrorRecoveryPointNotFound", f"Recovery point '{name}' was not found.")


@ROUTES.get(VAULT + "/backupUsageSummaries", action=f"{PROVIDER}/backupUsageSummaries/read")
def list_usage_summaries(ctx: Context) -> Answer:
    vault = find_vault(ctx)
    terms = parse_filter(ctx.query.get("$filter", ""), ("type", "backupManagementType"))
    kind = terms.get("type", "").lower()
    items = len(ctx.world.store.all(ProtectedItem, vault.id))
    if kind == "backupprotecteditemcountsummary":
        counts = [("AzureIaasVM", "Azure Virtual Machine", items)]
    elif kind == "backupprotectioncontainercountsummary":
        counts = [("AzureIaasVM", "Azure Virtual Machine", items)] if items else []
    else:
        raise invalid_input("The filter must name a type of summary.")
    return Answer(200, {"value": [usage_document(*count) for count in counts]})


@ROUTES.post(
    "/subscriptions/{sub}/providers/Microsoft.RecoveryServices/locations/{location}/backupStatus",
    action="Microsoft.RecoveryServices/locations/backupStatus/action",
)
def backup_status(ctx: Context) -> Answer:
    body = ctx.body if isinstance(ctx.body, dict) else {}
    vm_id = str(body.get("resourceId") or "")
    if body.get("resourceType") != "VM" or len(vm_id.split("/")) != 9:
        raise invalid_input("resourceType must be 'VM' and resourceId the id of a virtual machine.")
    item = next(
        (one for one in ctx.world.store.all(ProtectedItem) if one.vm_id.lower() == vm_id.lower()), None
    )
    parts = vm_id.split("/")
    short = f"iaasvmcontainerv2;{parts[4].lower()};{parts[8].lower()}"
    status: dict[str, Json] = {"protectionStatus": "Protected" if item else "NotProtected"}
    if item:
        status["vaultId"] = item.vault_id
    status |= {
        "fabricName": "Azure",
        "containerName": f"iaasvmcontainer;{short}",
        "protectedItemName": f"vm;{short}",
        **({"policyName": item.policy_name} if item else {}),
        "protectedItemsCount": 0,
        "objectType": "BackupStatusResponse",
    }
    return Answer(200, status)
