"""Signing in: the DefaultAzureCredential chain and, when nothing in it works, a device code asked for in the
console. Tokens stay inside azure-identity and azure-core; nothing here reads, logs or stores them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..cloud import CloudSettings

OnDeviceCode = Callable[[str, str, datetime], None]
"""Called on the event loop with address, code and expiry; `("", "", now)` when the sign-in is over."""
FAILURE_HOLDS_S = 15.0
"""The chain runs `az` and other programs; a failed one is not run again for every waiting request."""
AUTHORITIES = {
    "public": "https://login.microsoftonline.com",
    "usgovernment": "https://login.microsoftonline.us",
    "china": "https://login.chinacloudapi.cn",
}


def authority_of(settings: CloudSettings) -> str:
    """An endpoint of one's own signs in at itself, unless AZURE_AUTHORITY_HOST says otherwise."""
    import os

    return os.environ.get("AZURE_AUTHORITY_HOST") or AUTHORITIES.get(settings.name) or settings.endpoint


def make_credential(settings: CloudSettings, transport: Any, on_device_code: OnDeviceCode | None) -> Any:
    """Raises ValueError for an AZURE_TOKEN_CREDENTIALS that names no credential."""
    from azure.identity.aio import DefaultAzureCredential

    options: dict[str, Any] = {"authority": authority_of(settings), "transport": transport}
    if settings.client_id:
        options["managed_identity_client_id"] = settings.client_id
    if settings.name == "custom":
        options["disable_instance_discovery"] = True
    return ChainThenDeviceCode(settings, DefaultAzureCredential(**options), on_device_code)


class ChainThenDeviceCode:
    """An async token credential for azure-core."""

    def __init__(self, settings: CloudSettings, chain: Any, on_device_code: OnDeviceCode | None) -> None:
        self._settings = settings
        self._chain = chain
        self._on_device_code = on_device_code
        self._lock = asyncio.Lock()
        self._device: Any = None
        self._failed_at = float("-inf")
        self._failure: Exception | None = None
        self.identity = ""
        """Which credential gave the last token, in azure-identity's words."""

    async def get_token_info(self, *scopes: str, options: Any = None) -> Any:
        from azure.core.exceptions import ClientAuthenticationError

        async with self._lock:
            if self._device is not None:
                return await self._from_device(scopes, options)
            if self._failure is not None and monotonic() - self._failed_at < FAILURE_HOLDS_S:
                raise self._failure
            try:
                token = await self._chain.get_token_info(*scopes, options=options)
            except ClientAuthenticationError as exc:  # CredentialUnavailableError is one of them
                if self._on_device_code is None:
                    self._failed_at, self._failure = monotonic(), exc
                    raise
                return await self._from_device(scopes, options)
            self._failure = None
            used = getattr(self._chain, "_successful_credential", None)
            self.identity = type(used).__name__ if used is not None else type(self._chain).__name__
            return token

    async def get_token(self, *scopes: str, **kwargs: Any) -> Any:
        """The older protocol, for clients that do not know `get_token_info`."""
        from azure.core.credentials import AccessToken

        found = await self.get_token_info(*scopes, options={k: v for k, v in kwargs.items() if v})
        return AccessToken(found.token, found.expires_on)

    async def _from_device(self, scopes: tuple[str, ...], options: Any) -> Any:
        loop = asyncio.get_running_loop()
        device = self._device or self._make_device(loop)
        try:
            token = await _in_daemon_thread(lambda: device.get_token_info(*scopes, options=options))
        except Exception as exc:
            self._failed_at, self._failure, self._device = monotonic(), exc, None
            raise
        finally:
            self._say_it_is_over()
        self._device, self._failure = device, None
        self.identity = "DeviceCodeCredential"
        return token

    def _make_device(self, loop: asyncio.AbstractEventLoop) -> Any:
        import os

        from azure.identity import DeviceCodeCredential

        ask = self._on_device_code
        assert ask is not None

        def prompt(url: str, code: str, expires_at: datetime) -> None:
            loop.call_soon_threadsafe(ask, url, code, expires_at)

        options: dict[str, Any] = {"authority": authority_of(self._settings), "prompt_callback": prompt}
        if tenant := os.environ.get("AZURE_TENANT_ID"):
            options["tenant_id"] = tenant
        if self._settings.name == "custom":
            options["disable_instance_discovery"] = True
        if self._settings.ca_file:
            options["connection_verify"] = self._settings.ca_file
        return DeviceCodeCredential(**options)

    def _say_it_is_over(self) -> None:
        from datetime import UTC

        if self._on_device_code is not None:
            self._on_device_code("", "", datetime.now(UTC))

    async def close(self) -> None:
        await self._chain.close()

    async def __aenter__(self) -> ChainThenDeviceCode:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


async def _in_daemon_thread(work: Callable[[], Any]) -> Any:
    """A device-code sign-in waits up to a quarter of an hour: the engine must be able to end without it,
    which the loop's own executor would not allow."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(error)

    def run() -> None:
        try:
            outcome: tuple[Any, BaseException | None] = (work(), None)
        except BaseException as exc:  # handed over to the waiting coroutine
            outcome = (None, exc)
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=run, name="device-code", daemon=True).start()
    return await done
