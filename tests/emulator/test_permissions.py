"""Every route that changes something, asked by both identities: who is let through is decided before anything
else is looked at, so the names in the paths need not exist."""

from __future__ import annotations

import re

from azure_ops.emulator.front import READING_ACTIONS
from azure_ops.emulator.handlers import TABLES

from ..support import READER_CLIENT_ID, Emulator

PROTECTED = "Microsoft.RecoveryServices/vaults/replicationFabrics/replicationProtectionContainers/replicationProtectedItems"  # noqa: E501
NOT_THE_OPERATORS = {
    "Microsoft.RecoveryServices/vaults/replicationVaultHealth/refresh/action",
    "Microsoft.RecoveryServices/vaults/replicationAlertSettings/write",
    "Microsoft.RecoveryServices/vaults/delete",
    f"{PROTECTED}/delete",
    f"{PROTECTED}/remove/action",
}
"""What the built-in roles Site Recovery Operator and Backup Contributor lack."""


def mutating_routes(emulator: Emulator) -> list[tuple[str, str, str]]:
    """Method, path and action."""
    known = {"sub": emulator.subscription_ids[0], "rg": "rg-web-weu"}
    return [
        (
            route.method,
            re.sub(r"{(\w+)}", lambda found: known.get(found[1], "none"), route.template),
            route.action,
        )
        for table in TABLES
        for route in table._routes
        if route.method != "GET" and not route.action.lower().endswith(READING_ACTIONS)
    ]


def test_the_reader_may_change_nothing(emulator: Emulator) -> None:
    routes = mutating_routes(emulator)
    assert len(routes) > 20
    for method, path, action in routes:
        reply = emulator.request(method, path, {}, client_id=READER_CLIENT_ID)
        assert (reply.status, reply.error_code) == (403, "AuthorizationFailed"), (method, path)
        assert f"perform action '{action}'" in reply.body["error"]["message"]
    assert {each["status"] for each in emulator.requests()} == {403}


def test_the_operator_may_do_all_but_what_the_roles_lack(emulator: Emulator) -> None:
    refused = set()
    for method, path, action in mutating_routes(emulator):
        if emulator.request(method, path, {}).status == 403:
            refused.add(action)
    assert {each.lower() for each in refused} == {each.lower() for each in NOT_THE_OPERATORS}
