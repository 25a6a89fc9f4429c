"""Management locks: who lists them, and what they forbid. Nobody in this tenant may set or remove one."""

from __future__ import annotations

from ..answers import Answer, Json, Refusal
from ..records.tenancy import ManagementLock
from ..routing import Context, Routes, paged

ROUTES = Routes()
READ = "Microsoft.Authorization/locks/read"
LOCKS = "/providers/Microsoft.Authorization/locks"
PAGE = 500


@ROUTES.get("/subscriptions/{sub}" + LOCKS, action=READ)
def list_of_subscription(ctx: Context) -> Answer:
    return _list(ctx, f"/subscriptions/{ctx.params['sub']}")


@ROUTES.get("/subscriptions/{sub}/resourceGroups/{rg}" + LOCKS, action=READ)
def list_of_group(ctx: Context) -> Answer:
    return _list(ctx, f"/subscriptions/{ctx.params['sub']}/resourceGroups/{ctx.params['rg']}")


def _list(ctx: Context, scope: str) -> Answer:
    """Those of the scope itself and of everything below it."""
    page = paged(ctx, ctx.world.store.all(ManagementLock, scope), PAGE)
    return Answer(200, {**page, "value": [_document(lock) for lock in page["value"]]})


def _document(lock: ManagementLock) -> dict[str, Json]:
    notes = {"notes": lock.notes} if lock.notes else {}
    return {
        "properties": {"level": lock.level, **notes},
        "id": lock.id,
        "type": "Microsoft.Authorization/locks",
        "name": lock.name,
    }


def require_deletable(ctx: Context, resource_id: str) -> None:
    """Raises the refusal of a deletion that a lock on the resource or above it forbids."""
    wanted = f"{resource_id.lower()}/"
    scopes = [
        lock.scope
        for lock in ctx.world.store.all(ManagementLock)
        if wanted.startswith(f"{lock.scope.lower()}/")
    ]
    if scopes:
        raise Refusal(
            409,
            "ScopeLocked",
            f"The scope '{resource_id}' cannot perform delete operation because following scope(s) are "
            f"locked: '{','.join(scopes)}'. Please remove the lock and try again.",
        )
