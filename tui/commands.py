"""What the keys that only look do, by id: `sort`, `raw`, `copy` … Mixed into the console screen.

Everything here reads the row under the cursor at the moment of the key and asks the engine in a worker.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from azure_ops import wire
from azure_ops.errors import RecoveryError
from azure_ops.model import (
    FleetItem,
    Gap,
    Job,
    Operation,
    Option,
    Output,
    PointSource,
    RecoveryPoint,
    Risk,
    Subscription,
)
from azure_ops.restore_outputs import outputs
from widgets.page import Page
from widgets.plain_text import visible

from .flows import NOTHING, actions, name_of

if TYPE_CHECKING:
    from azure_ops.actions.spec import Action, Target, TargetKind

    from .app import ConsoleApp
    from .screens.console import ConsoleScreen

RESTORE_IDS, FAILOVER_IDS = ("restore-", "replace-", "open-files"), ("failover", "test-failover")
"""How the ids of actions begin that take a backup's point, and of those that take one of replication."""
PORTALS = {
    "public": "https://portal.azure.com",
    "usgovernment": "https://portal.azure.us",
    "china": "https://portal.azure.cn",
}


class Commands:
    """One method per command id, dashes as underscores."""

    def __init__(self, app: ConsoleApp, screen: ConsoleScreen) -> None:
        self._app = app
        self._screen = screen

    def run(self, id: str) -> None:
        command: Callable[[], None] = getattr(self, id.replace("-", "_"))
        command()

    # acting -------------------------------------------------------------------------------------------------

    def act(self, action_id: str) -> None:
        from azure_ops.actions.spec import TargetKind

        action = actions().get(action_id)
        if action is not None and action.target is TargetKind.DISK:
            self.loose_ends()
        elif action is not None and action.target is TargetKind.VAULT:
            self.vaults()
            self._app.tell(
                f"Choose the vault, then press {self._app.keys.shown('menu')}.", title=action.title
            )
        elif action is not None and action.opens:
            self._open_files(action)
        elif action is not None:
            self._app.flows.start(action_id, self.targets(action.target))

    def _open_files(self, action: Action) -> None:
        """Of the point under the cursor, where there is one."""
        from azure_ops.actions.open_files import option_of, why_not_point

        point = self._screen.point_under_cursor()
        chosen = {}
        if isinstance(point, RecoveryPoint):
            if reason := why_not_point(point):
                self._app.tell(reason, "warning", title=f"{action.title} is not possible")
                return
            chosen = {"point": option_of(point)}
        self._app.flows.start(action.id, self.targets(action.target), chosen)

    def targets(self, kind: TargetKind) -> Sequence[Target]:
        """The objects, now: marked rows, or the one under the cursor."""
        from azure_ops.actions.spec import TargetKind

        if kind is TargetKind.JOB:
            job = self._screen.job_under_cursor()
            return [job] if job else []
        rows = self._screen.vms_under_cursor()
        if kind is TargetKind.VM:
            return rows
        if kind is TargetKind.SUBSCRIPTION:
            return [Subscription(id=f"/subscriptions/{row.subscription_id}") for row in rows[:1]]
        return []

    def menu(self) -> None:
        from azure_ops.actions.spec import TargetKind

        elsewhere = (TargetKind.VAULT, TargetKind.DISK)
        offered = [action for action in actions().values() if action.target not in elsewhere]
        row = self._screen.row_under_cursor()
        self.menu_of(offered, self.targets, again=row if isinstance(row, Operation) else None)

    def menu_of_point(self, item: FleetItem, point: RecoveryPoint, chosen: Mapping[str, Option]) -> None:
        """The actions that go back to such a point; it stands in their forms."""
        ways = FAILOVER_IDS if point.source is PointSource.REPLICATION else RESTORE_IDS
        fitting = [action for action in actions().values() if action.id.startswith(ways)]
        self.menu_of(fitting, lambda _: (item,), chosen)

    def menu_of(
        self,
        offered: Sequence[Action],
        targets_of: Callable[[TargetKind], Sequence[Target]],
        chosen: Mapping[str, Option] = NOTHING,
        again: Operation | None = None,
    ) -> None:
        """`again` is an operation of which trying again stands there, too."""
        from .screens.action_menu import ActionMenu, Entry

        found: list[Entry] = []
        subject = ""
        for action in offered:
            targets = targets_of(action.target)
            reason = ""
            if not targets:
                reason = "nothing under the cursor for it"
            elif len(targets) == 1:
                reason = self._app.flows.why_not(action, targets[0])
                subject = subject or name_of(targets[0])
            else:
                subject = f"{len(targets)} marked rows"
                if not any(not self._app.flows.why_not(action, target) for target in targets):
                    reason = "possible on none of the marked rows"
            found.append(Entry(action.id, self._app.keys.shown(action.id), action.title, action.risk, reason))
        if again is not None:
            reason = self._app.flows.why_not_again(again)
            action_again = actions().get(again.action)
            risk = action_again.risk if action_again else Risk.LOOK
            found.insert(0, Entry("try-again", self._app.keys.shown("try-again"), "Try again", risk, reason))
        menu = ActionMenu(subject or "nothing", found)

        def start(id: str | None) -> None:
            if id == "try-again":
                self.try_again()
            elif id:
                self._app.flows.start(id, targets_of(actions()[id].target), chosen)

        self._app.push_screen(menu, start)

    # looking ------------------------------------------------------------------------------------------------

    def details(self) -> None:
        point = self._screen.point_under_cursor()
        if point is not None:
            self.show_point(point)
            return
        row = self._screen.row_under_cursor()
        if isinstance(row, FleetItem):
            self._later(self._show_details(row))
        elif isinstance(row, Job | Operation):
            self._app.watch_job(row.id)

    async def _show_details(self, item: FleetItem) -> None:
        from .screens.details import DetailsDialog

        answer = await self._app.link.ask(wire.GetDetails(key=item.key), wire.GotDetails)
        self._app.push_screen(DetailsDialog(self._app, answer.details))

    def show_point(self, row: RecoveryPoint | Gap) -> None:
        from .screens.dialog import Message
        from .screens.point_details import gap_page, point_page

        details = self._screen.details_shown
        if details is None:
            return
        now = self._app.state.service_now()
        if isinstance(row, Gap):
            title, page = "A gap", gap_page(row, details, now)
        else:
            title, page = "A recovery point", point_page(row, details, now)
        self._app.push_screen(Message(f"{title} of {visible(details.item.name)}", page))

    def which_point(self) -> None:
        """Asks when it began, then weighs the points of the VM under the cursor."""
        found = self._screen.vms_under_cursor()
        if len(found) != 1:
            told = (
                "one VM at a time: clear the marks with esc" if found else "there is no VM under the cursor"
            )
            self._app.tell(f"Which point: {told}.", "warning")
            return
        self._later(self._which_point(found[0]), group="flow")

    async def _which_point(self, item: FleetItem) -> None:
        from .screens.incident import IncidentForm
        from .screens.which_point import WhichPoint

        at = await self._app.push_screen_wait(IncidentForm(item.name, self._app.state.service_now))
        if at is None:
            return
        request = wire.GetDetails(key=item.key, fresh=True, secondary=self._screen.secondary)
        line = f"Reading the points of {visible(item.name)} …"
        answer = await self._app.flows.wait(line, self._app.link.ask(request, wire.GotDetails))
        self._screen.took(answer.details)
        taken = await self._app.push_screen_wait(
            WhichPoint(answer.details, at, self._app.state.service_now(), self._app.keys)
        )
        if taken is None:
            return
        target = self._app.state.items.get(item.key, answer.details.item)
        if taken.action == "menu":
            self.menu_of_point(target, taken.point, taken.options)
        else:
            self._app.flows.start(taken.action, (target,), taken.options)

    def secondary(self) -> None:
        self._screen.secondary = not self._screen.secondary
        self._later(self._secondary())

    async def _secondary(self) -> None:
        wanted, item = self._screen.secondary, self._screen.vms.cursor_row
        if not wanted or item is None:
            where = "are asked for with each VM from now on" if wanted else "are left out"
            self._app.tell(f"Points of the secondary region {where}.")
            self._screen.load_details()
            return
        request = wire.GetDetails(key=item.key, secondary=True)
        answer = await self._app.link.ask(request, wire.GotDetails)
        self._screen.took(answer.details)
        self._app.tell(answer.details.secondary, title=f"The other region of {visible(item.name)}")

    def raw(self) -> None:
        wanted = self._raw_wanted()
        if wanted is None:
            self._app.tell("There is no row under the cursor to show.", "warning")
        else:
            self._later(self._show_raw(*wanted))

    def show_raw_of(self, job: Job) -> None:
        self._later(self._show_raw(job.title or job.operation, wire.GetRaw(key=job.id, part="job")))

    def show_raw_of_vault(self, vault_id: str, name: str) -> None:
        self._later(self._show_raw(name, wire.GetRaw(key=vault_id, part="vault")))

    def _raw_wanted(self) -> tuple[str, wire.GetRaw] | None:
        row = self._screen.row_under_cursor()
        if isinstance(row, Operation):
            row = self._app.state.job_of(row)
        if isinstance(row, Job):
            return row.title or row.operation, wire.GetRaw(key=row.id, part="job")
        if not isinstance(row, FleetItem):
            return None
        pane = self._screen.active_pane
        if pane == 3 and row.replication:
            return f"{row.name}, replicated item", wire.GetRaw(key=row.key, part="replication")
        if pane == 2 and row.backup:
            return f"{row.name}, backup item", wire.GetRaw(key=row.key, part="backup")
        return row.name, wire.GetRaw(key=row.key, part="vm")

    async def _show_raw(self, name: str, request: wire.GetRaw) -> None:
        from .screens.raw import RawJson

        self._app.push_screen(RawJson(name, (await self._app.link.ask(request, wire.GotRaw)).document))

    def _arm_id(self) -> str:
        row = self._screen.row_under_cursor()
        if isinstance(row, FleetItem):
            pane = self._screen.active_pane
            if pane == 3 and row.replication:
                return row.replication.item_id
            return row.id
        if isinstance(row, Operation):
            return row.job_id or row.target_key
        return row.id if isinstance(row, Job) else ""

    def copy(self) -> None:
        row = self._screen.row_under_cursor()
        operation = row if isinstance(row, Operation) else None
        job = self._app.state.job_of(operation) if operation else row if isinstance(row, Job) else None
        self.copy_of(operation, job, self._arm_id())

    def copy_of(self, operation: Operation | None, job: Job | None, arm_id: str) -> None:
        """What there is to copy of a row: its id at once, or one of what it made, to be chosen."""
        made = outputs(operation, job)
        if not made:
            self.copy_id(arm_id)
            return
        from .screens.copying import Copying

        found = [*made, *([Output(label="Id", value=arm_id)] if arm_id else [])]
        self._app.push_screen(Copying(found), lambda one: self.copy_id(one.value) if one else None)

    def copy_id(self, arm_id: str) -> None:
        if arm_id:
            self._app.copy_to_clipboard(visible(arm_id))
            self._app.tell(arm_id, title="Sent to your terminal's clipboard (OSC 52)")

    def try_again(self) -> None:
        row = self._screen.row_under_cursor()
        if isinstance(row, Operation):
            self._app.flows.try_again(row)
        else:
            self._app.tell("Move the cursor to one of your operations (4) first.", "warning")

    def portal(self) -> None:
        self.portal_of(self._arm_id())

    def portal_of(self, arm_id: str) -> None:
        from .screens.dialog import Message

        base = PORTALS.get(self._app.settings.name, "")
        if not base:
            self._app.tell("The portal shows the public clouds; this is an endpoint of your own.", "warning")
        elif arm_id:
            link = f"{base}/#@/resource{arm_id}/overview"
            self._app.copy_to_clipboard(link)
            page = (
                Page()
                .text("In any browser that is signed in:")
                .blank()
                .text(link, style="bold $accent")
                .blank()
            )
            self._app.push_screen(
                Message("Azure portal", page.note("It is in your terminal's clipboard too.", 0))
            )

    def loose_ends(self) -> None:
        from .screens.loose_ends import LooseEndsScreen

        self._app.push_screen(LooseEndsScreen(self._app))

    def handover(self) -> None:
        self._later(self._hand_over())

    async def _hand_over(self) -> None:
        from .screens.dialog import Message

        shown = {id: self._app.keys.shown(id) for id in actions()}
        answer = await self._app.link.ask(wire.WriteHandover(keys=shown), wire.HandoverWritten, 120)
        page = Page().note(f"Written to {answer.path}, readable by you alone.", 0).blank()
        self._app.push_screen(Message("Handover", page.verbatim(answer.text)))

    def refresh(self) -> None:
        self._later(self._refresh())

    def refresh_quietly(self) -> None:
        request = self._app.link.ask(wire.Refresh(), wire.Done)
        self._app.run_worker(_without_words(request), group="pace", exclusive=True, exit_on_error=False)

    async def _refresh(self) -> None:
        await self._app.link.ask(wire.Refresh(), wire.Done)
        self._screen.load_details(fresh=True)

    def pause(self) -> None:
        self._later(self._pause())

    async def _pause(self) -> None:
        paused = not self._app.state.paused
        await self._app.link.ask(wire.Pause(paused=paused), wire.Done)
        self._app.state.paused = paused
        self._screen.header_changed()
        self._app.tell("Reading is paused; p goes on." if paused else "Reading goes on.")

    def vaults(self, id: str = "") -> None:
        """`id`: the vault on which the cursor stands at first."""
        from .screens.vaults import VaultsScreen

        for screen in self._app.screen_stack:
            if isinstance(screen, VaultsScreen):
                screen.go_to(id)
                return
        self._app.push_screen(VaultsScreen(self._app, id))

    # the console --------------------------------------------------------------------------------------------

    def help(self) -> None:
        from .screens.help import Help

        self._app.push_screen(Help(self._app.keys))

    def palette(self) -> None:
        self.palette_for(self.go)

    def palette_over(self, act: Callable[[str], None]) -> None:
        """Over another screen, whose actions are for what it shows; what is of the fleet leads back there."""

        def go(kind: str, id: str) -> None:
            if kind == "action":
                act(id)
                return
            while kind in ("vm", "command") and self._app.screen is not self._screen:
                self._app.pop_screen()
            self.go(kind, id)

        self.palette_for(go)

    def palette_for(self, go: Callable[[str, str], None]) -> None:
        """`go` takes the kind and the id of what was found."""
        from .palette import Entry, entries
        from .screens.palette import Palette

        state = self._app.state
        keywords = {action.id: action.keywords for action in actions().values()}
        index = entries(
            self._app.keys, keywords, state.items.values(), state.operations.values(), state.vaults
        )

        def chosen(entry: Entry | None) -> None:
            if entry is not None:
                go(entry.kind, entry.id)

        self._app.push_screen(Palette(index), chosen)

    def go(self, kind: str, id: str) -> None:
        match kind:
            case "action":
                self.act(id)
            case "command":
                self._screen.action_run(id)
            case "vm":
                self._screen.go_to_vm(id)
            case "operation":
                self._app.watch_job(id)
            case "vault":
                self.vaults(id)

    def quit(self) -> None:
        self._later(self._app.action_quit())

    def _later(self, work: Awaitable[None], group: str = "look") -> None:
        """Something newer of the same group takes its place."""

        async def guarded() -> None:
            try:
                await work
            except RecoveryError as error:
                self._app.tell(str(error), "warning")

        self._app.run_worker(guarded(), group=group, exclusive=True, exit_on_error=False)


async def _without_words(work: Awaitable[object]) -> None:
    """What fails here shows as the age of the panes."""
    with contextlib.suppress(RecoveryError):
        await work
