"""How Site Recovery names things: paths, the capital-S prefix, derived guids, look-ups, the service's errors.

Every `site_recovery*` module leans on it; it registers no routes.
"""

from __future__ import annotations

import re
import uuid
from datetime import datetime
from functools import lru_cache
from typing import TypeVar

from ..answers import Refusal, resource_not_found
from ..records.backup import Vault
from ..records.site_recovery import Fabric, ProtectionContainer, ReplicatedItem
from ..routing import Context
from ..store import Record
from ..world import World

R = TypeVar("R", bound=Record)

VAULT = "/subscriptions/{sub}/resourceGroups/{rg}/providers/Microsoft.RecoveryServices/vaults/{vault}"
FABRIC = VAULT + "/replicationFabrics/{fabric}"
CONTAINER = FABRIC + "/replicationProtectionContainers/{container}"
ITEM = CONTAINER + "/replicationProtectedItems/{item}"
TYPE = "Microsoft.RecoveryServices/vaults"
CONTAINER_TYPE = TYPE + "/replicationFabrics/replicationProtectionContainers"
ITEM_TYPE = CONTAINER_TYPE + "/replicationProtectedItems"
ACTION = TYPE
"""Permissions start like the types: `Microsoft.RecoveryServices/vaults/replicationFabrics/read`."""

UNSET_TIME = "0001-01-01T00:00:00"
"""What the service prints for a task's time that is not known yet: no Z."""
NO_SCENARIO_TIME = "1753-01-01T01:01:01Z"


def service_id(resource_id: str) -> str:
    """As Site Recovery prints its own ids: `/Subscriptions/…`."""
    if resource_id[:15].lower() == "/subscriptions/":
        return f"/Subscriptions/{resource_id[15:]}"
    return resource_id


def service_time(at: datetime) -> str:
    """`2022-10-11T19:53:35.76Z`: fraction without trailing zeros."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".") + "Z"


def whole_second(at: datetime) -> str:
    """`2022-10-11T19:55:51Z`: how a job prints its end."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


@lru_cache(maxsize=65536)
def derived_guid(guid: str, purpose: str) -> str:
    """A guid that needs no storing: always the same for this thing and purpose."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{guid.lower()}/{purpose}"))


def last(resource_id: str) -> str:
    return resource_id.rsplit("/", 1)[-1]


@lru_cache(maxsize=65536)
def up_to(resource_id: str, segment: str) -> str:
    """The id of the ancestor that is named by `segment`; empty when it has none."""
    found = re.match(rf"^.*?/{segment}/[^/]+", resource_id, re.IGNORECASE)
    return found.group(0) if found else ""


def vault_of(resource_id: str) -> str:
    return up_to(resource_id, "vaults")


def fabric_of(resource_id: str) -> str:
    return up_to(resource_id, "replicationFabrics")


def container_of(resource_id: str) -> str:
    return up_to(resource_id, "replicationProtectionContainers")


def require_vault(ctx: Context) -> str:
    """The vault's id of this request; the front end's 404 when there is none."""
    vault_id = VAULT.format_map(ctx.params)
    vault = ctx.world.store.find(Vault, vault_id)
    if vault is None:
        raise resource_not_found(TYPE, ctx.params["vault"], ctx.params["rg"])
    return vault.id


def service_refusal(
    ctx: Context, status: int, code: str, detail: str, message: str, causes: str, action: str
) -> Refusal:
    """An error in the service's own shape: `details` carry cause, action and the ids of the request."""
    details = [
        {
            "code": detail,
            "message": message,
            "possibleCauses": causes,
            "recommendedAction": action,
            "clientRequestId": ctx.client_request_id,
            "activityId": str(uuid.uuid4()),  # not from the world's chance: a refusal changes nothing
        }
    ]
    return Refusal(status, code, message, extra={"details": details})


def not_found(ctx: Context, name: str) -> Refusal:
    return service_refusal(
        ctx,
        404,
        "NotFound",
        "ArmResourceDoesNotExist",
        f"Specified resource with name '{name}' does not exist.",
        "Ensure correct resource name was specified.",
        "Verify ARM resource name details.",
    )


def bad_request(ctx: Context, message: str, action: str) -> Refusal:
    """Unverified on Azure: the code of a refused body or filter."""
    return service_refusal(
        ctx, 400, "BadRequest", "InvalidInput", message, "The request is not valid.", action
    )


def require(ctx: Context, kind: type[R], record_id: str) -> R:
    """The record, or the service's 404 after the vault's."""
    require_vault(ctx)
    record = ctx.world.store.find(kind, record_id)
    if record is None:
        raise not_found(ctx, last(record_id))
    return record


def find_container(world: World, container_id: str) -> ProtectionContainer | None:
    """By name or, as `containerIds` and `failoverRecoveryPointId` write it, by guid."""
    found = world.store.find(ProtectionContainer, container_id)
    if found is not None:
        return found
    guid = last(container_id).lower()
    inside = world.store.all(ProtectionContainer, under=fabric_of(container_id))
    return next((container for container in inside if container.guid.lower() == guid), None)


def require_container(ctx: Context) -> ProtectionContainer:
    require_vault(ctx)
    require(ctx, Fabric, FABRIC.format_map(ctx.params))
    container = find_container(ctx.world, CONTAINER.format_map(ctx.params))
    if container is None:
        raise not_found(ctx, ctx.params["container"])
    return container


def require_item(ctx: Context) -> ReplicatedItem:
    container = require_container(ctx)
    item = ctx.world.store.find(
        ReplicatedItem, f"{container.id}/replicationProtectedItems/{ctx.params['item']}"
    )
    if item is None:
        raise not_found(ctx, ctx.params["item"])
    return item


def filters(ctx: Context, allowed: tuple[str, ...]) -> dict[str, str]:
    """`$filter` as `Name eq 'value' and …`, keys in lower case. Raises a 400 for anything else."""
    text = ctx.query.get("$filter", "").strip()
    found: dict[str, str] = {}
    for clause in re.split(r"\s+and\s+", text, flags=re.IGNORECASE) if text else ():
        match = re.fullmatch(r"\(?\s*(\w+)\s+eq\s+'?([^']*?)'?\s*\)?", clause, re.IGNORECASE)
        if match is None or match.group(1).lower() not in {name.lower() for name in allowed}:
            raise bad_request(
                ctx, f"The filter '{clause}' is not supported.", f"Filter by one of: {', '.join(allowed)}."
            )
        found[match.group(1).lower()] = match.group(2)
    return found


def filter_time(ctx: Context, value: str) -> datetime:
    """A time of a filter; UTC where it does not say."""
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise bad_request(ctx, f"'{value}' is not a time.", "Give times as ISO 8601 in UTC.") from None
    return at if at.tzinfo else at.replace(tzinfo=ctx.now.tzinfo)
