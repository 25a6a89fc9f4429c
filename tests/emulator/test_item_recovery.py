"""Item-level recovery through the real backup SDK: opened, renewed, its scripts fetched, revoked."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.recoveryservicesbackup.models import (
    IaasVMILRRegistrationRequest,
    ILRRequestResource,
    InstantItemRecoveryOperationResultRequest,
)

from ..support import NOW, READER_CLIENT_ID, Emulator
from .sdk import Clients, sdk_clients
from .sessions import point_at


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    folder: Path = tmp_path_factory.mktemp("ilr") / "emulator"
    emulator = Emulator(folder, "--speed", "0", "--now", NOW)
    yield emulator
    emulator.kill()


@pytest.fixture(autouse=True)
def environment(world: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    point_at(world, monkeypatch)


def item_of(world: Emulator, vm: str) -> dict[str, Any]:
    vault = f"/subscriptions/{world.subscription_ids[0]}/resourceGroups/rg-recovery/providers"
    items = world.get(f"{vault}/Microsoft.RecoveryServices/vaults/rsv-weu/backupProtectedItems").body["value"]
    found: dict[str, Any] = next(one for one in items if one["properties"]["friendlyName"].lower() == vm)
    return found


def newest_point(world: Emulator, item: dict[str, Any]) -> dict[str, Any]:
    point: dict[str, Any] = world.get(f"{item['id']}/recoveryPoints").body["value"][0]
    return point


def is_open(world: Emulator, point: dict[str, Any]) -> bool:
    return bool(world.get(point["id"]).body["properties"]["isInstantIlrSessionActive"])


def segments(point: dict[str, Any]) -> tuple[str, str, str, str, str, str]:
    """Vault, group, fabric, container, item, point: as the SDK takes them."""
    parts = point["id"].split("/")
    return parts[8], parts[4], parts[10], parts[12], parts[14], parts[16]


async def provision(clients: Clients, world: Emulator, vm: str, *, renew: bool = False) -> tuple[Any, str]:
    """The point, and the operation's id."""
    item = item_of(world, vm)
    point = newest_point(world, item)
    asked = IaasVMILRRegistrationRequest(
        recovery_point_id=point["name"],
        virtual_machine_id=item["properties"]["virtualMachineId"],
        renew_existing_registration=renew,
    )
    vault, group, *rest = segments(point)
    headers: dict[str, str] = {}
    await clients.backup.item_level_recovery_connections.provision(
        vault,
        group,
        *rest,
        ILRRequestResource(properties=asked),
        cls=lambda response, _, __: headers.update(response.http_response.headers),
    )
    found = re.search(r"/operationsStatus/([0-9a-f-]{36})\?", headers["Azure-AsyncOperation"])
    assert found is not None
    return point, found[1]


def status_of(world: Emulator, point: dict[str, Any], operation: str, version: str) -> dict[str, Any]:
    vault = point["id"].partition("/backupFabrics/")[0]
    status: dict[str, Any] = world.get(f"{vault}/backupOperations/{operation}?api-version={version}").body
    return status


async def scripts_of(clients: Clients, point: dict[str, Any], operation: str) -> Any:
    vault, group, *rest = segments(point)
    asked = InstantItemRecoveryOperationResultRequest(provision_instant_item_recovery_operation_id=operation)
    connections = clients.backup.item_level_recovery_connections
    return await connections.list_instant_item_recovery_operation_result(group, vault, *rest, asked)


