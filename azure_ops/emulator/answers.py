"""What a handler gives back: an answer, or one of the service's refusals raised as `Refusal`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = Any
"""A decoded JSON value: wire documents are data here, not types."""


@dataclass(slots=True)
class Answer:
    status: int = 200
    body: Json | None = None
    """None sends an empty body, as the recovery services do with 202."""
    headers: dict[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """An error response: `{"error": {"code", "message", …}}` with its status."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: dict[str, str] | None = None,
        extra: dict[str, Json] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}
        self.extra = extra or {}
        """Further members of `error`: `details`, `target`, `innerError`."""

    def answer(self) -> Answer:
        body = {"error": {"code": self.code, "message": self.message, **self.extra}}
        return Answer(self.status, body, dict(self.headers))


def resource_not_found(provider_type: str, name: str, resource_group: str) -> Refusal:
    """The Resource Manager front end's 404 (recorded for vaults, VMs, disks and snapshots)."""
    return Refusal(
        404,
        "ResourceNotFound",
        f"The Resource '{provider_type}/{name}' under resource group '{resource_group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
        headers={"x-ms-failure-cause": "gateway"},
    )


def not_modelled(what: str) -> Refusal:
    return Refusal(501, "NotImplementedByEmulator", f"The emulator does not model {what}.")
