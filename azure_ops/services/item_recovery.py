"""Azure Backup's own way to files: a connection to a recovery point that a script of Azure's mounts.

What opens a connection also renews it. Scripts and password are secrets: they are returned, never logged.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any

from ..arm_ids import subscription_of
from ..engine.submitted import Submitted, once, poll_url
from ..errors import NotFound, RecoveryError
from ..item_recovery import Script
from ..wire_values import Document, flag, part, parts, text
from . import backup
from .azure_failures import azure_errors
from .backup_documents import machine_name

if TYPE_CHECKING:
    from .session import Session

_PASSWORD_AT, _PASSWORD_LENGTH = 32, 15
"""Within what follows the last underscore of a script's suffix."""


async def provision(
    session: Session, item_id: str, point_name: str, body: dict[str, Any], client_request_id: str
) -> Submitted:
    """Opens the connection, or renews one. There is no job: the operation ends when the script is ready."""
    client: Any = session.backup(subscription_of(item_id)).item_level_recovery_connections
    async with azure_errors(f"Backup item {machine_name(item_id)}", doing="file recovery"):
        headers = await client.provision(
            *backup.arguments_of(item_id), point_name, body, cls=_headers, **once(client_request_id)
        )
    return Submitted(resume=poll_url(headers))


async def revoke(session: Session, item_id: str, point_name: str, client_request_id: str) -> Submitted:
    client: Any = session.backup(subscription_of(item_id)).item_level_recovery_connections
    async with azure_errors(f"Backup item {machine_name(item_id)}", doing="end of file recovery"):
        headers = await client.revoke(
            *backup.arguments_of(item_id), point_name, cls=_headers, **once(client_request_id)
        )
    return Submitted(resume=poll_url(headers))


def _headers(response: Any, _body: object, _headers: object) -> dict[str, str]:
    return dict(response.http_response.headers)


async def is_open(session: Session, item_id: str, point_name: str) -> bool:
    """Whoever opened it. Until when it is open, Azure does not tell."""
    client = session.backup(subscription_of(item_id)).recovery_points
    async with azure_errors(f"Recovery point {point_name} of {machine_name(item_id)}"):
        document: Document = await client.get(*backup.arguments_of(item_id), point_name)
    return flag(part(document, "properties"), "isInstantIlrSessionActive")


async def read_scripts(session: Session, item_id: str, point_name: str, operation: str) -> tuple[Script, ...]:
    """Of the operation that opened or renewed the connection, as long as that is open."""
    client: Any = session.backup(subscription_of(item_id)).item_level_recovery_connections
    vault, group, *rest = backup.arguments_of(item_id)
    asked = {"provisionInstantItemRecoveryOperationId": operation}
    what = f"Recovery script for {machine_name(item_id)}"
    async with azure_errors(what):
        answer: Document = await client.list_instant_item_recovery_operation_result(
            group, vault, *rest, point_name, asked
        )
    found = tuple(_script(one) for one in parts(answer, "clientScripts"))
    if not found:
        raise NotFound(f"{what}: Azure gave none.", "Renew the connection.")
    return found


def _script(document: Document) -> Script:
    try:
        content = base64.b64decode(text(document, "scriptContent"), validate=True)
    except (binascii.Error, ValueError) as problem:
        raise RecoveryError("The recovery script is damaged.", "Renew the connection.") from problem
    stem, password = name_and_password(text(document, "scriptNameSuffix"))
    extension = re.sub(r"[^A-Za-z0-9.]", "", text(document, "scriptExtension"))
    return Script(
        name=f"{stem}{extension}",
        content=content,
        password=password,
        os_type=text(document, "osType"),
        url=text(document, "url"),
    )


def name_and_password(suffix: str) -> tuple[str, str]:
    """The password is inside the suffix; what is left of it is the script's name."""
    head, _, digits = suffix.rpartition("_")
    at = _PASSWORD_AT
    password = digits[at : at + _PASSWORD_LENGTH]
    if len(password) < _PASSWORD_LENGTH:
        raise RecoveryError("The recovery script came without its password.", "Renew the connection.")
    rest = digits[:at] + digits[at + _PASSWORD_LENGTH :]
    stem = re.sub(r"[^A-Za-z0-9_-]", "", f"{head}_{rest}")[:200]
    return stem, password