async def test_a_linux_point_is_opened_its_script_fetched_and_closed(world: Emulator) -> None:
    async with sdk_clients(world) as clients:
        point, operation = await provision(clients, world, "web-01")
        running = status_of(world, point, operation, "2026-10-01")
        assert (running["status"], running["endTime"]) == ("InProgress", "0001-01-01T00:00:00")
        assert not is_open(world, point)
        with pytest.raises(HttpResponseError):
            await scripts_of(clients, point, operation)
        world.advance(60)
        done = status_of(world, point, operation, "2026-10-01")
        assert done["status"] == "Succeeded"
        assert done["properties"] == {"objectType": "OperationStatusProvisionILRExtendedInfo"}
        assert is_open(world, point)
        [script] = (await scripts_of(clients, point, operation)).client_scripts
        assert (script.os_type, script.url) == ("Linux", None)
        assert b"Owner=" in base64.b64decode(script.script_content)
        password = script.script_name_suffix.rpartition("_")[2][32:47]
        assert re.fullmatch(r"[0-9a-f]{15}", password)
        vault, group, *rest = segments(point)
        await clients.backup.item_level_recovery_connections.revoke(vault, group, *rest)
        world.advance(30)
        assert not is_open(world, point)
        with pytest.raises(HttpResponseError):
            await scripts_of(clients, point, operation)
        assert password not in str(world.requests()) + world.log.read_text()


async def test_a_windows_point_has_its_two_scripts_in_the_older_status(world: Emulator) -> None:
    async with sdk_clients(world) as clients:
        point, operation = await provision(clients, world, "sql-02")
    world.advance(60)
    properties = status_of(world, point, operation, "2025-02-01")["properties"]
    text, tool = properties["recoveryTarget"]["clientScripts"]
    assert (text["scriptExtension"], tool["scriptExtension"]) == (".txt", ".exe")
    assert tool["scriptContent"] == "TkE="
    assert tool["url"].endswith("/IaaSVMILRExeForWindows.exe")
    assert text["scriptNameSuffix"] == tool["scriptNameSuffix"]
    assert text["scriptNameSuffix"].startswith("sql-02_1_we_")
    content = base64.b64decode(text["scriptContent"]).decode()
    owner, expiry = re.fullmatch(
        r"User - (\d+)-[0-9a-f-]{36} , Target - Owner=\1,Name=\1-\d+-\d+-\d+,"
        r"Expiry=(\d+/\d+/\d{4} \d\d:\d\d:\d\d [AP]M),Sequence = \d+",
        content,
    ).groups()  # type: ignore[union-attr]
    assert owner
    assert expiry.startswith("8/23/2026 ")


async def test_a_session_lasts_twelve_hours_unless_it_is_renewed(world: Emulator) -> None:
    async with sdk_clients(world) as clients:
        point, _ = await provision(clients, world, "web-02")
        world.advance(60)
        world.advance(11 * 3600)
        assert is_open(world, point)
        await provision(clients, world, "web-02", renew=True)
        world.advance(60)
        world.advance(11 * 3600)
        assert is_open(world, point)
        world.advance(2 * 3600)
        assert not is_open(world, point)


def test_the_reader_may_not(world: Emulator) -> None:
    point = newest_point(world, item_of(world, "web-02"))
    for verb in (
        "provisionInstantItemRecovery",
        "revokeInstantItemRecovery",
        "listInstantItemRecoveryOperationResult",
    ):
        reply = world.request("POST", f"{point['id']}/{verb}", {}, client_id=READER_CLIENT_ID)
        assert (reply.status, reply.error_code) == (403, "AuthorizationFailed")


def test_another_request_is_refused_and_a_failing_one_opens_nothing(world: Emulator) -> None:
    point = newest_point(world, item_of(world, "web-02"))
    wrong = {"properties": {"objectType": "Other"}}
    assert world.request("POST", f"{point['id']}/provisionInstantItemRecovery", wrong).status == 400
    world.fault("fail-step", operation="ProvisionItemRecovery", step=1, code="UserErrorIlr")
    body = {"properties": {"objectType": "IaasVMILRRegistrationRequest", "recoveryPointId": point["name"]}}
    begun = world.request("POST", f"{point['id']}/provisionInstantItemRecovery", body)
    world.advance(60)
    status = world.get(begun.headers["azure-asyncoperation"]).body
    assert (status["status"], status["error"]["code"]) == ("Failed", "UserErrorIlr")
    assert not is_open(world, point)
