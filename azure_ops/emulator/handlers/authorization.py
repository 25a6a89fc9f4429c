"""Microsoft.Authorization: what the caller may do at a scope, from the roles of its identity."""

from __future__ import annotations

from ..answers import Answer
from ..routing import Context, Routes

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


for scope in SCOPES:
    ROUTES.get(f"{scope}/providers/Microsoft.Authorization/permissions", action=ACTION)(list_permissions)
