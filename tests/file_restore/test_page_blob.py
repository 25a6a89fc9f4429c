"""A disk over HTTPS: every byte right or an error, and the address in none of them."""

from __future__ import annotations

import asyncio
import random
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from azure_ops.errors import RecoveryError, Unreachable
from azure_ops.file_restore.block_cache import BLOCK, BlockCache
from azure_ops.file_restore.page_blob import PageBlob
from azure_ops.file_restore.problems import AccessExpired, FileRestoreError

from .range_server import ETAG, RangeServer

MIB = 1 << 20
SIZE = 20 * MIB + 512


@pytest.fixture(scope="module")
def content() -> bytes:
    rng = random.Random(5)
    data = bytearray(SIZE)
    for start in (0, 3 * MIB, 9 * MIB):
        data[start : start + 2 * MIB] = rng.randbytes(2 * MIB)
    return bytes(data)


@pytest.fixture(scope="module")
def server(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RangeServer]:
    folder = tmp_path_factory.mktemp("blob")
    image = folder / "disk"
    with open(image, "wb") as file:
        for start in range(0, SIZE, 1 << 16):
            block = content[start : start + (1 << 16)]
            if any(block):
                file.seek(start)
                file.write(block)
        file.truncate(SIZE)
    running = RangeServer(image, folder)
    yield running
    running.close()


@pytest.fixture(autouse=True)
def quiet(server: RangeServer) -> Iterator[None]:
    yield
    server.control(faults=[], signature="first", etag=ETAG, latency_s=0)


@asynccontextmanager
async def opened(server: RangeServer, **more: Any) -> AsyncIterator[PageBlob]:
    blob = PageBlob(server.address(), "web01-os", tls=server.tls, pause_s=0.002, **more)
    await blob.open()
    try:
        yield blob
    finally:
        await blob.close()


async def test_ranges_in_parallel_are_the_bytes(server: RangeServer, content: bytes) -> None:
    rng = random.Random(1)
    async with opened(server) as blob:
        assert blob.size == SIZE
        places = [
            (at := rng.randrange(SIZE), rng.randrange(1, min(6 * MIB, SIZE - at) + 1)) for _ in range(30)
        ]
        found = await asyncio.gather(*(blob.read(at, length, verified=True) for at, length in places))
    for (at, length), data in zip(places, found, strict=True):
        assert data == content[at : at + length]
    assert server.figures()["hashed"] > 30
    assert server.figures()["most_at_once"] <= 16


async def test_holes_are_known_and_cost_no_request(server: RangeServer, content: bytes) -> None:
    async with opened(server) as blob:
        assert await blob.used_bytes() == 6 * MIB
        assert blob.written(2 * MIB, 2 * MIB) == [(3 * MIB, MIB)]
        assert blob.written(12 * MIB, 8 * MIB) == []
        cache = BlockCache(blob, blob.size)
        before = server.figures()["requests"]
        assert await cache.read(12 * MIB, 4 * MIB) == bytes(4 * MIB)
        assert await cache.read(SIZE - 10, 10) == bytes(10)
        assert server.figures()["requests"] == before
        assert await cache.read(3 * MIB + 5, 100) == content[3 * MIB + 5 : 3 * MIB + 105]
        assert await cache.read(3 * MIB + 500, 100) == content[3 * MIB + 500 : 3 * MIB + 600]
        assert server.figures()["requests"] == before + 1
        await cache.close()


async def test_a_stream_is_read_ahead_and_no_block_twice(server: RangeServer, content: bytes) -> None:
    async with opened(server) as blob:
        await blob.holes_known()
        cache = BlockCache(blob, blob.size)
        found = b"".join([await cache.read(at, 10_000) for at in range(0, 2 * MIB - 10_000, 10_000)])
        assert found == content[: len(found)]
        assert cache.figures.requests < 2 * MIB // BLOCK
        assert cache.figures.bytes_fetched <= 2 * MIB
        many = await asyncio.gather(*(cache.read(9 * MIB + 7, 50) for _ in range(20)))
        assert set(many) == {content[9 * MIB + 7 : 9 * MIB + 57]}
        await cache.close()


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503, "times": 3},
        {"kind": "status", "status": 503, "times": 1, "retry_after": 0},
        {"kind": "status", "status": 500, "code": "InternalError", "times": 2},
        {"kind": "status", "status": 429, "times": 2},
        {"kind": "reset", "times": 3},
        {"kind": "short", "times": 2},
        {"kind": "corrupt", "times": 2},
    ],
)
async def test_what_passes_is_tried_again(server: RangeServer, content: bytes, fault: dict[str, Any]) -> None:
    async with opened(server) as blob:
        server.control(faults=[fault])
        assert await blob.read(3 * MIB, MIB, verified=True) == content[3 * MIB : 4 * MIB]
        # The client itself sends again once when a connection it kept was reset.
        assert 1 <= blob.retries <= fault["times"]


