"""The engine process and its consoles: attach, differences, several consoles, idle end, bad days."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import msgspec
import pytest

from azure_ops import client as client_module
from azure_ops import paths, wire
from azure_ops.engine.lock import holder
from azure_ops.errors import EngineUnavailable, Refused, StateUnusable, Unreachable

from ..conftest import EmulatorFactory
from .engine_world import EngineWorld, Told, kill, point_environment


async def until_gone(world: EngineWorld, within_s: float = 15) -> None:
    deadline = time.monotonic() + within_s
    while holder(world.settings) is not None:
        assert time.monotonic() < deadline, "the engine did not end"
        await asyncio.sleep(0.05)


async def test_a_console_gets_the_fleet_and_a_second_one_the_same_at_once(world: EngineWorld) -> None:
    first = await world.filled_console()
    assert len(first.items) >= 25
    assert any(item.backup for item in first.items.values())
    assert any(item.replication for item in first.items.values())
    assert first.jobs
    second = await world.console()
    await second.until(lambda: second.items.keys() == first.items.keys())
    assert second.pid == first.pid
    assert second.items == first.items


@pytest.mark.cold
async def test_consoles_that_start_together_share_one_engine(world: EngineWorld) -> None:
    consoles = await asyncio.gather(*(world.console() for _ in range(4)))
    assert len({console.pid for console in consoles}) == 1


async def test_a_tick_without_changes_says_nothing_and_a_change_says_only_itself(world: EngineWorld) -> None:
    console = await world.filled_console()
    await console.call(wire.Refresh())
    seen = len(console.messages)
    await console.call(wire.Refresh())
    await console.call(wire.GetStatus())
    news = [m for m in console.messages[seen:] if not isinstance(m, wire.Requests)]
    assert news == []
    vm = console.named("mon-01")
    assert world.emulator.post(f"{vm.id}/deallocate?api-version=2024-07-01").status == 202
    world.emulator.advance(600)
    before = dict(console.items)
    await console.call(wire.Refresh())
    await console.until(lambda: console.items[vm.key].power_state == "deallocated")
    changed = {key for key, item in console.items.items() if before[key] is not item}
    unprotected = {key for key, item in before.items() if item.replication is None and item.backup is None}
    assert vm.key in changed
    assert not changed & unprotected - {vm.key}, "a row was told that did not change"


@pytest.mark.cold
async def test_an_idle_engine_ends_and_leaves_neither_socket_nor_lock(world: EngineWorld) -> None:
    console = await world.filled_console(idle_s=0.5)
    path = paths.socket_path(world.settings)
    assert path.exists()
    await console.close()
    await until_gone(world)
    assert not path.exists()
    again = await world.filled_console()
    assert again.pid != console.pid


@pytest.mark.cold
async def test_a_killed_engine_is_started_again_by_its_console(world: EngineWorld) -> None:
    console = await world.filled_console()
    dead = console.pid
    kill(dead)
    await console.until(lambda: console.pid not in (0, dead))
    await console.filled()
    assert [state for state, _ in console.states] == ["connected", "reconnecting", "connected"]
    assert len(console.items) >= 25


async def test_a_call_in_flight_when_the_engine_dies_fails_and_says_where_to_look(world: EngineWorld) -> None:
    console = await world.filled_console()
    world.emulator.fault("slow", method="POST", path="*ResourceGraph*", count=20, delay_s=5)
    waiting = asyncio.create_task(console.call(wire.Refresh()))
    await asyncio.sleep(0)
    kill(console.pid)
    with pytest.raises(EngineUnavailable, match="operations pane"):
        await waiting


async def test_a_stale_socket_and_a_stale_lock_file_are_no_obstacle(world: EngineWorld) -> None:
    path = paths.socket_path(world.settings)
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    paths.lock_path(world.settings).write_text('{"pid": 1, "socket": "/nowhere", "version": "0"}')
    assert holder(world.settings) is None
    console = await world.filled_console()
    assert console.pid > 1


async def test_the_socket_is_put_back_when_its_folder_was_removed(world: EngineWorld) -> None:
    console = await world.filled_console(idle_s=2)
    shutil.rmtree(paths.runtime_dir(world.settings).parent)
    path = paths.socket_path(world.settings)
    deadline = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    second = await world.filled_console()
    assert second.pid == console.pid


async def test_a_console_of_another_protocol_is_told_the_way_out(
    world: EngineWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = await world.filled_console()
    monkeypatch.setattr(wire, "PROTOCOL", 99)
    other = Told(world.settings)
    with pytest.raises(EngineUnavailable, match=f"process {console.pid}") as caught:
        await other.connect()
    assert "azrecover engine stop" in caught.value.hint
    monkeypatch.undo()


async def test_what_is_no_message_ends_only_its_own_line(world: EngineWorld) -> None:
    console = await world.filled_console()
    path = paths.socket_path(world.settings)
    for garbage in (b"\x00\x00\x00\x02\xc1\xc1", b"\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n"):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(garbage)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
    assert isinstance(await console.call(wire.GetStatus()), wire.GotStatus)


async def test_a_frozen_console_grows_nothing_and_slows_nobody(
    emulator_factory: EmulatorFactory, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = emulator_factory(fleet=600, throttle=False)
    point_environment(monkeypatch, emulator, folder)
    world = EngineWorld(emulator)
    try:
        console = await world.filled_console()
        reader, writer = await asyncio.open_unix_connection(paths.socket_path(world.settings), limit=4096)
        writer.write(wire.frame(wire.Hello(protocol=wire.PROTOCOL, version="test")))
        assert isinstance(await wire.read_from_engine(reader), wire.Welcome)
        before = await _resident(console)
        slowest = 0.0
        for _ in range(8):
            emulator.advance(600)
            await console.call(wire.Refresh())
            began = time.monotonic()
            await console.call(wire.GetStatus())
            slowest = max(slowest, time.monotonic() - began)
        grown = await _resident(console) - before
        assert grown < 40e6, f"grown by {grown / 1e6:.0f} MB"
        assert slowest < 1.0
        assert await _whole_fleet(reader) == console.items
        writer.close()
    finally:
        await world.close()


async def _resident(console: Told) -> int:
    answer = await console.call(wire.GetStatus())
    assert isinstance(answer, wire.GotStatus)
    return answer.status.rss_bytes


async def _whole_fleet(reader: asyncio.StreamReader) -> dict[str, object]:
    """What a console that wakes up has once it has read everything that waits for it."""
    items: dict[str, object] = {}
    while True:
        try:
            message = await asyncio.wait_for(wire.read_from_engine(reader), 2)
        except TimeoutError:
            return items
        if isinstance(message, wire.FleetDelta):
            assert len(message.changed) <= 500
            items |= {item.key: item for item in message.changed}
            for key in message.removed:
                items.pop(key, None)


async def test_a_damaged_journal_is_kept_and_everything_but_changing_works(world: EngineWorld) -> None:
    path = paths.journal_path(world.settings)
    damage = b"this was a journal once" * 400
    path.write_bytes(damage)
    console = await world.filled_console()
    await console.until(lambda: console.notices)
    assert str(path) in console.notices[0].title
    assert "Move the file away" in console.notices[0].text
    plan = await console.plan("backup-now", [console.named("mon-01").key])
    with pytest.raises(StateUnusable, match="damaged"):
        await console.confirm(plan)
    assert path.read_bytes() == damage
    assert world.emulator.requests() == []


async def test_a_journal_of_a_newer_azrecover_is_not_touched(world: EngineWorld) -> None:
    path = paths.journal_path(world.settings)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    console = await world.filled_console()
    await console.until(lambda: console.notices)
    assert "newer azrecover" in console.notices[0].title


async def test_a_state_folder_that_cannot_be_used_is_one_clear_line(
    world: EngineWorld, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "file"))
    with pytest.raises(StateUnusable, match="cannot be used") as caught:
        await world.console()
    assert "XDG_STATE_HOME" in caught.value.hint
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / ("deep/" * 5)))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder / ("long" * 30)))
    with pytest.raises(StateUnusable, match="too long"):
        await world.console()


async def test_a_read_only_console_changes_nothing(world: EngineWorld) -> None:
    console = await world.filled_console(settings=msgspec.structs.replace(world.settings, read_only=True))
    plan = await console.plan("backup-now", [console.named("mon-01").key])
    with pytest.raises(Refused, match="read-only"):
        await console.confirm(plan)
    assert world.emulator.requests() == []
    writing = await world.filled_console()
    assert await writing.start("backup-now", [writing.named("mon-01").key])


def engine_command(world: EngineWorld, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "azure_ops.engine", *words, *world.settings.to_argv()],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_status_stop_and_log(world: EngineWorld) -> None:
    nothing = await asyncio.to_thread(engine_command, world, "status")
    assert nothing.returncode == 3
    assert "No engine runs" in nothing.stdout
    console = await world.filled_console()
    status = await asyncio.to_thread(engine_command, world, "status")
    assert status.returncode == 0, status.stderr
    assert f"process {console.pid}" in status.stdout
    log = await asyncio.to_thread(engine_command, world, "log")
    assert "is ready" in log.stdout
    await console.close()
    stop = await asyncio.to_thread(engine_command, world, "stop")
    assert stop.returncode == 0, stop.stderr
    assert holder(world.settings) is None
    assert not paths.socket_path(world.settings).exists()


@pytest.mark.cold
async def test_a_stopped_engine_is_not_started_again_until_somebody_asks(world: EngineWorld) -> None:
    console, other = await world.filled_console(), await world.filled_console()
    stop = await asyncio.to_thread(engine_command, world, "stop")
    assert stop.returncode == 0, stop.stderr
    for told in (console, other):
        await told.until(lambda told=told: told.states[-1][0] == "lost")
        assert "Operations go on in Azure" in told.states[-1][1]
    await asyncio.sleep(1.0)
    assert holder(world.settings) is None
    with pytest.raises(EngineUnavailable, match="being started"):
        await console.call(wire.GetStatus())
    await console.until(lambda: console.states[-1][0] == "connected")
    await other.until(lambda: other.states[-1][0] == "connected")
    assert console.pid == other.pid


async def test_a_stop_by_message_is_answered(world: EngineWorld) -> None:
    console = await world.filled_console()
    assert isinstance(await console.call(wire.Stop()), wire.Done)
    await console.until(lambda: console.states[-1][0] == "lost")
    await until_gone(world)


async def test_a_row_in_focus_is_read_without_waiting_for_the_fleet(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = console.named("mon-01")
    assert world.emulator.post(f"{vm.id}/deallocate?api-version=2024-07-01").status == 202
    world.emulator.advance(600)
    console.focus([vm.key], [])
    await console.until(lambda: console.items[vm.key].power_state == "deallocated", 5)


async def test_a_second_engine_refuses_to_run(world: EngineWorld) -> None:
    await world.filled_console()
    second = await asyncio.to_thread(engine_command, world, "run")
    assert second.returncode == 3
    assert "another engine" in second.stderr


async def test_folders_socket_and_files_are_private(world: EngineWorld) -> None:
    await world.filled_console()
    state, runtime = paths.state_dir(world.settings), paths.runtime_dir(world.settings)
    for folder in (state, state.parent, runtime, runtime.parent):
        assert folder.stat().st_mode & 0o777 == 0o700
    for file in (*state.iterdir(), *runtime.iterdir()):
        assert file.stat().st_mode & 0o077 == 0, file


async def test_a_source_that_fails_keeps_its_rows_and_says_why(world: EngineWorld) -> None:
    console = await world.filled_console()
    items = dict(console.items)
    world.emulator.fault("status", method="POST", path="*ResourceGraph*", status=500, count=200)
    await console.call(wire.Refresh(), timeout_s=120)
    failed = {name: source for name, source in console.sources.items() if source.error}
    assert "virtual machines" in failed
    assert all(source.read_at is not None for source in failed.values())
    assert console.items == items
    world.emulator.clear_faults()
    await console.call(wire.Refresh(), timeout_s=120)
    assert not any(source.error for source in console.sources.values())


async def test_a_session_that_cannot_be_opened_is_said_where_the_fleet_would_be(
    world: EngineWorld, folder: Path
) -> None:
    (folder / "ca.pem").write_text("no certificate")
    settings = msgspec.structs.replace(world.settings, ca_file=str(folder / "ca.pem"))
    console = await world.console(settings=settings)
    await console.until(lambda: console.sources.get("session"))
    error = console.sources["session"].error
    assert error is not None
    assert "ca.pem" in error.title
    assert error.hint
    with pytest.raises(Unreachable):
        await console.call(wire.Refresh())
    shutil.copyfile(world.emulator.ca_file, folder / "ca.pem")
    await console.call(wire.Refresh())
    await console.filled()
    assert "session" not in console.sources


async def test_a_paused_console_asks_for_nothing(world: EngineWorld) -> None:
    console = await world.filled_console()
    await console.call(wire.Pause(paused=True))
    console.focus([console.named("mon-01").key], [])
    paused_at = datetime.now(UTC)
    await asyncio.sleep(1.5)
    lines = [line for m in console.messages if isinstance(m, wire.Requests) for line in m.lines]
    assert lines
    assert [line for line in lines if line.at > paused_at] == []


async def test_the_label_of_a_console_names_user_and_ssh_client(
    world: EngineWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = await world.filled_console()
    ids = await console.start("backup-now", [console.named("mon-01").key])
    await console.until(lambda: ids[0] in console.operations)
    assert console.operations[ids[0]].confirmed_by.startswith(pwd.getpwuid(os.getuid()).pw_name)


def test_the_program_version_is_known() -> None:
    """As written in the code and as the package was installed."""
    assert client_module.program_version() == metadata.version("azrecover")
