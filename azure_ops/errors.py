"""The one tree of errors, and how they look on one line.

RecoveryError
├── SignInNeeded           no credential, or it expired
├── NotAllowed             403: the missing action is named
├── NotFound               the resource is gone or was never there
├── Busy                   409: another job holds the target
├── InvalidState           the service refuses this operation in this state
├── Throttled              429: with the seconds to wait
├── QuotaExceeded
├── Unreachable            no answer: DNS, connection, TLS, timeout, cut answer
├── ServiceFailed          5xx and answers that cannot be understood
├── JobFailed              the service took the request, the job failed
├── Refused                our own ceremony says no: read-only, plan stale, name not typed
├── EngineUnavailable      the engine cannot be started or reached, or is of another version
└── StateUnusable          state directory or journal cannot be used

`azure_errors()` in `azure_failures.py` maps the SDK's exceptions onto these; nothing else does.
"""

from __future__ import annotations

from typing import Any

from .model import ErrorNote


class RecoveryError(Exception):
    """`title` names resource and cause in one sentence, `hint` is the next step."""

    def __init__(
        self,
        title: str,
        hint: str = "",
        *,
        code: str = "",
        status: int | None = None,
        request_id: str = "",
        resource: str = "",
        details: str = "",
        retryable: bool = False,
    ) -> None:
        super().__init__(title)
        self.title = title
        self.hint = hint
        self.code = code
        self.status = status
        self.request_id = request_id
        self.resource = resource
        self.details = details
        self.retryable = retryable

    def __str__(self) -> str:
        return f"{self.title} {self.hint}".strip()

    def note(self) -> ErrorNote:
        return ErrorNote(
            kind=type(self).__name__,
            title=self.title,
            hint=self.hint,
            code=self.code,
            status=self.status,
            request_id=self.request_id,
            resource=self.resource,
            details=self.details,
            retryable=self.retryable,
        )


class SignInNeeded(RecoveryError):
    pass


class NotAllowed(RecoveryError):
    def __init__(self, title: str, hint: str = "", *, missing_action: str = "", **more: Any) -> None:
        super().__init__(title, hint, **more)
        self.missing_action = missing_action


class NotFound(RecoveryError):
    pass


class Busy(RecoveryError):
    pass


class InvalidState(RecoveryError):
    pass


class Throttled(RecoveryError):
    def __init__(
        self, title: str, hint: str = "", *, retry_after_s: float | None = None, **more: Any
    ) -> None:
        super().__init__(title, hint, **{"retryable": True, **more})
        self.retry_after_s = retry_after_s


class QuotaExceeded(RecoveryError):
    pass


class Unreachable(RecoveryError):
    def __init__(self, title: str, hint: str = "", **more: Any) -> None:
        super().__init__(title, hint, **{"retryable": True, **more})


class ServiceFailed(RecoveryError):
    def __init__(self, title: str, hint: str = "", **more: Any) -> None:
        super().__init__(title, hint, **{"retryable": True, **more})


class JobFailed(RecoveryError):
    pass


class Refused(RecoveryError):
    pass


class EngineUnavailable(RecoveryError):
    pass


class StateUnusable(RecoveryError):
    pass


_KINDS: dict[str, type[RecoveryError]] = {
    kind.__name__: kind
    for kind in (
        RecoveryError, SignInNeeded, NotAllowed, NotFound, Busy, InvalidState, Throttled, QuotaExceeded,
        Unreachable, ServiceFailed, JobFailed, Refused, EngineUnavailable, StateUnusable,
    )
}  # fmt: skip


def from_note(note: ErrorNote) -> RecoveryError:
    """The error on the console's side of the socket, of the same class as on the engine's."""
    return _KINDS.get(note.kind, RecoveryError)(
        note.title,
        note.hint,
        code=note.code,
        status=note.status,
        request_id=note.request_id,
        resource=note.resource,
        details=note.details,
        retryable=note.retryable,
    )
