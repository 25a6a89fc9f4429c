"""The request path: what every answer carries, and how wrong requests are refused."""

from __future__ import annotations

import http.client
import json
import ssl
from urllib.parse import quote, urlsplit

import pytest

from ..support import READER_CLIENT_ID, Emulator

UNKNOWN = "11111111-2222-4333-8444-555555555555"


def first_vault(emulator: Emulator) -> str:
    sub = emulator.subscription_ids[0]
    vaults = emulator.get(f"/subscriptions/{sub}/providers/Microsoft.RecoveryServices/vaults").body["value"]
    return str(vaults[0]["id"])


def first_item(emulator: Emulator) -> str:
    items = emulator.get(f"{first_vault(emulator)}/backupProtectedItems").body["value"]
    return str(next(item["id"] for item in items if "web-01" in item["id"]))


def test_every_answer_carries_the_worlds_time_and_its_own_request_id(emulator: Emulator) -> None:
    reply = emulator.get("/subscriptions", headers={"x-ms-client-request-id": "mine"})
    assert reply.status == 200
    assert reply.headers["date"] == "Sat, 22 Aug 2026 14:00:00 GMT"
    assert reply.headers["x-ms-client-request-id"] == "mine"
    assert len(reply.headers["x-ms-request-id"]) == 36
    assert reply.headers["x-ms-correlation-request-id"]
    assert reply.headers["content-type"] == "application/json; charset=utf-8"
    emulator.advance(90)
    assert emulator.get("/subscriptions").headers["date"] == "Sat, 22 Aug 2026 14:01:30 GMT"


def test_a_refusal_carries_them_too(shared_emulator: Emulator) -> None:
    reply = shared_emulator.get(f"/subscriptions/{UNKNOWN}", headers={"x-ms-client-request-id": "mine"})
    assert reply.status == 404
    assert reply.headers["x-ms-client-request-id"] == "mine"
    assert reply.headers["x-ms-failure-cause"] == "gateway"


def test_the_connection_is_kept(shared_emulator: Emulator) -> None:
    shared_emulator.get("/subscriptions")
    assert shared_emulator._https is not None
    socket = shared_emulator._https.sock
    for _ in range(5):
        shared_emulator.get("/subscriptions")
    assert shared_emulator._https.sock is socket


def test_plain_http_on_the_https_port_is_no_way_in(shared_emulator: Emulator) -> None:
    address = urlsplit(shared_emulator.endpoint)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=5)
    connection.request("GET", "/subscriptions?api-version=2022-12-01")
    with pytest.raises((http.client.HTTPException, OSError)):
        connection.getresponse()
    connection.close()


def test_a_client_that_does_not_trust_the_authority_gets_nowhere(shared_emulator: Emulator) -> None:
    address = urlsplit(shared_emulator.endpoint)
    connection = http.client.HTTPSConnection(address.hostname or "", address.port, timeout=5)
    with pytest.raises(ssl.SSLCertVerificationError):
        connection.request("GET", "/subscriptions")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/subscriptions/not-a-guid/resourcegroups", 400, "InvalidSubscriptionId"),
        (f"/subscriptions/{UNKNOWN}/resourcegroups", 404, "SubscriptionNotFound"),
        ("/subscriptions/{sub}/resourcegroups/nowhere", 404, "ResourceGroupNotFound"),
        (
            "/subscriptions/{sub}/resourceGroups/nowhere/providers/Microsoft.Compute/virtualMachines/x",
            404,
            "ResourceGroupNotFound",
        ),
        ("/subscriptions/{sub}/providers/Microsoft.Compute/galleries", 501, "NotImplementedByEmulator"),
        ("/subscriptions/{sub}/providers/Microsoft.Sql/servers", 501, "NotImplementedByEmulator"),
        ("/subscriptions/{sub}/tagNames", 501, "NotImplementedByEmulator"),
        ("/subscriptions/{sub}/providers/Microsoft.Nonsense", 404, "InvalidResourceNamespace"),
        ("/nothing/here", 404, "MissingSubscription"),
        ("/subscriptions/{sub}/resourcegroups?$skiptoken=x", 400, "InvalidSkipToken"),
    ],
)
def test_wrong_paths(shared_emulator: Emulator, path: str, status: int, code: str) -> None:
    reply = shared_emulator.get(path.replace("{sub}", shared_emulator.subscription_ids[0]))
    assert (reply.status, reply.error_code) == (status, code)


def test_a_method_that_is_not_modelled_says_so(shared_emulator: Emulator) -> None:
    sub = shared_emulator.subscription_ids[0]
    reply = shared_emulator.request("PATCH", f"/subscriptions/{sub}/resourcegroups/rg-recovery", {})
    assert (reply.status, reply.error_code) == (501, "NotImplementedByEmulator")
    assert "PATCH" in reply.body["error"]["message"]


def test_the_api_version_must_be_given(shared_emulator: Emulator) -> None:
    reply = shared_emulator.get("/subscriptions?not-api-version=1")
    assert (reply.status, reply.error_code) == (400, "MissingApiVersionParameter")


def test_a_head_request_tells_whether_a_group_is_there(shared_emulator: Emulator) -> None:
    groups = f"/subscriptions/{shared_emulator.subscription_ids[0]}/resourcegroups"
    assert shared_emulator.request("HEAD", f"{groups}/rg-recovery").status == 204
    assert shared_emulator.request("HEAD", f"{groups}/nowhere").status == 404


