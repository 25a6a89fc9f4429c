"""Faults on request: which requests go wrong, how, and how often. In memory only; `admin` fills the table,
the front asks it before and after each handler, the world asks `steps` at each step of a job."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Any, Literal

import msgspec

from . import failing_steps
from .answers import Answer

Kind = Literal["status", "reset", "slow", "cut", "malformed", "expired-token", "fail-step"]

DEFAULT_ERRORS = {
    403: ("AuthorizationFailed", "The client does not have authorization to perform this action."),
    404: ("ResourceNotFound", "The resource was not found."),
    409: ("Conflict", "Another operation is in progress on the resource."),
    412: ("PreconditionFailed", "The resource has changed meanwhile."),
    429: ("TooManyRequests", "The request was throttled. Please try again later."),
    500: ("InternalServerError", "Encountered internal server error."),
    502: ("BadGatewayConnection", "The network connectivity issue encountered."),
    503: ("ServerTimeout", "The request timed out."),
    504: ("GatewayTimeout", "The gateway did not receive a response within the specified time period."),
}
"""Codes as recorded, by status; a fault may name its own."""


UNSAID = "An internal error occurred."
"""What a failing step says when the fault gives it no words; whoever knows the code better says more."""


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One row of the table. `path` is a glob over the decoded path without its query (`*` crosses slashes),
    `regex` is searched in it; both without regard to case. A fault hits `count` times after letting `skip`
    matching requests pass."""

    kind: Kind
    method: str = "*"
    path: str = "*"
    regex: str = ""
    count: int = 1
    skip: int = 0
    after: bool = False
    """The handler does its work first and only the answer is spoilt: what a client must not do twice."""
    status: int = 0
    retry_after: int | None = None
    code: str = ""
    message: str = ""
    delay_s: float = 0.0
    """Real seconds, for `slow`."""
    operation: str = ""
    """For `fail-step`: the job's own name, `TestFailover`."""
    step: int | str = 0
    """For `fail-step`: from 1, or the step's name."""
    target: str = ""
    """For `fail-step`: a part of the target's id."""
    id: int = 0
    hits: int = 0

    def check(self) -> None:
        """Raises `ValueError` with what is wrong, in words of the command line."""
        if self.count < 1 or self.skip < 0:
            raise ValueError("count must be at least 1 and skip at least 0")
        if self.kind == "status" and not 400 <= self.status <= 599:
            raise ValueError("a status fault needs a status from 400 to 599")
        if self.kind == "slow" and self.delay_s <= 0:
            raise ValueError("a slow fault needs delay_s, in seconds")
        if self.kind == "fail-step":
            self.operation, self.step = failing_steps.resolve(self.operation, self.step)
        try:
            re.compile(self.regex)
        except re.error as error:
            raise ValueError(f"the regex does not compile: {error}") from error

    def aims_at(self, method: str, path: str) -> bool:
        return (
            self.kind != "fail-step"
            and self.method.upper() in ("*", method)
            and fnmatchcase(path.lower(), self.path.lower())
            and bool(re.search(self.regex, path, re.IGNORECASE))
        )

    @property
    def spoils_answer(self) -> bool:
        """The handler has done its work by the time this fault shows."""
        return self.after or self.kind in ("cut", "malformed")

    def answer(self) -> Answer:
        """The error response of a status fault."""
        code, message = DEFAULT_ERRORS.get(self.status, ("InternalServerError", "An error has occurred."))
        body = {"error": {"code": self.code or code, "message": self.message or message}}
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return Answer(self.status, body, headers)


class FaultTable:
    def __init__(self, steps: list[dict[str, Any]]) -> None:
        """`steps` is `world.failing_steps`: faults inside jobs are looked up there."""
        self._steps = steps
        self._faults: list[Fault] = []
        self._last_id = 0

    def add(self, fault: Fault) -> Fault:
        fault.check()
        self._last_id += 1
        fault.id = self._last_id
        if fault.kind == "fail-step":
            self._steps.append(
                {
                    "id": fault.id,
                    "operation": fault.operation,
                    "target": fault.target,
                    "step": fault.step,
                    "count": fault.count,
                    "code": fault.code or "InternalError",
                    "message": fault.message or UNSAID,
                }
            )
        self._faults.append(fault)
        return fault

    def take(self, method: str, path: str, *, sign_in: bool = False) -> Fault | None:
        """The first fault that hits this request; uses one of its hits up. A request for a token is hit only
        by a fault that names its path."""
        for fault in self._faults:
            if sign_in and fault.path == "*" and not fault.regex:
                continue
            if fault.aims_at(method, path):
                if fault.skip:
                    fault.skip -= 1
                elif fault.hits < fault.count:
                    fault.hits += 1
                    return fault
        return None

    def list(self) -> list[Fault]:
        left = {step["id"]: step["count"] for step in self._steps if "id" in step}
        for fault in self._faults:
            if fault.kind == "fail-step":
                fault.hits = fault.count - left.get(fault.id, 0)
        return list(self._faults)

    def clear(self) -> int:
        cleared = len(self._faults)
        self._faults.clear()
        self._steps.clear()
        return cleared