async def test_what_does_not_pass_is_an_error_in_the_end(server: RangeServer) -> None:
    async with opened(server) as blob:
        server.control(faults=[{"kind": "status", "status": 503, "times": 99}])
        with pytest.raises(Unreachable, match="503 ServerBusy"):
            await blob.read(0, 100)
        server.control(faults=[{"kind": "corrupt", "times": 99}])
        with pytest.raises(Unreachable, match="arrived damaged"):
            await blob.read(0, 100, verified=True)
        server.control(faults=[{"kind": "status", "status": 404, "code": "BlobNotFound"}])
        with pytest.raises(FileRestoreError, match="404 BlobNotFound"):
            await blob.read(0, 100)
        server.control(etag='"0x1"')
        with pytest.raises(FileRestoreError, match="changes while it is read"):
            await blob.read(0, 100)


async def test_an_expired_address_is_renewed_once_for_all(server: RangeServer, content: bytes) -> None:
    renewed = []

    async def renew() -> str:
        renewed.append(1)
        await asyncio.sleep(0.01)
        return server.address("second")

    async with opened(server, renew=renew) as blob:
        await blob.holes_known()
        server.control(signature="second")
        found = await asyncio.gather(*(blob.read(3 * MIB + n * 1000, 1000) for n in range(12)))
        assert b"".join(found) == content[3 * MIB : 3 * MIB + 12_000]
        assert len(renewed) == blob.renewals == 1


async def test_access_that_is_gone_is_said_so(server: RangeServer) -> None:
    async def renew() -> str:
        return server.address("wrong")

    async with opened(server) as blob:
        server.control(signature="second")
        with pytest.raises(AccessExpired, match="403 AuthenticationFailed"):
            await blob.read(0, 100)
    server.control(signature="first")
    async with opened(server, renew=renew) as blob:
        server.control(signature="second")
        with pytest.raises(AccessExpired):
            await blob.read(0, 100)


async def test_no_other_host_is_ever_asked(server: RangeServer) -> None:
    async with opened(server) as blob:
        server.control(
            faults=[{"kind": "status", "status": 307, "location": "https://127.0.0.1:1/", "times": 1}]
        )
        with pytest.raises(FileRestoreError, match="307"):
            await blob.read(0, 100)
    with pytest.raises(FileRestoreError, match="not an https"):
        PageBlob("http://127.0.0.1/?sig=first", "web01-os")


async def test_the_address_is_in_no_error(server: RangeServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    texts = []
    for faults in (
        [{"kind": "reset", "times": 99}],
        [{"kind": "short", "times": 99}],
        [{"kind": "status", "status": 409}],
        [{"kind": "status", "status": 503, "times": 99}],
    ):
        async with opened(server) as blob:
            server.control(faults=faults)
            with pytest.raises(RecoveryError) as caught:
                await blob.read(0, 100)
            texts += [
                "".join(traceback.format_exception(caught.value)),
                repr(caught.value.note()),
                repr(blob),
            ]
        server.control(faults=[])
    dead = PageBlob("https://127.0.0.1:1/x?sig=first", "web01-os", tls=server.tls, pause_s=0.001)
    with pytest.raises(Unreachable) as gone:
        await dead.open()
    texts += ["".join(traceback.format_exception(gone.value)), caplog.text]
    assert not [text for text in texts if "sig=" in text or "/md-1" in text]


async def test_a_busy_disk_gets_fewer_requests_at_once(server: RangeServer) -> None:
    async with opened(server) as blob:
        before = blob._gate.limit
        server.control(faults=[{"kind": "status", "status": 503, "times": 2}])
        await blob.read(0, 100)
        assert blob._gate.limit == max(2, before // 4)
        for number in range(80):
            await blob.read(number, 1)
        assert blob._gate.limit > before // 4


async def test_metadata_goes_before_bulk(server: RangeServer, tmp_path: Path) -> None:
    async with opened(server) as blob:
        await blob.holes_known()
        server.control(latency_s=0.02)
        done: list[str] = []

        async def one(kind: str, at: int) -> None:
            await blob.read(at, 1000, verified=kind == "bulk")
            done.append(kind)

        await asyncio.gather(
            *(one("bulk", n * 1000) for n in range(60)), *(one("metadata", n) for n in range(4))
        )
        assert "metadata" in done[:20]
        assert max(at for at, kind in enumerate(done) if kind == "metadata") < 40
