"""The timeline of one VM among a thousand with thirty points each, and the recommendation over a thousand
points."""

from __future__ import annotations

import asyncio
import os
import re
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp

from azure_ops.engine.console import Board
from azure_ops.engine.details import DetailsReader
from azure_ops.engine.history import History
from azure_ops.engine.watch import Watcher
from azure_ops.model import Disk, FleetItem, PointDisk, PointSource, PointTier, RecoveryPoint, RequestLine
from azure_ops.recommend import recommend
from azure_ops.services import inventory
from azure_ops.services.session import Session
from tests.bench import world
from tests.bench.figures import Figure, median
from tests.bench.inventory import bearer, timed
from tests.bench.keys import settled
from tests.bench.terminal import Terminal

FLEET, ROWS = "1000x30", 1000
VMS = 12
RUNS = 15


def measure() -> Iterator[Figure]:
    took = [recommendation_ms() for _ in range(RUNS)]
    yield Figure(f"recommendation over 1,000 points, least of {RUNS}", min(took), "ms", goal=10)
    with world.private_folders(), world.emulator(FLEET) as env:
        before = dict(os.environ)
        os.environ.update(env)
        try:
            floor, ours, requests = asyncio.run(engine_part(env))
        finally:
            os.environ.clear()
            os.environ.update(before)
        yield Figure("timeline of one VM in the engine (floor: the same GETs bare)", ours, "ms", floor)
        yield Figure("requests for the timeline of one VM", requests, "GET")
        with world.console(env) as terminal:
            settled(terminal, ROWS)
            waits = [key_to_timeline_ms(terminal) for _ in range(VMS)]
        world.stop_engine(env)
    yield Figure("key → timeline of another VM, 1,000 items × 30 points, p50", median(waits), "ms")
    yield Figure("key → timeline of another VM, 1,000 items × 30 points, most", max(waits), "ms")


def key_to_timeline_ms(terminal: Terminal) -> float:
    """The quarter second for which the cursor must rest is in it."""
    before = _timeline_of(terminal.text())
    sent = terminal.press("down")
    seen = terminal.wait_for(
        lambda text: _timeline_of(text) not in ("", before) and "Reading …" not in text, 20
    )
    return (seen - sent) * 1000


def _timeline_of(text: str) -> str:
    """The VM that the points pane is about; empty while there is none."""
    found = re.search(r"Points · (\S+)", text)
    return found[1] if found else ""


async def engine_part(env: dict[str, str]) -> tuple[float, float, float]:
    """Medians over some VMs in milliseconds: the GETs alone, and the whole timeline; and their number."""
    lines: list[RequestLine] = []
    session = Session(world.settings_of(env), on_request=lines.append)
    await session.open()
    reader, items = await _reader(session)
    context = ssl.create_default_context(cafile=env["AZRECOVER_CA"])
    headers = {"Authorization": f"Bearer {await bearer(env)}"}
    floors, ours, counts = [], [], []
    try:
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(connector=connector, headers=headers) as bare:
            for number, item in enumerate(items):
                await reader.read(item, fresh=True)  # the vault's policies are at hand from here on
                lines.clear()
                our = await timed(reader.read(item, fresh=True))
                paths = [line.path for line in lines]
                floor = await timed(asyncio.gather(*(_get(bare, session.endpoint + one) for one in paths)))
                if number:
                    ours.append(our)
                    floors.append(floor)
                    counts.append(float(len(paths)))
    finally:
        await session.close()
    return median(floors), median(ours), median(counts)


async def _reader(session: Session) -> tuple[DetailsReader, list[FleetItem]]:
    """Over VMs that are backed up and replicated."""
    vms, backups, replications = await asyncio.gather(
        inventory.read_vms(session), inventory.read_backups(session), inventory.read_replications(session)
    )
    fleet = inventory.join(vms, backups, replications).values()
    items = [item for item in fleet if item.backup and item.replication and item.exists]
    history = History(Path(os.environ["XDG_STATE_HOME"]) / "bench.sqlite")
    watcher = Watcher(session, Board(service_now=session.service_now), lambda: None)
    return DetailsReader(session, watcher, history), items[: VMS + 1]


async def _get(bare: aiohttp.ClientSession, url: str) -> None:
    async with bare.get(url) as answer:
        assert answer.status == 200, url
        await answer.read()


def recommendation_ms() -> float:
    now = datetime(2026, 8, 22, 14, tzinfo=UTC)
    disks = (Disk(id="/d/os", name="os"), Disk(id="/d/data", name="data", lun=0))
    points = [
        RecoveryPoint(
            id=f"/points/{hours}",
            name=str(hours),
            source=PointSource.BACKUP,
            taken_at=now - timedelta(hours=hours),
            consistency="AppConsistent" if hours % 3 else "CrashConsistent",
            tiers=(
                PointTier(name="InstantRP", status="Valid" if hours < 48 else "Deleted"),
                PointTier(name="HardenedRP", status="Valid"),
            ),
            disks=(PointDisk(name="os"), PointDisk(name="data", lun=0)),
            threat="Healthy",
        )
        for hours in range(1000)
    ]
    began = time.perf_counter()
    advice = recommend(now - timedelta(hours=5), points, disks, now=now)
    took = time.perf_counter() - began
    assert advice.chosen is not None
    return took * 1000
