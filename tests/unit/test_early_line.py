"""The line that is opened before the console is loaded: what was said on it meanwhile is not lost."""

from __future__ import annotations

import asyncio
import socket
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from azure_ops import paths, wire
from azure_ops.client import EngineClient
from azure_ops.cloud import CloudSettings
from azure_ops.early_line import EarlyLine, open_early
from azure_ops.model import FleetItem
from azure_ops.version import VERSION

SETTINGS = CloudSettings(name="custom", arm_endpoint="https://127.0.0.1:1")
PARTS = 40


@pytest.fixture(autouse=True)
def private_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def test_without_an_engine_there_is_no_early_line() -> None:
    assert open_early(SETTINGS) is None
    paths.socket_path(SETTINGS).touch()
    assert open_early(SETTINGS) is None


def part(number: int) -> wire.FleetDelta:
    at = datetime(2026, 8, 22, tzinfo=UTC)
    items = tuple(
        FleetItem(
            key=f"{number}-{row}",
            id=f"/{number}/{row}",
            name="x" * 99,
            subscription_id="s",
            resource_group="g",
        )
        for row in range(100)
    )
    return wire.FleetDelta(generation=number, taken_at=at, service_at=at, changed=items)


def said(*messages: wire.Message, subscriptions: tuple[str, ...] = (), end: bytes = b"") -> EarlyLine:
    """A line on which an engine has said all this."""
    engine, console = socket.socketpair()
    welcome = wire.Welcome(
        protocol=wire.PROTOCOL,
        version=VERSION,
        pid=1,
        cloud="x",
        endpoint="x",
        subscriptions=subscriptions,
    )
    engine.sendall(b"".join(map(wire.frame, (welcome, *messages))) + end)
    engine.close()
    early = EarlyLine(console, SETTINGS)
    early._thread.join(10)
    return early


def left(early: EarlyLine) -> bytes:
    line, rest = early.take()
    line.close()
    return rest


def test_whole_messages_are_heard_and_the_rest_is_left() -> None:
    cut = wire.frame(part(3))[:-1]
    early = said(part(1), part(2), end=cut)
    welcome, *parts = early.hear()
    assert welcome is early.welcome
    assert parts == [part(1), part(2)]
    assert left(early) == cut


def test_an_engine_that_looks_elsewhere_is_not_heard() -> None:
    early = said(part(1), subscriptions=("another",))
    assert early.hear() == []
    assert early.welcome is None
    assert left(early).endswith(wire.frame(part(1)))


@pytest.mark.parametrize(
    "judged", [wire.frame(wire.Goodbye(reason="stopped")), b"\x00\x00\x00\x01\xc1", b"\xff\xff\xff\xff"]
)
def test_what_the_client_has_to_judge_is_left_for_it(judged: bytes) -> None:
    early = said(part(1), end=judged + wire.frame(part(2)))
    assert early.hear()[1:] == [part(1)]
    assert left(early) == judged + wire.frame(part(2))


@pytest.mark.parametrize("heard_before", [False, True])
def test_what_was_said_early_and_late_comes_in_one_order(heard_before: bool) -> None:
    """Half is said before the console takes the line over, far more than a socket holds by itself."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(bytes(paths.socket_path(SETTINGS)))
    listener.listen()
    taken = threading.Event()
    said_early = threading.Event()

    def engine() -> None:
        line, _ = listener.accept()
        line.recv(65536)
        welcome = wire.Welcome(protocol=wire.PROTOCOL, version=VERSION, pid=1, cloud="x", endpoint="x")
        line.sendall(wire.frame(welcome))
        for number in range(PARTS // 2):
            line.sendall(wire.frame(part(number)))
        cut = wire.frame(part(PARTS // 2))
        line.sendall(cut[: len(cut) // 2])
        said_early.set()
        taken.wait(10)
        line.sendall(cut[len(cut) // 2 :])
        for number in range(PARTS // 2 + 1, PARTS):
            line.sendall(wire.frame(part(number)))
        line.recv(1)
        line.close()

    thread = threading.Thread(target=engine, daemon=True)
    thread.start()
    early = open_early(SETTINGS)
    assert early is not None
    assert said_early.wait(10)
    heard: list[wire.FleetDelta] = []
    told: list[str] = []
    if heard_before:
        heard += [message for message in early.hear() if isinstance(message, wire.FleetDelta)]
        assert heard

    async def console() -> wire.Welcome:
        all_heard = asyncio.Event()

        def hear(message: wire.FromEngine) -> None:
            told.append(type(message).__name__)
            if isinstance(message, wire.FleetDelta):
                heard.append(message)
                if len(heard) == PARTS:
                    all_heard.set()

        client = EngineClient(SETTINGS, hear, lambda *_: None, early=early)
        welcome = await client.connect()
        taken.set()
        await asyncio.wait_for(all_heard.wait(), 10)
        await client.close()
        return welcome

    assert asyncio.run(console()).version == VERSION
    assert heard == [part(number) for number in range(PARTS)]
    assert ("Welcome" in told) is not heard_before
    thread.join(10)
    listener.close()
