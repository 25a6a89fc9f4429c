"""`POST /providers/Microsoft.ResourceGraph/resources`: scope, paging and the two result formats."""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from datetime import datetime
from typing import Any

from ..answers import Answer, Json
from ..records.tenancy import TENANT_ID_FACT, Subscription
from ..resource_graph.errors import QueryError, no_subscriptions
from ..resource_graph.pipeline import Engine
from ..resource_graph.rows import cells
from ..resource_graph.syntax import parse
from ..resource_graph.tables import Source
from ..resource_graph.values import wire_value
from ..routing import Context, Routes
from ..world import World

ROUTES = Routes()
MAX_ROWS = 1000
TABLE_BY_DEFAULT_BEFORE = "2020-04-01"
"""Versions before this one answer in table format unless asked otherwise."""


@ROUTES.post("/providers/Microsoft.ResourceGraph/resources", action="Microsoft.ResourceGraph/resources/read")
def query_resources(ctx: Context) -> Answer:
    body = ctx.body if isinstance(ctx.body, dict) else {}
    try:
        return Answer(200, _answer(ctx, body))
    except QueryError as error:
        correlation_id = ctx.headers.get("x-ms-correlation-request-id") or str(uuid.uuid4())
        raise error.refusal(ctx.now, correlation_id) from None


def _answer(ctx: Context, body: dict[str, Any]) -> Json:
    query = body.get("query")
    if not isinstance(query, str):
        raise QueryError({"code": "QueryMissing", "message": "The request has no query."})
    options = body.get("options") or {}
    if not isinstance(options, dict):
        raise QueryError({"code": "InvalidOptions", "message": "The options of a query are an object."})
    scope = _scope(ctx.world, body)
    engine = Engine(lambda name: Source(ctx.world, name, scope), ctx.now)
    relation = engine.run(parse(query))

    skip, top = _page(options)
    end = min(skip + top, len(relation.rows))
    rows = [cells(row, relation.columns) for row in relation.rows[skip:end]]
    as_table = _wants_table(options, ctx.api_version)
    answer: dict[str, Json] = {
        "totalRecords": len(relation.rows),
        "count": len(rows),
        "data": _table(relation.columns, rows) if as_table else [_on_the_wire(row) for row in rows],
        "facets": [],
        "resultTruncated": "true" if end < len(relation.rows) else "false",
    }
    if end < len(relation.rows) and "id" in relation.columns and not relation.limited:
        answer["$skipToken"] = _skip_token(end, top)
    return answer


def _scope(world: World, body: dict[str, Any]) -> frozenset[str]:
    """The subscriptions to look into, in lower case; all of them when none is named."""
    known = {one.subscription_id.lower() for one in world.store.all(Subscription)}
    tenant = (world.store.fact(TENANT_ID_FACT) or "").lower()
    groups = body.get("managementGroups") or []
    for group in groups:
        # The root management group is named like the tenant; the world has no other.
        if str(group).lower() != tenant:
            raise QueryError(
                {
                    "code": "ManagementGroupsContainInvalidIds",
                    "message": f"The provided management groups must be valid. Given: '{', '.join(groups)}'.",
                }
            )
    given = [str(one) for one in body.get("subscriptions") or []]
    if not given:
        return frozenset(known)
    wanted = known.intersection(one.lower() for one in given)
    if not wanted:
        raise no_subscriptions(given)
    return frozenset(wanted)


def _page(options: dict[str, Any]) -> tuple[int, int]:
    """(rows to skip, rows to give). A skip token wins over `$skip`."""
    top = options.get("$top", MAX_ROWS)
    if not isinstance(top, int) or not 1 <= top <= MAX_ROWS:
        raise QueryError(
            {"code": "InvalidTop", "message": f"$top must be between 1 and {MAX_ROWS}. Given: '{top}'."}
        )
    token = options.get("$skipToken")
    if not token:
        skip = options.get("$skip") or 0
        if not isinstance(skip, int) or skip < 0:
            raise QueryError(
                {"code": "InvalidSkip", "message": f"$skip must not be negative. Given: '{skip}'."}
            )
        return skip, top
    try:
        return max(0, int(json.loads(base64.b64decode(token, validate=True))["RowsToSkip"])), top
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise QueryError(
            {"code": "InvalidSkipToken", "message": "The provided skip token is not valid."}
        ) from None


def _skip_token(skip: int, rows: int) -> str:
    return base64.b64encode(json.dumps({"$id": "1", "MaxRows": rows, "RowsToSkip": skip}).encode()).decode()


def _wants_table(options: dict[str, Any], api_version: str) -> bool:
    wanted = options.get("resultFormat")
    if wanted is None:
        return api_version < TABLE_BY_DEFAULT_BEFORE
    return str(wanted).lower() == "table"


def _on_the_wire(row: dict[str, Any]) -> dict[str, Json]:
    return {column: wire_value(value) for column, value in row.items()}


def _table(columns: tuple[str, ...], rows: list[dict[str, Any]]) -> Json:
    samples = {
        column: next((row[column] for row in rows if row[column] is not None), None) for column in columns
    }
    return {
        "columns": [{"name": column, "type": _column_type(samples[column])} for column in columns],
        "rows": [[wire_value(value) for value in row.values()] for row in rows],
    }


def _column_type(sample: Any) -> str:
    if isinstance(sample, str):
        return "string"
    if isinstance(sample, bool):
        return "boolean"
    if isinstance(sample, int):
        return "integer"
    if isinstance(sample, float):
        return "number"
    return "datetime" if isinstance(sample, datetime) else "object"
