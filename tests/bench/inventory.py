"""The fleet read and joined by our inventory, beside bare aiohttp fetching the same pages as concurrently."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Iterator

import aiohttp
import msgspec

from azure_ops.cloud import CloudSettings
from azure_ops.services import graph_queries, inventory
from azure_ops.services.resource_graph import API_VERSION, PAGE, PATH
from azure_ops.services.session import Session
from tests.bench import world
from tests.bench.figures import Figure, median

RUNS = 5
QUERIES = (graph_queries.VMS, graph_queries.BACKUPS, graph_queries.REPLICATIONS)


class Token(msgspec.Struct):
    skip_token: str | None = msgspec.field(name="$skipToken", default=None)


def measure() -> Iterator[Figure]:
    for fleet in ("1000", "10000"):
        with world.private_folders(), world.emulator(fleet) as env:
            os.environ.update(env)
            floors, ours = asyncio.run(compare(env))
        goal = 1.3
        yield Figure(f"inventory of {fleet} VMs joined (floor: bare aiohttp)", ours, "ms", floors, goal)


async def compare(env: dict[str, str]) -> tuple[float, float]:
    """Medians in milliseconds: bare pages, and our joined fleet; in turns."""
    settings = CloudSettings(
        name="custom", arm_endpoint=env["AZRECOVER_ARM_ENDPOINT"], ca_file=env["AZRECOVER_CA"]
    )
    session = Session(settings, on_request=lambda line: None, on_device_code=None)
    await session.open()
    token = await bearer(env)
    context = ssl.create_default_context(cafile=env["AZRECOVER_CA"])
    floors, ours = [], []
    try:
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context), headers={"Authorization": f"Bearer {token}"}
        ) as bare:
            for run in range(RUNS + 1):
                floor = await timed(asyncio.gather(*(pages(bare, settings.endpoint, q) for q in QUERIES)))
                our = await timed(joined(session))
                if run:
                    floors.append(floor)
                    ours.append(our)
    finally:
        await session.close()
    return median(floors), median(ours)


async def timed(work: asyncio.Future[object] | object) -> float:
    started = time.perf_counter()
    await work  # type: ignore[misc]
    return (time.perf_counter() - started) * 1000


async def joined(session: Session) -> None:
    vms, backups, replications = await asyncio.gather(
        inventory.read_vms(session), inventory.read_backups(session), inventory.read_replications(session)
    )
    inventory.join(vms, backups, replications)


async def pages(bare: aiohttp.ClientSession, endpoint: str, query: str) -> None:
    token = ""
    while True:
        options: dict[str, object] = {"$top": PAGE, "resultFormat": "objectArray"}
        if token:
            options["$skipToken"] = token
        body = {"query": query, "options": options}
        async with bare.post(f"{endpoint}{PATH}?api-version={API_VERSION}", json=body) as answer:
            content = await answer.read()
        token = msgspec.json.decode(content, type=Token).skip_token or ""
        if not token:
            return


async def bearer(env: dict[str, str]) -> str:
    url = f"{env['IDENTITY_ENDPOINT']}?api-version=2019-08-01&resource=https://management.azure.com"
    headers = {"X-IDENTITY-HEADER": env["IDENTITY_HEADER"]}
    async with aiohttp.ClientSession() as plain, plain.get(url, headers=headers) as answer:
        return str((await answer.json())["access_token"])
