"""What is left of a changing request once the service took it, and how it is sent: once.

The runner journals a `Submitted` and follows its job; a later engine takes up the operation from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Submitted(msgspec.Struct, frozen=True, kw_only=True):
    job_id: str = ""
    """ARM id of the job that does it; empty while the service has not told, or there is none."""
    resume: str = ""
    """The SDK's continuation token, or the URL to poll. Holds signed URLs: never shown, never logged.
    Trusted: a forged one would send the bearer token to its host."""
    warnings: tuple[str, ...] = ()
    """What the service answered beside its yes, such as a changed name."""


def once(client_request_id: str) -> dict[str, Any]:
    """Options of every changing call: our own request id, and no second attempt of any kind."""
    return {
        "request_id": client_request_id,
        "retry_total": 0,
        "retry_connect": 0,
        "retry_read": 0,
        "retry_status": 0,
    }


def first_answer() -> Any:
    """A polling method for `begin_*` that keeps the first answer and asks for nothing more by itself."""
    from azure.mgmt.core.polling.async_arm_polling import AsyncARMPolling

    class FirstAnswer(AsyncARMPolling):
        def initialize(self, client: Any, initial_response: Any, deserialization_callback: Any) -> None:
            self.answer = initial_response.http_response
            super().initialize(client, initial_response, deserialization_callback)

    return FirstAnswer(30)


def poll_url(headers: Mapping[str, str]) -> str:
    return headers.get("Azure-AsyncOperation", "") or headers.get("Location", "")


def operation_name(headers: Mapping[str, str]) -> str:
    """The last segment of the poll URL: a GUID for Backup and Site Recovery."""
    return urlsplit(poll_url(headers)).path.rstrip("/").rsplit("/", 1)[-1]


def replication_job_id(headers: Mapping[str, str], vault_id: str) -> str:
    """Site Recovery names the job in `x-ms-request-id`; its operation has the same GUID (but for plans)."""
    for value in (headers.get("x-ms-request-id", ""), operation_name(headers)):
        # The header comes twice and reads "V/replicationJobs/a, V/replicationJobs/a".
        found = _GUID.findall(value.split(",", 1)[0])
        if found and ("replicationJobs" in value or value == operation_name(headers)):
            return f"{vault_id}/replicationJobs/{found[-1]}"
    return ""
