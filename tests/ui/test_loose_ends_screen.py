"""The loose-ends screen in the whole console: one list for header and screen, keys that act on its rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from textual.pilot import Pilot

from azure_ops import wire
from azure_ops.model import (
    Backup,
    ErrorNote,
    Job,
    JobKind,
    JobState,
    Leftovers,
    ManagedDisk,
    Replication,
    SourceState,
    Trace,
)
from tui.app import ConsoleApp
from tui.screens.loose_ends import LooseEndsScreen
from tui.screens.watch import WatchScreen
from widgets.page import PageView
from widgets.status import StatusBar

from .test_fleet_news import AT, BACKUP, REPLICATION, VM, Teller, console, private_folders, vm

__all__ = ["private_folders"]
TEST_OPEN = Replication(item_id="/r", vault_id="/v/rsv", allowed_operations=("TestFailoverCleanup",))
FAILED = Backup(
    item_id="/i", vault_id="/v/rsv", last_status="Failed", last_backup_at=AT, last_point_at=AT,
    protection_state="Protected",
)  # fmt: skip
DISK = ManagedDisk(id="/g/disks/left", name="left", state="Unattached", created_at=AT, size_gb=30)
TRACE = Trace(
    operation_id="1", action="replace-disks", title="Replacement of disks of c", target_key="c",
    target_name="c", by="ann", began_at=AT, ended_at=AT, disk_ids=(DISK.key,),
)  # fmt: skip
UNREAD = SourceState(name="backup policies", error=ErrorNote(kind="x", title="Azure is busy."))


def shown(app: ConsoleApp) -> list[tuple[str, str]]:
    """(key, name) of each row."""
    screen = app.screen
    assert isinstance(screen, LooseEndsScreen)
    rows = [screen.table.row(key) for key in screen.table.shown_keys]
    return [(screen.key_of(end), end.name) for end in rows if end is not None]


async def until(pilot: Pilot[None], true: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await pilot.pause(0.02)


async def filled(app: ConsoleApp, pilot: Pilot[None], teller: Teller) -> None:
    rows = vm("a"), vm("b", TEST_OPEN), vm("c", backup=FAILED)
    await teller.tell(*rows, read=(VM, BACKUP, REPLICATION), first=True)
    await teller.say(
        wire.LeftoversTold(
            leftovers=Leftovers(disks=(DISK,), traces=(TRACE,), sources=(UNREAD,)), service_at=AT
        )
    )
    await until(pilot, lambda: app.state.loose_ends.count == 3)


async def test_header_and_screen_agree_and_say_what_was_not_read() -> None:
    async with console() as (app, pilot, teller):
        await filled(app, pilot, teller)
        assert "3 loose ends" in str(app.console_screen.query_one(StatusBar).render())
        await pilot.press("L")
        await until(pilot, lambda: isinstance(app.screen, LooseEndsScreen))
        assert shown(app) == [("T", "b"), ("B", "c"), ("X", "left")]
        assert "3 loose ends" in str(app.screen.query_one(StatusBar).render())
        faults = app.screen.query_one("#loose-end-faults", PageView).render().plain
        assert "backup policies never read: Azure is busy." in faults
        # What is ended leaves the list, and what comes new is in it.
        await teller.tell(vm("b", Replication(item_id="/r", vault_id="/v/rsv")))
        job = Job(
            id="/j",
            kind=JobKind.BACKUP,
            operation="Restore",
            state=JobState.FAILED,
            target_name="d",
            started_at=AT,
        )
        await teller.say(wire.JobsDelta(changed=(job,)))
        await until(pilot, lambda: shown(app) == [("B", "c"), ("", "d"), ("X", "left")])
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.console_screen)
        assert "3 loose ends" in str(app.console_screen.query_one(StatusBar).render())


@pytest.mark.parametrize(
    ("keys", "action", "target"),
    [
        (("T",), "clean-up-test-failover", "b"),
        (("X",), "clean-up-test-failover", "b"),
        (("j", "B"), "backup-now", "c"),
        (("G", "X"), "delete-disk", DISK.id),
    ],
)
async def test_the_key_of_a_row_opens_its_action_on_its_target(
    keys: tuple[str, ...], action: str, target: str
) -> None:
    async with console() as (app, pilot, teller):
        await filled(app, pilot, teller)
        await pilot.press("L")
        await until(pilot, lambda: isinstance(app.screen, LooseEndsScreen))
        await pilot.press(*keys)
        wanted = wire.Prepare(action=action, keys=(target.lower(),))
        await until(pilot, lambda: wanted in teller.calls)


async def test_details_copy_and_a_row_that_nothing_ends() -> None:
    async with console() as (app, pilot, teller):
        await filled(app, pilot, teller)
        job = Job(id="/j", kind=JobKind.BACKUP, operation="Restore", state=JobState.FAILED, started_at=AT)
        await teller.say(wire.JobsDelta(changed=(job,)))
        await until(pilot, lambda: app.state.loose_ends.count == 4)
        await pilot.press("L")
        await until(pilot, lambda: isinstance(app.screen, LooseEndsScreen) and len(shown(app)) == 4)
        await pilot.press("G", "c")
        assert app.clipboard == DISK.id
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(app.screen, LooseEndsScreen))
        page = app.screen.query_one("#page", PageView).render().plain
        assert "c had it before its disks were replaced" in page
        assert "our journal: Replacement of disks of c, started by ann" in page
        assert "30 GB: a price is not known here" in page
        await pilot.press("escape", "k", "X")
        await until(
            pilot, lambda: any("Enter shows its steps" in note.message for note in app._notifications)
        )
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, WatchScreen))


async def test_read_only_takes_the_keys_away() -> None:
    async with console() as (app, pilot, teller):
        app.settings = type(app.settings)(name="custom", arm_endpoint="https://127.0.0.1:1", read_only=True)
        await filled(app, pilot, teller)
        await pilot.press("L")
        await until(pilot, lambda: isinstance(app.screen, LooseEndsScreen))
        await pilot.press("X")
        await until(pilot, lambda: any("read-only" in note.message for note in app._notifications))
        assert not [call for call in teller.calls if isinstance(call, wire.Prepare)]