def test_paths_are_matched_decoded_once_without_case_and_without_double_slashes(
    shared_emulator: Emulator,
) -> None:
    item = first_item(shared_emulator)
    plain = shared_emulator.get(item)
    assert plain.status == 200
    for path in (quote(item), item.upper(), item.replace("/providers", "//providers"), item + "/"):
        assert shared_emulator.get(path).body["id"] == plain.body["id"]
    assert shared_emulator.get(item.replace(";", "%253B")).status != 200


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"properties": }'])
def test_a_body_that_is_no_json(shared_emulator: Emulator, body: bytes) -> None:
    path = "/providers/Microsoft.ResourceGraph/resources"
    reply = shared_emulator.request("POST", path, body)
    assert (reply.status, reply.error_code) == (400, "InvalidRequestContent")


def test_a_body_over_the_limit(shared_emulator: Emulator) -> None:
    path = "/providers/Microsoft.ResourceGraph/resources"
    reply = shared_emulator.request("POST", path, b" " * (4 * 1024 * 1024 + 1))
    assert (reply.status, reply.error_code) == (413, "RequestContentTooLarge")


def test_the_reader_is_refused_in_the_services_words(emulator: Emulator) -> None:
    item = first_item(emulator)
    body = {"properties": {"objectType": "IaasVMBackupRequest"}}
    reply = emulator.post(f"{item}/backup", body, client_id=READER_CLIENT_ID)
    assert reply.status == 403
    action = (
        "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/backup/action"
    )
    error = reply.body["error"]
    assert error["code"] == "AuthorizationFailed"
    assert error["message"].startswith(f"The client '{READER_CLIENT_ID}' with object id '")
    assert f"perform action '{action}' over scope '{item}' or the scope is invalid." in error["message"]
    jobs = emulator.get(f"{first_vault(emulator)}/backupJobs").body["value"]
    assert not [job for job in jobs if job["properties"]["status"] == "InProgress" and "web-01" in str(job)]


def test_what_changes_something_is_counted_with_its_answer_and_nothing_else_is(emulator: Emulator) -> None:
    item = first_item(emulator)
    query = {"query": "resources | limit 1", "subscriptions": emulator.subscription_ids}
    assert emulator.post("/providers/Microsoft.ResourceGraph/resources", query).status == 200
    assert emulator.requests() == []
    body = {"properties": {"objectType": "IaasVMBackupRequest"}}
    answered = emulator.post(f"{item}/backup", body, headers={"x-ms-client-request-id": "mine"})
    assert answered.status == 202
    emulator.post(f"{item}/backup", body, client_id=READER_CLIENT_ID)
    first, second = emulator.requests()
    assert (first["method"], first["status"], first["client_request_id"]) == ("POST", 202, "mine")
    assert first["path"].lower() == f"{item}/backup".lower()
    assert second["status"] == 403


def test_endpoints_are_told_without_a_token(shared_emulator: Emulator) -> None:
    address = urlsplit(shared_emulator.endpoint)
    context = ssl.create_default_context(cafile=shared_emulator.ca_file)
    connection = http.client.HTTPSConnection(address.hostname or "", address.port, context=context)
    for version, shape in (("2022-09-01", dict), ("2019-05-01", list)):
        connection.request("GET", f"/metadata/endpoints?api-version={version}")
        cloud = json.loads(connection.getresponse().read())
        assert isinstance(cloud, shape)
        cloud = cloud[0] if isinstance(cloud, list) else cloud
        assert cloud["resourceManager"] == shared_emulator.endpoint
        assert cloud["authentication"]["audiences"] == [shared_emulator.endpoint]
    connection.close()


def test_what_the_tenant_has(shared_emulator: Emulator) -> None:
    emulator = shared_emulator
    subscriptions = emulator.get("/subscriptions").body["value"]
    assert [each["subscriptionId"] for each in subscriptions] == emulator.subscription_ids
    assert {each["tenantId"] for each in subscriptions} == {emulator.tenant_id}
    assert emulator.get("/tenants").body["value"][0]["tenantId"] == emulator.tenant_id
    sub = subscriptions[0]["id"]
    assert emulator.get(sub).body == subscriptions[0]
    regions = {each["name"]: each for each in emulator.get(f"{sub}/locations").body["value"]}
    assert regions["westeurope"]["metadata"]["pairedRegion"][0]["name"] == "northeurope"
    groups = emulator.get(f"{sub}/resourcegroups").body["value"]
    assert emulator.get(groups[0]["id"]).body == groups[0]
    provider = emulator.get(f"{sub}/providers/microsoft.recoveryservices").body
    assert provider["registrationState"] == "Registered"
    disks = (
        f"{sub}/resources?$filter={quote(chr(39).join(['resourceType eq ', 'Microsoft.Compute/disks', '']))}"
    )
    kinds = {each["type"] for each in emulator.get(disks).body["value"]}
    assert kinds == {"Microsoft.Compute/disks"}
    of_group = emulator.get(f"{groups[0]['id']}/resources").body["value"]
    assert of_group
    assert all(each["id"].startswith(groups[0]["id"] + "/") for each in of_group)


def test_permissions_are_the_roles_of_the_caller(shared_emulator: Emulator) -> None:
    vault = first_vault(shared_emulator)
    group = vault.partition("/providers/")[0]
    for scope in (f"/subscriptions/{shared_emulator.subscription_ids[0]}", group, vault):
        path = f"{scope}/providers/Microsoft.Authorization/permissions"
        operator = shared_emulator.get(path).body["value"]
        reader = shared_emulator.get(path, client_id=READER_CLIENT_ID).body["value"]
        assert [role["actions"] for role in reader] == [["*/read"]]
        assert any(action.endswith("/testFailover/action") for role in operator for action in role["actions"])
        assert not any(action == "*" for role in operator for action in role["actions"])
