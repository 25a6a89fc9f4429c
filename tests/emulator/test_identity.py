"""Sign-in with the real azure-identity, and what Resource Manager does with tokens."""

from __future__ import annotations

import base64
import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential, DeviceCodeCredential
from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

from ..conftest import EmulatorFactory
from ..support import OPERATOR_CLIENT_ID, READER_CLIENT_ID, Emulator


def claims_of(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def with_token(emulator: Emulator, token: str) -> int:
    return emulator.get("/subscriptions", headers={"Authorization": f"Bearer {token}"}).status


async def test_managed_identity_gets_the_operator(emulator_env: Emulator) -> None:
    async with ManagedIdentityCredential() as credential:
        token = (await credential.get_token(f"{emulator_env.endpoint}/.default")).token
    assert claims_of(token)["appid"] == OPERATOR_CLIENT_ID
    assert claims_of(token)["tid"] == emulator_env.tenant_id
    assert with_token(emulator_env, token) == 200


async def test_managed_identity_gets_the_reader_by_client_id(emulator_env: Emulator) -> None:
    async with ManagedIdentityCredential(client_id=READER_CLIENT_ID) as credential:
        token = (await credential.get_token("https://management.azure.com/.default")).token
    assert claims_of(token)["appid"] == READER_CLIENT_ID
    assert with_token(emulator_env, token) == 200


async def test_default_credential_takes_the_managed_identity(emulator_env: Emulator) -> None:
    async with DefaultAzureCredential() as credential:
        token = await credential.get_token("https://management.azure.com/.default")
    assert with_token(emulator_env, token.token) == 200


async def test_a_wrong_identity_header_is_refused(
    emulator_env: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_HEADER", "guessed")
    async with ManagedIdentityCredential() as credential:
        with pytest.raises(ClientAuthenticationError):
            await credential.get_token("https://management.azure.com/.default")


async def test_an_unknown_managed_identity_is_refused(emulator_env: Emulator) -> None:
    async with ManagedIdentityCredential(client_id="7e0d0c1c-0000-4000-8000-000000000000") as credential:
        with pytest.raises(ClientAuthenticationError, match="7e0d0c1c"):
            await credential.get_token("https://management.azure.com/.default")


def service_principal(emulator: Emulator, client_id: str, secret: str) -> ClientSecretCredential:
    return ClientSecretCredential(
        emulator.tenant_id,
        client_id,
        secret,
        authority=emulator.endpoint,
        disable_instance_discovery=True,
        connection_verify=emulator.ca_file,
    )


def test_a_service_principal_signs_in(emulator: Emulator) -> None:
    with service_principal(emulator, READER_CLIENT_ID, emulator.identity_header) as credential:
        token = credential.get_token(f"{emulator.endpoint}/.default").token
    assert claims_of(token)["appid"] == READER_CLIENT_ID
    assert with_token(emulator, token) == 200


@pytest.mark.parametrize(
    ("client_id", "secret", "text"),
    [
        (OPERATOR_CLIENT_ID, "guessed", "AADSTS7000215"),
        ("7e0d0c1c-0000-4000-8000-000000000000", "guessed", "AADSTS700016"),
    ],
)
def test_a_wrong_service_principal_is_refused(
    emulator: Emulator, client_id: str, secret: str, text: str
) -> None:
    with (
        service_principal(emulator, client_id, secret) as credential,
        pytest.raises(ClientAuthenticationError, match=text),
    ):
        credential.get_token(f"{emulator.endpoint}/.default")


def device_code(emulator: Emulator, shown: threading.Event, timeout: int = 60) -> DeviceCodeCredential:
    return DeviceCodeCredential(
        tenant_id=emulator.tenant_id,
        authority=emulator.endpoint,
        disable_instance_discovery=True,
        connection_verify=emulator.ca_file,
        prompt_callback=lambda uri, code, expires: shown.set(),
        timeout=timeout,
    )


def test_a_person_signs_in_with_a_device_code(emulator: Emulator) -> None:
    shown = threading.Event()
    approver = threading.Thread(
        target=lambda: shown.wait(30) and emulator.admin("POST", "devicecode/approve", {"user": "reader"})
    )
    approver.start()
    with device_code(emulator, shown) as credential:
        token = credential.get_token(f"{emulator.endpoint}/.default").token
        approver.join()
        assert claims_of(token)["upn"] == "auditor@contoso.example"
        assert with_token(emulator, token) == 200
        again = credential.get_token("https://management.azure.com/.default").token
    assert claims_of(again)["upn"] == "auditor@contoso.example"
    assert emulator.admin("GET", "devicecode")["value"] == []


def test_a_declined_device_code_ends_the_sign_in(emulator: Emulator) -> None:
    shown = threading.Event()
    decliner = threading.Thread(
        target=lambda: shown.wait(30) and emulator.admin("POST", "devicecode/approve", {"approve": False})
    )
    decliner.start()
    with device_code(emulator, shown) as credential, pytest.raises(ClientAuthenticationError):
        credential.get_token(f"{emulator.endpoint}/.default")
    decliner.join()


def poll(emulator: Emulator, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
    import ssl

    url = f"{emulator.endpoint}/{emulator.tenant_id}/oauth2/v2.0/token"
    context = ssl.create_default_context(cafile=emulator.ca_file)
    try:
        with urllib.request.urlopen(url, urllib.parse.urlencode(form).encode(), context=context) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "x", "client_id": "c"}, "invalid_grant"),
        (
            {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": "x"},
            "bad_verification_code",
        ),
    ],
)
def test_wrong_grants_are_refused_as_entra_does(
    shared_emulator: Emulator, form: dict[str, str], error: str
) -> None:
    status, body = poll(shared_emulator, form)
    assert (status, body["error"]) == (400, error)
    assert body["error_description"].startswith("AADSTS")


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("", "AuthenticationFailed"),
        ("Basic eDp5", "AuthenticationFailed"),
        ("Bearer nonsense", "InvalidAuthenticationToken"),
        ("Bearer a.b.c", "InvalidAuthenticationToken"),
    ],
)
def test_requests_without_a_good_token_are_challenged(
    shared_emulator: Emulator, authorization: str, code: str
) -> None:
    reply = shared_emulator.get("/subscriptions", headers={"Authorization": authorization})
    assert (reply.status, reply.error_code) == (401, code)
    challenge = reply.headers["www-authenticate"]
    assert challenge.startswith(f'Bearer authorization_uri="{shared_emulator.endpoint}/')


