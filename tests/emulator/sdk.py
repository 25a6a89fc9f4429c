"""The real SDK clients against an emulator process: real TLS, real azure-identity, one shared transport."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity.aio import ManagedIdentityCredential
from azure.mgmt.compute.aio import ComputeManagementClient
from azure.mgmt.recoveryservices.aio import RecoveryServicesClient
from azure.mgmt.recoveryservicesbackup.aio import RecoveryServicesBackupClient
from azure.mgmt.recoveryservicessiterecovery.aio import SiteRecoveryManagementClient

from ..support import Emulator


@dataclass
class Clients:
    compute: ComputeManagementClient
    vaults: RecoveryServicesClient
    backup: RecoveryServicesBackupClient
    site_recovery: SiteRecoveryManagementClient


@asynccontextmanager
async def sdk_clients(
    emulator: Emulator, subscription_id: str | None = None, *, client_id: str | None = None
) -> AsyncIterator[Clients]:
    """Needs the fixture `emulator_env`, which points azure-identity at the emulator."""
    context = ssl.create_default_context(cafile=emulator.ca_file)
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )
    credential = ManagedIdentityCredential(client_id=client_id)

    def client(kind: Callable[..., Any]) -> Any:
        return kind(
            credential,
            subscription_id or emulator.subscription_ids[0],
            base_url=emulator.endpoint,
            credential_scopes=[emulator.endpoint + "/.default"],
            transport=AioHttpTransport(session=session, session_owner=False),
            polling_interval=1,
            retry_total=0,
        )

    async with session, credential:
        yield Clients(
            client(ComputeManagementClient),
            client(RecoveryServicesClient),
            client(RecoveryServicesBackupClient),
            client(SiteRecoveryManagementClient),
        )


def group_of(resource_id: str) -> str:
    return resource_id.split("/")[4]


def name_of(resource_id: str) -> str:
    return resource_id.rsplit("/", 1)[-1]


async def collect(pages: Any) -> list[Any]:
    return [one async for one in pages]
