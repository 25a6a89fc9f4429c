"""Access tokens: JWTs signed with a key of the state directory, so that they outlive a restart."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import Any

import msgspec

from .roles import PRINCIPALS, USERS
from .routing import Principal

ARM_AUDIENCES = ("https://management.azure.com", "https://management.core.windows.net")


class TokenRefused(Exception):
    """A bearer token that Resource Manager does not take."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class TokenOffice:
    """Issues and checks. Lifetimes are real time: clients measure them with their own clock."""

    def __init__(self, key: bytes, tenant_id: str, lifetime_s: int) -> None:
        self._key = key
        self.tenant_id = tenant_id
        self.lifetime_s = lifetime_s

    def issue(self, principal: Principal, audience: str, client_id: str) -> tuple[str, int]:
        """The token and its `exp`, seconds since the epoch."""
        now = int(time.time())
        claims = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{self.tenant_id}/",
            "iat": now,
            "nbf": now,
            "exp": now + self.lifetime_s,
            "tid": self.tenant_id,
            "oid": principal.object_id,
            "sub": principal.object_id,
            "appid": client_id,
            "name": principal.name,
            "idtyp": "user" if principal in USERS.values() else "app",
            "ver": "1.0",
        }
        if principal in USERS.values():
            claims["upn"] = claims["unique_name"] = principal.name
        return self.sign(claims), now + self.lifetime_s

    def sign(self, claims: dict[str, Any]) -> str:
        head = _b64(b'{"typ":"JWT","alg":"HS256"}') + "." + _b64(msgspec.json.encode(claims))
        return f"{head}.{_b64(self._mac(head))}"

    def _mac(self, head: str) -> bytes:
        return hmac.new(self._key, head.encode(), hashlib.sha256).digest()

    def verify(self, token: str) -> Principal:
        """Raises `TokenRefused` with the code and text of Resource Manager's 401."""
        claims = self.claims(token)
        audience = str(claims.get("aud", "")).rstrip("/")
        if audience not in ARM_AUDIENCES and not audience.startswith(
            ("https://127.0.0.1", "https://localhost")
        ):
            raise TokenRefused(
                "InvalidAuthenticationTokenAudience",
                f"The access token has been obtained for wrong audience or resource '{audience}'. "
                f"It should exactly match with one of the allowed audiences '{ARM_AUDIENCES[1]}/',"
                f"'{ARM_AUDIENCES[1]}','{ARM_AUDIENCES[0]}/','{ARM_AUDIENCES[0]}'.",
            )
        if claims["exp"] <= time.time():
            raise expired(claims["exp"])
        principal = PRINCIPALS.get(claims.get("oid", ""))
        if principal is None or claims.get("tid") != self.tenant_id:
            raise TokenRefused("InvalidAuthenticationToken", "The access token is invalid.")
        return principal

    def claims(self, token: str) -> dict[str, Any]:
        head, _, signature = token.rpartition(".")
        try:
            genuine = hmac.compare_digest(_unb64(signature), self._mac(head))
            claims = msgspec.json.decode(_unb64(head.partition(".")[2]), type=dict[str, Any])
        except (ValueError, msgspec.MsgspecError):
            genuine, claims = False, {}
        if not genuine or not isinstance(claims.get("exp"), int | float):
            raise TokenRefused("InvalidAuthenticationToken", "The access token is invalid.")
        return claims


def expired(at: float) -> TokenRefused:
    utc = "%m/%d/%Y %I:%M:%S %p"
    return TokenRefused(
        "ExpiredAuthenticationToken",
        f"The access token expiry UTC time '{time.strftime(utc, time.gmtime(at))}' is earlier than current "
        f"UTC time '{time.strftime(utc, time.gmtime())}'.",
    )


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
