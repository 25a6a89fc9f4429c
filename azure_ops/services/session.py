"""One signed-in session: clients over one shared transport, the service's clock, what is left of the budgets.

The only place where clients are made. Everything heavy is imported when the session opens.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..arm_ids import request_path
from ..errors import NotFound, RecoveryError, SignInNeeded, Unreachable
from ..model import RawDocument, RequestLine
from .api_versions import api_version_of
from .azure_failures import azure_errors
from .credentials import OnDeviceCode, make_credential
from .request_log import action_of, without_secrets
from .service_clock import ServiceClock
from .throttling import Budget
from .transport import CONNECT_S, READ_S, Network, make_policies, open_network

if TYPE_CHECKING:
    from datetime import datetime

    from azure.mgmt.compute.aio import ComputeManagementClient
    from azure.mgmt.recoveryservices.aio import RecoveryServicesClient
    from azure.mgmt.recoveryservicesbackup.aio import RecoveryServicesBackupClient
    from azure.mgmt.recoveryservicessiterecovery.aio import SiteRecoveryManagementClient
    from azure.mgmt.resourcegraph.aio import ResourceGraphClient

    from ..cloud import CloudSettings
    from .permissions import Granted

SUBSCRIPTIONS_API = "2022-12-01"
_ENABLED = ("Enabled", "Warned", "PastDue", "")
"""Subscriptions in these states answer reads."""


class Session:
    def __init__(
        self,
        settings: CloudSettings,
        *,
        on_request: Callable[[RequestLine], None] = lambda line: None,
        on_device_code: OnDeviceCode | None = None,
    ) -> None:
        self.settings = settings
        self.endpoint = settings.endpoint
        self.clock = ServiceClock()
        self.budget = Budget()
        self.grants: dict[str, Granted] = {}
        """By scope, as `permissions.py` keeps them."""
        self._on_request = on_request
        self._on_device_code = on_device_code
        self._network: Network | None = None
        self._credential: Any = None
        self._policies: list[Any] = []
        self._clients: dict[tuple[str, str], Any] = {}
        self._pipeline: Any = None
        self._subscriptions: dict[str, str] = {}

    async def open(self) -> None:
        """Sends nothing yet. Raises Unreachable for an endpoint or CA file that cannot be used."""
        if urlsplit(self.endpoint).scheme != "https" or not urlsplit(self.endpoint).hostname:
            raise Unreachable(
                f"The endpoint {self.endpoint} is no https address.",
                "Give --arm-endpoint as https://HOST[:PORT]; Azure's sign-in is only sent over TLS.",
                code="EndpointUnusable",
                retryable=False,
            )
        from azure.mgmt.core import AsyncARMPipelineClient

        self._network = open_network(self.settings)
        try:
            self._credential = make_credential(self.settings, self._network.transport, self._on_device_code)
        except ValueError as exc:
            await self.close()
            raise SignInNeeded(
                f"The sign-in settings cannot be used: {exc}",
                "Correct or unset the AZURE_* variables of the environment.",
                code="CredentialSettings",
            ) from exc
        scope = f"{self.endpoint}/.default"
        self._policies = make_policies(self._credential, scope, self._on_request, self.clock, self.budget)
        # Without the policy that decodes every body: plain requests are decoded by who asked.
        plain = [policy for policy in self._policies if type(policy).__name__ != "ContentDecodePolicy"]
        self._pipeline = AsyncARMPipelineClient(
            base_url=self.endpoint, policies=plain, transport=self._network.transport
        )

    async def close(self) -> None:
        """Ends all connections. The session can be opened again."""
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.close()
        if self._credential is not None:
            await self._credential.close()
        if self._network is not None:
            await self._network.close()
        self._network = self._credential = self._pipeline = None

    async def __aenter__(self) -> Session:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def identity(self) -> str:
        """Which credential of the chain is in use; empty before the first request."""
        return getattr(self._credential, "identity", "")

    def service_now(self) -> datetime:
        return self.clock.now()

    # clients ------------------------------------------------------------------------------------------------

    def compute(self, subscription: str) -> ComputeManagementClient:
        from azure.mgmt.compute.aio import ComputeManagementClient

        return self._client(ComputeManagementClient, subscription)  # type: ignore[no-any-return]

    def vaults(self, subscription: str) -> RecoveryServicesClient:
        from azure.mgmt.recoveryservices.aio import RecoveryServicesClient

        return self._client(RecoveryServicesClient, subscription)  # type: ignore[no-any-return]

    def backup(self, subscription: str) -> RecoveryServicesBackupClient:
        from azure.mgmt.recoveryservicesbackup.aio import RecoveryServicesBackupClient

        return self._client(RecoveryServicesBackupClient, subscription)  # type: ignore[no-any-return]

    def site_recovery(self, subscription: str) -> SiteRecoveryManagementClient:
        from azure.mgmt.recoveryservicessiterecovery.aio import SiteRecoveryManagementClient

        return self._client(SiteRecoveryManagementClient, subscription)  # type: ignore[no-any-return]

    def resource_graph(self) -> ResourceGraphClient:
        from azure.mgmt.resourcegraph.aio import ResourceGraphClient

        return self._client(ResourceGraphClient, "")  # type: ignore[no-any-return]

    def _client(self, kind: Any, subscription: str) -> Any:
        key = (kind.__name__, subscription.lower())
        client = self._clients.get(key)
        if client is None:
            assert self._network is not None, "the session is not open"
            arguments = (self._credential, subscription) if subscription else (self._credential,)
            client = self._clients[key] = kind(
                *arguments,
                base_url=self.endpoint,
                credential_scopes=[f"{self.endpoint}/.default"],
                policies=self._policies,
                transport=self._network.transport,
                connection_timeout=CONNECT_S,
                read_timeout=READ_S,
            )
        return client

    # plain requests, for what no SDK client covers ---------------------------------------------------------

    async def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        **options: Any,
    ) -> Any:
        """The answer, its body read; raises azure-core's HttpResponseError for a refusal. `path` may be an
        absolute URL of this endpoint, such as a nextLink."""
        from azure.core.exceptions import HttpResponseError
        from azure.core.rest import HttpRequest

        assert self._pipeline is not None, "the session is not open"
        url = path if path.startswith("https://") else self.endpoint + path
        if urlsplit(url).netloc != urlsplit(self.endpoint).netloc:
            raise RecoveryError(
                f"A link of the service leads to {urlsplit(url).hostname}, not to the endpoint.",
                "Nothing was sent there. Report this.",
                code="ForeignLink",
            )
        request = HttpRequest(method, url, params=dict(params) if params else None, json=body)
        response = await self._pipeline.send_request(request, **options)
        if response.status_code == 404 and response.content:
            _require_json(response)
        if response.status_code >= 400:
            raise HttpResponseError(response=response)
        return response

    async def get_json(self, path: str, api_version: str = "") -> Any:
        params = {"api-version": api_version} if api_version else None
        return (await self.send("GET", path, params=params)).json()

    async def subscriptions(self) -> tuple[str, ...]:
        """Ids of the subscriptions to look at: those asked for by id or name, else all that can be read."""
        names = await self.subscription_names()
        wanted = self.settings.subscriptions
        if not wanted:
            return tuple(names)
        by_word = {key.lower(): key for key in names} | {name.lower(): key for key, name in names.items()}
        missing = [one for one in wanted if one.lower() not in by_word]
        if missing:
            raise NotFound(
                f"Subscription {missing[0]}: this sign-in does not see it.",
                "Check --subscription and the tenant you are signed in to.",
                resource=missing[0],
            )
        return tuple(dict.fromkeys(by_word[one.lower()] for one in wanted))

    async def subscription_names(self) -> dict[str, str]:
        """Id to display name, read once per session."""
        if not self._subscriptions:
            found: dict[str, str] = {}
            async with azure_errors("The list of subscriptions"):
                page = await self.get_json("/subscriptions", SUBSCRIPTIONS_API)
                while True:
                    for one in page["value"]:
                        if str(one.get("state", "")) in _ENABLED:
                            found[str(one["subscriptionId"])] = str(one.get("displayName", ""))
                    if not page.get("nextLink"):
                        break
                    page = await self.get_json(str(page["nextLink"]))
            self._subscriptions = found
        return self._subscriptions

    async def get_document(self, arm_id: str, api_version: str = "", **query: str) -> RawDocument:
        """The service's own answer about one resource, with the request that fetched it, free of secrets.
        Keywords are OData options (`expand="instanceView"`)."""
        path = request_path(arm_id)
        params = {"api-version": api_version or api_version_of(arm_id)}
        params |= {f"${key}": value for key, value in query.items()}
        async with azure_errors(f"The document of {path.rsplit('/', 1)[-1]}"):
            response = await self.send("GET", path, params=params)
            document = response.json()
        shown = path + "?" + "&".join(f"{key}={value}" for key, value in params.items())
        quoted = shown.replace("'", "'\\''")
        return RawDocument(
            method="GET",
            url=shown,
            status=response.status_code,
            permission=action_of("GET", path),
            az_command=f"az rest --method get --url '{quoted}'",
            json_text=without_secrets(json.dumps(document, indent=2, ensure_ascii=False)),
            read_at=self.service_now(),
        )


def _require_json(response: Any) -> None:
    """That something does not exist is believed of the service only, not of a page from in between."""
    from azure.core.exceptions import DecodeError

    try:
        response.json()
    except ValueError as exc:
        raise DecodeError("The answer is no JSON.", response=response, error=exc) from exc
