"""Exceptions of azure-core, azure-identity, aiohttp and the decoders become our errors here, and only here.

async with azure_errors("the backup item of web-01"):
    item = await client.protected_items.get(…)
"""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from types import TracebackType
from typing import Any

from ..errors import (
    Busy,
    InvalidState,
    NotAllowed,
    NotFound,
    QuotaExceeded,
    RecoveryError,
    ServiceFailed,
    SignInNeeded,
    Throttled,
    Unreachable,
)
from ..wire_values import part, parts, text
from .azure_codes import Known, known
from .request_log import without_secrets
from .throttling import retry_after_s

_LONGEST_TITLE = 240
_LONGEST_DETAILS = 4000
_MISSING_ACTION = re.compile(
    r"not have (?:authorization|permission) to perform action '([^']+)'", re.IGNORECASE
)
"""A linked refusal first names an action that is there, and then the one that is not."""
_MISSING_SCOPE = re.compile(r"(?:over scope|the linked scope\(s\)) '([^']+)'", re.IGNORECASE)
CONNECTION_FAILED = "ConnectionFailed"
"""The code of an Unreachable whose request never left: no address, no connection, no TLS."""
_GATEWAY_GAVE_UP = (408, 499)
"""Refusals in number only: whoever stands in between stopped waiting."""
ANSWER_LOST = "AnswerLost"
"""The code of an Unreachable whose request may have arrived."""


class azure_errors:
    """A context manager, sync and async. `resource` names what was asked for, as a person would."""

    def __init__(self, resource: str, *, doing: str = "") -> None:
        self._resource = resource
        self._doing = doing

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(exc, Exception):
            error = translate(exc, self._resource, doing=self._doing)
            if error is not exc:
                raise error from exc

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, exc, traceback)


def certainly_not_done(error: RecoveryError) -> bool:
    """True when a changing request that ended with this error was refused or never left this machine; False
    when the service may have taken it, so that it has to be looked up."""
    if error.status is not None and 400 <= error.status < 500 and error.status not in _GATEWAY_GAVE_UP:
        return True
    if isinstance(error, Unreachable):
        return error.code in (CONNECTION_FAILED, "CaFileUnusable")
    if error.status is not None:
        return False
    refusals = (SignInNeeded, NotAllowed, NotFound, Busy, InvalidState, Throttled, QuotaExceeded)
    return isinstance(error, refusals)


def translate(exc: Exception, resource: str, *, doing: str = "") -> RecoveryError:
    """The most specific of our errors; one of ours comes back as it is."""
    from azure.core import exceptions as core

    if isinstance(exc, RecoveryError):
        return exc
    name = f"{resource}, {doing}" if doing else resource
    if isinstance(exc, core.ClientAuthenticationError) and exc.status_code != 401:
        # From the sign-in service or the chain of credentials; Resource Manager itself refuses with 401.
        return _no_credential(exc, name)
    # A body that is no JSON is a failed answer whatever its status: a DecodeError is an HttpResponseError.
    # One that was cut off is a DecodeError to azure-core, too.
    if isinstance(exc, core.DecodeError) and not isinstance(exc, core.IncompleteReadError):
        return _garbled(exc, name)
    cut = isinstance(exc, core.IncompleteReadError)
    if isinstance(exc, core.HttpResponseError) and exc.status_code is not None and not cut:
        return from_refusal(exc, name)
    return _network(exc, name) or _garbled(exc, name)


def _no_credential(exc: Any, name: str) -> SignInNeeded:
    return SignInNeeded(
        f"{_sentence(name)}: not signed in to Azure.",
        "Sign in with `az login`, set a managed identity or AZURE_* variables, or answer the device code.",
        code=type(exc).__name__,
        resource=name,
        details=_details(str(exc)),
    )


def _network(exc: Exception, name: str) -> RecoveryError | None:
    import aiohttp
    from azure.core import exceptions as core

    cause: Any = getattr(exc, "inner_exception", None) or exc.__cause__ or exc
    never_left = isinstance(
        cause, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
    ) or isinstance(exc, core.ServiceRequestTimeoutError)
    if never_left:
        reason, step = _why_no_connection(cause)
        return _unreachable(name, reason, step, CONNECTION_FAILED, exc)
    lost = (
        core.ServiceRequestError,
        core.ServiceResponseError,
        core.IncompleteReadError,
        core.HttpResponseError,
        aiohttp.ClientError,
        TimeoutError,
        OSError,
    )
    if not isinstance(exc, lost):
        return None
    if isinstance(exc, (TimeoutError, core.ServiceResponseTimeoutError)) or isinstance(cause, TimeoutError):
        reason = "no answer in time"
    elif isinstance(exc, core.IncompleteReadError) or isinstance(cause, aiohttp.ClientPayloadError):
        reason = "the answer was cut off"
    else:
        reason = "the connection broke before the answer"
    return _unreachable(
        name, reason, "It is read again by itself; check the line if it goes on.", ANSWER_LOST, exc
    )


def _unreachable(name: str, reason: str, step: str, code: str, exc: Exception) -> Unreachable:
    return Unreachable(
        f"{_sentence(name)}: {reason}.", step, code=code, resource=name, details=_details(str(exc))
    )


