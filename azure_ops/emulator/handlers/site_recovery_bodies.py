"""Reads the request bodies of Site Recovery: typed members out, the service's 400 for what is not right."""

from __future__ import annotations

from ..answers import Json
from ..records.site_recovery import ReplicatedItem
from ..routing import Context
from .site_recovery import points_of
from .site_recovery_ids import bad_request, last
from .site_recovery_replication import Point


def properties(ctx: Context) -> dict[str, Json]:
    body = ctx.body if isinstance(ctx.body, dict) else {}
    asked = body.get("properties")
    if not isinstance(asked, dict):
        raise bad_request(ctx, "The request has no properties.", "Send a body with the member properties.")
    return asked


def text(ctx: Context, asked: dict[str, Json], name: str) -> str:
    value = asked.get(name)
    if value is not None and not isinstance(value, str):
        raise bad_request(ctx, f"The property '{name}' is not a string.", f"Correct the property {name}.")
    return value or ""


def choice(
    ctx: Context, asked: dict[str, Json], name: str, allowed: tuple[str, ...], when_absent: str
) -> str:
    value = text(ctx, asked, name) or when_absent
    for word in allowed:
        if word.lower() == value.lower():
            return word
    raise bad_request(
        ctx, f"The value '{value}' is not valid for '{name}'.", f"Use one of: {', '.join(allowed)}."
    )


def chosen_point(ctx: Context, item: ReplicatedItem, asked: dict[str, Json]) -> Point | None:
    """The retained point that `providerSpecificDetails.recoveryPointId` names (an ARM id); None = latest."""
    details = asked.get("providerSpecificDetails")
    if details is not None and not isinstance(details, dict):
        raise bad_request(
            ctx, "providerSpecificDetails is not an object.", "Send an object with instanceType A2A."
        )
    kind = text(ctx, details or {}, "instanceType")
    if kind and kind != "A2A":
        raise bad_request(
            ctx, f"The provider '{kind}' does not replicate this virtual machine.", "Use instanceType A2A."
        )
    wanted = text(ctx, details or {}, "recoveryPointId")
    if not wanted:
        return None
    guid = last(wanted).lower()
    for point in points_of(ctx.world, item, ctx.now):
        if point.guid == guid:
            return point
    raise bad_request(
        ctx,
        f"The recovery point '{last(wanted)}' of the virtual machine '{item.vm_name}' does not exist.",
        "Choose one of the recovery points that are listed now.",
    )