def test_a_forged_token_is_refused(shared_emulator: Emulator) -> None:
    head, claims, signature = shared_emulator.token(READER_CLIENT_ID).split(".")
    forged = claims_of(f"{head}.{claims}.x") | {"oid": claims_of(shared_emulator.token())["oid"]}
    body = base64.urlsafe_b64encode(json.dumps(forged).encode()).decode().rstrip("=")
    assert with_token(shared_emulator, f"{head}.{body}.{signature}") == 401


def test_a_token_for_something_else_is_refused(shared_emulator: Emulator, monkeypatch: Any) -> None:
    query = "api-version=2019-08-01&resource=https://vault.azure.net"
    url = f"{shared_emulator.identity_endpoint}?{query}"
    request = urllib.request.Request(url, headers={"X-IDENTITY-HEADER": shared_emulator.identity_header})
    with urllib.request.urlopen(request) as reply:
        answer = json.load(reply)
    assert answer["resource"] == "https://vault.azure.net"
    reply_ = shared_emulator.get(
        "/subscriptions", headers={"Authorization": f"Bearer {answer['access_token']}"}
    )
    assert (reply_.status, reply_.error_code) == (401, "InvalidAuthenticationTokenAudience")


def test_tokens_expire_in_real_time(emulator_factory: EmulatorFactory) -> None:
    emulator = emulator_factory(arguments=("--token-lifetime", "0"))
    reply = emulator.get("/subscriptions")
    assert (reply.status, reply.error_code) == (401, "ExpiredAuthenticationToken")


def test_tokens_survive_a_restart(emulator: Emulator) -> None:
    token = emulator.token()
    emulator.kill()
    emulator.restart()
    assert with_token(emulator, token) == 200