def _why_no_connection(cause: Any) -> tuple[str, str]:
    import aiohttp

    host = str(getattr(cause, "host", "") or "the endpoint")
    if isinstance(cause, aiohttp.ClientConnectorCertificateError):
        return (
            f"the certificate of {host} is not trusted",
            "Give the endpoint's certificate authority with --ca, or check the system's time and proxies.",
        )
    if isinstance(cause, aiohttp.ClientConnectorDNSError):
        return f"the name {host} cannot be resolved", "Check the name of the endpoint and this machine's DNS."
    if isinstance(cause, aiohttp.ClientSSLError):
        return f"no TLS connection to {host}", "Check the endpoint, and proxies that break up TLS."
    if isinstance(cause, (TimeoutError, aiohttp.ConnectionTimeoutError)):
        return "no connection in time", "Check the line, firewalls and HTTPS_PROXY."
    return f"no connection to {host}", "Check that the endpoint runs and can be reached from here."


def _garbled(exc: Exception, name: str) -> ServiceFailed:
    response = getattr(exc, "response", None)
    return ServiceFailed(
        f"{_sentence(name)}: the service gave an answer that cannot be understood.",
        "It is read again by itself; the details help to report it.",
        code=type(exc).__name__,
        status=getattr(response, "status_code", None),
        resource=name,
        details=_details(f"{type(exc).__name__}: {exc}"),
    )


def from_refusal(exc: Any, name: str) -> RecoveryError:
    """An HttpResponseError: by its code, else by its status."""
    response = exc.response
    headers = response.headers if response is not None else {}
    code, message, advice = _code_and_message(exc)
    status = int(exc.status_code)
    more: dict[str, Any] = {
        "code": code,
        "status": status,
        "request_id": headers.get("x-ms-request-id", "") or headers.get("x-ms-correlation-request-id", ""),
        "resource": name,
        "details": _details(message),
    }
    entry = _entry(code, status, message)
    cause = entry.cause or _first_sentence(message) or f"refused with HTTP {status} {_phrase(status)}".strip()
    title, step = f"{_sentence(name)}: {cause}.", advice or entry.next_step
    if entry.kind is NotAllowed:
        return _not_allowed(name, message, step, title, more)
    if entry.kind is Throttled:
        wait_s = retry_after_s(headers, message)
        step = f"Azure takes it again in {wait_s:.0f} s." if wait_s else "Azure takes it again in a while."
        return Throttled(title, step, retry_after_s=wait_s, **more)
    return entry.kind(title, step, **more)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _not_allowed(name: str, message: str, step: str, title: str, more: dict[str, Any]) -> NotAllowed:
    action = _MISSING_ACTION.search(message)
    if action is None:
        return NotAllowed(title, step, **more)
    scope = _MISSING_SCOPE.search(message)
    where = f" at {scope[1]}" if scope else ""
    return NotAllowed(
        f"{_sentence(name)}: not allowed, '{action[1]}' is missing.",
        f"Ask for a role with this action{where}; a new role takes some minutes to work.",
        missing_action=action[1],
        **more,
    )


_WRAPPERS = ("BadRequest", "Conflict", "NotFound", "InternalServerError")
_BY_STATUS: dict[int, Callable[[], Known]] = {
    400: lambda: Known(InvalidState, "", "The details hold the service's own words."),
    401: lambda: Known(
        SignInNeeded, "the sign-in was not accepted", "Sign in again, for example with `az login`."
    ),
    403: lambda: Known(NotAllowed, "", "Ask for the right that the details name."),
    404: lambda: Known(NotFound, "it does not exist (any more)", "Refresh with r; it may have been deleted."),
    409: lambda: Known(Busy, "", "Wait for what is running on it, then try again."),
    412: lambda: Known(Busy, "it was changed meanwhile", "Refresh with r and try again."),
    429: lambda: Known(Throttled, "too many requests", ""),
}


def _entry(code: str, status: int, message: str) -> Known:
    found = known(code)
    if found is not None and found.kind is not RecoveryError:
        return found
    if code == "OperationNotAllowed":
        if "quota" in message.lower():
            return Known(QuotaExceeded, "", "Have the quota raised, or free some of it.")
        return Known(InvalidState, "", "The details hold the service's own words.")
    if status in _BY_STATUS:
        return _BY_STATUS[status]()
    if status >= 500:
        return Known(ServiceFailed, f"the service failed (HTTP {status})", "It is read again by itself.")
    return Known(RecoveryError, "", "The details hold the service's own words.")


def _code_and_message(exc: Any) -> tuple[str, str, str]:
    """Code, message and the service's own recommendation, if any. Site Recovery wraps the code that says
    something in `details` of a general one."""
    try:
        body = exc.response.json()
    except Exception:  # a body that cannot be read has no code
        body = {}
    error = part(body, "error") if isinstance(body, dict) and "error" in body else part({"b": body}, "b")
    inner = next(parts(error, "details"), error)
    code, message = text(error, "code"), text(error, "message")
    if code in _WRAPPERS and text(inner, "code"):
        code, message = text(inner, "code"), text(inner, "message") or message
    advice = _one_line(text(inner, "recommendedAction"), _LONGEST_TITLE)
    return code, message, advice


def _sentence(name: str) -> str:
    """Starts a sentence with a name that may be hostile or long."""
    return _one_line(name, 120) or "Azure"


def _first_sentence(message: str) -> str:
    line = _one_line(message, _LONGEST_TITLE)
    return re.split(r"(?<=[.!?])\s", line, maxsplit=1)[0].rstrip(".")


def _one_line(text: str, longest: int) -> str:
    line = " ".join(without_secrets(text).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def _details(text: str) -> str:
    return without_secrets(text)[:_LONGEST_DETAILS]
