"""The ways in which Resource Graph refuses a query: always 400 `BadRequest`, the reason in `details`."""

from __future__ import annotations

from datetime import datetime

from ..answers import Json, Refusal
from ..clock import wire_time

INVALID_QUERY = {
    "code": "InvalidQuery",
    "message": "Query is invalid. Please refer to the documentation for the Azure Resource Graph service "
    "and fix the error before retrying.",
}


class QueryError(Exception):
    """Carries the service's `details`; `refusal` puts the envelope around them."""

    def __init__(self, *details: dict[str, Json]) -> None:
        super().__init__(str(details[-1].get("message", "")))
        self.details = list(details)

    def refusal(self, now: datetime, correlation_id: str) -> Refusal:
        message = (
            "Please provide below info when asking for support: "
            f"timestamp = {wire_time(now)}, correlationId = {correlation_id}."
        )
        return Refusal(400, "BadRequest", message, extra={"details": self.details})


def parser_failure(
    *, line: int, column: int, token: str | None = None, expected: str | None = None
) -> QueryError:
    """`line` counts from 1, `column` from 0, as the service's parser counts them."""
    detail: dict[str, Json] = {
        "code": "ParserFailure",
        "message": "ParserFailure",
        "line": line,
        "characterPositionInLine": column,
    }
    if token is not None:
        detail["token"] = token
    if expected is not None:
        detail["expectedToken"] = expected
    return QueryError(INVALID_QUERY, detail)


def unsupported(word: str) -> QueryError:
    """An operator or function of Kusto that this Resource Graph does not speak."""
    return QueryError(
        INVALID_QUERY,
        {
            "code": "InvalidQueryLanguage",
            "message": "InvalidQueryLanguage",
            "line": -1,
            "characterPositionInLine": -1,
            "token": word,
        },
    )


def unresolved(operator: str, name: str) -> QueryError:
    """A column that does not exist at this point of the query."""
    message = f"'{operator}' operator: Failed to resolve scalar expression named '{name}'"
    return QueryError(INVALID_QUERY, {"code": "Default", "message": message})


def semantic(message: str) -> QueryError:
    return QueryError(INVALID_QUERY, {"code": "Default", "message": message})


def unknown_table(name: str) -> QueryError:
    return QueryError(
        {
            "code": "DisallowedLogicalTableName",
            "message": f"Table {name} is invalid, unsupported or disallowed.",
        }
    )


def no_subscriptions(given: list[str]) -> QueryError:
    return QueryError(
        {
            "code": "NoValidSubscriptionsInQueryRequest",
            "message": "There must be at least one subscription that is eligible to contain resources. "
            f"Given: '{', '.join(given)}'.",
        }
    )
