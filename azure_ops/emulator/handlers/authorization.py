"""Microsoft.Authorization: what the caller may do at a scope, from the roles of its identity; and the roles
that other principals were given."""

from __future__ import annotations

import re

from ..answers import Answer, Json, not_modelled
from ..clock import wire_time
from ..records.tenancy import RoleAssignment
from ..routing import Context, Routes
from ..world import World

ROUTES = Routes()
ACTION = "Microsoft.Authorization/permissions/read"
SCOPES = (
    "/subscriptions/{sub}",
    "/subscriptions/{sub}/resourcegroups/{rg}",
    "/subscriptions/{sub}/resourcegroups/{rg}/providers/{namespace}/{type}/{name}",
)


def list_permissions(ctx: Context) -> Answer:
    """One entry for each role: actions are taken away within a role, never across roles. Role assignments
    hold for the whole tenant here, so every scope answers alike."""
    return Answer(
        body={
            "value": [
                {
                    "actions": list(role.actions),
                    "notActions": list(role.not_actions),
                    "dataActions": [],
                    "notDataActions": [],
                }
                for role in ctx.principal.roles
            ]
        }
    )


ASSIGNED = re.compile(r"\s*(?:assignedTo\('([0-9a-f-]+)'\)|principalId eq '([0-9a-f-]+)')\s*", re.IGNORECASE)


def assignments_of(world: World, principal_id: str, scope: str) -> list[RoleAssignment]:
    """Those at the scope and above it, which hold there as well."""
    return [
        one
        for one in world.store.all(RoleAssignment, "")
        if one.principal_id.lower() == principal_id.lower()
        and f"{scope.lower()}/".startswith(f"{one.scope.lower()}/")
    ]


def list_assignments(ctx: Context) -> Answer:
    found = ASSIGNED.fullmatch(ctx.query.get("$filter", ""))
    if found is None:
        raise not_modelled("role assignments without a filter for one principal")
    scope = ctx.path.partition("/providers/Microsoft.Authorization/")[0]
    assignments = assignments_of(ctx.world, found[1] or found[2], scope)
    return Answer(body={"value": [_assignment(one) for one in assignments]})


def _assignment(one: RoleAssignment) -> dict[str, Json]:
    subscription = "/".join(one.scope.split("/")[:3])
    roles = f"{subscription}/providers/Microsoft.Authorization/roleDefinitions"
    return {
        "id": one.id,
        "name": one.name,
        "type": "Microsoft.Authorization/roleAssignments",
        "properties": {
            "roleDefinitionId": f"{roles}/{one.role}",
            "principalId": one.principal_id,
            "principalType": "ServicePrincipal",
            "scope": one.scope,
            "createdOn": wire_time(one.created_at),
            "updatedOn": wire_time(one.created_at),
        },
    }


for scope in SCOPES:
    ROUTES.get(f"{scope}/providers/Microsoft.Authorization/permissions", action=ACTION)(list_permissions)
    ROUTES.get(
        f"{scope}/providers/Microsoft.Authorization/roleAssignments",
        action="Microsoft.Authorization/roleAssignments/read",
    )(list_assignments)
