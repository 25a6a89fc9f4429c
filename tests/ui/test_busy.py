"""What runs on a row holds it: menu, footer and keys say so before the engine has to."""

from __future__ import annotations

from azure_ops import wire
from azure_ops.model import Backup, FleetItem, Job, JobKind, JobState, Operation, Phase
from tui.app import ConsoleApp
from tui.header import possible
from tui.screens.action_menu import ActionMenu
from tui.screens.vaults import VaultsScreen
from widgets.status import StatusBar

from .test_fleet_news import AT, BACKUP, REPLICATION, VM, console, private_folders, vm
from .test_loose_ends_screen import until

__all__ = ["private_folders"]
PROTECTED = Backup(
    item_id="/i", vault_id="/v/rsv", last_status="Completed", last_backup_at=AT, last_point_at=AT,
    protection_state="Protected",
)  # fmt: skip
JOB = Job(
    id="/v/rsv/backupJobs/1", kind=JobKind.BACKUP, operation="Restore", state=JobState.RUNNING,
    target_key="a", target_name="a", can_cancel=True, started_at=AT,
)  # fmt: skip


def replacing(phase: Phase) -> Operation:
    return Operation(
        id="1", action="replace-disks", title="Replacement of disks of a", target_key="a", target_name="a",
        phase=phase, created_at=AT, job_id=JOB.id, confirmed_by="ann",
    )  # fmt: skip


def keys_of(app: ConsoleApp, *targets: FleetItem | Job) -> set[str]:
    return {key for key, _ in possible(app, targets)}


async def test_while_an_operation_runs_only_what_may_run_beside_it_is_possible() -> None:
    async with console() as (app, pilot, teller):
        await teller.tell(vm("a", backup=PROTECTED), read=(VM, BACKUP, REPLICATION), first=True)
        await until(pilot, lambda: app.console_screen.vms.cursor_key == "a")
        row = app.state.items["a"]
        assert "B" in keys_of(app, row)

        await teller.say(wire.JobsDelta(changed=(JOB,)))
        await teller.say(wire.OperationsDelta(changed=(replacing(Phase.RUNNING),)))
        await until(pilot, lambda: app.state.operations and app.state.jobs)
        assert keys_of(app, row) == set()
        assert keys_of(app, JOB, row) == {"K"}

        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, ActionMenu))
        menu = app.screen
        assert isinstance(menu, ActionMenu)
        reasons = {entry.id: entry.why_not for entry in menu.entries}
        busy = "busy: Replacement of disks of a runs"
        assert reasons["backup-now"] == reasons["restore-vm"] == busy
        assert "already" in reasons["protect"], "what is not possible anyway keeps its own reason"
        assert {id for id, why in reasons.items() if not why} == {"open-files", "create-vault", "cancel-job"}
        await pilot.press("B")
        await until(pilot, lambda: app.screen is app.console_screen)
        assert not [call for call in teller.calls if isinstance(call, wire.Prepare)]

        await teller.say(wire.OperationsDelta(changed=(replacing(Phase.SUCCEEDED),)))
        await until(pilot, lambda: app.state.operations["1"].phase.ended)
        assert "B" in keys_of(app, row)


async def test_the_vaults_have_the_line_of_the_fleet() -> None:
    async with console() as (app, pilot, teller):
        await teller.tell(vm("a"), read=(VM, BACKUP, REPLICATION), first=True)
        await until(pilot, lambda: app.state.complete)
        await pilot.press("v")
        await until(pilot, lambda: isinstance(app.screen, VaultsScreen))
        await until(pilot, lambda: app.screen.query("#vault-status"))
        await until(pilot, lambda: "127.0.0.1:1" in str(app.screen.query_one(StatusBar).render()))
        assert "● WRITE" in str(app.screen.query_one(StatusBar).render())
        await teller.say(wire.OperationsDelta(changed=(replacing(Phase.RUNNING),)))
        await until(pilot, lambda: "1 running" in str(app.screen.query_one(StatusBar).render()))
