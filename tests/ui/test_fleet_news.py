"""The whole console without a terminal, told by an engine's side of a real socket how the fleet changes."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from textual.pilot import Pilot

from azure_ops import paths, wire
from azure_ops.cloud import CloudSettings
from azure_ops.early_line import EarlyLine, open_early
from azure_ops.model import Backup, FleetItem, Replication, SourceState
from azure_ops.version import VERSION
from tui.app import ConsoleApp
from tui.config import Config
from tui.keys import KeyTable
from tui.state import ROW_SOURCES

SETTINGS = CloudSettings(name="custom", arm_endpoint="https://127.0.0.1:1")
AT = datetime(2026, 8, 22, 14, tzinfo=UTC)
VM, BACKUP, REPLICATION = ROW_SOURCES


@pytest.fixture(autouse=True)
def private_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


class Teller:
    """The engine's side: one console, told what the test wants."""

    def __init__(self) -> None:
        self._writer: asyncio.StreamWriter | None = None
        self._greeted = asyncio.Event()
        self.calls: list[wire.Request] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await wire.read_from_console(reader)
        writer.write(
            wire.frame(wire.Welcome(protocol=wire.PROTOCOL, version=VERSION, pid=1, cloud="x", endpoint="x"))
        )
        self._writer = writer
        self._greeted.set()
        while (message := await wire.read_from_console(reader)) is not None:
            if isinstance(message, wire.Call):
                self.calls.append(message.request)
                result = await self.answer(message.request)
                writer.write(wire.frame(wire.Reply(number=message.number, result=result)))
        writer.close()

    async def answer(self, request: wire.Request) -> wire.Result:
        return wire.Done()

    async def tell(
        self,
        *changed: FleetItem,
        read: tuple[str, ...] = (),
        first: bool = False,
        removed: tuple[str, ...] = (),
    ) -> None:
        await asyncio.wait_for(self._greeted.wait(), 10)
        assert self._writer is not None
        sources = tuple(SourceState(name=name, read_at=AT) for name in read)
        delta = wire.FleetDelta(
            generation=1,
            taken_at=AT,
            service_at=AT,
            first=first,
            changed=changed,
            removed=removed,
            sources=sources,
        )
        self._writer.write(wire.frame(delta))

    async def say(self, message: wire.Message) -> None:
        await asyncio.wait_for(self._greeted.wait(), 10)
        assert self._writer is not None
        self._writer.write(wire.frame(message))


@asynccontextmanager
async def console(teller: Teller | None = None) -> AsyncIterator[tuple[ConsoleApp, Pilot[None], Teller]]:
    teller = teller or Teller()
    server = await asyncio.start_unix_server(teller.serve, paths.socket_path(SETTINGS))
    app = ConsoleApp(SETTINGS, Config(), KeyTable())
    async with app.run_test(size=(120, 40)) as pilot:
        yield app, pilot, teller
    server.close()


def vm(name: str, replication: Replication | None = None, backup: Backup | None = None) -> FleetItem:
    return FleetItem(
        key=name, id=f"/{name}", name=name, subscription_id="s", resource_group="g", replication=replication,
        backup=backup,
    )  # fmt: skip


def cells(app: ConsoleApp, key: str) -> dict[str, str]:
    table = app.console_screen.vms
    row = table.row(key)
    return {} if row is None else {column.id: column.cell(row).text for column in table.columns}


async def until(pilot: Pilot[None], app: ConsoleApp, key: str, column: str, text: str) -> None:
    async with asyncio.timeout(10):
        while cells(app, key).get(column) != text:
            await pilot.pause(0.02)


async def test_first_rows_say_what_is_unread_and_the_whole_says_it_no_more() -> None:
    open_test = Replication(item_id="r", vault_id="v", allowed_operations=("TestFailoverCleanup",))
    async with console() as (app, pilot, teller):
        await teller.tell(vm("a"), vm("b", open_test), read=(VM,), first=True)
        await until(pilot, app, "a", "backup", "… unread")
        assert app.console_screen.vms.shown_keys == ["a", "b"]
        assert [end.target.key for end in app.state.loose_ends.all()] == ["b"]
        await teller.tell(vm("a"), read=(BACKUP,))
        await until(pilot, app, "a", "backup", "none ✖")
        assert cells(app, "a")["replication"] == "… unread"
        await teller.tell(read=(REPLICATION,))
        await until(pilot, app, "a", "replication", "–")
        assert app.state.complete


async def test_many_differences_at_once_end_in_what_the_engine_has() -> None:
    async with console() as (app, pilot, teller):
        await teller.tell(vm("a"), vm("b"), read=ROW_SOURCES, first=True)
        for number in range(30):
            await teller.tell(vm("c"), vm(f"d{number}"))
            await teller.tell(removed=("c", "a"))
        await teller.tell(vm("a"), vm("z"))
        await until(pilot, app, "z", "name", "z")
        assert app.console_screen.vms.shown_keys == ["a", "b", *(f"d{n}" for n in range(30)), "z"]


async def test_a_new_whole_takes_the_place_of_the_old_one() -> None:
    async with console() as (app, pilot, teller):
        await teller.tell(vm("a"), vm("b"), read=ROW_SOURCES, first=True)
        await until(pilot, app, "b", "name", "b")
        await teller.tell(vm("c"), read=ROW_SOURCES, first=True)
        await until(pilot, app, "c", "name", "c")
        assert app.console_screen.vms.shown_keys == ["c"]


def until_collected(early: EarlyLine, size: int) -> None:
    deadline = time.monotonic() + 10
    while len(early._said) < size and time.monotonic() < deadline:
        time.sleep(0.01)


async def test_what_an_engine_told_early_is_there_when_the_console_opens() -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(bytes(paths.socket_path(SETTINGS)))
    listener.listen()
    early = open_early(SETTINGS)
    engine, _ = listener.accept()
    engine.recv(65536)
    sources = tuple(SourceState(name=name, read_at=AT) for name in (VM, BACKUP, REPLICATION))
    fleet = wire.FleetDelta(
        generation=1, taken_at=AT, service_at=AT, first=True, changed=(vm("a"), vm("b")), sources=sources
    )
    welcome = wire.Welcome(protocol=wire.PROTOCOL, version=VERSION, pid=1, cloud="x", endpoint="x")
    messages = wire.frame(welcome) + wire.frame(fleet)
    engine.sendall(messages)
    assert early is not None
    await asyncio.to_thread(until_collected, early, len(messages))
    app = ConsoleApp(SETTINGS, Config(), KeyTable(), early)
    async with app.run_test(size=(120, 40)) as pilot:
        assert app.console_screen.vms.shown_keys == ["a", "b"]
        assert app.state.complete
        gone = wire.FleetDelta(generation=2, taken_at=AT, service_at=AT, removed=("b",))
        engine.sendall(wire.frame(gone))
        async with asyncio.timeout(10):
            while app.console_screen.vms.shown_keys != ["a"]:
                await pilot.pause(0.02)
    engine.close()
    listener.close()
