"""Paths to handlers: matched without regard to case, `//` collapsed, api-version ignored, as Azure does."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from .answers import Answer, Json, Refusal

if TYPE_CHECKING:
    from .world import World


@dataclass(frozen=True)
class Role:
    """A role definition: action patterns with `*` as wildcard, without regard to case."""

    name: str
    actions: tuple[str, ...]
    not_actions: tuple[str, ...] = ()

    def allows(self, action: str) -> bool:
        return self._covers(self.actions, action) and not self._covers(self.not_actions, action)

    @staticmethod
    def _covers(patterns: tuple[str, ...], action: str) -> bool:
        return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: the identity behind the bearer token."""

    name: str
    object_id: str
    roles: tuple[Role, ...]

    def may(self, action: str) -> bool:
        """One role must allow the action and not take it away again; roles do not subtract from others."""
        return any(role.allows(action) for role in self.roles)


@dataclass(slots=True)
class Context:
    """One request, as a handler sees it."""

    world: World
    principal: Principal
    method: str
    base_url: str
    """`https://127.0.0.1:PORT`, no trailing slash; absolute links start with it."""
    path: str
    """As asked for, percent-decoded."""
    params: dict[str, str]
    """The variable segments of the route, percent-decoded, in the caller's casing."""
    query: dict[str, str]
    """Keys in lower case (`$filter`, `$expand`, `api-version`), values decoded."""
    headers: dict[str, str]
    """Keys in lower case."""
    body: Json | None
    now: datetime
    page_limit: int = 0
    """No list gives more on a page than this; 0 leaves it to the list."""

    @property
    def api_version(self) -> str:
        return self.query.get("api-version", "")

    @property
    def client_request_id(self) -> str:
        return self.headers.get("x-ms-client-request-id", "")


Handler = Callable[[Context], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    pattern: re.Pattern[str]
    template: str
    action: str
    """The permission it needs (`Microsoft.Compute/virtualMachines/read`); empty for none."""
    handler: Handler
    names: tuple[str, ...]


class Routes:
    """A table of routes, most specific first. Handler modules each hold one; the server joins them."""

    def __init__(self) -> None:
        self._routes: list[Route] = []
        self._by_length: dict[int, list[Route]] = {}

    def add(self, method: str, template: str, *, action: str = "") -> Callable[[Handler], Handler]:
        """Registers a handler for a template such as `/subscriptions/{sub}/resourceGroups/{rg}`."""

        def register(handler: Handler) -> Handler:
            names = tuple(re.findall(r"{(\w+)}", template))
            source = "/".join(
                r"([^/]+)" if part.startswith("{") else re.escape(part) for part in template.split("/")
            )
            pattern = re.compile(f"^{source}$", re.IGNORECASE | re.DOTALL)
            self._routes.append(Route(method, pattern, template, action, handler, names))
            return handler

        return register

    def get(self, template: str, *, action: str = "") -> Callable[[Handler], Handler]:
        return self.add("GET", template, action=action)

    def post(self, template: str, *, action: str = "") -> Callable[[Handler], Handler]:
        return self.add("POST", template, action=action)

    def put(self, template: str, *, action: str = "") -> Callable[[Handler], Handler]:
        return self.add("PUT", template, action=action)

    def patch(self, template: str, *, action: str = "") -> Callable[[Handler], Handler]:
        return self.add("PATCH", template, action=action)

    def delete(self, template: str, *, action: str = "") -> Callable[[Handler], Handler]:
        return self.add("DELETE", template, action=action)

    def include(self, other: Routes) -> None:
        self._routes.extend(other._routes)

    def freeze(self) -> None:
        """Literal segments win over variables, whatever the order of registration. Raises `ValueError` for
        a route registered twice."""
        self._routes.sort(key=lambda route: [part.startswith("{") for part in route.template.split("/")])
        self._by_length.clear()
        for route in self._routes:
            of_length = self._by_length.setdefault(route.template.count("/"), [])
            if any(r.method == route.method and r.pattern == route.pattern for r in of_length):
                raise ValueError(f"route {route.method} {route.template} is registered twice")
            of_length.append(route)

    def match(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """`path` is percent-decoded; its repeated slashes are collapsed."""
        clean = _clean(path)
        for route in self._by_length.get(clean.count("/"), ()):
            if route.method == method and (found := route.pattern.match(clean)):
                return route, dict(zip(route.names, found.groups(), strict=True))
        return None

    def methods_of(self, path: str) -> list[str]:
        clean = _clean(path)
        routes = self._by_length.get(clean.count("/"), ())
        return sorted({route.method for route in routes if route.pattern.match(clean)})


def _clean(path: str) -> str:
    return re.sub(r"/{2,}", "/", path).rstrip("/") or "/"


def paged(ctx: Context, items: list[Any], size: int, skip_key: str = "$skiptoken") -> dict[str, Json]:
    """`{"value": […]}` and, when more is left, an absolute `nextLink` (absent otherwise)."""
    from urllib.parse import quote, urlencode

    token = ctx.query.get(skip_key.lower(), "") or "0"
    if not token.isdecimal():
        raise Refusal(400, "InvalidSkipToken", f"The skip token '{token}' is invalid.")
    start, size = int(token), min(size, ctx.page_limit or size)
    page: dict[str, Json] = {"value": items[start : start + size]}
    if start + size < len(items):
        query = {k: v for k, v in ctx.query.items() if k != skip_key.lower()}
        query[skip_key] = str(start + size)
        page["nextLink"] = f"{ctx.base_url}{quote(ctx.path, safe='/;')}?{urlencode(query)}"
    return page
