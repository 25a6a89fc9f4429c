"""Where tokens come from: the App Service identity endpoint, the service principals' token endpoint, and the
device-code sign-in. What is modelled of Microsoft Entra, and no more."""

from __future__ import annotations

import base64
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from .answers import Answer, Json
from .roles import APPS, OPERATOR_APP, USERS
from .routing import Principal
from .tokens import TokenOffice

DEVICE_CODE_LIFETIME_S = 900
DEVICE_CODE_INTERVAL_S = 1
"""Azure says 5; a client asks again after this many seconds."""


@dataclass(slots=True)
class DeviceCode:
    user_code: str
    client_id: str
    scope: str
    expires_at_s: float
    approved: Principal | None = None
    declined: bool = False


class Identity:
    def __init__(self, tokens: TokenOffice, secret: str) -> None:
        self._tokens = tokens
        self._secret = secret
        self._device_codes: dict[str, DeviceCode] = {}
        self._refresh: dict[str, tuple[Principal, str]] = {}

    def knows(self, header: str | None) -> bool:
        return header is not None and hmac.compare_digest(header.encode(), self._secret.encode())

    # managed identity -----------------------------------------------------------------------------------

    def managed_identity(self, query: Mapping[str, str], header: str | None) -> Answer:
        """The App Service protocol. Its errors have a `statusCode` and a `message`."""
        if not self.knows(header):
            return _msi_error(401, "The X-IDENTITY-HEADER header is missing or wrong.")
        resource = query.get("resource", "")
        if not resource or not query.get("api-version"):
            return _msi_error(400, "The api-version and resource parameters are required.")
        client_id = query.get("client_id") or OPERATOR_APP.name
        principal = APPS.get(client_id)
        if principal is None:
            return _msi_error(400, f"No managed identity with client id {client_id} was found.")
        token, expires_on = self._tokens.issue(principal, resource, client_id)
        return Answer(
            body={
                "access_token": token,
                "expires_on": str(expires_on),
                "resource": resource,
                "token_type": "Bearer",
                "client_id": client_id,
            }
        )

    # Entra's endpoints ----------------------------------------------------------------------------------

    def configuration(self, base_url: str, tenant: str) -> Answer:
        own = f"{base_url}/{tenant}"
        return Answer(
            body={
                "token_endpoint": f"{own}/oauth2/v2.0/token",
                "authorization_endpoint": f"{own}/oauth2/v2.0/authorize",
                "device_authorization_endpoint": f"{own}/oauth2/v2.0/devicecode",
                "issuer": f"{own}/v2.0",
                "jwks_uri": f"{own}/discovery/v2.0/keys",
                "response_types_supported": ["code", "id_token"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["HS256"],
                "scopes_supported": ["openid", "profile", "email", "offline_access"],
            }
        )

    def token(self, base_url: str, tenant: str, form: Mapping[str, str]) -> Answer:
        grant = form.get("grant_type", "")
        if grant == "client_credentials":
            return self._client_credentials(form)
        if grant == "urn:ietf:params:oauth:grant-type:device_code":
            return self._poll_device_code(base_url, tenant, form)
        if grant == "refresh_token":
            return self._refreshed(base_url, tenant, form)
        return _oauth_error(
            "unsupported_grant_type", f"AADSTS70003: The grant type '{grant}' is unsupported."
        )

    def _client_credentials(self, form: Mapping[str, str]) -> Answer:
        client_id = form.get("client_id", "")
        principal = APPS.get(client_id)
        if principal is None:
            text = f"AADSTS700016: Application with identifier '{client_id}' was not found in the directory."
            return _oauth_error("unauthorized_client", text)
        if not self.knows(form.get("client_secret")):
            text = f"AADSTS7000215: Invalid client secret provided for app '{client_id}'."
            return _oauth_error("invalid_client", text, status=401)
        token, _ = self._tokens.issue(principal, _audience(form.get("scope", "")), client_id)
        return Answer(body=self._token_body(token))

    def _token_body(self, token: str) -> dict[str, Json]:
        lifetime_s = self._tokens.lifetime_s
        return {
            "token_type": "Bearer",
            "expires_in": lifetime_s,
            "ext_expires_in": lifetime_s,
            "access_token": token,
        }

    # device code ----------------------------------------------------------------------------------------

    def start_device_code(self, base_url: str, form: Mapping[str, str]) -> Answer:
        device_code = secrets.token_urlsafe(32)
        user_code = "".join(secrets.choice("BCDFGHJKLMNPQRSTVWXZ23456789") for _ in range(9))
        self._device_codes[device_code] = DeviceCode(
            user_code, form.get("client_id", ""), form.get("scope", ""), time.time() + DEVICE_CODE_LIFETIME_S
        )
        url = f"{base_url}/device"
        return Answer(
            body={
                "user_code": user_code,
                "device_code": device_code,
                "verification_uri": url,
                "expires_in": DEVICE_CODE_LIFETIME_S,
                "interval": DEVICE_CODE_INTERVAL_S,
                "message": f"To sign in, use a web browser to open the page {url} and enter the code "
                f"{user_code} to authenticate.",
            }
        )

    def waiting_codes(self) -> list[str]:
        now = time.time()
        return [
            each.user_code
            for each in self._device_codes.values()
            if each.approved is None and not each.declined and each.expires_at_s > now
        ]

    def answer_device_code(self, user_code: str, user: str, approve: bool) -> bool:
        """What the person at the browser does. An empty code means the newest one that waits."""
        waiting = self.waiting_codes()
        wanted = user_code or (waiting[-1] if waiting else "")
        for code in self._device_codes.values():
            if code.user_code == wanted and wanted in waiting:
                code.declined = not approve
                code.approved = USERS[user] if approve else None
                return True
        return False

    def _poll_device_code(self, base_url: str, tenant: str, form: Mapping[str, str]) -> Answer:
        code = self._device_codes.get(form.get("device_code", ""))
        if code is None or code.client_id != form.get("client_id", ""):
            return _oauth_error("bad_verification_code", "AADSTS70019: The verification code is unknown.")
        if code.expires_at_s <= time.time():
            return _oauth_error("expired_token", "AADSTS70020: The provided device code has expired.")
        if code.declined:
            return _oauth_error("authorization_declined", "AADSTS70021: The user declined the sign-in.")
        if code.approved is None:
            text = "AADSTS70016: OAuth 2.0 device flow error. Authorization is pending. Continue polling."
            return _oauth_error("authorization_pending", text)
        del self._device_codes[form["device_code"]]
        return self._user_tokens(base_url, tenant, code.approved, code.client_id, code.scope)

    def _refreshed(self, base_url: str, tenant: str, form: Mapping[str, str]) -> Answer:
        principal, client_id = self._refresh.get(form.get("refresh_token", ""), (None, ""))
        if principal is None or client_id != form.get("client_id"):
            return _oauth_error(
                "invalid_grant", "AADSTS70000: The refresh token is not valid. Sign in again."
            )
        return self._user_tokens(base_url, tenant, principal, client_id, form.get("scope", ""))

    def _user_tokens(
        self, base_url: str, tenant: str, principal: Principal, client_id: str, scope: str
    ) -> Answer:
        token, expires_on = self._tokens.issue(principal, _audience(scope), client_id)
        refresh = secrets.token_urlsafe(32)
        self._refresh[refresh] = (principal, client_id)
        id_token = self._tokens.sign(
            {
                "aud": client_id,
                "iss": f"{base_url}/{tenant}/v2.0",
                "iat": int(time.time()),
                "exp": expires_on,
                "tid": self._tokens.tenant_id,
                "oid": principal.object_id,
                "sub": principal.object_id,
                "preferred_username": principal.name,
                "name": principal.name,
                "ver": "2.0",
            }
        )
        client_info = msgspec.json.encode({"uid": principal.object_id, "utid": self._tokens.tenant_id})
        return Answer(
            body={
                **self._token_body(token),
                "scope": scope,
                "refresh_token": refresh,
                "id_token": id_token,
                "client_info": base64.urlsafe_b64encode(client_info).decode().rstrip("="),
            }
        )


def _audience(scope: str) -> str:
    """The resource among the scopes of a request: `https://…/.default` without its last part."""
    for each in scope.split():
        if each.startswith("https://"):
            return each.rsplit("/", 1)[0].rstrip("/")
    return scope


def _msi_error(status: int, message: str) -> Answer:
    return Answer(status, {"statusCode": status, "message": message})


def _oauth_error(error: str, description: str, *, status: int = 400) -> Answer:
    return Answer(
        status,
        {
            "error": error,
            "error_description": description,
            "error_codes": [int(description[6:].partition(":")[0])],
        },
    )
