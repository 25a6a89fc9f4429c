"""Every request to Resource Manager: faults, sign-in, route, permission, budget, handler, answer."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
import traceback
import uuid
from datetime import datetime
from http import HTTPStatus

import msgspec
from aiohttp import web

from . import replies
from .answers import Answer, Json, Refusal, not_modelled
from .faults import Fault, FaultTable
from .handlers.discovery import find_resource_group
from .records.tenancy import Subscription
from .replies import Request
from .routing import Context, Principal, Route, Routes
from .throttle import Throttle
from .timekeeping import Timekeeper
from .tokens import TokenOffice, TokenRefused, expired
from .world import World

ANONYMOUS = "/metadata/endpoints"
NOBODY = Principal("", "", ())
READING_ACTIONS = ("/read", "/backupstatus/action", "/backupcrrjob/action", "/backupcrrjobs/action")
"""Endings of actions that change nothing though their method is POST: not counted as mutating."""


class Front:
    def __init__(
        self,
        world: World,
        routes: Routes,
        tokens: TokenOffice,
        throttle: Throttle,
        faults: FaultTable,
        timekeeper: Timekeeper,
        page_limit: int = 0,
    ) -> None:
        self.world = world
        self.base_url = ""
        self._routes = routes
        self._tokens = tokens
        self._throttle = throttle
        self._faults = faults
        self._timekeeper = timekeeper
        self._page_limit = page_limit

    async def __call__(self, http: web.BaseRequest) -> web.StreamResponse:
        request = await replies.read(http)
        if request is None:
            return replies.too_large()
        fault = self._faults.take(request.method, request.path)
        if fault is not None and fault.kind == "slow" and not fault.after:
            await asyncio.sleep(fault.delay_s)
        answer, done_at = self._decide(request, fault)
        if fault is not None and fault.kind == "slow" and fault.after:
            await asyncio.sleep(fault.delay_s)
        if fault is not None and fault.kind == "reset":
            return replies.reset(http)
        response = replies.response(request, answer, done_at)
        if fault is not None and fault.kind == "cut":
            return await replies.cut_short(http, response)
        return response

    # what to answer -----------------------------------------------------------------------------------

    def _decide(self, request: Request, fault: Fault | None) -> tuple[Answer, datetime]:
        """One transaction and one moment of the world for all of it: what the handler changed, the line in
        the request log, and the clock that the answer shows."""
        now = self.world.clock.now()
        catch_up(self.world, now)
        with self.world.store.transaction(), self.world.clock.standing_at(now):
            route = self._route(request)
            if fault is None or fault.spoils_answer or fault.kind == "slow":
                answer = self._answer(request, route, now)
            else:
                answer = self._fault_answer(fault)
            if fault is not None and fault.after:
                answer = self._fault_answer(fault, answer)
            if fault is not None and fault.kind == "malformed":
                answer = _malformed(answer)
            if _changes_something(request, route):
                lost = fault is not None and fault.kind == "reset"
                client_id = request.headers.get("x-ms-client-request-id", "")
                status = 0 if lost else answer.status
                self.world.store.log_request(now, request.method, request.path, status, client_id)
            self._timekeeper.promise()
        return answer, now

    def _route(self, request: Request) -> tuple[Route, dict[str, str]] | None:
        method = "GET" if request.method == "HEAD" else request.method
        return self._routes.match(method, request.path)

    def _answer(
        self, request: Request, matched: tuple[Route, dict[str, str]] | None, now: datetime
    ) -> Answer:
        headers: dict[str, str] = {}
        try:
            principal = NOBODY if _is_anonymous(request) else self._sign_in(request)
            self._check_scope(request)
            if matched is None:
                raise self._unroutable(request)
            route, params = matched
            if "api-version" not in request.query:
                raise Refusal(
                    400,
                    "MissingApiVersionParameter",
                    "The api-version query parameter (?api-version=) is required for all requests.",
                    headers={"x-ms-failure-cause": "gateway"},
                )
            if route.action and not principal.may(route.action):
                raise _forbidden(principal, route.action, request.path)
            if principal is not NOBODY:
                spending = self._throttle.spend(principal, request.method, request.path, route.action)
                headers = spending.headers
                if spending.refusal is not None:
                    raise spending.refusal
            answer = route.handler(self._context(request, principal, params, now))
        except Refusal as refusal:
            answer = refusal.answer()
        except sqlite3.Error:
            raise
        except Exception:
            print(f"error in {request.method} {request.path!r}", file=sys.stderr)
            traceback.print_exc()
            text = "The emulator failed; its log has the traceback."
            answer = Refusal(500, "InternalServerError", text).answer()
        answer.headers = {**headers, **answer.headers}
        if request.method == "HEAD" and answer.status == HTTPStatus.OK:
            return Answer(204, None, answer.headers)
        return answer

    def _sign_in(self, request: Request) -> Principal:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            if scheme.lower() != "bearer" or not token.strip():
                raise TokenRefused(
                    "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."
                )
            return self._tokens.verify(token.strip())
        except TokenRefused as refused:
            raise unauthorized(self._tokens.tenant_id, self.base_url, refused) from refused

    def _check_scope(self, request: Request) -> None:
        """Resource Manager knows its subscriptions and resource groups before any provider is asked."""
        parts = [part for part in request.path.split("/") if part]
        if len(parts) < 2 or parts[0].lower() != "subscriptions":
            return
        gateway = {"x-ms-failure-cause": "gateway"}
        try:
            uuid.UUID(parts[1])
        except ValueError:
            text = f"The provided subscription identifier '{parts[1]}' is malformed or invalid."
            raise Refusal(400, "InvalidSubscriptionId", text, headers=gateway) from None
        if self.world.store.find(Subscription, f"/subscriptions/{parts[1]}") is None:
            text = f"The subscription '{parts[1]}' could not be found."
            raise Refusal(404, "SubscriptionNotFound", text, headers=gateway)
        if len(parts) > 4 and parts[2].lower() == "resourcegroups":
            find_resource_group(self.world, parts[1], parts[3])

    def _unroutable(self, request: Request) -> Refusal:
        known = self._routes.methods_of(request.path)
        if known or "/providers/" in request.path.lower():
            return not_modelled(f"{request.method} {request.path}")
        if request.path.lower().startswith("/subscriptions/"):
            return not_modelled(f"{request.method} {request.path}")
        return Refusal(
            404,
            "MissingSubscription",
            "The request did not have a subscription or a valid tenant level resource provider.",
            headers={"x-ms-failure-cause": "gateway"},
        )

    def _fault_answer(self, fault: Fault, done: Answer | None = None) -> Answer:
        """`done` is what the handler answered, where it was asked."""
        if fault.kind == "expired-token":
            refused = expired(time.time() - 60)
            return unauthorized(self._tokens.tenant_id, self.base_url, refused).answer()
        if fault.kind == "status":
            return fault.answer()
        return done or Answer()

    def _context(
        self, request: Request, principal: Principal, params: dict[str, str], now: datetime
    ) -> Context:
        return Context(
            world=self.world,
            principal=principal,
            method=request.method,
            base_url=self.base_url,
            path=request.path,
            params=params,
            query=request.query,
            headers=request.headers,
            body=_json(request.body),
            now=now,
            page_limit=self._page_limit,
        )


def catch_up(world: World, until: datetime | None = None) -> int:
    """All events that are due. One that fails is named in the log and is over; the others still happen.
    Raises `sqlite3.Error` when the state cannot be written: the server stops then."""
    done = 0
    while True:
        try:
            return done + world.catch_up(until)
        except sqlite3.Error:
            raise
        except Exception as error:
            done += 1
            print(f"error in an event: {error!r}", file=sys.stderr)
            traceback.print_exc()


def _json(body: bytes) -> Json | None:
    if not body.strip():
        return None
    try:
        return msgspec.json.decode(body)
    except msgspec.MsgspecError as error:
        raise Refusal(
            400,
            "InvalidRequestContent",
            f"The request content was invalid and could not be deserialized: '{error}'.",
            headers={"x-ms-failure-cause": "gateway"},
        ) from None


def _is_anonymous(request: Request) -> bool:
    return request.path.rstrip("/").lower() == ANONYMOUS


def _changes_something(request: Request, matched: tuple[Route, dict[str, str]] | None) -> bool:
    if request.method in ("GET", "HEAD"):
        return False
    return matched is None or not matched[0].action.lower().endswith(READING_ACTIONS)


def unauthorized(tenant_id: str, base_url: str, refused: TokenRefused) -> Refusal:
    challenge = (
        f'Bearer authorization_uri="{base_url}/{tenant_id}", error="invalid_token", '
        f'error_description="{refused.message}"'
    )
    headers = {"WWW-Authenticate": challenge, "x-ms-failure-cause": "gateway"}
    return Refusal(401, refused.code, refused.message, headers=headers)


def _forbidden(principal: Principal, action: str, path: str) -> Refusal:
    return Refusal(
        403,
        "AuthorizationFailed",
        f"The client '{principal.name}' with object id '{principal.object_id}' does not have authorization "
        f"to perform action '{action}' over scope '{scope_of(path)}' or the scope is invalid. If access was "
        "recently granted, please refresh your credentials.",
        headers={"x-ms-failure-cause": "gateway"},
    )


def scope_of(path: str) -> str:
    """The resource an action is asked for: without the verb of an action, without the type of a list."""
    parts = [part for part in path.split("/") if part]
    lowered = [part.lower() for part in parts]
    if "providers" in lowered:
        provider = len(lowered) - 1 - lowered[::-1].index("providers")
        if (len(parts) - provider - 2) % 2:
            parts.pop()
    elif len(parts) % 2:
        parts.pop()
    return "/" + "/".join(parts)


def _malformed(answer: Answer) -> Answer:
    body = msgspec.json.encode(answer.body)
    return Answer(answer.status, body[: max(1, len(body) * 2 // 3)], answer.headers)
